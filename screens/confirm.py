"""The confirmation before a change."""

from __future__ import annotations

from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.geometry import Size
from textual.screen import ModalScreen
from textual.widgets import Button, Static

from meshtui.ui.actions import bindings
from meshtui.ui.document import Document
from meshtui.ui.widgets.document_view import DocumentView

_BESIDE = 6
"""The rows of the dialog beside its text: frame, buttons, hint."""


class Answer(Button):
    """One of the answers; the one that Enter gives is marked."""

    def render(self) -> Content:
        """The words, with the mark before them."""
        return Content("▸ " if self.has_focus else "  ").append(str(self.label))

    def get_content_width(self, container: Size, viewport: Size) -> int:
        """The width with the mark."""
        return super().get_content_width(container, viewport) + 2


class ConfirmScreen(ModalScreen[bool]):
    """Returns True only after a yes."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("confirm")

    def __init__(self, document: Document, yes: str = "Yes") -> None:
        super().__init__()
        self._document = document
        self._yes = yes

    def compose(self) -> ComposeResult:
        """The document, and two buttons; No has the focus."""
        with Vertical(id="dialog"):
            yield DocumentView(id="what")
            with Horizontal(id="buttons"):
                yield Answer(f"{self._yes} (y)", id="yes", compact=True)
                yield Answer("No (n, Esc)", id="no", compact=True)
            yield Static("← → moves · Enter presses · Tab: to the text, ↓ ↑ scroll it", classes="hint")

    def on_mount(self) -> None:
        """Show the document."""
        self.query_one(DocumentView).show(self._document)
        self.query_one("#no", Button).focus()

    def on_resize(self, event: events.Resize) -> None:
        """Keep the answers in view: a question that is too long for the terminal scrolls."""
        dialog = event.size.height * 9 // 10
        self.query_one(DocumentView).styles.max_height = max(1, dialog - _BESIDE)

    def action_other(self) -> None:
        """To the other button; from the text to the one that is safe."""
        no = self.query_one("#no", Button)
        (self.query_one("#yes", Button) if no.has_focus else no).focus()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Return the answer."""
        self.dismiss(event.button.id == "yes")
