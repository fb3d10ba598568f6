"""Gateways and routes (gateway.networking.k8s.io/v1); a waypoint is a Gateway of class istio-waypoint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from meshtui.model.meta import Meta
from meshtui.model.policy import TargetRef
from meshtui.model.selectors import LabelSelector


@dataclass(frozen=True, slots=True)
class Listener:
    """One listener of a Gateway. ``allowed`` says which namespaces' routes may attach: Same, All, or Selector.

    ``kinds`` are the kinds of routes that may attach (empty: those of its protocol). ``certificate`` is whether clients need one;
    ``unmodelled`` are the fields that make its requests unknown.
    """

    name: str
    port: int
    protocol: str
    hostname: str = ""
    allowed: str = "Same"
    allowed_selector: LabelSelector | None = None
    kinds: tuple[str, ...] = ()
    certificate: bool = False
    unmodelled: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Gateway:
    """A Gateway: its class, listeners, ``addresses`` of its status, and whether it is programmed (None: not reported).

    ``pod_labels`` and ``pod_annotations`` are those that Istio gives to the pods that it deploys for it. ``service`` is the host
    name of the Service of a gateway that is deployed by hand (``spec.addresses``), or empty. ``takes_sets`` is whether sets of
    listeners may attach (``spec.allowedListeners``).
    """

    meta: Meta
    class_name: str
    listeners: tuple[Listener, ...] = ()
    addresses: tuple[str, ...] = ()
    programmed: bool | None = None
    pod_labels: Mapping[str, str] = field(default_factory=dict)
    pod_annotations: Mapping[str, str] = field(default_factory=dict)
    service: str = ""
    takes_sets: bool = False
    wanted: tuple[tuple[str, str], ...] = ()
    """The addresses that it asks for (``spec.addresses``): pairs of a type and a value."""

    @property
    def is_waypoint(self) -> bool:
        """Whether it is a waypoint (istio.io: ambient, configure waypoints)."""
        return self.class_name == "istio-waypoint"


@dataclass(frozen=True, slots=True)
class GatewayClass:
    """A GatewayClass and the name of its controller."""

    meta: Meta
    controller: str = ""


@dataclass(frozen=True, slots=True)
class HeaderMatch:
    """One header or query parameter that must match; ``type`` is Exact, Prefix, RegularExpression, or Present (any value)."""

    name: str
    value: str
    type: str = "Exact"


@dataclass(frozen=True, slots=True)
class RouteMatch:
    """One match of a rule: all fields that are set must match.

    ``path_type`` is Exact, PathPrefix (whole elements), Prefix (of the text) or RegularExpression. The fields between ``query``
    and ``unmodelled`` are of VirtualServices only: ``port`` is the server's, ``without`` are headers that must not match,
    ``source_labels`` and ``source_namespace`` are those of the proxy's pod, ``gateways`` those to which the match applies (none:
    to all).
    """

    path_type: str = "PathPrefix"
    path: str = "/"
    method: str = ""
    headers: tuple[HeaderMatch, ...] = ()
    query: tuple[HeaderMatch, ...] = ()
    ignore_case: bool = False
    port: int | None = None
    without: tuple[HeaderMatch, ...] = ()
    source_labels: tuple[tuple[str, str], ...] = ()
    source_namespace: str = ""
    gateways: tuple[str, ...] = ()
    unmodelled: tuple[str, ...] = ()

    @property
    def takes_all(self) -> bool:
        """Whether every request matches; Istio puts such a match of a VirtualService last (route.go, IsCatchAllRoute)."""
        path = (self.path_type, self.path) in {("Prefix", "/"), ("PathPrefix", "/"), ("RegularExpression", ".*")}
        return path and not (self.method or self.headers or self.query or self.without or self.unmodelled)


@dataclass(frozen=True, slots=True)
class Rewrite:
    """What the backend sees instead of the request that the gateway got.

    ``path`` replaces the matched prefix, ``full_path`` the whole path (None: it is kept). ``opaque`` is whether the new request
    isn't known.
    """

    path: str | None = None
    full_path: str | None = None
    host: str = ""
    set_headers: tuple[tuple[str, str], ...] = ()
    add_headers: tuple[tuple[str, str], ...] = ()
    remove_headers: tuple[str, ...] = ()
    opaque: bool = False

    @property
    def changes_token(self) -> bool:
        """Whether the request's token may be another one afterwards, or none."""
        names = (*self.remove_headers, *(name for name, _ in (*self.set_headers, *self.add_headers)))
        return any(name.lower() == "authorization" for name in names)


@dataclass(frozen=True, slots=True)
class BackendRef:
    """A Service that a rule sends requests to."""

    name: str
    namespace: str
    port: int | None
    weight: int = 1
    kind: str = "Service"


@dataclass(frozen=True, slots=True)
class RouteRule:
    """Its ``matches`` OR (none: all match); ``filters`` are the filter types, ``redirect`` is the status of a redirect.

    ``unmodelled`` are the fields that make requests unknown. Of VirtualServices only: ``answer`` is the status of a direct
    response, ``delegates`` whether another VirtualService has the backends.
    """

    matches: tuple[RouteMatch, ...] = ()
    backends: tuple[BackendRef, ...] = ()
    filters: tuple[str, ...] = ()
    redirect: int = 0
    answer: int = 0
    rewrite: Rewrite | None = None
    delegates: bool = False
    unmodelled: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HTTPRoute:
    """An HTTPRoute or GRPCRoute: the Gateways or Services that it attaches to, its hostnames and its rules."""

    meta: Meta
    parents: tuple[TargetRef, ...] = ()
    hostnames: tuple[str, ...] = ()
    rules: tuple[RouteRule, ...] = ()


@dataclass(frozen=True, slots=True)
class OtherRoute:
    """What also says where traffic goes, and isn't evaluated: TCPRoutes, TLSRoutes, sets of listeners, BackendTLSPolicies.

    ``parents`` are the Gateways or Services that it is for. ``backends`` are those that it leads to; ``hostnames`` a TLSRoute's.
    """

    meta: Meta
    parents: tuple[TargetRef, ...] = ()
    hostnames: tuple[str, ...] = ()
    backends: tuple[BackendRef, ...] = ()


@dataclass(frozen=True, slots=True)
class ReferenceGrant:
    """A ReferenceGrant: ``sources`` are (kind, group, namespace) that may name ``targets``: (kind, group, name) of its namespace.

    An empty name is every name.
    """

    meta: Meta
    sources: tuple[tuple[str, str, str], ...] = ()
    targets: tuple[tuple[str, str, str], ...] = ()

    def allows(self, kind: str, namespace: str, target: str, name: str) -> bool:
        """Whether routes of a kind and namespace may name an object of the core group."""
        wanted = (kind, "gateway.networking.k8s.io", namespace)
        return wanted in self.sources and any((t, g) == (target, "") and n in {"", name} for t, g, n in self.targets)
