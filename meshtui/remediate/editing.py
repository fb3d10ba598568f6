"""A manifest that was changed by hand, as an edit. Pure functions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from meshtui.model.errors import UsageError
from meshtui.model.finding import Edit, Finding, Fix, Operation, Severity
from meshtui.model.ids import ObjectRef

BY_HAND = "edit"
"""The rule's name of a change that answers no finding."""
_FIXED = (("apiVersion",), ("kind",), ("metadata", "name"), ("metadata", "namespace"), ("metadata", "uid"))
"""The fields that make an object another one."""
_OF_THE_SERVER = ("creationTimestamp", "deletionTimestamp", "generation", "managedFields", "resourceVersion", "selfLink")
"""The fields of the metadata that the API server sets (Kubernetes API reference, ObjectMeta)."""


def by_hand(ref: ObjectRef, before: Mapping[str, Any], after: object) -> Finding | None:
    """The change as a finding with a fix, as the fix screen takes it; None if nothing was changed.

    Raises UsageError for what isn't a manifest, and for a change of the object's identity or status.
    """
    if not isinstance(after, Mapping):
        raise UsageError("nothing is changed: the text is no manifest", "it has to be one YAML mapping")
    for path in _FIXED:
        if _at(before, path) != _at(after, path):
            raise UsageError(f"nothing is changed: {'.'.join(path)} can't be edited", "it would be another object")
    for name in _OF_THE_SERVER:
        if _at(before, ("metadata", name)) != _at(after, ("metadata", name)):
            raise UsageError(
                f"nothing is changed: metadata.{name} belongs to the API server", "edit labels, annotations and spec"
            )
    if before.get("status") != after.get("status"):
        raise UsageError("nothing is changed: the status belongs to controllers", "edit metadata and spec")
    operations = tuple(_operations(before, after, ()))
    if not operations:
        return None
    fields = ", ".join(dict.fromkeys(".".join(map(str, operation.path[:3])) for operation in operations))
    fix = Fix(f"changes {fields} of {ref}", (Edit(ref, operations),))
    return Finding(BY_HAND, "changed by hand", Severity.INFO, (ref,), f"{ref} as it was edited", fix=fix)


def _at(manifest: Mapping[str, Any], path: tuple[str, ...]) -> object:
    value: Any = manifest
    for key in path:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _operations(before: Any, after: Any, path: tuple[str | int, ...]) -> Iterator[Operation]:
    """The operations that make ``after`` of ``before``; lists of another length are removed and added as a whole.

    Replacing one would be sent as a server-side apply, which keeps those items of a list of type map that others own
    (Kubernetes documentation, Server-Side Apply, Merge strategy).
    """
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        for key in before:
            if key not in after:
                yield Operation("remove", (*path, key))
        for key, value in after.items():
            if key not in before:
                yield Operation("add", (*path, key), value)
            else:
                yield from _operations(before[key], value, (*path, key))
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (old, new) in enumerate(zip(before, after, strict=True)):
            yield from _operations(old, new, (*path, index))
    elif isinstance(before, list) and isinstance(after, list):
        yield Operation("remove", path)
        yield Operation("add", path, after)
    elif before != after or type(before) is not type(after):
        yield Operation("replace", path, after)
