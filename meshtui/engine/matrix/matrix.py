"""All pairs at once: pods are grouped into classes, pairs are bitsets (docs/adr/0001-classes-and-bitsets.md)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field

from meshtui.engine.classes.classifier import Classifier, ClassKey, PodClass, Reads
from meshtui.engine.classes.index import Bits, Index
from meshtui.engine.decision.ruling import NOBODY, Decided, port_decision_of
from meshtui.engine.matrix.cells import Cell, Cells, JoinedProfiles, Open
from meshtui.engine.matrix.mesh import MeshPartitions
from meshtui.engine.matrix.network import NetworkPartitions
from meshtui.engine.matrix.partition import (
    MeshProfiles,
    PeerPartition,
    PortMaps,
    Profile,
    Profiles,
    expanded,
    profile_at,
    same_in_both,
)
from meshtui.engine.matrix.ports import PortMap
from meshtui.engine.matrix.touched import Delta, Rules, delta
from meshtui.engine.policy.networkpolicy import Direction
from meshtui.engine.policy.own import own_policies
from meshtui.engine.policy.unmodelled import Unmodelled
from meshtui.model.ids import Uid
from meshtui.model.snapshot import Snapshot
from meshtui.model.verdict import Decision
from meshtui.model.workload import Pod

_BLOCK = 512
"""The number of rows that are computed together."""
_FEW_ROWS = 32
"""Up to this number, rows are computed one by one."""


ITSELF = Decided(Decision.ALLOW, NOBODY)
"""A pod always reaches itself."""


def _by_name(pod: Pod) -> tuple[str, str]:
    return pod.meta.namespace, pod.meta.name


def _as_read(snapshot: Snapshot) -> tuple[dict[Uid, tuple[object, ...]], dict[Uid, tuple[object, ...]]]:
    """What classes depend on of the Services of a snapshot, and of the EndpointSlices of those without a selector."""
    services = snapshot.services
    chosen = {(s.meta.namespace, s.meta.name) for s in services.values() if not s.selector}
    slices = snapshot.endpoint_slices if chosen else {}
    return (
        {uid: (s.meta.namespace, s.meta.name, s.selector, s.ports) for uid, s in services.items()},
        {uid: (s.service, s.endpoints) for uid, s in slices.items() if (s.meta.namespace, s.service) in chosen},
    )


@dataclass(slots=True)
class Touched:
    """The pairs of classes whose verdict an update may have changed, as bitsets.

    ``rows`` maps sources to destinations, ``columns`` destinations to sources; a pair may be in both. ``moved`` are the pods
    (namespace/name) that were added, removed, or changed their class.
    """

    rows: dict[int, Bits] = field(default_factory=dict)
    columns: dict[int, Bits] = field(default_factory=dict)
    moved: set[str] = field(default_factory=set)
    everything: bool = False
    proxies: bool = False
    """Whether pairs that the engine evaluates may have changed too (``proxied``)."""

    def __bool__(self) -> bool:
        """Whether any verdict may have changed."""
        return bool(self.everything or self.proxies or self.rows or self.columns or self.moved)


class Matrix:
    """The verdicts of all pairs of pods of a snapshot. Pods that have ended are omitted.

    ``classes`` only grows: a class without pods is no longer used, but keeps its number. ``proxies_version`` increases with every
    update after which pairs that the engine evaluates must be evaluated again. ``own`` are the policies of the CNI's own kinds.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self.proxies_version = 0
        self.own = own_policies(snapshot)
        self._start(snapshot, Rules.of(snapshot))

    def _start(self, snapshot: Snapshot, rules: Rules) -> None:
        self.snapshot, self._rules = snapshot, rules
        self.proxies_version += 1
        self._reads = Reads()
        self._reads.note(snapshot, self.own)
        self._generations: dict[str, int] = {}
        self._classifier = Classifier(snapshot, self._reads, self._generations)
        self._index = Index()
        self._maps = PortMaps()
        self._profiles = Profiles(self._maps)
        self._both = JoinedProfiles(self._profiles)
        mesh_profiles = MeshProfiles()
        self._cells = Cells(self._maps, self._profiles, mesh_profiles)
        self._sides = {direction: NetworkPartitions(direction, self._index, self._profiles) for direction in Direction}
        self._mesh = MeshPartitions(self._index, self._maps, mesh_profiles)
        self.classes: list[PodClass] = []
        self._by_key: dict[ClassKey, PodClass] = {}
        self._class_of: dict[str, PodClass] = {}
        for pod in sorted(snapshot.pods.values(), key=_by_name):
            self._add(pod)
        self._named_ports = self._index.named_ports
        self._has_hosts = bool(self._index.as_nodes)
        self._load()
        for member in self.classes:
            self._mesh.see(member)
        self._egress: list[PeerPartition] = [self._side(Direction.EGRESS, member) for member in self.classes]
        self._ingress: list[PeerPartition] = [self._side(Direction.INGRESS, member) for member in self.classes]
        self._meshed: list[PeerPartition] = [self._mesh.of(member) for member in self.classes]

    def _load(self) -> None:
        for side in self._sides.values():
            admin, unlabelled = self.snapshot.admin_policies.values(), bool(self.snapshot.unlabelled)
            side.load(self._rules.network.values(), admin, cni=self.snapshot.cni, own=self.own, unlabelled=unlabelled)
        endpoints, policies = self._classifier.endpoints, self._rules.authorization.values()
        self._mesh.load(self.snapshot, endpoints, policies, self.own, dual_stack=self._reads.dual)
        self._doubts = Unmodelled(self.snapshot, self.own)

    def _add(self, pod: Pod) -> PodClass | None:
        """Add a pod to its class; pods that have ended have none."""
        if pod.completed:
            return None
        key = self._classifier.key(pod)
        member = self._by_key.get(key)
        if member is None:
            member = self._by_key[key] = self._classifier.member(len(self.classes), key, pod)
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
        """Replace the snapshot by a newer one; only what has changed is recomputed."""
        kept = self.own.kept(snapshot) if self.own is not None else None
        found = delta(self.snapshot, self._rules, snapshot, same_own=kept is not None or self.own is None)
        self.own = kept or own_policies(snapshot)
        seen = self._reads.size()
        written = found.written
        self._reads.policies(written.network.values(), written.authorization.values(), written.peer.values())
        self._reads.tokens(snapshot.request_authentications.values())
        self._reads.pods(snapshot, found.come)
        crowded = len(self.classes) > 2 * sum(bool(member.pods) for member in self.classes) + 64
        readdressed = self._reads.dual and (found.network or found.authorization)
        if found.everything or crowded or readdressed or self._reads.size() != seen or self._services_matter(snapshot):
            self._start(snapshot, Rules.of(snapshot))
            rows = dict.fromkeys(range(len(self.classes)), self._index.all)
            return Touched(rows, {}, set(self._class_of), everything=True, proxies=True)
        self.snapshot, self._rules = snapshot, found.rules
        self.proxies_version += found.proxies
        for namespace in found.relabelled:
            self._generations[namespace] = self._generations.get(namespace, 0) + 1
        self._classifier = Classifier(snapshot, self._reads, self._generations)
        self._load()
        before = len(self.classes)
        touched = self._move(found)
        touched.proxies = found.proxies
        self._take_anew(found, touched, before)
        return touched

    def _services_matter(self, snapshot: Snapshot) -> bool:
        """Whether Services have changed, and a pod has a sidecar, which reads them."""
        old = self.snapshot
        if not self._reads.sidecars or (old.services is snapshot.services and old.endpoint_slices is snapshot.endpoint_slices):
            return False
        return _as_read(old) != _as_read(snapshot)

    def _move(self, found: Delta) -> Touched:
        """Remove pods from their old classes and add them to their new ones; a class that gets its first member is touched."""
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

    def _take_anew(self, found: Delta, touched: Touched, before: int) -> None:
        """Rebuild the partitions of new classes and of those whose policies changed."""
        ports, hosts = self._named_ports, bool(self._index.as_nodes)
        first_hosts = hosts is not self._has_hosts
        self._has_hosts = hosts
        new_kind = False
        for member in self.classes[before:]:
            new_kind |= self._mesh.see(member)
        everywhere = new_kind or found.proxies or self.snapshot.mesh.root_namespace in found.authorization | found.peer
        for member in self.classes:
            number, namespace = member.number, member.endpoint.namespace
            network = number >= before or namespace in found.network or first_hosts
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
        """Give a class a new partition; only peers whose profile differs from before are touched."""
        if number == len(partitions):
            partitions.append(partition)
            touched[number] = self._index.all
        elif partitions[number] is not partition:
            everybody, size = self._index.all, self._index.size
            differ = everybody & ~same_in_both(partitions[number].settled, partition.groups(everybody, size))
            partitions[number] = partition
            if differ:
                touched[number] = touched.get(number, 0) | differ

    # ---- answers

    def rows(self, wanted: Collection[int] | None = None) -> Iterator[tuple[PodClass, Sequence[Cell]]]:
        """Each class with pods as a source, with a cell for each class as a destination, in the order of ``classes``.

        ``wanted`` are the numbers of the sources to return; all by default.
        """
        if wanted is not None and len(wanted) <= _FEW_ROWS:
            sources = (self.classes[number] for number in sorted(wanted))
            yield from ((source, self.row(source)) for source in sources if source.pods)
            return
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
        """For each class as a destination, the profiles of consecutive sources; classes with one partition share the list."""
        known: dict[PeerPartition, Sequence[Profile]] = {}
        columns = []
        for partition in partitions:
            column = known.get(partition)
            if column is None:
                groups = partition.groups(self._index.all, self._index.size)
                column = known[partition] = expanded(groups, start, width)
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
        """The profile of one class in the partition of every class; computed once for each distinct partition."""
        everybody, size = self._index.all, self._index.size
        known: dict[PeerPartition, Profile] = {}
        found = []
        for partition in partitions:
            profile = known.get(partition)
            if profile is None:
                profile = known[partition] = profile_at(partition.groups(everybody, size), number)
            found.append(profile)
        return found

    def cell(self, source: PodClass, destination: PodClass) -> Cell:
        """The cell of one pair of classes."""
        everybody, size = self._index.all, self._index.size
        out = profile_at(self._egress[source.number].groups(everybody, size), destination.number)
        into = profile_at(self._ingress[destination.number].groups(everybody, size), source.number)
        mesh = profile_at(self._meshed[destination.number].groups(everybody, size), source.number)
        return self._cells[self._both[out, into], mesh]

    def completed(self, open_: Open, proxy: PortMap, *, tunnelled: bool) -> Cell:
        """The cell of a pair that is left to the engine, given what the destination's proxy decides about TCP."""
        return self._cells.completed(open_.network, self._maps.number(proxy), tunnelled=tunnelled)

    def class_of(self, key: str) -> PodClass | None:
        """The class of a pod by namespace/name; None for a pod that doesn't exist or has ended."""
        return self._class_of.get(key)

    def judge(self, source: str, destination: str, port: int, protocol: str = "TCP") -> Decided:
        """The verdict on one flow between pods by namespace/name. Raises KeyError for a pod that doesn't exist or has ended."""
        if source == destination:
            return ITSELF
        return self.cell(self._class_of[source], self._class_of[destination]).at(port, protocol)
