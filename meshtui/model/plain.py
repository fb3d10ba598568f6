"""Text from a cluster or a file, made safe to show: names and log lines are shown, never executed, and never end a line."""

from __future__ import annotations

import unicodedata

_HIDDEN = {"Cc", "Cf", "Cs", "Cn", "Co", "Zl", "Zp"}
"""Unicode's categories of characters that a terminal obeys, that nobody sees, or that begin a new line."""


def clean(text: str) -> str:
    """Replace control, bidi and invisible characters and line ends by visible escapes; everything else stays as it is."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_visible(char) for char in text)


def _visible(char: str) -> str:
    if unicodedata.category(char) in _HIDDEN:
        return escaped(char)
    return char


def escaped(char: str) -> str:
    """One character as Python would write it in a string."""
    code = ord(char)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
