"""The panes of the main screen: every module of this folder with a ``PANE`` is one."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from meshtui.ui.panes.base import Pane

__all__ = ["ELSEWHERE", "Pane", "pane_called", "panes", "tabbed"]


ELSEWHERE = frozenset(
    (
        "cm",
        "cr",
        "crb",
        "crd",
        "dr",
        "ep",
        "ev",
        "gtw",
        "gw",
        "hpa",
        "ing",
        "pa",
        "pdb",
        "pv",
        "pvc",
        "ra",
        "rb",
        "sa",
        "se",
        "sec",
        "vs",
    )
)
"""Short names of kinds that have no pane: they are never taken for the beginning of another word, nor for letters of one."""


@cache
def panes() -> tuple[Pane, ...]:
    """All panes, in the order of their tabs; those without one come last."""
    modules = (importlib.import_module(f"{__name__}.{info.name}") for info in pkgutil.iter_modules(__path__))
    found = [module.PANE for module in modules if hasattr(module, "PANE")]
    return tuple(sorted(found, key=lambda pane: pane.order))


@cache
def tabbed() -> tuple[Pane, ...]:
    """The panes that have a tab."""
    return tuple(pane for pane in panes() if pane.tab)


def pane_called(word: str) -> Pane | None:
    """The pane for a word after ``:``: one of its aliases, or an unambiguous prefix."""
    word = word.strip().lower()
    if word in ELSEWHERE:
        return None
    exact = next((pane for pane in panes() if word in pane.aliases), None)
    if exact is not None or not word:
        return exact
    begun = [pane for pane in panes() if any(alias.startswith(word) for alias in pane.aliases)]
    return begun[0] if len(begun) == 1 else None
