"""Gateways of the Gateway API.

Sources: istio/istio pilot/pkg/config/kube/gateway/conversion.go (buildListener, buildTLS, resolveGatewayTLS) and
gatewaycommon/conversion.go (GenerateGatewaySupportedKinds).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from msgspec import field

from meshtui.kinds.convert import conditions, meta, optional_selector, tolerant
from meshtui.kinds.kind import GATEWAY_API, GATEWAY_VERSIONS, Kind, Pairs, Role
from meshtui.kinds.wire import LabelSelector, ObjectMeta, Wire
from meshtui.model import gateway as model


class RouteNamespaces(Wire):
    """allowedRoutes.namespaces of a listener."""

    from_: str | None = field(default=None, name="from")
    selector: LabelSelector | None = None


class RouteKind(Wire):
    """kinds[] of allowedRoutes."""

    group: str | None = None
    kind: str = ""


class AllowedRoutes(Wire):
    """allowedRoutes of a listener."""

    namespaces: RouteNamespaces | None = None
    kinds: list[RouteKind] | None = None


class CertificateRef(Wire):
    """certificateRefs[] of a listener."""

    group: str | None = None
    kind: str | None = None
    name: str = ""
    namespace: str | None = None


class Validation(Wire):
    """How certificates of clients are validated."""

    ca_certificate_refs: list[dict[str, Any]] | None = None
    mode: str | None = None


class ListenerTLS(Wire):
    """tls of a listener."""

    mode: str | None = None
    certificate_refs: list[CertificateRef] | None = None
    frontend_validation: Validation | None = None
    options: dict[str, str] | None = None


class FrontendTLS(Wire):
    """default and perPort[].tls of spec.tls.frontend."""

    validation: Validation | None = None


class PortTLS(Wire):
    """perPort[] of spec.tls.frontend."""

    port: int = 0
    tls: FrontendTLS | None = None


class Frontend(Wire):
    """spec.tls.frontend."""

    default: FrontendTLS | None = None
    per_port: list[PortTLS] | None = None


class GatewayTLS(Wire):
    """spec.tls of a Gateway."""

    frontend: Frontend | None = None
    backend: dict[str, Any] | None = None


class AllowedListeners(Wire):
    """spec.allowedListeners of a Gateway."""

    namespaces: RouteNamespaces | None = None


class Listener(Wire):
    """listeners[] of a Gateway."""

    name: str = ""
    port: int = 0
    protocol: str = ""
    hostname: str | None = None
    tls: ListenerTLS | None = None
    allowed_routes: AllowedRoutes | None = None


class GatewayAddress(Wire):
    """spec.addresses[] and status.addresses[] of a Gateway."""

    type: str = ""
    value: str = ""


class Infrastructure(Wire):
    """spec.infrastructure of a Gateway."""

    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None
    parameters_ref: dict[str, Any] | None = None


class GatewaySpec(Wire):
    """spec of a Gateway."""

    gateway_class_name: str = ""
    listeners: list[Listener] | None = None
    addresses: list[GatewayAddress] | None = None
    infrastructure: Infrastructure | None = None
    tls: GatewayTLS | None = None
    backend_tls: dict[str, Any] | None = field(default=None, name="backendTLS")
    allowed_listeners: AllowedListeners | None = None
    default_scope: str | None = None


class GatewayStatus(Wire):
    """status of a Gateway."""

    addresses: list[GatewayAddress] | None = None


class Gateway(Wire):
    """The object: metadata, spec and status."""

    metadata: ObjectMeta = field(default_factory=ObjectMeta)
    spec: GatewaySpec | None = None
    status: Any = None


_MODE = "gateway.istio.io/tls-terminate-mode"
_OPTIONS = frozenset({_MODE, "gateway.istio.io/tls-cipher-suites"})
_WITHOUT_CERTIFICATE = frozenset({"SIMPLE", "OPTIONAL_MUTUAL", "ISTIO_SIMPLE"})
_WITH_CERTIFICATE = frozenset({"MUTUAL", "ISTIO_MUTUAL"})
_SECURE = frozenset({"HTTPS", "TLS"})


def gateway(raw: Gateway, origin: str = "", unmodelled: tuple[str, ...] = ()) -> model.Gateway:
    """Convert a Gateway. ``programmed`` is its status condition, None if there is none.

    ``unmodelled`` are the paths of unknown fields; those in a listener are kept with it, others with every listener.

    Its pods get the labels and annotations of spec.infrastructure or, without that field, its own
    (istio/istio pilot/pkg/config/kube/gateway/deploymentcontroller.go, extractInfrastructureMetadata).
    """
    spec, status = raw.spec or GatewaySpec(), tolerant(GatewayStatus, raw.status) or GatewayStatus()
    own = spec.infrastructure or Infrastructure(raw.metadata.labels, raw.metadata.annotations)
    general = tuple(path for path in unmodelled if not re.match(r"spec\.listeners\[\d+\]\.", path))
    programmed = next((c.status == "True" for c in conditions(raw.status) if (c.type, c.of) == ("Programmed", "")), None)
    return model.Gateway(
        meta=meta("Gateway", raw.metadata, origin=origin),
        class_name=spec.gateway_class_name,
        listeners=tuple(
            _listener(item, spec.tls, (*_within(unmodelled, index), *general, *_odd_tls(item, raw.metadata.namespace)))
            for index, item in enumerate(spec.listeners or ())
        ),
        addresses=tuple(address.value for address in status.addresses or ()),
        programmed=programmed,
        pod_labels=_handed_on(own.labels),
        pod_annotations=_handed_on(own.annotations),
        service=next((a.value for a in spec.addresses or () if a.type == "Hostname"), ""),
        takes_sets=_takes_sets(spec.allowed_listeners),
        wanted=tuple((a.type or "IPAddress", a.value) for a in spec.addresses or () if a.value),
    )


def _handed_on(own: dict[str, str] | None) -> dict[str, str]:
    return {key: value for key, value in (own or {}).items() if not key.startswith(f"{GATEWAY_API}/")}


def _takes_sets(allowed: AllowedListeners | None) -> bool:
    """Whether sets of listeners of any namespace may attach; by default none may."""
    chosen = (allowed and allowed.namespaces and allowed.namespaces.from_) or "None"
    return chosen != "None"


def _within(paths: tuple[str, ...], index: int) -> Iterator[str]:
    """The fields of one listener, without the path to it."""
    start = f"spec.listeners[{index}]."
    return (path.removeprefix(start) for path in paths if path.startswith(start))


def _listener(raw: Listener, general: GatewayTLS | None, unknown: tuple[str, ...]) -> model.Listener:
    """Convert a listener. By default, routes of the Gateway's own namespace may attach (Gateway API, allowedRoutes)."""
    routes = raw.allowed_routes or AllowedRoutes()
    allowed = routes.namespaces or RouteNamespaces()
    return model.Listener(
        raw.name,
        raw.port,
        raw.protocol,
        raw.hostname or "",
        allowed.from_ or "Same",
        optional_selector(allowed.selector),
        kinds=tuple(k.kind if k.group in {None, GATEWAY_API} else f"{k.kind}.{k.group}" for k in routes.kinds or ()),
        certificate=_needs_certificate(raw, general),
        unmodelled=unknown,
    )


