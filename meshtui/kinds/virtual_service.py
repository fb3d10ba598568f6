"""VirtualServices."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from msgspec import field

from meshtui.kinds.convert import meta, strings
from meshtui.kinds.kind import ISTIO_NETWORKING, NETWORKING_VERSIONS, Kind, Pairs, Role
from meshtui.kinds.wire import ObjectMeta, Wire
from meshtui.model import gateway as routes
from meshtui.model import virtual_service as model

_CLAIMS = "@request.auth.claims"
"""The start of a header name that stands for a claim of the request's token."""
_AUTHORITY = frozenset({":authority", "host"})


class StringMatch(Wire):
    """A condition on a text; without a field, any text matches."""

    exact: str | None = None
    prefix: str | None = None
    regex: str | None = None


class Match(Wire):
    """match[] of an HTTP rule."""

    name: str | None = None
    uri: StringMatch | None = None
    scheme: StringMatch | None = None
    method: StringMatch | None = None
    authority: StringMatch | None = None
    headers: dict[str, StringMatch | None] | None = None
    port: int | None = None
    source_labels: dict[str, str] | None = None
    gateways: list[str] | None = None
    query_params: dict[str, StringMatch | None] | None = None
    ignore_uri_case: bool | None = None
    without_headers: dict[str, StringMatch | None] | None = None
    source_namespace: str | None = None
    stat_prefix: str | None = None


class PortNumber(Wire):
    """port of a destination."""

    number: int | None = None


class Destination(Wire):
    """destination of a route."""

    host: str = ""
    subset: str | None = None
    port: PortNumber | None = None


class HeaderOperations(Wire):
    """request of headers."""

    set: dict[str, str] | None = None
    add: dict[str, str] | None = None
    remove: list[str] | None = None


class Headers(Wire):
    """headers of a rule or a destination."""

    request: HeaderOperations | None = None
    response: dict[str, Any] | None = None


class RouteDestination(Wire):
    """route[] of an HTTP rule."""

    destination: Destination | None = None
    weight: int | None = None
    headers: Headers | None = None


class Redirect(Wire):
    """redirect of an HTTP rule."""

    uri: str | None = None
    authority: str | None = None
    port: int | None = None
    derive_port: str | None = None
    scheme: str | None = None
    redirect_code: int | None = None
    prefix_rewrite: str | None = None


class DirectResponse(Wire):
    """directResponse of an HTTP rule."""

    status: int = 0
    body: dict[str, Any] | None = None


class Rewrite(Wire):
    """rewrite of an HTTP rule."""

    uri: str | None = None
    authority: str | None = None
    uri_regex_rewrite: dict[str, Any] | None = None


class Fault(Wire):
    """fault of an HTTP rule."""

    delay: dict[str, Any] | None = None
    abort: dict[str, Any] | None = None


class HTTPRule(Wire):
    """http[] of a VirtualService."""

    name: str | None = None
    match: list[Match] | None = None
    route: list[RouteDestination] | None = None
    redirect: Redirect | None = None
    direct_response: DirectResponse | None = None
    delegate: dict[str, Any] | None = None
    rewrite: Rewrite | None = None
    timeout: Any = None
    retries: Any = None
    fault: Fault | None = None
    mirror: Any = None
    mirrors: Any = None
    mirror_percent: Any = None
    mirror_percentage: Any = None
    cors_policy: dict[str, Any] | None = None
    headers: Headers | None = None


class OtherRule(Wire):
    """tls[] and tcp[] of a VirtualService."""

    match: Any = None
    route: list[RouteDestination] | None = None


class VirtualServiceSpec(Wire):
    """spec of a VirtualService."""

    hosts: list[str] | None = None
    gateways: list[str] | None = None
    http: list[HTTPRule] | None = None
    tls: list[OtherRule] | None = None
    tcp: list[OtherRule] | None = None
    export_to: list[str] | None = None


class VirtualService(Wire):
    """The object: metadata and spec."""

    metadata: ObjectMeta = field(default_factory=ObjectMeta)
    spec: VirtualServiceSpec | None = None


