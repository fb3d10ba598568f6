"""The explained verdict of one flow, updated live."""

from __future__ import annotations

from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.worker import Worker, get_current_worker

from meshtui.engine.explain.advice import advise
from meshtui.model.flow import Flow
from meshtui.screens.acting import LinkScreen
from meshtui.screens.yaml import open_link
from meshtui.session import Session
from meshtui.ui.actions import bindings
from meshtui.ui.advising import Adviser
from meshtui.ui.document import Document
from meshtui.ui.known_path import known_path
from meshtui.ui.ladder import drift_about, why, with_drift
from meshtui.ui.links import Link
from meshtui.ui.pictures.path import PathData
from meshtui.ui.widgets.document_view import DocumentView
from meshtui.ui.widgets.footer import Footer
from meshtui.ui.widgets.path_view import PathView
from meshtui.ui.widgets.status import StatusBar


class WhyScreen(LinkScreen):
    """Explains the verdict of one flow, and updates it when the cluster changes."""

    PLACE = "why"
    BINDINGS: ClassVar[list[BindingType]] = bindings("why")
    VERTICAL_BREAKPOINTS = [(0, "-low"), (32, "-tall")]  # noqa: RUF012  (as Textual declares it)

    def __init__(self, session: Session, flow: Flow) -> None:
        super().__init__(session)
        self._flow = flow
        self._adviser = Adviser(session.clock)

    @property
    def crumb(self) -> str:
        """What the header calls this screen."""
        return "Why?"

    def compose(self) -> ComposeResult:
        """Header, the flow's path, text, footer."""
        yield StatusBar(id="status")
        yield PathView(id="path", share=0.45)
        yield DocumentView(id="text")
        yield Footer()

    def on_mount(self) -> None:
        """Follow the session."""
        self._stop_watching = self._session.watch((self._flow,))
        self._stop_listening = self._session.listen(self._refresh)
        self.set_interval(1.0, self._tick)
        self.query_one(DocumentView).focus()
        self._refresh()

    @property
    def link(self) -> Link | None:
        """What the cursor rests on; without that, the flow."""
        focused = self.focused
        inside = focused.link if isinstance(focused, PathView | DocumentView) else None
        return inside or self._flow

    def on_unmount(self) -> None:
        """Stop following."""
        self._stop_listening()
        self._stop_watching()

    def _refresh(self) -> None:
        if self.is_there:
            self.query_one(StatusBar).show(self._session)
            self._explain()

    def _tick(self) -> None:
        if not self.is_there:
            return
        self.query_one(StatusBar).show(self._session)
        if self._session.change_of(self._flow) is not None or self._flow in self._session.observations:
            self._explain()

    @work(thread=True, exclusive=True, group="why")
    def _explain(self) -> None:
        worker = get_current_worker()
        session, flow = self._session, self._flow
        engine, verdict = session.engine, session.verdict(flow)
        observation, change = session.observations.get(flow), session.change_of(flow)
        old, drift = session.outdated(flow), drift_about(verdict, session.mesh.report.differences)
        path = known_path(session, flow, verdict)
        if not self._adviser.has_seen(flow, verdict):  # The verdict first: its what-if takes seconds in a large cluster
            brief = advise(engine, flow, verdict, propose=False)
            document = why(flow, verdict, brief, session.clock(), observation, change, old=old)
            self._show_from(worker, path, with_drift(document, drift))
        advice = self._adviser.of(engine, flow, verdict)
        document = why(flow, verdict, advice, session.clock(), observation, change, old=old)
        self._show_from(worker, path, with_drift(document, drift))

    def _show_from(self, worker: Worker[None], path: PathData, document: Document) -> None:
        if not worker.is_cancelled:
            self.app.call_from_thread(self._show, path, document)

    def _show(self, path: PathData, document: Document) -> None:
        if self.is_there:
            self.query_one(PathView).show(path)
            self.query_one(DocumentView).show(document)

    @on(PathView.Chosen)
    def _open(self, event: PathView.Chosen) -> None:
        open_link(self, self._session, event.item)

    def flow_of_link(self) -> Flow | None:
        """The flow under the cursor, else the one that is explained: what acts on a flow acts on it wherever the cursor is."""
        return super().flow_of_link() or self._flow

    def action_why(self) -> None:
        """Explain another flow that the cursor rests on."""
        if self.flow_of_link() == self._flow:
            self.notify("this screen explains it: ↑ ↓ to another flow, or f to type one", timeout=3)
        else:
            super().action_why()
