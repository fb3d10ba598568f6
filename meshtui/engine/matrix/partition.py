"""A partition: all peers, grouped by which of some ordered rules match them, with the result for each group."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from meshtui.engine.classes.bitsets import spread
from meshtui.engine.classes.index import Bits
from meshtui.engine.decision.ruling import NOTHING_SAID, Decided, PortDecision
from meshtui.engine.matrix.left import Left
from meshtui.engine.matrix.ports import FIRST_PORT, LAST_PORT, SILENT, PortMap

HBONE = 3
"""The index in a profile of TCP through the tunnel."""


Pieces = tuple[tuple[int, int], ...]
"""A port map as numbers: (last port, number of the port decision), in order."""


class PortMaps:
    """Numbers for port maps and for the port decisions in them. Equal maps have the same number; in map 0 no layer decides.

    All pairs result from joining a few thousand maps, so the join uses only small numbers.
    """

    def __init__(self) -> None:
        self.pieces: list[Pieces] = []
        self._numbers: dict[Pieces, int] = {}
        self._blocks: list[bool] = []
        self._joined: dict[tuple[int, int], int] = {}
        self._port_decisions: list[PortDecision] = []
        self._decision_numbers: dict[PortDecision, int] = {}
        self._decisions_joined: dict[tuple[int, int], int] = {}
        self._port_decision(NOTHING_SAID)
        self.number(SILENT)

    def number(self, value: PortMap) -> int:
        """The number of a map."""
        return self._number(tuple((last, self._port_decision(port_decision)) for last, port_decision in value.pieces))

    def _number(self, pieces: Pieces) -> int:
        known = self._numbers.get(pieces)
        if known is None:
            known = self._numbers[pieces] = len(self.pieces)
            self.pieces.append(pieces)
            self._blocks.append(all(self._port_decisions[port_decision].block is not None for _, port_decision in pieces))
        return known

    def _port_decision(self, port_decision: PortDecision) -> int:
        known = self._decision_numbers.get(port_decision)
        if known is None:
            known = self._decision_numbers[port_decision] = len(self._port_decisions)
            self._port_decisions.append(port_decision)
        return known

    def join(self, first: int, second: int) -> int:
        """The number of the map of two consecutive layers."""
        if not second or self._blocks[first]:
            return first
        if not first:
            return second
        known = self._joined.get((first, second))
        if known is None:
            known = self._joined[first, second] = self._number(self._join(self.pieces[first], self.pieces[second]))
        return known

    def _join(self, first: Pieces, second: Pieces) -> Pieces:
        pieces: list[tuple[int, int]] = []
        joined, place, other = self._decisions_joined, 0, 0
        before = -1
        while True:
            last, port_decision = first[place]
            last_other, decision_other = second[other]
            together = joined.get((port_decision, decision_other))
            if together is None:
                together = self._port_decision(self._port_decisions[port_decision].then(self._port_decisions[decision_other]))
                joined[port_decision, decision_other] = together
            end = min(last_other, last)
            if together == before:
                pieces[-1] = (end, together)
            else:
                pieces.append((end, together))
                before = together
            if end == LAST_PORT:
                return tuple(pieces)
            if last == end:
                place += 1
            if last_other == end:
                other += 1

    def decided(self, number: int) -> list[tuple[int, int, Decided]]:
        """A map as (first port, last port, verdict); adjacent verdicts differ."""
        found: list[tuple[int, int, Decided]] = []
        first = FIRST_PORT
        for last, port_decision in self.pieces[number]:
            verdict = self._port_decisions[port_decision].decided
            if found and found[-1][2] == verdict:
                found[-1] = (found[-1][0], last, verdict)
            else:
                found.append((first, last, verdict))
            first = last + 1
        return found


Profile = int
"""The number of one side's results for one peer: of its network policies in Profiles, of its mesh in MeshProfiles."""