def _needs_certificate(raw: Listener, general: GatewayTLS | None) -> bool:
    """Whether clients need a certificate: by Istio's option, or where certificates are validated without a fallback."""
    if raw.protocol not in _SECURE or raw.tls is None or raw.tls.mode == "Passthrough":
        return False
    if (raw.tls.options or {}).get(_MODE) in _WITH_CERTIFICATE:
        return True
    frontend = (general and general.frontend) or Frontend()
    of_port = next((each.tls for each in frontend.per_port or () if each.port == raw.port), frontend.default)
    found = (raw.tls.frontend_validation, of_port.validation if of_port is not None else None)
    return any(validation is not None and validation.mode != "AllowInsecureFallback" for validation in found)


def _odd_tls(raw: Listener, home: str) -> Iterator[str]:
    """What makes it unknown whether a listener serves requests. Without TLS, Istio makes none of a listener with HTTPS."""
    tls = raw.tls
    if raw.protocol not in _SECURE:
        return
    if tls is None:
        yield "tls (missing)"
        return
    if tls.mode not in {None, "Terminate"}:
        yield f"tls.mode {tls.mode}"
    for name, value in (tls.options or {}).items():
        if name not in _OPTIONS or (name == _MODE and value not in _WITHOUT_CERTIFICATE | _WITH_CERTIFICATE):
            yield f"tls.options[{name}]"
    for index, ref in enumerate(tls.certificate_refs or ()):
        if ref.namespace not in {None, "", home or "default"}:
            yield f"tls.certificateRefs[{index}].namespace"


KINDS = (
    Kind(
        "Gateway",
        GATEWAY_API,
        GATEWAY_VERSIONS,
        "gateways",
        "gateways",
        Gateway,
        gateway,
        checked=True,
        optional=True,
        role=Role.ROUTING,
        pairs=Pairs.EVERYBODY,
        reports=True,
    ),
)
