"""A picture as data: pieces of text with a place and a tone, and the items in it on which the cursor can rest."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter

from rich.cells import cell_len

from meshtui.ui.document import PLAIN
from meshtui.ui.links import Link
from meshtui.ui.text import clean

_NARROW = re.compile("[ -~\u00a0-\u00ac\u00ae-\u02ff\u2500-\u259f]*")
"""Characters that have one cell each and are shown as they are: Latin letters, lines, blocks."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Text in one row, from cell ``x`` on (0 is the left), in row ``y`` (0 is the top), with a tone of ``document``."""

    x: int
    y: int
    text: str
    tone: str = PLAIN

    @property
    def width(self) -> int:
        """Its width in cells."""
        return cell_len(self.text)


@dataclass(frozen=True, slots=True)
class Item:
    """A rectangle, in cells, that the cursor can rest on. ``id`` is unique in its picture and the same in the next one."""

    id: str
    x: int
    y: int
    width: int
    height: int = 1
    link: Link | None = None


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of ``width`` × ``height`` cells. Marks don't overlap, and are inside of it; items are in reading order."""

    width: int
    height: int
    marks: tuple[Mark, ...] = ()
    items: tuple[Item, ...] = ()

    def rows(self) -> list[list[Mark]]:
        """The marks of each row, from left to right."""
        rows: list[list[Mark]] = [[] for _ in range(self.height)]
        for mark in self.marks:
            rows[mark.y].append(mark)
        for row in rows:
            row.sort(key=lambda mark: mark.x)
        return rows

    def plain(self) -> str:
        """The picture as text."""
        lines = []
        for row in self.rows():
            text, at = "", 0
            for mark in row:
                text += " " * (mark.x - at) + mark.text
                at = mark.x + mark.width
            lines.append(text.rstrip())
        return "\n".join(lines)


@dataclass(slots=True)
class Canvas:
    """What a layout function draws on. What lies outside is cut off; of two texts in one place, the later one is seen."""

    width: int
    height: int
    _cells: list[list[tuple[str, str]]] = field(init=False)
    _items: list[Item] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        """Begin with an empty canvas."""
        self._cells = [[(" ", PLAIN)] * self.width for _ in range(self.height)]

    def put(self, x: int, y: int, text: str, tone: str = PLAIN) -> int:
        """Write a text, cleaned, and return the cell after it."""
        if _NARROW.fullmatch(text):
            return self._put_narrow(self._cells[y], x, text, tone) if 0 <= y < self.height else x + len(text)
        text = clean(text)
        if not 0 <= y < self.height:
            return x + sum(map(cell_len, text))
        row = self._cells[y]
        for character in text:
            size = cell_len(character)
            if size == 0:
                self._join(row, x - 1, character)
                continue
            if x >= 0 and x + size <= self.width:
                self._clear(row, x)
                if size == 2:
                    self._clear(row, x + 1)
                    row[x + 1] = ("", tone)
                row[x] = (character, tone)
            x += size
        return x

    def _put_narrow(self, row: list[tuple[str, str]], x: int, text: str, tone: str) -> int:
        """Write characters of one cell each: most of every picture, at once."""
        start, end = max(0, x), min(self.width, x + len(text))
        if start < end:
            self._clear(row, start)
            if end < self.width and row[end][0] == "":
                row[end] = (" ", row[end][1])
            row[start:end] = [(character, tone) for character in text[start - x : end - x]]
        return x + len(text)

    def _join(self, row: list[tuple[str, str]], x: int, character: str) -> None:
        """Add a character without a cell of its own to the one before it, unless that becomes wider by it."""
        if 0 < x < self.width and row[x][0] == "":
            x -= 1  # the first half of a wide one
        if 0 <= x < self.width:
            old, tone = row[x]
            if cell_len(old + character) == cell_len(old):
                row[x] = (old + character, tone)

    @staticmethod
    def _clear(row: list[tuple[str, str]], x: int) -> None:
        """Make room in a cell: half of a wide character isn't left over."""
        old = row[x][0]
        if old == " ":
            return
        if old == "" and x > 0:
            row[x - 1] = (" ", row[x - 1][1])
        elif cell_len(old) == 2 and x + 1 < len(row):
            row[x + 1] = (" ", row[x + 1][1])

    def down(self, x: int, y: int, length: int, glyph: str, tone: str = PLAIN) -> None:
        """Write a character into several rows, one below the other."""
        for row in range(y, y + length):
            self.put(x, row, glyph, tone)

    def box(self, x: int, y: int, width: int, height: int, tone: str = PLAIN, *, heavy: bool = False) -> None:
        """Draw a frame, with its outer size."""
        across, along, corners = ("━", "┃", "┏┓┗┛") if heavy else ("─", "│", "╭╮╰╯")
        self.put(x, y, corners[0] + across * (width - 2) + corners[1], tone)
        self.down(x, y + 1, height - 2, along, tone)
        self.down(x + width - 1, y + 1, height - 2, along, tone)
        self.put(x, y + height - 1, corners[2] + across * (width - 2) + corners[3], tone)

    def item(self, id: str, x: int, y: int, width: int, height: int = 1, link: Link | None = None) -> None:  # noqa: A002  (as in Item)
        """Let the cursor rest on a rectangle."""
        self._items.append(Item(id, x, y, width, height, link))

    def picture(self) -> Picture:
        """What was drawn."""
        marks: list[Mark] = []
        for y, row in enumerate(self._cells):
            x = 0
            for tone, cells in groupby(row, itemgetter(1)):
                texts = [text for text, _ in cells]
                text = "".join(texts)
                if text.strip():
                    lead = len(text) - len(text.lstrip(" "))
                    marks.append(Mark(x + lead, y, text.strip(" "), tone))
                x += len(texts)
        return Picture(self.width, self.height, tuple(marks), tuple(self._items))


def widest(texts: Iterable[str]) -> int:
    """The width of the widest text, 0 for none."""
    return max(map(cell_len, texts), default=0)
