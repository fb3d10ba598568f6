"""The judgement of a flow: every layer's result in order; the first that blocks decides, the others are still reported."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from itertools import product

from meshtui.engine.classes.classifier import Classifier, ClassKey, Reads
from meshtui.engine.decision.conclude import conclude, together
from meshtui.engine.endpoints import MESHED, Endpoint, Endpoints, Target
from meshtui.engine.path.gateway import Gateways, Judged
from meshtui.engine.path.hops import Hops
from meshtui.engine.path.question import Asked
from meshtui.engine.path.resolution import Resolved, Resolver
from meshtui.model.flow import EndpointKind, Flow
from meshtui.model.snapshot import Snapshot
from meshtui.model.verdict import CONNECTED, UNKNOWN, Decision, Layer, Verdict
from meshtui.model.workload import Pod, Service, ServicePort

_MESH_UNREAD = "trust domain {} and root namespace {}: the mesh's own configuration can't be read ({})"
_HOST_NETWORK = "{} is on the host network: judged as if the CNI told its traffic from its node's"


class Engine:
    """Judges flows on one snapshot. Pure: the same snapshot and flow always give the same verdict."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self._endpoints = Endpoints(snapshot)
        self._hops = Hops(snapshot, self._endpoints)
        self.resolver = Resolver(snapshot, self._endpoints)
        self._keys: dict[str, ClassKey] = {}
        self._gateways = Gateways(snapshot, self._endpoints, self._hops, self.resolver)

    def judge(self, flow: Flow) -> Verdict:
        """The verdict on a flow between whatever its ends stand for.

        Raises UsageError when an end or a port can't be found in the snapshot.
        """
        return self._judge(flow, self.resolver.resolve(flow))

    def summarize(self, flow: Flow) -> Verdict:
        """The verdict on a flow, judged on one pod of each class that no rule tells apart: for lists of many flows.

        Decision and deciding object are those of ``judge``; the pairs of a mixed verdict are only the distinct ones.
        Raises UsageError when an end or a port can't be found in the snapshot.
        """
        resolved = self.resolver.resolve(flow)
        if {endpoint.name for endpoint in resolved.sources} & {target.endpoint.name for target in resolved.targets}:
            return self._judge(flow, resolved)  # a pod always reaches itself: here its class doesn't speak for it
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
        reads.note(self.snapshot)
        return Classifier(self.snapshot, reads, {})

    def _judge(self, flow: Flow, resolved: Resolved) -> Verdict:
        if not resolved.targets:
            return Verdict(Decision.UNKNOWN, UNKNOWN, Layer.NONE, notes=resolved.notes)
        if flow.source.kind is EndpointKind.EXTERNAL and flow.protocol == "TCP":
            return together(self._gateways.from_outside(flow, resolved))
        asked = Asked(flow.protocol, resolved.service, resolved.service_port, flow.http, flow.jwt)
        pairs = product(resolved.sources, resolved.targets)
        return together([judged for source, target in pairs for judged in self._pair(source, target, asked)])

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

        With a Service the flow goes through it, and through its waypoint. Without one it goes to the pod's address.
        """
        return together(self._pair(source, Target(destination, port), Asked(protocol, service, service_port)))

    def has_proxy(self, source: Endpoint, destination: Endpoint, service: Service | None = None) -> bool:
        """Whether a sidecar or a waypoint stands between two endpoints: then ``between`` knows more than ``network`` does."""
        return self._hops.has_proxy(source, destination, service)

    def endpoint(self, pod: Pod) -> Endpoint:
        """A pod as an end of flows."""
        return self._endpoints.pod(pod)

    def _pair(self, source: Endpoint, target: Target, asked: Asked) -> list[Judged]:
        """One pair's verdicts: one, or one for each pod of a waypoint or backend of a gateway between them."""
        destination, port = target.endpoint, target.port
        if source.pod is not None and source.pod is destination.pod:
            itself = Verdict(Decision.ALLOW, CONNECTED, Layer.NONE, notes=("a pod always reaches itself",))
            return [(source, target, itself)]
        gateway = self._gateways.of(destination) if asked.http is not None and asked.protocol == "TCP" else None
        if gateway is not None:
            judged = self._gateways.through(source, gateway, target, asked.http, asked.jwt)
        else:
            judged = [(source, target, conclude(way)) for way in self._hops.ways(source, destination, port, asked)]
        assumed = self._assumed(source, destination)
        if not assumed:
            return judged
        return [(s, t, replace(verdict, assumptions=(*assumed, *verdict.assumptions))) for s, t, verdict in judged]

    def _assumed(self, source: Endpoint, destination: Endpoint) -> tuple[str, ...]:
        """What is taken for granted of a pair, whatever the layers say."""
        on_host = [endpoint for endpoint in (source, destination) if endpoint.pod is not None and endpoint.pod.host_network]
        assumed = [_HOST_NETWORK.format(endpoint.name) for endpoint in on_host]
        mesh = self.snapshot.mesh
        if mesh.unread and any(endpoint.mode in MESHED for endpoint in (source, destination)):
            assumed.append(_MESH_UNREAD.format(mesh.trust_domain, mesh.root_namespace, mesh.unread))
        return tuple(assumed)
