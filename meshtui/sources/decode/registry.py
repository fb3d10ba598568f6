"""The kinds that meshtui knows: one row each. A new kind is a row here, a wire type and a conversion."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from meshtui.sources.decode import policies, routes, wire, workloads
from meshtui.sources.decode import wire_policy as wp


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind: where it is served, what it looks like on the wire, and how it becomes model.

    ``field`` names the Snapshot's mapping; ``versions`` are those that have the same fields, the preferred one first;
    ``checked`` kinds report the fields that nobody models; ``optional`` ones may not be installed in a cluster.
    """

    name: str
    group: str
    versions: tuple[str, ...]
    plural: str
    field: str
    wire: type[Any]
    convert: Callable[..., Any]
    namespaced: bool = True
    checked: bool = False
    optional: bool = False

    @property
    def path(self) -> str:
        """Where the API server lists it in the whole cluster."""
        return self.path_in(self.versions[0])

    def path_in(self, version: str, namespace: str = "") -> str:
        """Where the API server lists it, in one namespace or all."""
        root = f"/apis/{self.group}/{version}" if self.group else f"/api/{version}"
        return f"{root}/namespaces/{namespace}/{self.plural}" if namespace and self.namespaced else f"{root}/{self.plural}"

    @property
    def resource(self) -> str:
        """Its name in access reviews and error messages: plural.group."""
        return f"{self.plural}.{self.group}" if self.group else self.plural


def _controller(name: str, group: str, plural: str) -> Kind:
    return Kind(name, group, ("v1",), plural, "controllers", wire.Controller, partial(workloads.controller, kind=name))


def _admin(name: str, version: tuple[str, ...], plural: str) -> Kind:
    convert = partial(policies.admin_policy, kind=name)
    return Kind(name, "policy.networking.k8s.io", version, plural, "admin_policies", wp.AdminPolicy, convert, False, True, True)


def _foreign(name: str, group: str, versions: tuple[str, ...], plural: str, *, namespaced: bool = True) -> Kind:
    convert = partial(policies.foreign_policy, kind=name)
    return Kind(name, group, versions, plural, "foreign", wire.Foreign, convert, namespaced, False, True)


_NET, _ISTIO, _GATEWAY = "networking.k8s.io", "security.istio.io", "gateway.networking.k8s.io"
_V1, _ISTIO_V, _GATEWAY_V = ("v1",), ("v1", "v1beta1"), ("v1", "v1beta1")

_KINDS = (
    Kind("Namespace", "", _V1, "namespaces", "namespaces", wire.Namespace, workloads.namespace, False),
    Kind("Pod", "", _V1, "pods", "pods", wire.Pod, workloads.pod),
    _controller("Deployment", "apps", "deployments"),
    _controller("ReplicaSet", "apps", "replicasets"),
    _controller("StatefulSet", "apps", "statefulsets"),
    _controller("DaemonSet", "apps", "daemonsets"),
    _controller("Job", "batch", "jobs"),
    _controller("CronJob", "batch", "cronjobs"),
    Kind(
        "ReplicationController",
        "",
        _V1,
        "replicationcontrollers",
        "controllers",
        wire.ReplicationController,
        workloads.replication_controller,
        optional=True,
    ),
    Kind("Service", "", _V1, "services", "services", wire.Service, workloads.service),
    Kind(
        "EndpointSlice",
        "discovery.k8s.io",
        _V1,
        "endpointslices",
        "endpoint_slices",
        wire.EndpointSlice,
        workloads.endpoint_slice,
    ),
    Kind("ServiceAccount", "", _V1, "serviceaccounts", "service_accounts", wire.ServiceAccount, workloads.service_account),
    Kind(
        "PodDisruptionBudget",
        "policy",
        _V1,
        "poddisruptionbudgets",
        "disruption_budgets",
        wire.PodDisruptionBudget,
        workloads.disruption_budget,
        optional=True,
    ),
    Kind("Node", "", _V1, "nodes", "nodes", wire.Node, workloads.node, False),
    Kind(
        "NetworkPolicy",
        _NET,
        _V1,
        "networkpolicies",
        "network_policies",
        wp.NetworkPolicy,
        policies.network_policy,
        checked=True,
    ),
    _admin("AdminNetworkPolicy", ("v1alpha1",), "adminnetworkpolicies"),
    _admin("BaselineAdminNetworkPolicy", ("v1alpha1",), "baselineadminnetworkpolicies"),
    _admin("ClusterNetworkPolicy", ("v1alpha2",), "clusternetworkpolicies"),
    Kind(
        "AuthorizationPolicy",
        _ISTIO,
        _ISTIO_V,
        "authorizationpolicies",
        "authorization_policies",
        wp.AuthorizationPolicy,
        policies.authorization_policy,
        checked=True,
        optional=True,
    ),
    Kind(
        "PeerAuthentication",
        _ISTIO,
        _ISTIO_V,
        "peerauthentications",
        "peer_authentications",
        wp.PeerAuthentication,
        policies.peer_authentication,
        checked=True,
        optional=True,
    ),
    Kind(
        "RequestAuthentication",
        _ISTIO,
        _ISTIO_V,
        "requestauthentications",
        "request_authentications",
        wp.RequestAuthentication,
        policies.request_authentication,
        checked=True,
        optional=True,
    ),
    Kind("Gateway", _GATEWAY, _GATEWAY_V, "gateways", "gateways", wp.Gateway, routes.gateway, optional=True),
    Kind(
        "GatewayClass",
        _GATEWAY,
        _GATEWAY_V,
        "gatewayclasses",
        "gateway_classes",
        wp.GatewayClass,
        routes.gateway_class,
        False,
        optional=True,
    ),
    Kind("HTTPRoute", _GATEWAY, _GATEWAY_V, "httproutes", "http_routes", wp.HTTPRoute, routes.http_route, optional=True),
    _foreign("EnvoyFilter", "networking.istio.io", ("v1alpha3",), "envoyfilters"),
    _foreign("CiliumNetworkPolicy", "cilium.io", ("v2",), "ciliumnetworkpolicies"),
    _foreign("CiliumClusterwideNetworkPolicy", "cilium.io", ("v2",), "ciliumclusterwidenetworkpolicies", namespaced=False),
    _foreign("NetworkPolicy.projectcalico.org", "crd.projectcalico.org", ("v1",), "networkpolicies"),
    _foreign("GlobalNetworkPolicy", "crd.projectcalico.org", ("v1",), "globalnetworkpolicies", namespaced=False),
)

KINDS: Mapping[str, Kind] = {kind.name: kind for kind in _KINDS}
"""By kind name."""

BY_GROUP_KIND: Mapping[tuple[str, str], Kind] = {(kind.group, kind.name.split(".")[0]): kind for kind in _KINDS}
"""By (API group, kind as written in a manifest)."""
