"""The waypoints that enforce policies, by targetRefs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from meshtui.engine.path.gateway_address import find_gateway
from meshtui.engine.path.waypoint import WAYPOINT_FOR, services_with_waypoint
from meshtui.engine.policy.attachment import to_waypoint
from meshtui.findings.authz import policies
from meshtui.findings.context import Context
from meshtui.findings.waypoints import waypoint_of
from meshtui.model.gateway import Gateway
from meshtui.model.policy import AuthorizationPolicy
from meshtui.model.workload import Service


@dataclass(frozen=True, slots=True)
class AtWaypoint:
    """A policy that waypoints enforce, with the Services whose requests it judges there."""

    policy: AuthorizationPolicy
    services: tuple[Service, ...]


def at_waypoints(context: Context) -> Iterator[AtWaypoint]:
    """The policies that are attached to an existing waypoint which handles Services; dry runs are left out."""
    behind = context.once(_behind)
    root = context.snapshot.mesh.root_namespace
    for policy in policies(context):
        if policy.dry_run or not policy.target_refs:
            continue
        found: dict[str, Service] = {}
        for gateway, services in behind:
            for service in services:
                if any(to_waypoint((policy,), gateway.meta.ref, service, root)):
                    found.setdefault(str(service.meta.ref), service)
        if found:
            yield AtWaypoint(policy, tuple(found.values()))


def _behind(context: Context) -> Iterator[tuple[Gateway, tuple[Service, ...]]]:
    """The waypoints for Services, each with those that it serves."""
    found: dict[str, list[Service]] = defaultdict(list)
    gateways: dict[str, Gateway] = {}
    for service in services_with_waypoint(context.snapshot):
        ref = waypoint_of(context, service)
        gateway = find_gateway(context.snapshot, ref.namespace, ref.name) if ref else None
        if gateway is None or not gateway.is_waypoint or service.headless:
            continue
        if gateway.meta.labels.get(WAYPOINT_FOR, "service") in {"service", "all"}:
            gateways[str(gateway.meta.ref)] = gateway
            found[str(gateway.meta.ref)].append(service)
    for name, services in sorted(found.items()):
        yield gateways[name], tuple(services)
