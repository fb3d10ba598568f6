"""One flow as the stations that it passes, in a row or in a column, and the lanes of what is predicted, seen and expected."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum

from rich.cells import cell_len

from meshtui.model.ids import ObjectRef
from meshtui.ui.document import BAD, DIM, OK, PLAIN, STRONG, WARN, Document, Line, Section, line
from meshtui.ui.links import Link, named
from meshtui.ui.pictures.canvas import Canvas, Picture, widest
from meshtui.ui.text import clean
from meshtui.ui.wrap import wrapped

WIDE = 100
"""From this width on, the stations stand in a row if they fit."""
_LABELLED = 60
"""From this width on, what stands on the line beside a column stands there, too; in a narrower one it gets its own row."""
_MOST_SPREAD = 16


class State(Enum):
    """What a station does with the flow: its glyph. Only a step of the verdict, or a proof, lets a station pass."""

    PASS = "✓"
    BLOCK = "✗"
    UNKNOWN = "?"
    SKIP = "–"
    PLACE = "·"
    """A place that the flow passes, about which no step says anything."""


class Way(Enum):
    """The line that leads to a station: its characters in a row and in a column, and what stands on it."""

    LOCAL = ("─", "│", "")
    HBONE = ("═", "║", "15008")
    MUTUAL_TLS = ("═", "║", "mTLS")

    @property
    def across(self) -> str:
        """Its character in a row."""
        return self.value[0]

    @property
    def down(self) -> str:
        """Its character in a column."""
        return self.value[1]

    @property
    def label(self) -> str:
        """What stands on it: the tunnel's port, or a word."""
        return self.value[2]


@dataclass(frozen=True, slots=True)
class Station:
    """One place that a flow passes. ``id`` is unique in its path.

    ``says`` is what it does, in a few words; ``refs`` are the objects that it names, the deciding one first; ``at`` is where it
    runs, which is left out where there is no room, and ``short`` is its name where there is less. ``link`` is what its name leads
    to. ``way`` leads to it. ``is_fact``: what it says is so whether the flow gets there or not.
    """

    id: str
    name: str
    says: str = ""
    state: State = State.PLACE
    refs: tuple[ObjectRef, ...] = ()
    at: str = ""
    link: Link | None = None
    way: Way = Way.LOCAL
    short: str = ""
    is_fact: bool = False


@dataclass(frozen=True, slots=True)
class Lane:
    """What is said of the whole flow: ``name`` is predicted, observed or expected; ``note`` is how it compares with another.

    ``age`` is how long ago it was seen, as in ``12s ago``. The note has its own glyph.
    """

    name: str
    glyph: str
    word: str
    tone: str = PLAIN
    age: str = ""
    note: str = ""
    note_tone: str = PLAIN

    def line(self) -> Line:
        """The lane as a line of words."""
        age = ((f", {self.age}", DIM),) if self.age else ()
        note = (("  ", PLAIN), (self.note, self.note_tone)) if self.note else ()
        return line((f"{self.name} ", DIM), (f"{self.glyph} {self.word}", self.tone), *age, *note)


@dataclass(frozen=True, slots=True)
class PathData:
    """A flow's path. ``stop`` is the index of the station at which the line breaks, or from which on nothing is known.

    ``note`` says of what the path is the path, if not of all of the flow: ``1 of 3 pairs``. ``keys`` are pairs of a key and what
    it does next.
    """

    title: str
    stations: tuple[Station, ...]
    stop: int | None = None
    lanes: tuple[Lane, ...] = ()
    note: str = ""
    keys: tuple[tuple[str, str], ...] = field(default=())

    def is_behind(self, index: int) -> bool:
        """Whether a station stands behind the one at which the line breaks."""
        return self.stop is not None and index > self.stop

    @property
    def breaks(self) -> bool:
        """Whether the line breaks at ``stop``; if not, nothing is known from there on."""
        return self.stop is not None and self.stations[self.stop].state is State.BLOCK


def said(data: PathData, index: int) -> str:
    """What a station says: behind the break, what it would do."""
    station = data.stations[index]
    if not data.is_behind(index):
        return station.says
    if station.state in _WOULD and not station.is_fact:
        return _WOULD[station.state]
    return station.says or ("not reached" if data.breaks else "not known")


