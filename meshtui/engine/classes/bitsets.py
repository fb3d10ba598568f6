"""Sets of small numbers as Python's big integers: bit n is set when n is a member."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache


def members(bits: int) -> Iterator[int]:
    """The members of a set in ascending order."""
    if bits.bit_count() * 8 > bits.bit_length():
        text = format(bits, "b")[::-1]
        at = text.find("1")
        while at >= 0:
            yield at
            at = text.find("1", at + 1)
        return
    while bits:
        low = bits & -bits
        yield low.bit_length() - 1
        bits ^= low


@lru_cache(maxsize=8)
def _ones(width: int) -> int:
    return int.from_bytes(b"\x01" * width)


def spread(groups: Sequence[tuple[int, int]], start: int, width: int) -> bytes:
    """One byte for each number from ``start`` on: the label (below 256) of its group, else 0; groups are (bits, label).

    The binary digits of a set, as text, are bytes whose lowest bit is the digit. So one multiplication labels all members at
    once.
    """
    window = (1 << width) - 1
    total = 0
    for bits, label in groups:
        chunk = bits >> start & window
        if label and chunk:
            digits = format(chunk, f"0{width}b").encode()
            total += (int.from_bytes(digits) & _ones(width)) * label
    return total.to_bytes(width)[::-1]