class Profiles:
    """Numbers for one side's results for a peer: port maps of TCP, UDP, SCTP, and of TCP through the tunnel."""

    def __init__(self, maps: PortMaps) -> None:
        self._maps = maps
        self.parts: list[tuple[int, ...]] = []
        self._numbers: dict[tuple[int, ...], Profile] = {}

    def number(self, parts: Sequence[PortMap]) -> Profile:
        """The number of a profile."""
        return self._number(tuple(self._maps.number(part) for part in parts))

    def _number(self, key: tuple[int, ...]) -> Profile:
        known = self._numbers.get(key)
        if known is None:
            known = self._numbers[key] = len(self.parts)
            self.parts.append(key)
        return known

    def join(self, first: Profile, second: Profile) -> Profile:
        """The number of the profile of both sides."""
        join = self._maps.join
        return self._number(tuple(map(join, self.parts[first], self.parts[second])))


class MeshPart(NamedTuple):
    """The result of a destination's mesh for a source's TCP."""

    tunnelled: bool
    """Whether NetworkPolicy sees the tunnel."""
    left: Left | None
    """Why the engine evaluates the pair: then its protocols are unknown here, whatever the network policies of both ends are."""
    map: int
    """The number of the port map."""


class MeshProfiles:
    """Numbers for the results of a destination's mesh for a source."""

    def __init__(self) -> None:
        self.parts: list[MeshPart] = []
        self._numbers: dict[MeshPart, Profile] = {}

    def number(self, part: MeshPart) -> Profile:
        """The number of a profile."""
        known = self._numbers.get(part)
        if known is None:
            known = self._numbers[part] = len(self.parts)
            self.parts.append(part)
        return known


MatchingClasses = Callable[[], Bits]
"""A function that returns the classes that a rule currently matches."""
Path = tuple[int, ...]
"""The indexes of the rules that match a peer, in order."""


@dataclass(slots=True, eq=False)
class PeerPartition:
    """Ordered rules, as functions that query the index, and the profile of a peer by the path of rules that match it.

    Groups are computed on first access, and updated when classes have been added.
    """

    rules: Sequence[MatchingClasses]
    profile: Callable[[Path], Profile]
    _size: int = 0
    _groups: dict[Profile, Bits] = field(default_factory=dict)
    _paths: dict[Path, Profile] = field(default_factory=dict)

    @property
    def settled(self) -> Mapping[Profile, Bits]:
        """The groups as of the last access."""
        return self._groups

    def groups(self, everybody: Bits, size: int) -> Mapping[Profile, Bits]:
        """All classes, grouped by profile. Classes added since the last call are added to the groups."""
        if self._size != size:
            self._place(everybody >> self._size << self._size)
            self._size = size
        return self._groups

    def _place(self, newcomers: Bits) -> None:
        parts: list[tuple[Path, Bits]] = [((), newcomers)]
        for place, matching_classes in enumerate(self.rules):
            matching = matching_classes() & newcomers
            if not matching:
                continue
            split: list[tuple[Path, Bits]] = []
            for path, bits in parts:
                inside = bits & matching
                if inside:
                    split.append(((*path, place), inside))
                if inside != bits:
                    split.append((path, bits ^ inside))
            parts = split
        for path, bits in parts:
            profile = self._profile(path)
            self._groups[profile] = self._groups.get(profile, 0) | bits

    def _profile(self, path: Path) -> Profile:
        known = self._paths.get(path)
        if known is None:
            known = self._paths[path] = self.profile(path)
        return known


def profile_at(groups: Mapping[Profile, Bits], number: int) -> Profile:
    """The profile of one class."""
    return next(profile for profile, bits in groups.items() if bits >> number & 1)


def expanded(groups: Mapping[Profile, Bits], start: int, width: int) -> Sequence[Profile]:
    """The profiles of consecutive classes, in order."""
    table = list(groups)
    if len(table) == 1:
        return table * width
    if len(table) <= 255:
        labels = spread([(bits, label) for label, bits in enumerate(groups.values())], start, width)
        return list(map(table.__getitem__, labels))
    return [profile_at(groups, number) for number in range(start, start + width)]


def same_in_both(before: Mapping[Profile, Bits], after: Mapping[Profile, Bits]) -> Bits:
    """The classes with the same profile in two groupings."""
    same = 0
    for profile, bits in before.items():
        same |= bits & after.get(profile, 0)
    return same
