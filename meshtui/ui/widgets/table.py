"""A table of objects. Rows are identified by UID, and only visible rows are rendered, so that it stays fast with 10,000 pods."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
from meshtui.ui.widgets.selecting import extracted, with_selection

__all__ = ["Cell", "Column", "ObjectTable", "Row"]

_NOTHING = {"", "-"}
"""A column with only these values isn't shown."""
_MEASURED = 400
"""The column widths are computed from this number of rows."""
RELATED = "•"
"""Marks the rows that belong to what is chosen in another table."""
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

    def text(self) -> str:
        """The texts of its cells, in lower case, as the filter sees them."""
        return " ".join(cell.text for cell in self.cells).lower()


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
        gutter: bool = False,
    ) -> None:
        """``gutter``: a cell at the left of each row, with a mark where the row is ``related``."""
        super().__init__(id=id)
        self._clock = clock
        self._gutter = int(gutter)
        self.headed = True
        self._sorting: tuple[str, bool, Mapping[str, str]] = ("", False, {})
        self._related: frozenset[str] = frozenset()
        self.columns: tuple[Column, ...] = tuple(columns)
        self.rows: list[Row] = []
        self._uid = ""
        self._moved = False
        self._complete = False
        self._widths: list[int] = []
        self._needs: list[Need] = []
        self._measured: dict[str, tuple[Row, list[tuple[int, int]]]] = {}
        self._just_focused = self._focused_by_click = False

    @property
    def uid(self) -> str:
        """The UID of the object under the cursor, or empty."""
        return self.rows[self.cursor].uid if 0 <= self.cursor < len(self.rows) else ""

    def head(self, shown: bool) -> None:
        """Show or hide the titles of the columns, and the cursor of a table without focus."""
        if shown != self.headed:
            self.headed = shown
            self.virtual_size = Size(0, len(self.rows) + self.headed)
            self._keep_visible()
            self.refresh()

    class HeaderChosen(Message):
        """A click on the title of a column."""

        def __init__(self, table: ObjectTable, title: str) -> None:
            super().__init__()
            self.table = table
            self.title = title

    def sorted_by(self, title: str, *, reverse: bool, letters: Mapping[str, str]) -> None:
        """Say in the header by which column the rows are sorted (empty: by none), and underline the letter of each column."""
        if (title, reverse, letters) != self._sorting:
            self._sorting = title, reverse, letters
            self.refresh()

    def relate(self, uids: frozenset[str]) -> None:
        """Mark the rows that belong to what is chosen elsewhere."""
        if uids != self._related:
            self._related = uids
            self.refresh()

    def show(self, columns: Sequence[Column], rows: list[Row], *, complete: bool = True) -> None:
        """Show rows. The cursor stays on its object; if that was removed, it is on the row in its place.

        Until the rows are ``complete``, the cursor stays at the top unless it was moved, since objects don't arrive in the
        order of the list. A table that shows its top goes on to show it, so that a new first row is seen.
        """
        kept, top = self._uid, int(self.scroll_offset.y)
        offset = self.cursor - top
        fresh = tuple(columns) != self.columns
        before, widths = self.rows, self._widths
        self.columns, self.rows = tuple(columns), rows
        position = next((i for i, row in enumerate(rows) if row.uid == kept), None) if kept else None
        if not self._moved and not (self._complete and self.has_focus):
            position = 0
        self._complete = self._complete or complete
        if fresh:
            position = position or 0
        if position is None:
            position = max(0, min(self.cursor, len(rows) - 1))
        self._measure()
        self.virtual_size = Size(0, len(rows) + self.headed)
        moved = position != self.cursor
        self.set_reactive(ObjectTable.cursor, position)
        if moved and top:
            self.scroll_to(y=max(0, position - max(0, offset)), animate=False, force=True, immediate=True)
        elif moved:
            self._keep_visible()
        self._announce()
        if fresh or moved or widths != self._widths or len(before) != len(rows):
            self.refresh()
        else:
            self._refresh_changed(before)

    def _refresh_changed(self, before: Sequence[Row]) -> None:
        """Render only the visible rows that changed, since continuous changes affect few of them."""
        top, width = int(self.scroll_offset.y), self.size.width
        for y in range(int(self.headed), self.size.height):
            index = top + y - self.headed
            if index < len(self.rows) and self.rows[index] is not before[index]:
                self.refresh(Region(0, y, width, 1))

    def select(self, uid: str) -> bool:
        """Move the cursor to an object. Returns False if it isn't in the table."""
        for index, row in enumerate(self.rows):
            if row.uid == uid:
                self._moved = True
                self.cursor = index
                self._announce()
                return True
        return False

    def suggest(self, uid: str) -> None:
        """Move the cursor to an object, unless it was moved before: it stays where it was left."""
        if not self._moved:
            self.select(uid)
            self._moved = False

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
            need(column.title, [each[i][0] for each in sizes], [each[i][1] for each in sizes], column.brief)
            for i, column in enumerate(self.columns)
        ]
        self._fit(self._room())

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

    def _room(self) -> int:
        """The cells of a row, without the scrollbar."""
        return self.scrollable_content_region.width

    def _fit(self, width: int) -> None:
        self._widths = fit(self.columns, self._needs, max(0, width - self._gutter))

    def on_resize(self, event: events.Resize) -> None:
        """Fit the columns to the new width."""
        del event
        self._fit(self._room())
        self._keep_visible()
        self.refresh()

    def render_line(self, y: int) -> Strip:
        """Draw one line: the header stays on top, the rows scroll beneath it. What the mouse has selected is marked."""
        line = self._line_at(y)
        return with_selection(self, self._line_of(line), line)

    def _line_at(self, y: int) -> int:
        """The line of the whole table that is in a row of the widget: 0 is the header."""
        return 0 if y == 0 and self.headed else y + int(self.scroll_offset.y) + (not self.headed)

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        """The selected text, and what comes after it; Textual's interface for copying."""
        first = selection.start.y if selection.start is not None else 0
        last = selection.end.y if selection.end is not None else len(self.rows)
        texts = [self._line_of(line).text.rstrip() if first <= line <= last else "" for line in range(len(self.rows) + 1)]
        return extracted(selection, texts, self.size.height + int(self.scroll_offset.y) + 1)

    def selection_updated(self, selection: Selection | None) -> None:
        """Draw what is selected."""
        del selection
        self.refresh()

    def _line_of(self, line: int) -> Strip:
        """A line of the whole table: 0 is the header."""
        width = self.size.width
        if line == 0:
            return self._header(width)
        index = line - 1
        if not 0 <= index < len(self.rows):
            return Strip.blank(width, self.get_component_rich_style("table--row"))
        row = self.rows[index]
        here = index == self.cursor and (self.headed or self.has_focus)
        base = self.get_component_rich_style("table--row")
        if here:
            base = self.get_component_rich_style("table--cursor" if self.has_focus else "table--cursor-blurred")
        elif row.marked:
            base = self.get_component_rich_style("table--marked")
        tones = {} if here else {cell.tone: self._tone(cell.tone, base) for cell in row.cells if cell.tone}
        return self._strip(row.cells, base, tones, width, related=row.uid in self._related)

    def _header(self, width: int) -> Strip:
        """The titles, each with its letter underlined; an arrow says by which the rows are sorted."""
        base = self.get_component_rich_style("table--header")
        chosen, reverse, letters = self._sorting
        segments = [Segment(" " * self._gutter, base)] if self._gutter else []
        for column, size in zip(self.columns, self._widths, strict=False):
            if size <= 0:
                continue
            arrow = ("↓" if reverse else "↑") if column.title and column.title == chosen else ""
            room = size + (1 if arrow else 0)  # an arrow may stand in the gap
            title = column.title if len(column.title) + len(arrow) <= room else column.brief or column.title
            if len(title) + len(arrow) > room:
                title = f"{title[: max(0, room - 1 - len(arrow))]}…"
            text = title + arrow
            before = " " * max(0, size - len(text)) if column.right else ""
            place = title.find(letters.get(column.title, "\0"))
            if place >= 0:
                segments += [
                    Segment(before + text[:place], base),
                    Segment(text[place], base + Style(underline=True)),
                    Segment(text[place + 1 :], base),
                ]
            else:
                segments.append(Segment(before + text, base))
            segments.append(Segment(" " * (size + GAP - len(before) - len(text)), base))
        return Strip(segments).adjust_cell_length(width, base).crop(0, width)

    def _title_at(self, x: int) -> str:
        """The title of the column at a cell of the header, or empty."""
        start = self._gutter
        for column, size in zip(self.columns, self._widths, strict=False):
            if size > 0:
                if start <= x < start + size + GAP:
                    return column.title
                start += size + GAP
        return ""

    def _tone(self, tone: str, base: Style) -> Style:
        style = self.get_component_rich_style(f"table--{tone}")
        return base + Style(color=style.color, bold=style.bold or None, underline=style.underline or None)

    def _strip(self, cells: Sequence[Cell], base: Style, tones: dict[str, Style], width: int, *, related: bool = False) -> Strip:
        segments = [Segment(RELATED if related else " ", base)] if self._gutter else []
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
        height = max(1, self.size.height - self.headed)
        top = int(self.scroll_offset.y)
        if self.cursor < top:
            self.scroll_to(y=self.cursor, animate=False, force=True, immediate=True)
        elif self.cursor >= top + height:
            self.scroll_to(y=self.cursor - height + 1, animate=False, force=True, immediate=True)

    def action_move(self, by: int) -> None:
        """Up or down."""
        self.cursor += by

    def action_page(self, by: float) -> None:
        """A screen up or down, or half of one."""
        self.cursor += round(by * max(2, self.size.height - self.headed - 1))

    def action_edge(self, index: int) -> None:
        """First or last row."""
        self.cursor = 0 if index == 0 else len(self.rows) - 1

    def action_choose(self) -> None:
        """Open the object under the cursor."""
        if self.uid:
            self.post_message(self.Chosen(self, self.uid))

    def on_click(self, event: events.Click) -> None:
        """A click moves the cursor; one on the cursor opens, if the table has had the focus; one on a title sorts."""
        if self.screen.selections:
            return  # the end of a selection
        if event.y == 0 and self.headed:
            if title := self._title_at(event.x):
                self.post_message(self.HeaderChosen(self, title))
            return
        index = self._line_at(event.y) - 1
        if not 0 <= index < len(self.rows):
            return
        if index == self.cursor and not self._focused_by_click:
            self.action_choose()
        self.cursor = index

    def on_mouse_down(self) -> None:
        """Note whether it is this press that gave the focus."""
        self._focused_by_click = self._just_focused

    def on_focus(self) -> None:
        """Draw the cursor as focused."""
        self._just_focused = True
        self.call_later(self._used_to_focus)  # behind the press of the mouse that gave the focus, if one did
        self.refresh()

    def _used_to_focus(self) -> None:
        self._just_focused = False

    def on_blur(self) -> None:
        """Draw the cursor as not focused."""
        self.refresh()
