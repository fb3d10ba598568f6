"""Which policies a proxy of Envoy's enforces (istio/istio pilot/pkg/model/policyattachment.go, ShouldAttachPolicy)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from meshtui.engine.matching.selectors import matches
from meshtui.model.ids import ObjectRef
from meshtui.model.policy import AuthorizationPolicy, RequestAuthentication, TargetRef
from meshtui.model.selectors import LabelSelector
from meshtui.model.snapshot import Snapshot
from meshtui.model.workload import Pod, Service

_GATEWAY_GROUP = "gateway.networking.k8s.io"
WAYPOINT_CLASS = "istio-waypoint"
_P = TypeVar("_P", AuthorizationPolicy, RequestAuthentication)


def to_sidecar(policies: Iterable[_P], pod: Pod, root: str) -> Iterator[_P]:
    """Policies of a sidecar: without targetRefs, of its namespace or the root's, whose selector selects the pod.

    Unlike at ztunnel, ``selector: {}`` selects every pod (no labels are a subset of any).
    """
    for policy in policies:
        if policy.meta.namespace in {pod.namespace, root} and not policy.target_refs and _selects(policy.selector, pod):
            yield policy


def to_gateway(policies: Iterable[_P], gateway: ObjectRef, pod: Pod, root: str) -> Iterator[_P]:
    """Policies of a Gateway's pod: by targetRefs to the Gateway in its namespace; without them by selector."""
    for policy in policies:
        if policy.target_refs:
            attached = any(_is_gateway(ref, policy.meta.namespace, gateway) for ref in policy.target_refs)
        else:
            attached = policy.meta.namespace in {pod.namespace, root} and _selects(policy.selector, pod)
        if attached:
            yield policy


def to_waypoint(policies: Iterable[_P], waypoint: ObjectRef, service: Service | None, root: str) -> Iterator[_P]:
    """Policies of a waypoint, for one Service or for a pod's address: by targetRefs only, never by selector.

    A Service in the policy's namespace, the Gateway in its own, the class istio-waypoint in the root namespace.
    """
    for policy in policies:
        if any(_is_of_waypoint(ref, policy.meta.namespace, waypoint, service, root) for ref in policy.target_refs):
            yield policy


def _is_of_waypoint(ref: TargetRef, namespace: str, waypoint: ObjectRef, service: Service | None, root: str) -> bool:
    if ref.kind == "Service" and ref.group in {"", "core"}:
        return service is not None and (namespace, ref.name) == (service.meta.namespace, service.meta.name)
    if ref.kind == "GatewayClass":
        return ref.group == _GATEWAY_GROUP and namespace == root and ref.name == WAYPOINT_CLASS
    return _is_gateway(ref, namespace, waypoint)


def _is_gateway(ref: TargetRef, namespace: str, gateway: ObjectRef) -> bool:
    return (
        (ref.group, ref.kind, ref.name) == (_GATEWAY_GROUP, "Gateway", gateway.name)
        and namespace == gateway.namespace
        and ref.namespace in {"", namespace}
    )


def _selects(selector: LabelSelector | None, pod: Pod) -> bool:
    return selector is None or matches(selector, pod.labels)


def envoy_filters(snapshot: Snapshot, pod: Pod) -> tuple[ObjectRef, ...]:
    """The EnvoyFilters that change a proxy: of its namespace or the root's, that select its pod."""
    scopes = {pod.namespace, snapshot.mesh.root_namespace}
    return tuple(
        foreign.meta.ref
        for foreign in snapshot.foreign.values()
        if foreign.meta.kind == "EnvoyFilter" and foreign.meta.namespace in scopes and _selects(foreign.selector, pod)
    )
