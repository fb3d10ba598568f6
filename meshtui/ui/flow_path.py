"""A flow as ``pictures.path`` draws it: its ends, and a station for each layer of which its verdict has a step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from meshtui.engine.explain.denials import JudgedDenial
from meshtui.engine.explain.wording import in_words
from meshtui.engine.path.relations import workload_of
from meshtui.model.constants import GATEWAY_NAME, HBONE_PORT, NETWORK_LAYERS, SENDS_HBONE
from meshtui.model.enrolment import Capture
from meshtui.model.errors import UsageError
from meshtui.model.flow import EndpointKind, Flow, FlowEndpoint
from meshtui.model.ids import ObjectRef
from meshtui.model.observation import Observation
from meshtui.model.reason import Code
from meshtui.model.snapshot import GATEWAY_LABELS, Snapshot
from meshtui.model.verdict import Decision, Layer, PairVerdict, Step, StepResult, Verdict
from meshtui.model.workload import MeshMode, Pod
from meshtui.ui.flow_lanes import denied_lane, expected_lane, observed_lane, predicted_lane, promised_lane
from meshtui.ui.path_steps import MOST_REFS, is_undecided, ports_seen, reasons_within, refs_of, side_of
from meshtui.ui.pictures.path import PathData, State, Station, Way
from meshtui.ui.short_reasons import in_short

_STATES = {
    StepResult.BLOCK: State.BLOCK,
    StepResult.UNKNOWN: State.UNKNOWN,
    StepResult.PASS: State.PASS,
    StepResult.SKIP: State.SKIP,
}
"""A step's state; of several steps at one station, the first of these counts."""
_MODES = {
    MeshMode.AMBIENT: "ambient",
    MeshMode.SIDECAR: "sidecar",
    MeshMode.GATEWAY: "gateway",
    MeshMode.WANTED: "labelled ambient, not captured",
    MeshMode.NONE: "not in the mesh",
}
_PLAIN = frozenset({Code.PLAINTEXT_ACCEPTED, Code.PLAINTEXT_REFUSED, Code.PORT_NOT_CAPTURED})
_AT_ZTUNNEL = "ztunnel on "
_OF_SOURCE = ("ztunnel of ", "the proxy of ")


def path_of(
    flow: Flow,
    verdict: Verdict,
    snapshot: Snapshot,
    observation: Observation | None = None,
    *,
    old: bool = False,
    expected: str = "",
    now: datetime | None = None,
) -> PathData:
    """The path of a flow; of a mixed verdict, that of the first pair that differs.

    ``old``: the verdict, or a policy that decides it, changed after the observation. ``expected`` is allow, deny or an outcome.
    """
    pair = _differing(verdict)
    shown = pair.verdict if pair is not None else verdict
    path = _Path(flow, shown, snapshot, pair)
    stations, stop = path.stations()
    lanes = [predicted_lane(verdict, shown, stations, stop)]
    if observation is not None:
        lanes.append(observed_lane(observation, now, old=old))
    if expected:
        lanes.append(expected_lane(expected, verdict, None if old else observation))
    return PathData(title_of(flow), stations, stop, tuple(lanes), _note(verdict, pair))


def path_of_denial(each: JudgedDenial, snapshot: Snapshot, now: datetime) -> PathData | None:
    """The path of a denied flow, with what the log says as the observed lane. None if the log doesn't say who called whom."""
    denial = each.denial
    if denial.flow is None or each.verdict is None:
        return None
    data = path_of(denial.flow, each.verdict, snapshot)
    return replace(data, lanes=(*data.lanes, denied_lane(each, now)))


def path_of_fix(flow: Flow, promised: Decision, now: Verdict, snapshot: Snapshot) -> PathData:
    """The path of a flow that a fix changes, with what the fix promises as the expected lane."""
    data = path_of(flow, now, snapshot)
    return replace(data, lanes=(*data.lanes, promised_lane(promised)))


def title_of(flow: Flow) -> str:
    """``ecom-service → inventory-service:8000``."""
    return f"{_short(flow.source)} → {_destination(flow)}"


def _short(end: FlowEndpoint) -> str:
    if end.kind is EndpointKind.EXTERNAL:
        return "a client outside"
    return end.ip if end.kind is EndpointKind.IP else end.name


def _destination(flow: Flow) -> str:
    port = f":{flow.port}" if flow.port is not None else ""
    return f"{_short(flow.destination)}{port}{'' if flow.protocol == 'TCP' else f'/{flow.protocol}'}"


