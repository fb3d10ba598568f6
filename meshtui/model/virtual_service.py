"""Istio's own Gateways and VirtualServices (networking.istio.io)."""

from __future__ import annotations

from dataclasses import dataclass

from meshtui.model.gateway import RouteRule
from meshtui.model.meta import Meta
from meshtui.model.selectors import LabelSelector

MESH = "mesh"
"""The reserved name of a gateway: all sidecars and waypoints."""
ANY = "*"
ISTIO_GATEWAY = "Gateway.networking.istio.io"
"""The kind of Istio's own Gateways, as meshtui names it."""


@dataclass(frozen=True, slots=True)
class Server:
    """One server of a Gateway; ``port`` is the Service's or, if no Service has it, the pod's.

    ``hosts`` are pairs of a namespace, empty for any, and a host. ``tls`` is the mode, empty without TLS settings; ``redirects``
    is whether every request without TLS is redirected.
    """

    port: int
    protocol: str
    hosts: tuple[tuple[str, str], ...] = ()
    tls: str = ""
    redirects: bool = False
    bind: str = ""


@dataclass(frozen=True, slots=True)
class IstioGateway:
    """A Gateway: the labels of the gateway pods that it configures (none: all of them), and its servers."""

    meta: Meta
    selector: LabelSelector = LabelSelector()  # noqa: RUF009  (frozen)
    servers: tuple[Server, ...] = ()

    @property
    def key(self) -> str:
        """``namespace/name``, as VirtualServices name it."""
        return f"{self.meta.namespace}/{self.meta.name}"


@dataclass(frozen=True, slots=True)
class VirtualService:
    """A VirtualService with its HTTP rules, of which the first that matches a request applies.

    ``hosts`` are in lower case, short names with namespace and domain. ``gateways`` are ``namespace/name`` or ``mesh``; ``*``
    stands for all, in an object that can't be read. ``export_to`` are namespaces or ``*``; empty for the mesh's default.
    ``others`` are the destinations of its routes for TLS and TCP, all together. ``unmodelled`` are fields that aren't part of an
    HTTP rule.
    """

    meta: Meta
    hosts: tuple[str, ...] = ()
    gateways: tuple[str, ...] = (MESH,)
    export_to: tuple[str, ...] = ()
    rules: tuple[RouteRule, ...] = ()
    others: RouteRule | None = None
    unmodelled: tuple[str, ...] = ()

    def binds_to(self, gateway: str) -> bool:
        """Whether it applies to a gateway, by ``namespace/name``, or to the mesh."""
        return gateway in self.gateways or ANY in self.gateways

    def visible_in(self, namespace: str, default: tuple[str, ...]) -> bool:
        """Whether the proxies of a namespace see it; ``default`` is the mesh's defaultVirtualServiceExportTo."""
        allowed = [self.meta.namespace if word == "." else word for word in self.export_to or default]
        return ANY in allowed or namespace in allowed
