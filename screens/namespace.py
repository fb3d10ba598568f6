"""A dialog to choose a namespace, or all."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from meshtui.session import Session
from meshtui.ui.actions import bindings
from meshtui.ui.text import clean

ALL = "\n"
"""The option for all namespaces. No namespace can have this name."""


class NamespaceScreen(ModalScreen[str | None]):
    """Returns a namespace's name, ``""`` for all, or None."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("namespace")

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session

    def compose(self) -> ComposeResult:
        """A list: all, then each namespace with its number of pods."""
        names = sorted(self._session.snapshot.namespace_by_name)
        pods = self._session.snapshot.pods_by_namespace
        options = [Option("all namespaces", id=ALL)]
        options += [Option(Content(f"{clean(name)}  ({len(pods.get(name, ()))} pods)"), id=name) for name in names]
        with Vertical(id="dialog"):
            yield Static("Namespace", classes="title")
            yield OptionList(*options, id="namespaces")
            yield Static("Enter chooses · Esc goes back", classes="hint")

    def on_mount(self) -> None:
        """Highlight the current namespace."""
        chosen = self.query_one(OptionList)
        ids = [option.id for option in chosen.options]
        chosen.highlighted = ids.index(self._session.namespace) if self._session.namespace in ids else 0
        chosen.focus()

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        """Return the chosen namespace."""
        name = event.option.id or ""
        self.dismiss("" if name == ALL else name)
