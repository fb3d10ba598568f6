"""Who reaches whom, as a table of answers: what the matrix screen shows. Worked out in a thread, then never changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace

from meshtui.engine.matrix.cells import Cell
from meshtui.engine.matrix.groups import Group, groups_of, merged, pairs
from meshtui.engine.matrix.matrix import Matrix
from meshtui.engine.path.relations import workload_endpoint
from meshtui.engine.path.resolution import Resolver
from meshtui.engine.path.waypoint import services_with_waypoint
from meshtui.model.flow import EndpointKind, Flow, FlowEndpoint
from meshtui.model.ids import ObjectRef
from meshtui.model.snapshot import Snapshot
from meshtui.model.verdict import Decision, Verdict
from meshtui.widgets.document import BAD, DIM, OK, WARN

ALL, SOME, NONE, DOUBT, ITSELF = range(5)
MARKS: tuple[tuple[str, str, str], ...] = (
    ("✓", "all", OK),
    ("◐", "some ports or pods", WARN),
    ("✗", "none", BAD),
    ("?", "unknown", WARN),
    ("·", "itself", DIM),
)
"""Glyph, word and tone of each code."""
MOST_JUDGED = 400
"""Pairs in doubt that are judged one by one for a view; the others stay in doubt until one asks (Enter)."""
Port = tuple[int, str]
"""Number and protocol."""


@dataclass(frozen=True, slots=True)
class View:
    """Namespaces against each other, or the workloads of one namespace (as sources) against those of one (as destinations)."""

    source: str = ""
    destination: str = ""

    @property
    def by(self) -> str:
        """What rows and columns are."""
        return "workload" if self.source else "namespace"


@dataclass(frozen=True, slots=True)
class Reach:
    """``cells`` and ``codes`` by row (source) and column (destination); ``ports`` are a column's declared ones."""

    view: View
    declared: bool
    snapshot: Snapshot
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cells: tuple[tuple[Cell | None, ...], ...]
    codes: tuple[bytes, ...]
    ports: tuple[tuple[Port, ...], ...]
    judged: Mapping[tuple[int, int], tuple[tuple[Flow, Verdict], ...]] = field(default_factory=dict)
    """Pairs of workloads that all-pairs judging leaves to the engine (a proxy stands between): their flows, one by one."""


def reach(matrix: Matrix, view: View, *, declared: bool = True) -> Reach:
    """A view of a matrix. ``declared``: judge by the ports that the destination's containers declare, where there are any."""
    groups = groups_of(matrix, view.by)
    if view.source:
        sources = [group for group in groups if group.namespace == view.source]
        targets = [group for group in groups if group.namespace == view.destination]
        table = list(_between(matrix, sources, targets))
    else:
        sources = targets = groups
        table = [tuple(cells) for _, cells in pairs(matrix.rows(), groups)]
    ports = _declared(matrix.snapshot, view, targets)
    looked_at = ports if declared else tuple(() for _ in ports)
    known: dict[tuple[Cell, tuple[Port, ...]], int] = {}
    codes = tuple(bytes(_code(cell, wanted, known) for cell, wanted in zip(row, looked_at, strict=True)) for row in table)
    rows, columns = tuple(group.name for group in sources), tuple(group.name for group in targets)
    return Reach(view, declared, matrix.snapshot, rows, columns, tuple(table), codes, ports)


def _between(matrix: Matrix, sources: Sequence[Group], targets: Sequence[Group]) -> Iterator[tuple[Cell | None, ...]]:
    """A row for each source; only the rows of their classes are worked out."""
    known: dict[frozenset[Cell], Cell] = {}
    numbers = [number for group in sources for number in group.counts]
    rows = {number: matrix.row(matrix.classes[number]) for number in dict.fromkeys(numbers)}
    for source in sources:
        row: list[Cell | None] = []
        for target in targets:
            alone = source.name == target.name
            found = frozenset(
                rows[a][b] for a in source.counts for b in target.counts if not alone or a != b or source.counts[a] > 1
            )
            if found and found not in known:
                known[found] = next(iter(found)) if len(found) == 1 else merged(found)
            row.append(known[found] if found else None)
        yield tuple(row)


