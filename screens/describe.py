"""Everything there is to say about one object, live."""

from __future__ import annotations

from typing import ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.widgets import Footer
from textual.worker import get_current_worker

from meshtui.session import Session
from meshtui.widgets.document import Document
from meshtui.widgets.pane_view import DocumentView
from meshtui.widgets.panes import Pane
from meshtui.widgets.status import StatusBar


class DescribeScreen(Screen[None]):
    """A pane's detail with the whole screen to itself."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "app.pop_screen", "Back", id="describe.back"),
        Binding("y", "yaml", "YAML", id="describe.yaml"),
        Binding("question_mark", "app.help", "Help", key_display="?", id="describe.help"),
    ]

    def __init__(self, session: Session, pane: Pane, uid: str) -> None:
        super().__init__()
        self._session = session
        self._pane = pane
        self._uid = uid

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
        self.query_one(StatusBar).show(self._session)
        self._work_out()

    @work(thread=True, exclusive=True)
    def _work_out(self) -> None:
        worker = get_current_worker()
        document = self._pane.detail(self._session, self._uid)
        if not worker.is_cancelled:
            self.app.call_from_thread(self._show, document)

    def _show(self, document: Document) -> None:
        self.query_one(DocumentView).show(document)

    def action_yaml(self) -> None:
        """The object as YAML."""
        from meshtui.screens.yaml import YamlScreen

        if (ref := self._pane.ref_of(self._session, self._uid)) is not None:
            self.app.push_screen(YamlScreen(self._session, ref))
