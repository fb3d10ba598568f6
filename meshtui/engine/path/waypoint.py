"""Waypoints: which waypoint a destination uses, where it runs, and what it enforces.

Source: istio/istio pilot/pkg/serviceregistry/ambient/waypoints.go (attachment, traffic types, allowed namespaces) and
pilot/pkg/networking/core/listener_waypoint.go (what the waypoint sees: the Service's port, HTTP or TCP by its protocol).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from meshtui.engine.decision.layer_result import LayerResult
from meshtui.engine.endpoints import Endpoint, Endpoints, Target
from meshtui.engine.matching.addresses import Address, parse_address
from meshtui.engine.matching.http import speaks_http
from meshtui.engine.matching.selectors import matches_as_far_as_known
from meshtui.engine.path.gateway_address import find_gateway
from meshtui.engine.path.other_routes import OtherRoutes
from meshtui.engine.path.question import Question
from meshtui.engine.policy import attachment
from meshtui.engine.policy.authorization import Compiled, compile_policy
from meshtui.engine.policy.l7 import Request
from meshtui.engine.policy.protocol_detection import ask_sniffed
from meshtui.engine.policy.proxy import Proxy, ask
from meshtui.engine.policy.switches import switches_of
from meshtui.engine.policy.tokens import passed_on
from meshtui.engine.policy.unmodelled import USE_WAYPOINT
from meshtui.model.constants import GATEWAY_NAME, HBONE_PORT, MANAGED, MESH_CONTROLLERS
from meshtui.model.flow import HttpRequest, Jwt
from meshtui.model.gateway import Gateway
from meshtui.model.ids import Uid
from meshtui.model.meta import Meta
from meshtui.model.policy import AuthorizationPolicy, AuthorizationRule, AuthorizationSource
from meshtui.model.reason import Code, Reason, because
from meshtui.model.snapshot import Snapshot
from meshtui.model.verdict import Layer
from meshtui.model.workload import MeshMode, Pod, Service

USE_WAYPOINT_NAMESPACE = "istio.io/use-waypoint-namespace"
WAYPOINT_FOR = "istio.io/waypoint-for"
INGRESS_USE_WAYPOINT = "istio.io/ingress-use-waypoint"
NAME_OVERRIDE = "gateway.istio.io/name-override"
SERVICE_ACCOUNT = "gateway.istio.io/service-account"


@dataclass(frozen=True, slots=True)
class Attachment:
    """The waypoint that a label names for a destination: the pods that traffic passes, or why it passes none.

    ``doubt`` is the reason why the path isn't known; ``past`` the reason why traffic bypasses the waypoint.
    """

    name: str
    gateway: Gateway | None = None
    endpoints: tuple[Endpoint, ...] = ()
    doubt: Reason | None = None
    past: Reason | None = None
    assumption: Reason | None = None


class Waypoints:
    """The waypoints of one snapshot."""

    def __init__(self, snapshot: Snapshot, endpoints: Endpoints) -> None:
        self._snapshot = snapshot
        self._endpoints = endpoints
        self._routes = OtherRoutes(snapshot)
        self._extensions = attachment.Extensions(snapshot)
        self._allows_waypoints = switches_of(snapshot).allows_waypoints
        self._authorizations = tuple(snapshot.authorization_policies.values())
        self._authentications = tuple(snapshot.request_authentications.values())

    def of(self, source: Endpoint, destination: Endpoint, service: Service | None) -> Attachment | None:
        """The waypoint between a source and a destination; None when no label names one, or it doesn't apply to the traffic."""
        named = self._named(destination, service)
        if named is None:
            return self._perhaps(source, destination, service)
        shown = f"{named[0]}/{named[1]}"
        if source.mode is MeshMode.GATEWAY and not self._for_ingress(destination, service):
            return Attachment(shown, past=because(Code.WAYPOINT_NOT_FOR_GATEWAYS, label=INGRESS_USE_WAYPOINT))
        if source.principal is None:
            return Attachment(shown, past=because(Code.WAYPOINT_NOT_FOR_PLAINTEXT, source=source.name, waypoint=shown))
        if source.mode is MeshMode.SIDECAR:
            return Attachment(shown, doubt=because(Code.WAYPOINT_WITH_SIDECAR, waypoint=shown))
        return self._bound(named, destination, service)

    def binding(self, destination: Endpoint, service: Service | None) -> Attachment | None:
        """The waypoint that a label names for a destination, whoever the source is: as for a source that waypoints are for."""
        named = self._named(destination, service)
        return None if named is None else self._bound(named, destination, service)

    def _bound(self, named: tuple[str, str, bool], destination: Endpoint, service: Service | None) -> Attachment | None:
        namespace, name, is_own = named
        shown = f"{namespace}/{name}"
        if service is not None and service.headless:
            return Attachment(shown, doubt=because(Code.WAYPOINT_WITH_HEADLESS, waypoint=shown))
        gateway = find_gateway(self._snapshot, namespace, name)
        if gateway is None:
            if service is None and not is_own:
                return None  # A namespace's waypoint handles Services by default; a missing Gateway can't say otherwise
            return Attachment(shown, doubt=because(Code.WAYPOINT_MISSING, waypoint=shown))
        return self._attached(gateway, shown, destination, service, is_own=is_own)

    def _named(self, destination: Endpoint, service: Service | None) -> tuple[str, str, bool] | None:
        """(namespace, name, whether the label is the object's own), from the object or else its namespace; ``none`` opts out."""
        if service is not None:
            own, home = service.meta.labels, service.meta.namespace
            if own.get(MANAGED) in MESH_CONTROLLERS:
                return None  # A waypoint has no waypoint
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

    def _perhaps(self, source: Endpoint, destination: Endpoint, service: Service | None) -> Attachment | None:
        """A doubt if a label of a namespace that isn't known may name one of the waypoints."""
        if source.principal is None or source.mode is MeshMode.GATEWAY or not (service or destination.in_ambient):
            return None
        own, home = (service.meta.labels, service.meta.namespace) if service else (destination.labels, destination.namespace)
        space = self._snapshot.namespace_by_name.get(home)
        if space is None or space.known or USE_WAYPOINT in own or own.get(MANAGED) in MESH_CONTROLLERS:
            return None
        gateway = next((g for g in self._snapshot.gateways.values() if g.is_waypoint), None)
        if gateway is None:
            return None
        shown = f"{gateway.meta.namespace}/{gateway.meta.name}"
        return Attachment(shown, doubt=because(Code.NAMESPACE_NOT_KNOWN, namespace=home))

    def implicit_policies(self, destination: Endpoint) -> tuple[Compiled, ...]:
        """The ALLOW policies that istiod adds for a pod's waypoints, if it is so configured (policy.switches), by name.

        Source: pilot/pkg/serviceregistry/ambient/policies.go (implicitWaypointPolicy).
        """
        pod = destination.pod
        if pod is None or not destination.in_ambient or not self._allows_waypoints:
            return ()
        services = [s for s in self._snapshot.services.values() if s.meta.namespace == pod.namespace and s.selects(pod.labels)]
        found = {}
        for service in (None, *services):
            named = self._named(destination, service)
            gateway = find_gateway(self._snapshot, *named[:2]) if named else None
            if named and gateway and self._attached(gateway, "", destination, service, is_own=named[2]):
                found[gateway.meta.uid] = gateway
        policies = (self._implicit_policy(gateway) for gateway in found.values())
        return tuple(compile_policy(policy) for policy in sorted(policies, key=lambda policy: policy.meta.name))

    def _implicit_policy(self, gateway: Gateway) -> AuthorizationPolicy:
        ref = gateway.meta.ref
        name = f"istio_allow_waypoint_{ref.namespace}_{ref.name}"
        pods = instances(self._snapshot, self._endpoints, gateway)
        principals = tuple(dict.fromkeys(each.principal for each in pods if each.principal is not None))
        return AuthorizationPolicy(
            Meta("AuthorizationPolicy", ref.namespace, name, Uid(f"implicit/{name}")),
            action="ALLOW",
            rules=(AuthorizationRule(sources=(AuthorizationSource(principals=principals),)),) if principals else (),
        )

    def _for_ingress(self, destination: Endpoint, service: Service | None) -> bool:
        """Whether ingress gateways also use the waypoint: only for Services with the label."""
        if service is None:
            return False
        space = self._snapshot.namespace_by_name.get(service.meta.namespace)
        inherited: Mapping[str, str] = space.labels if space else destination.namespace_labels
        return service.meta.labels.get(INGRESS_USE_WAYPOINT, inherited.get(INGRESS_USE_WAYPOINT)) == "true"

    def _attached(
        self, gateway: Gateway, shown: str, destination: Endpoint, service: Service | None, *, is_own: bool
    ) -> Attachment | None:
        if not gateway.is_waypoint:
            return Attachment(
                shown, doubt=because(Code.WAYPOINT_CLASS_NOT_MODELLED, waypoint=shown, gateway_class=gateway.class_name)
            )
        kind = "service" if service is not None else "workload"
        handles = self._traffic(gateway)
        if handles not in {kind, "all"}:
            if service is None and not is_own:
                return None
            return Attachment(
                shown, gateway, past=because(Code.WAYPOINT_NOT_FOR_TRAFFIC, waypoint=shown, handles=handles, traffic=kind)
            )
        home = service.meta.namespace if service else destination.namespace
        allows = self._allows(gateway, home)
        if allows is None:
            return Attachment(shown, gateway, doubt=because(Code.NAMESPACE_NOT_KNOWN, namespace=home))
        if not allows:
            return Attachment(shown, gateway, past=because(Code.WAYPOINT_NOT_FOR_NAMESPACE, waypoint=shown, namespace=home))
        if self._snapshot.live and not gateway.addresses:
            return Attachment(shown, gateway, past=because(Code.WAYPOINT_NOT_READY, waypoint=shown))
        endpoints = instances(self._snapshot, self._endpoints, gateway)
        if not endpoints:
            return Attachment(shown, gateway, doubt=because(Code.WAYPOINT_WITHOUT_PODS, waypoint=shown))
        derived = any(endpoint.pod is not None and endpoint.pod.derived for endpoint in endpoints)
        assumption = because(Code.WAYPOINT_AS_DEPLOYED, waypoint=shown, account=gateway.meta.name) if derived else None
        return Attachment(shown, gateway, endpoints, assumption=assumption)

    def _traffic(self, gateway: Gateway) -> str:
        """The value of istio.io/waypoint-for on the Gateway, else on its class, else ``service``."""
        if WAYPOINT_FOR in gateway.meta.labels:
            return gateway.meta.labels[WAYPOINT_FOR]
        classes = self._snapshot.gateway_classes.values()
        known = next((c for c in classes if c.meta.name == gateway.class_name), None)
        return known.meta.labels.get(WAYPOINT_FOR, "service") if known else "service"

    def _allows(self, gateway: Gateway, namespace: str) -> bool | None:
        """Whether the allowedRoutes of the HBONE listener admit a namespace; without a listener, only the Gateway's own.

        None if it depends on labels of the namespace that aren't known.
        """
        listener = next((item for item in gateway.listeners if (item.protocol, item.port) == ("HBONE", HBONE_PORT)), None)
        if listener is not None and listener.allowed == "All":
            return True
        if listener is not None and listener.allowed == "Selector":
            space = self._snapshot.namespace_by_name.get(namespace)
            if listener.allowed_selector is None:
                return False
            known = space is None or space.known
            return matches_as_far_as_known(listener.allowed_selector, space.labels if space else {}, known=known)
        return namespace == gateway.meta.namespace

    def passed_on(self, waypoint: Gateway, question: Question) -> tuple[HttpRequest | None, Jwt | None]:
        """The request and its token as the waypoint passes them on, after its own check of the token."""
        root = self._snapshot.mesh.root_namespace
        checking = tuple(attachment.to_waypoint(self._authentications, waypoint.meta.ref, question.service, root))
        return passed_on(checking, Request(0, http=question.http, jwt=question.jwt))

    def results(
        self, waypoint: Gateway, endpoint: Endpoint, source: Endpoint, end: Target, question: Question
    ) -> list[LayerResult]:
        """The waypoint's results for the original client. The request's port is the Service's, not the pod's."""
        root, ref, pod = self._snapshot.mesh.root_namespace, waypoint.meta.ref, endpoint.pod
        target, named = question.service, question.service_port
        where = f"waypoint {ref.namespace}/{ref.name}"
        proxy = Proxy(
            Layer.WAYPOINT,
            where,
            tuple(attachment.to_waypoint(self._authorizations, ref, target, root)),
            tuple(attachment.to_waypoint(self._authentications, ref, target, root)),
            self._extensions.of_waypoint(ref, pod, target),
        )
        request = Request(
            named.number if named else end.port,
            principal=source.principal,
            source=source.address,
            destination=_address(target) if target else end.endpoint.address,
            http=question.http,
            jwt=question.jwt,
            mesh=self._snapshot.mesh,
            sni=None if target is not None and target.meta.kind == "ServiceEntry" else "",  # a TLS client names the host
        )
        found = self._routes.at_waypoint(target, where) if target else []
        return found + ask_sniffed(proxy, request, speaks_http(named), ask)