def virtual_service(raw: VirtualService, origin: str = "", unmodelled: tuple[str, ...] = ()) -> model.VirtualService:
    """Convert a VirtualService; names of hosts and gateways get their namespace (istio/istio pilot/pkg/model/virtualservice.go).

    ``unmodelled`` are the paths of unknown fields; those in an HTTP rule are kept with the rule.
    """
    spec, converted = raw.spec or VirtualServiceSpec(), meta("VirtualService", raw.metadata, origin=origin)
    home = converted.namespace
    return model.VirtualService(
        meta=converted,
        hosts=tuple(_full(host.lower(), home) for host in spec.hosts or ()),
        gateways=tuple(_gateway(name, home) for name in spec.gateways or (model.MESH,)),
        export_to=strings(spec.export_to),
        rules=tuple(_rule(rule, home, _within(unmodelled, index)) for index, rule in enumerate(spec.http or ())),
        others=_others([*(spec.tls or ()), *(spec.tcp or ())], home),
        unmodelled=tuple(path for path in unmodelled if not re.match(r"spec\.http\[\d+\]\.", path)),
    )


def _others(rules: list[OtherRule], namespace: str) -> routes.RouteRule | None:
    """The destinations of all routes for TLS and TCP, in one rule, which isn't evaluated."""
    found = [one for rule in rules for one in rule.route or ()]
    backends = tuple(_backend(one, namespace, alone=True) for one in found)
    return routes.RouteRule(backends=backends, unmodelled=("tls, tcp",)) if rules else None


def _within(paths: Iterable[str], index: int) -> tuple[str, ...]:
    """The fields of one HTTP rule, without the path to it."""
    start = f"spec.http[{index}]."
    return tuple(path.removeprefix(start) for path in paths if path.startswith(start))


def _full(host: str, namespace: str) -> str:
    """A host with the namespace and domain that Istio adds to a name without a dot."""
    return host if "." in host or host == "*" or not host else f"{host}.{namespace}.svc.cluster.local"


def _gateway(name: str, namespace: str) -> str:
    """``namespace/name`` of a gateway that is named so, by its name alone, or (formerly) as ``name.namespace``."""
    if name == model.MESH:
        return name
    space, slash, bare = name.partition("/")
    if slash:
        return f"{namespace if space == '.' else space}/{bare}"
    bare, dot, rest = name.partition(".")
    return f"{rest.partition('.')[0] if dot else namespace}/{bare}"


def _rule(raw: HTTPRule, namespace: str, unknown: tuple[str, ...]) -> routes.RouteRule:
    answered = raw.redirect is not None or raw.direct_response is not None
    destinations = () if answered else tuple(raw.route or ())
    backends = tuple(_backend(one, namespace, alone=len(destinations) == 1) for one in destinations)
    return routes.RouteRule(
        matches=tuple(_match(match, namespace) for match in raw.match or ()),
        backends=backends,
        filters=("CORS",) if raw.cors_policy is not None else (),
        redirect=(raw.redirect.redirect_code or 301) if raw.redirect is not None else 0,
        answer=raw.direct_response.status if raw.direct_response is not None and raw.redirect is None else 0,
        rewrite=_rewrite(raw, destinations),
        delegates=raw.delegate is not None,
        unmodelled=(*unknown, *_not_modelled(raw, destinations), *_pointless(raw, backends)),
    )


def _not_modelled(raw: HTTPRule, destinations: tuple[RouteDestination, ...]) -> Iterable[str]:
    """The fields of a rule that make its requests unknown."""
    if raw.delegate is not None:
        yield "delegate"
    if raw.fault is not None and raw.fault.abort is not None:
        yield "fault.abort"
    for index, one in enumerate(destinations):
        if one.destination is not None and one.destination.subset:
            yield f"route[{index}].destination.subset"


def _pointless(raw: HTTPRule, backends: tuple[routes.BackendRef, ...]) -> Iterable[str]:
    """What proxies refuse: a rule that neither sends a request anywhere nor answers it."""
    if raw.redirect is None and raw.direct_response is None and raw.delegate is None and not any(b.weight for b in backends):
        yield "route"


def _backend(raw: RouteDestination, namespace: str, *, alone: bool) -> routes.BackendRef:
    """A destination; without a weight it gets nothing, unless it is the only one (route.go, applyHTTPRouteDestination).

    Only the full name of a Service is a Service's: a name with a dot gets no domain.
    """
    to = raw.destination or Destination()
    weight = 1 if alone else raw.weight or 0
    port = to.port.number if to.port else None
    found = re.fullmatch(r"([^.]+)\.([^.]+)\.svc\.cluster\.local\.?", _full(to.host.lower(), namespace))
    if found is None:
        return routes.BackendRef(to.host, "", port, weight, "Host")
    return routes.BackendRef(found[1], found[2], port, weight)


