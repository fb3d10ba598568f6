"""What all-pairs judging says about one port: who blocks, who is in doubt, who allows; and maps of ports to that."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from meshtui.engine.decision.layer_result import LayerResult
from meshtui.model.verdict import CONNECTED, UNKNOWN, Decider, Decision, Layer, StepResult

FIRST_PORT, LAST_PORT = 1, 65535
Range = tuple[int, int]
"""First and last port, both inclusive."""
ALL_PORTS: tuple[Range, ...] = ((FIRST_PORT, LAST_PORT),)


@dataclass(frozen=True, slots=True)
class Ruling:
    """The layer that decides, by which object, and what a client sees."""

    layer: Layer
    decider: Decider | None = None
    outcome: str = CONNECTED
    _hash: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Hash once: the same few rulings stand in all answers."""
        object.__setattr__(self, "_hash", hash((self.layer, self.decider, self.outcome)))

    def __hash__(self) -> int:
        """Equal rulings have equal hashes."""
        return self._hash


@dataclass(frozen=True, slots=True)
class Decided:
    """A verdict without its ladder."""

    decision: Decision
    ruling: Ruling
    _hash: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Hash once."""
        object.__setattr__(self, "_hash", hash((self.decision, self.ruling)))

    def __hash__(self) -> int:
        """Equal verdicts have equal hashes."""
        return self._hash


NOBODY = Ruling(Layer.NONE)


@dataclass(frozen=True, slots=True)
class PortDecision:
    """What some layers in a row say about a port: the first that blocks, the first that doubts, the last that allows by name."""

    block: Ruling | None = None
    doubt: Ruling | None = None
    allow: Ruling | None = None
    decided: Decided = field(init=False, compare=False, repr=False)
    """The verdict: the first block decides; without one, doubt; else the last object that allows is named."""
    _hash: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Decide and hash once: port decisions are looked up far more often than made."""
        if self.block is not None:
            decided = Decided(Decision.DENY, self.block)
        elif self.doubt is not None:
            decided = Decided(Decision.UNKNOWN, self.doubt)
        else:
            decided = Decided(Decision.ALLOW, self.allow or NOBODY)
        object.__setattr__(self, "decided", decided)
        object.__setattr__(self, "_hash", hash((self.block, self.doubt, self.allow)))

    def __hash__(self) -> int:
        """Equal port decisions have equal hashes."""
        return self._hash

    def then(self, later: PortDecision) -> PortDecision:
        """The same after the later layers have spoken too. What can't decide any more is forgotten."""
        if self.block is not None or later is NOTHING_SAID:
            return self
        if later.block is not None or self is NOTHING_SAID:
            return later
        doubt = self.doubt or later.doubt
        return PortDecision(doubt=doubt) if doubt else PortDecision(allow=later.allow or self.allow)


NOTHING_SAID = PortDecision()


def port_decision_of(results: Iterable[LayerResult]) -> PortDecision:
    """What the results of an engine's layers come down to."""
    port_decision = NOTHING_SAID
    for o in results:
        if o.result is StepResult.BLOCK:
            port_decision = port_decision.then(PortDecision(block=Ruling(o.step.layer, o.decider, o.outcome)))
        elif o.result is StepResult.UNKNOWN:
            port_decision = port_decision.then(PortDecision(doubt=Ruling(o.step.layer, o.decider, UNKNOWN)))
        elif o.result is StepResult.PASS and o.decider is not None:
            port_decision = port_decision.then(PortDecision(allow=Ruling(o.step.layer, o.decider)))
    return port_decision


@dataclass(frozen=True, slots=True)
class PortMap:
    """A port decision for every port: (last port, port decision) in order, from 1 to 65535. Neighbours differ."""

    pieces: tuple[tuple[int, PortDecision], ...] = ((LAST_PORT, NOTHING_SAID),)
    _hash: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Hash once, as port decisions do."""
        object.__setattr__(self, "_hash", hash(self.pieces))

    def __hash__(self) -> int:
        """Equal maps have equal hashes."""
        return self._hash

    def at(self, port: int) -> PortDecision:
        """The port decision of a port."""
        return next(port_decision for last, port_decision in self.pieces if port <= last)

    def then(self, later: PortMap) -> PortMap:
        """Both, port by port; the later layers' port decisions come second."""
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
        """Whether every port is blocked, whatever later layers say."""
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
    """All ports, painted from the first rule to the last: what is painted stays."""

    def __init__(self) -> None:
        self._blank: list[Range] = [(FIRST_PORT, LAST_PORT)]
        self._painted: list[tuple[int, int, PortDecision]] = []

    @property
    def full(self) -> bool:
        """Whether nothing is blank."""
        return not self._blank

    def take(self, ranges: Sequence[Range]) -> list[Range]:
        """Cut ranges out of what is blank; what was blank of them."""
        if ranges is ALL_PORTS:
            taken, self._blank = self._blank, []
            return taken
        taken = intersect(self._blank, ranges)
        if taken:
            self._blank = subtract(self._blank, ranges)
        return taken

    def paint(self, ranges: Sequence[Range], port_decision: PortDecision) -> None:
        """Give what is still blank of the ranges a port decision."""
        self._painted += [(first, last, port_decision) for first, last in self.take(ranges)]

    def give_back(self, ranges: Sequence[Range]) -> None:
        """Make ranges blank again that were taken."""
        self._blank = sorted([*self._blank, *ranges])

    def finish(self, rest: PortDecision = NOTHING_SAID) -> PortMap:
        """The map, with a port decision for what is still blank."""
        self.paint(ALL_PORTS, rest)
        pieces: list[tuple[int, PortDecision]] = []
        for _, last, port_decision in sorted(self._painted, key=lambda piece: piece[0]):
            _append(pieces, last, port_decision)
        return SILENT if pieces == [(LAST_PORT, NOTHING_SAID)] else PortMap(tuple(pieces))


def intersect(left: Sequence[Range], right: Sequence[Range]) -> list[Range]:
    """What two sets of ranges share."""
    return sorted((max(a, c), min(b, d)) for a, b in left for c, d in right if max(a, c) <= min(b, d))


def subtract(left: Sequence[Range], right: Sequence[Range]) -> list[Range]:
    """What is in ``left`` and not in ``right``."""
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
    """Both sets of ranges, merged."""
    merged: list[Range] = []
    for first, last in sorted([*left, *right]):
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], last))
        else:
            merged.append((first, last))
    return merged


def only(port: int) -> tuple[Range, ...]:
    """One port as ranges; none when it is no port."""
    return ((port, port),) if FIRST_PORT <= port <= LAST_PORT else ()
