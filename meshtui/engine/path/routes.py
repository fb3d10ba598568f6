"""Routes: whether a rule's match takes a request, and the rule of HTTPRoutes and GRPCRoutes for a request at a gateway.

Source: gateway.networking.k8s.io/v1, HTTPRouteRule; istio/istio pilot/pkg/config/kube/gateway/conversion.go (sortHTTPRoutes,
referenceAllowed).  ``virtual_routes`` has the order of VirtualServices.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import Enum

from meshtui.engine.matching.http import BASE, header, host_of, normal_path, query_of
from meshtui.engine.matching.selectors import matches_as_far_as_known
from meshtui.model.flow import HttpRequest
from meshtui.model.gateway import Gateway, HeaderMatch, HTTPRoute, Listener, OtherRoute, RouteMatch, RouteRule
from meshtui.model.policy import TargetRef
from meshtui.model.reason import Code, Reason, because
from meshtui.model.snapshot import Snapshot
from meshtui.model.verdict import Decider
from meshtui.model.virtual_service import VirtualService

_GROUP = "gateway.networking.k8s.io"
_KINDS = {"Exact": 0, "PathPrefix": 1, "Prefix": 1, "RegularExpression": 2}
_NEVER = datetime.max.replace(tzinfo=UTC)
SERVED = {"HTTP", "HTTPS"}
_WITH_NAMES = {"HTTPS", "TLS"}
_BY_PROTOCOL = {
    "HTTP": {"HTTPRoute", "GRPCRoute"},
    "HTTPS": {"HTTPRoute", "GRPCRoute"},
    "TLS": {"TLSRoute", "TCPRoute"},
    "TCP": {"TCPRoute"},
    "UDP": {"UDPRoute"},
}
"""The kinds of routes for the protocols of the Gateway API (gatewaycommon/conversion.go, GenerateGatewaySupportedKinds)."""
AUTHORITY = ":authority"
"""The request's host, as a header."""
_SLOW = re.compile(r"[*+}][^()]*\)[*+{]|(?:[*+}].*){4}")
_LONGEST = 1024


@dataclass(frozen=True, slots=True)
class Entry:
    """One match of one rule of a route, for one host (``*`` is any host, ``*.x`` any host under x).

    ``doubt`` is the reason why it isn't known whether its listener serves a request. ``rivals`` are the hosts of other listeners
    with TLS on its port that are more specific than its own: their requests come to those by the server name.
    """

    host: str
    route: HTTPRoute | VirtualService
    index: int
    rule: RouteRule
    match: RouteMatch
    order: int
    doubt: Reason | None = None
    rivals: tuple[str, ...] = ()

    @property
    def decider(self) -> Decider:
        """The route with the path to its rule."""
        field = "rules" if isinstance(self.route, HTTPRoute) else "http"
        return Decider(self.route.meta.ref, f"{field}[{self.index}]")

    def rank(self) -> tuple[object, ...]:
        """A sort key: exact path, longest prefix, method, most headers, most query parameters, oldest route, name, order."""
        m, meta = self.match, self.route.meta
        return (
            _KINDS.get(m.path_type, 3),
            -len(m.path),
            not m.method,
            -len(m.headers),
            -len(m.query),
            meta.created or _NEVER,
            meta.namespace,
            meta.name,
            self.order,
        )


def entries(snapshot: Snapshot, gateway: Gateway, port: int | None = None) -> list[Entry]:
    """Every match of every route attached to a Gateway's listeners (of one port, if given), the most specific first.

    Of several listeners with one route, one without a doubt counts.
    """
    found: dict[tuple[object, ...], Entry] = {}
    for listener in sorted(gateway.listeners, key=lambda listener: _doubt(gateway, listener) is None):
        if listener.protocol not in SERVED or port not in {None, listener.port}:
            continue
        for route in snapshot.http_routes.values():
            if not any(_is_parent(p, route, gateway, listener) for p in route.parents):
                continue
            attached = _attaches(snapshot, route, gateway, listener)
            if attached is not False:
                known = route if attached else _perhaps_attached(route, listener)
                found |= {(e.host, e.route.meta.uid, e.order): e for e in _of(known, gateway, listener)}
    return sorted(found.values(), key=lambda entry: entry.rank())


