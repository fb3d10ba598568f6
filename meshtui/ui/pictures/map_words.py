"""A map in words: sections of callers, selected and callees, with a line for each flow."""

from __future__ import annotations

from collections.abc import Iterable

from meshtui.ui.document import BAD, DIM, Document, Line, Section, Word, line
from meshtui.ui.links import named
from meshtui.ui.pictures.map_data import Edge, MapData, Neighbour, worst_edges, worst_first
from meshtui.ui.pictures.map_rows import shown_name
from meshtui.ui.verdicts import VERDICTS

_PROBED = {
    "agrees": "= probed: agrees",
    "disagrees": "≠ probed: DISAGREES",
    "old": "! probed: old, probe it again",
}


def map_in_words(data: MapData) -> Document:
    """All that a map shows, as text: each flow is a line, the worst first."""
    about = [shown_name(data.name), data.identity, data.mode]
    sections = [Section("", (line((", ".join(part for part in about[1:] if part), DIM)),))] if any(about[1:]) else []
    for title, neighbours, empty in (
        ("Callers", data.callers, "nobody"),
        ("Selected", data.selected, ""),
        ("Callees", data.callees, "" if data.selected else "nobody"),
    ):
        lines = tuple(_lines(neighbours))
        if lines or empty:
            sections.append(Section(title, lines or (line((empty, DIM)),)))
    if data.left_out:
        sections.append(Section("", (line((left_out_in_words(data), DIM)),)))
    return Document(f"Map {about[0]}", tuple(sections))


def left_out_in_words(data: MapData) -> str:
    """How many flows weren't evaluated."""
    return f"and {data.left_out} more flow{'s' if data.left_out != 1 else ''} that aren't evaluated here"


def _lines(neighbours: tuple[Neighbour, ...]) -> Iterable[Line]:
    for neighbour in worst_first(neighbours):
        if not neighbour.edges:
            yield line(str(neighbour.ref))
        for edge in worst_edges(neighbour):
            yield _line(edge)


def _line(edge: Edge) -> Line:
    """A flow as the command line takes it, with what is known of it."""
    word, tone = VERDICTS[edge.decision]
    words = [Word(word, tone), Word(f"  {named(edge.flow)}")]
    if edge.by is not None:
        words += [Word("  by ", DIM), Word(str(edge.by))]
    if edge.denied:
        words.append(Word(f"  ×{edge.denied} denied now", BAD))
    if edge.probed is not None:
        words.append(Word(f"  {_PROBED[edge.probed]}", DIM))
    return tuple(words)
