"""What there is to say of the object under a table's cursor, beside the table."""

from __future__ import annotations

from time import monotonic

from textual import work
from textual.timer import Timer
from textual.worker import get_current_worker

from meshtui.session import Session
from meshtui.widgets.document import Document
from meshtui.widgets.pane_view import DocumentView
from meshtui.widgets.panes import Pane

_DELAY_S = 0.06
"""How long the cursor rests before the detail is worked out: moving through a table must not wait for it."""
_AGAIN_S = 1.0
"""How often the detail is worked out again while the cluster changes all the time."""


class Detail(DocumentView):
    """Worked out in a thread, and only where there is room for it."""

    def __init__(self, session: Session, *, id: str | None = None) -> None:  # noqa: A002  (Textual's own name)
        super().__init__(id=id)
        self._session = session
        self._about: tuple[Pane, str] | None = None
        self._timer: Timer | None = None
        self._at = 0.0
        self._due = False

    def of(self, pane: Pane, uid: str) -> None:
        """Another object is under the cursor; none, where ``uid`` is empty."""
        self._about = (pane, uid) if uid else None
        self._schedule()

    def renew(self, pane: Pane, uid: str) -> None:
        """The cluster changed: what is said may be another; in a storm of changes once in a while is enough."""
        self._about = (pane, uid) if uid else None
        if self._timer is None or not self._due:
            self._due = True
            self._schedule(max(_DELAY_S, self._at + _AGAIN_S - monotonic()))

    def on_show(self) -> None:
        """What had no room has not been worked out."""
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
        document = pane.detail(self._session, uid)
        if not worker.is_cancelled:
            self.app.call_from_thread(self._show_read, (pane, uid), document)

    def _show_read(self, about: tuple[Pane, str], document: Document) -> None:
        if about == self._about:
            self.show(document)
