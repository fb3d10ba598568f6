"""The keys, read from the bindings themselves, and what the marks mean."""

from __future__ import annotations

from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen, Screen
from textual.widgets import Static

from meshtui.widgets.document import DIM, STRONG, Document, Section, line
from meshtui.widgets.pane_view import DocumentView

_MARKS = (
    ("✓ allow   ✗ deny   ± mixed   ? unknown", "a verdict: what policy says about a flow"),
    ("✓ all   ◐ some   ✗ none   ? unknown   · itself", "a pair in the matrix; * it changed"),
    ("✗   !   i", "the worst finding about an object: error, warning, information; 5 lists them, f there shows the fix"),
    ("≠", "reality disagrees with the prediction"),
    ("DENIED →3 ←2   3 ~2", "in ten minutes: sent, received; by a policy that the log names, by a predicted one (~)"),
    ("D  S", "a workload runs as ServiceAccount default; shares its ServiceAccount with unlike workloads"),
    ("…  ⊘  ∅  ⚠  ✗", "a kind is loading, forbidden, not installed, stale, unreachable"),
    ("HBONE 15008", "the port between ambient pods: where it is closed, connections time out whatever else is open"),
)


class HelpScreen(ModalScreen[None]):
    """Help for the screen below."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,question_mark", "dismiss", "Back", id="help.back")]

    def __init__(self, below: Screen[object]) -> None:
        super().__init__()
        self._below = below

    def compose(self) -> ComposeResult:
        """A box of text."""
        with Vertical(id="dialog"):
            yield DocumentView(id="help")
            yield Static("Esc goes back · Ctrl-P has every command", classes="hint")

    def on_mount(self) -> None:
        """Write the help."""
        keys = [
            line((self.app.get_key_display(binding).ljust(12), STRONG), binding.description) for binding in _bindings(self._below)
        ]
        moves = (
            line(("↑ ↓  j k".ljust(12), STRONG), "move; g and G to the ends, PgUp PgDn by screens"),
            line(("Enter".ljust(12), STRONG), "open; on a namespace: its workloads"),
            line(("Esc".ljust(12), STRONG), "one step back"),
            line(("1 2 3 4 5".ljust(12), STRONG), "namespaces, workloads, AuthorizationPolicies, NetworkPolicies, findings"),
            line(("[  ]".ljust(12), STRONG), "to the table, to the detail beside it"),
            line(("Ctrl-C".ljust(12), STRONG), "quit, and clean up"),
        )
        marks = tuple(line((mark, STRONG), ("  " + meaning, DIM)) for mark, meaning in _MARKS)
        sections = (Section("Keys", tuple(keys)), Section("Everywhere", moves), Section("Marks", marks))
        view = self.query_one(DocumentView)
        view.show(Document("Help", sections))
        view.focus()


def _bindings(screen: Screen[object]) -> list[Binding]:
    """A screen's own bindings, one for each action, those of its footer first."""
    seen: dict[str, Binding] = {}
    for bindings in screen._bindings.key_to_bindings.values():  # noqa: SLF001  (Textual has no public list of them)
        for binding in bindings:
            if binding.description and binding.id and not binding.id.startswith(("main.kinds", "main.next", "main.prev")):
                seen.setdefault(binding.action, binding)
    return sorted(seen.values(), key=lambda binding: not binding.show)
