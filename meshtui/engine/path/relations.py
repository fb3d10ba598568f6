"""Who selects whom: the policies of a workload, the pods of a policy, the flows between workloads."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Set as AbstractSet

from meshtui.engine.matching.selectors import matches
from meshtui.engine.path.resolution import kind_named
from meshtui.engine.policy import authorization, networkpolicy
from meshtui.model.errors import UsageError
from meshtui.model.flow import EndpointKind, Flow, FlowEndpoint
from meshtui.model.ids import ObjectRef
from meshtui.model.policy import AuthorizationPolicy, NetworkPolicy
from meshtui.model.snapshot import Snapshot
from meshtui.model.workload import Pod, Service, Workload


def pods_of_network_policy(snapshot: Snapshot, policy: NetworkPolicy) -> list[Pod]:
    """The running pods that a NetworkPolicy selects."""
    pods = snapshot.pods_by_namespace.get(policy.meta.namespace, ())
    return [pod for pod in pods if not pod.completed and matches(policy.pod_selector, pod.labels)]


def pods_of_authorization_policy(snapshot: Snapshot, policy: AuthorizationPolicy) -> list[Pod]:
    """The running pods in an AuthorizationPolicy's scope (a policy with targetRefs has none: its waypoint enforces it)."""
    if policy.target_refs:
        return []
    if policy.meta.namespace == snapshot.mesh.root_namespace:
        pods: tuple[Pod, ...] = tuple(snapshot.pods.values())
    else:
        pods = snapshot.pods_by_namespace.get(policy.meta.namespace, ())
    return [pod for pod in pods if not pod.completed and authorization.covers(policy, pod)]


def network_policies_of(snapshot: Snapshot, pod: Pod) -> list[NetworkPolicy]:
    """The NetworkPolicies that select a pod, by name."""
    found = (p for p in snapshot.network_policies.values() if p.meta.namespace == pod.namespace)
    return sorted((p for p in found if matches(p.pod_selector, pod.labels)), key=lambda p: p.meta.name)


def authorization_policies_of(snapshot: Snapshot, pod: Pod) -> list[AuthorizationPolicy]:
    """The AuthorizationPolicies that cover a pod, by name."""
    scopes = {pod.namespace, snapshot.mesh.root_namespace}
    found = (p for p in snapshot.authorization_policies.values() if p.meta.namespace in scopes and not p.target_refs)
    return sorted((p for p in found if authorization.covers(p, pod)), key=lambda p: p.meta.name)


def directions(policy: NetworkPolicy) -> tuple[networkpolicy.Direction, ...]:
    """The directions in which a NetworkPolicy isolates."""
    return tuple(direction for direction in networkpolicy.Direction if networkpolicy.applies(policy, direction))


def workload_endpoint(ref: ObjectRef) -> FlowEndpoint:
    """A workload as one end of a flow."""
    if ref.kind == "Pod":
        return FlowEndpoint(EndpointKind.POD, ref.namespace, ref.name)
    return FlowEndpoint(EndpointKind.WORKLOAD, ref.namespace, ref.name, ref.kind)


def workload_of(snapshot: Snapshot, endpoint: FlowEndpoint) -> Workload:
    """The workload that an end of a flow names, or is a part of. Raises UsageError."""
    if endpoint.kind is EndpointKind.POD:
        pod = snapshot.pod_by_key.get(f"{endpoint.namespace}/{endpoint.name}")
        if pod is not None:
            return snapshot.workloads[snapshot.owner_of(pod)]
    kind = kind_named(endpoint.owner_kind) or endpoint.owner_kind
    workload = snapshot.workloads.get(ObjectRef(kind, endpoint.namespace, endpoint.name))
    if workload is None:
        raise UsageError(f"no workload {endpoint}")
    return workload


def service_endpoint(service: Service) -> FlowEndpoint:
    """A Service as the destination of a flow."""
    return FlowEndpoint(EndpointKind.SERVICE, service.meta.namespace, service.meta.name)


ONLY_TCP = frozenset({"TCP"})
PROBED = frozenset({"TCP", "UDP"})
"""The protocols that a probe knows how to send."""


def services_by_port(snapshot: Snapshot, protocols: AbstractSet[str] = ONLY_TCP) -> Iterator[tuple[Service, int, str]]:
    """Every port, of some protocols, of every Service that has a selector, by namespace and name."""
    for service in sorted(snapshot.services.values(), key=lambda s: (s.meta.namespace, s.meta.name)):
        for port in service.ports:
            if service.selector and port.protocol in protocols:
                yield service, port.number, port.protocol


def flows_from(snapshot: Snapshot, workload: Workload, protocols: AbstractSet[str] = ONLY_TCP) -> list[Flow]:
    """A flow from a workload to each port of each Service that isn't its own."""
    source = workload_endpoint(workload.ref)
    own = [pod.labels for pod in workload.pods if not pod.completed]
    if not own:
        return []
    return [
        Flow(source, service_endpoint(service), port, protocol)
        for service, port, protocol in services_by_port(snapshot, protocols)
        if not (service.meta.namespace == workload.ref.namespace and _selects(service, own[0]))
    ]


def flows_from_all(snapshot: Snapshot, namespace: str = "", protocols: AbstractSet[str] = ONLY_TCP) -> Iterator[Flow]:
    """The flows from each running workload of a namespace (without one: of the cluster), by name; they may be very many."""
    for ref, workload in sorted(snapshot.workloads.items(), key=lambda item: (item[0].namespace, item[0].name)):
        if not namespace or ref.namespace == namespace:
            yield from flows_from(snapshot, workload, protocols)


def flows_to(snapshot: Snapshot, workload: Workload) -> list[Flow]:
    """A flow from every other workload to each port that a workload's containers declare."""
    ports = sorted({p.number for pod in workload.pods if not pod.completed for p in pod.ports if p.protocol == "TCP"})
    destination = workload_endpoint(workload.ref)
    return [
        Flow(workload_endpoint(other.ref), destination, port)
        for other in snapshot.workloads.values()
        if other.ref != workload.ref and any(not pod.completed for pod in other.pods)
        for port in ports
    ]


def _selects(service: Service, labels: object) -> bool:
    return isinstance(labels, dict) and all(labels.get(key) == value for key, value in service.selector or ())
