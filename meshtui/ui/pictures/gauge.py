"""A gauge: a number before and after a run, as a bar with its change in it, and in words. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

from rich.cells import cell_len

from meshtui.ui.columns import shorten
from meshtui.ui.document import BAD, DIM, OK, PLAIN, STRONG, WARN, Document, Line, Section, line
from meshtui.ui.pictures.canvas import Canvas, Picture
from meshtui.ui.text import clean

KEPT, MORE, LESS, FREE = "█", "▓", "▒", "░"
"""The cells of what was there before and still is, of what was added, of what was taken, and of what is left."""
_UNKNOWN = "?"
_ROOM = 1.25
"""A bar without a whole is so much longer than its greatest value."""


@dataclass(frozen=True, slots=True)
class Level:
    """A number before and after; None where it isn't known."""

    name: str
    before: float | None = None
    after: float | None = None

    @property
    def change(self) -> float | None:
        """The difference; None when a value isn't known."""
        return None if self.before is None or self.after is None else self.after - self.before

    def __str__(self) -> str:
        """``reserved 3 → 4``."""
        return f"{clean(self.name)} {_number(self.before)} → {_number(self.after)}"


@dataclass(frozen=True, slots=True)
class Gauge:
    """The level that a run moves, and the one of which it is a part, if there is one.

    ``verdict`` says in a few words whether it moved as it should; ``right`` is None while that isn't known.
    """

    title: str
    level: Level
    whole: Level | None = None
    verdict: str = ""
    right: bool | None = None

    @property
    def numbers(self) -> str:
        """``quantity 42 → 41, reserved 3 → 4``."""
        return ", ".join(str(each) for each in (self.whole, self.level) if each is not None)


def rows_of(gauges: Sequence[Gauge], width: int) -> int:
    """The rows that gauges need at a width."""
    del width
    return 2 * len(gauges)


def draw_gauges(gauges: Sequence[Gauge], width: int, height: int) -> Picture:
    """Two rows for each gauge: its numbers, and a bar. What the glyphs mean stands to the right of the bar if there is room."""
    canvas = Canvas(max(1, width), max(1, height, rows_of(gauges, width)))
    for number, gauge in enumerate(gauges):
        _draw(canvas, gauge, 2 * number)
    return canvas.picture()


def _draw(canvas: Canvas, gauge: Gauge, y: int) -> None:
    verdict, tone = _verdict(gauge)
    room = canvas.width - (cell_len(verdict) + 2 if verdict else 0)
    title = clean(gauge.title)
    numbers = gauge.numbers
    if cell_len(title) + 2 + cell_len(numbers) > room:
        title = shorten(title, max(0, room - 2 - cell_len(numbers)))
    x = canvas.put(0, y, title, STRONG)
    x = canvas.put(x + 2 if title else 0, y, shorten(numbers, max(0, canvas.width - x - 2)))
    if verdict and x + 2 + cell_len(verdict) <= canvas.width:
        canvas.put(x + 2, y, verdict, tone)
    elif verdict and x + 2 < canvas.width:
        canvas.put(x + 2, y, verdict[0], tone)
    if not (_is_known(gauge.level.before) or _is_known(gauge.level.after)):
        return  # a bar would say something
    means = _meaning(gauge)
    length = canvas.width - cell_len(means) - 2
    if length < 24:
        means, length = "", canvas.width
    _bar(canvas, gauge, y + 1, length)
    canvas.put(canvas.width - cell_len(means), y + 1, means, DIM)


def _bar(canvas: Canvas, gauge: Gauge, y: int, length: int) -> None:
    """From 0 to the whole, or to what is needed. A change has at least one cell."""
    known = [value for value in (gauge.level.before, gauge.level.after) if _is_known(value)]
    before, after = known[0] or 0.0, known[-1] or 0.0
    whole = _whole(gauge, before, after)
    low, high = sorted(round(length * min(1.0, max(0.0, value / whole))) for value in (before, after))
    if before != after and low == high:
        low, high = (low - 1, high) if high == length else (low, high + 1)
    x = canvas.put(0, y, KEPT * low, PLAIN)
    tone = WARN if gauge.right is False else OK
    x = canvas.put(x, y, (MORE if after > before else LESS) * (high - low), tone)
    if gauge.whole is not None:
        canvas.put(x, y, FREE * (length - high), DIM)


def _whole(gauge: Gauge, before: float, after: float) -> float:
    """The number at the right end of the bar; above 0."""
    values = [before, after] if gauge.whole is not None else [_ROOM * before, _ROOM * after]
    if gauge.whole is not None:
        values += [value for value in (gauge.whole.before, gauge.whole.after) if value is not None and _is_known(value)]
    return max(values) if max(values) > 0 else 1.0


def _meaning(gauge: Gauge) -> str:
    """What the glyphs of a bar mean."""
    less = gauge.level.change is not None and gauge.level.change < 0
    parts = (f"{KEPT} {clean(gauge.level.name)}", f"{LESS if less else MORE} change", f"{FREE} free" if gauge.whole else "")
    return "  ".join(filter(None, parts))


def _verdict(gauge: Gauge) -> tuple[str, str]:
    if not gauge.verdict:
        return "", PLAIN
    glyph, tone = {True: ("✓", OK), False: ("✗", BAD), None: ("…", WARN)}[gauge.right]
    return f"{glyph} {clean(gauge.verdict)}", tone


def _is_known(value: float | None) -> bool:
    return value is not None and isfinite(value)


def _number(value: float | None) -> str:
    """A number as it is written: 1000000, not 1e+06."""
    if value is None or not isfinite(value):
        return _UNKNOWN
    return str(int(value)) if float(value).is_integer() else f"{value:g}"


def gauge_in_words(gauge: Gauge) -> Line:
    """A gauge in a line."""
    verdict, tone = _verdict(gauge)
    return line((f"{clean(gauge.title)}: ", DIM), gauge.numbers, (f"  {verdict}" if verdict else "", tone))


def gauges_in_words(gauges: Sequence[Gauge]) -> Document:
    """Gauges as text."""
    return Document("Gauges", (Section("", tuple(map(gauge_in_words, gauges)) or (line("there is none"),)),))
