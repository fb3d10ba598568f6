"""A grid of marks. Names stay at the top and at the left while the marks scroll, and only visible lines are rendered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import ClassVar

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import BindingType
from textual.geometry import Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from meshtui.ui.actions import bindings
from meshtui.ui.text import clean

_UPRIGHT_WIDTH = 2
"""Width of a column with a vertical name: the mark, and the mark of a change."""
_LONGEST_ACROSS = 20
"""Maximum length of column names that are written horizontally, if there is room."""
_LONGEST_DOWN = 24
"""Maximum length of vertical names; longer ones are cut."""
_CHANGED = "*"
Place = tuple[int, int]
"""Row and column."""


@dataclass(frozen=True, slots=True)
class Label:
    """The name of a row or column. ``key`` identifies it when rows and columns are added or removed."""

    key: str
    text: str


@dataclass(frozen=True, slots=True)
class Mark:
    """How one code is drawn: a glyph of one cell, and a tone for the stylesheet."""

    glyph: str
    tone: str


class Grid(ScrollView, can_focus=True, inherit_bindings=False):
    """Marks by row and column. The cursor stays on its row and column by their keys when the grid changes."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "grid--header",
        "grid--here",
        "grid--cursor",
        "grid--cursor-blurred",
        "grid--changed",
        "grid--ok",
        "grid--warn",
        "grid--bad",
        "grid--dim",
    }
    BINDINGS: ClassVar[list[BindingType]] = bindings("grid")

    cursor: reactive[Place] = reactive((0, 0), repaint=False)

    class Highlighted(Message):
        """The cursor is at another pair of names."""

        def __init__(self, grid: Grid) -> None:
            super().__init__()
            self.grid = grid

        @property
        def control(self) -> Grid:
            """The grid."""
            return self.grid

    class Chosen(Highlighted):
        """Enter, or a click on the mark under the cursor."""

    def __init__(self, marks: Sequence[Mark], *, id: str | None = None) -> None:  # noqa: A002  (Textual's own name)
        super().__init__(id=id)
        self._marks = tuple(marks)
        self.rows: tuple[Label, ...] = ()
        self.columns: tuple[Label, ...] = ()
        self._codes: Sequence[bytes] = ()
        self._changed: frozenset[Place] = frozenset()
        self._left = self._top = 0
        self._width = _UPRIGHT_WIDTH
        self._across = False

    def show(
        self,
        rows: Sequence[Label],
        columns: Sequence[Label],
        codes: Sequence[bytes],
        changed: frozenset[Place] = frozenset(),
    ) -> None:
        """Show marks by their codes, row by row. The cursor stays at its names if they still exist."""
        kept = self.place
        old = (self.rows[kept[0]].key, self.columns[kept[1]].key) if kept else ("", "")
        self.rows, self.columns, self._codes, self._changed = tuple(rows), tuple(columns), codes, changed
        row = next((i for i, label in enumerate(self.rows) if label.key == old[0]), self.cursor[0])
        column = next((i for i, label in enumerate(self.columns) if label.key == old[1]), self.cursor[1])
        self._measure()
        self.set_reactive(Grid.cursor, self.validate_cursor((row, column)))
        self._keep_visible()
        self.post_message(self.Highlighted(self))
        self.refresh()

    def select(self, place: Place) -> None:
        """Move the cursor."""
        self.cursor = place

    @property
    def place(self) -> Place | None:
        """The position of the cursor, or None if the grid is empty."""
        row, column = self.cursor
        return self.cursor if row < len(self.rows) and column < len(self.columns) else None

    # ---- measuring

    @property
    def _room(self) -> Size:
        """The space for names and marks."""
        return self.scrollable_content_region.size

    def _measure(self) -> None:
        """Compute the widths of names and columns, and whether column names are horizontal or vertical."""
        width, height = self.size.width, self.size.height
        longest_row = max((cell_len(clean(label.text)) for label in self.rows), default=0)
        longest_column = max((len(clean(label.text)) for label in self.columns), default=0)
        self._left = min(longest_row, max(10, width // 3)) + 1
        across = min(longest_column, _LONGEST_ACROSS) + 2
        self._across = self._left + across * len(self.columns) <= width
        roomy = self._left + (_UPRIGHT_WIDTH + 1) * len(self.columns) <= width
        self._width = across if self._across else _UPRIGHT_WIDTH + roomy
        spare_lines = min(_LONGEST_DOWN, max(3, height // 3, height - len(self.rows)))
        self._top = 1 if self._across else min(longest_column, spare_lines)
        spare = self._width if self._left + self._width * len(self.columns) > width else 0
        self.virtual_size = Size(self._left + self._width * len(self.columns) + spare, self._top + len(self.rows))

    def on_resize(self) -> None:
        """Fit names and columns to the new size."""
        self._measure()
        self._keep_visible()
        self.refresh()

    # ---- drawing

    def _first(self) -> Place:
        """The row and column that are drawn first."""
        x, y = self.scroll_offset
        return int(y), min(int(x) // self._width, max(0, len(self.columns) - 1))

    def _shown(self) -> range:
        """The columns that fit."""
        first = self._first()[1]
        fitting = max(1, (self._room.width - self._left) // self._width)
        return range(first, min(len(self.columns), first + fitting))

    def render_line(self, y: int) -> Strip:
        """Draw one line of names, or one row."""
        width = self.size.width
        if y < self._top:
            return self._names(y).adjust_cell_length(width, self.rich_style)
        row = self._first()[0] + y - self._top
        if not 0 <= row < len(self.rows) or row >= len(self._codes):
            return Strip.blank(width, self.rich_style)
        return self._row(row).adjust_cell_length(width, self.rich_style)

    def _names(self, y: int) -> Strip:
        header, here = (self.get_component_rich_style(f"grid--{name}") for name in ("header", "here"))
        pieces = [(header, " " * self._left)]
        here_at = self.cursor[1]
        for index in self._shown():
            text = clean(self.columns[index].text)
            if self._across:
                piece = _fitted(text, self._width - 1).rstrip().center(self._width - 1)
            else:
                piece = _letter(text, y, self._top)
            pieces.append((here if index == here_at else header, set_cell_size(piece, self._width)))
        return Strip([Segment("".join(text for _, text in run), style) for style, run in groupby(pieces, key=itemgetter(0))])

    def _row(self, row: int) -> Strip:
        header, here = (self.get_component_rich_style(f"grid--{name}") for name in ("header", "here"))
        cursor = self.cursor
        name = _fitted(clean(self.rows[row].text), self._left - 1) + " "
        codes, shown = self._codes[row], self._shown()
        base = self.rich_style
        styles = [
            base + Style(color=s.color, bold=s.bold or None, underline=s.underline or None) for s in map(self._tone, self._marks)
        ]
        before = " " * ((self._width - _UPRIGHT_WIDTH) // 2)
        plain = [set_cell_size(f"{before}{mark.glyph}", self._width) for mark in self._marks]
        pieces = [(styles[code], plain[code]) for code in codes[shown.start : shown.stop]]
        lit = self.get_component_rich_style("grid--changed").bgcolor
        for column in [c for r, c in self._changed if r == row and c in shown] if self._changed else ():
            code = codes[column]
            text = set_cell_size(f"{before}{self._marks[code].glyph}{_CHANGED}", self._width)
            pieces[column - shown.start] = (styles[code] + Style(bgcolor=lit), text)
        if row == cursor[0] and cursor[1] in shown:
            under = self.get_component_rich_style("grid--cursor" if self.has_focus else "grid--cursor-blurred")
            pieces[cursor[1] - shown.start] = (under, pieces[cursor[1] - shown.start][1])
        runs = [Segment("".join(text for _, text in run), style) for style, run in groupby(pieces, key=itemgetter(0))]
        return Strip([Segment(name, here if row == cursor[0] else header), *runs])

    def _tone(self, mark: Mark) -> Style:
        return self.get_component_rich_style(f"grid--{mark.tone}")

    # ---- moving

    def validate_cursor(self, place: Place) -> Place:
        """Keep the cursor on a mark."""
        row, column = place
        return max(0, min(row, len(self.rows) - 1)), max(0, min(column, len(self.columns) - 1))

    def watch_cursor(self, before: Place, after: Place) -> None:
        """Follow the cursor."""
        if before != after:
            self._keep_visible()
            self.post_message(self.Highlighted(self))
            self.refresh()

    def _keep_visible(self) -> None:
        row, column = self.cursor
        first_row, first_column = self._first()
        high = max(1, self._room.height - self._top)
        wide = max(1, (self._room.width - self._left) // self._width)
        y, x = first_row, first_column
        y = row if row < first_row else row - high + 1 if row >= first_row + high else y
        x = column if column < first_column else column - wide + 1 if column >= first_column + wide else x
        if (y, x) != (first_row, first_column):
            self.scroll_to(x=x * self._width, y=y, animate=False, force=True, immediate=True)

    def action_move(self, rows: int, columns: int) -> None:
        """By some rows and columns."""
        self.cursor = (self.cursor[0] + rows, self.cursor[1] + columns)

    def action_page(self, by: int) -> None:
        """A screen up or down."""
        self.cursor = (self.cursor[0] + by * max(1, self._room.height - self._top - 1), self.cursor[1])

    def action_edge(self, side: str) -> None:
        """To the first or last row or column."""
        row, column = self.cursor
        last_row, last_column = len(self.rows) - 1, len(self.columns) - 1
        self.cursor = {"left": (row, 0), "right": (row, last_column), "top": (0, column), "bottom": (last_row, column)}[side]

    def action_choose(self) -> None:
        """Open the mark under the cursor."""
        if self.place is not None:
            self.post_message(self.Chosen(self))

    def on_click(self, event: events.Click) -> None:
        """A click moves the cursor; one on the cursor opens."""
        first_row, first_column = self._first()
        row = first_row + event.y - self._top
        column = first_column + (event.x - self._left) // self._width
        inside = event.y >= self._top and event.x >= self._left and row < len(self.rows) and column in self._shown()
        if not inside:
            return
        if (row, column) == self.cursor:
            self.action_choose()
        self.cursor = (row, column)

    def on_focus(self) -> None:
        """Draw the cursor as focused."""
        self.refresh()

    def on_blur(self) -> None:
        """Draw the cursor as not focused."""
        self.refresh()


def _fitted(text: str, width: int) -> str:
    """Text padded to a width, or cut with an ellipsis."""
    return set_cell_size(text, max(0, width - 1)) + "…" if cell_len(text) > width else set_cell_size(text, width)


def _letter(text: str, line: int, height: int) -> str:
    """The character of a vertical name in a line; the name ends in the last line."""
    if len(text) > height:
        text = text[: height - 1] + "…"
    at = line - (height - len(text))
    return text[at] if at >= 0 else " "
