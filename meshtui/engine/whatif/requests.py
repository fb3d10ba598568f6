"""What a change does to requests from outside along HTTPRoutes, and to Services behind waypoints: judged one by one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from meshtui.engine.engine import Engine
from meshtui.engine.path.relations import service_endpoint, workload_endpoint
from meshtui.engine.path.routes import entries, sample
from meshtui.engine.path.waypoint import services_with_waypoint
from meshtui.engine.whatif.shifts import Shift, decided_of, decision_of, what_of
from meshtui.model.errors import UsageError
from meshtui.model.flow import EndpointKind, Flow, FlowEndpoint
from meshtui.model.snapshot import Snapshot
from meshtui.model.verdict import Verdict

MOST_JUDGED = 20_000
"""Flows of each sort that are judged at most, on each side."""
_OUTSIDE = FlowEndpoint(EndpointKind.EXTERNAL)


@dataclass(frozen=True, slots=True)
class Requests:
    """The shifts of flows that aren't between pods' own addresses, and what was and wasn't looked at."""

    shifts: tuple[Shift, ...]
    covered: tuple[str, ...]
    left_out: tuple[str, ...]


def compare_requests(before: Snapshot, after: Snapshot) -> Requests:
    """Judge, on both sides, a request for each match of each HTTPRoute, and each Service behind a waypoint."""
    old, new = Engine(before), Engine(after)
    shifts: list[Shift] = []
    covered: list[str] = []
    left_out: list[str] = []
    for noun, found in (
        ("requests from outside, one for each match of the HTTPRoutes", _from_outside(before, after)),
        ("flows to Services behind waypoints", _to_waypoints(before, after)),
    ):
        if not found.flows and not found.skipped:
            continue
        chosen = found.flows[:MOST_JUDGED]
        shifts += _shifts(old, new, chosen)
        covered.append(f"{len(chosen)} {noun}")
        if len(found.flows) > len(chosen):
            left_out.append(f"{len(found.flows) - len(chosen)} more {noun}")
        if found.skipped:
            left_out.append(f"{found.skipped} matches of HTTPRoutes by expressions, for which no request is known")
    return Requests(tuple(shifts), tuple(covered), tuple(left_out))


@dataclass(frozen=True, slots=True)
class _Found:
    flows: list[Flow]
    skipped: int = 0


def _from_outside(*snapshots: Snapshot) -> _Found:
    """A request for every match of every route of every gateway, to each Service that it is sent to."""
    flows: dict[Flow, None] = {}
    skipped = set[tuple[str, str, int]]()
    for snapshot in snapshots:
        for gateway in snapshot.gateways.values():
            for entry in () if gateway.is_waypoint else entries(snapshot, gateway):
                http = sample(entry)
                if http is None:
                    skipped.add((str(entry.route.meta.ref), entry.host, entry.order))
                    continue
                for backend in entry.rule.backends:
                    if backend.kind == "Service":
                        end = FlowEndpoint(EndpointKind.SERVICE, backend.namespace, backend.name)
                        flows[Flow(_OUTSIDE, end, backend.port, http=http)] = None
    return _Found(list(flows), len(skipped))


def _to_waypoints(*snapshots: Snapshot) -> _Found:
    """Every workload to every TCP port of every Service that a waypoint stands before, on one side at least."""
    services = {service.meta.ref: service for snapshot in snapshots for service in services_with_waypoint(snapshot)}
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
            yield Shift(
                _name(flow.source), _name(flow.destination), what, ports, decided_of(before), decided_of(after), flow=flow
            )


def _judged(engine: Engine, flow: Flow) -> Verdict | None:
    """The verdict, or None where an end or port isn't there."""
    try:
        return engine.summarize(flow)
    except UsageError:
        return None


def _name(end: FlowEndpoint) -> str:
    kinds = {EndpointKind.SERVICE: "Service", EndpointKind.POD: "Pod"}
    if end.kind is EndpointKind.EXTERNAL:
        return "external"
    return f"{end.namespace}/{kinds.get(end.kind, end.owner_kind)}/{end.name}"
