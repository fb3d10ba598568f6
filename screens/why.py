"""Why? One flow's ladder, live."""

from __future__ import annotations

from typing import ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import Footer
from textual.worker import get_current_worker

from meshtui.engine.explain.advice import advise
from meshtui.model.flow import Flow
from meshtui.session import Session
from meshtui.widgets.document import Document
from meshtui.widgets.ladder import why
from meshtui.widgets.pane_view import DocumentView
from meshtui.widgets.status import StatusBar


class WhyScreen(Screen[None]):
    """Explains the verdict on one flow, and goes on explaining while the cluster changes."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("f", "edit", "Another flow", id="why.edit"),
        Binding("p", "probe", "Probe", id="why.probe"),
        Binding("escape,q", "app.pop_screen", "Back", id="why.back"),
        Binding("question_mark", "app.help", "Help", key_display="?", id="why.help"),
    ]

    def __init__(self, session: Session, flow: Flow) -> None:
        super().__init__()
        self._session = session
        self._flow = flow

    def compose(self) -> ComposeResult:
        """Header, text, footer."""
        yield StatusBar(id="status")
        yield DocumentView(id="text")
        yield Footer(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        """Follow the session."""
        self._stop_watching = self._session.watch((self._flow,))
        self._stop_listening = self._session.listen(self._refresh)
        self.set_interval(1.0, self._tick)
        self.query_one(DocumentView).focus()
        self._refresh()

    def on_unmount(self) -> None:
        """Stop following."""
        self._stop_listening()
        self._stop_watching()

    def _refresh(self) -> None:
        if self.query(DocumentView):
            self.query_one(StatusBar).show(self._session)
            self._explain()

    def _tick(self) -> None:
        self.query_one(StatusBar).show(self._session)
        if self._session.change_of(self._flow) is not None or self._flow in self._session.observations:
            self._explain()

    @work(thread=True, exclusive=True, group="why")
    def _explain(self) -> None:
        worker = get_current_worker()
        session, flow = self._session, self._flow
        engine, verdict = session.engine, session.verdict(flow)
        advice = advise(engine, flow, verdict)
        observation, change = session.observations.get(flow), session.change_of(flow)
        document = why(flow, verdict, advice, session.clock(), observation, change, old=session.outdated(flow))
        if not worker.is_cancelled:
            self.app.call_from_thread(self._show, document)

    def _show(self, document: Document) -> None:
        if self.query(DocumentView):
            self.query_one(DocumentView).show(document)

    def action_probe(self) -> None:
        """Ask to probe this flow."""
        from meshtui.screens.probe import ProbeScreen

        self.app.push_screen(ProbeScreen(self._session, str(self._flow.source), [self._flow], at_once=True))

    def action_edit(self) -> None:
        """The same flow on the flow screen, to change one end of it."""
        from meshtui.screens.flow import FlowScreen

        port = f":{self._flow.port}" if self._flow.port is not None else ""
        self.app.push_screen(FlowScreen(self._session, str(self._flow.source), f"{self._flow.destination}{port}"))
