"""What is drawn before anything is known: the tabs without numbers, and "loading". It imports nothing that takes time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from textual.content import Content

from meshtui.ui.document import DIM, Document, Section, line

TITLES = ("Namespaces", "Workloads", "AuthorizationPolicies", "NetworkPolicies", "Findings", "Mesh")
"""The titles of the panes, which are imported after the first paint. A test keeps them equal to those of the panes."""
FIRST = 2
"""The number of the pane that is shown first."""
NAME = Content.styled(" meshtui", "bold")
"""How the header begins."""
LOADING_MARK, LOADING_WORDS = "…", "… loading"
NARROW_BELOW = 100
"""Columns below which tabs and header are short."""
_SHORT = {"Namespaces": "NS", "AuthorizationPolicies": "Authz", "NetworkPolicies": "NetPol"}


@dataclass(frozen=True, slots=True)
class Tab:
    """One tab; ``amount`` is how many objects there are, ``mark`` how the kind is known."""

    order: int
    title: str
    amount: str = ""
    mark: str = LOADING_MARK


def tab_line(tabs: Iterable[Tab], chosen: int, *, narrow: bool) -> Content:
    """The tabs as one line; a click on one that isn't chosen chooses it."""
    parts = []
    for tab in tabs:
        title = _SHORT.get(tab.title, tab.title) if narrow else tab.title
        text = " ".join(word for word in (str(tab.order), title, tab.amount, tab.mark) if word)
        if tab.order == chosen:
            parts.append(Content.styled(f"[{text}]", "bold reverse"))
        else:
            parts.append(Content.styled(f" {text} ", "").stylize(f"@click=screen.pane({tab.order})"))
    return Content("").join(parts)


def loading(kind: str) -> Document:
    """Nothing is known yet."""
    return Document(f"… Loading {kind}", (Section("", (line(("the first answer of the API server is on its way", DIM)),)),))
