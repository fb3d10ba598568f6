"""Routes of the Gateway API as rules look at them: their parents, and the Services that they send to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from meshtui.findings.context import Context
from meshtui.kinds.other_route import ROUTES
from meshtui.model.gateway import BackendRef, Gateway, HTTPRoute, OtherRoute
from meshtui.model.ids import ObjectRef
from meshtui.model.policy import TargetRef
from meshtui.model.workload import Service

_GROUP = "gateway.networking.k8s.io"
Route = HTTPRoute | OtherRoute


@dataclass(frozen=True, slots=True)
class Parent:
    """One parentRef of a route: a Gateway or a Service, by the name that it has wherever it is."""

    route: Route
    index: int
    written: TargetRef
    ref: ObjectRef

    @property
    def is_gateway(self) -> bool:
        """Whether it names a Gateway of the Gateway API."""
        return self.ref.kind == "Gateway"

    @property
    def has_no_kind(self) -> bool:
        """Whether it is a Service of the Gateway API's group, which is the one of a parentRef without a group."""
        return not self.is_gateway and self.written.group == _GROUP

    @property
    def place(self) -> str:
        """The route and the path to the field."""
        return f"{self.route.meta.ref} parentRefs[{self.index}]"


@dataclass(frozen=True, slots=True)
class Backend:
    """One Service that a rule of a route sends to, and the first place where the route says so."""

    route: Route
    place: str
    to: BackendRef

    @property
    def field(self) -> str:
        """The path of the place in the route; empty where only the route is known."""
        path = self.place.removeprefix(str(self.route.meta.ref)).strip()
        return f"spec.{path}" if path else ""

    @property
    def ref(self) -> ObjectRef:
        """The Service."""
        return ObjectRef("Service", self.to.namespace, self.to.name)


def routes(context: Context) -> Iterator[Route]:
    """The HTTPRoutes, GRPCRoutes, TCPRoutes and TLSRoutes, sorted by name."""
    found: list[Route] = [*context.snapshot.http_routes.values()]
    found += [route for route in context.snapshot.other_routes.values() if route.meta.kind in ROUTES]
    yield from sorted(found, key=lambda route: route.meta.ref)


def parents(context: Context) -> Iterator[Parent]:
    """The parents of all routes that are Gateways of the Gateway API, or Services."""
    for route in context.once(routes):
        for index, written in enumerate(route.parents):
            home = written.namespace or route.meta.namespace
            if written.kind in {"", "Gateway"} and written.group in {"", _GROUP}:
                yield Parent(route, index, written, ObjectRef("Gateway", home, written.name))
            elif written.kind == "Service" and written.group in {"", "core", _GROUP}:
                yield Parent(route, index, written, ObjectRef("Service", home, written.name))


def backends(context: Context) -> Iterator[Backend]:
    """The Services that routes send to, each port of a route's Service once."""
    for route in context.once(routes):
        seen: set[tuple[str, str, int | None]] = set()
        for place, to in _written(route):
            asked = (to.namespace, to.name, to.port)
            if to.kind == "Service" and asked not in seen:
                seen.add(asked)
                yield Backend(route, place, to)


def _written(route: Route) -> Iterator[tuple[str, BackendRef]]:
    if isinstance(route, OtherRoute):
        yield from ((f"{route.meta.ref}", backend) for backend in route.backends)
        return
    for index, rule in enumerate(route.rules):
        for number, backend in enumerate(rule.backends):
            yield f"{route.meta.ref} rules[{index}].backendRefs[{number}]", backend


def gateways(context: Context) -> dict[ObjectRef, Gateway]:
    """The Gateways of the Gateway API by name."""
    return {gateway.meta.ref: gateway for gateway in context.snapshot.gateways.values()}


def services(context: Context) -> dict[ObjectRef, Service]:
    """The Services by name."""
    return {service.meta.ref: service for service in context.snapshot.services.values()}
