"""Istio's own Gateways (networking.istio.io), which configure the gateway pods that their selectors select."""

from __future__ import annotations

from msgspec import field

from meshtui.kinds.convert import meta, strings
from meshtui.kinds.kind import ISTIO_NETWORKING, NETWORKING_VERSIONS, Kind, Pairs, Role
from meshtui.kinds.wire import ObjectMeta, Wire
from meshtui.model import virtual_service as model
from meshtui.model.selectors import LabelSelector


class Port(Wire):
    """port of a server."""

    number: int = 0
    protocol: str = ""
    name: str = ""
    target_port: int | None = None


class ServerTls(Wire):
    """tls of a server, with the fields that determine how its requests are read."""

    https_redirect: bool | None = None
    mode: str | None = None


class Server(Wire):
    """servers[] of a Gateway."""

    port: Port | None = None
    bind: str | None = None
    hosts: list[str] | None = None
    tls: ServerTls | None = None


class GatewaySpec(Wire):
    """spec of a Gateway."""

    selector: dict[str, str] | None = None
    servers: list[Server] | None = None


class Gateway(Wire):
    """The object: metadata and spec."""

    metadata: ObjectMeta = field(default_factory=ObjectMeta)
    spec: GatewaySpec | None = None


def istio_gateway(raw: Gateway, origin: str = "") -> model.IstioGateway:
    """Convert a Gateway. ``./host`` is a host of its own namespace's VirtualServices, ``*/host`` of those of any namespace."""
    spec = raw.spec or GatewaySpec()
    converted = meta(model.ISTIO_GATEWAY, raw.metadata, origin=origin)
    return model.IstioGateway(
        meta=converted,
        selector=LabelSelector(tuple(sorted((spec.selector or {}).items()))),
        servers=tuple(_server(item, converted.namespace) for item in spec.servers or ()),
    )


def _server(raw: Server, namespace: str) -> model.Server:
    port, tls = raw.port or Port(), raw.tls or ServerTls()
    return model.Server(
        port=port.number,
        protocol=port.protocol.upper(),
        hosts=tuple(_host(host, namespace) for host in strings(raw.hosts)),
        tls="" if raw.tls is None else tls.mode or "PASSTHROUGH",
        redirects=bool(tls.https_redirect),
        bind=raw.bind or "",
    )


def _host(text: str, namespace: str) -> tuple[str, str]:
    """(namespace, host in lower case); the namespace is empty if VirtualServices of any namespace may bind to the host."""
    space, slash, host = text.rpartition("/")
    if not slash:
        return "", text.lower()
    return {"*": "", ".": namespace}.get(space, space), host.lower()


KINDS = (
    Kind(
        model.ISTIO_GATEWAY,
        ISTIO_NETWORKING,
        NETWORKING_VERSIONS,
        "gateways",
        "istio_gateways",
        Gateway,
        istio_gateway,
        optional=True,
        role=Role.ROUTING,
        pairs=Pairs.EVERYBODY,
        reports=True,
    ),
)
