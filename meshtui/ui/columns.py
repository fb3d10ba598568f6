"""How wide the columns of a table are, and how a text is shortened. Pure functions: the table only draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size

GAP = 2
"""The cells between two columns."""
FLOOR = 6
"""A column has at least as many cells (or as many as its short forms need) before another one is hidden."""
_NEVER_DROPPED = 7
"""Columns with a higher ``keep`` are never hidden."""
_ORDINARY = 20
"""A cell that isn't wider is never an exception."""
_SOME = 22
"""So many cells each column gets before a more important one gets more."""
_MIDDLE_FROM = 6
"""With fewer cells, a name loses its end instead of its middle."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column. On narrow screens, columns with a lower ``keep`` are shortened and hidden first.

    ``least`` is the width down to which it is shortened before those with a higher ``keep``. A column that ``stays`` is never
    hidden; neither is one with ``keep`` above 7. One with ``usual`` is shown only if some row says something else. ``most`` is
    its width if not all columns fit (0: any). ``brief`` is its title where the whole one has no room. ``floor`` is what it has
    before any column gets more.
    """

    title: str
    keep: int = 1
    least: int = 4
    right: bool = False
    usual: str | None = None
    most: int = 0
    stays: bool = False
    brief: str = ""
    floor: int = FLOOR


@dataclass(frozen=True, slots=True)
class Need:
    """The cells that a column needs: for all of its texts, for its ordinary ones, and for the ordinary short forms.

    All are 0 in a column without any text, which isn't shown.
    """

    all: int
    usual: int
    short: int


def need(title: str, full: Sequence[int], short: Sequence[int], brief: str = "") -> Need:
    """The need of a column, given the widths of its texts and of their short forms. No row: the title's width.

    The short forms stand under the ``brief`` title, if there is one.
    """
    if full and not any(full):
        return Need(0, 0, 0)
    least = cell_len(title)
    usual = max(least, ordinary(full))
    return Need(max(least, *full) if full else least, usual, min(usual, max(cell_len(brief) or least, ordinary(short))))


def ordinary(widths: Sequence[int]) -> int:
    """The greatest of the widths that isn't an exception: far above that of three quarters of the texts."""
    ordered = sorted(width for width in widths if width)
    if not ordered:
        return 0
    if ordered[-1] <= _ORDINARY:
        return ordered[-1]
    usual = ordered[(len(ordered) * 3 + 3) // 4 - 1 if len(ordered) > 3 else (len(ordered) - 1) // 2]
    fence = max(_ORDINARY, usual + usual // 2)
    return max(width for width in ordered if width <= fence)


def fit(columns: Sequence[Column], needs: Sequence[Need], width: int) -> list[int]:
    """The widths of the columns of a table with ``width`` cells; 0 means that a column is hidden.

    Columns are hidden, lowest ``keep`` first, only if not all can have their ``floor``. Then they grow, highest ``keep`` first:
    all to their ``least``, all to some 20 cells, all to their short forms, all to their usual texts, and all to their longest.
    Columns with the same ``keep`` share what is left.
    """
    shown = sorted((i for i, each in enumerate(needs) if each.all), key=lambda i: (-columns[i].keep, i))
    widths = [each.all for each in needs]
    if not width or not shown or _room(widths, width) >= 0:
        return widths
    widths = [min(column.floor, each.short) for column, each in zip(columns, needs, strict=True)]
    droppable = [i for i in reversed(shown) if not columns[i].stays and columns[i].keep <= _NEVER_DROPPED]
    for index in droppable:
        if _room(widths, width) < 0:
            widths[index] = 0
            shown.remove(index)
    _squeeze(shown, widths, width)
    short = [min(each.short, column.most or each.short) for column, each in zip(columns, needs, strict=True)]
    usual = [min(each.usual, column.most or each.usual) for column, each in zip(columns, needs, strict=True)]
    least = [min(column.least, each) for column, each in zip(columns, short, strict=True)]
    some = [min(max(_SOME, low), each) for low, each in zip(least, short, strict=True)]
    for wanted in (least, some, short, usual, [each.all for each in needs]):
        for place, index in enumerate(shown):
            more, room = wanted[index] - widths[index], _room(widths, width)
            room -= _shares([wanted[i] - widths[i] for i in shown[place + 1 :] if columns[i].keep == columns[index].keep], room)
            if more <= room or wanted[index] <= short[index] or short[index] == usual[index]:
                widths[index] += max(0, min(more, room))  # else the short forms stay: cells between have no use
    return widths


def _shares(needs: Sequence[int], room: int) -> int:
    """How much of the room stays for columns that matter as much and come later: what they need, at most an even share each."""
    return min(sum(max(0, each) for each in needs), room * len(needs) // (len(needs) + 1))


def _squeeze(shown: Sequence[int], widths: list[int], width: int) -> None:
    """Take from columns that can't be hidden what the table doesn't have, lowest ``keep`` first, down to a cell each."""
    for index in reversed(shown):
        widths[index] = max(1, widths[index] - max(0, -_room(widths, width)))


def _room(widths: Sequence[int], width: int) -> int:
    """How many cells are left (negative: by how many the columns are too wide)."""
    shown = [w for w in widths if w > 0]
    return width - sum(shown) - GAP * max(0, len(shown) - 1)


def shorten(text: str, width: int) -> str:
    """A text in at most ``width`` cells: a name loses its middle, with few cells its end; a sentence loses its end.

    Of a short form like ``…/sa/NAME`` the name is kept as long as possible.
    """
    if cell_len(text) <= width:
        return text
    if width < 1:
        return ""
    if text.startswith("…/"):
        text = text.rpartition("/")[2]
        if cell_len(text) <= width:
            return text
    if " " in text or width < _MIDDLE_FROM:
        return _head(text, width - 1) + "…"
    head = width // 2
    tail = width - 1 - head
    return f"{_head(text, head)}…{_head(text[::-1], tail)[::-1]}"


def level(sizes: Sequence[int], least: int, width: int) -> list[int]:
    """The sizes of texts that share ``width`` cells: the longest lose first, none below ``least``."""
    found = list(sizes)
    while sum(found) > width and max(found, default=0) > least:
        longest = max(found)
        at = [index for index, size in enumerate(found) if size == longest]
        below = max((size for size in found if size < longest), default=least)
        over, step = sum(found) - width, longest - max(below, least)
        for index in at[: over if over < len(at) else None]:
            found[index] -= max(1, min(step, over // len(at)))
    return found


def _head(text: str, width: int) -> str:
    """The beginning of a text in at most ``width`` cells, without the half of a wide character."""
    if text.isascii():
        return text[:width]
    cut = set_cell_size(text, width)
    return cut if text.startswith(cut) else cut[:-1]
