"""The path of one flow as data: its stations, where its line breaks, and what is predicted, observed and expected."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from meshtui.model.ids import ObjectRef
from meshtui.ui.document import DIM, PLAIN, Line, line
from meshtui.ui.links import Link


class State(Enum):
    """What a station does with the flow: its glyph. Only a step of the verdict, or a proof, lets a station pass."""

    PASS = "✓"
    BLOCK = "✗"
    UNKNOWN = "?"
    SKIP = "–"
    PLACE = "·"
    """A place that the flow passes, about which no step says anything."""


class Way(Enum):
    """The line that leads to a station: its characters in a row and in a column, and what stands on it."""

    LOCAL = ("─", "│", "")
    HBONE = ("═", "║", "15008")
    MUTUAL_TLS = ("═", "║", "mTLS")

    @property
    def across(self) -> str:
        """Its character in a row."""
        return self.value[0]

    @property
    def down(self) -> str:
        """Its character in a column."""
        return self.value[1]

    @property
    def label(self) -> str:
        """What stands on it: the tunnel's port, or a word."""
        return self.value[2]


@dataclass(frozen=True, slots=True)
class Station:
    """One place that a flow passes. ``id`` is unique in its path.

    ``says`` is what it does, in a few words; ``refs`` are the objects that it names, the deciding one first; ``at`` is where it
    runs, which is left out where there is no room, and ``short`` is its name where there is less. ``link`` is what its name leads
    to. ``way`` leads to it. ``is_fact``: what it says is so whether the flow gets there or not.
    """

    id: str
    name: str
    says: str = ""
    state: State = State.PLACE
    refs: tuple[ObjectRef, ...] = ()
    at: str = ""
    link: Link | None = None
    way: Way = Way.LOCAL
    short: str = ""
    is_fact: bool = False


@dataclass(frozen=True, slots=True)
class Lane:
    """What is said of the whole flow: ``name`` is predicted, observed or expected; ``note`` is how it compares with another.

    ``age`` is how long ago it was seen, as in ``12s ago``. The note has its own glyph.
    """

    name: str
    glyph: str
    word: str
    tone: str = PLAIN
    age: str = ""
    note: str = ""
    note_tone: str = PLAIN

    def line(self) -> Line:
        """The lane as a line of words."""
        age = ((f", {self.age}", DIM),) if self.age else ()
        note = (("  ", PLAIN), (self.note, self.note_tone)) if self.note else ()
        return line((f"{self.name} ", DIM), (f"{self.glyph} {self.word}", self.tone), *age, *note)


@dataclass(frozen=True, slots=True)
class PathData:
    """A flow's path. ``stop`` is the index of the station at which the line breaks, or from which on nothing is known.

    ``note`` says of what the path is the path, if not of all of the flow: ``1 of 3 pairs``. ``keys`` are pairs of a key and what
    it does next.
    """

    title: str
    stations: tuple[Station, ...]
    stop: int | None = None
    lanes: tuple[Lane, ...] = ()
    note: str = ""
    keys: tuple[tuple[str, str], ...] = field(default=())

    def is_behind(self, index: int) -> bool:
        """Whether a station stands behind the one at which the line breaks."""
        return self.stop is not None and index > self.stop

    @property
    def breaks(self) -> bool:
        """Whether the line breaks at ``stop``; if not, nothing is known from there on."""
        return self.stop is not None and self.stations[self.stop].state is State.BLOCK


def said(data: PathData, index: int) -> str:
    """What a station says: behind the break, what it would do."""
    station = data.stations[index]
    if not data.is_behind(index):
        return station.says
    if station.state in _WOULD and not station.is_fact:
        return _WOULD[station.state]
    return station.says or ("not reached" if data.breaks else "not known")


_WOULD = {State.PASS: "would pass", State.BLOCK: "would block"}


def ref_id(station: Station, ref: ObjectRef) -> str:
    """The id of the item that an object is at a station."""
    return f"{station.id} {ref}"
