"""What tests look for on a screen."""

from __future__ import annotations

from textual.screen import Screen

from meshtui.screens.main import MainScreen
from meshtui.ui.widgets.table import ObjectTable


def table_of(screen: Screen[object]) -> ObjectTable:
    """The table of a screen; of the main screen, that of the pane with the focus."""
    return screen.table if isinstance(screen, MainScreen) else screen.query_one(ObjectTable)
