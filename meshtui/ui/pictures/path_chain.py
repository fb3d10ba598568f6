"""A path in two or three rows: a chain of glyphs and names, and below it what the deciding station says."""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import cell_len

from meshtui.ui.document import WARN
from meshtui.ui.pictures.canvas import Picture
from meshtui.ui.pictures.path_data import PathData, State, Way, ref_id
from meshtui.ui.pictures.path_sheet import Sheet, put_wrapped, rail
from meshtui.ui.pictures.path_words import SHORT, Words, lanes_of
from meshtui.ui.text import clean


def chain(data: PathData, stations: Sequence[Words], width: int) -> Picture | None:
    """The stations one after the other, by glyph and name, and below them what the deciding one says.

    None if one of them is wider than a row.
    """
    texts = [
        words.names[SHORT] if words.station.state is State.PLACE else f"{words.glyph} {words.names[SHORT]}" for words in stations
    ]
    if max(map(cell_len, texts)) > width - 2:
        return None
    sheet, x = Sheet(width), 0
    y = sheet.text(0, 0, clean(data.note), WARN) if data.note else 0
    deciding = _deciding(data)
    for index, (words, text) in enumerate(zip(stations, texts, strict=True)):
        if index:
            line_, tone = rail(data, index, words)
            x, y = (x + 1, y) if x + 3 + cell_len(text) <= width else (0, y + 1)
            sheet.text(x, y, _ACROSS.get(line_[0], line_[0]), tone)
            x += 2
        station, place = words.station, words.station.state is State.PLACE
        ref = None if place or index == deciding else next(iter(station.refs), None)
        own, link = (station.id, station.link) if ref is None else (ref_id(station, ref), ref)
        sheet.text(x, y, text, words.name_tone if place else words.tone, own, link)
        x += cell_len(text)
    if deciding is not None:
        y = _decided(sheet, stations[deciding], y + 1)
    y = sheet.height
    for pieces in lanes_of(data, width):
        y = put_wrapped(sheet, y, pieces)
    return sheet.picture()


_ACROSS = {way.down: way.across for way in Way} | {"┆": "┄"}


def _decided(sheet: Sheet, words: Words, y: int) -> int:
    """What the deciding station says, and its object. Returns the row after it."""
    sheet.text(0, y, words.result, words.tone)
    x = cell_len(words.result) + 2
    for ref, text in zip(words.station.refs[:1], words.refs(0), strict=False):
        y, x = (y, x) if x + cell_len(text) <= sheet.width else (y + 1, 0)
        sheet.text(x, y, text, words.ref_tone, ref_id(words.station, ref), ref)
    return sheet.height


def _deciding(data: PathData) -> int | None:
    """The station at which the flow stops; else the last one that lets it through and names an object."""
    if data.stop is not None:
        return data.stop
    passing = (i for i, each in enumerate(data.stations) if each.refs and each.state is State.PASS)
    return max(passing, default=None)
