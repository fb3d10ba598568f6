"""Plans a probe of HBONE's port from outside the mesh, and reads what it saw: proof that a pod is captured, or isn't. Pure.

One pod for each namespace, which istio-cni leaves alone (a captured one's own ztunnel would carry the connection), connects to
port 15008 of each pod there. Where a ztunnel carries the pod, it answers with TLS and the pod's identity; where nobody does,
the kernel refuses. Silence proves nothing: a NetworkPolicy may drop the connection.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from meshtui.engine import Engine
from meshtui.mesh.enrolment import should_be_captured
from meshtui.model.constants import HBONE_PORT
from meshtui.model.enrolment import Capture, Enrolment, Evidence, Proofs, Seen
from meshtui.model.flow import EndpointKind, Flow, FlowEndpoint
from meshtui.model.ids import Uid
from meshtui.model.membership import DATAPLANE_MODE, INJECT
from meshtui.model.observation import Observation
from meshtui.model.own_probe import job_name
from meshtui.model.own_probe import labels as own_labels
from meshtui.model.snapshot import Snapshot
from meshtui.model.verdict import UNKNOWN, Decision, Layer, Verdict
from meshtui.model.workload import Pod
from meshtui.probe.disturb import adopters, harm, selecting_in
from meshtui.probe.plan import SOME_RUN, Batch, Plan, Target, longest_s
from meshtui.probe.protocols import Attempt
from meshtui.probe.protocols.base import COULDNT_CONNECT, TIMED_OUT, TLS_ERROR
from meshtui.probe.protocols.hbone import NAME

if TYPE_CHECKING:
    from meshtui.settings import Probe

OUTSIDE: Mapping[str, str] = {DATAPLANE_MODE: "none", INJECT: "false"}
"""The labels of a probe pod that neither istio-cni captures nor Istio's webhook injects."""
MOST_IN_ONE = 60
"""The most pods that one probe pod asks: within its lifetime, also if none answers."""
STARTS = timedelta(seconds=30)
"""While a ztunnel is younger it may not have its pods yet, and a refusal shows no more than that."""
_ALERTS = ("certificate required", "bad certificate")
"""The alerts with which a server says that it wants a client certificate (OpenSSL's words; others write ``_`` for spaces)."""


@dataclass(frozen=True, slots=True)
class CapturePlan:
    """What is asked: ``plan`` for the launcher, and the pod of each target by the target's id."""

    plan: Plan = field(default_factory=Plan)
    pods: Mapping[str, Pod] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)
    """The pods (``namespace/name``) that can't be asked, each with the reason."""
    hindered: Mapping[str, str] = field(default_factory=dict)
    """The pods whose port network policies may close to the probe, each with the reason."""


@dataclass(frozen=True, slots=True)
class Tried:
    """What a probe pod printed about one target; ``captured``: the mesh had captured the probe pod itself."""

    attempts: Sequence[Attempt] = ()
    captured: bool = False


def to_prove(snapshot: Snapshot, enrolments: Mapping[Uid, Enrolment], nodes: Iterable[str] = ()) -> list[Pod]:
    """The pods that should be captured and aren't proven to be, on these nodes (none: on all), by name."""
    wanted = set(nodes)
    found = (
        pod
        for uid, pod in snapshot.pods.items()
        if should_be_captured(snapshot, pod)
        and (not wanted or pod.node in wanted)
        and (uid not in enrolments or enrolments[uid].capture is not Capture.PROVEN)
    )
    return sorted(found, key=lambda pod: pod.key)


def plan_capture(engine: Engine, pods: Iterable[Pod], settings: Probe) -> CapturePlan:
    """Plan to ask some pods. Those that aren't to be captured, or have no address, are left out with a reason."""
    left_out: dict[str, str] = {}
    asked: dict[str, list[Pod]] = {}
    for pod in pods:
        why = _not_asked(engine.snapshot, pod) or _harm(engine.snapshot, pod.namespace)
        if not why and sum(map(len, asked.values())) >= settings.max_flows:
            why = f"only the first {settings.max_flows} are asked (probe.max_flows)"
        if why:
            left_out[pod.key] = why
        else:
            asked.setdefault(pod.namespace, []).append(pod)
    by_id: dict[str, Pod] = {}
    batches = []
    for namespace, several in asked.items():
        for first in range(0, len(several), MOST_IN_ONE):
            targets = []
            for pod in several[first : first + MOST_IN_ONE]:
                target = _target(str(len(by_id)), pod)
                by_id[target.id] = pod
                targets.append(target)
            batches.append(_batch(engine.snapshot, namespace, tuple(targets)))
    hindered = {pod.key: why for pod in by_id.values() if (why := _hindered(engine, pod))}
    plan = Plan(tuple(batches), seconds=longest_s(batches, settings))
    return CapturePlan(plan, by_id, left_out, hindered)


def proofs_of(asked: CapturePlan, tried: Mapping[str, Tried], observations: Iterable[Observation], snapshot: Snapshot) -> Proofs:
    """What a run showed; ``observations`` say why a target wasn't tried. ``snapshot`` is the one after the run."""
    seen = {(o.flow.destination.namespace, o.flow.destination.name): o for o in observations}
    evidence: dict[str, Evidence] = {}
    unknown = dict(asked.left_out)
    for number, pod in asked.pods.items():
        observation = seen.get((pod.namespace, pod.name))
        at = observation.at if observation is not None else None
        said = tried.get(number, Tried())
        if said.captured:
            says, words = None, "the mesh has captured the probe pod, which has to be outside"
        elif not said.attempts:
            says, words = None, (observation.detail if observation is not None else "") or "the probe ended before it was asked"
        else:
            says, words = _agreed(said.attempts, pod)
        why = _uncertain(asked, pod, snapshot, at) if says is False else ""
        if says is None or why:
            unknown[pod.key] = (f"{words}: {why}" if why else words) + _drops(asked, pod, said.attempts)
        else:
            kind = Seen.PROBE if says else Seen.PROBE_REFUSED
            evidence[pod.key] = Evidence(kind, says, words, at, pod.node)
    return Proofs(evidence, unknown)