def _differing(verdict: Verdict) -> PairVerdict | None:
    """The first pair of a mixed verdict that isn't let through."""
    if not verdict.pairs:
        return None
    return next((pair for pair in verdict.pairs if pair.verdict.decision is not Decision.ALLOW), verdict.pairs[0])


def _note(verdict: Verdict, pair: PairVerdict | None) -> str:
    if pair is None:
        return f"? {in_words(verdict.notes[0])}" if verdict.notes and is_undecided(verdict) else ""
    same = sum(each.verdict.decision is pair.verdict.decision for each in verdict.pairs)
    return f"± {same} of {len(verdict.pairs)} pairs: {_name(pair.source)} → {_name(pair.destination)}"


# ---- the stations


@dataclass(slots=True)
class _Found:
    """A station while it is put together: its steps, and whether it stands on the source's side of the connection."""

    key: str
    name: str
    steps: list[Step] = field(default_factory=list)
    near: bool = False
    at: str = ""
    end: str = ""
    """The pod whose policies it has, as ``namespace/name``."""


class _Path:
    """The stations of one flow's verdict."""

    def __init__(self, flow: Flow, verdict: Verdict, snapshot: Snapshot, pair: PairVerdict | None) -> None:
        self._flow = flow
        self._verdict = verdict
        self._snapshot = snapshot
        self._sources = _pods(snapshot, flow.source, pair.source if pair else "")
        self._targets = _pods(snapshot, flow.destination, pair.destination if pair else "")
        self._found: dict[str, _Found] = {}

    def stations(self) -> tuple[tuple[Station, ...], int | None]:
        """All stations in order, and the index of the one at which the line breaks, or from which on nothing is known."""
        for number, step in enumerate(self._verdict.steps):
            self._place(step, self._verdict.steps[number + 1 :], self._verdict.steps[:number])
        order = self._ordered()
        stop = self._stop(order)
        made = list(self._made(order, stop))
        if stop is not None and is_undecided(self._verdict):
            made[stop] = replace(made[stop], state=State.UNKNOWN, says=f"{made[stop].says}, perhaps")
        stations = [self._source(), *made, self._end(stopped=stop is not None)]
        return tuple(stations), None if stop is None else stop + 1

    def _place(self, step: Step, later: Sequence[Step], earlier: Sequence[Step]) -> None:
        """Add a step to its station."""
        key, name, near, at, end = self._station_of(step, later, earlier)
        found = self._found.setdefault(key, _Found(key, name, near=near, at=at, end=end))
        found.steps.append(step)
        found.at, found.end = found.at or at, found.end or end

    def _station_of(self, step: Step, later: Sequence[Step], earlier: Sequence[Step]) -> tuple[str, str, bool, str, str]:
        """A step's station: key, name, whether it is on the source's side, where it runs, and the pod that it is about."""
        where = step.where
        if step.layer in NETWORK_LAYERS:
            egress, end = side_of(step, later, earlier)
            name = "egress policy" if egress else "ingress policy"
            return f"{name} {end}", name, egress, f"of {_name(end)}" if self._is_proxy(end) else "", end
        if step.layer is Layer.ZTUNNEL:
            return self._at_ztunnel(step)
        if step.layer is Layer.SIDECAR:
            return self._at_sidecar(where)
        if step.layer is Layer.GATEWAY and step.reason.code is Code.GATEWAY_NOT_EXPOSED:
            return "entrance", "entrance", False, "", ""
        if step.layer in {Layer.WAYPOINT, Layer.GATEWAY}:
            name = step.layer.value
            kind, _, key = where.partition(" ")
            return name, name, False, key if kind.lower() == name else "", ""
        return step.layer.value, step.layer.value.replace("_", " "), False, "", ""

    def _at_ztunnel(self, step: Step) -> tuple[str, str, bool, str, str]:
        where = step.where
        if step.reason.code is Code.MEMBERSHIP_NOT_KNOWN:
            named = step.reason["pods"]
            first = next(iter(named), "") if isinstance(named, tuple) else ""
            ours = {pod.key for pod in self._sources}
            if first in ours:
                return "source ztunnel", "ztunnel", True, "", str(first)
            return "ztunnel", "ztunnel", False, "", str(first)
        if where.startswith(_OF_SOURCE):
            return "source ztunnel", "ztunnel", True, "", ""
        if where.startswith(_AT_ZTUNNEL):
            node, _, end = where.removeprefix(_AT_ZTUNNEL).partition(" of ")
            return "ztunnel", "ztunnel", False, "" if node == "the node" else f"on {node}", end
        return "ztunnel", "ztunnel", False, "", ""

    def _at_sidecar(self, where: str) -> tuple[str, str, bool, str, str]:
        """The sidecar of the source, or that of the destination."""
        if where.startswith("endpoint "):
            return "endpoint", "endpoint", False, "", ""
        end = where.removeprefix("the sidecar of ").removeprefix("the proxy of ")
        ours, theirs = {pod.key for pod in self._sources}, {pod.key for pod in self._targets}
        beside = any(self._snapshot.mesh_mode(pod) is MeshMode.SIDECAR for pod in self._targets)
        if end in ours or (end not in theirs and not beside):
            return "source sidecar", "sidecar", True, "", ""
        if not beside and not where.startswith("the sidecar of "):
            return "source sidecar", "sidecar", True, "", ""
        return "sidecar", "sidecar", False, "", end if end in theirs else ""

    def _is_proxy(self, key: str) -> bool:
        """Whether a pod is a waypoint's or gateway's, and not an end of the flow."""
        pod = self._snapshot.pod_by_key.get(key)
        if pod is None or pod in self._sources or pod in self._targets:
            return False
        return pod.is_router or bool(pod.labels.keys() & GATEWAY_LABELS)

    def _ordered(self) -> list[_Found]:
        """The stations in the order in which the flow passes them; a source's ztunnel also without a step."""
        found = list(self._found.values())
        first = [each for each in found if each.key == "source sidecar"]
        rest = [each for each in found if each.key not in {"source sidecar", "source ztunnel"}]
        ztunnel = self._found.get("source ztunnel")
        if ztunnel is None and self._flow.protocol == "TCP" and self._is_captured():
            ztunnel = _Found("source ztunnel", "ztunnel", near=True)
        if ztunnel is None or not self._runs_a_ztunnel(ztunnel):
            return [*first, *rest]
        return [*first, ztunnel, *rest]  # a pod's ztunnel is inside of the pod, before the CNI's egress policy

    def _runs_a_ztunnel(self, ztunnel: _Found) -> bool:
        return bool(ztunnel.steps) or any(True for _ in self._sources)

    def _is_captured(self) -> bool:
        """Whether the source's pods are in ambient mode, and the flow leaves them."""
        itself = any(note.code is Code.ITSELF for note in self._verdict.notes)
        modes = {self._snapshot.mesh_mode(pod) for pod in self._sources}
        return modes == {MeshMode.AMBIENT} and not itself

    def _stop(self, order: Sequence[_Found]) -> int | None:
        """The station of the step that decides against the flow, or from which on nothing is known."""
        steps = self._verdict.steps
        if self._verdict.decision is Decision.ALLOW:
            return None
        results = [StepResult.BLOCK] if self._verdict.decision is Decision.DENY else [StepResult.UNKNOWN, StepResult.BLOCK]
        for result in results:
            step = next((step for step in steps if step.result is result), None)
            if step is not None:
                return next(i for i, each in enumerate(order) if any(one is step for one in each.steps))
        return None

    # ---- putting them together

    def _made(self, order: Sequence[_Found], stop: int | None) -> Iterator[Station]:
        """The stations, each with the line that leads to it: a connection ends at the first one that isn't the sender's."""
        pending = True
        sender = self._sources[0].key if self._sources else ""
        for index, each in enumerate(order):
            way = Way.LOCAL
            if each.near and not pending:  # the next connection begins: that of a waypoint or gateway
                pending, sender = True, each.end
            elif not each.near and pending:
                start = index
                while start and order[start - 1].near:
                    start -= 1
                way, pending = self._way(sender, each, order[start : index + 1], order[index:]), False
            yield self._station(each, way, is_stop=index == stop)

    def _station(self, each: _Found, way: Way, *, is_stop: bool) -> Station:
        if not each.steps:
            return replace(self._capture(), way=way)
        deciding = self._deciding(each.steps)
        refs = refs_of(deciding, self._verdict, several=is_stop)
        says = in_short(deciding)
        link = self._gateway(each.steps) if each.key in {"waypoint", "gateway"} else None
        at, state = each.at, _STATES[deciding.result]
        if each.key in {"ztunnel", "source ztunnel"}:
            return self._at_node(Station(each.key, each.name, says, state, refs, at, None, way), each, deciding)
        short = each.name.removesuffix(" policy")
        return Station(each.key, each.name, says, _STATES[deciding.result], refs, at, link, way, short)

    def _deciding(self, steps: Sequence[Step]) -> Step:
        """The step that decides at a station: the first of the worst result; of those that let it through, the decisive one."""
        worst = min(steps, key=lambda step: list(_STATES).index(step.result))
        if worst.result is not StepResult.PASS:
            return worst
        by, passing = self._verdict.decided_by, [step for step in steps if step.result is StepResult.PASS]
        return next((step for step in passing if by in step.objects), passing[-1])

    def _at_node(self, station: Station, each: _Found, step: Step) -> Station:
        """A ztunnel, with its node; and if it is unknown whether it carries a pod, what is known of that."""
        pod = self._snapshot.pod_by_key.get(each.end)
        node = ObjectRef("Node", "", pod.node) if pod is not None and pod.node else None
        at = station.at or (f"on {node.name}" if node else "")
        codes = {step.reason.code, *(why.code for why in reasons_within(step.reason))}
        lost, waits = Code.CAPTURE_LOST in codes, Code.CAPTURE_PENDING in codes
        says = "capture lost" if lost else "capture pending" if waits else station.says
        return replace(station, at=at, link=node, says=says)

    def _capture(self) -> Station:
        """The source's ztunnel, and what is known of whether it carries the source's pods."""
        seen = [self._snapshot.enrolments.get(pod.uid) for pod in self._sources]
        nodes = {pod.node for pod in self._sources if pod.node}
        node = ObjectRef("Node", "", next(iter(nodes))) if len(nodes) == 1 else None
        at = f"on {node.name}" if node else ""
        if seen and all(one is not None and one.capture is Capture.PROVEN for one in seen):
            return Station("source ztunnel", "ztunnel", "captured", State.PASS, at=at, link=node, is_fact=True)
        return Station("source ztunnel", "ztunnel", "capture unproven", State.PLACE, at=at, link=node, is_fact=True)

    def _gateway(self, steps: Iterable[Step]) -> ObjectRef | None:
        """The Gateway that a waypoint's or gateway's steps are about."""
        for step in steps:
            key = step.where.partition(" ")[2]
            space, _, name = key.partition("/")
            found = (g.meta.ref for g in self._snapshot.gateways.values() if (g.meta.namespace, g.meta.name) == (space, name))
            pod = self._snapshot.pod_by_key.get(key)
            own = ObjectRef("Gateway", space, pod.labels[GATEWAY_NAME]) if pod and GATEWAY_NAME in pod.labels else None
            ref = next(found, own)
            if ref is not None:
                return ref
        return None

    def _way(self, sender: str, to: _Found, around: Sequence[_Found], later: Sequence[_Found]) -> Way:
        """The line of a connection: what its steps say of it, else what its ends' modes say."""
        steps = [step for each in around for step in each.steps if step.layer in NETWORK_LAYERS]
        seen = [] if self._is_to_tunnel() else [port.number for step in steps for port in ports_seen(step)]
        if HBONE_PORT in seen or any(port.tunnelled for step in steps for port in ports_seen(step)):
            return Way.HBONE
        if self._flow.protocol != "TCP" or not self._verdict.steps or self._has_open_membership():
            return Way.LOCAL
        beside = next((each for each in later if each.key == "sidecar"), None)
        if beside is not None:
            return self._to_sidecar(beside)
        if seen:
            return Way.LOCAL
        source, target = self._snapshot.pod_by_key.get(sender), self._receiver(to, later)
        if source is None or target is None or not _sends_hbone(source, self._snapshot.mesh_mode(source)):
            return Way.LOCAL
        mode, waypoint = self._snapshot.mesh_mode(target), any(each.key == "waypoint" for each in later)
        tunnelled = mode is MeshMode.AMBIENT or (mode is MeshMode.GATEWAY and waypoint)
        return Way.HBONE if tunnelled else Way.LOCAL

    def _to_sidecar(self, beside: _Found) -> Way:
        """A tunnel or mutual TLS, by who the source is, if the sidecar's steps know the caller."""
        modes = {self._snapshot.mesh_mode(pod) for pod in self._sources}
        if any(step.reason.code in _PLAIN or step.result is StepResult.UNKNOWN for step in beside.steps):
            return Way.LOCAL
        if modes == {MeshMode.AMBIENT}:
            return Way.HBONE
        return Way.MUTUAL_TLS if modes and modes <= {MeshMode.SIDECAR, MeshMode.GATEWAY} else Way.LOCAL

    def _is_to_tunnel(self) -> bool:
        """Whether the flow itself asks for HBONE's port: then a step with this port says nothing of a tunnel."""
        end = _object("Service", self._flow.destination)
        service = next((s for s in self._snapshot.services.values() if s.meta.ref == end), None)
        ports = (port.target for port in service.ports) if service is not None else ()
        return HBONE_PORT in {self._flow.port, *ports}

    def _has_open_membership(self) -> bool:
        return any(step.reason.code is Code.MEMBERSHIP_NOT_KNOWN for step in self._verdict.steps)

    def _receiver(self, to: _Found, later: Sequence[_Found]) -> Pod | None:
        """The pod at which a connection ends."""
        names = (each.end for each in (to, *later) if each.end)
        pod = self._snapshot.pod_by_key.get(next(names, ""))
        return pod or (self._targets[0] if self._targets else None)

    # ---- the ends

    def _source(self) -> Station:
        flow, snapshot = self._flow, self._snapshot
        modes = {snapshot.mesh_mode(pod) for pod in self._sources}
        accounts = dict.fromkeys((pod.namespace, pod.service_account) for pod in self._sources)
        meshed = modes <= {MeshMode.AMBIENT, MeshMode.SIDECAR, MeshMode.GATEWAY}
        refs = tuple(ObjectRef("ServiceAccount", *each) for each in list(accounts)[:MOST_REFS]) if meshed else ()
        says = _MODES[next(iter(modes))] if len(modes) == 1 else "several mesh modes" if modes else ""
        return Station("source", _short(flow.source), says, State.PLACE, refs, link=_ref(snapshot, flow.source))

    def _end(self, *, stopped: bool) -> Station:
        flow = self._flow
        open_ = {Decision.ALLOW: "let through", Decision.UNKNOWN: "not known"}.get(self._verdict.decision, "")
        says = "" if stopped else open_
        name = _destination(flow)
        short = f":{name.rpartition(':')[2]}" if flow.port is not None else name
        return Station("destination", name, says, link=_ref(self._snapshot, flow.destination), short=short)