def _doubt(gateway: Gateway, listener: Listener) -> Reason | None:
    ref = gateway.meta.ref
    if listener.unmodelled:
        return because(Code.LISTENER_FIELDS_NOT_MODELLED, listener=listener.name, gateway=ref, fields=listener.unmodelled)
    return because(Code.CERTIFICATE_NEEDED, listener=listener.name, gateway=ref) if listener.certificate else None


def _rivals(gateway: Gateway, listener: Listener) -> tuple[str, ...]:
    """The more specific hosts of a port's other listeners (gateway.go: with TLS, each has a filter chain of its own)."""
    if listener.protocol == "HTTP":
        return ()
    own = (listener.hostname or "*").lower()
    others = {item.hostname.lower() for item in gateway.listeners if item.port == listener.port and item.protocol in _WITH_NAMES}
    return tuple(sorted(host for host in others if host and host != own and covers(own, host)))


def _of(route: HTTPRoute, gateway: Gateway, listener: Listener) -> Iterator[Entry]:
    """The matches of a route for each host that both it and the listener accept; a rule without matches accepts every request."""
    doubt, rivals = _doubt(gateway, listener), _rivals(gateway, listener)
    for host in _hosts(route, listener):
        order = 0
        for index, rule in enumerate(route.rules):
            for match in rule.matches or (RouteMatch(),):
                yield Entry(host, route, index, rule, match, order, doubt, rivals)
                order += 1


def _is_parent(ref: TargetRef, route: HTTPRoute | OtherRoute, gateway: Gateway, listener: Listener) -> bool:
    return (
        ref.group in {"", _GROUP}
        and ref.kind in {"", "Gateway"}
        and (ref.namespace or route.meta.namespace, ref.name) == (gateway.meta.namespace, gateway.meta.name)
        and ref.section in {"", listener.name}
        and ref.port in {None, listener.port}
    )


def _attaches(snapshot: Snapshot, route: HTTPRoute, gateway: Gateway, listener: Listener) -> bool | None:
    """Whether a listener's allowedRoutes admit a route: Same (the default), All, or the namespaces of a selector.

    None if it depends on labels of the route's namespace that aren't known.
    """
    if listener.kinds and route.meta.kind not in listener.kinds:
        return False
    return _admits(snapshot, route.meta.namespace, gateway, listener)


def _admits(snapshot: Snapshot, home: str, gateway: Gateway, listener: Listener) -> bool | None:
    """Whether a listener admits routes of a namespace; None if it depends on labels of it that aren't known."""
    if listener.allowed == "All":
        return True
    if listener.allowed == "Selector":
        namespace = snapshot.namespace_by_name.get(home)
        if listener.allowed_selector is None:
            return False
        known, labels = namespace is None or namespace.known, namespace.labels if namespace else {}
        return matches_as_far_as_known(listener.allowed_selector, labels, known=known)
    return home == gateway.meta.namespace


def _perhaps_attached(route: HTTPRoute, listener: Listener) -> HTTPRoute:
    """A route whose rules aren't modelled, since it isn't known whether the listener admits it."""
    field = f"allowedRoutes of listener {listener.name}, with the labels of namespace {route.meta.namespace}"
    return replace(route, rules=tuple(replace(rule, unmodelled=(*rule.unmodelled, field)) for rule in route.rules))


def _hosts(route: HTTPRoute | OtherRoute, listener: Listener) -> list[str]:
    """The intersection of the route's hosts with the listener's host; hosts without an intersection are omitted."""
    offered = (listener.hostname or "*").lower()
    narrowed = (narrower(host.lower(), offered) for host in route.hostnames or ("*",))
    return [host for host in narrowed if host]


