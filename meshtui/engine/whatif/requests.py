"""The effect of a change on requests from outside along routes, and on flows to Services that waypoints or sidecars route."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from meshtui.engine.decision.conclude import decided_of
from meshtui.engine.endpoints import Endpoints
from meshtui.engine.engine import Engine
from meshtui.engine.path.entrances import IstioEntrances
from meshtui.engine.path.mesh_routes import MeshRoutes
from meshtui.engine.path.other_routes import OtherRoutes
from meshtui.engine.path.relations import service_endpoint, workload_endpoint
from meshtui.engine.path.routes import Entry, entries, sample
from meshtui.engine.path.waypoint import services_with_waypoint
from meshtui.engine.whatif.shifts import Shift, decision_of, what_of
from meshtui.model.errors import UsageError
from meshtui.model.flow import EndpointKind, Flow, FlowEndpoint
from meshtui.model.ids import ObjectRef
from meshtui.model.snapshot import Snapshot
from meshtui.model.verdict import Verdict
from meshtui.model.workload import Service

MOST_JUDGED = 20_000
"""The maximum number of flows of each sort that are evaluated, on each side."""
_OUTSIDE = FlowEndpoint(EndpointKind.EXTERNAL)


@dataclass(frozen=True, slots=True)
class Requests:
    """The shifts of flows that aren't between pods' own addresses, with what was compared and what wasn't."""

    shifts: tuple[Shift, ...]
    covered: tuple[str, ...]
    left_out: tuple[str, ...]


def compare_requests(before: Snapshot, after: Snapshot, most: int = MOST_JUDGED) -> Requests:
    """Evaluate, on both sides, a request for each match of each route, and each Service behind a waypoint or routed by sidecars.

    ``most`` is the maximum number of flows of each sort.
    """
    old, new = Engine(before), Engine(after)
    shifts: list[Shift] = []
    covered: list[str] = []
    left_out: list[str] = []
    routes = "HTTPRoutes and VirtualServices" if before.virtual_services or after.virtual_services else "HTTPRoutes"
    for noun, found in (
        (f"requests from outside, one for each match of the {routes}", _from_outside(before, after)),
        ("flows to Services behind waypoints", _to_waypoints(before, after)),
        ("flows to Services that VirtualServices name", _to_routed(before, after)),
    ):
        if not found.flows and not found.skipped:
            continue
        chosen = found.flows[:most]
        shifts += _shifts(old, new, chosen)
        covered.append(f"{len(chosen)} {noun}")
        if len(found.flows) > len(chosen):
            left_out.append(f"{len(found.flows) - len(chosen)} more {noun}")
        if found.skipped:
            left_out.append(f"{found.skipped} matches of {routes} by expressions, for which no request is known")
    return Requests(tuple(shifts), tuple(covered), tuple(left_out))


@dataclass(frozen=True, slots=True)
class _Found:
    flows: list[Flow]
    skipped: int = 0


def _from_outside(*snapshots: Snapshot) -> _Found:
    """A request for every match of every route of every gateway, to each Service among its backends."""
    flows: dict[Flow, None] = {}
    skipped = set[tuple[str, str, int]]()
    for snapshot in snapshots:
        for entry in _entries(snapshot):
            http = sample(entry)
            if http is None:
                skipped.add((str(entry.route.meta.ref), entry.host, entry.order))
                continue
            for backend in entry.rule.backends:
                if backend.kind == "Service":
                    end = FlowEndpoint(EndpointKind.SERVICE, backend.namespace, backend.name)
                    flows[Flow(_OUTSIDE, end, backend.port, http=http)] = None
    return _Found(list(flows), len(skipped))


def _entries(snapshot: Snapshot) -> Iterator[Entry]:
    """The matches at all gateways."""
    for gateway in snapshot.gateways.values():
        if not gateway.is_waypoint:
            yield from entries(snapshot, gateway)
    for entrance in IstioEntrances(snapshot, Endpoints(snapshot)).all:
        yield from entrance.entries if entrance.doubt is None else ()


def _to_waypoints(*snapshots: Snapshot) -> _Found:
    """The flows from every workload to every TCP port of every Service that has a waypoint on at least one side."""
    return _to({s.meta.ref: s for snapshot in snapshots for s in services_with_waypoint(snapshot)}, snapshots)


def _to_routed(*snapshots: Snapshot) -> _Found:
    """The flows to every Service that a VirtualService for the mesh, or a route for Services, names on at least one side."""
    named = (s for each in snapshots for s in (*MeshRoutes(each).services(), *OtherRoutes(each).services()))
    return _to({service.meta.ref: service for service in named}, snapshots)


def _to(services: Mapping[ObjectRef, Service], snapshots: Iterable[Snapshot]) -> _Found:
    if not services:
        return _Found([])
    refs = sorted({ref for snapshot in snapshots for ref in snapshot.workloads})
    ports = {(service_endpoint(s), port.number) for s in services.values() for port in s.ports if port.protocol == "TCP"}
    ordered = sorted(ports, key=lambda each: (str(each[0]), each[1]))
    return _Found([Flow(workload_endpoint(ref), end, port) for end, port in ordered for ref in refs])


def _shifts(old: Engine, new: Engine, flows: Iterable[Flow]) -> Iterator[Shift]:
    for flow in flows:
        before, after = _judged(old, flow), _judged(new, flow)
        what = what_of(decision_of(before), decision_of(after))
        if what is not None:
            ports = ((flow.protocol, ((flow.port, flow.port),)),) if isinstance(flow.port, int) else ()
            was, becomes = (None if verdict is None else decided_of(verdict) for verdict in (before, after))
            yield Shift(_name(flow.source), _name(flow.destination), what, ports, was, becomes, flow=flow)


def _judged(engine: Engine, flow: Flow) -> Verdict | None:
    """The verdict, or None when an end or port doesn't exist."""
    try:
        return engine.summarize(flow)
    except UsageError:
        return None


def _name(end: FlowEndpoint) -> str:
    kinds = {EndpointKind.SERVICE: "Service", EndpointKind.POD: "Pod"}
    if end.kind in {EndpointKind.EXTERNAL, EndpointKind.HOST}:
        return str(end)
    return f"{end.namespace}/{kinds.get(end.kind, end.owner_kind)}/{end.name}"
