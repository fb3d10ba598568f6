"""What all-pairs judging says about one port: who blocks, who is in doubt, who allows; and maps of ports to such marks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from meshtui.engine.decision.layer_result import Opinion
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
class Mark:
    """What some layers in a row say about a port: the first that blocks, the first that doubts, the last that allows by name."""

    block: Ruling | None = None
    doubt: Ruling | None = None
    allow: Ruling | None = None
    decided: Decided = field(init=False, compare=False, repr=False)
    """The verdict: the first block decides; without one, doubt; else the last object that allows is named."""
    _hash: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Decide and hash once: marks are looked up far more often than made."""
        if self.block is not None:
            decided = Decided(Decision.DENY, self.block)
        elif self.doubt is not None:
            decided = Decided(Decision.UNKNOWN, self.doubt)
        else:
            decided = Decided(Decision.ALLOW, self.allow or NOBODY)
        object.__setattr__(self, "decided", decided)
        object.__setattr__(self, "_hash", hash((self.block, self.doubt, self.allow)))

    def __hash__(self) -> int:
        """Equal marks have equal hashes."""
        return self._hash

    def then(self, later: Mark) -> Mark:
        """The same after the later layers have spoken too. What can't decide any more is forgotten."""
        if self.block is not None or later is NOTHING_SAID:
            return self
        if later.block is not None or self is NOTHING_SAID:
            return later
        doubt = self.doubt or later.doubt
        return Mark(doubt=doubt) if doubt else Mark(allow=later.allow or self.allow)


NOTHING_SAID = Mark()


def mark_of(opinions: Iterable[Opinion]) -> Mark:
    """What the opinions of an engine's layers come down to."""
    mark = NOTHING_SAID
    for o in opinions:
        if o.result is StepResult.BLOCK:
            mark = mark.then(Mark(block=Ruling(o.step.layer, o.decider, o.outcome)))
        elif o.result is StepResult.UNKNOWN:
            mark = mark.then(Mark(doubt=Ruling(o.step.layer, o.decider, UNKNOWN)))
        elif o.result is StepResult.PASS and o.decider is not None:
            mark = mark.then(Mark(allow=Ruling(o.step.layer, o.decider)))
    return mark


@dataclass(frozen=True, slots=True)
class PortMap:
    """A mark for every port: pieces of (last port, mark), in order, that cover 1 to 65535. Neighbours differ."""

    pieces: tuple[tuple[int, Mark], ...] = ((LAST_PORT, NOTHING_SAID),)
    _hash: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Hash once, as marks do."""
        object.__setattr__(self, "_hash", hash(self.pieces))

    def __hash__(self) -> int:
        """Equal maps have equal hashes."""
        return self._hash

    def at(self, port: int) -> Mark:
        """The mark of a port."""
        return next(mark for last, mark in self.pieces if port <= last)

    def then(self, later: PortMap) -> PortMap:
        """Both, port by port; the later layers' marks come second."""
        if later is SILENT:
            return self
        if self is SILENT:
            return later
        if self.blocks_all:
            return self
        return self._merged(later)

    def _merged(self, later: PortMap) -> PortMap:
        ends = sorted({last for last, _ in (*self.pieces, *later.pieces)})
        pieces: list[tuple[int, Mark]] = []
        for last in ends:
            _append(pieces, last, self.at(last).then(later.at(last)))
        return PortMap(tuple(pieces))

    @property
    def blocks_all(self) -> bool:
        """Whether every port is blocked, whatever later layers say."""
        return all(mark.block is not None for _, mark in self.pieces)


SILENT = PortMap()


def everywhere(mark: Mark) -> PortMap:
    """The same mark on all ports."""
    return SILENT if mark is NOTHING_SAID else PortMap(((LAST_PORT, mark),))


def _append(pieces: list[tuple[int, Mark]], last: int, mark: Mark) -> None:
    if pieces and pieces[-1][1] == mark:
        pieces[-1] = (last, mark)
    else:
        pieces.append((last, mark))


class Canvas:
    """All ports, painted from the first rule to the last: what is painted stays."""

    def __init__(self) -> None:
        self._blank: list[Range] = [(FIRST_PORT, LAST_PORT)]
        self._painted: list[tuple[int, int, Mark]] = []

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

    def paint(self, ranges: Sequence[Range], mark: Mark) -> None:
        """Give what is still blank of the ranges a mark."""
        self._painted += [(first, last, mark) for first, last in self.take(ranges)]

    def give_back(self, ranges: Sequence[Range]) -> None:
        """Make ranges blank again that were taken."""
        self._blank = sorted([*self._blank, *ranges])

    def finish(self, rest: Mark = NOTHING_SAID) -> PortMap:
        """The map, with a mark for what is still blank."""
        self.paint(ALL_PORTS, rest)
        pieces: list[tuple[int, Mark]] = []
        for _, last, mark in sorted(self._painted, key=lambda piece: piece[0]):
            _append(pieces, last, mark)
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
