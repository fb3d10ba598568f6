"""Gateways and routes (gateway.networking.k8s.io/v1); a waypoint is a Gateway of class istio-waypoint."""

from __future__ import annotations

from dataclasses import dataclass

from meshtui.model.meta import Meta
from meshtui.model.policy import TargetRef
from meshtui.model.selectors import LabelSelector


@dataclass(frozen=True, slots=True)
class Listener:
    """One listener of a Gateway. ``allowed`` is whose routes may attach: Same (namespace), All, or Selector."""

    name: str
    port: int
    protocol: str
    hostname: str = ""
    allowed: str = "Same"
    allowed_selector: LabelSelector | None = None


@dataclass(frozen=True, slots=True)
class Gateway:
    """A Gateway. ``addresses`` are those of its status."""

    meta: Meta
    class_name: str
    listeners: tuple[Listener, ...] = ()
    addresses: tuple[str, ...] = ()
    programmed: bool | None = None

    @property
    def is_waypoint(self) -> bool:
        """Whether it is a waypoint (istio.io: ambient, configure waypoints)."""
        return self.class_name == "istio-waypoint"


@dataclass(frozen=True, slots=True)
class GatewayClass:
    """A GatewayClass and its controller."""

    meta: Meta
    controller: str = ""


@dataclass(frozen=True, slots=True)
class HeaderMatch:
    """One header that must match; ``type`` is Exact or RegularExpression."""

    name: str
    value: str
    type: str = "Exact"


@dataclass(frozen=True, slots=True)
class RouteMatch:
    """One match of a rule: all that is set must hold. ``path_type`` is Exact, PathPrefix or RegularExpression."""

    path_type: str = "PathPrefix"
    path: str = "/"
    method: str = ""
    headers: tuple[HeaderMatch, ...] = ()
    query: tuple[HeaderMatch, ...] = ()


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
    """Matches OR (none: everything); ``filters`` are the types of the rule's filters, ``redirect`` is a redirect's status."""

    matches: tuple[RouteMatch, ...] = ()
    backends: tuple[BackendRef, ...] = ()
    filters: tuple[str, ...] = ()
    redirect: int = 0


@dataclass(frozen=True, slots=True)
class HTTPRoute:
    """An HTTPRoute."""

    meta: Meta
    parents: tuple[TargetRef, ...] = ()
    hostnames: tuple[str, ...] = ()
    rules: tuple[RouteRule, ...] = ()
