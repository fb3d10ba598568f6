"""The wide form of a map: callers at the left, the centre in the middle, callees at the right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len

from meshtui.ui.columns import level
from meshtui.ui.document import DIM
from meshtui.ui.pictures.canvas import Canvas, widest
from meshtui.ui.pictures.map_data import MapData
from meshtui.ui.pictures.map_labels import Labels, labels_of, policy_width, write_label, write_policy
from meshtui.ui.pictures.map_lines import DOWN, LEFT, RIGHT, UP, across, joint, trunk
from meshtui.ui.pictures.map_parts import (
    CENTRE,
    LEAST_NAME,
    Items,
    box,
    centre_name,
    edge_item,
    facts_of,
    headings,
    middled,
    name_item,
    name_width,
    short_name,
    tops,
)
from meshtui.ui.pictures.map_rows import Row, shown_name

_LEFT, _LEFT_TIGHT = 11, 7
"""Cells of a left side besides name and label, and at least where names don't fit: lines, the trunk, the arrow."""
_RIGHT, _RIGHT_TIGHT = 12, 7
"""The same of a right side."""
_EMPTY = 12
"""Cells of a side with nobody on it, for the words that say so."""
_STEPS = (7, 6, 5, 4, 3, 2, 1)
_BOX = 4
"""Cells of the box besides its name."""
_BELOW = 3
"""Rows of the centre below the row of its name."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """Where things are: the widths of names and policies of both sides, the box, and the lines' parts."""

    left_name: int
    right_name: int
    left_policy: int
    right_policy: int
    centre: int
    x: int
    """The left edge of the centre."""
    step: int
    """The rows of a neighbour with one edge."""
    below: bool
    """Whether policies stand below the labels."""

    def tops(self, rows: Sequence[Row]) -> list[int]:
        """The place of each row below the first one."""
        return tops(rows, self.step, 2 if self.below else 1)

    def height(self, rows: Sequence[Row]) -> int:
        """The rows that a side takes."""
        return _height(rows, self.step, below=self.below)


