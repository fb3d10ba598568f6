"""What stands on the edges of a map: glyph, port, denials, mark of a probe, further edges, deciding policy, in columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len

from meshtui.model.ids import ObjectRef
from meshtui.ui.columns import shorten
from meshtui.ui.document import BAD, DIM, PLAIN
from meshtui.ui.pictures.canvas import Canvas, widest
from meshtui.ui.pictures.map_data import Edge
from meshtui.ui.pictures.map_rows import MARKS, Row, times
from meshtui.ui.text import clean
from meshtui.ui.verdicts import VERDICTS

_LEAST_PORT, _MOST_PORT = 6, 24
"""A port's text has at most so many cells; it isn't shortened to fewer than the first number."""
_DENIED, _PROBED, _FURTHER = 2, 3, 4
"""The columns that are left out first."""
_LEAST_POLICY = 12
"""With fewer cells a policy isn't named at all."""


@dataclass(frozen=True, slots=True)
class Labels:
    """The columns of a side's labels. ``plain`` is their width without the policy, ``policy`` that of the longest policy."""

    columns: tuple[int, ...]
    counts: tuple[int, ...]
    plain: int
    policy: int

    def width(self, policy: int) -> int:
        """The width of labels whose policies have so many cells (0: they aren't named)."""
        return self.plain + (1 + policy if policy else 0)


def labels_of(rows: Sequence[Row], most: int = 0) -> Labels:
    """The columns that the labels of some rows need.

    With ``most`` cells for them, the number of further edges is left out, then the marks of probes, then how often flows are
    denied (``×`` says that they are), and then ports are shortened.
    """
    edges = [(row.edge, row.more) for row in rows if row.edge is not None]
    parts = [[text for text, _ in _parts(edge, more)] for edge, more in edges]
    columns = tuple(widest(column) for column in zip(*parts, strict=True))
    for place, least in ((_FURTHER, 0), (_PROBED, 0), (_DENIED, 1)) if columns else ():
        if most and _whole(columns) > most:
            columns = (*columns[:place], min(least, columns[place]), *columns[place + 1 :])
    over = _whole(columns) - most if most and columns else 0
    if over > 0:
        columns = (columns[0], max(_LEAST_PORT, columns[1] - over), *columns[2:])
    groups = [[text for text, _ in row.counts] for row in rows if row.counts]
    counts = tuple(widest(column) for column in zip(*groups, strict=True))
    if most and _whole(counts) > most:
        counts = (*counts[:-1], 0)  # how often flows are denied is said by the neighbours too
    return Labels(columns, counts, max(_whole(columns), _whole(counts)), widest(_policy(edge.by) for edge, _ in edges))


def policy_width(labels: Labels, room: int) -> int:
    """The cells that policies get of the ``room`` that is left over: all that they need, or some, or none."""
    given = min(labels.policy, room - 1)
    return given if given >= min(_LEAST_POLICY, labels.policy) and given > 0 else 0


def write_label(canvas: Canvas, x: int, y: int, row: Row, labels: Labels, policy: int) -> int:
    """Write the label of a row from a cell on. Returns the cell after it."""
    if row.edge is None:
        return _write_counts(canvas, x, y, row, labels)
    end = x
    for (text, tone), width in zip(_parts(row.edge, row.more), labels.columns, strict=True):
        if not width:
            continue
        if text:
            end = canvas.put(x, y, text[:1] if width == 1 else shorten(text, width), tone)
        x += width + 1
    name = shorten(_policy(row.edge.by), policy) if policy else ""
    if name:
        end = canvas.put(x, y, name, DIM)
    return end


def write_policy(canvas: Canvas, x: int, end: int, y: int, row: Row) -> None:
    """Write a row's policy into the cells from ``x`` up to ``end``."""
    if row.edge is not None:
        canvas.put(x, y, shorten(_policy(row.edge.by), end - x), DIM)


def _parts(edge: Edge, more: int) -> tuple[tuple[str, str], ...]:
    """The texts of a label without its policy, each with its tone; empty ones too."""
    glyph, tone = VERDICTS[edge.decision]
    return (
        (glyph[0], tone),
        (shorten(clean(edge.port).strip() or "any", _MOST_PORT), PLAIN),
        (times(edge.denied), BAD),
        MARKS[edge.probed],
        (f"+{more}" if more else "", DIM),
    )


def _policy(by: ObjectRef | None) -> str:
    return clean(by.name).strip() if by is not None else ""


def _write_counts(canvas: Canvas, x: int, y: int, row: Row, labels: Labels) -> int:
    end = x
    if not row.counts:
        return end
    for (text, tone), width in zip(row.counts, labels.counts, strict=True):
        if text and width:
            end = canvas.put(x + width - cell_len(text), y, text, tone)
        x += width + 1 if width else 0
    return end


def _whole(columns: Sequence[int]) -> int:
    """The width of columns with a space between them; those that are empty have none."""
    shown = [column for column in columns if column]
    return sum(shown) + max(0, len(shown) - 1)
