"""All pairs at once: classes of pods before pairs, and bitsets over the pairs (docs/adr/0001-classes-and-bitsets.md)."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, field

from meshtui.engine.classes.bitsets import members
from meshtui.engine.classes.classifier import Classifier, ClassKey, PodClass, Reads
from meshtui.engine.classes.index import Bits, Index
from meshtui.engine.matrix.cells import Cell, Cells, JoinedProfiles
from meshtui.engine.matrix.mesh import MeshPartitions
from meshtui.engine.matrix.network import NetworkPartitions
from meshtui.engine.matrix.partition import PeerPartition, PortMaps, Profile, Profiles, expanded, profile_at, same_in_both
from meshtui.engine.matrix.ports import NOBODY, Decided, port_decision_of
from meshtui.engine.matrix.touched import Changes, Rules, changes
from meshtui.engine.policy.networkpolicy import Direction
from meshtui.engine.policy.unmodelled import Unmodelled
from meshtui.model.snapshot import Snapshot
from meshtui.model.verdict import Decision
from meshtui.model.workload import Pod

_BLOCK = 512
"""Rows that are worked out together."""
_MANY_ROWS = 32
"""From as many cells as so many rows have on, those that a change touched are worked out together."""


ITSELF = Decided(Decision.ALLOW, NOBODY)
"""A pod always reaches itself."""


def _by_name(pod: Pod) -> tuple[str, str]:
    return pod.meta.namespace, pod.meta.name


@dataclass(slots=True)
class Touched:
    """The pairs of classes whose answer an update may have changed, as bitsets.

    ``rows`` holds destinations by source, ``columns`` sources by destination; a pair may stand in both. ``moved`` are the
    pods (namespace/name) that came, went, or are in another class than before.
    """

    rows: dict[int, Bits] = field(default_factory=dict)
    columns: dict[int, Bits] = field(default_factory=dict)
    moved: set[str] = field(default_factory=set)
    everything: bool = False


class Matrix:
    """Who reaches whom, for all pairs of pods of a snapshot. Pods that have ended are left out.

    ``classes`` only grows: one without pods is of no more use, but keeps its number.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self._start(snapshot, Rules.of(snapshot))

    def _start(self, snapshot: Snapshot, rules: Rules) -> None:
        self.snapshot, self._rules = snapshot, rules
        self._reads = Reads()
        self._reads.note(snapshot)
        self._generations: dict[str, int] = {}
        self._classifier = Classifier(snapshot, self._reads, self._generations)
        self._index = Index()
        self._maps = PortMaps()
        self._profiles = Profiles(self._maps)
        self._both = JoinedProfiles(self._profiles)
        self._cells = Cells(self._maps, self._profiles)
        self._sides = {direction: NetworkPartitions(direction, self._index, self._profiles) for direction in Direction}
        self._mesh = MeshPartitions(self._index, self._maps)
        self.classes: list[PodClass] = []
        self._by_key: dict[ClassKey, PodClass] = {}
        self._class_of: dict[str, PodClass] = {}
        for pod in sorted(snapshot.pods.values(), key=_by_name):
            self._add(pod)
        self._named_ports = self._index.named_ports
        self._load()
        for member in self.classes:
            self._mesh.see(member)
        self._egress: list[PeerPartition] = [self._side(Direction.EGRESS, member) for member in self.classes]
        self._ingress: list[PeerPartition] = [self._side(Direction.INGRESS, member) for member in self.classes]
        self._meshed: list[PeerPartition] = [self._mesh.of(member) for member in self.classes]

    def _load(self) -> None:
        for side in self._sides.values():
            side.load(self._rules.network.values(), self.snapshot.admin_policies.values())
        self._mesh.load(self.snapshot, self._classifier.endpoints, self._rules.authorization.values())
        self._doubts = Unmodelled(self.snapshot)

    def _add(self, pod: Pod) -> PodClass | None:
        """Put a pod into its class; pods that have ended take part in nothing."""
        if pod.completed:
            return None
        key = self._classifier.key(pod)
        member = self._by_key.get(key)
        if member is None:
            classifier = self._classifier
            labels, ports = classifier.labels(pod), classifier.ports(pod)
            member = PodClass(len(self.classes), key, classifier.endpoints.pod(pod), labels, ports)
            self._by_key[key] = member
            self.classes.append(member)
            self._index.add(member)
        member.pods[pod.key] = pod
        self._class_of[pod.key] = member
        return member

    def _side(self, direction: Direction, member: PodClass) -> PeerPartition:
        doubt = port_decision_of(self._doubts.about_network(direction, member.endpoint))
        return self._sides[direction].of(member, doubt)

    # ---- a newer snapshot

    def update(self, snapshot: Snapshot) -> Touched:
        """Take a newer snapshot; only what changed is judged again."""
        found = changes(self.snapshot, self._rules, snapshot)
        seen = self._reads.size()
        written = found.written
        self._reads.policies(written.network.values(), written.authorization.values(), written.peer.values())
        crowded = len(self.classes) > 2 * sum(bool(member.pods) for member in self.classes) + 64
        if found.everything or crowded or self._reads.size() != seen:
            self._start(snapshot, Rules.of(snapshot))
            rows = dict.fromkeys(range(len(self.classes)), self._index.all)
            return Touched(rows, {}, set(self._class_of), everything=True)
        self.snapshot, self._rules = snapshot, found.rules
        for namespace in found.relabelled:
            self._generations[namespace] = self._generations.get(namespace, 0) + 1
        self._classifier = Classifier(snapshot, self._reads, self._generations)
        self._load()
        before = len(self.classes)
        touched = self._move(found)
        self._take_anew(found, touched, before)
        return touched

    def _move(self, found: Changes) -> Touched:
        """Take pods out of their classes and put them into those that fit now; a class that has members again is touched."""
        was: dict[str, PodClass | None] = {}
        for pod in found.gone:
            member = was[pod.key] = self._class_of.pop(pod.key, None)
            if member is not None:
                del member.pods[pod.key]
        touched = Touched()
        for pod in found.come:
            joined = self._add(pod)
            if joined is not None and len(joined.pods) == 1:
                touched.rows[joined.number] = touched.columns[joined.number] = -1
            was.setdefault(pod.key, None)
        touched.moved.update(key for key, member in was.items() if self._class_of.get(key) is not member)
        return touched

    def _take_anew(self, found: Changes, touched: Touched, before: int) -> None:
        """New partitions where policies changed and for new classes."""
        ports = self._named_ports
        new_kind = False
        for member in self.classes[before:]:
            new_kind |= self._mesh.see(member)
        everywhere = new_kind or self.snapshot.mesh.root_namespace in found.authorization | found.peer
        for member in self.classes:
            number, namespace = member.number, member.endpoint.namespace
            network = number >= before or namespace in found.network
            if network:
                self._replace(self._ingress, number, self._side(Direction.INGRESS, member), touched.columns)
            if network or ports != self._index.named_ports:
                self._replace(self._egress, number, self._side(Direction.EGRESS, member), touched.rows)
            if number >= before or everywhere or namespace in found.authorization or namespace in found.peer:
                self._replace(self._meshed, number, self._mesh.of(member), touched.columns)
        self._named_ports = self._index.named_ports
        self._sides[Direction.EGRESS].prune(self._egress)
        self._sides[Direction.INGRESS].prune(self._ingress)
        self._mesh.prune(self._meshed)

    def _replace(self, partitions: list[PeerPartition], number: int, partition: PeerPartition, touched: dict[int, Bits]) -> None:
        """Give a class a new partition; touched is only who is told something else than before."""
        if number == len(partitions):
            partitions.append(partition)
            touched[number] = self._index.all
        elif partitions[number] is not partition:
            everybody, size = self._index.all, self._index.size
            differ = everybody & ~same_in_both(partitions[number].settled, partition.groups(everybody, size))
            partitions[number] = partition
            if differ:
                touched[number] = touched.get(number, 0) | differ

    def touched_cells(self, touched: Touched) -> Iterator[tuple[PodClass, PodClass, Cell]]:
        """The pairs of classes with pods that an update touched, with their new cells."""
        alive = sum(1 << member.number for member in self.classes if member.pods)
        rows: dict[int, Bits] = {}
        for number, bits in touched.rows.items():
            if alive >> number & 1:
                rows[number] = bits & alive
        for number, bits in touched.columns.items():
            for source in members(bits & alive) if alive >> number & 1 else ():
                rows[source] = rows.get(source, 0) | 1 << number
        if sum(map(int.bit_count, rows.values())) > _MANY_ROWS * len(self.classes):
            for source_class, cells in self.rows(rows):
                yield from ((source_class, self.classes[n], cells[n]) for n in members(rows[source_class.number]))
            return
        for number, bits in rows.items():
            source_class = self.classes[number]
            row = self.row(source_class) if bits.bit_count() * 8 > len(self.classes) else None
            for n in members(bits):
                target = self.classes[n]
                yield source_class, target, row[n] if row is not None else self.cell(source_class, target)

    # ---- answers

    def rows(self, wanted: Container[int] | None = None) -> Iterator[tuple[PodClass, Sequence[Cell]]]:
        """Each class that has pods as a source, with a cell for each class as a destination, in the order of ``classes``.

        ``wanted`` are the numbers of the sources that matter; without it all do.
        """
        everybody, size = self._index.all, self._index.size
        sides, cells = self._both, self._cells
        for start in range(0, size, _BLOCK):
            width = min(_BLOCK, size - start)
            ingress = self._columns(self._ingress, start, width)
            meshed = self._columns(self._meshed, start, width)
            for offset, (into, mesh) in enumerate(zip(zip(*ingress, strict=True), zip(*meshed, strict=True), strict=True)):
                source = self.classes[start + offset]
                if not source.pods or (wanted is not None and source.number not in wanted):
                    continue
                out = expanded(self._egress[source.number].groups(everybody, size), 0, size)
                both = map(sides.__getitem__, zip(out, into, strict=True))
                yield source, list(map(cells.__getitem__, zip(both, mesh, strict=True)))

    def _columns(self, partitions: Sequence[PeerPartition], start: int, width: int) -> list[Sequence[Profile]]:
        """For each class as a destination, the profiles of a run of sources; classes with one partition share them."""
        known: dict[int, Sequence[Profile]] = {}
        columns = []
        for partition in partitions:
            column = known.get(id(partition))
            if column is None:
                groups = partition.groups(self._index.all, self._index.size)
                column = known[id(partition)] = expanded(groups, start, width)
            columns.append(column)
        return columns

    def row(self, source: PodClass) -> list[Cell]:
        """The cells of one source, in the order of ``classes``."""
        everybody, size, number = self._index.all, self._index.size, source.number
        out = expanded(self._egress[number].groups(everybody, size), 0, size)
        into = self._at(self._ingress, number)
        mesh = self._at(self._meshed, number)
        return [self._cells[self._both[o, i], m] for o, i, m in zip(out, into, mesh, strict=True)]

    def column(self, target: PodClass) -> list[Cell]:
        """The cells of one destination, in the order of ``classes``."""
        everybody, size, number = self._index.all, self._index.size, target.number
        out = self._at(self._egress, number)
        into = expanded(self._ingress[number].groups(everybody, size), 0, size)
        mesh = expanded(self._meshed[number].groups(everybody, size), 0, size)
        return [self._cells[self._both[o, i], m] for o, i, m in zip(out, into, mesh, strict=True)]

    def _at(self, partitions: Sequence[PeerPartition], number: int) -> list[Profile]:
        """What every class's partition says about one class; classes with one partition share the answer."""
        everybody, size = self._index.all, self._index.size
        known: dict[int, Profile] = {}
        found = []
        for partition in partitions:
            profile = known.get(id(partition))
            if profile is None:
                profile = known[id(partition)] = profile_at(partition.groups(everybody, size), number)
            found.append(profile)
        return found

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
