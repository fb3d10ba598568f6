"""Why? One flow's ladder, live."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import Footer

from meshtui.engine.advice import advise
from meshtui.model.flow import Flow
from meshtui.session import Session
from meshtui.widgets.ladder import why
from meshtui.widgets.pane_view import DocumentView
from meshtui.widgets.status import StatusBar


class WhyScreen(Screen[None]):
    """Explains the verdict on one flow, and goes on explaining while the cluster changes."""

    BINDINGS: ClassVar[list[BindingType]] = [
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
        self._stop_listening = self._session.listen(self._refresh)
        self.query_one(DocumentView).focus()
        self._refresh()

    def on_unmount(self) -> None:
        """Stop following."""
        self._stop_listening()

    def _refresh(self) -> None:
        if not self.query(DocumentView):
            return
        self.query_one(StatusBar).show(self._session)
        verdict = self._session.verdict(self._flow)
        advice = advise(self._session.engine, self._flow, verdict)
        document = why(self._flow, verdict, advice, self._session.observations.get(self._flow))
        self.query_one(DocumentView).show(document)
