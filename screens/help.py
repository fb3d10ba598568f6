"""The keys of a screen, from the table of actions, and the meaning of the marks."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Static

from meshtui.ui.actions import WIDGETS, Action, bindings, keys_of, on
from meshtui.ui.document import DIM, STRONG, Document, Line, Section, line
from meshtui.ui.widgets.document_view import DocumentView

_MARKS = (
    ("✓ allow   ✗ deny   ± mixed   ? unknown", "a verdict: what policy says about a flow"),
    ("✓ all   ◐ some   ✗ none   ? unknown   · itself", "a pair in the matrix; * it changed"),
    ("◇", "a pair in the matrix that depends on the request: its method, path, headers or token"),
    ("✗   !   i", "the worst finding about an object: error, warning, information; 5 lists them, f there shows the fix"),
    ("Findings 7 +2", "seven findings; two more rows are ignored ones, or rules that weren't evaluated"),
    ("≠", "reality disagrees with the prediction"),
    ("DENIED →3 ←2   3 ~2", "in 15 minutes: sent, received; by a policy that the log names, by a predicted one (~)"),
    ("D  S", "a workload runs as ServiceAccount default; shares its ServiceAccount with unlike workloads"),
    ("…  ⊘  ∅  ⚠  ✗", "a kind is loading, forbidden, not installed, stale, unreachable"),
    ("HBONE 15008", "the port between ambient pods: where it is closed, connections time out whatever else is open"),
)

_MOST_KEYS = 5
"""So many keys stand in a line of help; of more, the first and the last one do."""
_KEYS_WIDTH = 12
"""The least width of a section's column of keys; longer lists of keys make it wider."""


class HelpScreen(ModalScreen[None]):
    """Help for the screen below."""

    BINDINGS: ClassVar[list[BindingType]] = bindings("help")

    def __init__(self, place: str, keymap: Mapping[str, str]) -> None:
        """``place`` is the screen that the help is about; ``keymap`` has the keys that the user chose."""
        super().__init__()
        self._place = place
        self._keymap = keymap

    def compose(self) -> ComposeResult:
        """A box of text."""
        with Vertical(id="dialog"):
            yield DocumentView(id="help")
            yield Static("Esc goes back · Ctrl-P has every command", classes="hint")

    def on_mount(self) -> None:
        """Write the help."""
        own = sorted(on(self._place), key=lambda action: not action.shown)
        moves = [action for widget in WIDGETS.get(self._place, ()) for action in on(widget)]
        marks = tuple(line((mark, STRONG), ("  " + meaning, DIM)) for mark, meaning in _MARKS)
        sections = (
            Section("Keys", self._keys(own)),
            Section("In tables and texts", self._keys(moves)),
            Section("Everywhere", self._keys(on("app"))),
            Section("Marks", marks),
        )
        view = self.query_one(DocumentView)
        view.show(Document("Help", tuple(section for section in sections if section.lines)))
        view.focus()

    def _keys(self, actions: Iterable[Action]) -> tuple[Line, ...]:
        """One line for each action, with its footer words if it has any. Actions with the same description share a line."""
        keys: dict[str, list[str]] = {}
        for action in actions:
            shown = [self.app.get_key_display(Binding(key, action.call)) for key in keys_of(action, self._keymap)]
            if shown:
                keys.setdefault(f"{action.footer}: {action.says}" if action.shown else action.says, []).extend(shown)
        joined = {says: _listed(shown) for says, shown in keys.items()}
        width = max(_KEYS_WIDTH, *(len(shown) + 2 for shown in joined.values())) if joined else 0
        return tuple(line((shown.ljust(width), STRONG), says) for says, shown in joined.items())


def _listed(keys: Sequence[str]) -> str:
    """The keys of one line; of many, the first and the last one."""
    return " ".join(keys) if len(keys) <= _MOST_KEYS else f"{keys[0]} … {keys[-1]}"
