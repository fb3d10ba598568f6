"""A document as scrollable text. Only visible lines are rendered, so that it stays fast with thousands of lines."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from typing import ClassVar

from textual import events
from textual.actions import SkipAction
from textual.binding import BindingType
from textual.content import Content
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.selection import Selection
from textual.strip import Strip
from textual.visual import Visual

from meshtui.ui.actions import bindings
from meshtui.ui.document import Document, Line, Section, Spot
from meshtui.ui.links import Link
from meshtui.ui.wrap import Piece, wrap
from meshtui.ui.yaml_marks import YamlLines

_LINK, _CURSOR = "underline", "bold reverse"
_FOUND, _HERE = "reverse", "bold underline reverse"
_HEAD = 2
"""The lines of a document before the first line of its first section, if that has no title."""
_ROWS_KEPT = 2_000
_MARGIN = 2
"""The cells of the margin with marks, where there is one."""
_NO_MARGIN: Mapping[int, Content] = {}


class DocumentView(ScrollView, can_focus=True, inherit_bindings=False):
    """Shows one document. The scroll position is kept while the title stays the same."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("text")

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002  (Textual's own name)
        super().__init__(id=id, classes=classes)
        self._lines: Sequence[Content] = ()
        self._texts: Sequence[str] = ()
        self._margin: Mapping[int, Content] = {}
        self._title = ""
        self._wrapped: tuple[int, list[tuple[int, Piece]]] = 0, []
        self._strips: dict[int, Strip] = {}
        self._needle = ""
        self._matches: list[tuple[int, int, int]] = []
        self._here = 0
        self._spots: Sequence[Spot] = ()
        self._spot = -1
        self.plain = ""

    def show(self, document: Document) -> None:
        """Show a document."""
        lines, spots = document.laid_out()
        plain = "\n".join(line.plain for line in lines)
        if plain != self.plain or not _same(lines, self._lines):
            self._show(document.title, plain, lines, spots)
        elif spots != self._spots:
            self._take_spots(spots)

    def show_lines(self, lines: Sequence[Line]) -> None:
        """Show lines without a title."""
        contents, spots = Document("", (Section("", tuple(lines)),)).laid_out()
        moved = [Spot(spot.line - _HEAD, spot.start, spot.end, spot.link) for spot in spots]
        contents = contents[_HEAD:]
        if not _same(contents, self._lines):
            self._show("", "\n".join(content.plain for content in contents), contents, moved)
        elif moved != self._spots:
            self._take_spots(moved)

    def show_yaml(self, title: str, yaml: YamlLines) -> None:
        """Show YAML with its marks, which aren't part of what is selected."""
        self._show(title, yaml.plain, yaml, yaml.spots, yaml.texts, yaml.margin)

    def _show(
        self,
        title: str,
        plain: str,
        lines: Sequence[Content],
        spots: Sequence[Spot] = (),
        texts: Sequence[str] | None = None,
        margin: Mapping[int, Content] = _NO_MARGIN,
    ) -> None:
        """Show lines. ``texts`` are their texts, where lines are made only when they are drawn; ``margin`` stands before them."""
        self.plain, self._lines, self._margin = plain, lines, margin
        self._texts = [each.plain for each in lines] if texts is None else texts
        self._take_spots(spots)
        self._search()
        self._lay_out(self.scrollable_content_region.width)
        if title != self._title:
            self._title = title
            self.scroll_home(animate=False)

    def _take_spots(self, spots: Sequence[Spot]) -> None:
        """Other links. The cursor stays on the same one, of several to the same on the nearest."""
        before = self._spots[self._spot] if 0 <= self._spot < len(self._spots) else None
        again = [index for index, spot in enumerate(spots) if before is not None and spot.link == before.link]
        self._spot = min(again, key=lambda index: abs(spots[index].line - before.line), default=-1) if before is not None else -1
        self._spots = spots
        self._strips.clear()
        self.refresh()

    # ---- layout

    def _lay_out(self, width: int) -> None:
        """Break the lines for a width, and forget what was drawn."""
        self._wrapped = width, self._rows_at(width)
        self._strips.clear()
        self.virtual_size = Size(width, len(self._wrapped[1]))
        self.refresh()

    def _rows_at(self, width: int) -> list[tuple[int, Piece]]:
        room = width - self._margin_width
        return [(number, piece) for number, text in enumerate(self._texts) for piece in wrap(text, room)]

    @property
    def _margin_width(self) -> int:
        return _MARGIN if self._margin else 0

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """The number of rows at a width, where the height follows the text."""
        del container, viewport
        return len(self._rows_at(width - self.scrollbar_size_vertical))

    def on_resize(self, event: events.Resize) -> None:
        """Break the lines for the new width. The line at the top stays there."""
        del event
        width, (known, rows) = self.scrollable_content_region.width, self._wrapped
        if width == known:
            return
        top = int(self.scroll_offset.y)
        self._lay_out(width)
        if 0 < top < len(rows):
            self.scroll_to(y=self._row_of(rows[top][0], rows[top][1].start), animate=False, force=True, immediate=True)

    def _row_of(self, line: int, place: int) -> int:
        """The row with a place of a line."""
        rows = self._wrapped[1]
        return max(0, bisect_right(rows, (line, place), key=lambda row: (row[0], row[1].start)) - 1)

    # ---- links

    class Followed(Message):
        """Enter, or a click, on a link."""

        def __init__(self, link: Link) -> None:
            super().__init__()
            self.link = link

    @property
    def link(self) -> Link | None:
        """The link that the cursor rests on."""
        return self._spots[self._spot].link if 0 <= self._spot < len(self._spots) else None

    @property
    def line(self) -> int:
        """The line in which the cursor rests on a link, if that is in view; else the line in the top row."""
        rows, top = self._wrapped[1], int(self.scroll_offset.y)
        if 0 <= self._spot < len(self._spots):
            number = self._spots[self._spot].line
            if top <= self._row_of(number, 0) < top + self.size.height:
                return number
        return rows[top][0] if top < len(rows) else 0

    def go(self, line: int) -> None:
        """Bring a line into view, and rest on its first link."""
        row, top, height = self._row_of(line, 0), int(self.scroll_offset.y), self.size.height
        if not top <= row < top + height:
            self.scroll_to(y=max(0, row - height // 3), animate=False, force=True, immediate=True)
        found = bisect_left(self._spots, line, key=lambda spot: spot.line)
        self._spot = found if found < len(self._spots) and self._spots[found].line == line else -1
        self._strips.clear()
        self.refresh()

    def _rows_of(self, spot: Spot) -> range:
        return range(self._row_of(spot.line, spot.start), self._row_of(spot.line, spot.end - 1) + 1)

    def _walk(self, by: int) -> bool:
        """To the next link (the one before) that is in view, or just beyond. Returns False if there is none."""
        top, height = int(self.scroll_offset.y), self.size.height
        inside = [index for index, spot in enumerate(self._spots) if top - 1 <= self._rows_of(spot)[0] <= top + height]
        if self._spot in inside:
            found = self._spot + by
        elif inside:
            found = inside[0] if by > 0 else inside[-1]
        else:
            return False
        if found not in inside:
            return False
        self._rest_on(found)
        return True

    def _rest_on(self, index: int) -> None:
        self._spot = index
        rows, top, height = self._rows_of(self._spots[index]), int(self.scroll_offset.y), self.size.height
        if rows[0] < top:
            self.scroll_to(y=rows[0], animate=False, force=True, immediate=True)
        elif rows[-1] >= top + height:
            self.scroll_to(y=rows[-1] - height + 1, animate=False, force=True, immediate=True)
        self._strips.clear()
        self.refresh()

    def action_walk(self, by: int) -> None:
        """To the next link in view, or the one before; where there is none, a line down or up."""
        if not self._walk(by):
            self.scroll_relative(y=by, animate=False)

    def action_half_page(self, by: int) -> None:
        """Half a page down or up."""
        self.scroll_relative(y=by * max(1, self.size.height // 2), animate=False)

    def action_follow(self) -> None:
        """Open the link that the cursor rests on; without one, the key is the screen's."""
        if self.link is None:
            raise SkipAction
        self.post_message(self.Followed(self.link))

    def on_click(self, event: events.Click) -> None:
        """A click on a link opens it."""
        if self.screen.selections:
            return  # the end of a selection
        rows, row = self._wrapped[1], event.y - self.gutter.top + int(self.scroll_offset.y)
        if not 0 <= row < len(rows):
            return
        number, piece = rows[row]
        place = piece.start + event.x - self.gutter.left - self._margin_width - piece.indent
        for index, spot in enumerate(self._spots):
            if spot.line == number and spot.start <= place < spot.end:
                self._rest_on(index)
                self.action_follow()

    def on_focus(self) -> None:
        """Draw the links."""
        self._strips.clear()
        self.refresh()

    def on_blur(self) -> None:
        """Draw the links as text."""
        self._strips.clear()
        self.refresh()

    # ---- drawing

    def notify_style_update(self) -> None:
        """Forget what was drawn in other colours."""
        self._strips.clear()
        super().notify_style_update()

    def render_line(self, y: int) -> Strip:
        """Draw one row."""
        width, rows = self._wrapped
        row = y + int(self.scroll_offset.y)
        if row >= len(rows) or not width:
            return Strip.blank(self.size.width, self.rich_style)
        selection = self.text_selection
        strip = self._strips.get(row) if selection is None else None
        if strip is None:
            strip = self._drawn(*rows[row], width, selection)
            if selection is None:
                if len(self._strips) > _ROWS_KEPT:
                    self._strips.clear()
                self._strips[row] = strip
        return strip

    def _drawn(self, number: int, piece: Piece, width: int, selection: Selection | None) -> Strip:
        line = self._lines[number]
        if self.has_focus:
            first = bisect_left(self._spots, number, key=lambda spot: spot.line)
            last = bisect_right(self._spots, number, key=lambda spot: spot.line)
            for index in range(first, last):
                spot = self._spots[index]
                line = line.stylize(_CURSOR if index == self._spot else _LINK, spot.start, spot.end)
        first = bisect_left(self._matches, (number, 0, 0))
        for index, (_, start, end) in enumerate(self._matches[first : bisect_left(self._matches, (number + 1, 0, 0))], first):
            line = line.stylize(_HERE if index == self._here else _FOUND, start, end)
        if selection is not None and (span := selection.get_span(number)) is not None:
            line = line.stylize(self.screen.get_visual_style("screen--selection"), span[0], len(line) if span[1] < 0 else span[1])
        indent = self._margin_width + piece.indent
        body = self._strip_of(line[piece.start : piece.end], width - indent).apply_offsets(piece.start, number)
        if not indent:
            return body
        mark = self._margin.get(number) if piece.start == 0 else None
        before = self._strip_of(mark, indent) if mark is not None else Strip([])
        return Strip.join([before.extend_cell_length(indent, self.rich_style), body])

    def _strip_of(self, part: Content, width: int) -> Strip:
        strips = Visual.to_strips(self, part, max(1, width), 1, self.visual_style, apply_selection=False)
        return strips[0] if strips else Strip.blank(0)

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        """The selected text, with the document's own lines: what is broken on the screen is whole."""
        return selection.extract(self.plain), "\n"

    def selection_updated(self, selection: Selection | None) -> None:
        """Draw the selection."""
        del selection
        self._strips.clear()
        self.refresh()

    # ---- searching

    @property
    def found(self) -> tuple[int, int]:
        """The number of the match that is shown (0: there is none), and how many there are."""
        return (self._here + 1 if self._matches else 0), len(self._matches)

    def find(self, needle: str) -> None:
        """Mark all occurrences of a text (with a capital letter: exactly so), and show the next one from the top row on."""
        self._needle = needle
        self._search()
        rows, top = self._wrapped[1], int(self.scroll_offset.y)
        first = (rows[top][0], rows[top][1].start) if top < len(rows) else (0, 0)
        self._here = next((i for i, (line, start, _) in enumerate(self._matches) if (line, start) >= first), 0)
        self._show_match()

    def step(self, by: int) -> None:
        """Show the next match, or the one before; behind the last one is the first."""
        if self._matches:
            self._here = (self._here + by) % len(self._matches)
            self._show_match()

    def _search(self) -> None:
        self._matches = []
        if self._needle:
            exact = self._needle != self._needle.lower()
            pattern = re.compile(re.escape(self._needle), 0 if exact else re.IGNORECASE)
            self._matches = [
                (number, *match.span()) for number, text in enumerate(self._texts) for match in pattern.finditer(text)
            ]
        self._here = min(self._here, max(0, len(self._matches) - 1))

    def _show_match(self) -> None:
        self._strips.clear()
        self.refresh()
        if self._matches:
            line, start, _ = self._matches[self._here]
            row, top, height = self._row_of(line, start), int(self.scroll_offset.y), self.size.height
            if not top <= row < top + height:
                self.scroll_to(y=max(0, row - height // 3), animate=False, force=True, immediate=True)


def _same(lines: Sequence[Content], others: Sequence[Content]) -> bool:
    """Whether lines look the same, their tones too."""
    return len(lines) == len(others) and all(one.is_same(other) for one, other in zip(lines, others, strict=True))
