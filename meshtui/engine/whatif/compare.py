"""The flows that a change would open and close: a comparison of two Snapshots, limited to flows that can differ. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from meshtui.engine.classes.bitsets import members
from meshtui.engine.decision.ruling import Decided
from meshtui.engine.endpoints import Endpoints
from meshtui.engine.matrix.cells import Cell
from meshtui.engine.matrix.matrix import Matrix, Touched
from meshtui.engine.matrix.ports import Range
from meshtui.engine.matrix.proxied import MOST_ASKED, Proxied
from meshtui.engine.path.gateway_pods import GatewayPods
from meshtui.engine.policy.switches import switches_of
from meshtui.engine.policy.unmodelled import USE_WAYPOINT
from meshtui.engine.whatif.requests import MOST_JUDGED, compare_requests
from meshtui.engine.whatif.shifts import Shift, Turn, What, order_of, ports_of, turns
from meshtui.model.ids import ObjectRef
from meshtui.model.snapshot import Snapshot
from meshtui.model.workload import MeshMode, Pod


@dataclass(frozen=True, slots=True)
class Comparison:
    """All flows that a change opens, closes, or makes unknown; ``covered`` lists what was compared, ``left_out`` what wasn't."""

    shifts: tuple[Shift, ...]
    covered: tuple[str, ...]
    left_out: tuple[str, ...]

    def of(self, what: What) -> tuple[Shift, ...]:
        """The shifts of one sort, sorted by source and destination."""
        return tuple(shift for shift in self.shifts if shift.what is what)


def compare(
    before: Snapshot,
    after: Snapshot,
    *,
    by: str = "workload",
    known: Matrix | None = None,
    most: int = MOST_ASKED,
    most_requests: int = MOST_JUDGED,
    near: Collection[str] | None = None,
) -> Comparison:
    """Compare the verdicts on all flows. ``known`` is a Matrix of ``before``, if there is one.

    ``by`` is workload or pod; ``most`` is the maximum number of flows behind proxies that are evaluated one by one,
    ``most_requests`` that of requests from outside, and of flows to Services behind waypoints. ``near`` are the pods, as
    ``namespace/name``, of which the change is known to affect only flows from or to them: then no other pairs are compared.
    """
    pairs = _Pairs(before, after, known or Matrix(before), _Scope(by, most, near))
    shifts = pairs.shifts()
    requests = compare_requests(before, after, most_requests)
    count = len({pod.key for snapshot in (before, after) for pod in snapshot.pods.values() if not pod.completed})
    covered = (f"every pair of {count} pods, on every port of TCP, UDP and SCTP", *requests.covered)
    left_out = [
        "addresses outside the cluster",
        "requests inside the cluster by their path, method or headers",
        *requests.left_out,
    ]
    if pairs.left:
        left_out.append(f"{pairs.left} pairs of workloads behind proxies: too many to ask about one by one")
    return Comparison(tuple(sorted((*shifts, *requests.shifts), key=order_of)), covered, tuple(left_out))


Lineage = tuple[int | None, int | None, bool]
"""The class of a pod before and after (None: the pod doesn't exist), and whether it has changed."""


@dataclass(slots=True)
class _Line:
    """The pods of one lineage: the number of them in each group."""

    groups: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Scope:
    """The parameters of a comparison: the groups, the maximum of flows behind proxies, and the pods that it is limited to."""

    by: str
    most: int
    near: Collection[str] | None


