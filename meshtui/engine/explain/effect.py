"""The effect of proposed changes, by the what-if: the verdict after them, and which other flows they would open or close."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from meshtui.engine.engine import Engine
from meshtui.engine.explain.manifests import CLIENT_CIDR
from meshtui.engine.explain.proposals import Change, Proposer
from meshtui.engine.matrix.matrix import Matrix
from meshtui.engine.matrix.ports import Range, subtract
from meshtui.engine.path.resolution import Resolved
from meshtui.engine.whatif.compare import compare
from meshtui.engine.whatif.edits import with_edits
from meshtui.engine.whatif.shifts import Shift, What, decision_of, order_of, ports_of
from meshtui.model.constants import IN_MESH_PROXY_LAYERS
from meshtui.model.flow import EndpointKind, Flow, FlowEndpoint
from meshtui.model.ids import ObjectRef
from meshtui.model.reason import Code
from meshtui.model.snapshot import Snapshot
from meshtui.model.verdict import Decision, Hop, Layer, StepResult, Verdict
from meshtui.model.workload import MeshMode, Pod

_MOST_ROUNDS = 6
"""How often a verdict after changes is asked for what still blocks: pods of one workload may need different changes."""
_MOST_PAIRS = 2500
"""Up to this many pairs of pods in a flow the others are told apart by pod, beyond it by workload."""
_MOST_REQUESTS = 2000
"""The maximum number of flows through gateways and to Services behind waypoints that are judged."""
_ANY_ADDRESS, _NO_ADDRESS = "0.0.0.0/0", "192.0.2.0/32"
_OPEN = {Decision.ALLOW, Decision.MIXED}


@dataclass(frozen=True, slots=True)
class Effect:
    """What all edits together would do.

    ``decision`` is the decision on the flow after them. ``opens`` are other flows that they would open, or that would no longer
    be denied for certain; ``closes`` other flows that they would close. Both are by workload. ``left_out`` wasn't compared.
    """

    decision: Decision
    opens: tuple[Shift, ...] = ()
    closes: tuple[Shift, ...] = ()
    left_out: tuple[str, ...] = ()

    @property
    def enough(self) -> bool:
        """Whether the flow is allowed after the edits."""
        return self.decision is Decision.ALLOW


def proposed(
    engine: Engine, flow: Flow, verdict: Verdict, known: Matrix | None = None
) -> tuple[tuple[Change, ...], Effect | None]:
    """The changes that a denied flow needs, in the order of its steps, and their effect; None when none of them is an edit.

    ``known`` is a Matrix of the engine's snapshot, if there is one. Raises UsageError when the flow has nobody at an end.
    """
    found, after = _searched(engine, flow, verdict, exact=True)
    if flow.http is not None and after is not None and _drops_requests(after):
        found, after = _searched(engine, flow, verdict, exact=False)
    if after is None:
        return found, None
    return found, _effect(engine, flow, after, found, known)


def _searched(engine: Engine, flow: Flow, verdict: Verdict, *, exact: bool) -> tuple[tuple[Change, ...], Verdict | None]:
    """Changes until the flow isn't denied any more, or no further edit is found; and the verdict after all edits."""
    proposer = Proposer(engine.snapshot, flow.http, engine.own, exact=exact)
    resolved, found = engine.resolver.resolve(flow), dict[int, Change]()
    after: Verdict | None = None
    for _ in range(_MOST_ROUNDS):
        new = {id(c): c for each in _denied(after or verdict) for c in proposer.changes(each, _fallback(flow, resolved))}
        fresh = [change for key, change in new.items() if key not in found]
        found |= new
        if not any(change.edit is not None for change in fresh):
            break
        edits = [change.edit for change in found.values() if change.edit is not None]
        after = Engine(with_edits(engine.snapshot, edits, {CLIENT_CIDR: _ANY_ADDRESS})).judge(flow)
    return tuple(found.values()), after


