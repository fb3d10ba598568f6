"""The kinds that the sandbox serves, one row each."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """One resource type. ``versions`` are the served versions, the stored one first."""

    plural: str
    kind: str
    group: str = ""
    versions: tuple[str, ...] = ("v1",)
    namespaced: bool = True
    short: tuple[str, ...] = ()
    status: bool = True
    scale: bool = False
    custom: bool = False
    categories: tuple[str, ...] = ()

    @property
    def singular(self) -> str:
        """The singular name for kubectl."""
        return self.kind.lower()

    @property
    def api_version(self) -> str:
        """``apiVersion`` of stored objects."""
        return group_version(self.group, self.versions[0])

    @property
    def qualified(self) -> str:
        """The plural with its group, as messages show it."""
        return f"{self.plural}.{self.group}" if self.group else self.plural


def group_version(group: str, version: str) -> str:
    """``apps`` and ``v1`` as ``apps/v1``; the core group has no prefix."""
    return f"{group}/{version}" if group else version


_ALL = ("all",)
_ISTIO = ("istio-io", "security-istio-io")
_RBAC = "rbac.authorization.k8s.io"
_NETWORKING = "networking.k8s.io"
_POLICY_NETWORKING = "policy.networking.k8s.io"
_ISTIO_SECURITY = "security.istio.io"
_ISTIO_NETWORKING = "networking.istio.io"
_GATEWAY = "gateway.networking.k8s.io"

KINDS: tuple[Kind, ...] = (
    Kind("namespaces", "Namespace", namespaced=False, short=("ns",)),
    Kind("nodes", "Node", namespaced=False, short=("no",)),
    Kind("pods", "Pod", short=("po",), categories=_ALL),
    Kind("services", "Service", short=("svc",), categories=_ALL),
    Kind("serviceaccounts", "ServiceAccount", short=("sa",), status=False),
    Kind("configmaps", "ConfigMap", short=("cm",), status=False),
    Kind("secrets", "Secret", status=False),
    Kind("events", "Event", short=("ev",), status=False),
    Kind("deployments", "Deployment", "apps", short=("deploy",), scale=True, categories=_ALL),
    Kind("replicasets", "ReplicaSet", "apps", short=("rs",), scale=True, categories=_ALL),
    Kind("statefulsets", "StatefulSet", "apps", short=("sts",), scale=True, categories=_ALL),
    Kind("daemonsets", "DaemonSet", "apps", short=("ds",), categories=_ALL),
    Kind("controllerrevisions", "ControllerRevision", "apps", status=False),
    Kind("jobs", "Job", "batch", categories=_ALL),
    Kind("cronjobs", "CronJob", "batch", short=("cj",), categories=_ALL),
    Kind("endpointslices", "EndpointSlice", "discovery.k8s.io", status=False),
    Kind("networkpolicies", "NetworkPolicy", _NETWORKING, short=("netpol",), status=False),
    Kind("poddisruptionbudgets", "PodDisruptionBudget", "policy", short=("pdb",)),
    Kind("roles", "Role", _RBAC, status=False),
    Kind("rolebindings", "RoleBinding", _RBAC, status=False),
    Kind("clusterroles", "ClusterRole", _RBAC, namespaced=False, status=False),
    Kind("clusterrolebindings", "ClusterRoleBinding", _RBAC, namespaced=False, status=False),
    Kind(
        "customresourcedefinitions",
        "CustomResourceDefinition",
        "apiextensions.k8s.io",
        namespaced=False,
        short=("crd", "crds"),
        custom=True,
    ),
    Kind(
        "adminnetworkpolicies",
        "AdminNetworkPolicy",
        _POLICY_NETWORKING,
        ("v1alpha1",),
        namespaced=False,
        short=("anp",),
        custom=True,
    ),
    Kind(
        "baselineadminnetworkpolicies",
        "BaselineAdminNetworkPolicy",
        _POLICY_NETWORKING,
        ("v1alpha1",),
        namespaced=False,
        short=("banp",),
        custom=True,
    ),
    Kind(
        "authorizationpolicies",
        "AuthorizationPolicy",
        _ISTIO_SECURITY,
        ("v1", "v1beta1"),
        short=("ap",),
        custom=True,
        categories=_ISTIO,
    ),
    Kind(
        "peerauthentications",
        "PeerAuthentication",
        _ISTIO_SECURITY,
        ("v1", "v1beta1"),
        short=("pa",),
        custom=True,
        categories=_ISTIO,
    ),
    Kind(
        "requestauthentications",
        "RequestAuthentication",
        _ISTIO_SECURITY,
        ("v1", "v1beta1"),
        short=("ra",),
        custom=True,
        categories=_ISTIO,
    ),
    Kind("serviceentries", "ServiceEntry", _ISTIO_NETWORKING, ("v1", "v1beta1"), short=("se",), custom=True),
    Kind("workloadentries", "WorkloadEntry", _ISTIO_NETWORKING, ("v1", "v1beta1"), short=("we",), custom=True),
    Kind("destinationrules", "DestinationRule", _ISTIO_NETWORKING, ("v1", "v1beta1"), short=("dr",), custom=True),
    Kind("sidecars", "Sidecar", _ISTIO_NETWORKING, ("v1", "v1beta1"), custom=True),
    Kind("envoyfilters", "EnvoyFilter", _ISTIO_NETWORKING, ("v1alpha3",), custom=True),
    Kind("gatewayclasses", "GatewayClass", _GATEWAY, namespaced=False, short=("gc",), custom=True),
    Kind("gateways", "Gateway", _GATEWAY, short=("gtw",), custom=True),
    Kind("httproutes", "HTTPRoute", _GATEWAY, custom=True),
)

BY_PLURAL: dict[str, Kind] = {kind.plural: kind for kind in KINDS}
BY_KIND: dict[tuple[str, str], Kind] = {(kind.group, kind.kind): kind for kind in KINDS}


def find(group: str, version: str, plural: str) -> Kind | None:
    """The kind served at a path, or None."""
    kind = BY_PLURAL.get(plural)
    return kind if kind and kind.group == group and version in kind.versions else None


def kind_of(api_version: str, kind: str) -> Kind | None:
    """The kind that a manifest's ``apiVersion`` and ``kind`` name, or None."""
    group = api_version.rpartition("/")[0]
    return BY_KIND.get((group, kind))


def groups() -> dict[str, dict[str, list[Kind]]]:
    """Every served group → version → its kinds, in the table's order."""
    result: dict[str, dict[str, list[Kind]]] = {}
    for kind in KINDS:
        for version in kind.versions:
            result.setdefault(kind.group, {}).setdefault(version, []).append(kind)
    return result
