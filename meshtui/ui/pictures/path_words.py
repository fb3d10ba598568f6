"""The texts of a path's stations and lanes, cleaned, with their tones."""

from __future__ import annotations

from rich.cells import cell_len

from meshtui.model.ids import ObjectRef
from meshtui.ui.document import BAD, DIM, OK, PLAIN, STRONG, WARN
from meshtui.ui.links import named
from meshtui.ui.pictures.canvas import widest
from meshtui.ui.pictures.path_data import PathData, State, said
from meshtui.ui.text import clean

WHOLE, NAME, SHORT = 0, 1, 2
"""How a station is named: with where it runs, without, or in short."""


_TONES = {State.PASS: OK, State.BLOCK: BAD, State.UNKNOWN: WARN, State.SKIP: DIM, State.PLACE: DIM}


class Words:
    """The texts of a station, cleaned, with their tones."""

    def __init__(self, data: PathData, index: int) -> None:
        station = data.stations[index]
        behind = data.is_behind(index)
        self.station = station
        self.name = clean(station.name) or "–"
        self.full = f"{self.name} {clean(station.at)}" if station.at else self.name
        self.names = (self.full, self.name, clean(station.short) or self.name)
        self.says = clean(said(data, index))
        self.glyph = station.state.value
        self.tone = DIM if behind else _TONES[station.state]
        self.name_tone = DIM if behind else STRONG if station.state is State.BLOCK else PLAIN
        self.ref_tone = DIM if behind else PLAIN
        self.result = f"{self.glyph} {self.says}" if self.says or station.state is not State.PLACE else ""

    def refs(self, form: int) -> list[str]:
        """The names of its objects: with their kind, with their namespace, or alone."""
        return [clean(_named(ref, form)) or "–" for ref in self.station.refs]


def _named(ref: ObjectRef, form: int) -> str:
    """An object's name, in the form that has room: the kinds of identities and nodes are plain from where they stand."""
    short = f"sa/{ref.name}" if ref.kind == "ServiceAccount" else ref.name
    return (str(ref), short if ref.kind == "ServiceAccount" else named(ref), short)[form]


Pieces = list[tuple[str, str]]


def lanes_of(data: PathData, width: int) -> list[Pieces]:
    """The lanes and the keys: on one row if they fit, else on a row each."""
    lines: list[Pieces] = [[(clean(word.text), word.tone) for word in lane.line()] for lane in data.lanes]
    if data.keys:
        pairs = [((f"{clean(key)} ", STRONG), (f"{clean(words)}  ", PLAIN)) for key, words in data.keys]
        lines.append([piece for pair in pairs for piece in pair])
    if not lines:
        return []
    together = [piece for each in lines for piece in ((" " * 3, PLAIN), *each)][1:]
    if cell_len("".join(text for text, _ in together).rstrip()) <= width:
        return [together]
    size = widest(clean(lane.name) for lane in data.lanes)
    for lane, pieces in zip(data.lanes, lines, strict=False):
        name = clean(lane.name)
        pieces[0] = (name + " " * (size - cell_len(name) + 1), DIM)
    return lines
