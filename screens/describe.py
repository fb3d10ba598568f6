"""Everything about one object, updated live."""

from __future__ import annotations

from typing import ClassVar

from textual import work
from textual.binding import BindingType
from textual.worker import get_current_worker

from meshtui.screens.text import TextScreen
from meshtui.ui.actions import bindings
from meshtui.ui.document import Document
from meshtui.ui.links import Link
from meshtui.ui.panes import Pane
from meshtui.ui.panes.findings import finding_of
from meshtui.ui.view import View
from meshtui.ui.widgets.document_view import DocumentView
from meshtui.ui.widgets.status import StatusBar


class DescribeScreen(TextScreen):
    """A pane's detail on the whole screen."""

    PLACE = "describe"
    BINDINGS: ClassVar[list[BindingType]] = bindings("describe")

    def __init__(self, view: View, pane: Pane, uid: str) -> None:
        super().__init__(view.session)
        self._view = view
        self._pane = pane
        self._uid = uid

    @property
    def crumb(self) -> str:
        """What the header calls this screen."""
        ref = self._pane.ref_of(self._view, self._uid)
        return ref.name if ref is not None else self._pane.title

    @property
    def link(self) -> Link | None:
        """What the cursor rests on; without that, what is described."""
        finding = finding_of(self._view, self._uid) if self._pane.id == "findings" else None
        return super().link or finding or self._pane.ref_of(self._view, self._uid)

    def on_mount(self) -> None:
        """Follow the session."""
        self._stop_listening = self._view.session.listen(self._refresh)
        self.query_one(DocumentView).focus()
        self._refresh()

    def on_unmount(self) -> None:
        """Stop following."""
        self._stop_listening()

    def _refresh(self) -> None:
        if self.is_there:
            self.query_one(StatusBar).show(self._view.session)
            self._work_out()

    @work(thread=True, exclusive=True)
    def _work_out(self) -> None:
        worker = get_current_worker()
        document = self._pane.detail(self._view, self._uid)
        if not worker.is_cancelled:
            self.app.call_from_thread(self._show, document)

    def _show(self, document: Document) -> None:
        self.show(document)
