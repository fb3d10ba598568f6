"""One object as YAML, read from the source on request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from textual import work
from textual.binding import Binding, BindingType
from textual.screen import Screen

from meshtui.model.errors import MeshtuiError
from meshtui.model.ids import ObjectRef
from meshtui.screens.follow import follow
from meshtui.screens.text import TextScreen
from meshtui.session import Session
from meshtui.ui.actions import bindings, by_id, keys_of
from meshtui.ui.document import BAD, Document, Section, line
from meshtui.ui.folding import folded
from meshtui.ui.pictures.canvas import Item
from meshtui.ui.widgets.document_view import DocumentView
from meshtui.ui.widgets.status import StatusBar


class YamlScreen(TextScreen):
    """Shows one object's manifest."""

    PLACE = "yaml"
    BINDINGS: ClassVar[list[BindingType]] = bindings("yaml")

    def __init__(self, session: Session, ref: ObjectRef) -> None:
        super().__init__(session)
        self._ref = ref
        self._text = ""
        self._unfolded = False

    @property
    def crumb(self) -> str:
        """What the header calls this screen."""
        return f"YAML of {self._ref.name}"

    def on_mount(self) -> None:
        """Read the object."""
        self.query_one(StatusBar).show(self._session)
        self.show(Document(f"… reading {self._ref}"))
        self.query_one(DocumentView).focus()
        self.action_reload()

    def action_reload(self) -> None:
        """Read it again."""
        self._read()

    @work(exclusive=True)
    async def _read(self) -> None:
        try:
            text = await self._session.source.manifest(self._ref)
        except MeshtuiError as error:
            self._text = ""
            self.show(Document(f"{self._ref}", (Section("can't be read", (line((str(error), BAD)),)),)))
            return
        self._text = text
        self._draw()

    def _draw(self) -> None:
        """The text, with what kubectl repeats folded until it is unfolded."""
        unfolds = self.app.get_key_display(Binding(keys_of(by_id()["yaml.unfold"], self._keymap())[0], ""))
        self.show_text(str(self._ref), self._text if self._unfolded else folded(self._text, unfolds))

    def _keymap(self) -> Mapping[str, str]:
        return self._session.settings.keys

    def action_unfold(self) -> None:
        """Unfold the annotation that repeats the manifest, or fold it."""
        self._unfolded = not self._unfolded
        if self._text:
            self._draw()


def open_link(screen: Screen[None], session: Session, item: Item | None) -> None:
    """Open what the item under the cursor of a picture leads to."""
    if item is not None and item.link is not None:
        follow(screen, session, item.link)
