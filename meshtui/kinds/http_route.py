"""HTTPRoutes and GRPCRoutes.

Source: istio/istio pilot/pkg/config/kube/gateway/conversion.go (convertHTTPRoute, convertGRPCRoute, buildDestination): both
become rules of VirtualServices, and a GRPCRoute's methods become paths.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any

from msgspec import field

from meshtui.kinds.convert import meta, strings, target_refs
from meshtui.kinds.kind import GATEWAY_API, GATEWAY_VERSIONS, Kind, Pairs, Role
from meshtui.kinds.virtual_service import HeaderOperations, Headers, rewrite_of
from meshtui.kinds.wire import ObjectMeta, TargetRef, Wire
from meshtui.model import gateway as model

_HARMLESS = frozenset(
    {"RequestHeaderModifier", "ResponseHeaderModifier", "RequestRedirect", "RequestMirror", "URLRewrite", "CORS"}
)
"""Filters that are evaluated, or that change nothing for the request: a mirror gets a copy."""
HTTP_ROUTES = ("HTTPRoute", "GRPCRoute")
_PATHS = frozenset({"Exact", "PathPrefix", "RegularExpression"})
_VALUES = frozenset({"Exact", "RegularExpression"})


class PathMatch(Wire):
    """path of an HTTPRoute match."""

    type: str | None = None
    value: str | None = None


class HeaderMatch(Wire):
    """headers[] and queryParams[] of a match."""

    name: str = ""
    value: str = ""
    type: str | None = None


class MethodMatch(Wire):
    """method of a GRPCRoute match."""

    type: str | None = None
    service: str | None = None
    method: str | None = None


class RouteMatch(Wire):
    """matches[] of an HTTPRoute rule."""

    path: PathMatch | None = None
    method: str | None = None
    headers: list[HeaderMatch] | None = None
    query_params: list[HeaderMatch] | None = None


class GRPCMatch(Wire):
    """matches[] of a GRPCRoute rule."""

    method: MethodMatch | None = None
    headers: list[HeaderMatch] | None = None


class Header(Wire):
    """One header with its value."""

    name: str = ""
    value: str = ""


class HeaderModifier(Wire):
    """requestHeaderModifier of a filter."""

    set: list[Header] | None = None
    add: list[Header] | None = None
    remove: list[str] | None = None


class PathModifier(Wire):
    """path of urlRewrite and requestRedirect."""

    type: str = ""
    replace_full_path: str | None = None
    replace_prefix_match: str | None = None


class URLRewrite(Wire):
    """urlRewrite of a filter."""

    hostname: str | None = None
    path: PathModifier | None = None


class Redirect(Wire):
    """requestRedirect of a filter."""

    scheme: str | None = None
    hostname: str | None = None
    path: PathModifier | None = None
    port: int | None = None
    status_code: int | None = None


class RouteFilter(Wire):
    """filters[] of a rule or a backend."""

    type: str = ""
    request_header_modifier: HeaderModifier | None = None
    response_header_modifier: dict[str, Any] | None = None
    request_mirror: dict[str, Any] | None = None
    request_redirect: Redirect | None = None
    url_rewrite: URLRewrite | None = None
    cors: dict[str, Any] | None = None
    external_auth: dict[str, Any] | None = None
    extension_ref: dict[str, Any] | None = None


class BackendRef(Wire):
    """backendRefs[] of a rule."""

    group: str | None = None
    kind: str | None = None
    name: str = ""
    namespace: str | None = None
    port: int | None = None
    weight: int | None = None
    filters: list[RouteFilter] | None = None


class RouteRule(Wire):
    """rules[] of an HTTPRoute."""

    name: str | None = None
    matches: list[RouteMatch] | None = None
    backend_refs: list[BackendRef] | None = None
    filters: list[RouteFilter] | None = None
    timeouts: dict[str, Any] | None = None
    retry: dict[str, Any] | None = None
    session_persistence: dict[str, Any] | None = None


class GRPCRule(Wire):
    """rules[] of a GRPCRoute."""

    name: str | None = None
    matches: list[GRPCMatch] | None = None
    backend_refs: list[BackendRef] | None = None
    filters: list[RouteFilter] | None = None
    session_persistence: dict[str, Any] | None = None


class RouteSpec(Wire):
    """spec of an HTTPRoute."""

    parent_refs: list[TargetRef] | None = None
    hostnames: list[str] | None = None
    rules: list[RouteRule] | None = None


class GRPCSpec(Wire):
    """spec of a GRPCRoute."""

    parent_refs: list[TargetRef] | None = None
    hostnames: list[str] | None = None
    rules: list[GRPCRule] | None = None


class HTTPRoute(Wire):
    """The object: metadata and spec."""

    metadata: ObjectMeta = field(default_factory=ObjectMeta)
    spec: RouteSpec | None = None


class GRPCRoute(Wire):
    """The object: metadata and spec."""

    metadata: ObjectMeta = field(default_factory=ObjectMeta)
    spec: GRPCSpec | None = None


def route(raw: HTTPRoute | GRPCRoute, kind: str, origin: str = "", unmodelled: tuple[str, ...] = ()) -> model.HTTPRoute:
    """Convert a route. A backend without a namespace is in the route's namespace.

    ``unmodelled`` are the paths of unknown fields; those in a rule are kept with the rule, others with every rule.
    """
    spec: RouteSpec | GRPCSpec = raw.spec or RouteSpec()
    rules: Iterable[RouteRule | GRPCRule] = spec.rules or ()
    converted = meta(kind, raw.metadata, origin=origin)
    general = tuple(path for path in unmodelled if not re.match(r"spec\.rules\[\d+\]\.", path))
    return model.HTTPRoute(
        meta=converted,
        parents=target_refs(None, spec.parent_refs, GATEWAY_API),
        hostnames=strings(spec.hostnames),
        rules=tuple(
            _rule(rule, converted.namespace, (*_within(unmodelled, index), *general)) for index, rule in enumerate(rules)
        ),
    )


def _within(paths: Iterable[str], index: int) -> tuple[str, ...]:
    """The fields of one rule, without the path to it."""
    start = f"spec.rules[{index}]."
    return tuple(path.removeprefix(start) for path in paths if path.startswith(start))


def _rule(raw: RouteRule | GRPCRule, namespace: str, unknown: tuple[str, ...]) -> model.RouteRule:
    filters = raw.filters or ()
    return model.RouteRule(
        matches=tuple(_match(match) if isinstance(match, RouteMatch) else _grpc_match(match) for match in raw.matches or ()),
        backends=tuple(_backend(b, namespace) for b in raw.backend_refs or ()),
        filters=tuple(f.type for f in filters),
        redirect=next((_status(f) for f in filters if f.type == "RequestRedirect"), 0),
        rewrite=_rewrite(raw),
        unmodelled=(*unknown, *_odd_filters(raw)),
    )


def _backend(raw: BackendRef, namespace: str) -> model.BackendRef:
    """A backend; a host name of the mesh (kind Hostname) is a host, and any other group's Service isn't one."""
    kind, group = raw.kind or "Service", raw.group or ""
    if (kind, group) == ("Hostname", "networking.istio.io"):
        kind = "Host"
    elif kind == "Service" and group not in {"", "core"}:
        kind = f"Service.{group}"
    return model.BackendRef(raw.name, raw.namespace or namespace, raw.port, 1 if raw.weight is None else raw.weight, kind)


def _odd_filters(raw: RouteRule | GRPCRule) -> Iterator[str]:
    """The filters of a rule and of its backends that make its requests unknown."""
    yield from (f"filters[{i}] {f.type}" for i, f in enumerate(raw.filters or ()) if f.type not in _HARMLESS)
    for index, backend in enumerate(raw.backend_refs or ()):
        for place, each in enumerate(backend.filters or ()):
            if each.type not in {"RequestHeaderModifier", "ResponseHeaderModifier"}:
                yield f"backendRefs[{index}].filters[{place}] {each.type}"


def _status(raw: RouteFilter) -> int:
    """A redirect's status; the default is 302 (Gateway API, HTTPRequestRedirectFilter)."""
    return (raw.request_redirect and raw.request_redirect.status_code) or 302


