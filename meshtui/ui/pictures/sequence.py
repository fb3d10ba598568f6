"""A sequence diagram: who calls whom, step by step, on a lifeline for each party. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from rich.cells import cell_len

from meshtui.ui.columns import level, shorten
from meshtui.ui.document import BAD, DIM, OK, PLAIN, STRONG, WARN, Document, Line, Section, line
from meshtui.ui.links import Link
from meshtui.ui.pictures.canvas import Canvas, Picture, widest
from meshtui.ui.pictures.names import short_names
from meshtui.ui.text import clean

LOCK, OPEN = "▪", "!"
"""The glyphs of mutual TLS and of plaintext."""
_GAP = 2
_LANE = 6
"""The fewest cells of a party: its lifeline, and room for a short name."""
_NARROWEST = 24
"""On fewer cells there are no lifelines, only steps."""
_TITLE, _STATUS, _TOOK = 28, 10, 9
"""The most cells of the columns at the left."""


class State(Enum):
    """The state of a step or an arrow."""

    WAITING = "waiting"
    RUNNING = "in progress"
    DONE = "ok"
    FAILED = "FAILED"
    SKIPPED = "skipped"


class Stop(Enum):
    """The place where an arrow that fails ends: near its source, on its way, or at its target."""

    SOURCE = "source"
    BETWEEN = "between"
    TARGET = "target"


@dataclass(frozen=True, slots=True)
class Party:
    """One lifeline. ``id`` is what arrows name."""

    id: str
    name: str
    link: Link | None = None


@dataclass(frozen=True, slots=True)
class Arrow:
    """One connection or answer between two parties. ``identities`` are those of source and target, short, empty if not seen.

    ``mtls`` is None when it isn't known. An arrow that is ``strong`` stands out; an ``answer`` is no connection of its own.
    """

    id: str
    source: str
    target: str
    state: State = State.DONE
    says: str = ""
    mtls: bool | None = None
    identities: tuple[str, str] = ("", "")
    strong: bool = False
    answer: bool = False
    stop: Stop = Stop.TARGET
    link: Link | None = None

    @property
    def who(self) -> str:
        """Both identities in a line; empty if neither was seen."""
        return " → ".join(each or "no identity" for each in self.identities) if any(self.identities) else ""


@dataclass(frozen=True, slots=True)
class Step:
    """One row: its title, status and duration, and its arrows, in the order of time.

    ``inner`` steps are caused by the one before. ``stopped_by`` names what stopped a failed one, ``stopper`` is its link.
    """

    id: str
    title: str
    state: State = State.WAITING
    status: str = ""
    took: str = ""
    note: str = ""
    arrows: tuple[Arrow, ...] = ()
    inner: bool = False
    stopped_by: str = ""
    stopper: Link | None = None


@dataclass(frozen=True, slots=True)
class Diagram:
    """Parties from left to right, and steps from top to bottom."""

    parties: tuple[Party, ...] = ()
    steps: tuple[Step, ...] = ()


MARKS: Mapping[State, tuple[str, str]] = {
    State.WAITING: ("·", DIM),
    State.RUNNING: ("…", WARN),
    State.DONE: ("✓", OK),
    State.FAILED: ("✗", BAD),
    State.SKIPPED: ("–", DIM),
}
"""Glyph and tone of a state."""
_SECURED = {True: (LOCK, "mTLS", OK), False: (OPEN, "plaintext", WARN), None: ("", "", DIM)}
_TONES = {State.WAITING: DIM, State.RUNNING: WARN, State.DONE: PLAIN, State.FAILED: BAD, State.SKIPPED: DIM}


@dataclass(frozen=True, slots=True)
class _Columns:
    """The widths of the columns at the left; 0: there is no such column."""

    title: int
    status: int
    took: int

    @property
    def width(self) -> int:
        """All of them, with the glyph before and the gap behind."""
        return 2 + self.title + sum(_GAP + each for each in (self.status, self.took) if each) + 1


@dataclass(frozen=True, slots=True)
class _Form:
    """How much room the diagram takes: boxes around the parties, ``tall`` rows for each step, empty rows above and below."""

    boxed: bool
    tall: int
    airy: bool

    @property
    def head(self) -> int:
        """The rows of the parties' names."""
        return 3 if self.boxed else 1

    def rows(self, data: Diagram) -> int:
        """All rows, without those that only some steps have, and the legend."""
        return self.head + 2 * self.airy + self.tall * len(data.steps)


