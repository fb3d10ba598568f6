"""Maps of a session: of a workload, a namespace, a policy. They evaluate flows: call them in a thread."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from meshtui.engine.explain.selected import Selected
from meshtui.engine.path.relations import (
    flows_from,
    flows_to,
    pods_of_authorization_policy,
    pods_of_network_policy,
    workload_endpoint,
)
from meshtui.kinds.registry import POLICY_KINDS
from meshtui.model.flow import EndpointKind, Flow, FlowEndpoint
from meshtui.model.ids import ObjectRef
from meshtui.model.policy import AdminPolicy, ForeignPolicy
from meshtui.model.snapshot import Snapshot
from meshtui.model.verdict import Verdict
from meshtui.model.workload import Pod, Workload
from meshtui.session import Session
from meshtui.ui.evidence import Evidence, Services
from meshtui.ui.panes.namespaces import MODES
from meshtui.ui.panes.workloads import mesh_cell
from meshtui.ui.pictures.map import Edge, MapData, Neighbour

MOST_JUDGED = 500
"""The maximum number of flows that are evaluated for one map; it says how many were left out."""
_MOST_FLOWS = 20_000
"""The maximum number of flows among which those to be evaluated are chosen."""
_OUTSIDE = "external"


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A flow of a map, with its other end and the text of its port."""

    flow: Flow
    neighbour: ObjectRef | FlowEndpoint
    namespace: str
    name: str
    port: str


def map_of(session: Session, ref: ObjectRef) -> MapData | None:
    """The map of an object; None if objects of its kind have none."""
    if ref.kind == "Namespace":
        return map_of_namespace(session, ref.name)
    if ref.kind in POLICY_KINDS:
        return map_of_policy(session, ref)
    if ref.kind == "Service":
        behind = Services(session.snapshot).behind(ref.namespace, ref.name)
        return map_of_workload(session, behind[0]) if behind else None
    return map_of_workload(session, ref) if ref in session.snapshot.workloads else None


def map_of_workload(session: Session, ref: ObjectRef) -> MapData:
    """Who calls a workload and whom it calls, with the verdict on each flow."""
    snapshot = session.snapshot
    workload = snapshot.workloads.get(ref)
    if workload is None:
        return MapData(ref.name, ref=ref)
    makes = _Makes(session, home=ref.namespace)
    end = str(workload_endpoint(ref))
    denied = [flow for flow, _ in makes.evidence.denied]
    into = [makes.caller(flow) for flow in flows_to(snapshot, workload)]
    into += [makes.caller(flow) for flow in denied if str(flow.destination) == end and not _is_workload(snapshot, flow.source)]
    out = [makes.callee(flow) for flow in flows_from(snapshot, workload)]
    out += [makes.callee(flow) for flow in denied if str(flow.source) == end and not flow.destination.namespace]
    callers, callees = makes.judged(into, out)
    mode = mesh_cell(snapshot, workload).text
    return MapData(ref.name, _identity(workload), mode, callers, callees, (), ref, makes.left_out)


def map_of_namespace(session: Session, name: str) -> MapData:
    """Which workloads of other namespaces call those of a namespace, and which Services elsewhere those call."""
    snapshot = session.snapshot
    namespace = snapshot.namespace_by_name.get(name)
    makes = _Makes(session, home=name)
    members = [workload for _, workload in sorted(snapshot.workloads.items()) if workload.ref.namespace == name]
    named = len(members) > 1

    def into() -> Iterator[_Wanted]:
        for workload in members:
            for flow in flows_to(snapshot, workload):
                if flow.source.namespace != name:
                    yield makes.caller(flow, to=workload.ref.name if named else "")

    def out() -> Iterator[_Wanted]:
        for workload in members:
            for flow in flows_from(snapshot, workload):
                if flow.destination.namespace != name:
                    yield makes.callee(flow, by=workload.ref.name if named else "")

    callers, callees = makes.judged(into(), out())
    modes = {snapshot.mesh_mode(pod) for workload in members for pod in workload.pods if not pod.completed}
    mode = MODES[modes.pop()][0] if len(modes) == 1 else ("mixed" if modes else "")
    what = f"{len(members)} workload{'' if len(members) == 1 else 's'}"
    ref = namespace.meta.ref if namespace is not None else ObjectRef("Namespace", "", name)
    return MapData(name, what, mode, callers, callees, (), ref, makes.left_out)


def map_of_policy(session: Session, ref: ObjectRef) -> MapData:
    """Whom a policy selects, and who calls them where it decides."""
    snapshot = session.snapshot
    pods = _pods_of(session, ref)
    members = [
        snapshot.workloads[each] for each in sorted({snapshot.owner_of(pod) for pod in pods}) if each in snapshot.workloads
    ]
    makes = _Makes(session, home=ref.namespace, centre=ref)
    named = len(members) > 1

    def into() -> Iterator[_Wanted]:
        seen = 0
        for workload in members:
            if seen > _MOST_FLOWS:  # of a policy for the whole mesh: count the others, without making them
                makes.left_out += _number_to(snapshot, workload)
                continue
            flows = flows_to(snapshot, workload)
            seen += len(flows)
            for flow in flows:
                yield makes.caller(flow, to=workload.ref.name if named else "")

    callers, _ = makes.judged(into(), (), keep=lambda verdict: verdict.decided_by is not None and verdict.decided_by.ref == ref)
    selected = tuple(Neighbour(each.ref, makes.name(each.ref.namespace, each.ref.name), each.ref.namespace) for each in members)
    count = f"{len(pods)} pod{'' if len(pods) == 1 else 's'}"
    return MapData(ref.name, ref.kind, f"selects {count}", callers, (), selected, ref, makes.left_out)


