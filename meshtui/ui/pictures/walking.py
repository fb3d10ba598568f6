"""How the cursor walks over a picture: which item is next in a direction. A pure function."""

from __future__ import annotations

from collections.abc import Sequence

from meshtui.ui.pictures.canvas import Item


def next_item(items: Sequence[Item], here: Item, right: int, down: int) -> Item | None:
    """The item to which an arrow leads: ``right`` 1, ``down`` 0 is to the right; 0, -1 is up. None: there is nothing.

    Up and down stay in the column: the nearest of the items that stand below (above), at least in part. If there is none, the
    nearest one in the rows further down, and at last the next in reading order. Left and right lead into the next column, the
    items that stand at least in part below or above the nearest one in that direction: to the one nearest in height.
    """
    if right:
        return _beside(items, here, right)
    ahead = [each for each in items if each.id != here.id and _beyond(here.y, here.height, each.y, each.height, down)]
    below = [each for each in ahead if _shared(here.x, here.width, each.x, each.width)] or ahead
    if below:
        return min(below, key=lambda each: (_gap(here.y, here.height, each.y, each.height), _aside(here, each), each.x))
    place = items.index(here) + down
    return items[place] if 0 <= place < len(items) else None


def _beside(items: Sequence[Item], here: Item, right: int) -> Item | None:
    ahead = [each for each in items if each.id != here.id and _beyond(here.x, here.width, each.x, each.width, right)]
    if not ahead:
        return None
    first = min(ahead, key=lambda each: (_gap(here.x, here.width, each.x, each.width), _rows_apart(here, each)))
    column = [each for each in ahead if _shared(first.x, first.width, each.x, each.width)]
    return min(column, key=lambda each: (_rows_apart(here, each), _gap(here.x, here.width, each.x, each.width), each.y))


def _beyond(here: int, size: int, there: int, its: int, way: int) -> bool:
    """Whether a range is wholly behind another one in a direction."""
    return there >= here + size if way > 0 else there + its <= here


def _shared(here: int, size: int, there: int, its: int) -> bool:
    """Whether two ranges have a cell in common."""
    return here < there + its and there < here + size


def _gap(here: int, size: int, there: int, its: int) -> int:
    """The cells between two ranges."""
    return max(0, there - (here + size), here - (there + its))


def _rows_apart(here: Item, there: Item) -> float:
    """How far the middles of two items are apart in height; 0 where they share a row."""
    if _shared(here.y, here.height, there.y, there.height):
        return 0
    return abs((there.y + there.height / 2) - (here.y + here.height / 2))


def _aside(here: Item, there: Item) -> int:
    return _gap(here.x, here.width, there.x, there.width)