_FORMS = (_Form(True, 2, True), _Form(False, 2, True), _Form(True, 1, True), _Form(False, 1, True), _Form(False, 1, False))
"""The one with the most room first."""


@dataclass(frozen=True, slots=True)
class _Lanes:
    """The lifelines: where each is, the name above it, and its range of cells. ``legend``: short names and whole ones."""

    at: Mapping[str, int]
    names: tuple[tuple[Party, str, int, int], ...]
    legend: tuple[tuple[str, str], ...]


def draw_sequence(data: Diagram, width: int, height: int) -> Picture:
    """The diagram in ``width`` cells. It is higher than ``height`` if its steps need more rows; then it has one row for each."""
    if not data.steps or width < 1:
        return _without_lines(data, width, height)
    columns = _columns(data, width)
    if width - columns.width < _LANE or width < _NARROWEST:
        return _without_lines(data, width, height)
    lanes = _lanes(data, columns.width, width)
    legend = _legend_rows(data, lanes, width)
    more = sum(len(_rows_of(step, lanes)) - 1 + bool(step.stopped_by) for step in data.steps) + len(legend)
    boxed = all(cell_len(name) + 4 <= room for _, name, _, room in lanes.names)
    form = next((each for each in _FORMS if (boxed or not each.boxed) and each.rows(data) + more <= height), _FORMS[-1])
    drawing = _Drawing(Canvas(width, form.rows(data) + more), data, columns, lanes, form)
    drawing.draw(legend)
    return drawing.canvas.picture()


