"""What tests look for on a screen."""

from __future__ import annotations

from textual.screen import Screen

from meshtui.screens.main import MainScreen
from meshtui.ui.widgets.table import ObjectTable


def table_of(screen: Screen[object]) -> ObjectTable:
    """The table of a screen; of the main screen, that of the pane with the focus."""
    return screen.table if isinstance(screen, MainScreen) else screen.query_one(ObjectTable)


def drawn(screen: Screen[object]) -> list[str]:
    """The rows of a screen, as a person sees them now: with frames, messages, and what is cut off left out."""
    return ["".join(segment.text for segment in strip).rstrip() for strip in screen._compositor.render_strips()]
