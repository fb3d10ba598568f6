"""What standard output is: a terminal of some width, which may show colours, or a pipe that gets lines as they are."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from typing import TextIO

_NARROWEST = 40


def width() -> int | None:
    """Columns of the terminal, or None where nothing is to be wrapped: in a pipe or a file."""
    if not sys.stdout.isatty():
        return None
    return max(shutil.get_terminal_size((80, 24)).columns, _NARROWEST)


def colours(stream: TextIO) -> bool:
    """Whether a stream may get colours: a terminal that can, and nobody who says no (no-color.org)."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def wrapped(text: str, first: str = "", rest: str = "") -> list[str]:
    """Lines that fit the terminal, broken only between words: a name or an address is never broken."""
    columns = width()
    if columns is None:
        return [first + text]
    return textwrap.wrap(
        text, columns, initial_indent=first, subsequent_indent=rest, break_long_words=False, break_on_hyphens=False
    ) or [first.rstrip()]
