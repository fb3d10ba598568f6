"""Server-side apply: fields that a manager applied before and no longer has are removed, all others are merged."""

from __future__ import annotations

from typing import Any

from meshtui.sandbox.apiserver.merge import merge_patch
from meshtui.sandbox.apiserver.strategic import merge_key, strategic_merge
from meshtui.sandbox.ports import Obj


class Applied:
    """Remembers what each manager applied last, per object."""

    def __init__(self) -> None:
        self._last: dict[tuple[str, str], Obj] = {}

    def remember(self, uid: str, manager: str, body: Obj) -> None:
        """Note what a manager has applied to an object."""
        self._last[uid, manager] = body

    def merged(self, old: Obj, manager: str, body: Obj, *, custom: bool) -> Obj:
        """The object after the manager applied ``body`` (lists of ``custom`` kinds are single values)."""
        last = self._last.get((old["metadata"]["uid"], manager), {})
        patch = with_removals(last, body, custom=custom)
        return merge_patch(old, patch) if custom else strategic_merge(old, patch)


def with_removals(last: Obj, new: Obj, *, custom: bool, parent: str = "") -> Obj:
    """``new`` as a patch that also removes what only ``last`` has."""
    patch: Obj = {field: None for field in last if field not in new}
    for field, value in new.items():
        was = last.get(field)
        if isinstance(value, dict) and isinstance(was, dict):
            patch[field] = with_removals(was, value, custom=custom, parent=field)
        elif isinstance(value, list) and isinstance(was, list) and not custom:
            patch[field] = _list(was, value, field, parent)
        else:
            patch[field] = value
    return patch


def _list(last: list[Any], new: list[Any], field: str, parent: str) -> list[Any]:
    key = merge_key(field, parent)
    if key is None or not all(isinstance(item, dict) and key in item for item in [*last, *new]):
        return new
    before = {item[key]: item for item in last}
    names = {item[key] for item in new}
    kept = [with_removals(before.get(item[key], {}), item, custom=False, parent=field) for item in new]
    return kept + [{key: name, "$patch": "delete"} for name in before if name not in names]