def _declared(snapshot: Snapshot, view: View, targets: Sequence[Group]) -> tuple[tuple[Port, ...], ...]:
    """The ports that the containers of each target declare."""
    found: dict[str, set[Port]] = {group.name: set() for group in targets}
    for ref, workload in snapshot.workloads.items():
        declared = found.get(f"{ref.namespace}/{ref.kind}/{ref.name}" if view.source else ref.namespace)
        if declared is not None:
            declared.update((p.number, p.protocol) for pod in workload.pods if not pod.completed for p in pod.ports)
    return tuple(tuple(sorted(found[group.name])) for group in targets)


def _code(cell: Cell | None, ports: tuple[Port, ...], known: dict[tuple[Cell, tuple[Port, ...]], int]) -> int:
    if cell is None:
        return ITSELF
    code = known.get((cell, ports))
    if code is None:
        code = known[cell, ports] = code_of(cell, ports)
    return code


def code_of(cell: Cell, ports: Sequence[Port]) -> int:
    """What a cell comes to on some ports; without any, on every TCP port."""
    if ports:
        decisions = {cell.at(number, protocol).decision for number, protocol in ports}
    else:
        decisions = {segment.decided.decision for segment in cell.tcp}
    return _code_of(decisions)


def _code_of(decisions: AbstractSet[Decision]) -> int:
    if Decision.UNKNOWN in decisions:
        return DOUBT
    if decisions == {Decision.ALLOW}:
        return ALL
    return NONE if decisions == {Decision.DENY} else SOME


def flows_between(snapshot: Snapshot, resolver: Resolver, source: ObjectRef, destination: ObjectRef) -> list[Flow]:
    """A flow to each port of each Service in front of a workload, then to each declared port that no Service leads to."""
    workload = snapshot.workloads.get(destination)
    pods = [pod for pod in workload.pods if not pod.completed] if workload else []
    if not pods:
        return []
    start = workload_endpoint(source)
    flows: list[Flow] = []
    led_to: set[tuple[int | str, str]] = set()
    services = (s for s in snapshot.services.values() if s.meta.namespace == destination.namespace)
    for service in sorted(services, key=lambda s: s.meta.name):
        if not any(pod in pods for pod in resolver.backends(service)):
            continue
        end = FlowEndpoint(EndpointKind.SERVICE, service.meta.namespace, service.meta.name)
        for port in service.ports:
            flows.append(Flow(start, end, port.number, port.protocol))
            led_to.add((port.target, port.protocol))
    for number, name, protocol in sorted({(p.number, p.name, p.protocol) for pod in pods for p in pod.ports}):
        if not led_to & {(number, protocol), (name, protocol)}:
            flows.append(Flow(start, workload_endpoint(destination), number, protocol))
    return flows


def workload_ref(name: str) -> ObjectRef:
    """The workload that a row or column stands for (NAMESPACE/KIND/NAME)."""
    namespace, kind, short = name.split("/")
    return ObjectRef(kind, namespace, short)


def settled(found: Reach, resolver: Resolver, judge: Callable[[Flow], Verdict]) -> Reach:
    """The same with the engine's word on pairs of workloads that are in doubt, or whose Service has a waypoint.

    All-pairs judging is about pods' own addresses; the engine knows proxies, and judges flow by flow.
    """
    if not found.view.source:
        return found
    judged: dict[tuple[int, int], tuple[tuple[Flow, Verdict], ...]] = {}
    codes = [bytearray(row) for row in found.codes]
    proxied = _proxied(found.snapshot, resolver, found.view.destination)
    behind = {c for c, name in enumerate(found.columns) if workload_ref(name) in proxied}
    doubtful = (
        (r, c)
        for r, row in enumerate(found.codes)
        for c, code in enumerate(row)
        if code == DOUBT or (c in behind and code != ITSELF)
    )
    for (r, c), _ in zip(doubtful, range(MOST_JUDGED), strict=False):
        flows = flows_between(found.snapshot, resolver, workload_ref(found.rows[r]), workload_ref(found.columns[c]))
        verdicts = tuple((flow, judge(flow)) for flow in flows)
        if verdicts:
            judged[r, c] = verdicts
            codes[r][c] = _code_of({verdict.decision for _, verdict in verdicts})
    return replace(found, codes=tuple(bytes(row) for row in codes), judged=judged) if judged else found


def _proxied(snapshot: Snapshot, resolver: Resolver, namespace: str) -> set[ObjectRef]:
    """The workloads of a namespace that a Service with a waypoint leads to."""
    found: set[ObjectRef] = set()
    for service in services_with_waypoint(snapshot):
        if service.meta.namespace == namespace:
            found.update(snapshot.owner_of(pod) for pod in resolver.backends(service))
    return found
