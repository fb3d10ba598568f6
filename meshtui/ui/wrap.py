"""Where a line of text breaks: at spaces, and inside a word only if it doesn't fit on a line of its own. Pure functions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

from rich.cells import cell_len

_HANG = 2
"""How much further than its beginning a line goes on."""
_INFORMATION = "i"
"""The mark of a finding that is only information, the one glyph that is a letter."""
_WORD = re.compile(r"\S+")
_COLUMN = re.compile(r"\S(?P<gap>\s{2,})\S")
_BREAKS = (re.compile(r"[^/.:]*[/.:]+|[^/.:]+"), _WORD, re.compile(r"[^,=_-]*[,=_-]+|[^,=_-]+"))
"""The parts of a word that doesn't fit on a line; each next one, of a part that doesn't fit either."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One line on the screen: a range of the text, after ``indent`` spaces."""

    start: int
    end: int
    indent: int = 0


@lru_cache(maxsize=16_384)
def wrap(text: str, width: int) -> tuple[Piece, ...]:
    """The lines of a text that has none itself, each of at most ``width`` cells.

    Only spaces between the lines are left out. What goes on is indented: under the second column of a line with columns
    (``name  value``), under the words after a glyph, else a little. A glyph stays with the word that follows it.
    """
    if width < 1 or cell_len(text) <= width:
        return (Piece(0, len(text)),)
    stripped = text.lstrip()
    if not stripped:
        return (Piece(0, 0),)
    units = [(*unit, cell_len(text[slice(*unit)])) for unit in _units(text)]
    start = cell_len(text) - cell_len(stripped)
    start, hang = _indents(text, start, width, max((size for _, _, size in units if size <= width), default=0))
    pieces: list[Piece] = []
    ascii_only = text.isascii()
    indent, at, end = start, -1, -1
    for first, last in _parts(text, units, width - max(start, hang)):
        if at < 0:
            at, end = first, last
        elif (last - at if ascii_only else cell_len(text[at:last])) <= width - indent:
            end = last
        else:
            pieces.append(Piece(at, end, indent))
            indent, at, end = hang, first, last
    return (*pieces, Piece(at, end, indent))


def wrapped(text: str, width: int) -> list[str]:
    """The lines of a text as texts."""
    return [" " * piece.indent + text[piece.start : piece.end] for piece in wrap(text, width)]


def _indents(text: str, start: int, width: int, widest: int) -> tuple[int, int]:
    """How far the first line and the others are indented, so that the widest word fits on a line of its own."""
    most = min(width // 2, width - widest)
    first, *others = (match.span() for match in islice(_WORD.finditer(text), 2))
    column = _COLUMN.search(text)
    hang = start + _HANG
    ends = [column.end() - 1] if column is not None else []
    ends += [others[0][0]] if others and _is_glyph(text[slice(*first)]) else []
    for end in reversed(ends):  # the second column, if both are there
        place = cell_len(text[:end])
        hang = place if place <= most else hang
    return min(start, most), min(hang, most)


def _parts(text: str, units: Iterable[tuple[int, int, int]], width: int) -> Iterator[tuple[int, int]]:
    """The ranges of a text that aren't broken: words, and parts of words that are wider than a line."""
    for start, end, size in units:
        yield from _broken(text, start, end, width, 0) if size > width else [(start, end)]


def _units(text: str) -> Iterator[tuple[int, int]]:
    """The words, each with the glyphs before it; the last one also with a glyph behind it."""
    units: list[tuple[int, int]] = []
    glyphs = -1
    for match in _WORD.finditer(text):
        start = match.start() if glyphs < 0 else glyphs
        if _is_glyph(match.group()):
            glyphs = start
        else:
            units.append((start, match.end()))
            glyphs = -1
    if glyphs >= 0:
        end = len(text.rstrip())
        units[-1:] = [(units[-1][0], end)] if units else [(glyphs, end)]
    return iter(units)


def _is_glyph(word: str) -> bool:
    return len(word) == 1 and (not word.isalnum() or word == _INFORMATION)


def _broken(text: str, start: int, end: int, width: int, way: int) -> Iterator[tuple[int, int]]:
    """The parts of a range that is wider than a line."""
    if way == len(_BREAKS):
        yield from _hard(text, start, end, width)
        return
    for match in _BREAKS[way].finditer(text, start, end):
        first, last = match.start(), match.start() + len(match.group().rstrip())
        if cell_len(text[first:last]) > width:
            yield from _broken(text, first, last, width, way + 1)
        elif last > first:
            yield first, last


def _hard(text: str, start: int, end: int, width: int) -> Iterator[tuple[int, int]]:
    """Parts of as many characters as a line holds."""
    at, cells = start, 0
    for place in range(start, end):
        size = cell_len(text[place])
        if cells + size > width and place > at:
            yield at, place
            at, cells = place, 0
        cells += size
    if at < end:
        yield at, end