_WOULD = {State.PASS: "would pass", State.BLOCK: "would block"}
_TONES = {State.PASS: OK, State.BLOCK: BAD, State.UNKNOWN: WARN, State.SKIP: DIM, State.PLACE: DIM}


def draw_path(data: PathData, width: int, height: int) -> Picture:
    """The path in a row if it is wide enough and everything fits, else in a column; higher than ``height`` only if need be."""
    if width < 1 or not data.stations:
        return Picture(max(0, width), 0)
    stations = [_Words(data, index) for index in range(len(data.stations))]
    if width >= WIDE:
        for name, form in _ROWS:
            row = _Row(data, stations, name, form)
            if row.width <= width:
                return row.draw(width, height)
    return _column(data, stations, width, height)


_WHOLE, _NAME, _SHORT = 0, 1, 2
"""How a station is named: with where it runs, without, or in short."""
_ROWS = ((_WHOLE, 0), (_WHOLE, 1), (_NAME, 1), (_WHOLE, 2), (_NAME, 2), (_SHORT, 1), (_SHORT, 2))
"""The forms of the names of stations and objects that are tried for a row, the most telling first."""


class _Words:
    """The texts of a station, cleaned, with their tones."""

    def __init__(self, data: PathData, index: int) -> None:
        station = data.stations[index]
        behind = data.is_behind(index)
        self.station = station
        self.name = clean(station.name) or "–"
        self.full = f"{self.name} {clean(station.at)}" if station.at else self.name
        self.names = (self.full, self.name, clean(station.short) or self.name)
        self.says = clean(said(data, index))
        self.glyph = station.state.value
        self.tone = DIM if behind else _TONES[station.state]
        self.name_tone = DIM if behind else STRONG if station.state is State.BLOCK else PLAIN
        self.ref_tone = DIM if behind else PLAIN
        self.result = f"{self.glyph} {self.says}" if self.says or station.state is not State.PLACE else ""

    def refs(self, form: int) -> list[str]:
        """The names of its objects: with their kind, with their namespace, or alone."""
        return [clean(_named(ref, form)) or "–" for ref in self.station.refs]


def _named(ref: ObjectRef, form: int) -> str:
    """An object's name, in the form that has room: the kinds of identities and nodes are plain from where they stand."""
    short = f"sa/{ref.name}" if ref.kind == "ServiceAccount" else ref.name
    return (str(ref), short if ref.kind == "ServiceAccount" else named(ref), short)[form]


# ---- in a row


