"""A map: who calls, whom is called, and what is decided about each flow. Callers at the left, callees at the right.

Where the names don't fit beside each other, callers stand above the centre and callees below it.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from meshtui.model.flow import Flow
from meshtui.ui.document import DIM
from meshtui.ui.pictures.canvas import Picture
from meshtui.ui.pictures.map_beside import Beside
from meshtui.ui.pictures.map_data import Edge, MapData, Neighbour, Probed
from meshtui.ui.pictures.map_rows import GROUP, MORE, rows_of
from meshtui.ui.pictures.map_stacked import Stacked
from meshtui.ui.pictures.map_words import left_out_in_words, map_in_words

__all__ = ["GROUP", "MORE", "Edge", "MapData", "Neighbour", "Probed", "draw_map", "map_in_words", "opened_by"]

_BESIDE_FROM = 60
"""With fewer columns, names that don't fit beside each other are never shortened for it."""
_HEADINGS_FROM = 12
"""With fewer rows there are no headings."""


def draw_map(data: MapData, width: int, height: int, opened: AbstractSet[str] = frozenset(), kept: Flow | None = None) -> Picture:
    """A map in ``width`` × ``height`` cells; higher only where groups are open, or the height is too small for a centre.

    ``opened`` are the namespaces whose groups are open, on both sides, or as ``from:NAMESPACE`` of callers, ``to:NAMESPACE`` of
    callees. ``MORE`` stands for those that don't fit. The flow ``kept`` is never hidden in a group.
    """
    note = 1 if data.left_out else 0
    room = height - note
    callees = (*data.selected, *data.callees)
    headings = 1 if room >= _HEADINGS_FROM else 0
    left, right = (
        rows_of(each, side, room - 2 * headings, opened, kept) for each, side in ((data.callers, "from"), (callees, "to"))
    )
    beside = Beside(data, left, right, width, room, 2 * headings)
    if beside.fits:
        canvas = beside.draw(note)
    else:
        rows = room - Stacked.between(room)  # for both sides; the one that needs less leaves them to the other
        half = max(1, rows // 2)
        for_above = max(half, rows - max(1, len(callees)))
        for_below = max(half, rows - max(1, len(rows_of(data.callers, "from", for_above, frozenset()))))
        above = rows_of(data.callers, "from", for_above, opened, kept)
        below = rows_of(callees, "to", for_below, opened, kept)
        stacked = Stacked(data, above, below, width, room)
        whole = len(above) >= len(data.callers) and len(below) >= len(callees)
        in_order = stacked.fits and whole
        canvas = beside.draw(note) if width >= _BESIDE_FROM and beside.possible and not in_order else stacked.draw(note)
    if note:
        canvas.put(0, canvas.height - 1, left_out_in_words(data), DIM)
    return canvas.picture()


def opened_by(id: str, opened: AbstractSet[str]) -> frozenset[str] | None:  # noqa: A002  (as in Item)
    """What is open after a group's item was chosen: it opens, or closes. None if the item isn't a group."""
    if not id.startswith(GROUP):
        return None
    return frozenset(opened ^ {id.removeprefix(GROUP)})
