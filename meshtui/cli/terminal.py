"""Properties of standard output: the width and the colours of a terminal, or neither in a pipe."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from typing import TextIO

_NARROWEST = 40
_IN_A_BROWSER = "textual.drivers.web_driver:WebDriver"
"""What ``meshtui serve`` sets, as Textual wants it."""


def width() -> int | None:
    """The columns of the terminal, or None in a pipe or a file, where nothing is wrapped."""
    if not sys.stdout.isatty():
        return None
    return max(shutil.get_terminal_size((80, 24)).columns, _NARROWEST)


def colours(stream: TextIO) -> bool:
    """Whether a stream supports colours: it is a terminal, and NO_COLOR isn't set (no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def wrapped(text: str, first: str = "", rest: str = "") -> list[str]:
    """Lines that fit the terminal, broken only between words."""
    columns = width()
    if columns is None:
        return [first + text]
    return textwrap.wrap(
        text, columns, initial_indent=first, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False
    ) or [first.rstrip()]


def has_terminal() -> bool:
    """Whether the terminal program can be shown: on a terminal, or on the page of a browser, which the environment says."""
    return os.environ.get("TEXTUAL_DRIVER") == _IN_A_BROWSER or (sys.stdin.isatty() and sys.stdout.isatty())
