"""Selections: the policies of a workload, the pods of a policy, the flows between workloads."""

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
    """The running pods in an AuthorizationPolicy's scope; none for a policy with targetRefs, which a waypoint enforces."""
    if policy.target_refs:
        return []
    if policy.meta.namespace == snapshot.mesh.root_namespace:
        pods: tuple[Pod, ...] = tuple(snapshot.pods.values())
    else:
        pods = snapshot.pods_by_namespace.get(policy.meta.namespace, ())
    return [pod for pod in pods if not pod.completed and authorization.covers(policy, pod)]


def network_policies_of(snapshot: Snapshot, pod: Pod) -> list[NetworkPolicy]:
    """The NetworkPolicies that select a pod, sorted by name."""
    found = (p for p in snapshot.network_policies.values() if p.meta.namespace == pod.namespace)
    return sorted((p for p in found if matches(p.pod_selector, pod.labels)), key=lambda p: p.meta.name)


def authorization_policies_of(snapshot: Snapshot, pod: Pod) -> list[AuthorizationPolicy]:
    """The AuthorizationPolicies that cover a pod, sorted by name."""
    scopes = {pod.namespace, snapshot.mesh.root_namespace}
    found = (p for p in snapshot.authorization_policies.values() if p.meta.namespace in scopes and not p.target_refs)
    return sorted((p for p in found if authorization.covers(p, pod)), key=lambda p: p.meta.name)


def directions(policy: NetworkPolicy) -> tuple[networkpolicy.Direction, ...]:
    """The directions in which a NetworkPolicy isolates."""
    return tuple(direction for direction in networkpolicy.Direction if networkpolicy.applies(policy, direction))


def workload_endpoint(ref: ObjectRef) -> FlowEndpoint:
    """The flow endpoint of a workload."""
    if ref.kind == "Pod":
        return FlowEndpoint(EndpointKind.POD, ref.namespace, ref.name)
    return FlowEndpoint(EndpointKind.WORKLOAD, ref.namespace, ref.name, ref.kind)


def workload_of(snapshot: Snapshot, endpoint: FlowEndpoint) -> Workload:
    """The workload that an endpoint names, or of which its pod is a part. Raises UsageError."""
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
    """The flow endpoint of a Service."""
    return FlowEndpoint(EndpointKind.SERVICE, service.meta.namespace, service.meta.name)


ONLY_TCP = frozenset({"TCP"})
PROBED = frozenset({"TCP", "UDP"})
"""The protocols that a probe can send."""


def services_by_port(snapshot: Snapshot, protocols: AbstractSet[str] = ONLY_TCP) -> Iterator[tuple[Service, int, str]]:
    """Every Service port with one of the protocols, of every Service with a selector, sorted by namespace and name."""
    for service in sorted(snapshot.services.values(), key=lambda s: (s.meta.namespace, s.meta.name)):
        for port in service.ports:
            if service.selector and port.protocol in protocols:
                yield service, port.number, port.protocol


def flows_from(snapshot: Snapshot, workload: Workload, protocols: AbstractSet[str] = ONLY_TCP) -> list[Flow]:
    """The flows from a workload to each port of each Service, without the Services that select the workload itself."""
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
    """The flows from each running workload of a namespace, or of the cluster, sorted by name. There may be very many."""
    for ref, workload in sorted(snapshot.workloads.items(), key=lambda item: (item[0].namespace, item[0].name)):
        if not namespace or ref.namespace == namespace:
            yield from flows_from(snapshot, workload, protocols)


def flows_to(snapshot: Snapshot, workload: Workload) -> list[Flow]:
    """The flows from every other workload to each port that a workload's containers declare."""
    ports = sorted({p.number for pod in workload.pods if not pod.completed for p in pod.ports if p.protocol == "TCP"})
    destination = workload_endpoint(workload.ref)
    return [
        Flow(workload_endpoint(other.ref), destination, port)
        for other in snapshot.workloads.values()
        if other.ref != workload.ref and any(not pod.completed for pod in other.pods)
        for port in ports
    ]


def _selects(service: Service, labels: object) -> bool:
    return isinstance(labels, dict) and service.selects(labels)
