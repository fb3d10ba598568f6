"""Sidecars: what a pod's own proxy allows, and how other pods reach it.

Sources: istio/api security/v1beta1/peer_authentication.proto (levels and modes), istio/istio pilot/pkg/security/authn (merging),
pilot/pkg/xds/endpoints (who uses HBONE: supportTunnel), istio.io (protocol selection; sidecars and ambient).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from meshtui.engine.decision.layer_result import LayerResult, layer_result
from meshtui.engine.endpoints import Endpoint
from meshtui.engine.matching.http import speaks_http
from meshtui.engine.matching.selectors import matches
from meshtui.engine.path.question import Question
from meshtui.engine.path.service_ports import ServicePorts
from meshtui.engine.policy import attachment, capture
from meshtui.engine.policy.client_rules import ClientRules
from meshtui.engine.policy.exports import Exports
from meshtui.engine.policy.l7 import Request
from meshtui.engine.policy.protocol_detection import ask_sniffed
from meshtui.engine.policy.proxy import Proxy, ask
from meshtui.model.constants import HBONE_PORT
from meshtui.model.policy import PeerAuthentication
from meshtui.model.reason import Code, Reason, because
from meshtui.model.snapshot import Snapshot
from meshtui.model.verdict import CLOSED, Decider, Layer, StepResult
from meshtui.model.workload import MeshMode, Pod, Service, ServicePort

TUNNEL = "networking.istio.io/tunnel"
"""The label that injection adds to a pod whose sidecar accepts HBONE."""
_NEVER = datetime.max.replace(tzinfo=UTC)
_UNSET = "UNSET"


@dataclass(frozen=True, slots=True)
class Mode:
    """The PeerAuthentication mode of one port of a pod, with the policy and field that set it."""

    mode: str = "PERMISSIVE"
    policy: PeerAuthentication | None = None
    field: str = "spec.mtls"


class Modes:
    """The PeerAuthentications of a snapshot as sidecars merge them: port > workload > namespace > mesh; the oldest wins."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._root = snapshot.mesh.root_namespace
        self._policies = sorted(
            snapshot.peer_authentications.values(), key=lambda p: (p.meta.created or _NEVER, p.meta.name, p.meta.namespace)
        )

    def of(self, pod: Pod, port: int) -> Mode:
        """The mode of a pod's port. UNSET inherits the wider mode; without any mode the result is PERMISSIVE."""
        wide = [p for p in self._policies if p.selector is None or p.selector.is_empty]
        mesh = next((p for p in wide if p.meta.namespace == self._root), None)
        namespace = next((p for p in wide if p.meta.namespace == pod.namespace != self._root), None)
        workload = next((p for p in self._policies if _is_workloads(p, pod)), None)
        if workload is not None and workload.port_modes.get(port, _UNSET) != _UNSET:
            return Mode(workload.port_modes[port], workload, f"spec.portLevelMtls[{port}]")
        speaking = (p for p in (workload, namespace, mesh) if p is not None and p.mode != _UNSET)
        return next((Mode(p.mode, p) for p in speaking), Mode())


def _is_workloads(policy: PeerAuthentication, pod: Pod) -> bool:
    chosen = policy.selector
    return policy.meta.namespace == pod.namespace and chosen is not None and not chosen.is_empty and matches(chosen, pod.labels)


@dataclass(frozen=True, slots=True)
class Transport:
    """How a source reaches a sidecar: through a tunnel (NetworkPolicy sees 15008) or not, with an identity or not."""

    hbone: bool
    identified: bool
    assumption: Reason | None = None


_PLAIN = Transport(hbone=False, identified=False)
_TUNNEL = Transport(hbone=True, identified=True)
_MUTUAL = Transport(hbone=False, identified=True)
_MAYBE = _MUTUAL
"""The manifests don't show whether injected sidecars accept HBONE; network policies are assumed to see the application's port."""


@dataclass(frozen=True, slots=True)
class Transports:
    """The ways in which a source may reach a sidecar; ``why`` is why there are two, of which the first is plaintext."""

    ways: tuple[Transport, ...]
    why: Reason | None = None


_IN_PLAINTEXT = Transports((_PLAIN,))


