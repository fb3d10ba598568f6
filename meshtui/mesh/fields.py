"""The fields in which two values of JSON differ."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

_MOST = 120


def differing_fields(expected: Any, found: Any, path: str = "") -> Iterator[tuple[str, str, str]]:
    """Each field that differs, as a path, with both values as short JSON; a value that isn't there is an empty text."""
    if isinstance(expected, dict) and isinstance(found, dict):
        for key in sorted(expected.keys() | found.keys()):
            yield from differing_fields(expected.get(key), found.get(key), joined(path, key))
    elif isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found) and _is_deep(expected):
        for number, (one, other) in enumerate(zip(expected, found, strict=True)):
            yield from differing_fields(one, other, f"{path}[{number}]")
    elif expected != found:
        yield path, in_json(expected), in_json(found)


def joined(path: str, key: str) -> str:
    """A path with one more key, in brackets unless it is a plain word."""
    if key.replace("_", "").isalnum():
        return f"{path}.{key}" if path else key
    return f"{path}[{key}]"


def in_json(value: Any) -> str:
    """A value as short JSON; empty for None."""
    if value is None:
        return ""
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= _MOST else f"{text[: _MOST - 1]}…"


def _is_deep(values: list[Any]) -> bool:
    return any(isinstance(each, dict | list) for each in values)
