"""What was done to the cluster in this session."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import BindingType

from meshtui.screens.text import TextScreen
from meshtui.ui.actions import bindings
from meshtui.ui.happened import journal
from meshtui.ui.widgets.document_view import DocumentView
from meshtui.ui.widgets.status import StatusBar


class JournalScreen(TextScreen):
    """Probes, fixes and purchases with their outcome, and how to undo them."""

    PLACE = "journal"
    BINDINGS: ClassVar[list[BindingType]] = bindings("journal")

    def on_mount(self) -> None:
        """Follow the session."""
        self._stop_listening = self._session.listen(self._refresh)
        self.query_one(DocumentView).focus()
        self._refresh()

    def on_unmount(self) -> None:
        """Stop following."""
        self._stop_listening()

    def _refresh(self) -> None:
        if not self.is_there:
            return
        self.query_one(StatusBar).show(self._session)
        self.show(journal(self._session))
