"""A path in a row: the names of its stations on the line, below them their objects and what they say."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.cells import cell_len

from meshtui.ui.document import BAD, DIM, PLAIN, WARN
from meshtui.ui.pictures.canvas import Canvas, Picture, widest
from meshtui.ui.pictures.path_data import PathData, Way, ref_id
from meshtui.ui.pictures.path_words import SHORT, Words, lanes_of
from meshtui.ui.text import clean
from meshtui.ui.wrap import wrapped

_MOST_SPREAD = 16
"""The cells by which a line is longer than it has to be, at most."""


class Row:
    """The stations in a row: names on the line, below them the deciding objects, what they say, and other objects."""

    def __init__(self, data: PathData, stations: Sequence[Words], name: int, form: int) -> None:
        self._data = data
        self._stations = stations
        gap = 2 if name == SHORT else 3
        self._names = [words.names[name] for words in stations]
        self._refs = [words.refs(form) for words in stations]
        blocks = [max(widest(refs), cell_len(words.result)) for refs, words in zip(self._refs, stations, strict=True)]
        lines = [_line_width(words.station.way, gap) for words in stations[1:]]
        least = [cell_len(name) + line_ for name, line_ in zip(self._names, lines, strict=False)]
        self._steps = [max(pair[0], pair[1] + gap) for pair in zip(least, blocks, strict=False)]
        self.width = sum(self._steps) + max(cell_len(self._names[-1]), blocks[-1])

    def draw(self, width: int, height: int) -> Picture:
        """The picture, spread over the width."""
        data, lanes = self._data, lanes_of(self._data, width)
        notes = wrapped(clean(data.note), width) if data.note else []
        top, more = len(notes), max(*map(len, self._refs), 1) - 1
        deep = 3 if any(self._refs) else 2
        airy = bool(lanes) and height > top + deep + more + len(lanes)
        canvas = Canvas(width, top + deep + more + airy + len(lanes))
        for row, note in enumerate(notes):
            canvas.put(0, row, note, WARN)
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


def _put(canvas: Canvas, y: int, pieces: Iterable[tuple[str, str]]) -> None:
    x = 0
    for text, tone in pieces:
        x = canvas.put(x, y, text, tone)
