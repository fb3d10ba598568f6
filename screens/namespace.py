"""A dialog to choose a namespace, or all, by typing."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static
from textual.widgets.option_list import Option

from meshtui.session import Session
from meshtui.ui.actions import bindings
from meshtui.ui.fuzzy import rank
from meshtui.ui.text import clean
from meshtui.ui.widgets.field import Field

ALL = "all namespaces"
"""The option for all namespaces. No namespace can have this name."""


class NamespaceScreen(ModalScreen[str | None]):
    """Returns a namespace's name, ``""`` for all, or None."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("namespace")

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._names = [ALL, *sorted(session.snapshot.namespace_by_name)]
        self._text = ""

    def compose(self) -> ComposeResult:
        """What is typed, and a list: all, then each namespace with its number of pods."""
        with Vertical(id="dialog"):
            yield Static("Namespace", classes="title")
            yield Field(placeholder="type a part of its name", id="typed", compact=True)
            yield OptionList(id="namespaces")
            yield Static("Enter chooses · ↓ ↑ move · Esc goes back", classes="hint")

    def on_mount(self) -> None:
        """Highlight the current namespace."""
        self.query_one(OptionList).can_focus = False
        self._list(self._names)
        if self._session.namespace in self._names:
            self.query_one(OptionList).highlighted = self._names.index(self._session.namespace)
        self.query_one(Input).focus()

    def _list(self, names: list[str]) -> None:
        pods = self._session.snapshot.pods_by_namespace
        shown = self.query_one(OptionList)
        shown.clear_options()
        shown.add_options(
            Option(Content(ALL if name == ALL else f"{clean(name)}  ({len(pods.get(name, ()))} pods)"), id=name) for name in names
        )
        shown.highlighted = 0 if names else None

    @on(Input.Changed)
    def _typed(self) -> None:
        self._keep_up()

    def _keep_up(self) -> None:
        """List what fits the input now: keys that come in one burst are handled before the input says that it changed."""
        text = self.query_one(Input).value
        if text != self._text:
            self._text = text
            self._list(rank(text, self._names))

    @on(Input.Submitted)
    def action_choose(self) -> None:
        """Return the highlighted namespace."""
        self._keep_up()
        shown = self.query_one(OptionList)
        if shown.highlighted is not None:
            self._chosen(shown.get_option_at_index(shown.highlighted))

    def action_move(self, by: int) -> None:
        """Highlight the next namespace, or the one before."""
        self._keep_up()
        shown = self.query_one(OptionList)
        shown.action_cursor_down() if by > 0 else shown.action_cursor_up()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Return the namespace that was clicked."""
        self._chosen(event.option)

    def _chosen(self, option: Option) -> None:
        name = option.id or ""
        self.dismiss("" if name == ALL else name)
