"""Plans a probe: which pods with which identities, what each sends, and which flows are left out. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from meshtui.engine.engine import Engine
from meshtui.engine.matching.selectors import matches
from meshtui.engine.path.resolution import Resolved
from meshtui.engine.policy.labels import label_selectors, labels_of_own_policies, labels_that_matter
from meshtui.model.constants import REVISION_LABELS
from meshtui.model.errors import UsageError
from meshtui.model.flow import EndpointKind, Flow, HttpRequest
from meshtui.model.own_probe import labels as own_labels
from meshtui.model.reason import Code, because
from meshtui.model.snapshot import Snapshot
from meshtui.model.verdict import UNKNOWN, Decision, Layer, Verdict
from meshtui.model.workload import MeshMode, Pod
from meshtui.model.ztunnels import SYSTEM
from meshtui.probe.disturb import adopters, harm, selecting_in
from meshtui.probe.protocols import PROTOCOLS, protocol_of

if TYPE_CHECKING:
    from meshtui.settings import Probe

HARMLESS = {"GET", "HEAD", "OPTIONS"}
_ATTEMPTS = 2
SOME_RUN = "00000000"
"""A placeholder for the run's id, which doesn't exist yet. No selector matches it."""
PARALLEL = 12
"""The number of flows that one pod sends in parallel."""


@dataclass(frozen=True, slots=True)
class Target:
    """What is sent for one flow.

    ``protocol`` is http, http2, postgres, tcp or dns; ``address`` is an IP address or a DNS name. ``backend_ports`` are the
    container ports behind a Service, which ztunnel logs.
    """

    id: str
    flow: Flow
    predicted: Verdict
    protocol: str
    address: str
    port: int
    request: HttpRequest = field(default_factory=HttpRequest)
    backend_ports: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Batch:
    """One pod: the identity with which it runs, and everything that it sends.

    ``controlled``: without an own controller, another controller would adopt the pod. ``ambient``: results count only after the
    mesh has captured the pod.
    """

    namespace: str
    service_account: str
    stands_for: str
    labels: Mapping[str, str]
    node: str
    ambient: bool
    targets: tuple[Target, ...]
    controlled: bool = False

    def final_labels(self, run: str) -> dict[str, str]:
        """The labels that the pod of a run will have."""
        return {**self.labels, **own_labels(run)}


@dataclass(frozen=True, slots=True)
class Refusal:
    """A flow that can't be probed, and the reason."""

    flow: Flow
    predicted: Verdict
    reason: str


@dataclass(frozen=True, slots=True)
class Plan:
    """All pods and flows of a run."""

    batches: tuple[Batch, ...] = ()
    external: tuple[Target, ...] = ()
    refused: tuple[Refusal, ...] = ()
    warnings: tuple[str, ...] = ()
    seconds: int = 0
    ztunnels_in: frozenset[str] = SYSTEM
    """The namespaces of the ztunnels, whose logs are read."""

    @property
    def flows(self) -> int:
        """The number of flows that would be sent."""
        return sum(len(batch.targets) for batch in self.batches) + len(self.external)

    @property
    def asked(self) -> Iterator[Flow]:
        """Every requested flow: those that would be sent, and those that are refused."""
        yield from (target.flow for target in self.external)
        yield from (target.flow for batch in self.batches for target in batch.targets)
        yield from (refusal.flow for refusal in self.refused)

    @property
    def namespaces(self) -> tuple[str, ...]:
        """The namespaces in which pods would be created."""
        return tuple(dict.fromkeys(batch.namespace for batch in self.batches))


_Key = tuple[str, str, tuple[tuple[str, str], ...], str]


