"""Rows of cells as an aligned table."""

from __future__ import annotations

import sys
import textwrap
import unicodedata
from collections.abc import Sequence

from meshtui.cli.guarded import bare
from meshtui.cli.terminal import colours, width
from meshtui.model.plain import clean

_GAP = "  "
_NARROWEST = 12
"""Minimum width of a wrapped column, in characters."""


def laid_out(rows: Sequence[Sequence[str]]) -> str:
    """A table; the first row has the titles. Every cell is one line of plain text, a dash if it is empty.

    In a pipe every row is one line. On a terminal the last column is wrapped between words if the row then fits; otherwise each
    row becomes a block of lines, ``TITLE cell``. Words are never broken.
    """
    plain = [[clean(cell) or "-" for cell in row] for row in rows]
    columns = width()
    widths = [max(map(_cells, column)) for column in zip(*plain, strict=True)]
    before = sum(widths[:-1]) + len(_GAP) * (len(widths) - 1)
    if columns is None or before + widths[-1] <= columns:
        lines = [_row(row, widths) for row in plain]
        return _with_title(lines)
    left = columns - before
    longest_word = max((_cells(word) for row in plain for word in row[-1].split()), default=0)
    if left >= max(_NARROWEST, longest_word):
        return _with_title([line for row in plain for line in _wrapped(row, widths, left)])
    return _blocks(plain)


def _cells(text: str) -> int:
    """The width of a text on a terminal, in columns."""
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def _padded(text: str, size: int) -> str:
    return text + " " * (size - _cells(text))


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    return _GAP.join(_padded(cell, size) for cell, size in zip(cells, widths, strict=True)).rstrip()


def _wrapped(cells: Sequence[str], widths: Sequence[int], left: int) -> list[str]:
    """One row with its last cell wrapped."""
    pieces = textwrap.wrap(cells[-1], left, break_long_words=False, break_on_hyphens=False) or [""]
    first = _row([*cells[:-1], pieces[0]], [*widths[:-1], left])
    start = " " * (sum(widths[:-1]) + len(_GAP) * (len(widths) - 1))
    return [first, *(start + piece for piece in pieces[1:])]


def _blocks(rows: Sequence[Sequence[str]]) -> str:
    titles = rows[0]
    size = max(map(_cells, titles))
    blocks = (
        "".join(f"{_padded(t, size)}  {cell}".rstrip() + "\n" for t, cell in zip(titles, row, strict=True)) for row in rows[1:]
    )
    return "\n".join(blocks)


def _with_title(lines: Sequence[str]) -> str:
    """The lines, with the first one in bold if the terminal supports it."""
    first = f"\x1b[1m{lines[0]}\x1b[0m" if colours(bare(sys.stdout)) else lines[0]
    return "\n".join([first, *lines[1:]]) + "\n"