def _drops_requests(verdict: Verdict) -> bool:
    """Whether a proxy that sees TCP drops rules with methods or paths: then only identities and ports can be told apart there."""
    return any(
        step.layer in IN_MESH_PROXY_LAYERS and step.reason.code is Code.NO_RULE_ALLOWS and bool(step.reason["dropped"])
        for each in _denied(verdict)
        for step in each.steps
        if step.result is StepResult.BLOCK
    )


def _denied(verdict: Verdict) -> Iterator[Verdict]:
    """The denials in a verdict: itself, or those of its pairs."""
    if verdict.decision is Decision.DENY:
        yield verdict
    for pair in verdict.pairs:
        yield from _denied(pair.verdict)


def _fallback(flow: Flow, resolved: Resolved) -> Hop:
    """The whole flow as one connection, for steps that answer a request themselves."""
    port = resolved.targets[0].port if resolved.targets else 0
    return Hop(str(flow.source), str(flow.destination), port, flow.protocol)


def _effect(engine: Engine, flow: Flow, after: Verdict, changes: Sequence[Change], known: Matrix | None) -> Effect:
    snapshot, resolved = engine.snapshot, engine.resolver.resolve(flow)
    by_pod = len(resolved.sources) * len(resolved.targets) <= _MOST_PAIRS
    edits = [change.edit for change in changes if change.edit is not None]
    changed = with_edits(snapshot, edits, {CLIENT_CIDR: _NO_ADDRESS})
    comparison = compare(
        snapshot,
        changed,
        by="pod" if by_pod else "workload",
        known=known,
        most_requests=_MOST_REQUESTS,
        near=_subjects(snapshot, changes),
    )
    others = _Others(snapshot, flow, resolved, after, by_pod=by_pod)
    for change in changes:
        others.leave_out(change.hop, resolved)
    opens = others.of(shift for shift in comparison.shifts if _opens(shift))
    closes = others.of(shift for shift in comparison.shifts if not _opens(shift))
    return Effect(after.decision, opens, closes, comparison.left_out)


def _subjects(snapshot: Snapshot, changes: Iterable[Change]) -> frozenset[str] | None:
    """The pods whose flows the edits can affect, as ``namespace/name``; None if these are flows of others, through a proxy."""
    found: set[str] = set()
    for change in changes:
        if change.edit is None or change.layer is Layer.WAYPOINT:
            continue  # A waypoint's policy for a Service affects no flow between pods' own addresses
        hop = change.hop
        pod = hop.source_pod if change.layer is Layer.EGRESS_POLICY else hop.destination_pod
        if pod is None or pod.key not in snapshot.pod_by_key or snapshot.mesh_mode(pod) is MeshMode.GATEWAY:
            return None
        found.update(each.key for each in snapshot.workloads[snapshot.owner_of(pod)].pods)
    return frozenset(found)


def _opens(shift: Shift) -> bool:
    """Whether more may pass than before: it is allowed now, or it was denied and is no longer known to be."""
    if shift.what is What.SETTLED:
        return decision_of(shift.after) in _OPEN
    return shift.what is What.OPENED or (shift.what is What.UNSURE and decision_of(shift.before) is Decision.DENY)


