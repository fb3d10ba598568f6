"""Cells: the verdicts on a pair of classes, combined from the profiles of both sides' network policies and of the mesh."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import starmap

from meshtui.engine.decision.ruling import Decided
from meshtui.engine.matrix.left import PROTOCOLS, Left
from meshtui.engine.matrix.partition import HBONE, MeshProfiles, PortMaps, Profile, Profiles


@dataclass(frozen=True, slots=True)
class Segment:
    """A range of ports of one protocol with the same verdict."""

    first: int
    last: int
    decided: Decided


@dataclass(frozen=True, slots=True)
class Open:
    """What a cell leaves to the engine, and why. ``network`` are the numbers of what network policy says: equal for equal."""

    left: Left
    network: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ByService:
    """The verdict on connections to pods through a port of a Service (namespace/name) that has a waypoint."""

    service: str
    port: int
    decided: Decided


@dataclass(frozen=True, slots=True, eq=False)
class Cell:
    """The verdicts on a pair of classes. Pairs with the same verdicts share a cell.

    The verdicts are about the pods' own addresses, those in ``services`` about Services in front of the destination. With
    ``open``, some protocols are unknown until the engine evaluates them (``matrix.proxied``).
    """

    tcp: tuple[Segment, ...]
    udp: tuple[Segment, ...]
    sctp: tuple[Segment, ...]
    open: Open | None = None
    services: tuple[ByService, ...] = ()

    def of(self, protocol: str) -> tuple[Segment, ...]:
        """The segments of one protocol; they cover ports 1 to 65535."""
        return (self.tcp, self.udp, self.sctp)[PROTOCOLS.index(protocol)]

    def at(self, port: int, protocol: str = "TCP") -> Decided:
        """The verdict on one port."""
        return next(segment.decided for segment in self.of(protocol) if port <= segment.last)


class JoinedProfiles(dict[tuple[Profile, Profile], Profile]):
    """The combined network policy of both sides, by the profiles of egress and ingress; computed on first access."""

    def __init__(self, profiles: Profiles) -> None:
        super().__init__()
        self._profiles = profiles

    def __missing__(self, key: tuple[Profile, Profile]) -> Profile:
        """Join two profiles."""
        joined = self[key] = self._profiles.join(*key)
        return joined


class Cells(dict[tuple[Profile, Profile], Cell]):
    """Cells by the profiles of network policy and mesh; computed on first access."""

    def __init__(self, maps: PortMaps, profiles: Profiles, mesh_profiles: MeshProfiles) -> None:
        super().__init__()
        self._maps = maps
        self._profiles = profiles
        self._mesh_profiles = mesh_profiles
        self._segments: dict[int, tuple[Segment, ...]] = {}
        self._by_maps: dict[tuple[int, int, int], Cell] = {}

    def __missing__(self, key: tuple[Profile, Profile]) -> Cell:
        """Combine network policy and mesh."""
        network, mesh = self._profiles.parts[key[0]], self._mesh_profiles.parts[key[1]]
        if mesh.left is not None:
            return self._open(key, Open(mesh.left, network), mesh.map)
        cell = self[key] = self.completed(network, mesh.map, tunnelled=mesh.tunnelled)
        return cell

    def completed(self, network: tuple[int, ...], mesh: int, *, tunnelled: bool) -> Cell:
        """The cell of a pair by the numbers of its maps: of network policy, and of TCP in the mesh or at a proxy."""
        maps = (self._maps.join(network[HBONE if tunnelled else 0], mesh), network[1], network[2])
        cell = self._by_maps.get(maps)
        if cell is None:
            cell = self._by_maps[maps] = self._cell(maps)
        return cell

    def _open(self, key: tuple[Profile, Profile], left: Open, unknown: int) -> Cell:
        """A cell that is unknown in the protocols that are left to the engine."""
        parts = zip(PROTOCOLS, left.network[: len(PROTOCOLS)], strict=True)
        maps = tuple(unknown if protocol in left.left.protocols else number for protocol, number in parts)
        cell = self[key] = self._cell(maps, left)
        return cell

    def _cell(self, maps: Sequence[int], left: Open | None = None) -> Cell:
        tcp, udp, sctp = map(self._decided, maps)
        return Cell(tcp, udp, sctp, left)

    def _decided(self, number: int) -> tuple[Segment, ...]:
        known = self._segments.get(number)
        if known is None:
            known = self._segments[number] = tuple(starmap(Segment, self._maps.decided(number)))
        return known
