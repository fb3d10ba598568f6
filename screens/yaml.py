"""One object as YAML, read from the source on request, with the findings at the lines that they name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from textual import work
from textual.binding import Binding, BindingType
from textual.screen import Screen

from meshtui.findings import Report
from meshtui.model.errors import MeshtuiError
from meshtui.model.finding import Finding
from meshtui.model.ids import ObjectRef
from meshtui.screens.follow import describe_finding, follow
from meshtui.screens.text import TextScreen
from meshtui.session import Session
from meshtui.ui.actions import bindings, by_id, keys_of
from meshtui.ui.document import BAD, Document, Section, line
from meshtui.ui.folding import folded
from meshtui.ui.links import Link
from meshtui.ui.pictures.canvas import Item
from meshtui.ui.widgets.document_view import DocumentView
from meshtui.ui.widgets.status import StatusBar
from meshtui.ui.yaml_marks import YamlLines


class YamlScreen(TextScreen):
    """Shows one object's manifest."""

    PLACE = "yaml"
    BINDINGS: ClassVar[list[BindingType]] = bindings("yaml")

    def __init__(self, session: Session, ref: ObjectRef) -> None:
        super().__init__(session)
        self._ref = ref
        self._text = ""
        self._unfolded = False
        self._report: Report | None = None

    @property
    def crumb(self) -> str:
        """What the header calls this screen."""
        return f"YAML of {self._ref.name}"

    @property
    def link(self) -> Link | None:
        """The finding at the line under the cursor; without one, the object."""
        return super().link or self._ref

    def on_mount(self) -> None:
        """Read the object."""
        self._stop_listening = self._session.listen(self._refresh)
        self.query_one(StatusBar).show(self._session)
        self.show(Document(f"… reading {self._ref}"))
        self.query_one(DocumentView).focus()
        self.action_reload()

    def on_unmount(self) -> None:
        """Stop following the findings."""
        self._stop_listening()

    def _refresh(self) -> None:
        """Mark what other findings name."""
        if not self.is_there:
            return
        self.query_one(StatusBar).show(self._session)
        if self._text and self._session.looking.report is not self._report:
            self._draw()

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
        """The text with marks, and with what kubectl repeats folded until it is unfolded."""
        if not self.is_there:
            return  # left while it was read
        self._report = self._session.looking.report
        unfolds = self.app.get_key_display(Binding(keys_of(by_id()["yaml.unfold"], self._keymap())[0], ""))
        text = self._text if self._unfolded else folded(self._text, unfolds)
        self.query_one(DocumentView).show_yaml(str(self._ref), YamlLines(text, self._ref, self._report.findings))
        self._say()

    def _keymap(self) -> Mapping[str, str]:
        return self._session.settings.keys

    def action_unfold(self) -> None:
        """Unfold the annotation that repeats the manifest, or fold it."""
        self._unfolded = not self._unfolded
        if self._text:
            self._draw()

    def action_copy(self) -> None:
        """Copy the YAML, whole; at a mark, the patch of the finding."""
        if isinstance(self.link, Finding) or not self._text:
            super().action_copy()
        else:
            self.copy(self._text, "the YAML")

    def action_save(self) -> None:
        """Save the YAML, whole, as a file."""
        self.write_file(self._text, f"{self._ref.kind}-{self._ref.name}", "yaml")

    def open_link(self, link: Link) -> None:
        """Show what a finding says, and its fix from there."""
        if isinstance(link, Finding):
            describe_finding(self, self._session, link)
        else:
            super().open_link(link)


def open_link(screen: Screen[None], session: Session, item: Item | None) -> None:
    """Open what the item under the cursor of a picture leads to."""
    if item is not None and item.link is not None:
        follow(screen, session, item.link)
