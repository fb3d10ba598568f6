"""The input line at the bottom, for a destination (``:``) or a filter (``/``)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.message import Message
from textual.suggester import SuggestFromList
from textual.widgets import Input, Static

from meshtui.ui.actions import bindings


class Prompt(Horizontal):
    """Hidden until ``ask`` is called. Enter answers, Esc cancels."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("prompt")

    class Answered(Message):
        """Enter was pressed."""

        def __init__(self, mark: str, text: str) -> None:
            super().__init__()
            self.mark = mark
            self.text = text

    class Left(Answered):
        """Esc was pressed."""

    def __init__(self, *, id: str | None = None) -> None:  # noqa: A002  (Textual's own name)
        super().__init__(id=id)
        self.mark = ""

    def compose(self) -> ComposeResult:
        """The mark and the input."""
        yield Static("", id="prompt-mark", markup=False)
        yield Input(id="prompt-input", compact=True)

    def on_mount(self) -> None:
        """Stay hidden."""
        self.display = False

    def ask(self, mark: str, suggestions: Sequence[str], text: str) -> None:
        """Show the prompt and take the keys."""
        self.mark = mark
        self.query_one("#prompt-mark", Static).update(mark)
        field = self.query_one(Input)
        field.suggester = SuggestFromList(suggestions, case_sensitive=False) if suggestions else None
        field.placeholder = {":": "namespaces, workloads, authz, netpol, checkout, quit", "/": "words to look for"}.get(mark, "")
        field.value = text
        field.cursor_position = len(text)
        self.display = True
        self.screen.set_focus(field)  # at once: keys that are typed ahead belong to it

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.display = False
        self.post_message(self.Answered(self.mark, event.value))

    def action_leave(self) -> None:
        """Give up."""
        self.display = False
        self.post_message(self.Left(self.mark, ""))