def _address(service: Service) -> Address | None:
    return parse_address(service.cluster_ips[0]) if service.cluster_ips and not service.headless else None


def instances(snapshot: Snapshot, endpoints: Endpoints, gateway: Gateway) -> tuple[Endpoint, ...]:
    """The pods of a Gateway, by the label with its name; for manifests without such pods, the one that Istio would deploy.

    A Gateway whose spec.addresses name a Service is deployed by hand: its pods are those of the Service.
    """
    ref = gateway.meta.ref
    if gateway.service:
        return tuple(endpoints.pod(pod) for pod in _behind_host(snapshot, gateway))
    pods = [
        pod
        for pod in snapshot.pods_by_namespace.get(ref.namespace, ())
        if pod.labels.get(GATEWAY_NAME) == ref.name and not pod.completed
    ]
    if pods:
        return tuple(endpoints.pod(pod) for pod in sorted(pods, key=lambda pod: pod.name))
    return () if snapshot.live else (endpoints.pod(_deployed(gateway)),)


def _behind_host(snapshot: Snapshot, gateway: Gateway) -> list[Pod]:
    """The pods that the Service of a Gateway selects; a short host name is relative to the Gateway's namespace."""
    name, _, rest = gateway.service.partition(".")
    namespace = rest.split(".")[0] or gateway.meta.namespace
    service = next((s for s in snapshot.services.values() if (s.meta.namespace, s.meta.name) == (namespace, name)), None)
    if service is None or not service.selector:
        return []
    pods = snapshot.pods_by_namespace.get(namespace, ())
    return sorted((pod for pod in pods if not pod.completed and service.selects(pod.labels)), key=lambda pod: pod.name)


