"""Waypoints: which one a destination uses, where it runs, and what it enforces.

Source: istio/istio pilot/pkg/serviceregistry/ambient/waypoints.go (attachment, traffic types, allowed namespaces) and
pilot/pkg/networking/core/listener_waypoint.go (what the waypoint sees: the Service's port, HTTP or TCP by its protocol).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from meshtui.engine.decision.layer_result import LayerResult, layer_result
from meshtui.engine.endpoints import Endpoint, Endpoints, Target
from meshtui.engine.matching.addresses import Address, parse_address
from meshtui.engine.matching.http import speaks_http
from meshtui.engine.matching.selectors import matches
from meshtui.engine.path.gateway_address import GATEWAY_NAME, find_gateway
from meshtui.engine.path.question import Asked
from meshtui.engine.policy import attachment
from meshtui.engine.policy.l7 import Request
from meshtui.engine.policy.protocol_detection import ask_sniffed
from meshtui.engine.policy.proxy import Proxy, ask
from meshtui.engine.policy.unmodelled import USE_WAYPOINT
from meshtui.model.gateway import Gateway
from meshtui.model.ids import Uid
from meshtui.model.meta import Meta
from meshtui.model.snapshot import Snapshot
from meshtui.model.verdict import Decider, Layer, StepResult
from meshtui.model.workload import MeshMode, Pod, Service

USE_WAYPOINT_NAMESPACE = "istio.io/use-waypoint-namespace"
WAYPOINT_FOR = "istio.io/waypoint-for"
INGRESS_USE_WAYPOINT = "istio.io/ingress-use-waypoint"
MANAGED = "gateway.istio.io/managed"
_MESH_CONTROLLERS = {"istio.io-mesh-controller", "istio.io-eastwest-controller"}
HBONE_PORT = 15008


@dataclass(frozen=True, slots=True)
class Attachment:
    """What a label says about a destination: the waypoint's pods that traffic goes through, or why it doesn't.

    ``doubt`` says what can't be known; ``past`` why traffic goes past the waypoint that a label names.
    """

    name: str
    gateway: Gateway | None = None
    endpoints: tuple[Endpoint, ...] = ()
    doubt: str = ""
    past: str = ""
    assumption: str = ""


class Waypoints:
    """The waypoints of one snapshot."""

    def __init__(self, snapshot: Snapshot, endpoints: Endpoints) -> None:
        self._snapshot = snapshot
        self._endpoints = endpoints
        self._authorizations = tuple(snapshot.authorization_policies.values())
        self._authentications = tuple(snapshot.request_authentications.values())

    def of(self, source: Endpoint, destination: Endpoint, service: Service | None) -> Attachment | None:
        """The waypoint between a source and a destination; None where no label names one, or the source wouldn't use it."""
        named = self._named(destination, service)
        if named is None:
            return None
        namespace, name, is_own = named
        shown = f"{namespace}/{name}"
        if source.mode is MeshMode.GATEWAY and not self._for_ingress(destination, service):
            return Attachment(shown, past=f"gateways go past waypoints without the label {INGRESS_USE_WAYPOINT}")
        if source.principal is None:
            return Attachment(shown, past=f"{source.name} isn't in the mesh: its traffic goes past the waypoint {shown}")
        if source.mode is MeshMode.SIDECAR:
            return Attachment(shown, doubt=f"how sidecars use the waypoint {shown} isn't modelled")
        if service is not None and service.headless:
            return Attachment(shown, doubt=f"whether a headless Service's pods are reached through {shown} isn't modelled")
        gateway = find_gateway(self._snapshot, namespace, name)
        if gateway is None:
            if service is None and not is_own:
                return None  # a namespace's waypoint serves Services unless it says otherwise, and nobody can say
            return Attachment(shown, doubt=f"traffic goes through the waypoint {shown}, which isn't there: no Gateway {shown}")
        return self._attached(gateway, shown, destination, service, is_own=is_own)

    def _named(self, destination: Endpoint, service: Service | None) -> tuple[str, str, bool] | None:
        """(namespace, name, whether the label is the object's own): the object's, else its namespace's; ``none`` opts out."""
        if service is not None:
            own, home = service.meta.labels, service.meta.namespace
            if own.get(MANAGED) in _MESH_CONTROLLERS:
                return None  # a waypoint has no waypoint
        elif destination.in_ambient:
            own, home = destination.labels, destination.namespace
        else:
            return None
        space = self._snapshot.namespace_by_name.get(home)
        for labels, is_own in ((own, True), (space.labels if space else {}, False)):
            name = labels.get(USE_WAYPOINT)
            if name is not None:
                return None if name == "none" else (labels.get(USE_WAYPOINT_NAMESPACE, home), name, is_own)
        return None

    def _for_ingress(self, destination: Endpoint, service: Service | None) -> bool:
        """Whether ingress gateways are sent through the waypoint too: only to Services that say so."""
        if service is None:
            return False
        space = self._snapshot.namespace_by_name.get(service.meta.namespace)
        inherited: Mapping[str, str] = space.labels if space else destination.namespace_labels
        return service.meta.labels.get(INGRESS_USE_WAYPOINT, inherited.get(INGRESS_USE_WAYPOINT)) == "true"

    def _attached(
        self, gateway: Gateway, shown: str, destination: Endpoint, service: Service | None, *, is_own: bool
    ) -> Attachment | None:
        if not gateway.is_waypoint:
            return Attachment(shown, doubt=f"Gateway {shown} is of class {gateway.class_name}: as a waypoint that isn't modelled")
        kind = "service" if service is not None else "workload"
        handles = self._traffic(gateway)
        if handles not in {kind, "all"}:
            if service is None and not is_own:
                return None
            return Attachment(shown, gateway, past=f"the waypoint {shown} is for {handles} traffic, this is {kind} traffic")
        home = service.meta.namespace if service else destination.namespace
        if not self._allows(gateway, home):
            return Attachment(shown, gateway, past=f"the waypoint {shown} doesn't let namespace {home} attach (allowedRoutes)")
        if self._snapshot.live and not gateway.addresses:
            return Attachment(
                shown, gateway, past=f"the waypoint {shown} isn't ready (no address in its status): Istio goes past it"
            )
        endpoints = instances(self._snapshot, self._endpoints, gateway)
        if not endpoints:
            return Attachment(shown, gateway, doubt=f"traffic goes through the waypoint {shown}, which has no pods")
        derived = any(endpoint.pod is not None and endpoint.pod.derived for endpoint in endpoints)
        assumption = f"the waypoint {shown} runs as Istio deploys it, as ServiceAccount {gateway.meta.name}" if derived else ""
        return Attachment(shown, gateway, endpoints, assumption=assumption)

    def _traffic(self, gateway: Gateway) -> str:
        """istio.io/waypoint-for on the Gateway, else on its class, else service."""
        if WAYPOINT_FOR in gateway.meta.labels:
            return gateway.meta.labels[WAYPOINT_FOR]
        classes = self._snapshot.gateway_classes.values()
        known = next((c for c in classes if c.meta.name == gateway.class_name), None)
        return known.meta.labels.get(WAYPOINT_FOR, "service") if known else "service"

    def _allows(self, gateway: Gateway, namespace: str) -> bool:
        """The allowedRoutes of the HBONE listener; without one, only the Gateway's own namespace attaches."""
        listener = next((item for item in gateway.listeners if (item.protocol, item.port) == ("HBONE", HBONE_PORT)), None)
        if listener is not None and listener.allowed == "All":
            return True
        if listener is not None and listener.allowed == "Selector":
            space = self._snapshot.namespace_by_name.get(namespace)
            return listener.allowed_selector is not None and matches(listener.allowed_selector, space.labels if space else {})
        return namespace == gateway.meta.namespace

    def results(self, waypoint: Gateway, endpoint: Endpoint, source: Endpoint, end: Target, asked: Asked) -> list[LayerResult]:
        """What the waypoint says about the original client. Its port is the Service's, not the pod's."""
        root, ref, pod = self._snapshot.mesh.root_namespace, waypoint.meta.ref, endpoint.pod
        target, named = asked.service, asked.service_port
        where = f"waypoint {ref.namespace}/{ref.name}"
        proxy = Proxy(
            Layer.WAYPOINT,
            where,
            tuple(attachment.to_waypoint(self._authorizations, ref, target, root)),
            tuple(attachment.to_waypoint(self._authentications, ref, target, root)),
            attachment.envoy_filters(self._snapshot, pod) if pod else (),
        )
        request = Request(
            named.number if named else end.port,
            principal=source.principal,
            source=source.address,
            destination=_address(target) if target else end.endpoint.address,
            http=asked.http,
            jwt=asked.jwt,
        )
        found = list(self._rerouted(target, where)) if target else []
        return found + ask_sniffed(proxy, request, speaks_http(named), ask)

    def _rerouted(self, service: Service, where: str) -> list[LayerResult]:
        """HTTPRoutes of a Service may send its requests elsewhere at the waypoint."""
        routes = [
            route.meta.ref
            for route in self._snapshot.http_routes.values()
            for parent in route.parents
            if parent.kind == "Service" and parent.group in {"", "core"}
            if (parent.namespace or route.meta.namespace, parent.name) == (service.meta.namespace, service.meta.name)
        ]
        if not routes:
            return []
        reason = f"{routes[0]} routes this Service's requests at the waypoint, which isn't modelled"
        return [layer_result(Layer.WAYPOINT, where, StepResult.UNKNOWN, reason, objects=tuple(map(Decider, routes)))]


