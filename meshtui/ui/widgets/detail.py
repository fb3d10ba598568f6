"""The detail of the object under a table's cursor, beside the table."""

from __future__ import annotations

from dataclasses import replace
from time import monotonic

from textual import work
from textual.timer import Timer
from textual.worker import get_current_worker

from meshtui.ui.document import Document
from meshtui.ui.panes import Pane
from meshtui.ui.view import View
from meshtui.ui.widgets.document_view import DocumentView

_DELAY_S = 0.06
"""The detail is computed after the cursor has rested for so many seconds, so that moving isn't slowed down."""
_AGAIN_S = 1.0
"""Minimum interval between updates of the detail while the cluster changes continuously, in seconds."""


class Detail(DocumentView):
    """A document that is computed in a thread, and only if it is visible."""

    def __init__(self, view: View, *, id: str | None = None) -> None:  # noqa: A002  (Textual's own name)
        super().__init__(id=id)
        self._view = view
        self._about: tuple[Pane, str] | None = None
        self._timer: Timer | None = None
        self._at = 0.0
        self._due = False
        self._without: frozenset[str] = frozenset()

    def leave_out(self, sections: frozenset[str]) -> None:
        """Don't show the sections with these titles: something else shows them."""
        if sections != self._without:
            self._without = sections
            self._schedule()

    def of(self, pane: Pane, uid: str) -> None:
        """Show another object; none if ``uid`` is empty."""
        self._about = (pane, uid) if uid else None
        self._schedule()

    def renew(self, pane: Pane, uid: str) -> None:
        """The cluster has changed: compute the detail again, at most once per interval."""
        self._about = (pane, uid) if uid else None
        if self._timer is None or not self._due:
            self._due = True
            self._schedule(max(_DELAY_S, self._at + _AGAIN_S - monotonic()))

    def on_show(self) -> None:
        """Compute the detail, which wasn't computed while it was hidden."""
        self._schedule()

    def _schedule(self, delay_s: float = _DELAY_S) -> None:
        if self._timer is not None:
            self._timer.stop()
        self._timer = self.set_timer(delay_s, self._work_out)

    def _work_out(self) -> None:
        self._at, self._due = monotonic(), False
        if self._about is None:
            self.show(Document(""))
        elif self.display:
            self._read(*self._about)

    @work(thread=True, exclusive=True, group="detail", exit_on_error=True)
    def _read(self, pane: Pane, uid: str) -> None:
        worker = get_current_worker()
        document = pane.detail(self._view, uid)
        if self._without:
            document = replace(document, sections=tuple(s for s in document.sections if s.title not in self._without))
        if not worker.is_cancelled:
            self.app.call_from_thread(self._show_read, (pane, uid), document)

    def _show_read(self, about: tuple[Pane, str], document: Document) -> None:
        if about == self._about:
            self.show(document)
