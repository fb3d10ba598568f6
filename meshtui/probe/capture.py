"""Plans a probe of HBONE's port from outside the mesh, and reads what it saw: proof that a pod is captured, or isn't. Pure.

One pod for each namespace, which istio-cni leaves alone (a captured one's own ztunnel would carry the connection), connects to
port 15008 of each pod there. Where network policies don't let it through, one with the labels of a workload that they let
through does. Where a ztunnel carries the pod, it answers with TLS and the pod's identity; where nobody does, the kernel
refuses. Silence proves nothing: a policy may drop the connection.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from meshtui.engine import Engine
from meshtui.engine.endpoints import Endpoint
from meshtui.engine.policy.labels import MESH_LABELS, labels_that_matter
from meshtui.mesh.enrolment import should_be_captured
from meshtui.model.constants import HBONE_PORT, REVISION_LABELS
from meshtui.model.enrolment import Capture, Enrolment, Evidence, Proofs, Seen
from meshtui.model.flow import EndpointKind, Flow, FlowEndpoint
from meshtui.model.ids import Uid
from meshtui.model.membership import DATAPLANE_MODE, INJECT
from meshtui.model.observation import Observation
from meshtui.model.own_probe import job_name
from meshtui.model.own_probe import labels as own_labels
from meshtui.model.snapshot import GATEWAY_LABELS, Snapshot
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
    hindered: dict[str, str] = {}
    by_id: dict[str, Pod] = {}
    asked: dict[_Asker, list[Target]] = {}
    askers = _Askers(engine)
    for pod in pods:
        why = _not_asked(engine.snapshot, pod)
        if not why and len(by_id) >= settings.max_flows:
            why = f"only the first {settings.max_flows} are asked (probe.max_flows)"
        asker, doubt = askers.of(pod) if not why else (None, "")
        if asker is None:
            left_out[pod.key] = why or doubt
            continue
        if doubt:
            hindered[pod.key] = doubt
        target = _target(str(len(by_id)), pod)
        by_id[target.id] = pod
        asked.setdefault(asker, []).append(target)
    batches = [
        _batch(engine.snapshot, asker, tuple(targets[first : first + MOST_IN_ONE]))
        for asker, targets in asked.items()
        for first in range(0, len(targets), MOST_IN_ONE)
    ]
    return CapturePlan(
        Plan(tuple(batches), seconds=longest_s(batches, settings), ztunnels_in=engine.snapshot.ztunnel_namespaces),
        by_id,
        left_out,
        hindered,
    )


def in_words(batch: Batch) -> str:
    """A probe pod, and how many pods it asks."""
    like = f", with the labels of {batch.stands_for}" if batch.stands_for else ""
    return f"in {batch.namespace} as {batch.service_account}, outside the mesh{like}: {len(batch.targets)} pod(s)"


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
    for each in snapshot.ztunnels:
        if each.node != pod.node:
            continue
        young = at is not None and each.meta.created is not None and at - each.meta.created < STARTS
        if young or each.deleting or not each.ready:
            return f"the ztunnel on {pod.node} starts or ends"
    return ""


def _drops(asked: CapturePlan, pod: Pod, attempts: Sequence[Attempt]) -> str:
    """What may have dropped a connection, for one that nobody answered."""
    if not attempts or attempts[-1].exit_code != TIMED_OUT:
        return ""
    return f": {asked.hindered.get(pod.key, 'something on the way drops it')}"


def _not_asked(snapshot: Snapshot, pod: Pod) -> str:
    if not should_be_captured(snapshot, pod):
        return "it isn't to be captured"
    return "" if pod.ips and pod.phase == "Running" else "it has no address yet"


@dataclass(frozen=True, slots=True)
class _Asker:
    """A probe pod before its run: its namespace, the labels that it copies, and the workload that has them (or nobody)."""

    namespace: str
    copied: tuple[tuple[str, str], ...] = ()
    like: str = field(default="", compare=False)

    @property
    def labels(self) -> dict[str, str]:
        """The labels without those of a run."""
        return {**dict(self.copied), **OUTSIDE}

    @property
    def final(self) -> dict[str, str]:
        """The labels that the pod of a run will have."""
        return {**self.labels, **own_labels(SOME_RUN)}


class _Askers:
    """Chooses the probe pod that asks: one without further labels, or one like a workload that policies let through."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._ends: dict[_Asker, Endpoint] = {}
        self._harm: dict[_Asker, str] = {}
        self._good: list[_Asker] = []

    def of(self, pod: Pod) -> tuple[_Asker | None, str]:
        """The asker for a pod, and what policies may do to it; or None and the reason why nobody may ask."""
        plain = _Asker(pod.namespace)
        doubt = self._hindered(plain, pod)
        if doubt:
            found = next((each for each in self._others(pod) if not self._harms(each) and not self._hindered(each, pod)), None)
            if found is not None:
                self._good = list(dict.fromkeys([found, *self._good]))
                return found, ""
        harm_done = self._harms(plain)
        return (None, harm_done) if harm_done else (plain, doubt)

    def _others(self, pod: Pod) -> Iterator[_Asker]:
        """Other askers: first those that others had to have, then those of the pod's namespace."""
        yield from self._good
        yield from sorted(self._like_workloads, key=lambda each: each.namespace != pod.namespace)

    @cached_property
    def _like_workloads(self) -> tuple[_Asker, ...]:
        snapshot = self._engine.snapshot
        keys = labels_that_matter(snapshot) - {*MESH_LABELS, *GATEWAY_LABELS, *REVISION_LABELS, *OUTSIDE}
        found: dict[_Asker, None] = {}
        for pod in sorted(snapshot.pods.values(), key=lambda pod: pod.key):
            if pod.completed or pod.deleting or pod.host_network or pod.derived:
                continue
            copied = tuple(sorted((k, v) for k, v in pod.labels.items() if k in keys))
            if copied:
                found.setdefault(_Asker(pod.namespace, copied, str(snapshot.owner_of(pod))))
        return tuple(found)

    def _harms(self, asker: _Asker) -> str:
        if asker not in self._harm:
            self._harm[asker] = harm(selecting_in(self._engine.snapshot, asker.namespace), asker.final)
        return self._harm[asker]

    def _hindered(self, asker: _Asker, pod: Pod) -> str:
        """What network policies do to a connection from the probe pod, unless they let it through."""
        if asker not in self._ends:
            name = f"{job_name(SOME_RUN)}-{len(self._ends)}"
            meta = replace(pod.meta, namespace=asker.namespace, name=name, uid=Uid(name), labels=asker.final, annotations={})
            self._ends[asker] = self._engine.endpoint(Pod(meta))
        decided = self._engine.network(self._ends[asker], self._engine.endpoint(pod), HBONE_PORT).decided
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


def _batch(snapshot: Snapshot, asker: _Asker, targets: tuple[Target, ...]) -> Batch:
    return Batch(
        namespace=asker.namespace,
        service_account="default",
        stands_for=asker.like,
        labels=asker.labels,
        node="",
        ambient=False,
        targets=targets,
        controlled=bool(adopters(selecting_in(snapshot, asker.namespace).controllers, asker.final)),
    )
