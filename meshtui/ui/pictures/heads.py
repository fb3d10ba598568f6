"""How the names of a grid's columns are written: across, as stairs, shortened with a legend, or letter by letter. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size

from meshtui.ui.columns import shorten
from meshtui.ui.pictures.names import short_names

BOUND = 2
"""The cells of the rule before a group of columns."""
_UPRIGHT = 2
"""The width of a column with a name letter by letter: the mark, and the mark of a change."""
_LONGEST_ACROSS = 20
_LONGEST_DOWN = 24
_SHORTEST = 6
"""The fewest cells of a shortened name."""
_MORE = 8
"""So many cells a column may be wider than its name."""
_WIDEST_STAIR = 14
_LEGEND = 3
"""The most lines of a legend."""


@dataclass(frozen=True, slots=True)
class Heads:
    """``width`` of each column, ``before``: the cells before its mark; ``lines`` of names, with a text for each column.

    As ``stairs``, each line has one name, which goes on over the next columns. ``letters``: names are letter by letter, the way
    that is hardest to read. ``numbered``: there are only numbers, which the rows must have too.
    """

    width: int = _UPRIGHT
    before: int = 0
    lines: tuple[tuple[str, ...], ...] = ()
    stairs: bool = False
    letters: bool = False
    numbered: bool = False


def heads(names: Sequence[str], bounds: Sequence[int], room: tuple[int, int, int]) -> Heads:
    """The heads of columns; ``bounds`` are the columns before which there is a rule.

    ``room``: the cells for all columns, the lines that are free if all rows are to be seen, and all lines.
    """
    count = len(names)
    width, free, height = room
    if not count:
        return Heads()
    cells = width - BOUND * len(bounds)
    longest = max(map(cell_len, names))
    across = min(longest, _LONGEST_ACROSS) + 2
    if across * count <= cells:
        size = min(cells // count, across + _MORE)
        return Heads(size, (size - _UPRIGHT) // 2, (tuple(_centred(name, size) for name in names),))
    return _stairs(names, bounds, room) or _short(names, cells, height) or _letters(names, cells, free, height)


def _stairs(names: Sequence[str], bounds: Sequence[int], room: tuple[int, int, int]) -> Heads | None:
    """A line for each name; None if there are too many, or if one goes beyond the edge."""
    count = len(names)
    width, free, height = room
    if count > max(free - bool(bounds), height // 3):
        return None
    for size in range(_WIDEST_STAIR, _UPRIGHT, -1):
        before = (size - _UPRIGHT) // 2
        ends = (
            size * index + BOUND * sum(bound <= index for bound in bounds) + before + 2 + cell_len(name)
            for index, name in enumerate(names)
        )
        if max(ends) <= width:
            return Heads(size, before, tuple((name,) for name in names), stairs=True)
    return None


def _short(names: Sequence[str], cells: int, height: int) -> Heads | None:
    """Short names, and what they mean in lines above; None if they are too short, or the legend too long."""
    size = min(cells // len(names), _LONGEST_ACROSS)
    if size < _SHORTEST + 1:
        return None
    short = short_names(names, [size - 1] * len(names))
    rows: list[str] = []
    for part in (f"{one} = {whole}" for one, whole in zip(short, names, strict=True) if one != whole):
        if rows and cell_len(rows[-1]) + 3 + cell_len(part) <= cells:
            rows[-1] += f"   {part}"
        else:
            rows.append(shorten(part, cells))
    if len(rows) > min(_LEGEND, height // 4):
        return None
    legend = tuple(_spread(row, size, len(names)) for row in rows)
    return Heads(size, (size - _UPRIGHT) // 2, (*legend, tuple(_centred(name, size) for name in short)))


def numbered(count: int, bounds: Sequence[int], width: int) -> Heads:
    """The columns' numbers, from 1 on; the same numbers stand before the names of the rows."""
    digits = len(str(count))
    size = max(digits + 1, min(_MORE, (width - BOUND * len(bounds)) // max(1, count)))
    before = (size - _UPRIGHT) // 2 if size > digits + 1 else 0
    line = tuple((" " * max(0, before - len(str(number)) + 1) + str(number)).ljust(size) for number in range(1, count + 1))
    return Heads(size, before, (line,), numbered=True)


def _spread(text: str, size: int, count: int) -> tuple[str, ...]:
    """A text over columns, cut into pieces of their width."""
    padded = set_cell_size(text, size * count)
    pieces, at = [], 0
    for _ in range(count):
        piece = ""
        while at < len(padded) and cell_len(piece + padded[at]) <= size:
            piece += padded[at]
            at += 1
        pieces.append(set_cell_size(piece, size))
    return tuple(pieces)


def _letters(names: Sequence[str], cells: int, free: int, height: int) -> Heads:
    """Names letter by letter, from the top down."""
    size = _UPRIGHT + ((_UPRIGHT + 1) * len(names) <= cells)
    longest = max(len(name) for name in names)
    high = min(longest, _LONGEST_DOWN, max(3, height // 3, free))
    lines = tuple(tuple(_letter(name, line, high) for name in names) for line in range(high))
    return Heads(size, 0, lines, letters=True)


def _letter(text: str, line: int, height: int) -> str:
    """The character of a name in a line; the name ends in the last line."""
    if len(text) > height:
        text = text[: height - 1] + "…"
    at = line - (height - len(text))
    return text[at] if at >= 0 else " "


def _centred(name: str, size: int) -> str:
    """A name in the middle of a column, with its mark below the middle; the last cell stays free."""
    text = shorten(name, size - 1)
    space = size - 1 - cell_len(text)
    return " " * (space // 2) + text + " " * (space - space // 2)
