"""Applies a change to a manifest as plain data, and shows it as a unified diff of the YAML."""

from __future__ import annotations

import copy
import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from meshtui.model.errors import UsageError
from meshtui.model.finding import Edit, Operation

_OF_THE_SERVER = ("creationTimestamp", "deletionTimestamp", "generation", "managedFields", "resourceVersion", "selfLink", "uid")
"""Metadata fields that the API server sets (Kubernetes API reference, ObjectMeta). Diffs leave them out."""
_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_REVISION = "deployment.kubernetes.io/revision"
_CONTEXT_LINES = 3


class EditError(UsageError):
    """A change that doesn't fit the object as it is now."""


def edited(manifest: Mapping[str, Any], edit: Edit) -> dict[str, Any]:
    """The manifest after a change, as new plain data. Raises EditError when an operation finds nothing to work on."""
    if edit.create is not None:
        return copy.deepcopy(dict(edit.create))
    document = copy.deepcopy(dict(manifest))
    for operation in edit.operations:
        _apply(document, operation, edit)
    return document


def unified_diff(manifest_yaml: str, edit: Edit) -> str:
    """The change as a unified diff of the object's YAML; of nothing, where it creates one (``manifest_yaml`` is empty then).

    What the server writes itself (status, managedFields, resourceVersion …) is left out of both sides. Raises EditError.
    """
    documents = _documents(manifest_yaml) if edit.create is None else []
    before = written(documents[0]) if documents else {}
    return diff_of(before, written(edited(before, edit)), str(edit.ref))


def diff_of(before: Mapping[str, Any], after: Mapping[str, Any], title: str) -> str:
    """Two manifests as a unified diff. An empty manifest means that the object doesn't exist; equal ones give an empty text."""
    old, new = (to_yaml(each).splitlines() if each else [] for each in (before, after))
    old_name, new_name = (title if each else "/dev/null" for each in (before, after))
    lines = difflib.unified_diff(old, new, old_name, new_name, n=_CONTEXT_LINES, lineterm="")
    return "".join(f"{line}\n" for line in lines)


def written(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """A manifest without the fields that the server sets."""
    document = {key: value for key, value in manifest.items() if key != "status"}
    metadata = {key: value for key, value in (document.get("metadata") or {}).items() if key not in _OF_THE_SERVER}
    annotations = {k: v for k, v in (metadata.get("annotations") or {}).items() if k not in {_LAST_APPLIED, _REVISION}}
    metadata.pop("annotations", None)
    if annotations:
        metadata["annotations"] = annotations
    document["metadata"] = metadata
    return document


def to_yaml(manifest: Mapping[str, Any]) -> str:
    """A manifest as YAML, with its fields in their order."""
    from meshtui.sources.manifest_yaml import yaml_text  # PyYAML is slow to import, and only needed to show manifests

    return yaml_text(dict(manifest))


def edit_to_yaml(edit: Edit) -> str:
    """An edit as text: the manifest of a new object, or the JSON Patch (RFC 6902) of one that is there, as YAML."""
    return to_yaml(edit.create) if edit.create is not None else patch_to_yaml(edit)


def patch_of(edit: Edit) -> list[dict[str, Any]]:
    """The operations of an edit as a JSON Patch (RFC 6902, section 4)."""
    found = []
    for operation in edit.operations:
        pieces = (str(piece).replace("~", "~0").replace("/", "~1") for piece in operation.path)
        value = {} if operation.op == "remove" else {"value": operation.value}
        found.append({"op": operation.op, "path": "".join(f"/{piece}" for piece in pieces), **value})
    return found


def patch_to_yaml(edit: Edit) -> str:
    """The JSON Patch of an edit as YAML, as ``kubectl patch --type=json --patch-file`` takes it."""
    import yaml  # slow to import, and only needed to show manifests

    return yaml.safe_dump(patch_of(edit), sort_keys=False, allow_unicode=True, width=100)


def _documents(text: str) -> list[dict[str, Any]]:
    from meshtui.sources.manifest_yaml import yaml_documents

    return [document for document in yaml_documents("manifest", text.encode()) if isinstance(document, dict)]


def _apply(document: dict[str, Any], operation: Operation, edit: Edit) -> None:
    """One operation (RFC 6902, section 4), except that maps and lists missing on the way of an ``add`` are made."""
    where = f"{edit.ref}: {operation.op} /{'/'.join(map(str, operation.path))}"
    if not operation.path:
        raise EditError(f"{where}: names no place in the object")
    parent: Any = document
    for piece, following in zip(operation.path[:-1], operation.path[1:], strict=True):
        parent = _step(parent, piece, following, operation, where)
    last = operation.path[-1]
    value = copy.deepcopy(operation.value)
    if isinstance(parent, list):
        _in_list(parent, last, operation.op, value, where)
    elif isinstance(parent, dict):
        if operation.op != "add" and last not in parent:
            raise EditError(f"{where}: there is no {last!r}", "the object has changed since: look at it again")
        if operation.op == "remove":
            del parent[str(last)]
        else:
            parent[str(last)] = value
    else:
        raise EditError(f"{where}: there is no map or list", "the object has changed since: look at it again")


def _step(parent: Any, piece: str | int, following: str | int, operation: Operation, where: str) -> Any:
    """The value at one piece of a path; an ``add`` makes a missing one: a list where the next piece is a place in a list."""
    gone = EditError(f"{where}: there is no {piece!r}", "the object has changed since: look at it again")
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
        raise EditError(f"{where}: the list has {len(items)} items", "the object has changed since: look at it again")
    match op:
        case "add":
            items.insert(place, value)
        case "remove":
            del items[place]
        case _:
            items[place] = value


def _place(items: Sequence[Any], piece: str | int, *, beyond: bool = False) -> int | None:
    """A key as an index of a list, or None if the list has no such index."""
    if isinstance(piece, str) and not piece.isdecimal():
        return None
    place = int(piece)
    return place if 0 <= place < len(items) + beyond else None