def _address(service: Service) -> Address | None:
    return parse_address(service.cluster_ips[0]) if service.cluster_ips and not service.headless else None


def instances(snapshot: Snapshot, endpoints: Endpoints, gateway: Gateway) -> tuple[Endpoint, ...]:
    """The pods of a Gateway, found by its name's label; for manifests without any, one as Istio would deploy it."""
    ref = gateway.meta.ref
    pods = [
        pod
        for pod in snapshot.pods_by_namespace.get(ref.namespace, ())
        if pod.labels.get(GATEWAY_NAME) == ref.name and not pod.completed
    ]
    if pods:
        return tuple(endpoints.pod(pod) for pod in sorted(pods, key=lambda pod: pod.name))
    return () if snapshot.live else (endpoints.pod(_deployed(gateway)),)


def _deployed(gateway: Gateway) -> Pod:
    """The pod that Istio's gateway deployment makes (istio.io: Gateway API, automated deployment)."""
    ref = gateway.meta.ref
    name = ref.name if gateway.is_waypoint else f"{ref.name}-{gateway.class_name}"
    labels = {
        GATEWAY_NAME: ref.name,
        MANAGED: "istio.io-mesh-controller" if gateway.is_waypoint else "istio.io-gateway-controller",
        "service.istio.io/canonical-name": name,
        "istio.io/dataplane-mode": "none",
    }
    meta = Meta("Pod", ref.namespace, name, Uid(f"deployed/{ref.namespace}/{name}"), labels=labels)
    return Pod(meta, service_account=name, derived=True)


def services_with_waypoint(snapshot: Snapshot) -> list[Service]:
    """The Services whose label, or whose namespace's label, names a waypoint, by name; ``none`` opts out."""
    found = []
    for service in snapshot.services.values():
        space = snapshot.namespace_by_name.get(service.meta.namespace)
        general = space.labels.get(USE_WAYPOINT, "none") if space else "none"
        if service.meta.labels.get(USE_WAYPOINT, general) != "none":
            found.append(service)
    return sorted(found, key=lambda service: str(service.meta.ref))
