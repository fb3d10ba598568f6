"""The table of actions: each row has its screens, its keys, and its words for footer, help and palette.

Screens and widgets get their ``BINDINGS`` from here. Footer, help, command palette, the words after ``:`` and the guide
docs/guide/keys.md are derived from it. A new key is a row and a method ``action_NAME``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING

from textual.binding import Binding, BindingType, InvalidBinding
from textual.keys import Keys, format_key

from meshtui.model.errors import ConfigError

if TYPE_CHECKING:
    from meshtui.session import Session


class Change(Enum):
    """The effect of an action on the cluster. The value completes the sentence "nothing is …" when it is refused."""

    NONE = ""
    PROBE = "probed"
    OBJECTS = "changed"
    PURCHASE = "bought"
    CRITERIA = "tried"


@dataclass(frozen=True, slots=True)
class Action:
    """One row.

    ``id`` identifies it in the setting ``keys``; ``keys`` are Textual's key names, separated by commas (empty: only the palette
    has it); ``call`` is the Textual action; ``footer`` is its name, in a word or two, and ``says`` its description in help and
    palette. ``places`` are the screens, or widgets, that bind the keys; if empty, the first part of the id is the place.
    """

    id: str
    keys: str
    call: str
    footer: str
    says: str
    shown: bool = True
    """Whether the footer shows it."""
    places: tuple[str, ...] = ()
    palette: str = ""
    """Its title in the command palette of every screen; if empty, only the palette of its own screen has it."""
    words: tuple[str, ...] = ()
    """Words that may be typed after ``:`` to run it."""
    change: Change = Change.NONE
    priority: bool = False
    """Whether its key takes precedence over those of the focused widget."""

    @property
    def stands_on(self) -> tuple[str, ...]:
        """The screens and widgets that have it."""
        return self.places or (self.id.partition(".")[0],)


WIDGETS: Mapping[str, tuple[str, ...]] = {
    "acceptance": ("picture", "text"),
    "checkout": ("picture", "text"),
    "choose_flow": (),
    "confirm": ("text",),
    "denials": ("table", "text", "picture", "prompt"),
    "describe": ("text", "prompt"),
    "fix": ("text", "picture"),
    "flow": ("text", "ends", "picture"),
    "help": ("text",),
    "journal": ("text", "prompt"),
    "journey": ("picture", "text"),
    "logs": ("text", "prompt"),
    "main": ("table", "text", "picture", "prompt"),
    "map": ("picture",),
    "matrix": ("grid", "text"),
    "namespace": (),
    "probe": ("table", "text", "picture"),
    "why": ("text", "picture"),
    "yaml": ("text", "prompt"),
}
"""All screens, and for each the widgets in it that have keys."""

SORT_LETTERS = "BCEFHIKLNOQRSTUVWXYZ"
"""The letters that may stand for a column: capitals without another meaning on the main screen, or in a table."""

_LEFT_BY_ESCAPE_OR_Q = (
    "acceptance",
    "checkout",
    "denials",
    "describe",
    "fix",
    "journal",
    "journey",
    "logs",
    "map",
    "matrix",
    "probe",
    "why",
    "yaml",
)
_SEARCHED = ("describe", "journal", "yaml")
_SAVED = (*_SEARCHED, "logs")
_LINKED = ("describe", "denials", "logs", "map", "matrix", "probe", "why")
"""The screens on which the cursor rests on links: the same keys act on what it rests on."""
_LISTED = ("denials", "probe")
_DESCRIBED = ("describe", "why", *_LISTED)
_KINDS = ("namespaces", "workloads", "AuthorizationPolicies", "NetworkPolicies", "findings", "mesh")

ACTIONS: tuple[Action, ...] = (
    # In the order of the footer, which leaves the last ones out on narrow terminals.
    Action(
        "main.probe",
        "p",
        "probe",
        "Probe",
        "test flows; on a node, its pods' capture",
        palette="Probe",
        words=("probe",),
    ),
    Action(
        "main.checkout",
        "b",
        "app.checkout",
        "Buy",
        "buy a book, and see each step",
        palette="Checkout",
        words=("checkout", "buy"),
    ),
    Action("main.map", "M", "map", "Map", "who calls this, and whom it calls", palette="Map", words=("map",)),
    Action("main.matrix", "m", "matrix", "Matrix", "who reaches whom, all pairs at once", palette="Matrix", words=("matrix",)),
    Action(
        "main.denials",
        "D",
        "denials",
        "Denials",
        "what the mesh denies right now",
        palette="Denials",
        words=("denials",),
    ),
    Action(
        "main.fix",
        "",
        "fix",
        "Fix",
        "the patch for this finding, and its effect",
        palette="Fix",
    ),
    Action("main.why", "w", "why", "Why?", "explain a flow of this workload", palette="Why?"),
    Action("main.describe", "d", "describe", "Describe", "everything about this object", palette="Describe"),
    Action("main.command", "colon", "command", "Go to", "type a kind or a screen"),
    Action("main.filter", "slash", "filter", "Filter", "show only what has these words", palette="Filter"),
    *(
        Action(f"main.kind{number}", str(number), f"pane({number})", kind, "the kinds, in the order of the tabs", shown=False)
        for number, kind in enumerate(_KINDS, 1)
    ),
    Action("main.next", "tab", "next_pane", "Next pane", "the next pane, or part at the right", shown=False),
    Action("main.previous", "shift+tab", "previous_pane", "Previous pane", "the pane, or part, before", shown=False),
    Action("main.right", "right", "aside(1)", "To the map", "from the pane to the map, and back", shown=False),
    Action("main.left", "left", "aside(-1)", "To the pane", "from the pane to the map, and back", shown=False),
    Action("main.zoom", "plus,equals_sign", "zoom", "Larger", "this pane larger: half, the whole screen, back", shown=False),
    Action("main.columns", "ctrl+w", "columns", "All columns", "all columns in a narrow pane, or the usual ones", shown=False),
    Action("main.all", "0", "all_namespaces", "All namespaces", "show all namespaces", shown=False),
    Action("main.last", "minus", "last_view", "Last view", "the view before this one, and back", shown=False),
    Action("main.backward", "left_square_bracket", "walk_back(-1)", "Backward", "one view back, forward", shown=False),
    Action("main.forward", "right_square_bracket", "walk_back(1)", "Forward", "one view back, forward", shown=False),
    Action("main.save", "ctrl+s", "save", "Save", "save the table as CSV", palette="Save", shown=False),
    Action(
        "main.journal",
        "",
        "app.journal",
        "Journal",
        "what this session did to the cluster",
        palette="Journal",
        words=("journal",),
    ),
    Action(
        "main.retry",
        "r,ctrl+r",
        "retry",
        "Reconnect",
        "read now what couldn't be read",
        palette="Reconnect",
        shown=False,
    ),
    Action("main.back", "escape", "back", "Back", "clear the filter, then the namespace", shown=False),
    Action("matrix.ports", "a", "ports", "Ports", "the declared ones count, or all"),
    Action("matrix.namespace", "n", "namespace", "Namespace", "one namespace, or all"),
    Action("matrix.workloads", "w", "workloads", "All workloads", "workloads, or namespaces"),
    Action("matrix.turn", "t", "turn", "Swap from/to", "swap sources and destinations"),
    Action("matrix.other", "tab", "app.focus_next", "Words", "to the words below, and back", shown=False),
    Action("matrix.yaml", "y", "yaml", "YAML", "the object under the cursor in the words", shown=False),
    Action("matrix.describe", "d", "describe", "Describe", "everything about that object", shown=False),
    Action("probe.mark", "space", "mark", "Mark", "mark the flow under the cursor"),
    Action(
        "probe.range",
        "ctrl+space,ctrl+@",
        "mark_range",
        "Mark up to here",
        "mark all from the last mark to the cursor",
        shown=False,
    ),
    Action("probe.all", "a", "mark_all", "All/none", "mark all flows, or none"),
    Action("probe.run", "enter,p", "probe", "Probe", "probe the marked flows, or this one", change=Change.PROBE),
    Action("probe.again", "r", "again", "Again", "repeat probes that a change made old", change=Change.PROBE),
    Action("probe.why", "w", "why", "Why?", "explain the flow under the cursor"),
    Action("denials.why", "w", "why", "Why?", "explain the flow under the cursor"),
    Action("denials.probe", "p", "probe", "Probe", "send this flow again, from a probe pod"),
    Action("denials.filter", "slash", "filter", "Filter", "show only what has these words"),
    Action("denials.retry", "r", "retry", "Retry now", "try now to read what couldn't be read", shown=False),
    Action("why.edit", "f", "flow", "Another flow", "change one end of this flow; on a finding: its fix"),
    Action("why.why", "w", "why", "Why?", "explain another flow, under the cursor", shown=False),
    Action("why.probe", "p", "probe", "Probe", "probe this flow, or the one under the cursor"),
    Action(
        "path.other",
        "tab",
        "app.focus_next",
        "Path, text",
        "to the path, to the text, to the table",
        shown=False,
        places=("why", "probe", "fix", "denials"),
    ),
    Action("fix.apply", "a", "apply", "Apply", "apply and probe it, after a question", change=Change.OBJECTS),
    Action("fix.undo", "u", "undo", "Undo", "restore the old objects, after a question", change=Change.OBJECTS),
    Action("fix.again", "r", "again", "Again", "probe again; before applying: compute again"),
    Action("fix.yaml", "y", "yaml", "YAML", "the first object as YAML"),
    Action("checkout.buy", "b,r", "buy", "Buy again", "buy a book, and see each step", change=Change.PURCHASE),
    Action("checkout.more", "plus,equals_sign", "quantity(1)", "More", "more books in the next purchase"),
    Action("checkout.fewer", "minus", "quantity(-1)", "Fewer", "fewer books in the next purchase"),
    Action("checkout.look", "o,enter", "look(1)", "Look at the object", "the first of the explanation"),
    *(
        Action(f"checkout.look{n}", str(n), f"look({n})", f"Look at {n}", "the object with this number as YAML", shown=False)
        for n in range(1, 10)
    ),
    Action("checkout.other", "tab", "app.focus_next", "Diagram, text", "to the diagram, to the text", shown=False),
    Action("journey.run", "r", "go", "Run", "run the journey under the cursor"),
    Action("journey.other", "tab", "app.focus_next", "Next part", "to the list, the diagram, the text", shown=False),
    Action("acceptance.again", "r", "again", "Try again", "try all criteria again", change=Change.CRITERIA),
    Action("acceptance.other", "tab", "app.focus_next", "Tiles, evidence", "to the tiles, to the evidence", shown=False),
    Action("acceptance.checkout", "b", "app.checkout", "Buy", "buy a book, and see each step"),
    Action("flow.back", "escape", "back", "Back", "to the fields, then to the screen below"),
    Action("flow.next", "tab", "next_field", "Complete, next field", "take the name that is meant"),
    Action("back", "escape,q", "back", "Back", "one step back", places=_LEFT_BY_ESCAPE_OR_Q),
    Action("describe.why", "w", "why", "Why?", "explain the flow; of a workload: type one"),
    Action("describe.probe", "p", "probe", "Probe", "probe the flow, or those of a workload, a namespace"),
    Action("describe.flow", "f", "flow", "Flow, fix", "type a flow from here; on a finding: its fix"),
    Action("describe.yaml", "y", "yaml", "YAML", "the object, or what decides a flow"),
    Action("why.yaml", "y", "yaml", "YAML", "what decides, or the object under the cursor"),
    Action("link.yaml", "y", "yaml", "YAML", "what decides, or the object under the cursor", places=_LISTED),
    Action("link.flow", "f", "flow", "Flow", "type a flow, beginning with this one", shown=False, places=_LISTED),
    Action("link.copy", "c", "copy", "Copy", "the name, a flow's command, a finding's patch", places=_LINKED),
    Action("link.describe", "d", "describe", "Describe", "the object, or what decides a flow", shown=False, places=_DESCRIBED),
    Action("link.logs", "l", "logs", "Log", "what the ztunnels log of the workload", places=_DESCRIBED),
    Action("map.why", "w", "why", "Why?", "explain the flow under the cursor"),
    Action("map.probe", "p", "probe", "Probe", "probe the flow under the cursor"),
    Action("map.flow", "f", "flow", "Flow", "type a flow, beginning with this one", shown=False),
    Action("map.yaml", "y", "yaml", "YAML", "the object, or what decides the flow"),
    Action("map.describe", "d", "describe", "Describe", "everything about the object"),
    Action("map.logs", "l", "logs", "Log", "what the ztunnels log of this workload"),
    Action("logs.why", "w", "why", "Why?", "explain the flow of this line"),
    Action("logs.probe", "p", "probe", "Probe", "probe the flow of this line"),
    Action("logs.follow", "f", "follow", "Follow", "follow the newest lines, or stop that"),
    Action("logs.filter", "slash", "search", "Filter", "show only what has these words"),
    Action("logs.next", "e,n", "matter(1)", "Next failure", "the next line with a failure, the one before"),
    Action("logs.previous", "E,N", "matter(-1)", "Failure before", "the next line with a failure, the one before", shown=False),
    Action("logs.unfold", "o", "unfold", "Unfold", "health checks and metrics scrapes: each, or their number"),
    Action("search", "slash", "search", "Search", "find a text, while it is typed", places=_SEARCHED),
    Action("search.next", "n", "search_next(1)", "Next match", "the next match, the one before", shown=False, places=_SEARCHED),
    Action(
        "search.previous",
        "N",
        "search_next(-1)",
        "Previous match",
        "the next match, the one before",
        shown=False,
        places=_SEARCHED,
    ),
    Action("text_screen.save", "ctrl+s", "save", "Save", "save the text as a file", shown=False, places=_SAVED),
    Action("yaml.copy", "c", "copy", "Copy", "the YAML, whole; at a mark: the finding's patch"),
    Action("yaml.fix", "f", "fix", "Fix", "the fix of the finding at this line", shown=False),
    Action("yaml.unfold", "o,enter", "unfold", "Unfold", "what kubectl repeats: whole, or one line"),
    Action("yaml.reload", "r", "reload", "Read again", "read the object again"),
    Action(
        "help",
        "question_mark",
        "app.help",
        "Help",
        "these keys, and what the marks mean",
        places=("main", *_LEFT_BY_ESCAPE_OR_Q),
        palette="Help",
        words=("help",),
    ),
    Action("flow.help", "f1", "app.help", "Help", "these keys, and what the marks mean"),
    Action("main.copy", "c", "copy", "Copy", "the name, a flow's command, a finding's patch", palette="Copy"),
    Action(
        "main.flow",
        "f",
        "flow",
        "Flow",
        "type FROM and TO; on a finding: its fix",
        palette="Explain a flow",
        words=("flow",),
    ),
    Action("main.namespace", "n", "namespace", "Namespace", "show one namespace, or all", palette="Namespace"),
    Action("main.logs", "l", "logs", "Log", "what the ztunnels log of this workload", palette="ztunnel log"),
    Action("main.yaml", "y", "yaml", "YAML", "this object as YAML", palette="YAML"),
    Action("main.quit", "q", "app.quit", "Quit", "quit, and clean up", words=("q", "quit", "exit")),
    Action("main.sort", "s", "sort", "By change", "newest change first, or by name", palette="Sort by last change"),
    Action("main.probe_all", "P", "probe_all", "Probe all", "test the flows of all that is shown", palette="Probe all"),
    Action(
        "main.acceptance",
        "A",
        "app.acceptance",
        "Acceptance",
        "try the bookstore's acceptance criteria",
        palette="Acceptance",
        words=("acceptance",),
    ),
    Action(
        "main.journeys",
        "J",
        "app.journeys",
        "Journeys",
        "run a business transaction step by step",
        palette="Journeys",
        words=("journeys", "journey"),
    ),
    Action(
        "main.edit",
        "e",
        "edit_object",
        "Edit",
        "edit with $EDITOR, and look at the effect",
        palette="Edit",
        shown=False,
        change=Change.OBJECTS,
    ),
    Action("main.undo", "u", "undo", "Undo a fix", "undo the fix that was applied last", palette="Undo a fix"),
    *(
        Action(
            f"main.sort_{letter.lower()}",
            letter,
            f"sort_by('{letter}')",
            f"Sort by {letter}",
            "sort by the column with this letter; again: reverse",
            shown=False,
        )
        for letter in SORT_LETTERS
    ),
    # Dialogs.
    Action("close", "escape", "dismiss(None)", "Back", "close, and choose nothing", places=("choose_flow", "namespace")),
    Action("choose_flow.close", "q", "dismiss(None)", "Back", "close, and choose nothing", shown=False),
    Action("namespace.up", "up", "move(-1)", "Up", "a namespace up, down", shown=False),
    Action("namespace.down", "down", "move(1)", "Down", "a namespace up, down", shown=False),
    Action("namespace.choose", "tab", "choose", "Choose", "the namespace that is highlighted", shown=False),
    Action("confirm.yes", "y", "dismiss(True)", "Yes", "do it"),
    Action("confirm.no", "n,escape,q", "dismiss(False)", "No", "do nothing"),
    Action("confirm.other", "left,right", "other", "Other button", "the other button", shown=False),
    Action("help.back", "escape,q,question_mark", "dismiss", "Back", "close the help"),
    Action("prompt.leave", "escape", "leave", "Cancel", "stop typing"),
    Action("prompt.complete", "tab", "complete", "Complete", "complete what is typed", shown=False),
    Action("prompt.up", "up", "choose(-1)", "Up", "choose what is meant", shown=False),
    Action("prompt.down", "down", "choose(1)", "Down", "choose what is meant", shown=False),
    Action("ends.up", "up", "choose(-1)", "Up", "choose what is meant", shown=False),
    Action("ends.down", "down", "choose(1)", "Down", "choose what is meant", shown=False),
    # Moving.
    Action("table.up", "up,k", "move(-1)", "Up", "a row up, down", shown=False),
    Action("table.down", "down,j", "move(1)", "Down", "a row up, down", shown=False),
    Action("table.page_up", "pageup,ctrl+b", "page(-1)", "Page up", "a page up, down", shown=False),
    Action("table.page_down", "pagedown,ctrl+f", "page(1)", "Page down", "a page up, down", shown=False),
    Action("table.half_up", "ctrl+u", "page(-0.5)", "Half a page up", "half a page up, down", shown=False),
    Action("table.half_down", "ctrl+d", "page(0.5)", "Half a page down", "half a page up, down", shown=False),
    Action("table.first", "home,g", "edge(0)", "First", "the first, the last row", shown=False),
    Action("table.last", "end,G", "edge(-1)", "Last", "the first, the last row", shown=False),
    Action("table.open", "enter", "choose", "Open", "open; on a namespace: its workloads", shown=False),
    Action("grid.up", "up,k", "move(-1,0)", "Up", "a row up, down", shown=False),
    Action("grid.down", "down,j", "move(1,0)", "Down", "a row up, down", shown=False),
    Action("grid.left", "left,h", "move(0,-1)", "Left", "a column to the left, to the right", shown=False),
    Action("grid.right", "right,l", "move(0,1)", "Right", "a column to the left, to the right", shown=False),
    Action("grid.page_up", "pageup,ctrl+b", "page(-1)", "Page up", "a page up, down", shown=False),
    Action("grid.page_down", "pagedown,ctrl+f", "page(1)", "Page down", "a page up, down", shown=False),
    Action("grid.first_column", "home,0", "edge('left')", "First column", "the first, the last column", shown=False),
    Action("grid.last_column", "end,dollar_sign", "edge('right')", "Last column", "the first, the last column", shown=False),
    Action("grid.first_row", "g,ctrl+home", "edge('top')", "First row", "the first, the last row", shown=False),
    Action("grid.last_row", "G,ctrl+end", "edge('bottom')", "Last row", "the first, the last row", shown=False),
    Action("grid.open", "enter", "choose", "Open", "open the pair under the cursor", shown=False),
    Action("text.up", "up,k", "walk(-1)", "Up", "a link, or a line, up, down", shown=False),
    Action("text.down", "down,j", "walk(1)", "Down", "a link, or a line, up, down", shown=False),
    Action("text.open", "enter", "follow", "Open", "open the link under the cursor", shown=False),
    Action("text.page_up", "pageup", "page_up", "Page up", "a page up, down in a text", shown=False),
    Action("text.page_down", "pagedown", "page_down", "Page down", "a page up, down in a text", shown=False),
    Action("text.half_up", "ctrl+u", "half_page(-1)", "Half a page up", "half a page up, down in a text", shown=False),
    Action("text.half_down", "ctrl+d", "half_page(1)", "Half a page down", "half a page up, down in a text", shown=False),
    Action("text.top", "home,g", "scroll_home", "Top", "the beginning, the end of a text", shown=False),
    Action("text.end", "end,G", "scroll_end", "End", "the beginning, the end of a text", shown=False),
    Action("picture.left", "left", "walk(-1,0)", "Left", "to the left, to the right", shown=False),
    Action("picture.right", "right", "walk(1,0)", "Right", "to the left, to the right", shown=False),
    Action("picture.up", "up,k", "walk(0,-1)", "Up", "to what is above, below", shown=False),
    Action("picture.down", "down,j", "walk(0,1)", "Down", "to what is above, below", shown=False),
    Action("picture.first", "home,g", "edge(False)", "First", "the first, the last in a picture", shown=False),
    Action("picture.last", "end,G", "edge(True)", "Last", "the first, the last in a picture", shown=False),
    Action("picture.open", "enter", "choose", "Open", "open what the cursor is on", shown=False),
    # Everywhere.
    Action("app.fold", "f2", "guide('fold')", "Fold the drill", "fold or unfold the drill or the tour", shown=False),
    Action("app.hint", "f3", "guide('hint')", "Next hint", "the drill's next hint", shown=False),
    Action("app.go_on", "space", "guide('go_on')", "Next station", "the tour's next station", shown=False, priority=True),
    Action("app.palette", "ctrl+p", "command_palette", "Palette", "every command, by its name", shown=False, priority=True),
    Action(
        "app.interrupt",
        "ctrl+c",
        "interrupt",
        "Copy, stop, quit",
        "copy what is selected; else stop; else quit",
        shown=False,
        priority=True,
    ),
    Action("app.quit", "ctrl+q", "quit", "Quit", "quit, and clean up", shown=False, priority=True),
)

_MODIFIERS = {"ctrl", "shift", "alt", "super", "meta", "hyper"}
_NAMES = {key.value for key in Keys}
_GUIDE = "docs/guide/keys.md has all actions"


@cache
def by_id() -> Mapping[str, Action]:
    """Every action by its id."""
    return {action.id: action for action in ACTIONS}


def typed(place: str, word: str) -> Action | None:
    """The action of a screen for a word after ``:``, or None."""
    return next((action for action in on(place) if word in action.words), None)


@cache
def on(place: str) -> tuple[Action, ...]:
    """The actions of a screen, a widget or the app, in the order of the table."""
    return tuple(action for action in ACTIONS if place in action.stands_on)


def bindings(place: str) -> list[BindingType]:
    """``BINDINGS`` for a screen, a widget or the app."""
    return [
        Binding(
            action.keys,
            action.call,
            action.footer,
            show=action.shown,
            priority=action.priority,
            id=action.id,
            tooltip=action.says,
        )
        for action in on(place)
        if action.keys
    ]


def keys_of(action: Action, keymap: Mapping[str, str]) -> tuple[str, ...]:
    """The keys of an action as Textual's key names; ``keymap`` has the keys that the user chose."""
    return _expanded(keymap.get(action.id, action.keys))


