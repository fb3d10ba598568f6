"""Lines of a map: pieces of connectors that meet in one cell, and a trunk that gathers the edges of a side."""

from __future__ import annotations

from collections.abc import Collection

from meshtui.ui.document import BAD, DIM
from meshtui.ui.pictures.canvas import Canvas
from meshtui.ui.pictures.map_rows import Row

UP, DOWN, LEFT, RIGHT = 1, 2, 4, 8
_JOINTS = {
    UP | DOWN: "│",
    LEFT | RIGHT: "─",
    DOWN | RIGHT: "╭",
    DOWN | LEFT: "╮",
    UP | RIGHT: "╰",
    UP | LEFT: "╯",
    UP | DOWN | RIGHT: "├",
    UP | DOWN | LEFT: "┤",
    LEFT | RIGHT | DOWN: "┬",
    LEFT | RIGHT | UP: "┴",
    UP | DOWN | LEFT | RIGHT: "┼",
}


def joint(directions: int) -> str:
    """The character that leads into some directions (``UP | LEFT`` …)."""
    return _JOINTS.get(directions, "─" if directions & (LEFT | RIGHT) else "│")


def trunk(canvas: Canvas, x: int, edges: Collection[int], toward: int, centre: int, away: int) -> None:
    """A vertical line from the rows of ``edges`` to the row ``centre``.

    Edges come from the side ``toward`` (LEFT or RIGHT), the centre is on the side ``away``.
    """
    rows = {*edges, centre}
    top, bottom = min(rows), max(rows)
    joined = set(edges)
    for y in range(top, bottom + 1):
        directions = (UP if y > top else 0) | (DOWN if y < bottom else 0)
        directions |= toward if y in joined else 0
        directions |= away if y == centre else 0
        canvas.put(x, y, joint(directions), DIM)


def across(canvas: Canvas, x: int, end: int, y: int, row: Row) -> None:
    """A line of a row from a cell up to another one (not included): broken where traffic is denied."""
    tone = BAD if row.edge is not None and row.edge.denied else DIM
    canvas.put(x, y, ("─" if row.flows else "╌") * max(0, end - x), tone)
