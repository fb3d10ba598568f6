"""The first frame: header, tabs and "loading", drawn before the modules of everything else are imported."""

from __future__ import annotations

from collections.abc import Callable

from textual import events
from textual.app import ComposeResult
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Static

from meshtui.ui import frame
from meshtui.ui.document import STYLES, WARN


class OpeningScreen(Screen[None]):
    """Looks like the main screen while nothing is known. Keys are kept for the main screen, which takes its place.

    ``drawn`` is called as soon as the frame has been drawn.
    """

    def __init__(self, drawn: Callable[[], None]) -> None:
        super().__init__()
        self._drawn = drawn
        self.keys: list[events.Key] = []

    def compose(self) -> ComposeResult:
        """Header, tabs, body."""
        yield Static(Content(" · ").join([frame.NAME, Content.styled(frame.LOADING_WORDS, STYLES[WARN])]), id="status")
        yield Static(id="tabs")
        yield Static(frame.loading(frame.TITLES[frame.FIRST - 1]).content(), id="state")

    def on_mount(self) -> None:
        """Say when the frame is on the terminal."""
        self.call_after_refresh(self._drawn)

    def on_resize(self, event: events.Resize) -> None:
        """Another width takes other words."""
        narrow = event.size.width < frame.NARROW_BELOW
        self.set_class(narrow, "-narrow")
        tabs = [frame.Tab(order, title) for order, title in enumerate(frame.TITLES, 1)]
        self.query_one("#tabs", Static).update(frame.tab_line(tabs, frame.FIRST, narrow=narrow))

    def on_key(self, event: events.Key) -> None:
        """All keys are for the main screen: which of them quits stands in the settings, too."""
        self.keys.append(event)
        event.stop()
        event.prevent_default()