class _Pairs:
    """The pairs of pods, compared by the classes of both matrices."""

    def __init__(self, before: Snapshot, after: Snapshot, known: Matrix, scope: _Scope) -> None:
        self._old = known
        self._near, self._near_lines = scope.near, dict[Lineage, None]()
        if scope.near is None:
            self._new = Matrix(before)
            self._touched = self._new.update(after)
        else:
            self._new, self._touched = Matrix(after), Touched()
        self._by = scope.by
        self._lines = self._lineages(before, after)
        self._proxies = _leaves_pairs(before) or _leaves_pairs(after)
        self._old_whole, self._new_whole = (Proxied(matrix, most=scope.most) for matrix in (self._old, self._new))
        self._turns: dict[tuple[Cell | None, Cell | None], tuple[Turn, ...]] = {}
        self._sizes: dict[str, int] = defaultdict(int)
        for line in self._lines.values():
            for group, count in line.groups.items():
                self._sizes[group] += count
        self.left = 0

    def _lineages(self, before: Snapshot, after: Snapshot) -> dict[Lineage, _Line]:
        pods = {pod.key: (pod, before) for pod in before.pods.values()} | {pod.key: (pod, after) for pod in after.pods.values()}
        names = _Names(self._by, before)
        lines: dict[Lineage, _Line] = defaultdict(_Line)
        for key, (pod, snapshot) in pods.items():
            old, new = self._old.class_of(key), self._new.class_of(key)
            if old is None and new is None:
                continue
            moved = key in self._touched.moved or old is None or new is None
            line = old.number if old else None, new.number if new else None, moved
            groups = lines[line].groups
            if self._near is not None and key in self._near:
                self._near_lines[line] = None
            name = names.of(pod, snapshot)
            groups[name] = groups.get(name, 0) + 1
        return lines

    def shifts(self) -> list[Shift]:
        """All shifts, merged for each pair of groups."""
        found: dict[tuple[str, str], dict[_Key, _Sum]] = {}
        for source, destination in self._candidates():
            for turn in self._turn(source, destination):
                self._count(found, source, destination, turn)
        return [
            Shift(
                source,
                destination,
                key[0],
                ports_of(total.ranges),
                key[1],
                key[2],
                some=total.some(self._pairs_of(source, destination)),
            )
            for (source, destination), sums in found.items()
            for key, total in sums.items()
        ]

    def _count(self, found: dict[tuple[str, str], dict[_Key, _Sum]], source: Lineage, destination: Lineage, turn: Turn) -> None:
        same = source == destination
        for one, many in self._lines[source].groups.items():
            for other, more in self._lines[destination].groups.items():
                count = many * more - (many if same and one == other else 0)
                if count > 0:
                    sums = found.setdefault((one, other), {})
                    sums.setdefault((turn.what, turn.before, turn.after), _Sum()).add(turn, count)

    def _pairs_of(self, source: str, destination: str) -> int:
        many = self._sizes[source]
        return many * (many - 1) if source == destination else many * self._sizes[destination]

    # ---- which pairs to look at

    def _candidates(self) -> Iterator[tuple[Lineage, Lineage]]:
        """The pairs of lineages whose verdict may have changed: those that moved, and those that the update touched."""
        everything = list(self._lines)
        if self._near is not None:
            yield from ((one, other) for one in self._near_lines for other in everything)
            yield from ((one, other) for one in everything if one not in self._near_lines for other in self._near_lines)
            return
        if self._touched.everything or self._proxies:
            yield from ((one, other) for one in everything for other in everything)
            return
        moved = [lineage for lineage in everything if lineage[2]]
        still = {lineage[1]: lineage for lineage in everything if not lineage[2]}
        for lineage in moved:
            yield from ((lineage, other) for other in everything)
            yield from ((other, lineage) for other in still.values())
        for source, destination in _touched_pairs(self._touched, still):
            yield still[source], still[destination]

    def _turn(self, source: Lineage, destination: Lineage) -> tuple[Turn, ...]:
        old = self._cell(self._old, self._old_whole, source[0], destination[0])
        new = self._cell(self._new, self._new_whole, source[1], destination[1])
        if old is _LEFT or new is _LEFT:
            self.left += 1
            return ()
        key = (old, new)
        known = self._turns.get(key)
        if known is None:
            known = self._turns[key] = turns(old, new)
        return known

    def _cell(self, matrix: Matrix, proxied: Proxied, source: int | None, destination: int | None) -> Cell | None:
        if source is None or destination is None:
            return None
        one, other = matrix.classes[source], matrix.classes[destination]
        cell = matrix.cell(one, other)
        if not self._proxies:
            return cell
        left = proxied.left
        whole = proxied.whole(one, other, cell)
        return whole if proxied.left == left else _LEFT


_PROXIED = frozenset({MeshMode.SIDECAR, MeshMode.GATEWAY})
_LEFT = Cell((), (), ())
"""The marker for a pair that wasn't evaluated."""
_Key = tuple[What, Decided | None, Decided | None]


class _Sum:
    """One change of decision between two groups: its ports, and its number of pairs of pods."""

    def __init__(self) -> None:
        self.ranges: dict[str, list[Range]] = {}
        self._pairs = 0
        self._first: object = None
        self._differ = False

    def add(self, turn: Turn, pairs: int) -> None:
        """Add pairs."""
        if self._first is None:
            self._first = turn.ports
        self._differ |= self._first != turn.ports
        self._pairs += pairs
        for protocol, ranges in turn.ports:
            self.ranges.setdefault(protocol, []).extend(ranges)

    def some(self, of: int) -> bool:
        """Whether the change doesn't apply to all pairs."""
        return self._differ or self._pairs < of


class _Names:
    """The names of groups: NAMESPACE/KIND/NAME of the workload, or NAMESPACE/NAME of the pod."""

    def __init__(self, by: str, before: Snapshot) -> None:
        self._by = by
        self._before = before
        self._known: dict[tuple[bool, str, str, str], ObjectRef] = {}

    def of(self, pod: Pod, snapshot: Snapshot) -> str:
        """The name of a pod's group."""
        if self._by == "pod":
            return pod.key
        owner = pod.controller
        if owner is None:
            return f"{pod.namespace}/Pod/{pod.name}"
        key = (snapshot is self._before, pod.namespace, f"{owner.kind}/{owner.name}", pod.labels.get("pod-template-hash", ""))
        ref = self._known.get(key)
        if ref is None:
            ref = self._known[key] = snapshot.owner_of(pod)
        return f"{ref.namespace}/{ref.kind}/{ref.name}"


def _touched_pairs(touched: Touched, still: dict[int | None, Lineage]) -> Iterator[tuple[int, int]]:
    """The touched pairs of classes, for classes with pods that didn't move."""
    alive = sum(1 << number for number in still if number is not None)
    rows: dict[int, int] = defaultdict(int)
    for number, bits in touched.rows.items():
        if alive >> number & 1:
            rows[number] |= bits & alive
    for number, bits in touched.columns.items():
        if alive >> number & 1:
            for source in members(bits & alive):
                rows[source] |= 1 << number
    for source, bits in rows.items():
        yield from ((source, destination) for destination in members(bits))


def _leaves_pairs(snapshot: Snapshot) -> bool:
    """Whether the matrix may leave pairs to the engine: those with a sidecar, a waypoint or a gateway, and open questions."""
    labelled = [each.labels for each in snapshot.namespaces.values()] + [pod.labels for pod in snapshot.pods.values()]
    if any(labels.get(USE_WAYPOINT, "none") != "none" for labels in labelled) or switches_of(snapshot).allows_waypoints:
        return True
    gateways, endpoints = GatewayPods(snapshot), Endpoints(snapshot)
    for pod in snapshot.pods.values():
        if len(pod.ips) > 1 or snapshot.open_membership_of(pod) is not None:
            return True
        if snapshot.mesh_mode(pod) in _PROXIED:
            endpoint = endpoints.pod(pod)
            if endpoint.is_configured_proxy or gateways.guards(endpoint):
                return True
    return False
