"""VirtualServices for the mesh: whether a sidecar or a waypoint may send a Service's requests elsewhere.

Source: istio/istio pilot/pkg/networking/core/route/route.go (sidecars) and listener_waypoint.go (getVirtualServiceForWaypoint).
"""

from __future__ import annotations

from collections.abc import Iterator

from meshtui.engine.decision.layer_result import LayerResult, layer_result
from meshtui.engine.endpoints import Endpoint
from meshtui.engine.matching.http import speaks_http
from meshtui.engine.path.routes import covers
from meshtui.engine.path.sidecar import leaves_directly
from meshtui.model.gateway import Gateway, RouteRule
from meshtui.model.ids import ObjectRef
from meshtui.model.reason import Code, because
from meshtui.model.snapshot import Snapshot
from meshtui.model.verdict import Decider, Layer, StepResult
from meshtui.model.virtual_service import MESH, VirtualService
from meshtui.model.workload import MeshMode, Service, ServicePort


class MeshRoutes:
    """The VirtualServices for the mesh in one snapshot."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._services = snapshot.services
        self._default = snapshot.mesh.virtual_service_export_to
        found = (vs for vs in snapshot.virtual_services.values() if vs.binds_to(MESH))
        self._virtual = sorted(found, key=lambda vs: (vs.meta.namespace, vs.meta.name))
        self._named: dict[ObjectRef, list[VirtualService]] = {}

    def at_sidecar(self, source: Endpoint, service: Service | None, port: ServicePort | None) -> list[LayerResult]:
        """An unknown result if a source's sidecar may send a Service's requests elsewhere, or answer them."""
        if source.mode is not MeshMode.SIDECAR or service is None or (port is not None and leaves_directly(source, port.number)):
            return []
        return _unknown(self._changing(service, port, source.namespace), Layer.SIDECAR, f"the sidecar of {source.name}")

    def at_waypoint(self, waypoint: Gateway, service: Service, port: ServicePort | None) -> list[LayerResult]:
        """The same for a waypoint, which applies those of its own namespace and of the Service's."""
        home = waypoint.meta.namespace
        own = (vs for vs in self._changing(service, port, home) if vs.meta.namespace in {home, service.meta.namespace})
        return _unknown(own, Layer.WAYPOINT, f"waypoint {home}/{waypoint.meta.name}")

    def services(self) -> list[Service]:
        """The Services that a VirtualService names, by name."""
        found = (s for s in self._services.values() if any(_names(virtual, s) for virtual in self._virtual))
        return sorted(found, key=lambda service: str(service.meta.ref))

    def _changing(self, service: Service, port: ServicePort | None, namespace: str) -> Iterator[VirtualService]:
        named = self._named.get(service.meta.ref)
        if named is None:
            named = self._named[service.meta.ref] = [virtual for virtual in self._virtual if _names(virtual, service)]
        for virtual in named:
            if virtual.visible_in(namespace, self._default) and _changes(virtual, service, port):
                yield virtual


def _unknown(found: Iterator[VirtualService], layer: Layer, where: str) -> list[LayerResult]:
    first = next(found, None)
    if first is None:
        return []
    reason = because(Code.ROUTED_IN_MESH, route=first.meta.ref, proxy=where)
    return [layer_result(layer, where, StepResult.UNKNOWN, reason, objects=(Decider(first.meta.ref),))]


def _names(virtual: VirtualService, service: Service) -> bool:
    """Whether a host is the Service's full name, with any domain, or one of the shorter names that clients may use."""
    short = f"{service.meta.name}.{service.meta.namespace}"
    full = f"{short}.svc.cluster.local"
    return any(
        covers(host, full) or host in {short, f"{short}.svc"} or host.startswith(f"{short}.svc.") for host in virtual.hosts
    )


def _changes(virtual: VirtualService, service: Service, port: ServicePort | None) -> bool:
    """Whether requests may go elsewhere: not by one rule for all of them that sends them to the same Service unchanged."""
    if virtual.unmodelled or virtual.others is not None:
        return True
    if port is not None and speaks_http(port) is False:
        return False
    rules = [rule for rule in virtual.rules if _in_mesh(rule)]
    return bool(rules) and not _is_default(rules[0], service, port)


def _in_mesh(rule: RouteRule) -> bool:
    """Whether a rule, or one of its matches, isn't for other gateways only."""
    return not rule.matches or any(not match.gateways or MESH in match.gateways for match in rule.matches)


def _is_default(rule: RouteRule, service: Service, port: ServicePort | None) -> bool:
    changed = rule.redirect or rule.answer or rule.rewrite or rule.delegates or rule.unmodelled or rule.filters
    if rule.matches or changed or len(rule.backends) != 1:
        return False
    to = rule.backends[0]
    same = (to.kind, to.namespace, to.name) == ("Service", service.meta.namespace, service.meta.name)
    return same and (to.port is None or (port is not None and to.port == port.number))