def make_plan(engine: Engine, flows: Sequence[Flow], settings: Probe, *, any_method: bool = False) -> Plan:
    """Plan a probe of some flows. ``any_method`` also allows requests that may change something."""
    snapshot = engine.snapshot
    keys = labels_that_matter(snapshot)
    groups: dict[_Key, list[Target]] = {}
    stands_for: dict[_Key, Pod] = {}
    external: list[Target] = []
    refused: list[Refusal] = []
    for number, flow in enumerate(flows, 1):
        planned = _plan_flow(engine, str(number), flow, keys, any_method=any_method)
        if isinstance(planned, Refusal):
            refused.append(planned)
        elif isinstance(planned, Target):
            external.append(planned)
        else:
            target, pod = planned
            labels = tuple(sorted((k, v) for k, v in pod.labels.items() if k in keys and k not in REVISION_LABELS))
            key = (pod.namespace, pod.service_account, labels, pod.node)
            groups.setdefault(key, []).append(target)
            stands_for.setdefault(key, pod)
    batches = [_batch(snapshot, stands_for[key], dict(key[2]), targets) for key, targets in groups.items()]
    return _checked(snapshot, batches, external, refused, settings)


def _plan_flow(
    engine: Engine, number: str, flow: Flow, keys: Collection[str], *, any_method: bool
) -> tuple[Target, Pod] | Target | Refusal:
    """What is sent for a flow and the pod that it represents (None: sent from outside), or why it can't be sent."""
    outside = flow.source.kind is EndpointKind.EXTERNAL
    asked = replace(flow, http=flow.http or HttpRequest()) if outside else flow  # what is really sent through the gateway
    try:
        verdict, resolved = engine.judge(asked), engine.resolver.resolve(flow)
    except UsageError as error:
        return Refusal(
            flow, Verdict(Decision.UNKNOWN, UNKNOWN, Layer.NONE, notes=(because(Code.NOT_FOUND, error=str(error)),)), str(error)
        )
    if flow.http and flow.http.method not in HARMLESS and not any_method:
        return Refusal(flow, verdict, f"prediction only: {flow.http.method} may change something (--unsafe-methods sends it)")
    target = _target(number, flow, verdict, resolved)
    if target is None:
        return Refusal(flow, verdict, "there is no address behind it to send to")
    if PROTOCOLS[target.protocol].cant_tell:
        return Refusal(flow, verdict, PROTOCOLS[target.protocol].cant_tell)
    if flow.jwt is not None and not any(name.lower() == "authorization" for name, _ in target.request.headers):
        return Refusal(
            flow, verdict, "prediction only: there is no token with these claims (an Authorization header carries one)"
        )
    if outside:
        turned_away = verdict.layer is Layer.GATEWAY and verdict.decision is Decision.DENY
        elsewhere = turned_away and (
            flow.http is None or verdict.outcome == UNKNOWN
        )  # the result of another request wouldn't answer the question
        return Refusal(flow, verdict, "no route of the gateway sends this request there") if elsewhere else target
    pod = next((endpoint.pod for endpoint in resolved.sources if endpoint.pod is not None and not endpoint.pod.derived), None)
    if pod is None:
        return Refusal(flow, verdict, f"{flow.source} isn't a running pod: nothing can run in its place")
    reason = _no_stand_in(engine.snapshot, pod) or _told_apart(engine.snapshot, pod, keys)
    return Refusal(flow, verdict, reason) if reason else (target, pod)


def _no_stand_in(snapshot: Snapshot, pod: Pod) -> str:
    """Why a probe pod can't represent this pod, or empty."""
    if pod.host_network:
        return f"{pod.key} is on its node's network: a probe would have another address"
    if snapshot.mesh_mode(pod) is MeshMode.GATEWAY:
        return f"{pod.key} is a proxy with an identity of its own, which no other pod can use"
    return ""


def _told_apart(snapshot: Snapshot, pod: Pod, keys: Collection[str]) -> str:
    """Why a policy would treat a probe differently from the pod that it represents, or empty.

    ``keys`` are the label keys that policies use. A probe can't have some labels (a controller would adopt its pod), and has
    two labels of its own.
    """
    final = {**{key: value for key, value in pod.labels.items() if key not in REVISION_LABELS}, **own_labels(SOME_RUN)}
    others = {key for key in {*pod.labels, *final} if pod.labels.get(key) != final.get(key)}
    if others.isdisjoint(keys):
        return ""
    for ref, selector in label_selectors(snapshot):
        if matches(selector, pod.labels) != matches(selector, final):
            read = ", ".join(sorted(others & selector.keys))
            return f"{ref} reads {read}, which a probe can't have as {pod.key} has: it would be judged otherwise"
    own = ", ".join(sorted(others & labels_of_own_policies(snapshot)))
    return (
        f"a policy of the CNI reads {own}, which a probe can't have as {pod.key} has: it may be judged otherwise" if own else ""
    )


