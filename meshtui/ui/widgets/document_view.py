"""A document as scrollable text."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from meshtui.ui.actions import bindings
from meshtui.ui.document import Document
from meshtui.ui.text import clean


class DocumentView(VerticalScroll, inherit_bindings=False):
    """Shows one document. The scroll position is kept while the title stays the same."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("text")

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002  (Textual's own name)
        super().__init__(id=id, classes=classes)
        self._body = Static(Content(""))
        self._title = ""
        self.plain = ""

    def compose(self) -> ComposeResult:
        """One text."""
        yield self._body

    def show(self, document: Document) -> None:
        """Show a document."""
        content = document.content()
        if content.plain == self.plain:
            return
        self.plain = content.plain
        self._body.update(content)
        if document.title != self._title:
            self._title = document.title
            self.scroll_home(animate=False)

    def show_text(self, title: str, text: str) -> None:
        """Show plain text from a cluster, with each line cleaned."""
        cleaned = "\n".join(clean(row) for row in text.split("\n"))
        self.plain = cleaned
        self._body.update(Content(cleaned))
        if title != self._title:
            self._title = title
            self.scroll_home(animate=False)
