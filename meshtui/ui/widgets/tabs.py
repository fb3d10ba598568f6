"""The tabs of the main screen: each kind with the number of its objects, the current one, and those that can't be read."""

from __future__ import annotations

from textual.widgets import Static

from meshtui.model.snapshot import KindStatus
from meshtui.ui.frame import NARROW_BELOW, Tab, tab_line
from meshtui.ui.panes import Pane
from meshtui.ui.state import COUNTED, MARKS


class KindTabs(Static):
    """One line of tabs; a click or a digit chooses."""

    _drawn: tuple[list[tuple[Pane, str, KindStatus]], Pane, bool] | None = None
    _shown: tuple[list[tuple[Pane, str, KindStatus]], Pane] | None = None

    def on_resize(self) -> None:
        """Choose the words for the new width."""
        if self._shown is not None:
            self.show(*self._shown)

    def show(self, entries: list[tuple[Pane, str, KindStatus]], current: Pane) -> None:
        """Show the tabs: each pane with the number of its objects and the state of its kind."""
        self._shown = entries, current
        width = self.size.width or self.app.size.width
        tabs = [
            Tab(
                pane.order,
                pane.title,
                amount if status in COUNTED else "",
                MARKS.get(status, ""),
            )
            for pane, amount, status in entries
        ]
        whole = tab_line(tabs, current.order, narrow=False)
        narrow = width < NARROW_BELOW or whole.cell_length > width
        if self._drawn != (entries, current, narrow):
            self._drawn = entries, current, narrow
            said = tab_line(tabs, current.order, narrow=True) if narrow else whole
            self.update(said, layout=False)  # one line, whatever it says
