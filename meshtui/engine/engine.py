"""The verdict on a flow: all layers are evaluated in order; the first that blocks decides, the others are still reported."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

from meshtui.engine.classes.classifier import Classifier, ClassKey, Reads
from meshtui.engine.decision.conclude import conclude, decided_of, together
from meshtui.engine.decision.layer_result import LayerResult
from meshtui.engine.decision.ruling import PortDecision, port_decision_of
from meshtui.engine.endpoints import Endpoint, Endpoints, Target
from meshtui.engine.path.egress import Way
from meshtui.engine.path.gateway import Gateways
from meshtui.engine.path.hops import Hops
from meshtui.engine.path.memberships import Judged, whoever
from meshtui.engine.path.question import Question
from meshtui.engine.path.resolution import Resolved, Resolver
from meshtui.engine.path.waypoint import Attachment
from meshtui.engine.policy.tiers import OwnPolicies
from meshtui.model.address import canonical
from meshtui.model.cni import HostPods
from meshtui.model.constants import MESHED
from meshtui.model.flow import EndpointKind, Flow
from meshtui.model.reason import Code, Reason, because
from meshtui.model.snapshot import Snapshot
from meshtui.model.verdict import CONNECTED, UNKNOWN, Decision, Layer, StepResult, Verdict
from meshtui.model.workload import Pod, Service, ServicePort


class Engine:
    """Computes verdicts on one snapshot. Pure: the same snapshot and flow always give the same verdict."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self._endpoints = Endpoints(snapshot)
        self._hops = Hops(snapshot, self._endpoints)
        self.resolver = Resolver(snapshot, self._endpoints)
        self._keys: dict[str, ClassKey] = {}
        self._gateways = Gateways(snapshot, self._endpoints, self._hops, self.resolver)

    def judge(self, flow: Flow) -> Verdict:
        """The verdict on a flow, for all pods that its ends name.

        Raises UsageError when an end or a port can't be found in the snapshot.
        """
        flow = self.resolver.named(flow)
        return self._judge(flow, self.resolver.resolve(flow))

    def summarize(self, flow: Flow) -> Verdict:
        """The verdict on a flow, computed for one pod of each class: for lists of many flows.

        Decision and deciding object are those of ``judge``; a mixed verdict contains only distinct pairs. Raises UsageError when
        an end or a port can't be found in the snapshot.
        """
        flow = self.resolver.named(flow)
        resolved = self.resolver.resolve(flow)
        if {endpoint.name for endpoint in resolved.sources} & {target.endpoint.name for target in resolved.targets}:
            return self._judge(flow, resolved)  # A pod always reaches itself, so one pod of its class can't represent the others
        sources = {self._class_of(endpoint): endpoint for endpoint in reversed(resolved.sources)}
        targets = {(self._class_of(target.endpoint), target.port): target for target in reversed(resolved.targets)}
        return self._judge(flow, replace(resolved, sources=tuple(sources.values()), targets=tuple(targets.values())))

    def _class_of(self, endpoint: Endpoint) -> object:
        if endpoint.pod is None:
            return endpoint.name
        key = self._keys.get(endpoint.name)
        if key is None:
            key = self._keys[endpoint.name] = self._classifier.key(endpoint.pod)
        return key

    @cached_property
    def _classifier(self) -> Classifier:
        reads = Reads()
        reads.note(self.snapshot, self._hops.own)
        return Classifier(self.snapshot, reads, {})

    def _judge(self, flow: Flow, resolved: Resolved) -> Verdict:
        if flow.destination.kind is EndpointKind.HOST:
            ends = (whoever(source, lambda one: self._to_host(one, flow)) for source in resolved.sources)
            return together([judged for several in ends for judged in several])
        if not resolved.targets:
            return _undecided(*resolved.notes)
        if flow.source.kind is EndpointKind.EXTERNAL and flow.protocol == "TCP":
            return together(self._gateways.from_outside(flow, resolved))
        return together([judged for source in resolved.sources for judged in self._to_ends(source, resolved, flow)])

    def between(
        self,
        source: Endpoint,
        destination: Endpoint,
        port: int,
        protocol: str = "TCP",
        service: Service | None = None,
        service_port: ServicePort | None = None,
    ) -> Verdict:
        """The verdict on one pair of endpoints without a request; ``port`` is the destination's own.

        With a Service the flow goes through the Service and its waypoint; without one it goes to the pod's address.
        """
        return together(self._pair(source, Target(destination, port), Question(protocol, service, service_port)))

    def waypoint(self, source: Endpoint, destination: Endpoint, service: Service | None = None) -> tuple[Endpoint, ...]:
        """The pods of the waypoint that handles traffic to a pod's address, or to a Service; empty if none does."""
        return self._hops.waypoint(source, destination, service)

    def binding(self, service: Service | None, destination: Endpoint | None = None) -> Attachment | None:
        """The waypoint that a label names for a Service, or for a pod's address, whoever calls; None if none does."""
        return self._hops.binding(destination or Endpoint(""), service)

    def around(self, source: Endpoint, destination: Endpoint, service: Service | None) -> Reason | None:
        """Why a source's traffic goes past the waypoint that a label names; None if it doesn't, or no label does."""
        return self._hops.around(source, destination, service)

    def at_waypoint(
        self, source: Endpoint, destination: Endpoint, port: int, service: Service, service_port: ServicePort
    ) -> StepResult | None:
        """What the waypoint of a Service would decide about a source, also if its traffic goes past it; None without one.

        Without a request, what depends on one is unknown.
        """
        said = self._hops.at_waypoint(source, destination, port, Question("TCP", service, service_port))
        results = {each.result for each in said}
        order = (StepResult.BLOCK, StepResult.UNKNOWN, StepResult.PASS, StepResult.SKIP)
        return next((result for result in order if result in results), None)

    def tunnelled(self, source: Endpoint, destination: Endpoint) -> bool:
        """Whether network policies see the tunnel's port for TCP that passes no waypoint."""
        return self._hops.tunnelled(source, destination)

    def network(self, source: Endpoint, destination: Endpoint, port: int) -> PortDecision:
        """What the network policies of both ends decide about TCP to a port as they see it: HBONE's, for a tunnel."""
        return port_decision_of(self._hops.network(source, destination, port))

    @property
    def own(self) -> OwnPolicies | None:
        """The evaluated policies of the CNI's own kinds."""
        return self._hops.own

    def endpoint(self, pod: Pod) -> Endpoint:
        """The endpoint of a pod."""
        return self._endpoints.pod(pod)

    def _pair(
        self, source: Endpoint, target: Target, question: Question, before: Sequence[LayerResult] | None = None
    ) -> list[Judged]:
        """The verdicts on one pair: one, or one for each pod of a waypoint or backend of a gateway between them.

        ``before`` are results of what comes before the way: of the source's own proxy. None: those for an address.
        """
        common = families(source, target.endpoint, question.service)
        if common is None:
            return self._pair_by_address(source, target, question, before)
        if not common:
            reason = because(Code.NO_FAMILY_IN_COMMON, source=source.name, destination=target.endpoint.name)
            return [(source, target, _undecided(reason))]
        by_family = [
            self._pair_by_address(_only(source, one), replace(target, endpoint=_only(target.endpoint, one)), question, before)
            for one in common
        ]
        judged = []
        for ways in zip(*by_family, strict=True):
            decided = [decided_of(verdict) for _, _, verdict in ways]
            s, t, verdict = ways[0]
            if len(set(decided)) > 1:
                reason = because(Code.FAMILY_DECIDES, ipv4=decided[0].decision.value, ipv6=decided[1].decision.value)
                verdict = replace(_undecided(reason), steps=verdict.steps)
            judged.append((s, t, verdict))
        return judged

    def _pair_by_address(
        self, source: Endpoint, target: Target, question: Question, before: Sequence[LayerResult] | None
    ) -> list[Judged]:
        """The verdicts on one pair, whose ends have one address each."""
        destination, port = target.endpoint, target.port
        if source.pod is not None and source.pod is destination.pod:
            itself = Verdict(Decision.ALLOW, CONNECTED, Layer.NONE, notes=(because(Code.ITSELF),))
            return [(source, target, itself)]
        if before is None:
            before = self.resolver.egress.to_address(source, target) if question.protocol == "TCP" else ()
        if question.http is not None and question.protocol == "TCP" and self._gateways.serves(destination):
            judged = self._gateways.through(source, target, question.http, question.jwt)
        else:
            judged = [(source, target, conclude([*before, *way])) for way in self._hops.ways(source, destination, port, question)]
        assumed = self._assumed(source, destination)
        if not assumed:
            return judged
        return [(s, t, replace(verdict, assumptions=(*assumed, *verdict.assumptions))) for s, t, verdict in judged]

    def _to_host(self, source: Endpoint, flow: Flow) -> list[Judged]:
        """The verdicts on the connections from one source to the host that a flow names."""
        http = flow.http and replace(flow.http, host=flow.http.host or _authority(flow))
        return self._along(source, self.resolver.way(source, flow), str(flow.destination), replace(flow, http=http))

    def _to_ends(self, source: Endpoint, resolved: Resolved, flow: Flow) -> list[Judged]:
        """The verdicts on the connections from one source to all destinations; an address may be one of a ServiceEntry."""
        if flow.destination.kind is EndpointKind.IP and resolved.service is None and resolved.targets[0].endpoint.pod is None:
            return whoever(source, lambda one: self._to_address(one, resolved, flow))
        to_address = flow.destination.kind is EndpointKind.IP
        question = Question(flow.protocol, resolved.service, resolved.service_port, flow.http, flow.jwt, to_address)
        judged = [judged for target in resolved.targets for judged in self._pair(source, target, question)]
        doubts = tuple(self.resolver.behind.doubts(source, *question.through)) if question.through else ()
        return [(s, t, replace(_undecided(*doubts), steps=verdict.steps)) for s, t, verdict in judged] if doubts else judged

    def _to_address(self, source: Endpoint, resolved: Resolved, flow: Flow) -> list[Judged]:
        """The verdicts on the connections from one source to an address that is no pod's."""
        address = canonical(flow.destination.ip)
        way = self.resolver.egress.way_to_address(source, address, flow.port, flow.protocol)
        if way is not None:
            return self._along(source, way, address, flow)
        inside = self.resolver.behind.leads_inside(address, flow.port, flow.protocol)
        if inside is not None:
            return [(source, target, _undecided(inside)) for target in resolved.targets]
        question = Question(flow.protocol, http=flow.http, jwt=flow.jwt, to_address=True)
        return [judged for target in resolved.targets for judged in self._pair(source, target, question)]

    def _along(self, source: Endpoint, way: Way, host: str, flow: Flow) -> list[Judged]:
        """The verdicts along a way: one for each endpoint, or for each pod of its waypoint."""
        if not way.targets:
            verdict = conclude(way.results)
            undecided = Verdict(Decision.UNKNOWN, UNKNOWN, Layer.NONE, steps=verdict.steps, notes=way.notes)
            denied = verdict.decision is Decision.DENY
            return [(source, self.resolver.egress.nobody(host), verdict if denied else undecided)]
        question = Question(flow.protocol, way.service, way.port, flow.http, flow.jwt)
        found = []
        for target, doubts in way.targets:
            before = [*way.results, *doubts]
            if way.needs_waypoint and not self._hops.has_waypoint(way.source, target.endpoint, way.service):
                before.append(self.resolver.egress.without_waypoint(source, host))
            for _, end, verdict in self._pair(way.source, target, question, before):
                assumptions = (*way.assumptions, *verdict.assumptions)
                found.append((source, end, replace(verdict, assumptions=assumptions, notes=(*verdict.notes, *way.notes))))
        return found

    def _assumed(self, source: Endpoint, destination: Endpoint) -> tuple[Reason, ...]:
        """The assumptions for a pair that don't depend on the layers' results."""
        on_host = [endpoint for endpoint in (source, destination) if endpoint.pod is not None and endpoint.pod.host_network]
        cni = self.snapshot.cni
        assumed = [because(Code.ON_HOST_NETWORK, pod=each.name) for each in on_host if each.host_pods is HostPods.POD]
        assumed += [because(Code.AS_ITS_NODE, pod=e.name, cni=cni.title) for e in on_host if e.host_pods is HostPods.NODE]
        if cni.unread and (source.pod is not None or destination.pod is not None):
            assumed.append(because(Code.CNI_CONFIG_NOT_READ, cni=cni.title, why=cni.unread))
        mesh = self.snapshot.mesh
        if mesh.unread and any(endpoint.mode in MESHED for endpoint in (source, destination)):
            domain, root = mesh.trust_domain, mesh.root_namespace
            assumed.append(because(Code.MESH_CONFIG_NOT_READ, trust_domain=domain, root_namespace=root, why=mesh.unread))
        reading = self.snapshot.reading
        if reading is not None and reading.skipped:
            files, more = reading.skipped_files, len(reading.skipped) - 1
            assumed.append(because(Code.FILES_SKIPPED, files=files, first=reading.skipped[0], more=more))
        return tuple(assumed)


