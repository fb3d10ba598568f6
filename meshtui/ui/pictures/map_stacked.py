"""The narrow form of a map: callers above the centre, callees below it, and the trunk at the right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from meshtui.ui.columns import shorten
from meshtui.ui.document import DIM, STRONG
from meshtui.ui.pictures.canvas import Canvas, widest
from meshtui.ui.pictures.map_data import MapData
from meshtui.ui.pictures.map_labels import labels_of, policy_width, write_label
from meshtui.ui.pictures.map_lines import DOWN, LEFT, RIGHT, UP, across, joint, trunk
from meshtui.ui.pictures.map_parts import (
    CENTRE,
    Items,
    box,
    centre_name,
    edge_item,
    facts_of,
    headings,
    name_item,
    name_width,
    short_name,
    tops,
)
from meshtui.ui.pictures.map_rows import Row, shown_name

_FIXED = 9
"""Cells of a row besides name and label: 4 between them (an arrow, a branch), and a line and the trunk behind."""
_STEPS = (3, 2, 1)
_BOX = 4
_LEAST_NAME = 8
"""Names have at least so many cells before ports are shortened."""
_BOXED_FROM = 10
"""With fewer rows the centre has no box."""
_ARROW = 6
"""Cells at least between the box and the trunk."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """The widths of names and policies, where labels begin, the rows of both sides, and the first row of the box."""

    name: int
    policy: int
    label: int
    above: list[int]
    below: list[int]
    box: int
    first: int
    """The first row below the box."""
    headed: bool
    """Whether there are headings above both sides."""


class Stacked:
    """A map of this form. ``fits`` says whether no name is shortened and all is in ``height`` rows."""

    @staticmethod
    def between(height: int) -> int:
        """The rows that the centre needs at a height: a box with a space above and below it, or only its text."""
        return 2 if height < _BOXED_FROM else 6

    def __init__(self, data: MapData, above: Sequence[Row], below: Sequence[Row], width: int, height: int) -> None:
        self._frame = 0 if height < _BOXED_FROM else 1
        self._data, self._above, self._below = data, above, below
        self._width, self._height = width, height
        self._labels = labels_of([*above, *below], max(1, width - _FIXED - _LEAST_NAME))
        self._lines = [shown_name(data.name), *([" · ".join(facts_of(data))] if facts_of(data) else [])]
        needed = name_width([*above, *below]) + self._labels.plain + _FIXED
        tall = len(above) + len(below) + self.between(height)
        self.fits = needed <= width and widest(self._lines[:1]) + _BOX + _ARROW <= width and tall <= height

    def draw(self, note: int) -> Canvas:
        """Draw it. ``note``: how many rows to leave at the bottom."""
        plan = self._plan()
        last = plan.below[-1] if plan.below else plan.first
        canvas = Canvas(self._width, max(self._height, last + 1) + note)
        items = Items()
        end = self._draw_centre(canvas, items, plan.box)
        self._draw_side(canvas, items, plan, outgoing=False)
        self._draw_side(canvas, items, plan, outgoing=True)
        self._draw_trunks(canvas, plan, end)
        if plan.headed:
            self._draw_headings(canvas, plan)
        items.put_on(canvas)
        return canvas

    def _plan(self) -> _Plan:
        """Rows are apart where there is room; spaces around the box are left out where there is none."""
        fixed = self._labels.plain + _FIXED
        name = min(name_width([*self._above, *self._below]), max(1, self._width - fixed))
        policy = policy_width(self._labels, self._width - name - fixed)
        centre = len(self._lines) + 2 if self._frame else 2
        rows = max(1, len(self._above)) + max(1, len(self._below)) + centre
        space = 1 if rows + 2 <= self._height else 0
        steps = (step for step in _STEPS if _height(self._above, step) + _height(self._below, step) + centre + 4 <= self._height)
        step = next(steps, 1)
        headed = rows + 2 * space + 2 <= self._height
        head = 1 if headed else 0
        top = _height(self._above, step) + space + (head if self._above else 0)
        first = top + centre + space
        above = [head + each for each in tops(self._above, step)]
        below = [first + head + each for each in tops(self._below, step)]
        label = self._width - 3 - self._labels.width(policy)
        return _Plan(name, policy, label, above, below, top, first, headed)

    def _draw_centre(self, canvas: Canvas, items: Items, start: int) -> int:
        """The box. Returns the cell after it."""
        room = max(1, self._width - _BOX - _ARROW)
        lines = [centre_name(self._data, room), *(shorten(text, room) for text in self._lines[1:])]
        width = widest(lines) + _BOX
        if self._frame:
            box(canvas, 0, start, width, lines)
        else:
            for y, text in enumerate(lines, start):
                canvas.put(0, y, f"┃ {text}", STRONG)
                canvas.put(width - 1, y, "┃", STRONG)
        items.add(CENTRE, 0, start, width, len(lines) + 2 * self._frame, self._data.ref)
        return width

    def _draw_headings(self, canvas: Canvas, plan: _Plan) -> None:
        left, right = headings(self._data)
        if self._above:
            canvas.put(0, 0, left, DIM)
        if self._below:
            canvas.put(0, plan.first, right, DIM)

    def _draw_trunks(self, canvas: Canvas, plan: _Plan, end: int) -> None:
        """The callers' line into the box, and the callees' out of it."""
        into = plan.box + self._frame
        stem, out = self._width - 1, into + len(self._lines) - 1
        above = [y for row, y in zip(self._above, plan.above, strict=True) if row.joined]
        below = [y for row, y in zip(self._below, plan.below, strict=True) if row.joined]
        if above:
            whole = any(row.flows for row in self._above if row.joined)
            canvas.put(end + 1, into, ("◀" + "─" * (stem - end - 2)) if whole else "╌" * (stem - end - 1), DIM)
            trunk(canvas, stem, above, LEFT, into, LEFT)
        else:
            canvas.put(0, 0, "no callers", DIM)
        if below:
            out += 1 if out == into and above else 0
            canvas.put(end + 1, out, "─" * (stem - end - 1), DIM)
            trunk(canvas, stem, below, LEFT, out, LEFT)
        else:
            canvas.put(0, plan.first, "no callees", DIM)

    def _draw_side(self, canvas: Canvas, items: Items, plan: _Plan, *, outgoing: bool) -> None:
        """Names, lines, labels; arrows into the names of callees."""
        rows, places = (self._below, plan.below) if outgoing else (self._above, plan.above)
        stem, at = self._width - 1, plan.label
        reached = {row.name_id for row in rows if row.flows}
        for row, y in zip(rows, places, strict=True):
            if row.first:
                end = canvas.put(0, y, short_name(row.name, plan.name), row.tone)
                name_item(items, row, 0, y, end)
                if row.header:
                    continue
                across(canvas, end + 1, at - 1, y, row)
                if outgoing and row.name_id in reached:
                    canvas.put(end + 1, y, "◀", DIM)
            if not (row.first and row.last):
                further = UP | RIGHT | (0 if row.last else DOWN)
                canvas.put(at - 3, y, joint(LEFT | RIGHT | DOWN if row.first else further), DIM)
                across(canvas, at - 2, at - 1, y, row)
            end = write_label(canvas, at, y, row, self._labels, plan.policy)
            edge_item(items, row, at, y, end)
            across(canvas, end + 1 if end > at else at - 1, stem, y, row)


def _height(rows: Sequence[Row], step: int) -> int:
    """The rows that a side takes; one if it has none, for the words that say so."""
    return tops(rows, step)[-1] + 1 if rows else 1
