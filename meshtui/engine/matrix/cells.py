"""The answers: what a pair of classes comes to, from the profiles of both sides' network policy and of the mesh."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import starmap

from meshtui.engine.matrix.mesh import FLAGS, LEFT_TO_ENGINE, THROUGH_TUNNEL
from meshtui.engine.matrix.partition import HBONE, PROTOCOLS, PortMaps, Profile, Profiles
from meshtui.engine.matrix.ports import Decided


@dataclass(frozen=True, slots=True)
class Segment:
    """Ports of one protocol with the same verdict."""

    first: int
    last: int
    decided: Decided


@dataclass(frozen=True, slots=True, eq=False)
class Cell:
    """The answer for a pair of classes. Pairs with the same answer share the cell."""

    tcp: tuple[Segment, ...]
    udp: tuple[Segment, ...]
    sctp: tuple[Segment, ...]

    def of(self, protocol: str) -> tuple[Segment, ...]:
        """The segments of one protocol; they cover ports 1 to 65535."""
        return (self.tcp, self.udp, self.sctp)[PROTOCOLS.index(protocol)]

    def at(self, port: int, protocol: str = "TCP") -> Decided:
        """The verdict on one port."""
        return next(segment.decided for segment in self.of(protocol) if port <= segment.last)


class JoinedProfiles(dict[tuple[Profile, Profile], Profile]):
    """Both sides' network policy together, by the profiles of egress and ingress; worked out when first asked for."""

    def __init__(self, profiles: Profiles) -> None:
        super().__init__()
        self._profiles = profiles

    def __missing__(self, key: tuple[Profile, Profile]) -> Profile:
        """Join two profiles."""
        joined = self[key] = self._profiles.join(*key)
        return joined


class Cells(dict[tuple[Profile, Profile], Cell]):
    """Cells by the profiles of network policy and mesh; worked out when first asked for."""

    def __init__(self, maps: PortMaps, profiles: Profiles) -> None:
        super().__init__()
        self._maps = maps
        self._profiles = profiles
        self._segments: dict[int, tuple[Segment, ...]] = {}
        self._by_maps: dict[tuple[int, int, int], Cell] = {}

    def __missing__(self, key: tuple[Profile, Profile]) -> Cell:
        """Put network policy and mesh together."""
        network, mesh = self._profiles.parts[key[0]], key[1]
        before = 0 if mesh & LEFT_TO_ENGINE else network[HBONE if mesh & THROUGH_TUNNEL else 0]
        tcp = self._maps.join(before, mesh >> FLAGS)
        maps = (tcp, network[1], network[2])
        cell = self._by_maps.get(maps)
        if cell is None:
            cell = self._by_maps[maps] = Cell(*map(self._decided, maps))
        self[key] = cell
        return cell

    def _decided(self, number: int) -> tuple[Segment, ...]:
        known = self._segments.get(number)
        if known is None:
            known = self._segments[number] = tuple(starmap(Segment, self._maps.decided(number)))
        return known