class _Others:
    """The shifts of flows other than the one that was asked about, merged by workload."""

    def __init__(self, snapshot: Snapshot, flow: Flow, resolved: Resolved, after: Verdict, *, by_pod: bool) -> None:
        self._snapshot = snapshot
        self._flow = flow
        self._by_pod = by_pod
        self._asked: dict[tuple[str, str], set[int]] = defaultdict(set)
        self._proxies: set[str] = set()
        self._ends = {self._workload(source.name) for source in resolved.sources}
        through = any(s.layer is Layer.WAYPOINT and s.result is not StepResult.SKIP for s in after.steps)
        for source in () if through else resolved.sources:  # Behind a waypoint the pods' own addresses are other flows
            for target in resolved.targets:
                self._ask(source.name, target.endpoint.name, target.port)

    def leave_out(self, hop: Hop, resolved: Resolved) -> None:
        """Count a hop to a proxy, or from one to a target on the target's own port, as part of the flow."""
        sources = {source.name for source in resolved.sources}
        targets = [t for t in resolved.targets if self._workload(t.endpoint.name) == self._workload(hop.destination)]
        if hop.source not in sources and hop.source_pod is not None:
            self._proxies.add(self._workload(hop.source))
            for source in self._members(hop.source_pod):
                for target in targets:
                    self._ask(source, target.endpoint.name, target.port)
        if not targets and hop.destination_pod is not None:
            for source in sources:
                for destination in self._members(hop.destination_pod):
                    self._ask(source, destination, hop.port)

    def _members(self, pod: Pod) -> list[str]:
        workload = self._snapshot.workloads.get(self._snapshot.owner_of(pod))
        return [each.key for each in workload.pods] if workload else []

    def _ask(self, source: str, destination: str, port: int) -> None:
        ends = source, destination
        self._asked[ends if self._by_pod else (self._workload(source), self._workload(destination))].add(port)

    def of(self, shifts: Iterable[Shift]) -> tuple[Shift, ...]:
        """The parts of some shifts that aren't of the flow, sorted."""
        left = [rest for shift in shifts if (rest := self._rest(shift)) is not None]
        return tuple(sorted(self._merged(left) if self._by_pod else left, key=order_of))

    def _rest(self, shift: Shift) -> Shift | None:
        if shift.flow is not None:
            return None if self._is_asked(shift.flow, shift.what) else shift
        asked = [(port, port) for port in sorted(self._asked.get((shift.source, shift.destination), ()))]
        ranges = {
            protocol: subtract(found, asked) if protocol == self._flow.protocol else list(found)
            for protocol, found in shift.ports
        }
        ports = ports_of(ranges)
        return replace(shift, ports=ports) if ports else None

    def _is_asked(self, flow: Flow, what: What) -> bool:
        """Whether a flow that was judged on its own is the one that was asked about, a part of it, or its hop from a proxy.

        Without a request it is the same if it now depends on the request: the one that was asked about passes.
        """
        asked = self._flow
        if flow.destination != asked.destination or asked.port not in {None, flow.port}:
            return False
        if _named(flow.source) in self._proxies:
            return True
        if asked.http not in {None, flow.http} and (flow.http is not None or what is not What.UNSURE):
            return False
        if asked.source.kind is EndpointKind.EXTERNAL or flow.source.kind is EndpointKind.EXTERNAL:
            return asked.source == flow.source
        return self._ends == {_named(flow.source)}

    def _merged(self, shifts: Iterable[Shift]) -> Iterator[Shift]:
        """Shifts of pods as shifts of their workloads; ``some`` when not all pairs of pods have them on the same ports."""
        found: dict[tuple[object, ...], list[Shift]] = defaultdict(list)
        for shift in shifts:
            if shift.flow is not None:
                yield shift
                continue
            ends = self._workload(shift.source), self._workload(shift.destination)
            found[(*ends, shift.what, shift.before, shift.after)].append(replace(shift, source=ends[0], destination=ends[1]))
        for several in found.values():
            first, ranges = several[0], defaultdict[str, list[Range]](list)
            for shift in several:
                for protocol, more in shift.ports:
                    ranges[protocol] += more
            some = len(several) < self._pairs(first) or any(shift.ports != first.ports for shift in several)
            yield replace(first, ports=ports_of(ranges), some=some)

    def _pairs(self, shift: Shift) -> int:
        one, other = self._size(shift.source), self._size(shift.destination)
        return one * (one - 1) if shift.source == shift.destination else one * other

    def _size(self, workload: str) -> int:
        namespace, kind, name = workload.split("/", 2)
        known = self._snapshot.workloads.get(ObjectRef(kind, namespace, name))
        return sum(not pod.completed for pod in known.pods) if known else 1

    def _workload(self, key: str) -> str:
        """The workload of a pod ``namespace/name`` as shifts name it; other names stay."""
        pod = self._snapshot.pod_by_key.get(key)
        if pod is None:
            return key
        owner = self._snapshot.owner_of(pod)
        return f"{owner.namespace}/{owner.kind}/{owner.name}"


def _named(end: FlowEndpoint) -> str:
    return f"{end.namespace}/{'Pod' if end.kind is EndpointKind.POD else end.owner_kind}/{end.name}"
