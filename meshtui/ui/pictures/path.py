"""One flow as the stations that it passes: in a row, in a column or in a chain, with the lanes of what is said of it."""

from __future__ import annotations

from meshtui.ui.document import BAD, STRONG, WARN, Document, Line, Section, line
from meshtui.ui.pictures.canvas import Picture
from meshtui.ui.pictures.path_column import column
from meshtui.ui.pictures.path_data import Lane, PathData, State, Station, Way, ref_id, said
from meshtui.ui.pictures.path_row import Row
from meshtui.ui.pictures.path_words import NAME, SHORT, WHOLE, Words

__all__ = ["WIDE", "Lane", "PathData", "State", "Station", "Way", "draw_path", "path_in_words", "ref_id", "said"]


WIDE = 100
"""From this width on, the stations stand in a row if they fit."""


_FORMS = ((WHOLE, 0), (WHOLE, 1), (NAME, 1), (WHOLE, 2), (NAME, 2), (SHORT, 1), (SHORT, 2))
"""The forms of the names of stations and objects that are tried for a row, the most telling first."""


def draw_path(data: PathData, width: int, height: int) -> Picture:
    """The path in a row if it is wide enough and everything fits, else in a column; higher than ``height`` only if need be."""
    if width < 1 or not data.stations:
        return Picture(max(0, width), 0)
    stations = [Words(data, index) for index in range(len(data.stations))]
    if width >= WIDE:
        for name, form in _FORMS:
            row = Row(data, stations, name, form)
            if row.width <= width:
                return row.draw(width, height)
    return column(data, stations, width, height)


def path_in_words(data: PathData) -> Document:
    """The path as a document: a line for each station, then the lanes."""
    sections = [Section("", (line((data.note, WARN)),))] if data.note else []
    sections.append(Section("Path", tuple(_in_words(data, index) for index in range(len(data.stations)))))
    if data.lanes:
        sections.append(Section("", tuple(lane.line() for lane in data.lanes)))
    if data.keys:
        sections.append(Section("", tuple(line((f"{key} ", STRONG), words) for key, words in data.keys)))
    return Document(data.title, tuple(sections))


def _in_words(data: PathData, index: int) -> Line:
    words, station = Words(data, index), data.stations[index]
    says, behind = words.says, data.is_behind(index)
    if behind and says != station.says and station.says:
        says = f"{says}, {station.says}"
    way = f"over {station.way.label}" if station.way.label and not behind else ""
    told = "  ".join(text for text in (way, says, ", ".join(words.refs(0))) if text)
    stop = (("  the line breaks here", BAD) if data.breaks else ("  nothing is known from here on", WARN),)
    shown = line((f"{words.glyph} ", words.tone), (words.full, words.name_tone), f"  {told}" if told else "")
    return (*shown, *line(*stop)) if index == data.stop else shown
