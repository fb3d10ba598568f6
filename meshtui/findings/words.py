"""Words for findings."""

from __future__ import annotations

from collections.abc import Iterable

from meshtui.model.ids import ObjectRef

_NAMED = 3


def few(refs: Iterable[ObjectRef]) -> str:
    """The names of some objects, at most three of them."""
    names = [str(ref) for ref in refs]
    return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
