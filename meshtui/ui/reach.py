"""Who reaches whom, as a table for the matrix screen. It is computed in a thread, and immutable."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace

from meshtui.engine.decision.conclude import decided_of
from meshtui.engine.decision.ruling import Decided
from meshtui.engine.explain.ports import ON_REQUEST
from meshtui.engine.matrix.cells import Cell
from meshtui.engine.matrix.groups import Group, groups_of, merged, pairs
from meshtui.engine.matrix.matrix import Matrix
from meshtui.engine.matrix.proxied import Memo, Proxied
from meshtui.engine.path.relations import workload_endpoint
from meshtui.engine.path.resolution import Resolver
from meshtui.engine.path.waypoint import services_with_waypoint
from meshtui.model.flow import EndpointKind, Flow, FlowEndpoint
from meshtui.model.ids import ObjectRef
from meshtui.model.snapshot import Snapshot
from meshtui.model.verdict import Decision, Verdict
from meshtui.ui.document import BAD, DIM, OK, WARN

ALL, SOME, NONE, DOUBT, ITSELF, DEPENDS = range(6)
MARKS: tuple[tuple[str, str, str], ...] = (
    ("✓", "all", OK),
    ("◐", "some ports or pods", WARN),
    ("✗", "none", BAD),
    ("?", "unknown", WARN),
    ("·", "itself", DIM),
    ("◇", ON_REQUEST, WARN),
)
"""Glyph, word and tone of each code."""
MOST_ASKED = 10_000
"""Maximum number of engine evaluations for pairs behind proxies, about 2 s, each time that a view is computed."""
MOST_JUDGED = 400
"""Maximum number of undecided pairs that are evaluated flow by flow for a view. The others stay undecided until they are
opened.
"""
Port = tuple[int, str]
"""Number and protocol."""


@dataclass(frozen=True, slots=True)
class View:
    """All namespaces, or the workloads of one namespace (as sources) and of another (as destinations), or all ``workloads``."""

    source: str = ""
    destination: str = ""
    workloads: bool = False

    @property
    def by(self) -> str:
        """What rows and columns are: workloads or namespaces."""
        return "workload" if self.source or self.workloads else "namespace"


@dataclass(frozen=True, slots=True)
class Reach:
    """``cells`` and ``codes`` by row (source) and column (destination); ``ports`` are the declared ports of each column."""

    view: View
    declared: bool
    snapshot: Snapshot
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cells: tuple[tuple[Cell | None, ...], ...]
    codes: tuple[bytes, ...]
    ports: tuple[tuple[Port, ...], ...]
    judged: Mapping[tuple[int, int], tuple[tuple[Flow, Verdict], ...]] = field(default_factory=dict)
    """Pairs of workloads that are unknown, or behind a Service's waypoint, with the verdict of each flow through a Service."""
    left: int = 0
    """The number of pairs of classes behind proxies that stay unknown because they would exceed ``MOST_ASKED``."""


def reach(matrix: Matrix, view: View, *, declared: bool = True, memo: Memo | None = None, most: int = MOST_ASKED) -> Reach:
    """A view of a matrix. ``declared``: consider only the ports that the destination's containers declare, if there are any.

    ``memo`` has what was evaluated for the matrix before. ``most`` is the maximum number of evaluations of pairs behind proxies.
    """
    proxied = Proxied(matrix, most=most, memo=memo)
    groups = groups_of(matrix, view.by)
    if view.source:
        sources = [group for group in groups if group.namespace == view.source]
        targets = [group for group in groups if group.namespace == view.destination]
        table = list(_between(proxied, sources, targets))
    else:
        sources = targets = groups
        found = {group.name: tuple(cells) for group, cells in pairs(proxied.rows(), groups)}
        table = [found[group.name] for group in groups]
    ports = _declared(matrix.snapshot, view, targets)
    looked_at = ports if declared else tuple(() for _ in ports)
    known: dict[tuple[Cell, tuple[Port, ...]], int] = {}
    codes = tuple(bytes(_code(cell, wanted, known) for cell, wanted in zip(row, looked_at, strict=True)) for row in table)
    rows, columns = tuple(group.name for group in sources), tuple(group.name for group in targets)
    return Reach(view, declared, matrix.snapshot, rows, columns, tuple(table), codes, ports, left=proxied.left)


def _between(proxied: Proxied, sources: Sequence[Group], targets: Sequence[Group]) -> Iterator[tuple[Cell | None, ...]]:
    """A row for each source. Only the matrix rows of their classes are computed."""
    known: dict[frozenset[Cell], Cell] = {}
    starts, ends = ({number for group in groups for number in group.counts} for groups in (sources, targets))
    rows = {source.number: row for source, row in proxied.rows(starts, sorted(ends))}
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
    """The ports that the containers of each destination declare."""
    found: dict[str, set[Port]] = {group.name: set() for group in targets}
    for ref, workload in snapshot.workloads.items():
        declared = found.get(f"{ref.namespace}/{ref.kind}/{ref.name}" if view.by == "workload" else ref.namespace)
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
    """The code of a cell for some ports; without ports, for all TCP ports."""
    if ports:
        return _code_of({cell.at(number, protocol) for number, protocol in ports})
    return _code_of({segment.decided for segment in cell.tcp})


def _code_of(decided: AbstractSet[Decided]) -> int:
    unknown = [each.ruling.on_request for each in decided if each.decision is Decision.UNKNOWN]
    if unknown:
        return DEPENDS if all(unknown) else DOUBT
    decisions = {each.decision for each in decided}
    if decisions == {Decision.ALLOW}:
        return ALL
    return NONE if decisions == {Decision.DENY} else SOME


def flows_between(snapshot: Snapshot, resolver: Resolver, source: ObjectRef, destination: ObjectRef) -> list[Flow]:
    """A flow to each port of each Service of a workload, then to each declared port without a Service."""
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
    """The workload of a row or column (NAMESPACE/KIND/NAME)."""
    namespace, kind, short = name.split("/", 2)
    return ObjectRef(kind, namespace, short)


def settled(found: Reach, resolver: Resolver, judge: Callable[[Flow], Verdict]) -> Reach:
    """The table with unknown pairs of workloads, and those behind a Service's waypoint, evaluated by the engine.

    The matrix covers connections to pod addresses; the engine evaluates connections through Services, flow by flow.
    """
    if found.view.by != "workload":
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
            codes[r][c] = _code_of({decided_of(verdict) for _, verdict in verdicts})
    return replace(found, codes=tuple(bytes(row) for row in codes), judged=judged) if judged else found


def _proxied(snapshot: Snapshot, resolver: Resolver, namespace: str) -> set[ObjectRef]:
    """The workloads of a namespace (empty: of all) that are behind a Service with a waypoint."""
    found: set[ObjectRef] = set()
    for service in services_with_waypoint(snapshot):
        if namespace in {"", service.meta.namespace}:
            found.update(snapshot.owner_of(pod) for pod in resolver.backends(service))
    return found