class _Makes:
    """Makes the neighbours of a map whose centre is in the namespace ``home``."""

    def __init__(self, session: Session, home: str, centre: ObjectRef | None = None) -> None:
        self._session, self._home, self._centre = session, home, centre
        self._services = Services(session.snapshot)
        self.evidence = Evidence(session, self._services)
        self.left_out = 0

    def name(self, namespace: str, name: str) -> str:
        """A name as it is shown: with its namespace, if that isn't the centre's."""
        return f"{namespace}/{name}" if namespace and namespace != self._home else name

    def caller(self, flow: Flow, to: str = "") -> _Wanted:
        """A flow into the centre; ``to`` names the part of it that is called."""
        return self._wanted(flow, flow.source, f"{to}:{flow.port}")

    def callee(self, flow: Flow, by: str = "") -> _Wanted:
        """A flow out of the centre; ``by`` names the part of it that calls."""
        return self._wanted(flow, flow.destination, f"{by} → :{flow.port}" if by else f":{flow.port}")

    def _wanted(self, flow: Flow, end: FlowEndpoint, port: str) -> _Wanted:
        neighbour: ObjectRef | FlowEndpoint = end
        if end.kind is EndpointKind.SERVICE:
            behind = self._services.behind(end.namespace, end.name)
            neighbour = behind[0] if len(behind) == 1 else ObjectRef("Service", end.namespace, end.name)
        elif end.kind in {EndpointKind.WORKLOAD, EndpointKind.POD}:
            neighbour = ObjectRef(end.owner_kind or "Pod", end.namespace, end.name)
        name = end.name or end.ip or _OUTSIDE
        return _Wanted(flow, neighbour, end.namespace, self.name(end.namespace, name), port)

    def judged(
        self, into: Iterable[_Wanted], out: Iterable[_Wanted], keep: Callable[[Verdict], bool] = lambda _: True
    ) -> tuple[tuple[Neighbour, ...], tuple[Neighbour, ...]]:
        """The neighbours of both sides. First those flows are evaluated that were denied or probed, then those nearby.

        ``keep`` chooses by the verdict which ones the map has.
        """
        sides = [self._chosen(each) for each in (into, out)]
        half = MOST_JUDGED // 2
        most = [max(half, MOST_JUDGED - len(sides[1])), max(half, MOST_JUDGED - len(sides[0]))]
        self.left_out += sum(max(0, len(side) - number) for side, number in zip(sides, most, strict=True))
        callers, callees = (self._neighbours(side[:number], keep) for side, number in zip(sides, most, strict=True))
        return callers, callees

    def _chosen(self, flows: Iterable[_Wanted]) -> list[_Wanted]:
        """Flows in the order in which they are evaluated, each once."""
        found: dict[Flow, _Wanted] = {}
        for each in flows:
            if len(found) >= _MOST_FLOWS:
                self.left_out += 1
            else:
                found.setdefault(each.flow, each)
        return sorted(found.values(), key=self._order)

    def _order(self, each: _Wanted) -> tuple[bool, bool, bool]:
        denied, probed = self.evidence.denials_of(each.flow), self.evidence.observation_of(each.flow)
        return not denied, probed is None, each.namespace != self._home

    def _neighbours(self, flows: Sequence[_Wanted], keep: Callable[[Verdict], bool]) -> tuple[Neighbour, ...]:
        found: dict[tuple[str, str], tuple[_Wanted, list[Edge]]] = {}
        for each in flows:
            verdict = self._session.verdict(each.flow)
            if keep(verdict):
                found.setdefault((each.namespace, each.name), (each, []))[1].append(self._edge(each, verdict))
        return tuple(Neighbour(one.neighbour, one.name, one.namespace, tuple(edges)) for one, edges in found.values())

    def _edge(self, each: _Wanted, verdict: Verdict) -> Edge:
        by = verdict.decided_by.ref if verdict.decided_by is not None else None
        by = by if by != self._centre else None  # the centre decides, as all see
        return Edge(
            each.flow, each.port, verdict.decision, by, self.evidence.denials_of(each.flow), self.evidence.probed(each.flow)
        )


def _is_workload(snapshot: Snapshot, end: FlowEndpoint) -> bool:
    return ObjectRef(end.owner_kind or "Pod", end.namespace, end.name) in snapshot.workloads


def _number_to(snapshot: Snapshot, workload: Workload) -> int:
    """About how many flows there are to a workload."""
    ports = {port.number for pod in workload.pods if not pod.completed for port in pod.ports if port.protocol == "TCP"}
    return len(ports) * (len(snapshot.workloads) - 1)


def _identity(workload: Workload) -> str:
    return f"sa/{','.join(workload.service_accounts)}" if workload.service_accounts else ""


def _pods_of(session: Session, ref: ObjectRef) -> list[Pod]:
    """The running pods that a policy selects."""
    snapshot = session.snapshot
    for policy in snapshot.authorization_policies.values():
        if policy.meta.ref == ref:
            return pods_of_authorization_policy(snapshot, policy)
    for network in snapshot.network_policies.values():
        if network.meta.ref == ref:
            return pods_of_network_policy(snapshot, network)
    others: Iterable[AdminPolicy | ForeignPolicy] = (*snapshot.admin_policies.values(), *snapshot.foreign.values())
    other = next((policy for policy in others if policy.meta.ref == ref), None)
    return Selected(session.engine).pods(other)[0] if other is not None else []
