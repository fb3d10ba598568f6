"""What the forms of a path that grow downwards are written on."""

from __future__ import annotations

from collections.abc import Iterable

from rich.cells import cell_len

from meshtui.ui.document import BAD, DIM, WARN
from meshtui.ui.links import Link
from meshtui.ui.pictures.canvas import Canvas, Picture, widest
from meshtui.ui.pictures.path_data import PathData
from meshtui.ui.pictures.path_words import Words
from meshtui.ui.wrap import wrapped


class Sheet:
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


def rail(data: PathData, index: int, words: Words) -> tuple[str, str]:
    """The line that leads to a station, from top to bottom."""
    if data.is_behind(index):
        return "┆", DIM
    if index == data.stop:
        return ("╳", BAD) if data.breaks else ("?", WARN)
    way = words.station.way
    return (f"{way.down} {way.label}", DIM) if way.label else (way.down, DIM)


def put_wrapped(sheet: Sheet, y: int, pieces: Iterable[tuple[str, str]]) -> int:
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
