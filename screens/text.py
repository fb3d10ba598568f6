"""The base class of screens that are one text, which can be searched."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult
from textual.content import Content
from textual.widgets import Input, Static

from meshtui.screens.acting import LinkScreen
from meshtui.session import Session
from meshtui.ui.document import Document
from meshtui.ui.links import Link
from meshtui.ui.text import clean
from meshtui.ui.widgets.document_view import DocumentView
from meshtui.ui.widgets.footer import Footer
from meshtui.ui.widgets.prompt import Prompt
from meshtui.ui.widgets.status import StatusBar


class TextScreen(LinkScreen):
    """Header, text, what was found in it, prompt, footer."""

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._needle = ""

    @property
    def link(self) -> Link | None:
        """What the cursor rests on."""
        return self.query_one(DocumentView).link

    def compose(self) -> ComposeResult:
        """The text between header and footer."""
        yield StatusBar(id="status")
        yield DocumentView(id="text")
        yield Static("", id="found")
        yield Prompt(id="prompt")
        yield Footer()

    def show(self, document: Document) -> None:
        """Show a document. What is searched for is marked in it, too."""
        self.query_one(DocumentView).show(document)
        self._say()

    def action_search(self) -> None:
        """Type a text to look for."""
        self.query_one(Prompt).ask("/", [], self._needle)

    @on(Input.Changed, "#prompt-input")
    def _typing(self, event: Input.Changed) -> None:
        if self.query_one(Prompt).display and event.value != self._needle:
            self._search(event.value)

    @on(Prompt.Answered)
    def _answered(self, event: Prompt.Answered) -> None:
        self.query_one(DocumentView).focus()
        if event.text != self._needle:
            self._search(event.text)

    @on(Prompt.Left)
    def _left(self) -> None:
        self.query_one(DocumentView).focus()
        self._search("")

    def action_save(self) -> None:
        """Save the text as a file."""
        view = self.query_one(DocumentView)
        name = view.plain.split("\n", 1)[0] or self.PLACE
        self.write_file(f"{view.plain}\n", f"{self.PLACE}-{name}", "txt")

    def action_search_next(self, by: int) -> None:
        """Show the next match, or the one before."""
        self.query_one(DocumentView).step(by)
        self._say()

    def action_back(self) -> None:
        """End the search, else go back."""
        if self._needle:
            self._search("")
        else:
            super().action_back()

    def _search(self, needle: str) -> None:
        self._needle = needle
        self.query_one(DocumentView).find(needle)
        self._say()

    def _say(self) -> None:
        """Which match is shown, and how many there are."""
        here, total = self.query_one(DocumentView).found
        said = self.query_one("#found", Static)
        said.display = bool(self._needle)
        amount = f"{here} of {total}" if total else "not found"
        said.update(Content(f" {amount}: {clean(self._needle)}"))
