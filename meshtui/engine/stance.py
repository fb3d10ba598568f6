"""A stance: what some rules, in order, say about every peer. Peers fall into groups by which of the rules match them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from meshtui.engine.bitsets import spread
from meshtui.engine.index import Bits
from meshtui.engine.marks import PortMap

PROTOCOLS = ("TCP", "UDP", "SCTP")
HBONE = 3
"""The place in a profile of TCP through the tunnel."""


class Interned:
    """Numbers for equal values: the same value always gets the same number."""

    def __init__(self) -> None:
        self.values: list[PortMap] = []
        self._numbers: dict[PortMap, int] = {}

    def number(self, value: PortMap) -> int:
        """The number of a value."""
        known = self._numbers.get(value)
        if known is None:
            known = self._numbers[value] = len(self.values)
            self.values.append(value)
        return known


Profile = int
"""The number of what one side says about one peer (see Profiles)."""


class Profiles:
    """Numbers for what one side says about a peer: port maps for TCP, UDP, SCTP, and for TCP through the tunnel."""

    def __init__(self, maps: Interned) -> None:
        self._maps = maps
        self.parts: list[tuple[int, ...]] = []
        self._numbers: dict[tuple[int, ...], Profile] = {}

    def number(self, parts: Sequence[PortMap]) -> Profile:
        """The number of a profile."""
        key = tuple(self._maps.number(part) for part in parts)
        known = self._numbers.get(key)
        if known is None:
            known = self._numbers[key] = len(self.parts)
            self.parts.append(key)
        return known


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
    _size: int = -1
    _groups: tuple[tuple[Bits, Profile], ...] = ()
    _paths: dict[Path, Profile] | None = None

    def groups(self, everybody: Bits, size: int) -> tuple[tuple[Bits, Profile], ...]:
        """All classes, in groups of the same profile."""
        if self._size != size:
            self._groups, self._size = self._divide(everybody), size
        return self._groups

    def _divide(self, everybody: Bits) -> tuple[tuple[Bits, Profile], ...]:
        parts: list[tuple[Path, Bits]] = [((), everybody)]
        for place, ask in enumerate(self.asked):
            matching = ask()
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
        found: dict[Profile, Bits] = {}
        for path, bits in parts:
            profile = self._profile(path)
            found[profile] = found.get(profile, 0) | bits
        return tuple((bits, profile) for profile, bits in found.items())

    def _profile(self, path: Path) -> Profile:
        if self._paths is None:
            self._paths = {}
        known = self._paths.get(path)
        if known is None:
            known = self._paths[path] = self.profile(path)
        return known


def profile_at(groups: Sequence[tuple[Bits, Profile]], number: int) -> Profile:
    """The profile of one class."""
    if len(groups) == 1:
        return groups[0][1]
    return next(profile for bits, profile in groups if bits >> number & 1)


def expanded(groups: Sequence[tuple[Bits, Profile]], start: int, width: int) -> Sequence[Profile]:
    """The profiles of a run of classes, in order."""
    if len(groups) == 1:
        return (groups[0][1],) * width
    found: list[Profile] = []
    table = [profile for _, profile in groups]
    if len(groups) <= 255:
        labels = spread([(bits, label) for label, (bits, _) in enumerate(groups)], start, width)
        return list(map(table.__getitem__, labels))
    for number in range(start, start + width):
        found.append(profile_at(groups, number))
    return found
