"""The names that may be meant by what is typed in a field above, best on top."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.cells import cell_len
from textual import events
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.message import Message
from textual.widget import Widget

from meshtui.ui.actions import bindings
from meshtui.ui.columns import shorten
from meshtui.ui.text import clean

MOST = 8
"""Maximum number of names in view."""
_SIDES = 2
"""The cells before and behind a name, in the colour of the cursor too."""


def rows_of(names: Sequence[str], at: int, height: int, width: int, indent: int) -> list[tuple[str, bool]]:
    """Lines of at most ``width`` cells for the names in view, and whether each is the one at ``at``.

    The names begin behind ``indent`` cells if the longest fits there, else as far to the left as it has to.
    """
    first = _first(len(names), at, height)
    shown = [clean(name) for name in names[first : first + height]]
    longest = max(map(cell_len, shown), default=0)
    indent = max(0, min(indent, width - longest - _SIDES))
    return [(f"{' ' * indent} {shorten(name, width - indent - _SIDES)} ", place == at) for place, name in enumerate(shown, first)]


def _first(total: int, at: int, height: int) -> int:
    """The place of the name in the top row, so that the chosen one is in view."""
    return min(max(0, at - height + 1), max(0, total - height))


class Choices(Widget):
    """Shows names, one of which may be chosen. The field keeps the focus: who asks moves the choice."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"choices--chosen"}

    class Clicked(Message):
        """A name was clicked."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002  (Textual's own name)
        super().__init__(id=id)
        self.names: Sequence[str] = ()
        self.at = -1
        self._moved = False
        self._indent = 0
        self._height = MOST

    def offer(self, names: Sequence[str], at: int, indent: int, height: int = MOST) -> None:
        """Show names below a field that begins at ``indent``; the one at ``at`` is chosen (-1: none) until another is.

        What was chosen by hand stays so while it is among them. Without a name nothing is shown.
        """
        kept = self.chosen if self._moved else ""
        self._moved = kept in names
        self.at = names.index(kept) if self._moved else min(at, len(names) - 1)
        self.names, self._indent, self._height = names, indent, max(1, min(height, MOST))
        self.display = bool(names)
        self.styles.height = min(len(names), self._height)
        self.refresh()

    def forget(self) -> None:
        """Forget what was chosen by hand."""
        self._moved = False

    @property
    def chosen(self) -> str:
        """The name that is chosen; empty if none is."""
        return self.names[self.at] if 0 <= self.at < len(self.names) else ""

    def choose(self, by: int) -> None:
        """Choose the next name, or the one before."""
        if self.names:
            self._moved = True
            self.at = (self.at + by) % len(self.names) if self.at >= 0 else (0 if by > 0 else len(self.names) - 1)
            self.refresh()

    def render(self) -> Content:
        """The names in view; the one that Tab takes is in the cursor's colours."""
        style = self.get_visual_style("choices--chosen")
        lines = []
        for text, here in rows_of(self.names, self.at, self._height, self.size.width, self._indent):
            start = len(text) - len(text.lstrip(" ")) - 1
            lines.append(Content(text).stylize(style, start) if here else Content(text))
        return Content("\n").join(lines)

    def on_click(self, event: events.Click) -> None:
        """Take the name under the pointer."""
        place = _first(len(self.names), self.at, self._height) + event.y - self.gutter.top
        if 0 <= place < len(self.names):
            self.post_message(self.Clicked(self.names[place]))


class Ends(Horizontal):
    """The fields for the two ends of a flow: their arrow keys choose among the names that may be meant."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("ends")

    class Moved(Message):
        """Another name is to be chosen."""

        def __init__(self, by: int) -> None:
            super().__init__()
            self.by = by

    def action_choose(self, by: int) -> None:
        """Choose the next name, or the one before."""
        self.post_message(self.Moved(by))