def _target(number: str, flow: Flow, verdict: Verdict, resolved: Resolved) -> Target | None:
    """The address to send to: a Service's cluster IP (which applications get from DNS), a pod's address, or the flow's."""
    service = resolved.service
    if flow.destination.kind is EndpointKind.HOST:
        sent = resolved.service_port.number if resolved.service_port else flow.port
        if not isinstance(sent, int):
            return None
        hint = resolved.service_port.app_protocol if resolved.service_port else ""
        address, number_sent, name = flow.destination.name, sent, flow.destination.name
        protocol = protocol_of(flow, number_sent, hint).name
    elif service is not None:
        port = next((p for p in service.ports if flow.port in {None, p.number, p.name}), None)
        if port is None:
            return None
        ips = [ip for ip in service.cluster_ips if ip != "None"]
        name = f"{service.meta.name}.{service.meta.namespace}"
        address = ips[0] if ips else f"{name}.svc"
        protocol = protocol_of(flow, port.number, port.app_protocol or port.name).name
        number_sent = port.number
    elif resolved.targets and resolved.targets[0].endpoint.pod is not None:
        endpoint, number_sent = resolved.targets[0].endpoint, resolved.targets[0].port
        if endpoint.pod is None or not endpoint.pod.ips:
            return None
        address, name = endpoint.pod.ips[0], ""
        declared = next((p.name for p in endpoint.pod.ports if p.number == number_sent), "")
        protocol = protocol_of(flow, number_sent, declared).name
    else:
        if flow.destination.kind is not EndpointKind.IP or not isinstance(flow.port, int):
            return None
        address, number_sent, name = flow.destination.ip, flow.port, ""
        protocol = protocol_of(flow, number_sent, "").name
    request = flow.http or HttpRequest()
    if not request.host and name:
        request = replace(request, host=name if number_sent == 80 else f"{name}:{number_sent}")
    behind = tuple(dict.fromkeys(item.port for item in resolved.targets))
    return Target(number, flow, verdict, protocol, address, number_sent, request, behind)


def _batch(snapshot: Snapshot, pod: Pod, labels: Mapping[str, str], targets: Sequence[Target]) -> Batch:
    return Batch(
        namespace=pod.namespace,
        service_account=pod.service_account,
        stands_for=str(snapshot.owner_of(pod)),
        labels=labels,
        node=pod.node,
        ambient=snapshot.mesh_mode(pod) is MeshMode.AMBIENT,
        targets=tuple(targets),
        controlled=bool(adopters(selecting_in(snapshot, pod.namespace).controllers, {**labels, **own_labels(SOME_RUN)})),
    )


def _checked(
    snapshot: Snapshot, batches: Iterable[Batch], external: list[Target], refused: list[Refusal], settings: Probe
) -> Plan:
    """The plan without batches that would disturb something, and with the maximum duration of the others."""
    kept = []
    for batch in batches:
        reason = harm(selecting_in(snapshot, batch.namespace), batch.final_labels(SOME_RUN))
        if reason:
            refused.extend(Refusal(target.flow, target.predicted, reason) for target in batch.targets)
        else:
            kept.append(batch)
    seconds = longest_s(kept, settings) or (settings.attempt_timeout_s if external else 0)
    warnings = ("autoscalers that count pods by these labels see the probe pods while they run",) if kept else ()
    return Plan(tuple(kept), tuple(external), tuple(refused), warnings, seconds, snapshot.ztunnel_namespaces)


def longest_s(batches: Sequence[Batch], settings: Probe) -> int:
    """The maximum duration of some batches, in seconds."""
    if not batches:
        return 0
    waves = -(-len(batches) // settings.max_pods)
    rounds = -(-max(len(batch.targets) for batch in batches) // PARALLEL)
    return waves * min(settings.deadline_s, 5 + rounds * _ATTEMPTS * settings.attempt_timeout_s)