def refusal(action: Action, session: Session) -> str:
    """Why an action is refused in this session, or empty."""
    if action.change is Change.NONE:
        return ""
    reason = session.cannot_apply if action.change is Change.OBJECTS else session.read_only
    return f"nothing is {action.change.value}: {reason}" if reason else ""


def checked(wanted: Mapping[str, str]) -> dict[str, str]:
    """Textual's keymap from the setting ``keys``.

    Raises ConfigError for an unknown id, for an unknown key, and for a key that would have two actions on one screen.
    """
    keymap: dict[str, str] = {}
    for name, keys in wanted.items():
        action = by_id().get(name)
        if action is None:
            close = get_close_matches(name, by_id(), n=1)
            raise ConfigError(f"setting keys: there is no action {name!r}", f"did you mean {close[0]}?" if close else _GUIDE)
        if not action.keys:
            raise ConfigError(f"setting keys: {name} has no key, only the command palette runs it", _GUIDE)
        keymap[name] = ",".join(_known(name, keys))
    for screen in WIDGETS:
        _no_conflict(screen, keymap)
    return keymap


def _expanded(keys: str) -> tuple[str, ...]:
    """Textual's name of each key: ``?,q`` is ``question_mark`` and ``q``. Raises InvalidBinding for an empty key."""
    return tuple(binding.key for binding in Binding.make_bindings([Binding(keys, "")])) if keys else ()


