"""Sorting a table by a column: the letter of each column, and the order of its cells. Pure functions."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from meshtui.ui.actions import SORT_LETTERS
from meshtui.ui.columns import Column
from meshtui.ui.widgets.table import Cell

_NUMBER = re.compile(r"(\d+)")


def letters_of(columns: Sequence[Column]) -> Mapping[str, str]:
    """The letter of each column, by its title: its first letter that is free, those with a higher ``keep`` first."""
    found: dict[str, str] = {}
    for column in sorted(columns, key=lambda column: -column.keep):
        letter = next((each for each in column.title if each in SORT_LETTERS and each not in found.values()), "")
        if letter:
            found[column.title] = letter
    return found


def written(cell: Cell) -> str:
    """The text of a cell in a file: an age, which a file doesn't have, is the time since when."""
    return cell.text if cell.since is None else f"{cell.since.isoformat(timespec='seconds')}{cell.text}"


def order_of(cell: Cell) -> tuple[object, ...]:
    """What a cell is sorted by: ages by their time, newest first, then texts, with the numbers in them as numbers."""
    if cell.since is not None:
        return (0, -cell.since.timestamp())
    parts = _NUMBER.split(cell.text.lower())
    return (1, not cell.text.strip("-"), *((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts if part))