def answer_of(attempt: Attempt, pod: Pod) -> tuple[bool | None, str]:
    """Whether one attempt shows that a pod is captured, and what was seen."""
    kind, _, identity = attempt.first.partition(" ")
    if kind == "tls" and identity:
        own = f"/ns/{pod.namespace}/sa/{pod.service_account}"
        if identity.endswith(own):
            return True, f"answers on port {HBONE_PORT} with TLS and its identity"
        return None, f"answers on port {HBONE_PORT} with another identity: {identity}"
    demanded = any(alert in attempt.error.lower().replace("_", " ") for alert in _ALERTS)
    if demanded and (kind == "tls" or attempt.exit_code == TLS_ERROR):
        return True, f"answers on port {HBONE_PORT} with TLS, and demands a certificate"
    if attempt.exit_code == COULDNT_CONNECT and "refused" in attempt.error.lower():
        return False, f"refuses connections from outside the mesh on port {HBONE_PORT}"
    if attempt.exit_code == TIMED_OUT and not kind:
        return None, f"no answer on port {HBONE_PORT}"
    if kind == "tls":
        return None, f"answers on port {HBONE_PORT} with TLS, but doesn't demand a certificate: that isn't a ztunnel"
    words = attempt.error or f"curl ended with {attempt.exit_code}"
    return None, f"no TLS on port {HBONE_PORT}: {words}"


def _agreed(attempts: Sequence[Attempt], pod: Pod) -> tuple[bool | None, str]:
    """What the last two attempts show, if they show the same."""
    answers = [answer_of(attempt, pod) for attempt in attempts]
    if len(answers) < 2 or answers[-1][0] != answers[-2][0]:
        return None, f"attempts disagree: {'; '.join(dict.fromkeys(words for _, words in answers))}"
    return answers[-1]


def _uncertain(asked: CapturePlan, pod: Pod, snapshot: Snapshot, at: datetime | None) -> str:
    """Why a refusal may have another cause than lost capture, or empty."""
    now = snapshot.pods.get(pod.uid)
    if now is None or now.deleting or now.completed:
        return "the pod has ended"
    if pod.key in asked.hindered:
        return f"{asked.hindered[pod.key]}, and some CNIs refuse what they don't let through"
    for each in _ztunnels(snapshot, pod.node):
        young = at is not None and each.meta.created is not None and at - each.meta.created < STARTS
        if young or each.deleting or not each.ready:
            return f"the ztunnel on {pod.node} starts or ends"
    return ""


def _drops(asked: CapturePlan, pod: Pod, attempts: Sequence[Attempt]) -> str:
    """What may have dropped a connection, for one that nobody answered."""
    if not attempts or attempts[-1].exit_code != TIMED_OUT:
        return ""
    return f": {asked.hindered.get(pod.key, 'something on the way drops it')}"


def _ztunnels(snapshot: Snapshot, node: str) -> Iterator[Pod]:
    return (p for p in snapshot.pods.values() if p.node == node and p.labels.get("app") == "ztunnel" and not p.completed)


def _not_asked(snapshot: Snapshot, pod: Pod) -> str:
    if not should_be_captured(snapshot, pod):
        return "it isn't to be captured"
    return "" if pod.ips and pod.phase == "Running" else "it has no address yet"


def _harm(snapshot: Snapshot, namespace: str) -> str:
    return harm(selecting_in(snapshot, namespace), {**OUTSIDE, **own_labels(SOME_RUN)})


def _hindered(engine: Engine, pod: Pod) -> str:
    """What network policies do to a connection from the probe pod, unless they let it through."""
    name = f"{job_name(SOME_RUN)}-0"
    labels = {**OUTSIDE, **own_labels(SOME_RUN)}
    meta = replace(pod.meta, name=name, uid=Uid(name), labels=labels, annotations={})
    probe = Pod(meta)
    decided = engine.network(engine.endpoint(probe), engine.endpoint(pod), HBONE_PORT).decided
    if decided.decision is Decision.ALLOW:
        return ""
    decider = decided.ruling.decider
    by = str(decider.ref) if decider is not None else "a network policy"
    verb = "doesn't let" if decided.decision is Decision.DENY else "may not let"
    return f"{by} {verb} a pod outside the mesh reach port {HBONE_PORT}"


def _target(number: str, pod: Pod) -> Target:
    source = FlowEndpoint(EndpointKind.POD, pod.namespace, f"{job_name(SOME_RUN)}-0")
    flow = Flow(source, FlowEndpoint(EndpointKind.POD, pod.namespace, pod.name), HBONE_PORT)
    return Target(number, flow, Verdict(Decision.UNKNOWN, UNKNOWN, Layer.NONE), NAME, pod.ips[0], HBONE_PORT)


def _batch(snapshot: Snapshot, namespace: str, targets: tuple[Target, ...]) -> Batch:
    final = {**OUTSIDE, **own_labels(SOME_RUN)}
    return Batch(
        namespace=namespace,
        service_account="default",
        stands_for="a pod outside the mesh",
        labels=OUTSIDE,
        node="",
        ambient=False,
        targets=targets,
        controlled=bool(adopters(selecting_in(snapshot, namespace).controllers, final)),
    )
