"""A run of a journey as a sequence diagram: its parties, and each step with the arrows that are known by now. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from meshtui.engine import Engine
from meshtui.engine.path.resolution import kind_named
from meshtui.journeys.hops import Entrance, Hop, gateway_pods
from meshtui.journeys.model import Journey, Scalar
from meshtui.journeys.plan import hops_of
from meshtui.journeys.report import Further, LookAt, StepReport, StepState
from meshtui.journeys.run import entrance_of
from meshtui.model.flow import EndpointKind, Flow, FlowEndpoint
from meshtui.model.ids import ObjectRef
from meshtui.model.snapshot import Snapshot
from meshtui.model.workload import Pod
from meshtui.ui.links import Link
from meshtui.ui.pictures.sequence import Arrow, Diagram, Party, State, Step, Stop

CLIENT, GATEWAY = "client", "gateway"
"""The ids of the parties that every run has."""
_STATES = {
    StepState.WAITING: State.WAITING,
    StepState.RUNNING: State.RUNNING,
    StepState.OK: State.DONE,
    StepState.FAILED: State.FAILED,
    StepState.SKIPPED: State.SKIPPED,
}
_INNER = {"call", "further"}
"""Kinds of steps that are connections between services."""
_MOST_FURTHER = 6
"""The most further calls that are drawn; the text has all."""
_NO_ARROW = {State.WAITING, State.SKIPPED}
_UPSTREAM = {"http_502", "http_503", "http_504"}
"""A gateway answers so itself when it can't reach the backend (RFC 9110, 15.6)."""
_MADE_NONE = {"no_call", "variable"}
"""Causes of failures without a connection."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is known of a run before it begins: its journey, its hops by the names of steps, and the cluster."""

    journey: Journey
    hops: Mapping[str, Hop]
    entrance: Entrance
    snapshot: Snapshot
    _gates: frozenset[str] = field(init=False, default=frozenset())

    def __post_init__(self) -> None:
        """Find the gateway's pods."""
        pods = gateway_pods(self.snapshot, self.entrance)
        object.__setattr__(self, "_gates", frozenset(f"{pod.namespace}/{pod.name}" for pod in pods))

    def party(self, pods: Sequence[Pod], end: FlowEndpoint) -> Party:
        """The party at an end of a connection: the workload of its pods, or the end itself."""
        if pods and f"{pods[0].namespace}/{pods[0].name}" in self._gates:
            return self.gate
        if pods:
            owner = self.snapshot.owner_of(pods[0])
            return Party(str(owner), owner.name, owner)
        return Party(str(end), end.name or str(end), _ref(end))

    @property
    def gate(self) -> Party:
        """The gateway."""
        name, space = self.entrance.name, self.entrance.namespace
        return Party(GATEWAY, name or GATEWAY, ObjectRef("Gateway", space, name) if name else None)


def plan_of(engine: Engine, journey: Journey, values: Mapping[str, Scalar]) -> Plan:
    """The plan of a run with these values. Raises UsageError."""
    entrance, _ = entrance_of(journey, values)
    return Plan(journey, hops_of(engine, journey, values, entrance), entrance, engine.snapshot)


def diagram_of(
    plan: Plan, steps: Sequence[StepReport], stopped: Mapping[str, ObjectRef], further: Sequence[Further] = ()
) -> Diagram:
    """The diagram. ``stopped`` are the policies that stopped steps and further calls, by their names.

    Further calls stand below the steps; parties that only they have are the last ones, so that no lifeline changes its place.
    """
    plan = replace(plan, hops={**plan.hops, **{each.step.name: each.hop for each in further}})
    parties = {CLIENT: Party(CLIENT, "client"), GATEWAY: plan.gate}
    ends: dict[str, tuple[str, str]] = {}
    for step in steps:
        pair = _ends(plan, step)
        if pair is not None:
            parties |= {party.id: party for party in pair if party.id not in parties}
            ends[step.name] = pair[0].id, pair[1].id
    answers = {step.name: step.answer_of for step in plan.journey.step if step.answer_of}
    ordered = {party.id: party for party in _in_order(parties, ends.values())}
    for each in further[:_MOST_FURTHER]:
        pair = _ends(plan, each.step)
        if pair is not None:
            ends[each.step.name] = pair[0].id, pair[1].id
            for party in pair:
                ordered.setdefault(party.id, party)
    shown = (*steps, *(each.step for each in further[:_MOST_FURTHER]))
    rows = tuple(_step(step, plan, ends, answers.get(step.name, ""), stopped.get(step.name)) for step in shown)
    if len(further) > _MOST_FURTHER:
        note = f"{len(further) - _MOST_FURTHER} more further calls: the text has all"
        rows = (*rows, Step("further", "…", State.DONE, note=note, inner=True))
    return Diagram(tuple(ordered.values()), rows)


def further_stoppers(further: Iterable[Further]) -> dict[str, ObjectRef]:
    """The policies that stopped further calls, by the names of their steps."""
    return stoppers({each.step.name: each.look_at for each in further})


def stoppers(looks: Mapping[str, Iterable[LookAt]]) -> dict[str, ObjectRef]:
    """The first policy among the objects to look at, by the name of what failed."""
    found = {name: next((look.ref for look in objects if _is_policy(look.ref)), None) for name, objects in looks.items()}
    return {name: ref for name, ref in found.items() if ref is not None}


def _is_policy(ref: ObjectRef) -> bool:
    return ref.kind.endswith("Policy") or ref.kind == "PeerAuthentication"


