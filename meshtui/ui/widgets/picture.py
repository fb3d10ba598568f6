"""A picture on the screen, with a cursor that walks from item to item."""

from __future__ import annotations

from typing import ClassVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.actions import SkipAction
from textual.binding import BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.selection import Selection
from textual.strip import Strip

from meshtui.ui.actions import bindings
from meshtui.ui.document import PLAIN
from meshtui.ui.links import Link
from meshtui.ui.pictures.canvas import Item, Mark, Picture
from meshtui.ui.pictures.walking import next_item
from meshtui.ui.widgets.selecting import extracted, with_selection


class PictureView(ScrollView, can_focus=True, inherit_bindings=False):
    """Draws a picture. Subclasses override ``drawn``, which lays it out for a size; then ``redraw`` shows what is new.

    A picture may be higher than the widget: it scrolls. The cursor stays on its item, by the item's id.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "picture--plain",
        "picture--ok",
        "picture--warn",
        "picture--bad",
        "picture--dim",
        "picture--strong",
        "picture--cursor",
        "picture--cursor-blurred",
    }
    BINDINGS: ClassVar[list[BindingType]] = bindings("picture")

    class Moved(Message):
        """The cursor is on another item, or on none."""

        def __init__(self, view: PictureView, item: Item | None) -> None:
            super().__init__()
            self.view = view
            self.item = item

        @property
        def control(self) -> PictureView:
            """The widget."""
            return self.view

    class Chosen(Moved):
        """Enter, or a click on the item under the cursor."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002  (Textual's own name)
        super().__init__(id=id)
        self.picture = Picture(0, 0)
        self._rows: list[list[Mark]] = []
        self._here = ""

    def drawn(self, width: int, height: int) -> Picture:
        """The picture for a size in cells. It may be higher, not wider."""
        return Picture(width, height)

    def first(self) -> str:
        """The id of the item on which the cursor begins; empty for the first one."""
        return ""

    # ---- showing

    def redraw(self) -> None:
        """Lay the picture out again."""
        region = self.scrollable_content_region
        if region.width < 1 or region.height < 1:
            return
        self.picture = self.drawn(region.width, region.height)
        self._rows = self.picture.rows()
        self.virtual_size = Size(region.width, self.picture.height)
        if self.item is None:
            wanted = self.first()
            found = next((each for each in self.picture.items if each.id == wanted), None)
            self._go(found or next(iter(self.picture.items), None))
        self.refresh()

    def on_resize(self, event: events.Resize) -> None:
        """Lay out for the new size."""
        del event
        self.redraw()

    @property
    def item(self) -> Item | None:
        """The item under the cursor."""
        return next((each for each in self.picture.items if each.id == self._here), None)

    @property
    def link(self) -> Link | None:
        """What the item under the cursor leads to."""
        item = self.item
        return item.link if item is not None else None

    def forget(self) -> None:
        """Let the cursor begin anew in the next picture."""
        self._here = ""

    def select(self, id: str) -> bool:  # noqa: A002  (as in Item)
        """Move the cursor to an item. Returns False if it isn't in the picture."""
        found = next((each for each in self.picture.items if each.id == id), None)
        if found is not None:
            self._go(found)
        return found is not None

    def render_line(self, y: int) -> Strip:
        """Draw one row. What the mouse has selected is marked."""
        row = y + int(self.scroll_offset.y)
        return with_selection(self, self._row(row), row)

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        """The selected text, and what comes after it; Textual's interface for copying."""
        return extracted(selection, self.picture.plain().split("\n"), self.size.height + int(self.scroll_offset.y))

    def selection_updated(self, selection: Selection | None) -> None:
        """Draw what is selected."""
        del selection
        self.refresh()

    def _row(self, row: int) -> Strip:
        width = self.scrollable_content_region.width
        base = self.get_component_rich_style("picture--plain")
        if row >= len(self._rows):
            return Strip.blank(self.size.width, base)
        segments, at = [], 0
        for mark in self._rows[row]:
            segments += [Segment(" " * (mark.x - at), base), Segment(mark.text, self._tone(mark.tone, base))]
            at = mark.x + mark.width
        strip = Strip(segments).adjust_cell_length(width, base)
        item = self.item
        if item is not None and item.y <= row < item.y + item.height:
            style = self.get_component_rich_style("picture--cursor" if self.has_focus else "picture--cursor-blurred")
            here = Strip([Segment(segment.text, style) for segment in strip.crop(item.x, item.x + item.width)])
            strip = Strip.join([strip.crop(0, item.x), here, strip.crop(item.x + item.width)])
        return strip.adjust_cell_length(self.size.width, base)

    def _tone(self, tone: str, base: Style) -> Style:
        if tone == PLAIN:
            return base
        style = self.get_component_rich_style(f"picture--{tone}")
        return base + Style(color=style.color, bold=style.bold or None, underline=style.underline or None)

    # ---- moving

    def _go(self, item: Item | None) -> None:
        self._here = item.id if item is not None else ""
        if item is not None:
            self.scroll_to_region(Region(0, item.y, 1, item.height), animate=False, force=True, immediate=True)
        self.post_message(self.Moved(self, item))
        self.refresh()

    def action_walk(self, right: int, down: int) -> None:
        """To the nearest item in a direction: 1, 0 is right; 0, -1 is up."""
        here = self.item
        if here is None:
            self._go(next(iter(self.picture.items), None))
            return
        there = next_item(self.picture.items, here, right, down)
        if there is None:
            raise SkipAction  # the key is the screen's
        self._go(there)

    def action_edge(self, last: bool) -> None:
        """To the first or the last item."""
        if self.picture.items:
            self._go(self.picture.items[-1 if last else 0])

    def action_choose(self) -> None:
        """Open the item under the cursor."""
        if self.item is not None:
            self.post_message(self.Chosen(self, self.item))

    def on_click(self, event: events.Click) -> None:
        """A click moves the cursor; one on the item under the cursor opens it."""
        if self.screen.selections:
            return  # the end of a selection
        x, y = event.x - self.gutter.left, event.y - self.gutter.top + int(self.scroll_offset.y)
        for item in self.picture.items:
            if item.x <= x < item.x + item.width and item.y <= y < item.y + item.height:
                if item.id == self._here:
                    self.action_choose()
                else:
                    self._go(item)
                return

    def on_focus(self) -> None:
        """Draw the cursor as focused."""
        self.refresh()

    def on_blur(self) -> None:
        """Draw the cursor as not focused."""
        self.refresh()
