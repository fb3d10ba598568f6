"""Routes of the Gateway API for Services, and what isn't evaluated at gateways: TCP and TLS routes, sets of listeners.

Source: istio/istio pilot/pkg/config/kube/gateway/route_collections.go: a route whose parent is a Service becomes a VirtualService
for the mesh, which waypoints and sidecars apply; if it is in another namespace, only clients of that namespace have it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator

from meshtui.engine.decision.layer_result import LayerResult, layer_result
from meshtui.engine.endpoints import Endpoint
from meshtui.engine.policy.attachment import DESTINATIONS
from meshtui.kinds.other_route import BACKEND_TLS, LISTENER_SETS, ROUTES
from meshtui.model.gateway import BackendRef, Gateway, HTTPRoute, OtherRoute
from meshtui.model.ids import ObjectRef
from meshtui.model.policy import TargetRef
from meshtui.model.reason import Code, Reason, because
from meshtui.model.snapshot import Snapshot
from meshtui.model.verdict import Decider, Layer, StepResult
from meshtui.model.workload import MeshMode, Service

_GATEWAY_GROUP = "gateway.networking.k8s.io"
Route = HTTPRoute | OtherRoute


class OtherRoutes:
    """The routes of one snapshot by what they are for."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._services = snapshot.services
        self._of_service: dict[ObjectRef, list[Route]] = defaultdict(list)
        self._tls_of_service: dict[ObjectRef, list[Route]] = defaultdict(list)
        self._of_gateway: dict[ObjectRef, list[OtherRoute]] = defaultdict(list)
        routes: list[Route] = [*snapshot.http_routes.values(), *snapshot.other_routes.values()]
        for route in sorted(routes, key=lambda route: route.meta.ref):
            for parent in route.parents:
                ref = ObjectRef(parent.kind or "Gateway", parent.namespace or route.meta.namespace, parent.name)
                if (parent.kind, parent.group) in DESTINATIONS:
                    by_service = self._tls_of_service if route.meta.kind == BACKEND_TLS else self._of_service
                    by_service[ref].append(route)
                elif isinstance(route, OtherRoute) and _is_gateway(parent):
                    self._of_gateway[ref].append(route)

    def at_waypoint(self, service: Service, where: str) -> list[LayerResult]:
        """An unknown result if a waypoint may send a Service's requests elsewhere, or in another way."""
        routes = [route.meta.ref for route in self._of_service.get(service.meta.ref, ())]
        found = list(self.to_backend(service, Layer.WAYPOINT, where))
        if not routes:
            return found
        reason = because(Code.ROUTED_AT_WAYPOINT, route=routes[0])
        return [layer_result(Layer.WAYPOINT, where, StepResult.UNKNOWN, reason, objects=tuple(map(Decider, routes))), *found]

    def at_sidecar(self, source: Endpoint, service: Service) -> list[LayerResult]:
        """An unknown result if a source's sidecar may send a Service's requests elsewhere, or in another way."""
        if source.mode is not MeshMode.SIDECAR:
            return []
        where, homes = f"the sidecar of {source.name}", {source.namespace, service.meta.namespace}
        found = list(self.to_backend(service, Layer.SIDECAR, where))
        route = next((r.meta.ref for r in self._of_service.get(service.meta.ref, ()) if r.meta.namespace in homes), None)
        if route is None:
            return found
        reason = because(Code.ROUTED_IN_MESH, route=route, proxy=where)
        return [layer_result(Layer.SIDECAR, where, StepResult.UNKNOWN, reason, objects=(Decider(route),)), *found]

    def to_backend(self, service: Service, layer: Layer, where: str) -> Iterator[LayerResult]:
        """An unknown result if a BackendTLSPolicy changes how proxies connect to a Service."""
        policies = tuple(route.meta.ref for route in self._tls_of_service.get(service.meta.ref, ()))
        if policies:
            reason = because(Code.BACKEND_TLS_NOT_MODELLED, policy=policies[0], service=service.meta.ref)
            yield layer_result(layer, where, StepResult.UNKNOWN, reason, objects=tuple(map(Decider, policies)))

    def services(self) -> list[Service]:
        """The Services that a route or policy is for, by name."""
        named = self._of_service.keys() | self._tls_of_service.keys()
        return sorted((s for s in self._services.values() if s.meta.ref in named), key=lambda service: str(service.meta.ref))

    def of_listeners(self, gateway: Gateway) -> Reason | None:
        """Why the listeners of a Gateway aren't all known, if a set of listeners may attach to it."""
        sets = (r for r in self._of_gateway.get(gateway.meta.ref, ()) if r.meta.kind in LISTENER_SETS)
        first = next(sets, None) if gateway.takes_sets else None
        return because(Code.LISTENERS_NOT_MODELLED, set=first.meta.ref, gateway=gateway.meta.ref) if first else None

    def leading(self, gateway: Gateway, leads: Callable[[tuple[BackendRef, ...]], bool]) -> Reason | None:
        """Why it isn't known what reaches the destination of a flow, if a TCPRoute or TLSRoute of a Gateway leads there."""
        for route in self._of_gateway.get(gateway.meta.ref, ()):
            if route.meta.kind in ROUTES and leads(route.backends):
                return because(Code.ROUTE_KIND_NOT_MODELLED, route=route.meta.ref, gateway=gateway.meta.ref)
        return None


def _is_gateway(parent: TargetRef) -> bool:
    return parent.group in {"", _GATEWAY_GROUP} and parent.kind in {"", "Gateway"}
