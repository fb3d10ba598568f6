"""One object as YAML, read from the source on request."""

from __future__ import annotations

from typing import ClassVar

from textual import work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.widgets import Footer

from meshtui.model.errors import MeshtuiError
from meshtui.model.ids import ObjectRef
from meshtui.session import Session
from meshtui.ui.action_screen import ActionScreen
from meshtui.ui.actions import bindings
from meshtui.ui.document import BAD, Document, Section, line
from meshtui.ui.widgets.document_view import DocumentView
from meshtui.ui.widgets.status import StatusBar


class YamlScreen(ActionScreen):
    """Shows one object's manifest."""

    PLACE = "yaml"
    BINDINGS: ClassVar[list[BindingType]] = bindings("yaml")

    def __init__(self, session: Session, ref: ObjectRef) -> None:
        super().__init__(session)
        self._ref = ref

    def compose(self) -> ComposeResult:
        """Header, text, footer."""
        yield StatusBar(id="status")
        yield DocumentView(id="text")
        yield Footer(show_command_palette=False, compact=True)

    def on_mount(self) -> None:
        """Read the object."""
        self.query_one(StatusBar).show(self._session)
        view = self.query_one(DocumentView)
        view.show(Document(f"… reading {self._ref}"))
        view.focus()
        self.action_reload()

    def action_reload(self) -> None:
        """Read it again."""
        self._read()

    @work(exclusive=True)
    async def _read(self) -> None:
        view = self.query_one(DocumentView)
        try:
            text = await self._session.source.manifest(self._ref)
        except MeshtuiError as error:
            view.show(Document(f"{self._ref}", (Section("can't be read", (line((str(error), BAD)),)),)))
            return
        view.show_text(str(self._ref), text)
