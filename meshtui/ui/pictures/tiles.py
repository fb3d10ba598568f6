"""Tiles: a few things to be done, each a box with its state, in as many columns as fit. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from rich.cells import cell_len

from meshtui.ui.columns import shorten
from meshtui.ui.document import BAD, DIM, OK, PLAIN, STRONG, WARN, Document, Section, line
from meshtui.ui.links import Link
from meshtui.ui.pictures.canvas import Canvas, Picture
from meshtui.ui.text import clean
from meshtui.ui.wrap import wrapped

_LEAST, _EASY = 22, 26
"""The narrowest tile, and the narrowest in a row of all."""
_LINES = 4
"""The most lines of a title."""


class State(Enum):
    """The state of a tile. The value is the word in it."""

    WAITING = "waiting"
    RUNNING = "running"
    PASS = "pass"
    FAIL = "FAIL"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class Tile:
    """One tile. ``id`` is its item's; ``name`` is a word, ``title`` the whole requirement."""

    id: str
    name: str
    title: str
    state: State = State.WAITING
    link: Link | None = None


MARKS: Mapping[State, tuple[str, str]] = {
    State.WAITING: ("·", DIM),
    State.RUNNING: ("…", WARN),
    State.PASS: ("✓", OK),
    State.FAIL: ("✗", BAD),
    State.SKIP: ("–", WARN),
}
"""Glyph and tone of a state."""


def columns_of(count: int, width: int) -> int:
    """How many tiles stand side by side: all, if they are wide enough; else so many that the rows are equally long."""
    if count * (_EASY + 1) - 1 <= width:
        return max(1, count)
    fitting = max(1, (width + 1) // (_LEAST + 1))
    if count > 3:
        fitting = min(fitting, 3 if width >= 100 else 2)
    even = [number for number in range(1, fitting + 1) if count % number == 0]
    return max(even) if even and max(even) * 2 > fitting else max(1, min(fitting, count))


def draw_tiles(tiles: Sequence[Tile], width: int, height: int) -> Picture:
    """The tiles in ``width`` cells. Each has number, name, state and title; with too few rows, one row and no box."""
    if not tiles or width < 1:
        return Canvas(max(0, width), max(0, min(height, 1))).picture()
    across = columns_of(len(tiles), width)
    down = -(-len(tiles) // across)
    sizes = [(width - (across - 1)) // across] * across
    for index in range((width - (across - 1)) % across):
        sizes[index] += 1
    inner = max(1, min(sizes) - 4)
    lines = min(_LINES, max(len(wrapped(clean(tile.title), inner)) for tile in tiles))
    lines = min(lines, height // down - 3)
    if lines < 1 or min(sizes) < 16:
        return _as_list(tiles, width)
    canvas = Canvas(width, down * (lines + 3))
    for index, tile in enumerate(tiles):
        row, column = divmod(index, across)
        _draw(canvas, tile, index + 1, (sum(sizes[:column]) + column, row * (lines + 3), sizes[column], lines))
    return canvas.picture()


def _draw(canvas: Canvas, tile: Tile, number: int, place: tuple[int, int, int, int]) -> None:
    x, y, width, lines = place
    glyph, tone = MARKS[tile.state]
    over = tile.state in {State.PASS, State.FAIL, State.SKIP}
    canvas.box(x, y, width, lines + 3, tone if over or tile.state is State.RUNNING else DIM, heavy=tile.state is State.FAIL)
    canvas.put(x + 2, y + 1, glyph, tone)
    state = tile.state.value
    room = width - 7 - cell_len(state)
    canvas.put(x + 4, y + 1, shorten(f"{number} {clean(tile.name)}", room), STRONG if tile.state is not State.WAITING else DIM)
    canvas.put(x + width - 2 - cell_len(state), y + 1, state, tone)
    words = wrapped(clean(tile.title), width - 4)
    shown = words[:lines]
    if len(words) > lines:
        shown[-1] = shorten(f"{shown[-1]} {words[lines].strip()} …", width - 4)
    text = DIM if tile.state is State.WAITING else PLAIN
    for row, part in enumerate(shown, y + 2):
        canvas.put(x + 2, row, part, text)
    canvas.item(tile.id, x, y, width, lines + 3, tile.link)


def _as_list(tiles: Sequence[Tile], width: int) -> Picture:
    """One row for each tile."""
    canvas = Canvas(width, len(tiles))
    for y, tile in enumerate(tiles):
        glyph, tone = MARKS[tile.state]
        canvas.put(0, y, glyph, tone)
        text = f"{y + 1} {clean(tile.name)}: {clean(tile.title)}"
        canvas.put(2, y, text if cell_len(text) <= width - 2 else shorten(text, max(0, width - 2)))
        canvas.item(tile.id, 0, y, width, 1, tile.link)
    return canvas.picture()


def tiles_in_words(tiles: Sequence[Tile]) -> Document:
    """The tiles as text, one in a line."""
    rows = []
    for number, tile in enumerate(tiles, 1):
        glyph, tone = MARKS[tile.state]
        rows.append(line((f"{glyph} {tile.state.value}", tone), f"  {number} {clean(tile.name)}: {clean(tile.title)}"))
    return Document("Tiles", (Section("", tuple(rows) or (line("there is none"),)),))