def _rewrite(raw: RouteRule | GRPCRule) -> model.Rewrite | None:
    """What a rule's filters, and those of its backends, change of a request."""
    sent = [b for b in raw.backend_refs or () if b.weight != 0]
    urls = [f.url_rewrite for f in raw.filters or () if f.url_rewrite is not None]
    url = urls[-1] if urls else URLRewrite()
    own, theirs = _operations(raw.filters), [_operations(b.filters) for b in sent]
    if not urls and own is None and not any(theirs):
        return None
    made = rewrite_of(Headers(own), [each for each in theirs if each is not None], len(sent))
    path = url.path or PathModifier()
    if path.replace_full_path is not None:
        odd = "\\" in path.replace_full_path or not path.replace_full_path.startswith("/")
        return _with_url(made, url, full_path=path.replace_full_path, opaque=made.opaque or odd)
    prefix = path.replace_prefix_match
    known = path.type in {"", "ReplacePrefixMatch", "ReplaceFullPath"}
    new = None if prefix is None else prefix.removesuffix("/") or "/"
    return _with_url(made, url, path=new, opaque=made.opaque or not known)


def _with_url(
    made: model.Rewrite, url: URLRewrite, *, opaque: bool, path: str | None = None, full_path: str | None = None
) -> model.Rewrite:
    """Changed headers together with the changes of a URLRewrite, whose host goes before a header's."""
    return model.Rewrite(
        path=path,
        full_path=full_path,
        host=url.hostname or made.host,
        set_headers=made.set_headers,
        add_headers=made.add_headers,
        remove_headers=made.remove_headers,
        opaque=opaque,
    )


