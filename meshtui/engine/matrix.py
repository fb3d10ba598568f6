"""All pairs at once: classes of pods before pairs, and bitsets over the pairs (docs/adr/0001-classes-and-bitsets.md)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from meshtui.engine.classes import Classifier, ClassKey, PodClass, Reads, grouped
from meshtui.engine.doubt import Doubts
from meshtui.engine.index import Bits, Index
from meshtui.engine.marks import NOBODY, Decided, PortMap, mark_of
from meshtui.engine.mesh_stance import THROUGH_TUNNEL, MeshStances
from meshtui.engine.network_stance import NetworkStances
from meshtui.engine.networkpolicy import Direction
from meshtui.engine.party import Party
from meshtui.engine.stance import HBONE, PROTOCOLS, PortMaps, Profile, Profiles, Stance, expanded, profile_at
from meshtui.model.snapshot import Snapshot
from meshtui.model.verdict import Decision
from meshtui.model.workload import Pod

_BLOCK = 512
"""Rows that are worked out together."""


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


ITSELF = Decided(Decision.ALLOW, NOBODY)
"""A pod always reaches itself."""


class _Sides(dict[tuple[Profile, Profile], Profile]):
    """Both sides' network policy together, by the profiles of egress and ingress; worked out when first asked for."""

    def __init__(self, profiles: Profiles) -> None:
        super().__init__()
        self._profiles = profiles

    def __missing__(self, key: tuple[Profile, Profile]) -> Profile:
        joined = self[key] = self._profiles.join(*key)
        return joined


class _Cells(dict[tuple[Profile, Profile], Cell]):
    """Cells by the profiles of network policy and mesh; worked out when first asked for."""

    def __init__(self, maps: PortMaps, profiles: Profiles) -> None:
        super().__init__()
        self._maps = maps
        self._profiles = profiles
        self._segments: dict[int, tuple[Segment, ...]] = {}
        self._by_maps: dict[tuple[int, int, int], Cell] = {}

    def __missing__(self, key: tuple[Profile, Profile]) -> Cell:
        network, mesh = self._profiles.parts[key[0]], key[1]
        tcp = self._maps.join(network[HBONE if mesh & THROUGH_TUNNEL else 0], mesh >> 1)
        maps = (tcp, network[1], network[2])
        cell = self._by_maps.get(maps)
        if cell is None:
            cell = self._by_maps[maps] = Cell(*(self._decided(number) for number in maps))
        self[key] = cell
        return cell

    def _decided(self, number: int) -> tuple[Segment, ...]:
        known = self._segments.get(number)
        if known is None:
            pieces: PortMap = self._maps.values[number]
            known = self._segments[number] = tuple(Segment(first, last, verdict) for first, last, verdict in pieces.decided)
        return known


def _by_name(pod: Pod) -> tuple[str, str]:
    return pod.meta.namespace, pod.meta.name