def _deployed(gateway: Gateway) -> Pod:
    """The pod that Istio's gateway deployment creates (istio.io: Gateway API, automated deployment)."""
    ref, asked = gateway.meta.ref, gateway.meta.annotations
    default = ref.name if gateway.is_waypoint else f"{ref.name}-{gateway.class_name}"
    name = asked.get(NAME_OVERRIDE) or default
    labels = {
        "istio.io/dataplane-mode": "none",
        **gateway.pod_labels,
        GATEWAY_NAME: ref.name,
        MANAGED: "istio.io-mesh-controller" if gateway.is_waypoint else "istio.io-gateway-controller",
        "service.istio.io/canonical-name": name,
        "service.istio.io/canonical-revision": "latest",
    }
    uid = Uid(f"deployed/{ref.namespace}/{name}")
    meta = Meta("Pod", ref.namespace, name, uid, labels=labels, annotations=gateway.pod_annotations)
    return Pod(meta, service_account=asked.get(SERVICE_ACCOUNT) or default, is_router=True, derived=True)


def services_with_waypoint(snapshot: Snapshot) -> list[Service]:
    """The Services whose label, or whose namespace's label, names a waypoint, sorted by name; ``none`` opts out."""
    found = []
    for service in snapshot.services.values():
        space = snapshot.namespace_by_name.get(service.meta.namespace)
        general = space.labels.get(USE_WAYPOINT, "none") if space else "none"
        if service.meta.labels.get(USE_WAYPOINT, general) != "none":
            found.append(service)
    return sorted(found, key=lambda service: str(service.meta.ref))