def _operations(filters: Iterable[RouteFilter] | None) -> HeaderOperations | None:
    """The changes of headers; of several filters the last counts, and of entries with one name the first (headerListToMap)."""
    found = [f.request_header_modifier for f in filters or () if f.request_header_modifier is not None]
    if not found:
        return None
    last = found[-1]
    return HeaderOperations(set=_by_name(last.set), add=_by_name(last.add), remove=last.remove)


def _by_name(headers: Iterable[Header] | None) -> dict[str, str]:
    return {header.name.lower(): header.value for header in reversed(list(headers or ()))}


def _match(raw: RouteMatch) -> model.RouteMatch:
    path = raw.path or PathMatch()
    odd = [f"path type {path.type}"] if path.type not in {None, *_PATHS} else []
    return model.RouteMatch(
        path_type=path.type if path.type in _PATHS else "PathPrefix",
        path=(path.value or "/") if not odd else "/",
        method=raw.method or "",
        headers=_values(raw.headers),
        query=_values(raw.query_params),
        unmodelled=(*odd, *_odd_values("headers", raw.headers), *_odd_values("queryParams", raw.query_params)),
    )


def _grpc_match(raw: GRPCMatch) -> model.RouteMatch:
    """A match of a method, as one of the path (createGRPCURIMatch)."""
    method = raw.method or MethodMatch()
    odd = [f"method type {method.type}"] if method.type not in {None, *_VALUES} else []
    exact = method.type in {None, "Exact"}
    path_type, path = "PathPrefix", "/"
    if method.service and method.method:
        path_type, path = ("Exact" if exact else "RegularExpression"), f"/{method.service}/{method.method}"
    elif method.service:
        path_type, path = ("Prefix", f"/{method.service}/") if exact else ("RegularExpression", f"/{method.service}/.+")
    elif method.method:
        path_type, path = "RegularExpression", f"/[^/]+/{method.method}"
    return model.RouteMatch(
        path_type=path_type if not odd else "PathPrefix",
        path=path if not odd else "/",
        headers=_values(raw.headers),
        unmodelled=(*odd, *_odd_values("headers", raw.headers)),
    )


def _values(raw: Iterable[HeaderMatch] | None) -> tuple[model.HeaderMatch, ...]:
    return tuple(model.HeaderMatch(h.name, h.value, h.type or "Exact") for h in raw or () if h.type in {None, *_VALUES})


def _odd_values(name: str, raw: Iterable[HeaderMatch] | None) -> Iterator[str]:
    return (f"{name}[{i}] type {h.type}" for i, h in enumerate(raw or ()) if h.type not in {None, *_VALUES})


def _kind(name: str, plural: str, versions: tuple[str, ...], wire: type[Any], pairs: Pairs = Pairs.UNAFFECTED) -> Kind:
    convert = partial(route, kind=name)
    return Kind(
        name,
        GATEWAY_API,
        versions,
        plural,
        "http_routes",
        wire,
        convert,
        checked=True,
        optional=True,
        role=Role.ROUTING,
        pairs=pairs,
        reports=True,
    )


KINDS = (
    _kind("HTTPRoute", "httproutes", GATEWAY_VERSIONS, HTTPRoute),
    _kind("GRPCRoute", "grpcroutes", ("v1", "v1alpha2"), GRPCRoute),
)