def narrower(one: str, other: str) -> str:
    """The narrower of two hosts, of which one covers the other; empty if none does."""
    if covers(other, one):
        return one
    return other if covers(one, other) else ""


def covers(pattern: str, host: str) -> bool:
    """Whether a host (or a narrower pattern) matches a pattern: ``*.x`` matches any number of labels before x."""
    return pattern in {"*", host} or (pattern.startswith("*.") and host.endswith(pattern[1:]) and host != pattern[1:])


@dataclass(frozen=True, slots=True)
class Choice:
    """The entry that matches a request, or None (404); ``doubt`` is the reason why the entry isn't known.

    ``secured`` is the server that redirects the request because it isn't encrypted.
    """

    entry: Entry | None = None
    doubt: Reason | None = None
    secured: Decider | None = None


def best_host(hosts: Iterable[str], host: str) -> str | None:
    """The most specific of some patterns that cover a host, as Envoy chooses a virtual host; None if none does."""
    covering = {pattern for pattern in hosts if covers(pattern, host)}
    return max(covering, key=lambda pattern: (not pattern.startswith("*"), len(pattern)), default=None)


def choose(found: Iterable[Entry], http: HttpRequest, normalization: str = BASE) -> Choice:
    """The entry for a request: of the most specific host, the first that matches; there is no fallback to a wider host.

    Istio makes separate rules of HTTPRoutes and of GRPCRoutes: their order isn't known if both take the request.
    A request without a known host is assumed to have a host that a route accepts.
    """
    candidates, host = list(found), host_of(http)
    if host:
        best = best_host((entry.host for entry in candidates), host)
        candidates = [entry for entry in candidates if entry.host == best]
    kinds = dict.fromkeys(entry.route.meta.kind for entry in candidates)
    choices = [_first(http, (e for e in candidates if e.route.meta.kind == kind), normalization) for kind in kinds]
    taking = [choice for choice in choices if choice != Choice()]
    rules = tuple(choice.entry.decider for choice in taking if choice.entry is not None)
    if len(rules) > 1:
        return Choice(doubt=because(Code.ROUTE_ORDER_NOT_KNOWN, rules=rules, between="HTTPRoutes and GRPCRoutes"))
    return next((choice for choice in taking if choice.doubt is not None), taking[0] if taking else Choice())


def _first(http: HttpRequest, candidates: Iterable[Entry], normalization: str) -> Choice:
    """The first of some entries that takes a request."""
    for entry in candidates:
        answer = takes(entry.match, http, normalization)
        if answer is None:
            return Choice(doubt=unreadable(entry))
        if answer and any(covers(rival, host_of(http)) for rival in entry.rivals):
            return Choice(doubt=because(Code.LISTENER_FOR_HOST, host=host_of(http), rule=entry.decider))
        if answer:
            return Choice(entry)
    return Choice()


def unreadable(entry: Entry) -> Reason:
    """Why it isn't known whether an entry takes a request."""
    reads_host = any(condition.name == AUTHORITY for condition in entry.match.headers)
    fields = (*entry.match.unmodelled, *(("authority",) if reads_host else ()))
    if fields:
        return because(Code.ROUTE_FIELDS_NOT_MODELLED, rule=entry.decider, fields=fields)
    return because(Code.ROUTE_EXPRESSION_UNREADABLE, rule=entry.decider)


def takes(match: RouteMatch, http: HttpRequest, normalization: str = BASE) -> bool | None:
    """Whether ALL conditions of a match hold; None when an expression can't be evaluated, or a condition isn't modelled."""
    if match.method and match.method != http.method:
        return False
    query = query_of(http.path)
    answers = [
        _path(match, normal_path(http.path, normalization)),
        *(_header(h, http) for h in match.headers),
        *(_value(q, query.get(q.name)) for q in match.query),
        *(_absent(h, header(http, h.name)) for h in match.without),
    ]
    if False in answers:
        return False
    return None if None in answers or match.unmodelled else True


