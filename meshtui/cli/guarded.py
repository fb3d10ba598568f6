"""Guards standard output and error: text from a cluster can't control the terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from meshtui.model.plain import clean


def clean_lines(text: str) -> str:
    """The text with visible escapes for control characters and bidirectional characters, line by line."""
    if text.isascii() and text.replace("\n", "").isprintable():
        return text
    return "\n".join(clean(line) for line in text.split("\n"))


class _Guarded:
    """A stream that cleans what is written; other methods are those of the stream. ``bare`` is the stream itself."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        """Write the cleaned text."""
        return self.stream.write(clean_lines(text))

    def writelines(self, lines: Iterable[str]) -> None:
        """Write the cleaned lines."""
        self.stream.writelines(map(clean_lines, lines))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def bare(stream: Any) -> TextIO:
    """The unguarded stream, for code that writes colours and cleans its own text."""
    found: TextIO = stream.stream if isinstance(stream, _Guarded) else stream
    return found


@contextmanager
def guarded(*, data: bool) -> Iterator[None]:
    """Guard both streams while a command runs. With ``data``, standard output is for programs, and not guarded."""
    out, err = sys.stdout, sys.stderr
    sys.stderr = _Guarded(err)
    if not data:
        sys.stdout = _Guarded(out)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = out, err