def families(source: Endpoint, destination: Endpoint, service: Service | None) -> tuple[int, ...] | None:
    """The IP families, 4 and 6, by which a connection may be made; None where it makes no difference.

    It makes one if an end has several addresses, or if a Service has no address of its endpoint's family.
    """
    found = {4, 6}
    for end in (source, destination):
        addresses = end.addresses or ((end.address,) if end.address is not None else ())
        if addresses:
            found &= {address.version for address in addresses}
    if service is not None and service.cluster_ips and not service.headless:
        found &= {6 if ":" in text else 4 for text in service.cluster_ips}
    elif not source.addresses and not destination.addresses:
        return None
    return tuple(sorted(found)) if source.addresses or destination.addresses or not found else None


def _undecided(*why: Reason) -> Verdict:
    """The verdict on a flow of which it isn't known where it goes."""
    return Verdict(Decision.UNKNOWN, UNKNOWN, Layer.NONE, notes=why)


def _only(end: Endpoint, family: int) -> Endpoint:
    """An end with its address of one family alone."""
    address = next((address for address in end.addresses if address.version == family), end.address)
    return replace(end, address=address, addresses=())


def _authority(flow: Flow) -> str:
    """The Host header that a client sends to a host: with the port, unless it is the scheme's own (RFC 9110, 7.2)."""
    host = flow.destination.name
    return f"{host}:{flow.port}" if isinstance(flow.port, int) and flow.port not in {80, 443} else host
