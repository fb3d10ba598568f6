"""The pods behind waypoints."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from meshtui.engine.endpoints import Endpoint
from meshtui.engine.path.waypoint import USE_WAYPOINT_NAMESPACE, services_with_waypoint
from meshtui.engine.policy import attachment
from meshtui.engine.policy.unmodelled import USE_WAYPOINT
from meshtui.findings.context import Context
from meshtui.model.constants import MANAGED, MESH_CONTROLLERS
from meshtui.model.gateway import Gateway
from meshtui.model.ids import ObjectRef
from meshtui.model.policy import AuthorizationPolicy, RequestAuthentication
from meshtui.model.workload import Pod, Service


@dataclass(frozen=True, slots=True)
class Behind:
    """A Service that callers in the mesh reach through a waypoint, with its pods and those of the waypoint."""

    service: Service
    waypoint: Gateway
    instances: tuple[Endpoint, ...]
    pods: tuple[Pod, ...]


def waypoint_of(context: Context, service: Service) -> ObjectRef | None:
    """The Gateway named by a Service's label or by its namespace's label, or None; a waypoint's own Service has none."""
    home = context.snapshot.namespace_by_name.get(service.meta.namespace)
    if service.meta.labels.get(MANAGED) in MESH_CONTROLLERS:
        return None
    for labels in (service.meta.labels, home.labels if home else {}):
        if USE_WAYPOINT in labels:
            name = labels[USE_WAYPOINT]
            return (
                None if name == "none" else ObjectRef("Gateway", labels.get(USE_WAYPOINT_NAMESPACE, service.meta.namespace), name)
            )
    return None


def behind_waypoints(context: Context) -> Iterator[Behind]:
    """The Services whose traffic passes a waypoint, as verdicts have it, and which have pods in ambient."""
    for service in services_with_waypoint(context.snapshot):
        attached = context.engine.binding(service)
        if attached is None or attached.gateway is None or not attached.endpoints:
            continue
        pods = tuple(pod for pod in context.resolver.backends(service) if context.endpoint(pod).in_ambient)
        if pods:
            yield Behind(service, attached.gateway, attached.endpoints, pods)


def one_of_each_class(context: Context, targets: Iterable[tuple[Pod, int]]) -> list[tuple[Pod, int]]:
    """Of some pods with a port, one for each class and port: rules of policies distinguish no others."""
    found: dict[tuple[int | str, int], tuple[Pod, int]] = {}
    for pod, port in targets:
        member = context.matrix.class_of(pod.key)
        found.setdefault((member.number if member is not None else pod.key, port), (pod, port))
    return list(found.values())


Guard = AuthorizationPolicy | RequestAuthentication
"""What a waypoint enforces."""


def destinations(context: Context) -> list[Service]:
    """What a waypoint's label can be on: Services and, in the form of one, ServiceEntries; sorted by name."""
    snapshot = context.snapshot
    found = (*snapshot.services.values(), *(entry.service for entry in snapshot.service_entries.values()))
    return sorted(found, key=lambda service: service.meta.ref)


def guards(context: Context, waypoint: ObjectRef, service: Service | None) -> tuple[Guard, ...]:
    """The policies that a waypoint enforces for a Service, or for a pod's address, if the traffic passes it; sorted by name.

    Those of a dry run, and AUDIT, guard nothing.
    """
    snapshot, root = context.snapshot, context.snapshot.mesh.root_namespace
    rules = attachment.to_waypoint(snapshot.authorization_policies.values(), waypoint, service, root)
    tokens = attachment.to_waypoint(snapshot.request_authentications.values(), waypoint, service, root)
    found = [policy for policy in rules if not policy.dry_run and policy.action != "AUDIT"]
    return tuple(sorted((*found, *tokens), key=lambda policy: policy.meta.ref))


def denies(guard: Guard) -> bool:
    """Whether a policy is there to keep somebody out, whatever else is allowed."""
    return isinstance(guard, AuthorizationPolicy) and guard.action == "DENY" and not guard.dry_run