class Sidecars:
    """The sidecars of one snapshot."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._modes = Modes(snapshot)
        self._extensions = attachment.Extensions(snapshot)
        self._authorizations = tuple(snapshot.authorization_policies.values())
        self._authentications = tuple(snapshot.request_authentications.values())
        self._ports = ServicePorts(snapshot)
        self._exports = Exports(snapshot)
        self._clients = ClientRules(snapshot)

    def transports(self, source: Endpoint, destination: Endpoint, port: int, question: Question) -> Transports:
        """The ways in which a source may reach a sidecar; several when the input doesn't determine it.

        ztunnel uses a tunnel to pods that accept HBONE, and else plaintext (pilot/pkg/serviceregistry/ambient/workloads.go).
        Sidecars and gateways speak mutual TLS to the endpoints of Services (pilot/pkg/networking/core/cluster_tls.go).
        """
        pod = destination.pod
        if pod is None or source.principal is None:
            return _IN_PLAINTEXT
        if source.mode is MeshMode.SIDECAR:
            return self._of_sidecar(source, destination, port, question)
        if source.mode is MeshMode.GATEWAY:
            return Transports((_MUTUAL,)) if self._speaks_mutual_tls(pod, port) else _IN_PLAINTEXT
        if pod.labels.get(TUNNEL) == "http":
            return Transports((_TUNNEL,))
        if self._snapshot.live:
            return _IN_PLAINTEXT
        if self._snapshot.mesh.sidecars_send_hbone:
            return Transports((_TUNNEL,))
        return Transports((_PLAIN, _MAYBE), because(Code.TUNNEL_NOT_KNOWN, pod=destination.name))

    def tunnelled(self, source: Endpoint, destination: Endpoint) -> bool:
        """Whether a source reaches every port of a pod with a sidecar through a tunnel."""
        return all(how.hbone for how in self.transports(source, destination, HBONE_PORT, Question()).ways)

    def hidden(self, source: Endpoint, service: Service) -> Reason | None:
        """Why a source's sidecar doesn't know a Service; None if it does."""
        if not self._exports.reach(service, source.namespace):
            return because(Code.SERVICE_NOT_EXPORTED, service=service.meta.ref, namespace=source.namespace)
        if not self._clients.knows(source, service):
            return because(Code.SERVICE_NOT_KNOWN_TO_SIDECAR, service=service.meta.ref, source=source.name)
        return None

    def services(self, destination: Endpoint, port: int, question: Question) -> tuple[Service, ...]:
        """The Services through which a flow may go: its own, else those that lead to the port."""
        if question.service is not None:
            return (question.service,)
        return tuple(service for service, _ in self._ports.to(destination.pod, port)) if destination.pod else ()

    def by_service(self, source: Endpoint, destination: Endpoint, port: int, question: Question) -> bool | Reason:
        """Whether a sidecar connects to a port as it does to Services: with the mesh's identity. A reason: it isn't known.

        To an address without a Service it sends what it gets (PassthroughCluster, pilot/pkg/networking/core/cluster.go).
        """
        if leaves_directly(source, question.dialled(port)):
            return False
        services = self.services(destination, port, question)
        if not services:
            return False
        ranges = bypassed_ranges(source)
        if ranges:
            return because(Code.OUTBOUND_MAY_BYPASS, source=source.name, annotation=ranges)
        hidden = next((why for service in services if (why := self.hidden(source, service)) is not None), None)
        if hidden is not None:
            return hidden
        if question.service is None and question.to_address:
            return because(Code.ADDRESS_PAST_SERVICE, source=source.name, service=services[0].meta.ref)
        return True

    def _of_sidecar(self, source: Endpoint, destination: Endpoint, port: int, question: Question) -> Transports:
        pod = destination.pod
        said = self.by_service(source, destination, port, question)
        if pod is None or said is False or not self._speaks_mutual_tls(pod, port):
            return _IN_PLAINTEXT
        if isinstance(said, Reason):
            return Transports((_PLAIN, _MUTUAL), said)
        if question.service is not None:
            return Transports((_MUTUAL,))
        service, number = self._ports.to(pod, port)[0]
        assumed = because(Code.THROUGH_A_SERVICE, source=source.name, service=service.meta.ref, port=number.number)
        return Transports((replace(_MUTUAL, assumption=assumed),))

    def _speaks_mutual_tls(self, pod: Pod, port: int) -> bool:
        """Whether clients with a proxy speak mutual TLS to a port that a Service leads to (automatic mutual TLS)."""
        return self._snapshot.mesh.auto_mtls and self._modes.of(pod, port).mode != "DISABLE"

    def changed(self, source: Endpoint) -> list[LayerResult]:
        """An unknown result if a source's own sidecar is changed in ways that aren't modelled."""
        by = self._extensions.of_sidecar(source.pod) if source.pod is not None else ()
        if not by:
            return []
        where, reason = f"the sidecar of {source.name}", because(Code.PROXY_CHANGED, by=by)
        return [layer_result(Layer.SIDECAR, where, StepResult.UNKNOWN, reason, objects=tuple(map(Decider, by)))]

    def results(
        self,
        source: Endpoint,
        destination: Endpoint,
        port: int,
        how: Transport,
        question: Question,
    ) -> list[LayerResult]:
        """The results of the destination's sidecar: mutual TLS first, then tokens and AuthorizationPolicies."""
        pod = destination.pod
        if pod is None:
            return []
        where = f"the sidecar of {destination.name}"
        excluded = capture.excluding(pod, port)
        if excluded:
            reason = because(Code.PORT_NOT_CAPTURED, pod=destination.name, port=port, annotation=excluded)
            return [layer_result(Layer.SIDECAR, where, StepResult.SKIP, reason)]
        results = [] if how.identified else [self._plaintext(source, pod, port, where)]
        named = question.service_port or self._named(pod, port)
        request = Request(
            port,
            principal=source.principal if how.identified else None,
            source=source.address,
            destination=destination.address,
            http=question.http,
            jwt=question.jwt,
            mesh=self._snapshot.mesh,
            sni=_server_name(question.through) if how.identified and not how.hbone else "",
        )
        root = self._snapshot.mesh.root_namespace
        proxy = Proxy(
            Layer.SIDECAR,
            where,
            tuple(attachment.to_sidecar(self._authorizations, pod, root)),
            tuple(attachment.to_sidecar(self._authentications, pod, root)),
            self._extensions.of_sidecar(pod),
        )
        return results + ask_sniffed(proxy, request, speaks_http(named), ask)

    def _plaintext(self, source: Endpoint, pod: Pod, port: int, where: str) -> LayerResult:
        mode = self._modes.of(pod, port)
        decider = Decider(mode.policy.meta.ref, mode.field) if mode.policy else None
        if mode.mode == "STRICT":
            by = decider.ref if decider else None
            reason = because(Code.PLAINTEXT_REFUSED, source=source.name, mesh_mode=source.mode, by=by, port=port)
            return layer_result(Layer.SIDECAR, where, StepResult.BLOCK, reason, decider=decider, outcome=CLOSED)
        reason = because(Code.PLAINTEXT_ACCEPTED, source=source.name, mesh_mode=source.mode, port=port, mode=mode.mode)
        return layer_result(Layer.SIDECAR, where, StepResult.PASS, reason, objects=(decider,) if decider else ())

    def _named(self, pod: Pod, port: int) -> ServicePort | None:
        """The Service port whose target is a pod's port; it determines the protocol that the sidecar assumes."""
        return next((of_service for _, of_service in self._ports.to(pod, port)), None)


def leaves_directly(source: Endpoint, port: int) -> bool:
    """Whether traffic to a port leaves a pod without passing its sidecar, and therefore without mutual TLS."""
    pod = source.pod
    return pod is not None and source.mode is MeshMode.SIDECAR and capture.leaves_directly(pod, port)


def bypassed_ranges(source: Endpoint) -> str:
    """The annotation with which some traffic leaves a pod without passing its sidecar, by address; empty if there is none."""
    return capture.bypassed_ranges(source.pod) if source.pod is not None else ""


def _server_name(service: tuple[Service, ServicePort] | None) -> str | None:
    """The server name that a sidecar's client sends for a Service; None when it isn't known."""
    if service is None:
        return None
    meta = service[0].meta
    return f"outbound_.{service[1].number}_._.{meta.name}.{meta.namespace}.svc.cluster.local"
