"""A document on screen: scrollable text that follows what it is told to show."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from meshtui.widgets.document import Document
from meshtui.widgets.text import clean


class DocumentView(VerticalScroll):
    """Shows one document; it stays where it was scrolled to while the same document changes."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("j", "scroll_down", "Down", show=False, id="text.down"),
        Binding("k", "scroll_up", "Up", show=False, id="text.up"),
        Binding("g", "scroll_home", "Top", show=False, id="text.top"),
        Binding("G", "scroll_end", "End", show=False, id="text.end"),
    ]

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
        """Show plain text from a cluster, line by line cleaned."""
        cleaned = "\n".join(clean(row) for row in text.split("\n"))
        self.plain = cleaned
        self._body.update(Content(cleaned))
        if title != self._title:
            self._title = title
            self.scroll_home(animate=False)
