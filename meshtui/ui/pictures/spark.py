"""A row of numbers as a row of blocks. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from meshtui.ui.document import Document, Section, line

_BLOCKS = "▁▂▃▄▅▆▇█"


def spark(counts: Sequence[int]) -> str:
    """A block for each number, the greatest the highest. Only 0 (and less) has the lowest block."""
    most = max(counts, default=0)
    steps = len(_BLOCKS) - 1
    return "".join(_BLOCKS[max(1, -(-count * steps // most))] if count > 0 else _BLOCKS[0] for count in counts)


def spark_in_words(counts: Sequence[int], span_s: int) -> Document:
    """The numbers as text, each with how long ago its part of ``span_s`` seconds began."""
    part = span_s / max(1, len(counts))
    rows = [(round((len(counts) - index) * part), count) for index, count in enumerate(counts)]
    lines = tuple(line(f"{seconds} s ago: {count}") for seconds, count in rows if count > 0)
    return Document("Denials", (Section("", lines or (line("none"),)),))
