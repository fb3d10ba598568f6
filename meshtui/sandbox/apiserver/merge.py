"""JSON patch (RFC 6902) and JSON merge patch (RFC 7396)."""

from __future__ import annotations

import copy
from typing import Any

from meshtui.sandbox.apiserver.errors import ApiError


def merge_patch(target: Any, patch: Any) -> Any:
    """Apply a JSON merge patch; null removes a field."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge_patch(result.get(key), value)
    return result


def json_patch(target: Any, operations: Any) -> Any:
    """Apply a JSON patch. Raises ``ApiError`` 422 if an operation fails."""
    if not isinstance(operations, list):
        raise ApiError(400, "a JSON patch is a list of operations")
    document = copy.deepcopy(target)
    for operation in operations:
        try:
            document = _operate(document, operation)
        except (KeyError, IndexError, ValueError, TypeError) as error:
            raise ApiError(422, f"the server rejected our request due to an error in our request: {error}") from error
    return document


def _operate(document: Any, operation: dict[str, Any]) -> Any:
    kind, path = operation["op"], _pointer(operation["path"])
    if kind == "add":
        return _add(document, path, operation["value"])
    if kind == "remove":
        _remove(document, path)
    elif kind == "replace":
        if not path:
            return operation["value"]
        _remove(document, path)
        return _add(document, path, operation["value"])
    elif kind in ("move", "copy"):
        source = _pointer(operation["from"])
        value = copy.deepcopy(_find(document, source))
        if kind == "move":
            _remove(document, source)
        return _add(document, path, value)
    elif kind == "test":
        if _find(document, path) != operation["value"]:
            raise ValueError(f"testing path {operation['path']} failed")
    else:
        raise ValueError(f"unexpected operation {kind}")
    return document


def _pointer(text: str) -> list[str]:
    if not text:
        return []
    if not text.startswith("/"):
        raise ValueError(f"invalid JSON pointer {text}")
    return [part.replace("~1", "/").replace("~0", "~") for part in text[1:].split("/")]


def _find(document: Any, path: list[str]) -> Any:
    for part in path:
        document = document[int(part)] if isinstance(document, list) else document[part]
    return document


def _add(document: Any, path: list[str], value: Any) -> Any:
    if not path:
        return value
    parent, last = _find(document, path[:-1]), path[-1]
    if not isinstance(parent, list):
        parent[last] = value
        return document
    index = len(parent) if last == "-" else int(last)
    if not 0 <= index <= len(parent):
        raise IndexError(f"index {index} is out of bounds")
    parent.insert(index, value)
    return document


def _remove(document: Any, path: list[str]) -> None:
    parent, last = _find(document, path[:-1]), path[-1]
    if isinstance(parent, list):
        del parent[int(last)]
    else:
        del parent[last]
