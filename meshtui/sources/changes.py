"""A change of a manifest: applied to plain data, and shown as a unified diff of its YAML."""

from __future__ import annotations

import copy
import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from meshtui.model.errors import UsageError
from meshtui.model.finding import Change, Operation

_OF_THE_SERVER = ("creationTimestamp", "deletionTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid")
"""What the API server writes into metadata itself (Kubernetes API reference, ObjectMeta): nothing to show as a patch."""
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_REVISION = "deployment.kubernetes.io/revision"
_CONTEXT_LINES = 3


class ChangeError(UsageError):
    """A change that doesn't fit the object as it is now."""


def changed(manifest: Mapping[str, Any], change: Change) -> dict[str, Any]:
    """The manifest after a change, as new plain data. Raises ChangeError when an operation finds nothing to work on."""
    if change.create is not None:
        return copy.deepcopy(dict(change.create))
    document = copy.deepcopy(dict(manifest))
    for operation in change.operations:
        _apply(document, operation, change)
    return document


def unified_diff(manifest_yaml: str, change: Change) -> str:
    """The change as a unified diff of the object's YAML; of nothing, where it creates one (``manifest_yaml`` is empty then).

    What the server writes itself (status, managedFields, resourceVersion …) is left out of both sides. Raises ChangeError.
    """
    documents = _documents(manifest_yaml) if change.create is None else []
    before = written(documents[0]) if documents else {}
    return diff_of(before, written(changed(before, change)), str(change.ref))


def diff_of(before: Mapping[str, Any], after: Mapping[str, Any], title: str) -> str:
    """Two manifests as a unified diff; an empty one stands for an object that isn't there. Equal ones give an empty text."""
    old, new = (to_yaml(each).splitlines() if each else [] for each in (before, after))
    old_name, new_name = (title if each else "/dev/null" for each in (before, after))
    lines = difflib.unified_diff(old, new, old_name, new_name, n=_CONTEXT_LINES, lineterm="")
    return "".join(f"{line}\n" for line in lines)


def written(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """A manifest without what the server keeps for itself: what a person would have written."""
    document = {key: value for key, value in manifest.items() if key != "status"}
    metadata = {key: value for key, value in (document.get("metadata") or {}).items() if key not in _OF_THE_SERVER}
    annotations = {k: v for k, v in (metadata.get("annotations") or {}).items() if k not in {_LAST_APPLIED, _REVISION}}
    metadata.pop("annotations", None)
    if annotations:
        metadata["annotations"] = annotations
    document["metadata"] = metadata
    return document


def to_yaml(manifest: Mapping[str, Any]) -> str:
    """A manifest as YAML, its fields in their order."""
    import yaml  # slow to import, and only what shows manifests needs it

    class Plain(yaml.SafeDumper):
        def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002  (an anchor in a manifest helps nobody)
            return True

    return yaml.dump(dict(manifest), Dumper=Plain, sort_keys=False, allow_unicode=True, width=100)


def _documents(text: str) -> list[dict[str, Any]]:
    from meshtui.sources.manifest_yaml import yaml_documents

    return [document for document in yaml_documents("manifest", text.encode()) if isinstance(document, dict)]


def _apply(document: dict[str, Any], operation: Operation, change: Change) -> None:
    """One operation (RFC 6902, section 4), except that maps and lists missing on the way of an ``add`` are made."""
    where = f"{change.ref}: {operation.op} /{'/'.join(map(str, operation.path))}"
    if not operation.path:
        raise ChangeError(f"{where}: names no place in the object")
    parent: Any = document
    for piece, following in zip(operation.path[:-1], operation.path[1:], strict=True):
        parent = _step(parent, piece, following, operation, where)
    last = operation.path[-1]
    value = copy.deepcopy(operation.value)
    if isinstance(parent, list):
        _in_list(parent, last, operation.op, value, where)
    elif isinstance(parent, dict):
        if operation.op != "add" and last not in parent:
            raise ChangeError(f"{where}: there is no {last!r}", "the object has changed since: look at it again")
        if operation.op == "remove":
            del parent[str(last)]
        else:
            parent[str(last)] = value
    else:
        raise ChangeError(f"{where}: there is no map or list", "the object has changed since: look at it again")


def _step(parent: Any, piece: str | int, following: str | int, operation: Operation, where: str) -> Any:
    """The value at one piece of a path; an ``add`` makes a missing one: a list where the next piece is a place in a list."""
    gone = ChangeError(f"{where}: there is no {piece!r}", "the object has changed since: look at it again")
    if isinstance(parent, list):
        place = _place(parent, piece)
        if place is None:
            raise gone
        return parent[place]
    if not isinstance(parent, dict):
        raise gone
    if parent.get(str(piece)) is None:
        if operation.op != "add":
            raise gone
        parent[str(piece)] = [] if isinstance(following, int) or following == "-" else {}
    return parent[str(piece)]


def _in_list(items: list[Any], last: str | int, op: str, value: Any, where: str) -> None:
    place = len(items) if last == "-" and op == "add" else _place(items, last, beyond=op == "add")
    if place is None:
        raise ChangeError(f"{where}: the list has {len(items)} items", "the object has changed since: look at it again")
    match op:
        case "add":
            items.insert(place, value)
        case "remove":
            del items[place]
        case _:
            items[place] = value


def _place(items: Sequence[Any], piece: str | int, *, beyond: bool = False) -> int | None:
    """A piece as a place in a list, or None when the list has no such place."""
    if isinstance(piece, str) and not piece.isdecimal():
        return None
    place = int(piece)
    return place if 0 <= place < len(items) + beyond else None
