"""Where the panes of the main screen are, for a terminal's size. Pure functions; the screen only sets what they say."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

WIDE_FROM = (110, 30)
"""From so many columns and rows on, all panes are shown at once; on smaller terminals, one and its detail."""
_FRAME = 2
"""The rows of a pane's frame."""
_LEAST_ROWS = 2
"""Rows that a pane keeps inside its frame."""
_LEFT_LEAST, _LEFT_MOST = 44, 104
_MAP_LEAST, _PATH_LEAST, _DETAIL_LEAST, _STRIP_LEAST = 7, 7, 6, 3


class Zoom(Enum):
    """How much of the screen the focused part takes."""

    NORMAL = "normal"
    HALF = "half"
    FULL = "full"

    def next(self) -> Zoom:
        """The next larger one; after the largest, the smallest."""
        sizes = list(Zoom)
        return sizes[(sizes.index(self) + 1) % len(sizes)]


@dataclass(frozen=True, slots=True)
class Right:
    """The heights of the parts at the right, in rows; 0: hidden."""

    map: int
    path: int
    detail: int
    strip: int


_ROOMY_FROM = 180
"""From so many columns on the right needs less of them, and tables have whole names."""


def is_wide(width: int, height: int) -> bool:
    """Whether all panes are shown at once."""
    return width >= WIDE_FROM[0] and height >= WIDE_FROM[1]


def left_width(width: int, zoom: Zoom) -> int:
    """The width of the panes at the left, in cells."""
    share = 0.6 if zoom is Zoom.HALF else 0.47 if width >= _ROOMY_FROM else 0.42
    return max(0, min(width, max(_LEFT_LEAST, min(round(width * share), width - _LEFT_LEAST, _LEFT_MOST))))


def stacked(height: int, needs: Sequence[int], focused: int, zoom: Zoom = Zoom.NORMAL) -> list[int]:
    """The heights of panes that share ``height`` rows, frames included.

    ``needs`` are the rows that each could fill inside its frame; ``focused`` is the index of the one that grows. Each keeps two
    rows inside its frame (one, half as large panes; fewer, where there is no room for that). What is left goes to the
    focused one, as far as it needs it, then evenly to the others, and what nobody needs to the focused one.
    """
    count = len(needs)
    if not count:
        return []
    least = _FRAME + (1 if zoom is Zoom.HALF else _LEAST_ROWS)
    least = max(0, min(least, height // count))
    heights = [least] * count
    spare = max(0, height - least * count)
    if zoom is Zoom.HALF:
        heights[focused] += spare
        return heights
    more = max(0, min(spare, needs[focused] + _FRAME - heights[focused]))
    heights[focused] += more
    spare -= more
    wanting = [index for index in range(count) if needs[index] + _FRAME > heights[index]]
    while spare and wanting:
        index = wanting.pop(0)
        heights[index] += 1
        spare -= 1
        if needs[index] + _FRAME > heights[index]:
            wanting.append(index)
    heights[focused] += spare
    return heights


def right_of(height: int, events: int, *, mapped: bool, path: int) -> Right:
    """The heights of map, path, detail and strip, which share ``height`` rows, frames included.

    ``events`` is the number of lines in the strip; ``mapped`` says whether there is a map; ``path`` is the height that the path
    needs inside its frame (0: there is none).
    """
    height = max(0, height)
    strip = min(max(_STRIP_LEAST, events + 1), max(_STRIP_LEAST, height // 6), height)
    rest = height - strip
    if not mapped:
        return Right(0, 0, rest, strip)
    along = min(max(_PATH_LEAST, path + _FRAME), max(0, rest - _MAP_LEAST - _DETAIL_LEAST)) if path else 0
    if along < _PATH_LEAST:
        along = 0
    rest -= along
    chart = min(rest, max(_MAP_LEAST, min(rest - _DETAIL_LEAST, round(rest * 0.55))))
    return Right(chart, along, rest - chart, strip)


def below(height: int, need: int) -> tuple[int, int]:
    """The heights of one table and of its detail below it, where only one pane is shown. The table needs ``need`` rows."""
    height = max(0, height)
    table = min(height, max(5, min(need, height - height * 2 // 5)))
    return table, height - table
