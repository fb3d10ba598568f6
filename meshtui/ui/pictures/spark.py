"""A row of numbers as a row of blocks. Pure."""

from __future__ import annotations

from collections.abc import Sequence

_BLOCKS = "▁▂▃▄▅▆▇█"


def spark(counts: Sequence[int]) -> str:
    """A block for each number, the greatest the highest. Only 0 (and less) has the lowest block."""
    most = max(counts, default=0)
    steps = len(_BLOCKS) - 1
    return "".join(_BLOCKS[max(1, -(-count * steps // most))] if count > 0 else _BLOCKS[0] for count in counts)
