"""A grid of marks, with rules between groups of rows and columns. Only visible lines are rendered.

Names stay at the top and at the left while the marks scroll.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
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
from textual.selection import Selection
from textual.strip import Strip

from meshtui.ui.actions import bindings
from meshtui.ui.columns import shorten
from meshtui.ui.pictures.heads import BOUND, Heads, heads, numbered
from meshtui.ui.text import clean
from meshtui.ui.widgets.selecting import extracted, with_selection

_RULE = "─"
_CHANGED = "*"
_MOST_NUMBERS, _DIGITS = 100, 3
"""Fewer columns may have numbers instead of names; the cells that a number takes before a row's name."""
Place = tuple[int, int]
"""Row and column."""


@dataclass(frozen=True, slots=True)
class Label:
    """The name of a row or column. ``key`` identifies it when rows and columns are added or removed.

    Labels with the same ``group`` follow each other.
    """

    key: str
    text: str
    group: str = ""


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

    def __init__(self, marks: Sequence[Mark], *, below: int = 0, id: str | None = None) -> None:  # noqa: A002  (Textual's own name)
        """``below`` are the rows of the screen that others need."""
        super().__init__(id=id)
        self._below = below
        self._marks = tuple(marks)
        self.rows: tuple[Label, ...] = ()
        self.columns: tuple[Label, ...] = ()
        self._codes: Sequence[bytes] = ()
        self._changed: frozenset[Place] = frozenset()
        self._heads = Heads()
        self._left = 0
        self._lines: list[int] = []
        self._line_of: list[int] = []
        self._bounds: frozenset[int] = frozenset()
        self._starts: list[int] = []

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
        """Compute the places of rows and columns, and how the columns' names are written."""
        width = self.size.width
        titles = [f"{_RULE} {clean(label.group)} {_RULE}" for label in self.rows] if _grouped(self.rows) else []
        longest = max((cell_len(text) for text in (*(clean(label.text) for label in self.rows), *titles)), default=0)
        self._left = min(longest, max(10, width // 3)) + 1
        self._lines, self._line_of = [], []
        for row, label in enumerate(self.rows):
            if titles and (row == 0 or label.group != self.rows[row - 1].group):
                self._lines.append(-1 - row)
            self._line_of.append(len(self._lines))
            self._lines.append(row)
        groups = [label.group for label in self.columns]
        self._bounds = frozenset(i for i in range(1, len(groups)) if groups[i] != groups[i - 1])
        names = [clean(label.text) for label in self.columns]
        most = max(1, self._most_rows())
        room = (width - self._left, most - len(self._lines), most)
        self._heads = heads(names, sorted(self._bounds), room)
        if self._heads.letters and len(names) < _MOST_NUMBERS and self._is_square():
            self._left += _DIGITS
            self._heads = numbered(len(names), sorted(self._bounds), width - self._left)
        across, self._starts = 0, []
        for column in range(len(names)):
            across += BOUND * (column in self._bounds)
            self._starts.append(across)
            across += self._heads.width
        spare = self._heads.width if self._left + across > width else 0
        self.virtual_size = Size(self._left + across + spare, self._top + len(self._lines))
        wanted = self._top + len(self._lines) + (1 if self._left + across > width else 0)
        self.styles.height = max(2, min(wanted, most))

    def _is_square(self) -> bool:
        """Whether rows and columns have the same names."""
        return [label.key for label in self.rows] == [label.key for label in self.columns]

    def _most_rows(self) -> int:
        """The rows that the grid may take."""
        return max(3, self.app.size.height - self._below)

    def fit(self) -> None:
        """Take as many rows as the grid needs on a screen of another size."""
        self._measure()
        self._keep_visible()
        self.refresh()

    @property
    def _top(self) -> int:
        """The lines of names."""
        return bool(self._bounds) + len(self._heads.lines)

    def on_resize(self) -> None:
        """Fit names and columns to the new size."""
        self.fit()

    # ---- drawing

    def _first(self) -> Place:
        """The line and column that are drawn first."""
        x, y = self.scroll_offset
        return int(y), max(0, bisect_right(self._starts, int(x)) - 1)

    def _shown(self) -> range:
        """The columns that fit."""
        first = self._first()[1]
        if not self._starts:
            return range(0)
        end = self._starts[first] + self._room.width - self._left - self._heads.width
        return range(first, max(first + 1, bisect_right(self._starts, end)))

    def render_line(self, y: int) -> Strip:
        """Draw one line of names, one rule, or one row. What the mouse has selected is marked."""
        return with_selection(self, self._line(y), y)

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        """The selected text, of what is in view, and what comes after it; Textual's interface for copying."""
        return extracted(selection, [self._line(y).text.rstrip() for y in range(self.size.height)], self.size.height)

    def selection_updated(self, selection: Selection | None) -> None:
        """Draw what is selected."""
        del selection
        self.refresh()

    def _line(self, y: int) -> Strip:
        width = self.size.width
        if y < self._top:
            return self._names(y).adjust_cell_length(width, self.rich_style)
        line = self._first()[0] + y - self._top
        row = self._lines[line] if 0 <= line < len(self._lines) else len(self._codes)
        if row >= len(self._codes):
            return Strip.blank(width, self.rich_style)
        return (self._row(row) if row >= 0 else self._rule(-1 - row)).adjust_cell_length(width, self.rich_style)

    def _bound(self, column: int, glyph: str, fill: str = " ") -> str:
        """The rule before a column, if a group begins there."""
        return f"{glyph}{fill}" if column in self._bounds and column != self._first()[1] else ""

    def _names(self, y: int) -> Strip:
        header, here = (self.get_component_rich_style(f"grid--{name}") for name in ("header", "here"))
        shown = self._shown()
        if self._bounds and y == 0:
            return Strip([Segment(" " * self._left + self._group_names(shown), header)])
        line = self._heads.lines[y - bool(self._bounds)]
        pieces = [(header, " " * self._left)]
        if self._heads.stairs:
            return self._stair(y - bool(self._bounds), shown, header, here)
        for index in shown:
            text = set_cell_size(line[index], self._heads.width)
            pieces += [(header, self._bound(index, "│")), (here if index == self.cursor[1] else header, text)]
        return Strip(_runs(pieces))

    def _stair(self, step: int, shown: range, header: Style, here: Style) -> Strip:
        """One name, behind the lines that lead from those above down to their columns."""
        pieces = [(header, " " * self._left)]
        before = " " * self._heads.before
        for index in shown:
            if index > step:
                break
            style = here if index == self.cursor[1] else header
            bound = " " * len(self._bound(index, "│"))
            name = f"{before}┌ {clean(self.columns[index].text)}"
            text = name if index == step else set_cell_size(f"{before}│", self._heads.width)
            pieces += [(header, bound), (style if index == step else header, text)]
        return Strip(_runs(pieces))

    def _group_names(self, shown: range) -> str:
        """The names of the groups of columns, each over its columns."""
        text = ""
        for group, run in groupby(shown, key=lambda column: self.columns[column].group):
            columns = list(run)
            size = self._starts[columns[-1]] + self._heads.width - self._starts[columns[0]]
            if columns[-1] == shown[-1]:
                size = max(size, self.size.width - self._left - cell_len(text) - BOUND)
            text += self._bound(columns[0], "│") + _fitted(clean(group), size - 1) + " "
        return text

    def _rule(self, row: int) -> Strip:
        """A rule above a group of rows, with its name."""
        header = self.get_component_rich_style("grid--header")
        name = shorten(clean(self.rows[row].group), self._left - 4)
        text = f"{_RULE} {name} "
        text += _RULE * (self._left - cell_len(text))
        for index in self._shown():
            text += self._bound(index, "┼", _RULE) + _RULE * self._heads.width
        return Strip([Segment(text, header)])

    def _row(self, row: int) -> Strip:
        header, here = (self.get_component_rich_style(f"grid--{name}") for name in ("header", "here"))
        cursor, width = self.cursor, self._heads.width
        number = f"{row + 1:>2} " if self._heads.numbered else ""
        name = number + _fitted(clean(self.rows[row].text), self._left - 1 - len(number)) + " "
        codes, shown = self._codes[row], self._shown()
        base = self.rich_style
        styles = [
            base + Style(color=s.color, bold=s.bold or None, underline=s.underline or None) for s in map(self._tone, self._marks)
        ]
        before = " " * self._heads.before
        plain = [set_cell_size(f"{before}{mark.glyph}", width) for mark in self._marks]
        pieces = [(styles[code], plain[code]) for code in codes[shown.start : shown.stop]]
        lit = self.get_component_rich_style("grid--changed").bgcolor
        for column in [c for r, c in self._changed if r == row and c in shown] if self._changed else ():
            code = codes[column]
            text = set_cell_size(f"{before}{self._marks[code].glyph}{_CHANGED}", width)
            pieces[column - shown.start] = (styles[code] + Style(bgcolor=lit), text)
        if row == cursor[0] and cursor[1] in shown:
            under = self.get_component_rich_style("grid--cursor" if self.has_focus else "grid--cursor-blurred")
            pieces[cursor[1] - shown.start] = (under, pieces[cursor[1] - shown.start][1])
        for column in sorted((c for c in self._bounds if c in shown and c != shown.start), reverse=True):
            pieces.insert(column - shown.start, (header, "│ "))
        return Strip([Segment(name, here if row == cursor[0] else header), *_runs(pieces)])

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
        if self.place is None:
            return
        row, column = self.cursor
        first_line, first_column = self._first()
        high = max(1, self._room.height - self._top)
        line = self._line_of[row]
        y, x = first_line, first_column
        if line < first_line + (self._lines[first_line] < 0 if first_line < len(self._lines) else 0):
            y = line - (line > 0 and self._lines[line - 1] < 0)
        elif line >= first_line + high:
            y = line - high + 1
        elif first_line and self._lines[first_line - 1] < 0 and line < first_line + high - 1:
            y = first_line - 1
        room = max(self._heads.width, self._room.width - self._left)
        end = self._starts[column] + self._heads.width
        if column < first_column:
            x = column
        elif end - self._starts[first_column] > room:
            x = min(column, bisect_left(self._starts, end - room))
        if (y, x) != (first_line, first_column):
            self.scroll_to(x=self._starts[x], y=y, animate=False, force=True, immediate=True)

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
        if self.screen.selections:
            return  # the end of a selection
        first_line, first_column = self._first()
        line = first_line + event.y - self._top
        if event.y < self._top or event.x < self._left or line >= len(self._lines) or not self._starts:
            return
        row = self._lines[line]
        column = bisect_right(self._starts, self._starts[first_column] + event.x - self._left) - 1
        if row < 0 or column not in self._shown():
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


def _runs(pieces: Sequence[tuple[Style, str]]) -> list[Segment]:
    """Segments, one for neighbours with the same style."""
    return [Segment("".join(text for _, text in run), style) for style, run in groupby(pieces, key=itemgetter(0))]


def _grouped(labels: Sequence[Label]) -> bool:
    """Whether there is more than one group."""
    return len({label.group for label in labels}) > 1
