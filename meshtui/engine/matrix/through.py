"""The Services that have a waypoint: connections through those take another way than to the pods' addresses."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from meshtui.engine.endpoints import Endpoint
from meshtui.engine.engine import Engine
from meshtui.engine.path.waypoint import services_with_waypoint
from meshtui.model.flow import EndpointKind, Flow, FlowEndpoint
from meshtui.model.snapshot import Snapshot
from meshtui.model.workload import Service, ServicePort

_ANYBODY = FlowEndpoint(EndpointKind.EXTERNAL)


class Entrance(NamedTuple):
    """A TCP port of a Service with a waypoint, with one pod behind it and the port of that pod."""

    service: Service
    port: ServicePort
    backend: Endpoint
    number: int


def entrances(snapshot: Snapshot, engine: Engine) -> Iterator[Entrance]:
    """The entrances of a snapshot, sorted by Service."""
    for service in services_with_waypoint(snapshot):
        end = FlowEndpoint(EndpointKind.SERVICE, service.meta.namespace, service.meta.name)
        for port in service.ports:
            if port.protocol == "TCP":
                for target in engine.resolver.resolve(Flow(_ANYBODY, end, port.number)).targets:
                    yield Entrance(service, port, target.endpoint, target.port)
