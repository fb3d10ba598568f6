"""A table of objects. Rows are identified by UID, and only visible rows are rendered, so that it stays fast with 10,000 pods."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.selection import Selection
from textual.strip import Strip

from meshtui.session import local_now
from meshtui.ui.actions import bindings
from meshtui.ui.columns import GAP, Column, Need, fit, need, shorten
from meshtui.ui.text import age, clean

__all__ = ["Cell", "Column", "ObjectTable", "Row"]

_NOTHING = {"", "-"}
"""A column with only these values isn't shown."""
_MEASURED = 400
"""The column widths are computed from this number of rows."""
_OF_AN_AGE = 4
"""An age grows up to so many cells while it is shown."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell: its text, a tone for the stylesheet, and a short form for narrow columns.

    ``since`` prefixes the text with an age, computed when the cell is drawn.
    """

    text: str
    tone: str = ""
    short: str = ""
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One object's row: its UID, a cell for each column, and whether it is marked."""

    uid: str
    cells: tuple[Cell, ...]
    marked: bool = False


class ObjectTable(ScrollView, can_focus=True, inherit_bindings=False):
    """Rows with a cursor that stays on its object when rows are added or removed."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "table--header",
        "table--row",
        "table--cursor",
        "table--cursor-blurred",
        "table--marked",
        "table--ok",
        "table--warn",
        "table--bad",
        "table--dim",
        "table--strong",
    }
    BINDINGS: ClassVar[list[BindingType]] = bindings("table")

    cursor: reactive[int] = reactive(0, repaint=False)

    class Highlighted(Message):
        """The cursor is on another object (or on none: ``uid`` is empty)."""

        def __init__(self, table: ObjectTable, uid: str) -> None:
            super().__init__()
            self.table = table
            self.uid = uid

        @property
        def control(self) -> ObjectTable:
            """The table."""
            return self.table

    class Chosen(Highlighted):
        """Enter, or a click on the object under the cursor."""

    def __init__(
        self,
        columns: Sequence[Column] = (),
        *,
        id: str | None = None,  # noqa: A002  (Textual's own name)
        clock: Callable[[], datetime] = local_now,
    ) -> None:
        super().__init__(id=id)
        self._clock = clock
        self.columns: tuple[Column, ...] = tuple(columns)
        self.rows: list[Row] = []
        self._uid = ""
        self._moved = False
        self._complete = False
        self._widths: list[int] = []
        self._needs: list[Need] = []
        self._measured: dict[str, tuple[Row, list[tuple[int, int]]]] = {}

    @property
    def uid(self) -> str:
        """The UID of the object under the cursor, or empty."""
        return self.rows[self.cursor].uid if 0 <= self.cursor < len(self.rows) else ""

    def show(self, columns: Sequence[Column], rows: list[Row], *, complete: bool = True) -> None:
        """Show rows. The cursor stays on its object; if that was removed, it is on the row in its place.

        Until the rows are ``complete``, the cursor stays at the top unless it was moved, since objects don't arrive in the
        order of the list.
        """
        kept, offset = self._uid, self.cursor - int(self.scroll_offset.y)
        fresh = tuple(columns) != self.columns
        before, widths = self.rows, self._widths
        self.columns, self.rows = tuple(columns), rows
        position = next((i for i, row in enumerate(rows) if row.uid == kept), None) if kept else None
        if not (self._complete or self._moved):
            position = 0
        self._complete = self._complete or complete
        if fresh:
            position = position or 0
        if position is None:
            position = max(0, min(self.cursor, len(rows) - 1))
        self._measure()
        self.virtual_size = Size(0, len(rows) + 1)
        moved = position != self.cursor
        self.set_reactive(ObjectTable.cursor, position)
        if moved:
            self.scroll_to(y=max(0, position - max(0, offset)), animate=False, force=True, immediate=True)
        self._announce()
        if fresh or moved or widths != self._widths or len(before) != len(rows):
            self.refresh()
        else:
            self._refresh_changed(before)

    def _refresh_changed(self, before: Sequence[Row]) -> None:
        """Render only the visible rows that changed, since continuous changes affect few of them."""
        top, width = int(self.scroll_offset.y), self.size.width
        for y in range(1, self.size.height):
            index = top + y - 1
            if index < len(self.rows) and self.rows[index] is not before[index]:
                self.refresh(Region(0, y, width, 1))

    def select(self, uid: str) -> bool:
        """Move the cursor to an object. Returns False if it isn't in the table."""
        for index, row in enumerate(self.rows):
            if row.uid == uid:
                self._moved = True
                self._uid = uid
                self.cursor = index
                return True
        return False

    # ---- measuring and drawing

    def _measure(self) -> None:
        measured: dict[str, tuple[Row, list[tuple[int, int]]]] = {}
        for row in self.rows[:_MEASURED]:
            known = self._measured.get(row.uid)
            measured[row.uid] = (
                known if known is not None and known[0] is row else (row, [self._wanted(cell) for cell in row.cells])
            )
        self._measured = measured
        sizes = [sizes for _, sizes in measured.values()]
        self._needs = [
            need(column.title, [each[i][0] for each in sizes], [each[i][1] for each in sizes])
            for i, column in enumerate(self.columns)
        ]
        self._fit(self.size.width)

    def _wanted(self, cell: Cell) -> tuple[int, int]:
        """The width of a cell and that of its short form; 0 for an empty cell."""
        if cell.since is None and cell.text in _NOTHING:
            return 0, 0
        sizes = cell_len(self._text(cell)), cell_len(self._text(cell, short=True))
        if cell.since is None:
            return sizes
        tail = cell_len(cell.text)
        return max(sizes[0], tail + _OF_AN_AGE), max(sizes[1], tail + _OF_AN_AGE)

    def _text(self, cell: Cell, *, short: bool = False) -> str:
        """The current text of a cell."""
        text = clean(cell.short if short and cell.short else cell.text)
        return text if cell.since is None else f"{age((self._clock() - cell.since).total_seconds())}{text}"

    def _fit(self, width: int) -> None:
        self._widths = fit(self.columns, self._needs, width)

    def on_resize(self, event: events.Resize) -> None:
        """Fit the columns to the new width."""
        self._fit(event.size.width)
        self._keep_visible()
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """Draw one line: the header stays on top, the rows scroll beneath it. What the mouse has selected is marked."""
        line = 0 if y == 0 else y + int(self.scroll_offset.y)
        return self._with_selection(self._line(y), line).apply_offsets(0, line)

    def _with_selection(self, strip: Strip, line: int) -> Strip:
        selection = self.text_selection
        span = selection.get_span(line) if selection is not None else None
        if span is None:
            return strip
        start, end = span[0], strip.cell_length if span[1] == -1 else span[1]
        marked = strip.crop(start, end).apply_style(self.screen.get_component_rich_style("screen--selection"))
        return Strip.join([strip.crop(0, start), marked, strip.crop(end)])

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        """The selected text, and what comes after it; Textual's interface for copying."""
        first = selection.start.y if selection.start is not None else 0
        last = selection.end.y if selection.end is not None else len(self.rows)
        texts = [self._line_of(line).text.rstrip() if first <= line <= last else "" for line in range(len(self.rows) + 1)]
        return selection.extract("\n".join(texts)), "\n"

    def selection_updated(self, selection: Selection | None) -> None:
        """Draw what is selected."""
        del selection
        self.refresh()

    def _line(self, y: int) -> Strip:
        """One line of the widget, without a selection."""
        return self._line_of(0 if y == 0 else y + int(self.scroll_offset.y))

    def _line_of(self, line: int) -> Strip:
        """A line of the whole table: 0 is the header."""
        width = self.size.width
        if line == 0:
            style = self.get_component_rich_style("table--header")
            words = [column.title for column in self.columns]
            return self._strip([Cell(word) for word in words], style, {}, width)
        index = line - 1
        if not 0 <= index < len(self.rows):
            return Strip.blank(width, self.get_component_rich_style("table--row"))
        row = self.rows[index]
        base = self.get_component_rich_style("table--row")
        if index == self.cursor:
            base = self.get_component_rich_style("table--cursor" if self.has_focus else "table--cursor-blurred")
        elif row.marked:
            base = self.get_component_rich_style("table--marked")
        tones = {} if index == self.cursor else {c.tone: self._tone(c.tone, base) for c in row.cells if c.tone}
        return self._strip(row.cells, base, tones, width)

    def _tone(self, tone: str, base: Style) -> Style:
        style = self.get_component_rich_style(f"table--{tone}")
        return base + Style(color=style.color, bold=style.bold or None, underline=style.underline or None)

    def _strip(self, cells: Sequence[Cell], base: Style, tones: dict[str, Style], width: int) -> Strip:
        segments = []
        for column, cell, size, wanted in zip(self.columns, cells, self._widths, self._needs, strict=False):
            if size <= 0:
                continue
            text = self._text(cell, short=size < wanted.usual)
            if cell_len(text) > size:
                text = shorten(self._text(cell, short=True), size)
            elif column.right:
                text = " " * (size - cell_len(text)) + text
            text = set_cell_size(text, size)
            toned = text.rstrip() if cell.tone in tones else ""  # an underline ends with its text
            segments += [Segment(toned, tones[cell.tone])] if toned else []
            segments.append(Segment(text[len(toned) :] + " " * GAP, base))
        return Strip(segments).adjust_cell_length(width, base).crop(0, width)

    # ---- moving

    def validate_cursor(self, position: int) -> int:
        """Keep the cursor on a row."""
        return max(0, min(position, len(self.rows) - 1))

    def watch_cursor(self, before: int, after: int) -> None:
        """Follow the cursor."""
        if before != after:
            self._moved = True
            self._keep_visible()
            self._announce()
            self.refresh()

    def _announce(self) -> None:
        if self.uid != self._uid:
            self._uid = self.uid
            self.post_message(self.Highlighted(self, self.uid))

    def _keep_visible(self) -> None:
        height = max(1, self.size.height - 1)
        top = int(self.scroll_offset.y)
        if self.cursor < top:
            self.scroll_to(y=self.cursor, animate=False, force=True, immediate=True)
        elif self.cursor >= top + height:
            self.scroll_to(y=self.cursor - height + 1, animate=False, force=True, immediate=True)

    def action_move(self, by: int) -> None:
        """Up or down."""
        self.cursor += by

    def action_page(self, by: int) -> None:
        """A screen up or down."""
        self.cursor += by * max(1, self.size.height - 2)

    def action_edge(self, index: int) -> None:
        """First or last row."""
        self.cursor = 0 if index == 0 else len(self.rows) - 1

    def action_choose(self) -> None:
        """Open the object under the cursor."""
        if self.uid:
            self.post_message(self.Chosen(self, self.uid))

    def on_click(self, event: events.Click) -> None:
        """A click moves the cursor; one on the cursor opens."""
        index = event.y - 1 + int(self.scroll_offset.y)
        if event.y < 1 or not 0 <= index < len(self.rows):
            return
        if index == self.cursor:
            self.action_choose()
        self.cursor = index

    def on_focus(self) -> None:
        """Draw the cursor as focused."""
        self.refresh()

    def on_blur(self) -> None:
        """Draw the cursor as not focused."""
        self.refresh()