def _header(wanted: HeaderMatch, http: HttpRequest) -> bool | None:
    if wanted.name == AUTHORITY and not http.host:
        return None
    return _value(wanted, header(http, wanted.name))


def _path(match: RouteMatch, path: str) -> bool | None:
    wanted = match.path
    if match.ignore_case and match.path_type != "RegularExpression":
        wanted, path = wanted.lower(), path.lower()
    match match.path_type:
        case "Exact":
            return path == wanted
        case "PathPrefix":  # Only whole elements match: /a matches /a and /a/b, not /ab
            prefix = wanted.rstrip("/")
            return path == prefix or path.startswith(f"{prefix}/")
        case "Prefix":
            return path.startswith(wanted)
        case _:
            return _expression(wanted, path)


def _value(wanted: HeaderMatch, value: str | None) -> bool | None:
    if value is None:
        return False
    match wanted.type:
        case "Present":
            return True
        case "Prefix":
            return value.startswith(wanted.value)
        case "RegularExpression":
            return _expression(wanted.value, value)
    return value == wanted.value


def _absent(unwanted: HeaderMatch, value: str | None) -> bool | None:
    """Whether a header doesn't match; a missing one counts as empty (route.go, TranslateRouteMatch)."""
    found = _value(unwanted, value if unwanted.type == "Present" else value or "")
    return None if found is None else not found


def _expression(pattern: str, text: str) -> bool | None:
    """Match a regular expression with the whole text, in the part of RE2's syntax that Python shares.

    None for expressions that Python can't parse, and for nested repetitions, which take linear time in RE2 but not in Python.
    """
    if _SLOW.search(pattern) or len(pattern) > _LONGEST:
        return None
    try:
        return re.fullmatch(pattern, text) is not None
    except (re.error, OverflowError, RecursionError):
        return None


def sample(entry: Entry) -> HttpRequest | None:
    """A request that an entry's match accepts; None for matches with regular expressions and those that aren't modelled."""
    m = entry.match
    conditions = (*m.headers, *m.query)
    odd = m.without or m.unmodelled or any(x.type == "RegularExpression" or x.name.startswith(":") for x in conditions)
    if odd or m.path_type == "RegularExpression":
        return None
    query = "&".join(f"{q.name}={q.value}" for q in m.query)
    host = entry.host.replace("*", "any") if entry.host != "*" else ""
    made = HttpRequest(m.method or "GET", m.path, host, tuple((h.name, h.value) for h in m.headers))
    return replace(made, path=f"{m.path}?{query}") if query else made


class Refusal(Enum):
    """Why no listener of a Gateway serves a route that names the Gateway as its parent."""

    LISTENER = "there is no such listener"
    NAMESPACE = "no listener admits routes of its namespace"
    KIND = "no listener takes routes of its kind"
    HOST = "no listener has one of its hostnames"


def refusal(snapshot: Snapshot, route: HTTPRoute | OtherRoute, parent: TargetRef, gateway: Gateway) -> Refusal | None:
    """Why no listener of a Gateway serves a route; None if one does, or may, and for waypoints, whose listener is for HBONE."""
    listeners = [item for item in gateway.listeners if _is_parent(parent, route, gateway, item)]
    if gateway.is_waypoint or (gateway.takes_sets and len(listeners) != 1):
        return None
    if not listeners:
        return Refusal.LISTENER
    fitting = [item for item in listeners if _takes_kind(item, route.meta.kind)]
    if not fitting:
        return Refusal.KIND
    admitting = [item for item in fitting if _admits(snapshot, route.meta.namespace, gateway, item) is not False]
    if not admitting:
        return Refusal.NAMESPACE
    if not any(_hosts(route, item) for item in admitting):
        return Refusal.HOST
    return None


def _takes_kind(listener: Listener, kind: str) -> bool:
    """Whether a listener takes routes of a kind; protocols that aren't the Gateway API's may take any."""
    return (not listener.kinds or kind in listener.kinds) and kind in _BY_PROTOCOL.get(listener.protocol, {kind})
