"""A question before something is changed: what, where, and how to say yes or no."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Static

from meshtui.widgets.document import Document
from meshtui.widgets.pane_view import DocumentView


class ConfirmScreen(ModalScreen[bool]):
    """Answers True only when the person says yes."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "dismiss(True)", "Yes", id="confirm.yes"),
        Binding("n,escape,q", "dismiss(False)", "No", id="confirm.no"),
        Binding("left,right", "app.focus_next", "Other button", show=False, id="confirm.other"),
    ]

    def __init__(self, document: Document, yes: str = "Yes") -> None:
        super().__init__()
        self._document = document
        self._yes = yes

    def compose(self) -> ComposeResult:
        """What would happen, and two buttons; No has the focus."""
        with Vertical(id="dialog"):
            yield DocumentView(id="what")
            with Horizontal(id="buttons"):
                yield Button(f"{self._yes} (y)", id="yes", variant="warning", compact=True)
                yield Button("No (n, Esc)", id="no", variant="primary", compact=True)
            yield Static("← → moves · Enter presses", classes="hint")

    def on_mount(self) -> None:
        """Show what it is about."""
        self.query_one(DocumentView).show(self._document)
        self.query_one("#no", Button).focus()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        """Answer."""
        self.dismiss(event.button.id == "yes")
