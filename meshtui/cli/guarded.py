"""Standard output and error for people: what a cluster says is printed, and never obeyed by the terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO

from meshtui.model.plain import clean


def clean_lines(text: str) -> str:
    """The same lines with every character visible that a terminal would obey, or that turns text round."""
    if text.isascii() and text.replace("\n", "").isprintable():
        return text
    return "\n".join(clean(line) for line in text.split("\n"))


class _Guarded:
    """A stream that writes clean lines; everything else is the stream's own. ``stream`` is the bare one."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream

    def write(self, text: str) -> int:
        """Write, cleaned."""
        return self.stream.write(clean_lines(text))

    def writelines(self, lines: Iterable[str]) -> None:
        """Write, cleaned."""
        self.stream.writelines(map(clean_lines, lines))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def bare(stream: Any) -> TextIO:
    """The stream itself, for who writes colours of its own and cleans what is in them."""
    found: TextIO = stream.stream if isinstance(stream, _Guarded) else stream
    return found


@contextmanager
def guarded(*, data: bool) -> Iterator[None]:
    """Guard both streams while a command runs; with ``data`` standard output is for programs, and stays as it is."""
    out, err = sys.stdout, sys.stderr
    sys.stderr = _Guarded(err)
    if not data:
        sys.stdout = _Guarded(out)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = out, err