class _Row:
    """The stations in a row: names on the line, below them the deciding objects, what they say, and other objects."""

    def __init__(self, data: PathData, stations: Sequence[_Words], name: int, form: int) -> None:
        self._data = data
        self._stations = stations
        gap = 2 if name == _SHORT else 3
        self._names = [words.names[name] for words in stations]
        self._refs = [words.refs(form) for words in stations]
        blocks = [max(widest(refs), cell_len(words.result)) for refs, words in zip(self._refs, stations, strict=True)]
        lines = [_line_width(words.station.way, gap) for words in stations[1:]]
        least = [cell_len(name) + line_ for name, line_ in zip(self._names, lines, strict=False)]
        self._steps = [max(pair[0], pair[1] + gap) for pair in zip(least, blocks, strict=False)]
        self.width = sum(self._steps) + max(cell_len(self._names[-1]), blocks[-1])

    def draw(self, width: int, height: int) -> Picture:
        """The picture, spread over the width."""
        data, lanes = self._data, _lanes(self._data, width)
        top, more = int(bool(data.note)), max(*map(len, self._refs), 1) - 1
        deep = 3 if any(self._refs) else 2
        airy = bool(lanes) and height > top + deep + more + len(lanes)
        canvas = Canvas(width, top + deep + more + airy + len(lanes))
        canvas.put(0, 0, data.note, WARN)
        spare = min(_MOST_SPREAD, (width - self.width) // max(1, len(self._steps)))
        x = 0
        for index in range(len(self._stations)):
            after = x + self._steps[index] + spare if index < len(self._steps) else None
            self._station(canvas, index, x, top, deep)
            if after is not None:
                self._line(canvas, x + cell_len(self._names[index]) + 1, after - 1, top, index + 1)
                x = after
        for row, pieces in enumerate(lanes, top + deep + more + airy):
            _put(canvas, row, pieces)
        return canvas.picture()

    def _station(self, canvas: Canvas, index: int, x: int, top: int, deep: int) -> None:
        """One station, from a cell to the right and down."""
        words, name, texts = self._stations[index], self._names[index], self._refs[index]
        station = words.station
        canvas.put(x, top, name, words.name_tone)
        if station.link is not None:
            canvas.item(station.id, x, top, max(1, cell_len(name)), 1, station.link)
        rows = [top + 1, *range(top + deep, top + deep + len(texts))]
        for row, ref, text in zip(rows, station.refs, texts, strict=False):
            canvas.put(x, row, text, words.ref_tone)
            canvas.item(ref_id(station, ref), x, row, max(1, cell_len(text)), 1, ref)
        canvas.put(x, top + deep - 1, words.result, words.tone)

    def _line(self, canvas: Canvas, start: int, end: int, y: int, index: int) -> None:
        """The line that leads to a station, between two cells."""
        data, way = self._data, self._stations[index].station.way
        size, behind = end - start, data.is_behind(index)
        head = "▶"
        tone = DIM if behind else PLAIN
        body = ("┄" if behind else way.across) * (size - 1)
        if way.label and not behind:
            before = (size - 1 - len(way.label)) // 2
            body = f"{way.across * before}{way.label}{way.across * (size - 1 - len(way.label) - before)}"
        if index == data.stop:
            head, tone_of_head = ("╳", BAD) if data.breaks else ("?", WARN)
            canvas.put(start, y, body, tone)
            canvas.put(end - 1, y, head, tone_of_head)
            return
        canvas.put(start, y, body + head, tone)


def _line_width(way: Way, gap: int) -> int:
    """The least length of a line, with its head and the spaces around it."""
    return len(way.label) + 5 if way.label else gap + 2


# ---- in a column


class _Sheet:
    """Rows that are written one after the other; their number is known at the end."""

    def __init__(self, width: int) -> None:
        self.width = width
        self.height = 0
        self.texts: list[tuple[int, int, str, str]] = []
        self.items: list[tuple[str, int, int, int, int, Link | None]] = []

    def text(self, x: int, y: int, text: str, tone: str, id: str = "", link: Link | None = None) -> int:  # noqa: A002
        """Write a text, on several rows if it is too wide. Returns the row after it."""
        rows = wrapped(text, max(1, self.width - x))
        for row, part in enumerate(rows, y):
            self.texts.append((x, row, part, tone))
        if link is not None:
            self.items.append((id, x, y, max(1, min(widest(rows), self.width - x)), len(rows), link))
        self.height = max(self.height, y + len(rows))
        return y + len(rows)

    def picture(self) -> Picture:
        """The rows as a picture."""
        canvas = Canvas(self.width, self.height)
        for x, y, text, tone in self.texts:
            canvas.put(x, y, text, tone)
        for item in self.items:
            canvas.item(*item)
        return canvas.picture()


def _column(data: PathData, stations: Sequence[_Words], width: int, height: int) -> Picture:
    """The stations one below the other: with the lines between them if the height allows it, else beside them.

    Where not even the stations have a row each, they stand in a chain, if that fits.
    """
    if height < len(stations):
        chain = _chain(data, stations, width)
        if chain is not None:
            return chain
    roomy = _in_column(data, stations, width, height, between=True)
    return roomy if roomy.height <= height else _in_column(data, stations, width, height, between=False)


def _in_column(data: PathData, stations: Sequence[_Words], width: int, height: int, *, between: bool) -> Picture:
    sheet = _Sheet(width)
    y = sheet.text(0, 0, data.note, WARN) if data.note else 0
    beside = 0 if between or width < _LABELLED else max(len(_rail(data, i, w)[0]) - 2 for i, w in enumerate(stations))
    rail = 0 if between else max(0, beside) + 2
    columns = _columns(stations, rail, width)
    for index, words in enumerate(stations):
        if index:
            line_, tone = _rail(data, index, words)
            own = between or (width < _LABELLED and len(line_) > 1)
            sheet.text(0, y, line_ if own else line_.replace(" ", ""), tone)
            y += own
            if own and not between:
                sheet.text(0, y, line_[0], tone)
        after = _station(sheet, words, y, rail, columns)
        if index + 1 < len(stations):
            behind, way = data.is_behind(index + 1), stations[index + 1].station.way
            for row in range(y + 1, after):
                sheet.text(0, row, "┆" if behind else way.down, DIM)
        y = after
    lanes = _lanes(data, width)
    y += bool(lanes) and (between or y + len(lanes) < height)
    for pieces in lanes:
        y = _put_wrapped(sheet, y, pieces)
    return sheet.picture()


def _rail(data: PathData, index: int, words: _Words) -> tuple[str, str]:
    """The line that leads to a station, from top to bottom."""
    if data.is_behind(index):
        return "┆", DIM
    if index == data.stop:
        return ("╳", BAD) if data.breaks else ("?", WARN)
    way = words.station.way
    return (f"{way.down} {way.label}", DIM) if way.label else (way.down, DIM)


@dataclass(frozen=True, slots=True)
class _Columns:
    """Where what a station says begins, and its objects; 0 for the rows below its name. How both are named.

    ``own`` is where objects begin that have no room beside what is said.
    """

    says: int
    refs: int
    own: int
    name: int
    form: int


def _columns(stations: Sequence[_Words], rail: int, width: int) -> _Columns:
    """Columns in which everything stands in one row if it fits; else what doesn't gets a row of its own."""
    start = rail + 2
    for name in (_WHOLE, _NAME, _SHORT):
        says = start + widest(words.names[name] for words in stations) + 2
        refs = says + widest(words.says for words in stations if words.station.refs) + 2
        if says + widest(words.says for words in stations) > width:
            continue
        for form in (0, 1, 2) if name != _SHORT else (1, 2):
            if refs + widest(", ".join(words.refs(form)) for words in stations) <= width:
                return _Columns(says, refs, says, name, form)
        if name == _SHORT or refs + width // 4 <= width:
            form = 1 if start + _widest_ref(stations, 1) <= width else 2
            own = says if says + _widest_ref(stations, form) <= width else start
            return _Columns(says, refs, own, name, form)
    return _Columns(0, 0, start, _SHORT, 1)


def _widest_ref(stations: Sequence[_Words], form: int) -> int:
    return widest(text for words in stations for text in words.refs(form))


def _station(sheet: _Sheet, words: _Words, y: int, rail: int, columns: _Columns) -> int:
    """One station; returns the row after it."""
    station, start = words.station, rail + 2
    sheet.text(rail, y, words.glyph, words.tone)
    after = sheet.text(start, y, words.names[columns.name], words.name_tone, station.id, station.link)
    if words.says:
        after = max(after, sheet.text(columns.says or start, y if columns.says else after, words.says, words.tone))
    texts = words.refs(columns.form)
    if not texts:
        return after
    if columns.refs and columns.refs + cell_len(", ".join(texts)) <= sheet.width:
        x = columns.refs
        for number, (ref, text) in enumerate(zip(station.refs, texts, strict=True)):
            x = _comma(sheet, x, y, words.ref_tone) if number else x
            sheet.text(x, y, text, words.ref_tone, ref_id(station, ref), ref)
            x += cell_len(text)
        return after
    for ref, text in zip(station.refs, texts, strict=True):
        after = sheet.text(columns.own, after, text, words.ref_tone, ref_id(station, ref), ref)
    return after


def _comma(sheet: _Sheet, x: int, y: int, tone: str) -> int:
    sheet.text(x, y, ",", tone)
    return x + 2


def ref_id(station: Station, ref: ObjectRef) -> str:
    """The id of the item that an object is at a station."""
    return f"{station.id} {ref}"


# ---- in a chain


def _chain(data: PathData, stations: Sequence[_Words], width: int) -> Picture | None:
    """The stations in one row, by glyph and name, and below it what the deciding one says; None if that doesn't fit."""
    texts = [
        words.names[_SHORT] if words.station.state is State.PLACE else f"{words.glyph} {words.names[_SHORT]}"
        for words in stations
    ]
    if sum(map(cell_len, texts)) + 3 * (len(texts) - 1) > width:
        return None
    sheet, x = _Sheet(width), 0
    y = sheet.text(0, 0, data.note, WARN) if data.note else 0
    deciding = _deciding(data)
    for index, (words, text) in enumerate(zip(stations, texts, strict=True)):
        if index:
            line_, tone = _rail(data, index, words)
            sheet.text(x + 1, y, _ACROSS.get(line_[0], line_[0]), tone)
            x += 3
        station = words.station
        tone = words.name_tone if station.state is State.PLACE else words.tone
        ref = None if index == deciding else next(iter(station.refs), None)
        own = station.id if station.link is not None or ref is None else ref_id(station, ref)
        sheet.text(x, y, text, tone, own, station.link or ref)
        x += cell_len(text)
    if deciding is not None:
        y = _decided(sheet, stations[deciding], y + 1)
    y = sheet.height
    for pieces in _lanes(data, width):
        y = _put_wrapped(sheet, y, pieces)
    return sheet.picture()


_ACROSS = {way.down: way.across for way in Way} | {"┆": "┄"}


def _decided(sheet: _Sheet, words: _Words, y: int) -> int:
    """What the deciding station says, and its object. Returns the row after it."""
    sheet.text(0, y, words.result, words.tone)
    x = cell_len(words.result) + 2
    for ref, text in zip(words.station.refs[:1], words.refs(0), strict=False):
        y, x = (y, x) if x + cell_len(text) <= sheet.width else (y + 1, 0)
        sheet.text(x, y, text, words.ref_tone, ref_id(words.station, ref), ref)
    return sheet.height


def _deciding(data: PathData) -> int | None:
    """The station at which the flow stops; else the last one that lets it through and names an object."""
    if data.stop is not None:
        return data.stop
    passing = (i for i, each in enumerate(data.stations) if each.refs and each.state is State.PASS)
    return max(passing, default=None)


# ---- the lanes


_Pieces = list[tuple[str, str]]


def _lanes(data: PathData, width: int) -> list[_Pieces]:
    """The lanes and the keys: on one row if they fit, else on a row each."""
    lines: list[_Pieces] = [[(clean(word.text), word.tone) for word in lane.line()] for lane in data.lanes]
    if data.keys:
        pairs = [((f"{clean(key)} ", STRONG), (f"{clean(words)}  ", PLAIN)) for key, words in data.keys]
        lines.append([piece for pair in pairs for piece in pair])
    if not lines:
        return []
    together = [piece for each in lines for piece in ((" " * 3, PLAIN), *each)][1:]
    if cell_len("".join(text for text, _ in together).rstrip()) <= width:
        return [together]
    size = widest(clean(lane.name) for lane in data.lanes)
    for lane, pieces in zip(data.lanes, lines, strict=False):
        name = clean(lane.name)
        pieces[0] = (name + " " * (size - cell_len(name) + 1), DIM)
    return lines


def _put(canvas: Canvas, y: int, pieces: Iterable[tuple[str, str]]) -> None:
    x = 0
    for text, tone in pieces:
        x = canvas.put(x, y, text, tone)


def _put_wrapped(sheet: _Sheet, y: int, pieces: Iterable[tuple[str, str]]) -> int:
    """Write pieces in one row; one that doesn't fit begins the next row. Returns the row after them."""
    x = 0
    for text, tone in pieces:
        shown = text
        if x and x + cell_len(text.rstrip()) > sheet.width:
            x, y, shown = 2, y + 1, text.lstrip(" ,")
        if shown.strip():
            after = sheet.text(x, y, shown.rstrip() if x + cell_len(shown) > sheet.width else shown, tone)
            x, y = (x + cell_len(shown), y) if after == y + 1 else (sheet.width, after - 1)
        else:
            x += cell_len(shown)
    return y + 1


def path_in_words(data: PathData) -> Document:
    """The path as a document: a line for each station, then the lanes."""
    sections = [Section("", (line((data.note, WARN)),))] if data.note else []
    sections.append(Section("Path", tuple(_in_words(data, index) for index in range(len(data.stations)))))
    if data.lanes:
        sections.append(Section("", tuple(lane.line() for lane in data.lanes)))
    if data.keys:
        sections.append(Section("", tuple(line((f"{key} ", STRONG), words) for key, words in data.keys)))
    return Document(data.title, tuple(sections))


def _in_words(data: PathData, index: int) -> Line:
    words, station = _Words(data, index), data.stations[index]
    says, behind = words.says, data.is_behind(index)
    if behind and says != station.says and station.says:
        says = f"{says}, {station.says}"
    way = f"over {station.way.label}" if station.way.label and not behind else ""
    told = "  ".join(text for text in (way, says, ", ".join(words.refs(0))) if text)
    stop = (("  the line breaks here", BAD) if data.breaks else ("  nothing is known from here on", WARN),)
    shown = line((f"{words.glyph} ", words.tone), (words.full, words.name_tone), f"  {told}" if told else "")
    return (*shown, *line(*stop)) if index == data.stop else shown
