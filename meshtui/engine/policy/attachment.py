"""Which policies an Envoy proxy enforces (istio/istio pilot/pkg/model/policyattachment.go, ShouldAttachPolicy)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from meshtui.engine.matching.selectors import matches
from meshtui.model.constants import GATEWAY_NAME
from meshtui.model.ids import ObjectRef
from meshtui.model.policy import AuthorizationPolicy, Enforcer, ForeignPolicy, RequestAuthentication, TargetRef
from meshtui.model.selectors import LabelSelector
from meshtui.model.snapshot import Snapshot
from meshtui.model.workload import Pod, Service

_GATEWAY_GROUP = "gateway.networking.k8s.io"
DESTINATIONS = {("Service", ""), ("Service", "core"), ("ServiceEntry", "networking.istio.io")}
"""The kinds, with their groups, of which a waypoint knows the hosts."""
WAYPOINT_CLASS = "istio-waypoint"
_P = TypeVar("_P", AuthorizationPolicy, RequestAuthentication, ForeignPolicy)


def to_sidecar(policies: Iterable[_P], pod: Pod, root: str) -> Iterator[_P]:
    """The policies of a sidecar: without targetRefs, in the pod's or the root namespace, whose selector selects the pod.

    Unlike at ztunnel, ``selector: {}`` selects every pod (the empty set of labels is a subset of any).
    """
    for policy in policies:
        if policy.meta.namespace in {pod.namespace, root} and not policy.target_refs and _selects(policy.selector, pod):
            yield policy


def to_gateway(policies: Iterable[_P], gateway: ObjectRef, pod: Pod, root: str) -> Iterator[_P]:
    """The policies of a Gateway's pod: by targetRefs to the Gateway in its namespace; without targetRefs, by selector.

    istiod knows a pod's Gateway by a label only, so targetRefs don't attach to pods that were deployed by hand without it.
    """
    named = pod.labels.get(GATEWAY_NAME) == gateway.name
    for policy in policies:
        if policy.target_refs:
            attached = named and any(_is_gateway(ref, policy.meta.namespace, gateway) for ref in policy.target_refs)
        else:
            attached = policy.meta.namespace in {pod.namespace, root} and _selects(policy.selector, pod)
        if attached:
            yield policy


def to_waypoint(policies: Iterable[_P], waypoint: ObjectRef, service: Service | None, root: str) -> Iterator[_P]:
    """The policies of a waypoint, for one Service or for a pod's address: by targetRefs only, never by selector.

    A targetRef can name a Service or ServiceEntry in the policy's namespace, the Gateway in its own namespace, or, in the root
    namespace, the class istio-waypoint.
    """
    for policy in policies:
        if any(_is_of_waypoint(ref, policy.meta.namespace, waypoint, service, root) for ref in policy.target_refs):
            yield policy


def _is_of_waypoint(ref: TargetRef, namespace: str, waypoint: ObjectRef, service: Service | None, root: str) -> bool:
    if (ref.kind, ref.group) in DESTINATIONS:
        return service is not None and ObjectRef(ref.kind, namespace, ref.name) == service.meta.ref
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


class Extensions:
    """What changes proxies of one snapshot in ways that aren't modelled: EnvoyFilters, WasmPlugins, TrafficExtensions.

    EnvoyFilters apply in the proxy's or the root namespace, by the labels that they select; the other kinds like policies.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        self._root = snapshot.mesh.root_namespace
        found = [foreign for foreign in snapshot.foreign.values() if foreign.enforcer is Enforcer.PROXY]
        self._filters = [each for each in found if each.meta.kind == "EnvoyFilter"]
        self._plugins = [each for each in found if each.meta.kind != "EnvoyFilter"]

    def of_sidecar(self, pod: Pod) -> tuple[ObjectRef, ...]:
        """Those of a pod's sidecar."""
        return (*self._of_pod(pod), *_refs(to_sidecar(self._plugins, pod, self._root)))

    def of_gateway(self, gateway: ObjectRef, pod: Pod) -> tuple[ObjectRef, ...]:
        """Those of a gateway's pod."""
        return (*self._of_pod(pod), *_refs(to_gateway(self._plugins, gateway, pod, self._root)))

    def of_waypoint(self, waypoint: ObjectRef, pod: Pod | None, service: Service | None) -> tuple[ObjectRef, ...]:
        """Those of a waypoint's pod, for one Service or for a pod's address."""
        own = self._of_pod(pod) if pod is not None else ()
        return (*own, *_refs(to_waypoint(self._plugins, waypoint, service, self._root)))

    def _of_pod(self, pod: Pod) -> tuple[ObjectRef, ...]:
        scopes = {pod.namespace, self._root}
        return _refs(each for each in self._filters if each.meta.namespace in scopes and _selects(each.selector, pod))


def _refs(found: Iterable[ForeignPolicy]) -> tuple[ObjectRef, ...]:
    return tuple(each.meta.ref for each in found)