class Beside:
    """A map of this form. ``fits`` says whether nothing is shortened, ``possible`` whether it can be drawn at all."""

    def __init__(self, data: MapData, left: Sequence[Row], right: Sequence[Row], width: int, height: int, top: int) -> None:
        self._data, self._left, self._right = data, left, right
        self._width, self._height, self._top = width, height, top
        self._centre = max(cell_len(shown_name(data.name)) + _BOX, widest(facts_of(data)))
        names = (name_width(left), name_width(right), self._centre)
        easy = (_LEFT if left else 0) + (_RIGHT if right else 0)
        tight = (_LEFT_TIGHT if left else 0) + (_RIGHT_TIGHT if right else 0)
        least = sum(min(LEAST_NAME + more, each) for more, each in zip((0, 0, _BOX), names, strict=True))
        self._labels = _labels(left, right, width - least - tight)
        labels = (self._labels[0].plain if left else _EMPTY) + (self._labels[1].plain if right else _EMPTY)
        self._tight = sum(names) + labels + easy > width
        self._pads = (_LEFT_TIGHT, _RIGHT_TIGHT) if self._tight else (_LEFT, _RIGHT)
        fixed = labels + tight
        self._names, self._fixed = names, labels + (tight if self._tight else easy)
        self.fits = sum(names) + fixed <= width and self._labels == (labels_of(left), labels_of(right))
        self.possible = least + fixed <= width

    def draw(self, note: int) -> Canvas:
        """Draw it. ``note``: how many rows to leave at the bottom."""
        plan = self._plan()
        area = self._height - self._top
        heights = plan.height(self._left), plan.height(self._right)
        whole = max(area, *heights, _BELOW + 2)
        canvas = Canvas(self._width, self._top + whole + note)
        middle = self._top + max(1, min(area // 2, whole - 1 - _BELOW))
        items = Items()
        self._draw_centre(canvas, items, plan, middle)
        starts = [min(max(self._top, middle - height // 2), self._top + whole - height) for height in heights]
        self._draw_left(canvas, items, plan, middle, [starts[0] + each for each in plan.tops(self._left)])
        self._draw_right(canvas, items, plan, middle, [starts[1] + each for each in plan.tops(self._right)])
        if self._top:
            self._draw_headings(canvas, plan, max(0, min(*starts, middle - 1) - 2))
        items.put_on(canvas)
        return canvas

    def _plan(self) -> _Plan:
        """Names get what they need, or lose most where they are longest; then come policies; what is left makes lines longer."""
        room, (left, right, centre) = self._width - self._fixed, self._names
        name = cell_len(shown_name(self._data.name)) + _BOX
        if min(left, LEAST_NAME) + min(right, LEAST_NAME) + name <= room:  # the name in the middle is cut last
            left, right = level((left, right), LEAST_NAME, room - name)
            centre = min(centre, room - left - right)
        else:
            left, right, centre = level(self._names, min(LEAST_NAME, self._width), room)
        spare = max(0, self._width - self._fixed - left - right - centre)
        policies, below = self._policies(spare)
        sizes = [labels.width(policy) for labels, policy in zip(self._labels, policies, strict=True)]
        before = left + sizes[0] + self._pads[0] if self._left else _EMPTY
        after = right + sizes[1] + self._pads[1] if self._right else _EMPTY
        x = max(before, min((self._width - centre) // 2, self._width - after - centre))
        return _Plan(left, right, policies[0], policies[1], centre, x, self._step(below=below), below)

    def _policies(self, spare: int) -> tuple[list[int], bool]:
        """The widths of both sides' policies beside the rest of their labels, and whether they stand below it instead.

        Where there is room neither beside nor below for all, callees' come first: they say what stops the centre.
        """
        if sum(each.width(each.policy) - each.plain for each in self._labels) > spare and self._step(below=True) > 1:
            return [0, 0], True
        right = policy_width(self._labels[1], spare)
        left = policy_width(self._labels[0], spare - (right + 1 if right else 0))
        return [left, right], False

    def _step(self, *, below: bool) -> int:
        """How far neighbours are apart: as far as there is room."""
        area = self._height - self._top
        sides = (self._left, self._right)
        return next((step for step in _STEPS if all(_height(rows, step, below=below) <= area for rows in sides)), 1)

    def _draw_centre(self, canvas: Canvas, items: Items, plan: _Plan, middle: int) -> None:
        name = centre_name(self._data, plan.centre - _BOX)
        width = cell_len(name) + _BOX
        x = plan.x + (plan.centre - width) // 2
        box(canvas, x, middle - 1, width, [name])
        items.add(CENTRE, x, middle - 1, width, 3, self._data.ref)
        for number, text in enumerate(facts_of(self._data)):
            middled(canvas, plan.x, middle + 2 + number, plan.centre, text)
        if not self._left:
            canvas.put(max(0, x - 12), middle, "no callers", DIM)
        if not self._right:
            canvas.put(x + width + 2, middle, "no callees", DIM)

    def _draw_headings(self, canvas: Canvas, plan: _Plan, y: int) -> None:
        left, right = headings(self._data)
        if self._left:
            canvas.put(0, y, left, DIM)
        if self._right:
            canvas.put(self._width - max(plan.right_name, len(right)), y, right, DIM)

    def _draw_left(self, canvas: Canvas, items: Items, plan: _Plan, middle: int, places: Sequence[int]) -> None:
        """Names, lines, labels, and the trunk with its arrow into the box."""
        rows, labels = self._left, self._labels[0]
        if not rows:
            return
        spare = plan.x - plan.left_name - labels.width(plan.left_policy) - self._pads[0]
        at = plan.left_name + (3 if self._tight else 5) + (0 if plan.below else spare // 2)
        stem = plan.x - (3 if self._tight else 4) - spare // 4
        meet = at - (3 if at - plan.left_name > 4 else 2)
        below = (max(0, min(at + 2, stem - 2 - labels.policy)), stem - 2) if plan.below else None
        column = _Column(at, labels, plan.left_policy, below, (at - 1, stem - 2))
        for row, y in zip(rows, places, strict=True):
            if row.first:
                end = canvas.put(0, y, short_name(row.name, plan.left_name), row.tone)
                name_item(items, row, 0, y, end)
                if row.header:
                    continue
                across(canvas, end + 1, at - 1, y, row)
            if not (row.first and row.last):
                across(canvas, meet + 1, at - 1, y, row)
                canvas.put(meet, y, _branch(row, LEFT | RIGHT, RIGHT), DIM)
            end = column.write(canvas, items, row, y)
            if plan.below and not row.last:
                canvas.put(meet, y + 1, "│", DIM)
            across(canvas, end, stem, y, row)
        joined = [y for row, y in zip(rows, places, strict=True) if row.joined]
        trunk(canvas, stem, joined, LEFT, middle, RIGHT)
        end = self._box(plan)[0] - 1
        open_ = any(row.flows for row in rows if row.joined)
        canvas.put(stem + 1, middle, ("─" if open_ else "╌") * (end - stem - 2) + ("▶" if open_ else "╌"), DIM)

    def _draw_right(self, canvas: Canvas, items: Items, plan: _Plan, middle: int, places: Sequence[int]) -> None:
        """The trunk out of the box, lines, labels, arrows, names."""
        rows, labels = self._right, self._labels[1]
        if not rows:
            return
        edge = plan.x + plan.centre
        spare = self._width - edge - plan.right_name - labels.width(plan.right_policy) - self._pads[1]
        stem = edge + (2 if self._tight else 3) + spare // 4
        at = stem + (2 if self._tight else 3) + (0 if plan.below else spare // 4)
        name_x = self._width - plan.right_name
        meet = name_x - (4 if name_x - at - labels.width(plan.right_policy) > 4 else 2)
        below = (max(stem + 2, min(at + 2, self._width - labels.policy)), self._width) if plan.below else None
        column = _Column(at, labels, plan.right_policy, below, (stem + 2, meet - 1))
        reached = {row.name_id for row in rows if row.flows}
        for row, y in zip(rows, places, strict=True):
            if row.first:
                end = canvas.put(name_x, y, short_name(row.name, plan.right_name), row.tone)
                name_item(items, row, name_x, y, end - name_x)
                if row.header:
                    continue
            across(canvas, stem + 1, at - 1, y, row)
            end = column.write(canvas, items, row, y)
            if plan.below and not row.last:
                canvas.put(meet, y + 1, "│", DIM)
            if row.first and row.last:
                across(canvas, end, name_x - 1, y, row)
            else:
                across(canvas, end, meet, y, row)
                canvas.put(meet, y, _branch(row, LEFT | RIGHT, LEFT), DIM)
                if row.first:
                    across(canvas, meet + 1, name_x - 1, y, row)
            if row.first and row.name_id in reached and (row.last or meet < name_x - 2):
                canvas.put(name_x - 2, y, "▶", DIM)
        joined = [y for row, y in zip(rows, places, strict=True) if row.joined]
        trunk(canvas, stem, joined, RIGHT, middle, LEFT)
        start = self._box(plan)[1] + 1
        canvas.put(start, middle, "─" * (stem - start), DIM)

    def _box(self, plan: _Plan) -> tuple[int, int]:
        """The first cell of the box, and the cell after it."""
        width = cell_len(centre_name(self._data, plan.centre - _BOX)) + _BOX
        x = plan.x + (plan.centre - width) // 2
        return x, x + width


@dataclass(frozen=True, slots=True)
class _Column:
    """The labels of a side: where they begin, their columns and policies' width, and where policies stand if that is below them.

    Below the labels of a neighbour with several edges is less room: from the label on, or up to where its edges meet.
    """

    x: int
    labels: Labels
    policy: int
    below: tuple[int, int] | None
    of_several: tuple[int, int]

    def write(self, canvas: Canvas, items: Items, row: Row, y: int) -> int:
        """Write a row's label. Returns where its line goes on: beside the label, or at once if there is none."""
        end = write_label(canvas, self.x, y, row, self.labels, self.policy)
        if end == self.x:
            return self.x - 1
        if self.below is not None:
            start, stop = self.below
            if not (row.first and row.last):
                first, stop = self.of_several
                start = max(first, min(start, stop - self.labels.policy))
            write_policy(canvas, start, stop, y + 1, row)
        edge_item(items, row, self.x, y, end)
        return end + 1


def _labels(left: Sequence[Row], right: Sequence[Row], room: int) -> tuple[Labels, Labels]:
    """The labels of both sides. Where they don't fit into ``room`` cells, the wider ones lose what matters least."""
    found = labels_of(left), labels_of(right)
    needed = [each.plain if rows else _EMPTY for each, rows in zip(found, (left, right), strict=True)]
    if sum(needed) <= room:
        return found
    shares = level((needed[0], needed[1]), 1, max(2, room))
    return labels_of(left, shares[0]), labels_of(right, shares[1])


def _branch(row: Row, first: int, further: int) -> str:
    """Where the edges of one neighbour meet."""
    if row.first:
        return joint(first | DOWN)
    return joint(further | UP | (0 if row.last else DOWN))


def _height(rows: Sequence[Row], step: int, *, below: bool) -> int:
    return tops(rows, step, 2 if below else 1)[-1] + (2 if below else 1) if rows else 0