def _ends(plan: Plan, step: StepReport) -> tuple[Party, Party] | None:
    """Source and target of a step's connection behind the gateway; None where that isn't known."""
    hop = plan.hops.get(step.name)
    if hop is not None:
        target = plan.party(hop.destinations, hop.flow.destination)
        return (plan.party(hop.sources, hop.flow.source) if step.kind in _INNER else plan.gate), target
    if step.destination and (step.kind not in _INNER or step.source):
        source = plan.gate if step.kind not in _INNER else Party(step.source, _name(step.source))
        return source, Party(step.destination, _name(step.destination))
    return None


def _name(reference: str) -> str:
    return reference.rpartition("/")[2].partition(":")[0] or reference


def _ref(end: FlowEndpoint) -> ObjectRef | None:
    match end.kind:
        case EndpointKind.SERVICE:
            return ObjectRef("Service", end.namespace, end.name)
        case EndpointKind.WORKLOAD:
            return ObjectRef(kind_named(end.owner_kind) or end.owner_kind, end.namespace, end.name)
        case EndpointKind.POD:
            return ObjectRef("Pod", end.namespace, end.name)
        case _:
            return None


def _in_order(parties: Mapping[str, Party], ends: Iterable[tuple[str, str]]) -> list[Party]:
    """The parties so that calls go to the right, unless they go round in a circle; else as they come."""
    depth = {name: min(number, 2) for number, name in enumerate(parties)}
    pairs = [pair for pair in ends if pair[0] != pair[1]]
    for _ in range(len(parties)):
        for source, target in pairs:
            depth[target] = min(len(parties), max(depth[target], depth[source] + 1))
    depth[CLIENT], depth[GATEWAY] = 0, 1
    return sorted(parties.values(), key=lambda party: depth[party.id])


def _step(step: StepReport, plan: Plan, ends: Mapping[str, tuple[str, str]], answer_of: str, stopper: ObjectRef | None) -> Step:
    state = _STATES[step.state]
    hop = plan.hops.get(step.name)
    flow = hop.flow if hop is not None else None
    gate = plan.gate.link
    if state in _NO_ARROW or step.cause in _MADE_NONE:
        arrows: tuple[Arrow, ...] = ()
    elif answer_of:
        arrows = _answer(step, ends.get(answer_of), state)
    elif step.kind in _INNER:
        arrows = _call(step, ends.get(step.name), state, flow, _stop(step, flow, stopper))
    elif state is State.DONE and not step.status and not step.requests:
        arrows = ()  # it wasn't needed
    else:
        arrows = _request(step, ends.get(step.name), state, gate, flow, stopper)
    took = f"{step.elapsed_ms:.0f} ms" if step.elapsed_ms is not None else ""
    status = str(step.status) if step.status is not None else step.cause
    if step.kind == "further":
        status = status or f"×{step.requests}"
    note = step.note or (step.error if not arrows else "")
    by = f"{stopper.kind} {stopper.namespace}/{stopper.name}" if stopper is not None and state is State.FAILED else ""
    return Step(step.name, step.title, state, status, took, note, arrows, step.kind in _INNER, by, stopper)


def _answer(step: StepReport, ends: tuple[str, str] | None, state: State) -> tuple[Arrow, ...]:
    """What an earlier answer says: an arrow back to the client."""
    source = ends[1] if ends is not None else GATEWAY
    return (Arrow(step.name, source, CLIENT, state, says=step.note, answer=True),)


def _call(step: StepReport, ends: tuple[str, str] | None, state: State, flow: Flow | None, stop: Stop) -> tuple[Arrow, ...]:
    if ends is None:
        return ()
    who = _account(step.source_identity), _account(step.destination_identity)
    says = f"{step.method} {step.url}".strip()
    return (Arrow(step.name, *ends, state, says, step.mtls, who, strong=step.kind == "call", stop=stop, link=flow),)


def _request(
    step: StepReport,
    ends: tuple[str, str] | None,
    state: State,
    gate: Link | None,
    flow: Flow | None,
    stopper: ObjectRef | None,
) -> tuple[Arrow, ...]:
    """From the client to the gateway, and from there to the backend, as far as it came."""
    at_gate = state is State.FAILED and (ends is None or not _came_through(step))
    stop = Stop.BETWEEN if step.cause == "timeout" else Stop.TARGET
    says = f"{step.method} {_path(step.url)}".strip()
    first = State.FAILED if at_gate else state if state is State.RUNNING else State.DONE
    own = Arrow(f"{step.name} to {GATEWAY}", CLIENT, GATEWAY, first, "" if ends else says, stop=stop, link=gate)
    if ends is None or at_gate:
        return (own,)
    who = _account(step.source_identity), _account(step.destination_identity)
    return own, Arrow(step.name, *ends, state, says, step.mtls, who, stop=_stop(step, flow, stopper), link=flow)


def _came_through(step: StepReport) -> bool:
    """Whether a request that failed got past the gateway: the application answered, or the gateway couldn't reach it."""
    return step.status is not None and (step.answered_by != "gateway" or step.cause in _UPSTREAM)


def _stop(step: StepReport, flow: Flow | None, stopper: ObjectRef | None) -> Stop:
    """Where an arrow ends: a NetworkPolicy of the source stops it there; without an answer nobody knows how far it came."""
    if stopper is not None and flow is not None and stopper.kind.endswith("NetworkPolicy"):
        ends = flow.source.namespace, flow.destination.namespace
        if stopper.namespace == ends[0] != ends[1]:
            return Stop.SOURCE
    return Stop.BETWEEN if step.cause == "timeout" and stopper is None else Stop.TARGET


def _path(url: str) -> str:
    return "/" + url.split("/", 3)[3] if "://" in url and url.count("/") >= 3 else url


def _account(identity: str) -> str:
    """A SPIFFE id as ``sa/NAME``."""
    _, found, name = identity.partition("/sa/")
    return f"sa/{name}" if found else identity