def _pods(snapshot: Snapshot, end: FlowEndpoint, key: str) -> tuple[Pod, ...]:
    """The running pods of an end, or the one with a key."""
    if key and key in snapshot.pod_by_key:
        return (snapshot.pod_by_key[key],)
    if end.kind is EndpointKind.IP:
        pod = snapshot.pod_by_ip.get(end.ip)
        return (pod,) if pod is not None else ()
    if end.kind is EndpointKind.SERVICE:
        service = next((s for s in snapshot.services.values() if s.meta.ref == _object("Service", end)), None)
        pods = snapshot.pods_by_namespace.get(end.namespace, ())
        return tuple(pod for pod in pods if service is not None and service.selects(pod.labels) and not pod.completed)
    if end.kind is EndpointKind.POD and f"{end.namespace}/{end.name}" in snapshot.pod_by_key:
        return (snapshot.pod_by_key[f"{end.namespace}/{end.name}"],)
    if end.kind not in {EndpointKind.POD, EndpointKind.WORKLOAD}:
        return ()
    try:
        return tuple(pod for pod in workload_of(snapshot, end).pods if not pod.completed)
    except UsageError:
        return ()


def _sends_hbone(pod: Pod, mode: MeshMode) -> bool:
    """Whether a pod reaches ambient pods through HBONE, whatever the mesh's configuration is."""
    return mode in SENDS_HBONE and (mode is MeshMode.AMBIENT or bool(pod.labels.keys() & GATEWAY_LABELS))


def _object(kind: str, end: FlowEndpoint) -> ObjectRef:
    return ObjectRef(kind, end.namespace, end.name)


def _ref(snapshot: Snapshot, end: FlowEndpoint) -> ObjectRef | None:
    """The object that an end is."""
    if end.kind is EndpointKind.SERVICE:
        return _object("Service", end)
    if end.kind not in {EndpointKind.POD, EndpointKind.WORKLOAD}:
        return None
    try:
        ref = workload_of(snapshot, end).ref
    except UsageError:
        return None
    return _object("Pod", end) if end.kind is EndpointKind.POD else ref


def _name(key: str) -> str:
    return key.rpartition("/")[2]
