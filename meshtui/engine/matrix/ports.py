"""Maps from ports to port decisions, and sets of port ranges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from meshtui.engine.decision.ruling import NOTHING_SAID, PortDecision

FIRST_PORT, LAST_PORT = 1, 65535
Range = tuple[int, int]
"""First and last port, both inclusive."""
ALL_PORTS: tuple[Range, ...] = ((FIRST_PORT, LAST_PORT),)


@dataclass(frozen=True, slots=True)
class PortMap:
    """A port decision for every port: (last port, port decision) in order, from 1 to 65535. Neighbours differ."""

    pieces: tuple[tuple[int, PortDecision], ...] = ((LAST_PORT, NOTHING_SAID),)
    _hash: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Compute the hash once, as port decisions do."""
        object.__setattr__(self, "_hash", hash(self.pieces))

    def __hash__(self) -> int:
        """Equal maps have equal hashes."""
        return self._hash

    def at(self, port: int) -> PortDecision:
        """The port decision of a port."""
        return next(port_decision for last, port_decision in self.pieces if port <= last)

    def then(self, later: PortMap) -> PortMap:
        """The map of these layers followed by later ones, port by port."""
        if later is SILENT:
            return self
        if self is SILENT:
            return later
        if self.blocks_all:
            return self
        return self._merged(later)

    def _merged(self, later: PortMap) -> PortMap:
        ends = sorted({last for last, _ in (*self.pieces, *later.pieces)})
        pieces: list[tuple[int, PortDecision]] = []
        for last in ends:
            _append(pieces, last, self.at(last).then(later.at(last)))
        return PortMap(tuple(pieces))

    @property
    def blocks_all(self) -> bool:
        """Whether every port is blocked, so that later layers change nothing."""
        return all(port_decision.block is not None for _, port_decision in self.pieces)


SILENT = PortMap()


def everywhere(port_decision: PortDecision) -> PortMap:
    """The same port decision on all ports."""
    return SILENT if port_decision is NOTHING_SAID else PortMap(((LAST_PORT, port_decision),))


def _append(pieces: list[tuple[int, PortDecision]], last: int, port_decision: PortDecision) -> None:
    if pieces and pieces[-1][1] == port_decision:
        pieces[-1] = (last, port_decision)
    else:
        pieces.append((last, port_decision))


class PortPainter:
    """Assigns port decisions to ports, from the first rule to the last; an assigned port keeps its decision."""

    def __init__(self) -> None:
        self._blank: list[Range] = [(FIRST_PORT, LAST_PORT)]
        self._painted: list[tuple[int, int, PortDecision]] = []

    def take(self, ranges: Sequence[Range]) -> list[Range]:
        """Remove ranges from the unassigned ports. Returns the ports that were removed."""
        if ranges is ALL_PORTS:
            taken, self._blank = self._blank, []
            return taken
        taken = intersect(self._blank, ranges)
        if taken:
            self._blank = subtract(self._blank, ranges)
        return taken

    def paint(self, ranges: Sequence[Range], port_decision: PortDecision) -> None:
        """Assign a port decision to the unassigned ports of the ranges."""
        self._painted += [(first, last, port_decision) for first, last in self.take(ranges)]

    def give_back(self, ranges: Sequence[Range]) -> None:
        """Make ranges that were taken unassigned again."""
        self._blank = sorted([*self._blank, *ranges])

    def finish(self, rest: PortDecision = NOTHING_SAID) -> PortMap:
        """The resulting map; ``rest`` is assigned to the ports that are still unassigned."""
        self.paint(ALL_PORTS, rest)
        pieces: list[tuple[int, PortDecision]] = []
        for _, last, port_decision in sorted(self._painted, key=lambda piece: piece[0]):
            _append(pieces, last, port_decision)
        return SILENT if pieces == [(LAST_PORT, NOTHING_SAID)] else PortMap(tuple(pieces))


def intersect(left: Sequence[Range], right: Sequence[Range]) -> list[Range]:
    """The intersection of two sets of ranges."""
    return sorted((max(a, c), min(b, d)) for a, b in left for c, d in right if max(a, c) <= min(b, d))


def subtract(left: Sequence[Range], right: Sequence[Range]) -> list[Range]:
    """The ranges in ``left`` that aren't in ``right``."""
    rest = list(left)
    for c, d in right:
        pieces: list[Range] = []
        for a, b in rest:
            if d < a or b < c:
                pieces.append((a, b))
                continue
            if a < c:
                pieces.append((a, c - 1))
            if d < b:
                pieces.append((d + 1, b))
        rest = pieces
    return rest


def union(left: Sequence[Range], right: Sequence[Range]) -> list[Range]:
    """The union of two sets of ranges, merged."""
    merged: list[Range] = []
    for first, last in sorted([*left, *right]):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], last))
        else:
            merged.append((first, last))
    return merged


def only(port: int) -> tuple[Range, ...]:
    """One port as a set of ranges; empty when the number isn't a valid port."""
    return ((port, port),) if FIRST_PORT <= port <= LAST_PORT else ()