def _rewrite(raw: HTTPRule, destinations: tuple[RouteDestination, ...]) -> routes.Rewrite | None:
    """What the rule changes of a request."""
    own, rewrite = raw.headers, raw.rewrite or Rewrite()
    theirs = [one.headers.request for one in destinations if one.headers is not None and one.headers.request is not None]
    if not theirs and raw.rewrite is None and (own is None or own.request is None):
        return None
    made = rewrite_of(own, theirs, len(destinations))
    return replace(
        made,
        path=rewrite.uri or None,
        host=rewrite.authority or made.host,
        opaque=made.opaque or rewrite.uri_regex_rewrite is not None,
    )


def rewrite_of(own: Headers | None, theirs: list[HeaderOperations], several: int) -> routes.Rewrite:
    """The changes of headers by a rule and by its destinations, of which there are ``several``.

    Different headers for several destinations aren't told apart: they are unknown.
    """
    first = (own and own.request) or HeaderOperations()
    second = theirs[0] if theirs else HeaderOperations()
    sets = {**(first.set or {}), **(second.set or {})}
    adds = (*(first.add or {}).items(), *(second.add or {}).items())
    authority = [value for name, value in sets.items() if name.lower() in _AUTHORITY]
    variables = any("%" in value for _, value in (*sets.items(), *adds))
    return routes.Rewrite(
        host=authority[0] if authority else "",
        set_headers=tuple((name, value) for name, value in sets.items() if name.lower() not in _AUTHORITY),
        add_headers=adds,
        remove_headers=(*(first.remove or ()), *(second.remove or ())),
        opaque=variables or bool(theirs and several > 1),
    )


def _match(raw: Match, namespace: str) -> routes.RouteMatch:
    path_type, path = _path(raw.uri)
    method = raw.method.exact if raw.method is not None and raw.method.exact is not None else ""
    conditions = [each for each in _conditions(raw.headers) if not each.name.startswith(_CLAIMS)]
    if raw.method is not None and not method:
        conditions.append(_condition(":method", raw.method))
    if raw.authority is not None:
        conditions.append(_condition(":authority", raw.authority))
    odd = [f"headers[{name}]" for name in (*(raw.headers or ()), *(raw.without_headers or ())) if name.startswith(_CLAIMS)]
    return routes.RouteMatch(
        path_type=path_type,
        path=path,
        method=method,
        headers=tuple(conditions),
        query=tuple(_conditions(raw.query_params)),
        ignore_case=bool(raw.ignore_uri_case),
        port=raw.port or None,
        without=tuple(each for each in _conditions(raw.without_headers) if not each.name.startswith(_CLAIMS)),
        source_labels=tuple(sorted((raw.source_labels or {}).items())),
        source_namespace=raw.source_namespace or "",
        gateways=tuple(_gateway(name, namespace) for name in raw.gateways or ()),
        unmodelled=(*odd, *(("scheme",) if raw.scheme is not None else ())),
    )


def _path(raw: StringMatch | None) -> tuple[str, str]:
    """(type, value) of a path's condition; a prefix is one of the text, not of its elements (route.go, TranslateRouteMatch)."""
    if raw is None:
        return "Prefix", "/"
    if raw.exact is not None:
        return "Exact", raw.exact
    if raw.regex is not None:
        return "RegularExpression", raw.regex
    return "Prefix", raw.prefix or "/"


def _conditions(raw: Mapping[str, StringMatch | None] | None) -> Iterable[routes.HeaderMatch]:
    return (_condition(name, match) for name, match in (raw or {}).items())


def _condition(name: str, raw: StringMatch | None) -> routes.HeaderMatch:
    """A condition on a header; an empty one, and the expression ``*``, are for any value."""
    raw = raw or StringMatch()
    if raw.exact is not None:
        return routes.HeaderMatch(name, raw.exact)
    if raw.prefix is not None:
        return routes.HeaderMatch(name, raw.prefix, "Prefix")
    if raw.regex is not None and raw.regex != "*":
        return routes.HeaderMatch(name, raw.regex, "RegularExpression")
    return routes.HeaderMatch(name, "", "Present")


KINDS = (
    Kind(
        "VirtualService",
        ISTIO_NETWORKING,
        NETWORKING_VERSIONS,
        "virtualservices",
        "virtual_services",
        VirtualService,
        virtual_service,
        checked=True,
        optional=True,
        role=Role.ROUTING,
        pairs=Pairs.EVERYBODY,
        reports=True,
        unreadable={
            "hosts": ("*",),
            "gateways": (model.ANY,),
            "rules": (routes.RouteRule((routes.RouteMatch("Prefix", "/", unmodelled=("spec",)),), delegates=True),),
        },
    ),
)
