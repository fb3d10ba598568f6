"""Sidecars: what a pod's own proxy lets in, and how others reach it.

Sources: istio/api security/v1beta1/peer_authentication.proto (levels and modes), istio/istio pilot/pkg/security/authn
(merging), pilot/pkg/xds/endpoints (who uses HBONE: supportTunnel), istio.io (protocol selection; sidecars and ambient).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from meshtui.engine.decision.layer_result import LayerResult, layer_result
from meshtui.engine.endpoints import Endpoint
from meshtui.engine.matching.http import speaks_http
from meshtui.engine.matching.selectors import matches
from meshtui.engine.path.question import Asked
from meshtui.engine.policy import attachment
from meshtui.engine.policy.l7 import Request
from meshtui.engine.policy.protocol_detection import ask_sniffed
from meshtui.engine.policy.proxy import Proxy, ask
from meshtui.model.policy import PeerAuthentication
from meshtui.model.snapshot import Snapshot
from meshtui.model.verdict import CLOSED, Decider, Layer, StepResult
from meshtui.model.workload import MeshMode, Pod, Service, ServicePort

TUNNEL = "networking.istio.io/tunnel"
"""The label that injection gives a sidecar's pod that takes HBONE."""
_NEVER = datetime.max.replace(tzinfo=UTC)
_UNSET = "UNSET"


@dataclass(frozen=True, slots=True)
class Mode:
    """The PeerAuthentication mode of one port of a pod, and what sets it."""

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
        """The mode of a pod's port; UNSET inherits, and nothing at all is PERMISSIVE."""
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
    assumption: str = ""


_PLAIN = Transport(hbone=False, identified=False)
_TUNNEL = Transport(hbone=True, identified=True)
_MAYBE = Transport(hbone=False, identified=True)
"""Manifests don't tell whether injection lets a sidecar take HBONE; network policies are taken to see the app's port."""
_MUTUAL = Transport(
    hbone=False,
    identified=True,
    assumption="proxies speak mutual TLS to sidecars behind Services; a DestinationRule, or a bare pod address, may change that",
)


class Sidecars:
    """The sidecars of one snapshot."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._modes = Modes(snapshot)
        self._authorizations = tuple(snapshot.authorization_policies.values())
        self._authentications = tuple(snapshot.request_authentications.values())
        self._services: dict[str, list[Service]] = defaultdict(list)
        for service in sorted(snapshot.services.values(), key=lambda s: s.meta.name):
            self._services[service.meta.namespace].append(service)

    def transports(self, source: Endpoint, destination: Endpoint, port: int) -> tuple[Transport, ...]:
        """The ways in which a source may reach a sidecar; more than one when manifests don't tell.

        ztunnel tunnels to pods that take HBONE, else it speaks plaintext (pilot/pkg/serviceregistry/ambient/workloads.go).
        """
        pod = destination.pod
        if pod is None or source.principal is None:
            return (_PLAIN,)
        if source.mode in {MeshMode.SIDECAR, MeshMode.GATEWAY}:
            return (_PLAIN,) if self._modes.of(pod, port).mode == "DISABLE" else (_MUTUAL,)
        if pod.labels.get(TUNNEL) == "http":
            return (_TUNNEL,)
        if self._snapshot.live:
            return (_PLAIN,)
        return (_TUNNEL,) if self._snapshot.mesh.sidecars_send_hbone else (_PLAIN, _MAYBE)

    def results(
        self,
        source: Endpoint,
        destination: Endpoint,
        port: int,
        how: Transport,
        asked: Asked,
    ) -> list[LayerResult]:
        """What the destination's sidecar says: mutual TLS first, then tokens and AuthorizationPolicies."""
        pod = destination.pod
        if pod is None:
            return []
        where = f"the sidecar of {destination.name}"
        results = [] if how.identified else [self._plaintext(source, pod, port, where)]
        named = asked.service_port or self._named(pod, port)
        request = Request(
            port,
            principal=source.principal if how.identified else None,
            source=source.address,
            destination=destination.address,
            http=asked.http,
            jwt=asked.jwt,
            sni=_server_name(asked.through) if how.identified and not how.hbone else "",
        )
        root = self._snapshot.mesh.root_namespace
        proxy = Proxy(
            Layer.SIDECAR,
            where,
            tuple(attachment.to_sidecar(self._authorizations, pod, root)),
            tuple(attachment.to_sidecar(self._authentications, pod, root)),
            attachment.envoy_filters(self._snapshot, pod),
        )
        return results + ask_sniffed(proxy, request, speaks_http(named), ask)

    def _plaintext(self, source: Endpoint, pod: Pod, port: int, where: str) -> LayerResult:
        mode = self._modes.of(pod, port)
        decider = Decider(mode.policy.meta.ref, mode.field) if mode.policy else None
        if mode.mode == "STRICT":
            reason = f"{source.name} speaks plaintext, and {decider.ref if decider else 'the mesh'} demands mutual TLS (STRICT)"
            return layer_result(Layer.SIDECAR, where, StepResult.BLOCK, reason, decider=decider, outcome=CLOSED)
        reason = f"{source.name} speaks plaintext, which is accepted on port {port} ({mode.mode})"
        return layer_result(Layer.SIDECAR, where, StepResult.PASS, reason, objects=(decider,) if decider else ())

    def _named(self, pod: Pod, port: int) -> ServicePort | None:
        """The Service port that leads to a pod's port: it says which protocol the sidecar takes it for."""
        return next(_ports_to(self._services.get(pod.namespace, ()), pod, port), None)


def _ports_to(services: Iterable[Service], pod: Pod, port: int) -> Iterator[ServicePort]:
    ports = {p.name: p.number for p in pod.ports if p.name and p.protocol == "TCP"}
    for service in services:
        if service.selector and all(pod.labels.get(key) == value for key, value in service.selector):
            for candidate in service.ports:
                number = candidate.target if isinstance(candidate.target, int) else ports.get(candidate.target)
                if candidate.protocol == "TCP" and number == port:
                    yield candidate


def _server_name(service: tuple[Service, ServicePort] | None) -> str | None:
    """The server name that a sidecar's client sends for a Service; None when it can't be told."""
    if service is None:
        return None
    meta = service[0].meta
    return f"outbound_.{service[1].number}_._.{meta.name}.{meta.namespace}.svc.cluster.local"