class _Drawing:
    """One picture while it is drawn."""

    def __init__(self, canvas: Canvas, data: Diagram, columns: _Columns, lanes: _Lanes, form: _Form) -> None:
        self.canvas, self._data, self._columns, self._lanes, self._form = canvas, data, columns, lanes, form

    def draw(self, legend: Sequence[str]) -> None:
        """Draw everything."""
        canvas, head = self.canvas, self._form.head
        bottom = canvas.height - len(legend) - (self._form.airy and bool(legend))
        for party, name, start, room in self._lanes.names:
            at, size = self._lanes.at[party.id], cell_len(name)
            canvas.down(at, head, bottom - head, "│", DIM)
            x = start + (room - size) // 2
            if self._form.boxed:
                canvas.box(x - 2, 0, size + 4, 3, DIM)
                canvas.put(at, 2, "┬", DIM)
                canvas.put(x, 1, name, STRONG)
                canvas.item(f"party {party.id}", x - 2, 0, size + 4, 3, party.link)
            else:
                canvas.put(x, 0, name, STRONG)
                canvas.item(f"party {party.id}", x, 0, max(1, size), 1, party.link)
        y = head + self._form.airy
        for step in self._data.steps:
            y = self._step(step, y)
        for row, text in enumerate(legend, canvas.height - len(legend)):
            canvas.put(0, row, text, DIM)

    def _step(self, step: Step, y: int) -> int:
        """Draw a step from a row on, and return the row of the next one."""
        self._label(step, y)
        rows = _rows_of(step, self._lanes)
        place = 0
        for row, arrows in enumerate(rows):
            for arrow in arrows:
                place = self._arrow(arrow, y + row)
        if not any(rows):
            if step.note and step.state is not State.WAITING:
                room = self.canvas.width - self._columns.width - 1
                self.canvas.put(self._columns.width + 1, y, f" {shorten(clean(step.note), room - 2)} ", DIM)
            if step.state is not State.WAITING:
                self.canvas.item(f"step {step.id}", 0, y, self._columns.width - 1, 1, step.stopper)
        y += len(rows) - 1
        if self._form.tall == 2 and any(rows):
            self._identities([arrow for arrows in rows for arrow in arrows], y + 1)
        y += self._form.tall
        if step.stopped_by:
            self._stopper(step, place or self._columns.width + 1, y - self._form.tall + 1 if self._free(rows) else y)
            y += 1
        return y

    def _free(self, rows: Sequence[Sequence[Arrow]]) -> bool:
        """Whether the row under the arrows is empty: no identities stand there."""
        return self._form.tall == 1 or not any(arrow.who for arrows in rows for arrow in arrows)

    def _label(self, step: Step, y: int) -> None:
        canvas, columns, (glyph, tone) = self.canvas, self._columns, MARKS[step.state]
        words = _TONES[step.state] if step.state is not State.DONE else PLAIN
        canvas.put(0, y, glyph, tone)
        title = shorten(_title(step), columns.title)
        canvas.put(2, y, title, STRONG if any(a.strong for a in step.arrows) and words == PLAIN else words)
        x = 2 + columns.title
        if columns.status:
            canvas.put(x + _GAP, y, shorten(clean(step.status), columns.status), words)
            x += _GAP + columns.status
        if columns.took:
            took = shorten(clean(step.took), columns.took)
            canvas.put(x + _GAP + columns.took - cell_len(took), y, took, DIM)

    def _arrow(self, arrow: Arrow, y: int) -> int:
        """Draw an arrow, and return the cell where it ends."""
        canvas, tone = self.canvas, STRONG if arrow.strong and arrow.state is State.DONE else _TONES[arrow.state]
        start, end = self._lanes.at[arrow.source], self._lanes.at[arrow.target]
        if start == end:
            canvas.put(start, y, "├╮" if not arrow.strong else "┣┓", tone)
            canvas.item(f"arrow {arrow.id}", start, y, 2, 1, arrow.link)
            return start + 1
        right = end > start
        length = abs(end - start) - 1
        first = start + 1 if right else start - length
        glyph = "┄" if arrow.answer else "━" if arrow.strong else "─"
        if arrow.state is State.RUNNING:
            glyph = "·"
        drawn = length
        if arrow.state is State.FAILED and arrow.stop is not Stop.TARGET:
            drawn = 2 if arrow.stop is Stop.SOURCE else max(2, length // 2)
        head = "✗" if arrow.state is State.FAILED else "▶" if right else "◀"
        body = glyph * max(0, drawn - 1)
        text = body + head if right else head + body
        x = first if right else first + length - len(text)
        if not arrow.answer:
            joint = ("┣" if right else "┫") if arrow.strong and glyph == "━" else ("├" if right else "┤")
            canvas.put(start, y, joint, tone if arrow.strong else DIM)
        canvas.put(x, y, text, tone)
        self._on_line(arrow, x + (0 if right else 1), y, len(body))
        canvas.item(f"arrow {arrow.id}", first, y, length, 1, arrow.link)
        return x + len(text) - 1 if right else x

    def _on_line(self, arrow: Arrow, x: int, y: int, room: int) -> None:
        """Write what an arrow says on its line: the request and mTLS, as far as there is room."""
        says, secured, tone = _said(arrow, room)
        size = cell_len(says) + cell_len(secured) + 2 * bool(says and secured)
        pad = " " if room >= size + 4 else ""
        if size:
            at = self.canvas.put(x + (room - size - 2 * len(pad)) // 2, y, pad)
            at = self.canvas.put(at, y, f"{says}{'  ' if says and secured else ''}", DIM)
            self.canvas.put(self.canvas.put(at, y, secured, tone), y, pad)

    def _identities(self, arrows: Sequence[Arrow], y: int) -> None:
        """Write the identities under the arrows, each under its own."""
        free = self._columns.width
        for arrow in sorted(arrows, key=lambda each: self._span(each)[0]):
            text = clean(arrow.who)
            low, high = self._span(arrow)
            room = cell_len(text) + 2
            x = max(free, min((low + high - room) // 2 + 1, self.canvas.width - room))
            if text and x + room <= self.canvas.width:
                free = self.canvas.put(x, y, f" {text} ", DIM)

    def _span(self, arrow: Arrow) -> tuple[int, int]:
        ends = self._lanes.at[arrow.source], self._lanes.at[arrow.target]
        return min(ends), max(ends)

    def _stopper(self, step: Step, place: int, y: int) -> None:
        left = self._columns.width
        room = self.canvas.width - left - 2
        words = clean(step.stopped_by)
        text = words if cell_len(words) + 2 <= room else f"{shorten(words.rpartition(' ')[2], room - 2)}"
        size = cell_len(text) + 2
        x = max(left + 1, min(place - size // 2, self.canvas.width - size - 1))
        self.canvas.put(x - 1, y, f" ✗ {text} ", BAD)
        self.canvas.item(f"stop {step.id}", x, y, size, 1, step.stopper)


def _said(arrow: Arrow, room: int) -> tuple[str, str, str]:
    """What an arrow says on a line of ``room`` cells: the request, how it is secured, and the tone of that."""
    glyph, word, tone = _SECURED[arrow.mtls]
    says, whole = clean(arrow.says), f"{glyph} {word}".strip()
    for words, secured in ((says, whole), ("", whole), ("", glyph)):
        if (words or secured) and cell_len(words) + cell_len(secured) + 6 <= room:
            return words, secured, tone
    return "", glyph if room >= 2 else "", tone


def _title(step: Step) -> str:
    return f"↳ {clean(step.title)}" if step.inner else clean(step.title)


def _columns(data: Diagram, width: int) -> _Columns:
    """The columns at the left: what is left by the parties, each of which needs some cells."""
    title = widest(map(_title, data.steps))
    status = min(_STATUS, widest(clean(step.status) for step in data.steps))
    took = min(_TOOK, widest(clean(step.took) for step in data.steps))
    for lane, least, columns in (
        (9, 14, _Columns(0, status, took)),
        (8, 14, _Columns(0, status, took)),
        (9, 14, _Columns(0, status, 0)),
        (8, 14, _Columns(0, status, 0)),
        (7, 12, _Columns(0, status, 0)),
        (_LANE, 10, _Columns(0, status, 0)),
        (_LANE, 8, _Columns(0, 0, 0)),
    ):
        room = width - columns.width - lane * max(1, len(data.parties))
        if room >= min(least, title):
            return replace(columns, title=min(title, room, _TITLE))
    return _Columns(min(title, 8), 0, 0)


def _lanes(data: Diagram, left: int, width: int) -> _Lanes:
    """The lifelines in the cells from ``left`` on. Parties for which there is no room share the last one."""
    room = width - left
    most = max(1, room // _LANE)
    own = data.parties if len(data.parties) <= most else data.parties[: most - 1]
    rest = data.parties[len(own) :]
    shown = [*own, Party("…", f"+{len(rest)}")] if rest else list(own)
    if not shown:
        return _Lanes({}, (), ())
    names = [clean(party.name) or "?" for party in shown]
    sizes = level([max(_LANE, cell_len(name) + 5) for name in names], _LANE, room)
    over = room - sum(sizes)
    sizes = [size + over // len(sizes) + (index < over % len(sizes)) for index, size in enumerate(sizes)]
    short = short_names(names, [size - 1 for size in sizes])
    at: dict[str, int] = {}
    placed: list[tuple[Party, str, int, int]] = []
    x = left
    for party, name, size in zip(shown, short, sizes, strict=True):
        at[party.id] = x + (size - cell_len(name)) // 2 + cell_len(name) // 2
        placed.append((party, name, x, size))
        x += size
    legend = [(a, b) for a, b in zip(short, names, strict=True) if a != b]
    if rest:
        legend.append((names[-1], ", ".join(clean(party.name) or "?" for party in rest)))
        at |= dict.fromkeys((party.id for party in rest), at["…"])
    return _Lanes(at, tuple(placed), tuple(legend))


def _rows_of(step: Step, lanes: _Lanes) -> list[list[Arrow]]:
    """The arrows of a step by row: those that touch each other only at their ends are in one."""
    rows: list[list[Arrow]] = [[]]
    spans: list[tuple[int, int]] = []
    for arrow in step.arrows:
        if arrow.source not in lanes.at or arrow.target not in lanes.at:
            continue
        ends = lanes.at[arrow.source], lanes.at[arrow.target]
        low, high = min(ends), max(ends) + (ends[0] == ends[1])
        if any(low < end and start < high for start, end in spans):
            rows.append([])
            spans.clear()
        rows[-1].append(arrow)
        spans.append((low, high))
    return rows


def _legend_rows(data: Diagram, lanes: _Lanes, width: int) -> list[str]:
    """What abbreviations and glyphs mean, in as many rows as it takes."""
    alone = set()
    for step in data.steps:
        for arrow in (each for row in _rows_of(step, lanes) for each in row):
            secured = _said(arrow, abs(lanes.at[arrow.target] - lanes.at[arrow.source]) - 2)[1]
            alone |= {secured} if cell_len(secured) == 1 else set()
    parts = [f"{short} = {whole}" for short, whole in lanes.legend]
    parts += [f"{glyph} {word}" for glyph, word, _ in _SECURED.values() if glyph in alone]
    rows: list[str] = []
    for part in (shorten(each, width) for each in parts):
        if rows and cell_len(rows[-1]) + 3 + cell_len(part) <= width:
            rows[-1] += f"   {part}"
        else:
            rows.append(part)
    return rows


def _without_lines(data: Diagram, width: int, height: int) -> Picture:
    """Only the steps, for a width without room for lifelines."""
    if not data.steps:
        canvas = Canvas(max(0, width), max(1, min(1, height)))
        canvas.put(0, 0, shorten("no steps", width), DIM)
        return canvas.picture()
    canvas = Canvas(width, len(data.steps))
    for y, step in enumerate(data.steps):
        glyph, tone = MARKS[step.state]
        canvas.put(0, y, glyph, tone)
        canvas.put(2, y, shorten(_title(step), max(0, width - 2)), _TONES[step.state])
        canvas.item(f"step {step.id}", 0, y, width, 1, step.arrows[-1].link if step.arrows else step.stopper)
    return canvas.picture()


# ---- words


def arrow_in_words(data: Diagram, arrow: Arrow, step: Step | None = None) -> str:
    """An arrow in a line: who calls whom, how that ended (of its step: with what status, how long), how secured, as whom."""
    names = {party.id: clean(party.name) or "?" for party in data.parties}
    secured = {True: "mTLS", False: "plaintext", None: ""}[arrow.mtls]
    ends = f"{names.get(arrow.source, arrow.source)} → {names.get(arrow.target, arrow.target)}"
    state = "" if arrow.state is State.DONE else arrow.state.value
    ended = [clean(step.status), clean(step.took)] if step is not None else []
    return ", ".join(each for each in (ends, state, *ended, secured, clean(arrow.who), clean(arrow.says)) if each)


def step_in_words(data: Diagram, step: Step) -> list[Line]:
    """A step: its state, status and duration, and a line for each arrow."""
    glyph, tone = MARKS[step.state]
    facts = ", ".join(each for each in (step.state.value, step.status, step.took, clean(step.note)) if each)
    lines = [line((glyph, tone), f" {_title(step)}: {facts}")]
    lines += [line(f"    {arrow_in_words(data, arrow)}") for arrow in step.arrows]
    if step.stopped_by:
        lines.append(line(("    ✗ ", BAD), f"stopped by {clean(step.stopped_by)}"))
    return lines


def sequence_in_words(data: Diagram) -> Document:
    """The diagram as text."""
    parties = ", ".join(clean(party.name) or "?" for party in data.parties)
    steps = tuple(each for step in data.steps for each in step_in_words(data, step))
    return Document("Sequence", (Section("Parties", (line(parties or "none"),)), Section("Steps", steps)))