def _known(name: str, keys: str) -> tuple[str, ...]:
    try:
        found = _expanded(keys)
    except InvalidBinding:
        found = ()
    if not found:
        raise ConfigError(f"setting keys: {name} = {keys!r} names no key", "a key, or several separated by commas: 'x,f6'")
    for key in found:
        *modifiers, base = key.split("+")
        if not set(modifiers) <= _MODIFIERS or not (base in _NAMES or len(format_key(base)) == 1):
            raise ConfigError(
                f"setting keys: {name}: there is no key {key!r}", "names like f6, ctrl+t, slash; a comma is 'comma'"
            )
        if modifiers == ["shift"] and len(base) == 1:
            raise ConfigError(f"setting keys: {name}: a terminal sends {base.upper()!r} for {key!r}", f"write {base.upper()}")
    return found


def _no_conflict(screen: str, keymap: Mapping[str, str]) -> None:
    """Raise ConfigError if a chosen key has two actions, among those of a screen, a focused widget and the app."""
    for widget in WIDGETS[screen] or ("",):
        taken: dict[str, Action] = {}
        for action in (*on(screen), *on(widget), *on("app")):
            for key in keys_of(action, keymap):
                other = taken.setdefault(key, action)
                if other is not action and (_chosen(action, key, keymap) or _chosen(other, key, keymap)):
                    pair = (action, other) if _chosen(action, key, keymap) else (other, action)
                    raise _conflict(screen, key, *pair)


def _chosen(action: Action, key: str, keymap: Mapping[str, str]) -> bool:
    """Whether a key was chosen for an action, and isn't one of its default keys."""
    return action.id in keymap and key not in _expanded(action.keys)


def _conflict(screen: str, key: str, action: Action, other: Action) -> ConfigError:
    problem = f"setting keys: {action.id} = {key!r}, but on the screen {screen} {key!r} is {other.id} ({other.footer})"
    return ConfigError(problem, f"choose another key, or give {other.id} another one, too")


def commands(place: str) -> Iterable[Action]:
    """The actions for the palette of a screen, in addition to those in the palette of every screen."""
    return (action for action in on(place) if not action.palette and action.shown)
