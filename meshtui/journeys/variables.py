"""Variables of a journey: from its file, from the user, and from answers. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote

from meshtui.journeys.model import Scalar

_PIECE = re.compile(r"\{\{|\}\}|\{(\+?)([A-Za-z_]\w*)\}|[{}]", re.ASCII)
_WHOLE = re.compile(r"\{([A-Za-z_]\w*)\}", re.ASCII)
_DEEPEST = 8
"""The maximum depth of variables that contain variables."""
MISSING = object()
"""The result of a pointer to a value that doesn't exist."""


class UnsetError(Exception):
    """Raised for a variable without a value; the text is its name."""


class Template(str):
    """Text that may contain variables. Text from answers and from the command line is never a template."""

    __slots__ = ()


def names_in(text: str) -> list[str]:
    """The variables in a text, in order. Raises ValueError for an unmatched brace."""
    found = []
    for piece in _PIECE.finditer(text):
        if piece[2]:
            found.append(piece[2])
        elif len(piece[0]) == 1:
            raise ValueError(f"a lone {piece[0]!r}: a variable is {{name}}, a brace {{{{ or }}}}")
    return found


def as_text(value: Scalar) -> str:
    """A value as text; booleans as in JSON."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def in_path(text: str) -> str:
    """Encode text as one segment of a path."""
    return quote(text, safe="")


class Variables:
    """The current values of variables."""

    def __init__(self, values: Mapping[str, Scalar]) -> None:
        self._values = dict(values)

    def give(self, name: str, value: Scalar) -> None:
        """Set a variable."""
        self._values[name] = value

    def get(self, name: str) -> Scalar | None:
        """The value of a variable, with templates expanded; None if it has none."""
        try:
            return self._value(name, 0)
        except UnsetError:
            return None

    def with_others(self, others: Mapping[str, Scalar]) -> Variables:
        """A copy with other values of some variables."""
        return Variables(self._values | dict(others))

    def text(self, template: str, escape: Callable[[str], str] = str) -> str:
        """Expand a template. Raises UnsetError."""
        return self._text(template, escape, 0)

    def data(self, value: Any) -> Any:
        """Expand JSON-like data. A string that is exactly one variable becomes its value, so that a number stays a number."""
        if isinstance(value, dict):
            return {self.text(key): self.data(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.data(item) for item in value]
        if not isinstance(value, str):
            return value
        whole = _WHOLE.fullmatch(value)
        return self._value(whole[1], 0) if whole else self.text(value)

    def _text(self, template: str, escape: Callable[[str], str], depth: int) -> str:
        def piece(found: re.Match[str]) -> str:
            if not found[2]:
                return found[0][0]
            value = self._values.get(found[2])
            as_it_is = bool(found[1])
            if isinstance(value, Template):
                if depth >= _DEEPEST:
                    raise UnsetError(found[2])
                inner = self._text(value, escape if as_it_is else str, depth + 1)
                return inner if as_it_is else escape(inner)
            if value is None:
                raise UnsetError(found[2])
            return as_text(value) if as_it_is else escape(as_text(value))

        return _PIECE.sub(piece, template)

    def _value(self, name: str, depth: int) -> Scalar:
        value = self._values.get(name)
        if value is None:
            raise UnsetError(name)
        if not isinstance(value, Template):
            return value
        whole = _WHOLE.fullmatch(value)
        if whole and depth < _DEEPEST:
            return self._value(whole[1], depth + 1)
        return self._text(value, str, depth + 1)


def at(body: Any, pointer: str) -> Any:
    """The value at a JSON pointer (RFC 6901), or MISSING."""
    for word in pointer.split("/")[1:]:
        key = word.replace("~1", "/").replace("~0", "~")
        if isinstance(body, dict) and key in body:
            body = body[key]
        elif isinstance(body, list) and key.isdecimal() and int(key) < len(body):
            body = body[int(key)]
        else:
            return MISSING
    return body


def usable(value: Any) -> bool:
    """Whether a value from an answer may become a variable: a number, or a non-empty line of text."""
    if isinstance(value, str):
        return bool(value) and value.isprintable()
    return isinstance(value, int | float)
