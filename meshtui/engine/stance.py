"""A stance: what some rules, in order, say about every peer. Peers fall into groups by which of the rules match them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from meshtui.engine.bitsets import spread
from meshtui.engine.index import Bits
from meshtui.engine.marks import SILENT, PortMap

PROTOCOLS = ("TCP", "UDP", "SCTP")
HBONE = 3
"""The place in a profile of TCP through the tunnel."""


class PortMaps:
    """Numbers for port maps: equal ones have the same number, and 0 is the one that says nothing."""

    def __init__(self) -> None:
        self.values: list[PortMap] = []
        self._numbers: dict[PortMap, int] = {}
        self._blocks: list[bool] = []
        self._joined: dict[tuple[int, int], int] = {}
        self.number(SILENT)

    def number(self, value: PortMap) -> int:
        """The number of a map."""
        known = self._numbers.get(value)
        if known is None:
            known = self._numbers[value] = len(self.values)
            self.values.append(value)
            self._blocks.append(value.blocks_all)
        return known

    def join(self, first: int, second: int) -> int:
        """The map of two layers in a row."""
        if not second or self._blocks[first]:
            return first
        if not first:
            return second
        known = self._joined.get((first, second))
        if known is None:
            known = self._joined[first, second] = self.number(self.values[first].then(self.values[second]))
        return known


Profile = int
"""The number of what one side says about one peer (see Profiles)."""


class Profiles:
    """Numbers for what one side says about a peer: port maps for TCP, UDP, SCTP, and for TCP through the tunnel."""

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
        """The profile of both sides."""
        join = self._maps.join
        return self._number(tuple(map(join, self.parts[first], self.parts[second])))


Asked = Callable[[], Bits]
"""Which classes a rule matches, as of now."""
Path = tuple[int, ...]
"""The places of the rules that match a peer, in order."""


@dataclass(slots=True, eq=False)
class Stance:
    """Ordered rules (as questions to the index), and what they come down to for a peer that a given path of them matches.

    Groups are made when they are first asked for, and again when classes were added.
    """

    asked: Sequence[Asked]
    profile: Callable[[Path], Profile]
    _size: int = 0
    _groups: dict[Profile, Bits] = field(default_factory=dict)
    _paths: dict[Path, Profile] = field(default_factory=dict)

    def groups(self, everybody: Bits, size: int) -> Mapping[Profile, Bits]:
        """All classes, in groups by profile. Classes that were added since the last time find their place."""
        if self._size != size:
            self._place(everybody >> self._size << self._size)
            self._size = size
        return self._groups

    def _place(self, newcomers: Bits) -> None:
        parts: list[tuple[Path, Bits]] = [((), newcomers)]
        for place, ask in enumerate(self.asked):
            matching = ask() & newcomers
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
    """The profiles of a run of classes, in order."""
    table = list(groups)
    if len(table) == 1:
        return table * width
    if len(table) <= 255:
        labels = spread([(bits, label) for label, bits in enumerate(groups.values())], start, width)
        return list(map(table.__getitem__, labels))
    return [profile_at(groups, number) for number in range(start, start + width)]
