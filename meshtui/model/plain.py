"""Makes text from a cluster or a file safe to show: it can't control the terminal and can't start a new line."""

from __future__ import annotations

import unicodedata

_HIDDEN = {"Cc", "Cf", "Cs", "Cn", "Co", "Zl", "Zp"}
"""Unicode categories of characters that a terminal interprets, that are invisible, or that begin a new line."""


def clean(text: str) -> str:
    """Replace control, bidirectional and invisible characters and line ends by visible escapes. All other characters are kept."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_visible(char) for char in text)


def _visible(char: str) -> str:
    if unicodedata.category(char) in _HIDDEN:
        return escaped(char)
    return char


def escaped(char: str) -> str:
    """The escape sequence of one character, as Python writes it in a string."""
    code = ord(char)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
