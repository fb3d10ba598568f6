"""JSON as text that is safe on a terminal and in a log: control characters and line ends are escaped."""

from __future__ import annotations

import json
import unicodedata
from typing import Any

_ESCAPED = {"Cc", "Cf", "Cs", "Cn", "Co", "Zl", "Zp"}


def json_text(value: Any, *, indent: int | None = None, compact: bool = False) -> str:
    """A value as JSON. Letters of all alphabets are kept; control and invisible characters are escaped."""
    text = json.dumps(value, ensure_ascii=False, indent=indent, separators=(",", ":") if compact else None)
    if text.isascii() and "\x7f" not in text:
        return text
    return "".join(_escaped(char) for char in text)


def _escaped(char: str) -> str:
    if char == "\n" or unicodedata.category(char) not in _ESCAPED:
        return char
    return json.dumps(char)[1:-1] if char != "\x7f" else "\\u007f"


def document(value: Any) -> str:
    """One JSON document, indented, with a final newline."""
    return json_text(value, indent=2) + "\n"
