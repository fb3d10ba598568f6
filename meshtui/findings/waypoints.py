"""The pods behind waypoints."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from meshtui.engine.endpoints import Endpoint, Endpoints
from meshtui.engine.path.gateway_address import find_gateway
from meshtui.engine.path.waypoint import USE_WAYPOINT_NAMESPACE, WAYPOINT_FOR, instances, services_with_waypoint
from meshtui.engine.policy.unmodelled import USE_WAYPOINT
from meshtui.findings.context import Context
from meshtui.model.gateway import Gateway
from meshtui.model.ids import ObjectRef
from meshtui.model.workload import Pod, Service


@dataclass(frozen=True, slots=True)
class Behind:
    """A Service that callers in the mesh reach through a waypoint, with its pods and those of the waypoint."""

    service: Service
    waypoint: Gateway
    instances: tuple[Endpoint, ...]
    pods: tuple[Pod, ...]


def waypoint_of(context: Context, service: Service) -> ObjectRef | None:
    """The Gateway named by a Service's label or by its namespace's label, or None."""
    home = context.snapshot.namespace_by_name.get(service.meta.namespace)
    for labels in (service.meta.labels, home.labels if home else {}):
        if USE_WAYPOINT in labels:
            name = labels[USE_WAYPOINT]
            return (
                None if name == "none" else ObjectRef("Gateway", labels.get(USE_WAYPOINT_NAMESPACE, service.meta.namespace), name)
            )
    return None


def behind_waypoints(context: Context) -> Iterator[Behind]:
    """The Services with an existing waypoint that handles traffic to Services."""
    endpoints = Endpoints(context.snapshot)
    for service in services_with_waypoint(context.snapshot):
        ref = waypoint_of(context, service)
        gateway = find_gateway(context.snapshot, ref.namespace, ref.name) if ref else None
        if gateway is None or not gateway.is_waypoint or service.headless:
            continue
        if gateway.meta.labels.get(WAYPOINT_FOR, "service") not in {"service", "all"}:
            continue
        pods = tuple(pod for pod in context.resolver.backends(service) if context.endpoint(pod).in_ambient)
        found = instances(context.snapshot, endpoints, gateway)
        if pods and found:
            yield Behind(service, gateway, found, pods)