class Matrix:
    """Who reaches whom, for all pairs of pods of a snapshot. Pods that have ended are left out."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self._reads = Reads()
        self._reads.note(snapshot)
        self._generations: dict[str, int] = {}
        self._classifier = Classifier(snapshot, self._reads, self._generations)
        self._index = Index()
        self._maps = PortMaps()
        self._profiles = Profiles(self._maps)
        self._both = _Sides(self._profiles)
        self._cells = _Cells(self._maps, self._profiles)
        self.classes: list[PodClass] = []
        self._by_key: dict[ClassKey, PodClass] = {}
        self._class_of: dict[str, PodClass] = {}
        for key, pod in grouped(self._classifier, sorted(snapshot.pods.values(), key=_by_name)):
            self._join_class(key, pod)
        self._sides = {direction: NetworkStances(direction, self._index, self._profiles) for direction in Direction}
        self._mesh = MeshStances(self._index, self._maps)
        self._load()
        self._egress: list[Stance] = [self._side(Direction.EGRESS, member) for member in self.classes]
        self._ingress: list[Stance] = [self._side(Direction.INGRESS, member) for member in self.classes]
        kinds = self._kinds()
        self._meshed: list[Stance] = [self._mesh.of(member, kinds) for member in self.classes]

    def _load(self) -> None:
        for side in self._sides.values():
            side.load(self.snapshot)
        policies = list(self.snapshot.authorization_policies.values())
        self._mesh.load(self.snapshot, policies)
        self._doubts = Doubts(self.snapshot)

    def _join_class(self, key: ClassKey, pod: Pod) -> PodClass:
        member = self._by_key.get(key)
        if member is None:
            classifier = self._classifier
            labels, ports = classifier.labels(pod), classifier.ports(pod)
            member = PodClass(len(self.classes), key, classifier.parties.pod(pod), labels, ports)
            self._by_key[key] = member
            self.classes.append(member)
            self._index.add(member)
        member.pods[pod.key] = pod
        self._class_of[pod.key] = member
        return member

    def _side(self, direction: Direction, member: PodClass) -> Stance:
        doubt = mark_of(self._doubts.about_network(direction, member.party))
        return self._sides[direction].of(member, doubt)

    def _kinds(self) -> list[tuple[Party, Bits]]:
        """Sources by what the mesh sees of them before it reads policies: their mode, and whether they have an identity."""
        found: dict[tuple[object, bool], tuple[Party, Bits]] = {}
        for member in self.classes:
            party = member.party
            key = (party.mode, party.principal is not None)
            first, bits = found.get(key, (party, 0))
            found[key] = (first, bits | 1 << member.number)
        return list(found.values())

    # ---- answers

    def rows(self) -> Iterator[tuple[PodClass, Sequence[Cell]]]:
        """Each class as a source, with one cell for each class as a destination, in the order of ``classes``."""
        everybody, size = self._index.all, self._index.size
        sides, cells = self._both, self._cells
        for start in range(0, size, _BLOCK):
            width = min(_BLOCK, size - start)
            ingress = self._columns(self._ingress, start, width)
            meshed = self._columns(self._meshed, start, width)
            for offset, (into, mesh) in enumerate(zip(zip(*ingress, strict=True), zip(*meshed, strict=True), strict=True)):
                source = self.classes[start + offset]
                out = expanded(self._egress[source.number].groups(everybody, size), 0, size)
                both = map(sides.__getitem__, zip(out, into, strict=True))
                yield source, list(map(cells.__getitem__, zip(both, mesh, strict=True)))

    def _columns(self, stances: Sequence[Stance], start: int, width: int) -> list[Sequence[Profile]]:
        """For each class as a destination, the profiles of a run of sources; classes with one stance share them."""
        known: dict[int, Sequence[Profile]] = {}
        columns = []
        for stance in stances:
            column = known.get(id(stance))
            if column is None:
                groups = stance.groups(self._index.all, self._index.size)
                column = known[id(stance)] = expanded(groups, start, width)
            columns.append(column)
        return columns

    def cell(self, source: PodClass, destination: PodClass) -> Cell:
        """The answer for one pair of classes."""
        everybody, size = self._index.all, self._index.size
        out = profile_at(self._egress[source.number].groups(everybody, size), destination.number)
        into = profile_at(self._ingress[destination.number].groups(everybody, size), source.number)
        mesh = profile_at(self._meshed[destination.number].groups(everybody, size), source.number)
        return self._cells[self._both[out, into], mesh]

    def class_of(self, key: str) -> PodClass | None:
        """The class of a pod by namespace/name; None for one that isn't there or has ended."""
        return self._class_of.get(key)

    def judge(self, source: str, destination: str, port: int, protocol: str = "TCP") -> Decided:
        """The verdict on one flow between pods by namespace/name. Raises KeyError for a pod that isn't there or has ended."""
        if source == destination:
            return ITSELF
        return self.cell(self._class_of[source], self._class_of[destination]).at(port, protocol)
