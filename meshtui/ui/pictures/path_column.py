"""A path in a column: a station with its objects on a row, or on a few."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len

from meshtui.ui.document import DIM, WARN
from meshtui.ui.pictures.canvas import Picture, widest
from meshtui.ui.pictures.path_chain import chain
from meshtui.ui.pictures.path_data import PathData, ref_id
from meshtui.ui.pictures.path_sheet import Sheet, put_wrapped, rail
from meshtui.ui.pictures.path_words import NAME, SHORT, WHOLE, Words, lanes_of
from meshtui.ui.text import clean

_LABELLED = 60
"""From this width on, what stands on the line beside a column stands there, too; in a narrower one it gets its own row."""


def column(data: PathData, stations: Sequence[Words], width: int, height: int) -> Picture:
    """The stations one below the other: with the lines between them if the height allows it, else beside them.

    Where not even the stations have a row each, they stand in a chain, if that fits.
    """
    if height < len(stations):
        chained = chain(data, stations, width)
        if chained is not None:
            return chained
    roomy = _in_column(data, stations, width, height, between=True)
    return roomy if roomy.height <= height else _in_column(data, stations, width, height, between=False)


def _in_column(data: PathData, stations: Sequence[Words], width: int, height: int, *, between: bool) -> Picture:
    sheet = Sheet(width)
    y = sheet.text(0, 0, clean(data.note), WARN) if data.note else 0
    beside = 0 if between or width < _LABELLED else max(len(rail(data, i, w)[0]) - 2 for i, w in enumerate(stations))
    left = 0 if between else max(0, beside) + 2
    columns = _columns(stations, left, width)
    for index, words in enumerate(stations):
        if index:
            line_, tone = rail(data, index, words)
            own = between or (width < _LABELLED and len(line_) > 1)
            sheet.text(0, y, line_ if own else line_.replace(" ", ""), tone)
            y += own
            if own and not between:
                sheet.text(0, y, line_[0], tone)
        after = _station(sheet, words, y, left, columns)
        if index + 1 < len(stations):
            behind, way = data.is_behind(index + 1), stations[index + 1].station.way
            for row in range(y + 1, after):
                sheet.text(0, row, "┆" if behind else way.down, DIM)
        y = after
    lanes = lanes_of(data, width)
    y += bool(lanes) and (between or y + len(lanes) < height)
    for pieces in lanes:
        y = put_wrapped(sheet, y, pieces)
    return sheet.picture()


@dataclass(frozen=True, slots=True)
class _Columns:
    """Where what a station says begins, and its objects; 0 for the rows below its name. How both are named.

    ``own`` is where objects begin that have no room beside what is said.
    """

    says: int
    refs: int
    own: int
    name: int
    form: int


def _columns(stations: Sequence[Words], left: int, width: int) -> _Columns:
    """Columns in which everything stands in one row if it fits; else what doesn't gets a row of its own.

    A name that has no room beside what is said takes nothing from the others.
    """
    start, said = left + 2, widest(words.says for words in stations)
    room = width - start - 2 - said
    for name in (WHOLE, NAME, SHORT):
        if any(cell_len(words.names[name]) > room and words.names[name] != words.names[SHORT] for words in stations):
            continue
        fitting = [cell_len(words.names[name]) for words in stations if cell_len(words.names[name]) <= room]
        if not fitting:
            break
        says = start + max(fitting) + 2
        refs = says + widest(words.says for words in stations if words.station.refs) + 2
        for form in (0, 1, 2) if name != SHORT else (1, 2):
            if refs + widest(", ".join(words.refs(form)) for words in stations) <= width:
                return _Columns(says, refs, says, name, form)
        if name == SHORT or refs + width // 4 <= width:
            form = 1 if start + _widest_ref(stations, 1) <= width else 2
            own = says if says + _widest_ref(stations, form) <= width else start
            return _Columns(says, refs, own, name, form)
    return _Columns(0, 0, start, SHORT, 1)


def _widest_ref(stations: Sequence[Words], form: int) -> int:
    return widest(text for words in stations for text in words.refs(form))


def _station(sheet: Sheet, words: Words, y: int, left: int, columns: _Columns) -> int:
    """One station; returns the row after it."""
    station, start, name = words.station, left + 2, words.names[columns.name]
    sheet.text(left, y, words.glyph, words.tone)
    after = sheet.text(start, y, name, words.name_tone, station.id, station.link)
    beside = y if columns.says and start + cell_len(name) + 2 <= columns.says else after
    if words.says:
        after = max(after, sheet.text(columns.says or start, beside, words.says, words.tone))
    texts = words.refs(columns.form)
    if not texts:
        return after
    if columns.refs and columns.refs + cell_len(", ".join(texts)) <= sheet.width:
        x = columns.refs
        for number, (ref, text) in enumerate(zip(station.refs, texts, strict=True)):
            x = _comma(sheet, x, beside, words.ref_tone) if number else x
            sheet.text(x, beside, text, words.ref_tone, ref_id(station, ref), ref)
            x += cell_len(text)
        return max(after, beside + 1)
    for ref, text in zip(station.refs, texts, strict=True):
        after = sheet.text(columns.own, after, text, words.ref_tone, ref_id(station, ref), ref)
    return after


def _comma(sheet: Sheet, x: int, y: int, tone: str) -> int:
    sheet.text(x, y, ",", tone)
    return x + 2
