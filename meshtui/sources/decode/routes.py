"""From wire types to the model: Gateways, their classes and HTTPRoutes; and the mesh's own configuration."""

from __future__ import annotations

from typing import Any

import yaml

from meshtui.model.gateway import BackendRef, Gateway, GatewayClass, HeaderMatch, HTTPRoute, Listener, RouteMatch, RouteRule
from meshtui.model.snapshot import MeshConfig
from meshtui.sources.decode import wire
from meshtui.sources.decode import wire_policy as wp
from meshtui.sources.decode.common import meta, optional_selector, strings
from meshtui.sources.decode.policies import target_refs


def gateway(raw: wp.Gateway, origin: str = "") -> Gateway:
    """A Gateway."""
    spec, status = raw.spec or wp.GatewaySpec(), raw.status or wp.GatewayStatus()
    programmed = next((c.status == "True" for c in status.conditions or () if c.type == "Programmed"), None)
    return Gateway(
        meta=meta("Gateway", raw.metadata, origin=origin),
        class_name=spec.gateway_class_name,
        listeners=tuple(_listener(item) for item in spec.listeners or ()),
        addresses=tuple(address.value for address in status.addresses or ()),
        programmed=programmed,
    )


def _listener(raw: wp.Listener) -> Listener:
    """A listener; routes of the Gateway's own namespace may attach unless it says otherwise (Gateway API, allowedRoutes)."""
    allowed = (raw.allowed_routes and raw.allowed_routes.namespaces) or wp.RouteNamespaces()
    chosen = optional_selector(allowed.selector)
    return Listener(raw.name, raw.port, raw.protocol, raw.hostname or "", allowed.from_ or "Same", chosen)


def gateway_class(raw: wp.GatewayClass, origin: str = "") -> GatewayClass:
    """A GatewayClass."""
    spec = raw.spec or wp.GatewayClassSpec()
    return GatewayClass(meta("GatewayClass", raw.metadata, namespaced=False, origin=origin), spec.controller_name)


def http_route(raw: wp.HTTPRoute, origin: str = "") -> HTTPRoute:
    """An HTTPRoute; a backend without a namespace is in the route's own."""
    spec = raw.spec or wp.RouteSpec()
    converted = meta("HTTPRoute", raw.metadata, origin=origin)
    return HTTPRoute(
        meta=converted,
        parents=target_refs(None, spec.parent_refs),
        hostnames=strings(spec.hostnames),
        rules=tuple(_rule(rule, converted.namespace) for rule in spec.rules or ()),
    )


def _rule(raw: wp.RouteRule, namespace: str) -> RouteRule:
    return RouteRule(
        matches=tuple(_match(match) for match in raw.matches or ()),
        backends=tuple(
            BackendRef(b.name, b.namespace or namespace, b.port, 1 if b.weight is None else b.weight, b.kind or "Service")
            for b in raw.backend_refs or ()
        ),
        filters=tuple(f.type for f in raw.filters or ()),
        redirect=next((_status(f) for f in raw.filters or () if f.type == "RequestRedirect"), 0),
    )


def _status(raw: wp.RouteFilter) -> int:
    """A redirect's status; 302 unless it says otherwise (Gateway API, HTTPRequestRedirectFilter)."""
    return (raw.request_redirect and raw.request_redirect.status_code) or 302


def _match(raw: wp.RouteMatch) -> RouteMatch:
    path = raw.path or wp.PathMatch()
    return RouteMatch(
        path_type=path.type or "PathPrefix",
        path=path.value or "/",
        method=raw.method or "",
        headers=tuple(HeaderMatch(h.name, h.value, h.type or "Exact") for h in raw.headers or ()),
        query=tuple(HeaderMatch(q.name, q.value, q.type or "Exact") for q in raw.query_params or ()),
    )


def mesh_config(raw: wire.ConfigMap) -> MeshConfig:
    """The mesh's configuration: key ``mesh`` of the ConfigMap ``istio``, YAML (istio.io: MeshConfig)."""
    try:
        parsed = yaml.safe_load((raw.data or {}).get("mesh", "")) or {}
    except yaml.YAMLError:
        parsed = {}
    if not isinstance(parsed, dict):
        parsed = {}
    return MeshConfig(
        trust_domain=str(parsed.get("trustDomain") or "cluster.local"),
        root_namespace=str(parsed.get("rootNamespace") or raw.metadata.namespace or "istio-system"),
        found=True,
        sidecars_send_hbone=_sends_hbone(parsed),
    )


def _sends_hbone(config: dict[str, Any]) -> bool:
    """Whether proxies are told to use HBONE (the ambient profile does: defaultConfig.proxyMetadata)."""
    metadata: Any = config.get("defaultConfig")
    for key in ("proxyMetadata", "ISTIO_META_ENABLE_HBONE"):
        metadata = metadata.get(key) if isinstance(metadata, dict) else None
    return str(metadata).lower() == "true"
