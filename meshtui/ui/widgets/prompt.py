"""The input line at the bottom, for a destination (``:``) or for words to look for (``/``)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.message import Message
from textual.widgets import Input, Static

from meshtui.ui.actions import bindings
from meshtui.ui.fuzzy import rank
from meshtui.ui.widgets.field import Field

_MOST = 12
"""Maximum number of names beside the input."""


class Prompt(Horizontal):
    """Hidden until ``ask`` is called. Enter answers, Esc cancels.

    With names to choose from, the best matches stand beside the input, best first. Enter answers with the chosen one, Tab
    writes it into the input; the first one is chosen until up or down is pressed.
    """

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
        self._names: Sequence[str] = ()
        self._never: Collection[str] = ()
        self._matches: list[str] = []
        self._at = -1
        self._text = ""
        """The text that they match."""

    def compose(self) -> ComposeResult:
        """The mark, the input and what may be meant."""
        yield Static("", id="prompt-mark", markup=False)
        yield Field(id="prompt-input", compact=True)
        yield Static("", id="prompt-matches", markup=False)

    def on_mount(self) -> None:
        """Stay hidden."""
        self.display = False

    def ask(
        self, mark: str, names: Sequence[str], text: str, hint: str = "words to look for", *, never: Collection[str] = ()
    ) -> None:
        """Show the prompt and take the keys; ``names`` are what may be meant, the most usual first.

        Without names, ``hint`` says what may be typed. The words ``never`` mean none of the names.
        """
        self.mark, self._names, self._never = mark, names, never
        self.query_one("#prompt-mark", Static).update(mark)
        self.set_class(bool(names), "-names")
        field = self.query_one(Input)
        field.placeholder = "" if names else hint
        field.value = text
        field.cursor_position = len(text)
        self._match(text)
        self.display = True
        self.screen.set_focus(field)  # at once: keys that are typed ahead belong to it

    @property
    def completes(self) -> bool:
        """Whether it is asking for one of some names."""
        return self.display and bool(self._names)

    @property
    def chosen(self) -> str:
        """The name that is chosen, or empty."""
        return self._matches[self._at] if 0 <= self._at < len(self._matches) else ""

    def _match(self, text: str) -> None:
        self._text = text
        self._matches = [] if text.strip().lower() in self._never else rank(text, self._names)[:_MOST]
        self._at = 0 if text.strip() and self._matches else -1  # Enter alone goes nowhere
        self._draw()

    def _draw(self) -> None:
        first = max(0, self._at - 2)  # what is chosen is in view
        words = [
            Content.styled(f" {name} ", "reverse" if place == self._at else "")
            for place, name in enumerate(self._matches[first:], first)
        ]
        self.query_one("#prompt-matches", Static).update(Content("").join(words))

    @on(Input.Changed)
    def _typed(self) -> None:
        self._keep_up()

    def _keep_up(self) -> None:
        """Match what stands in the input now: keys that come in one burst are handled before the input says that it changed."""
        text = self.query_one(Input).value
        if self._names and text not in (self._text, self.chosen):
            self._match(text)

    @on(Input.Submitted)
    def _submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.display = False
        text = event.value
        self._keep_up()
        self.post_message(self.Answered(self.mark, self.chosen or text))

    def action_complete(self) -> None:
        """Write the chosen name into the input."""
        self._keep_up()
        name = self.chosen or next(iter(self._matches), "")
        if name:
            self._matches, self._at = [name, *(match for match in self._matches if match != name)], 0
            field = self.query_one(Input)
            field.value = name
            field.cursor_position = len(name)
            self._draw()

    def action_choose(self, by: int) -> None:
        """Choose the next name, or the one before."""
        self._keep_up()
        if self._matches:
            self._at = (self._at + by) % len(self._matches) if self._at >= 0 else (0 if by > 0 else len(self._matches) - 1)
            self._draw()

    def action_leave(self) -> None:
        """Give up."""
        self.display = False
        self.post_message(self.Left(self.mark, ""))
