"""HTTPRoutes: which rule a request takes at a gateway, and where it is sent (gateway.networking.k8s.io/v1, HTTPRouteRule)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from meshtui.engine.matching.http import header, host_of, normal_path, query_of
from meshtui.engine.matching.selectors import matches as selects
from meshtui.model.flow import HttpRequest
from meshtui.model.gateway import Gateway, HeaderMatch, HTTPRoute, Listener, RouteMatch, RouteRule
from meshtui.model.policy import TargetRef
from meshtui.model.snapshot import Snapshot

_GROUP = "gateway.networking.k8s.io"
_KINDS = {"Exact": 0, "PathPrefix": 1, "RegularExpression": 2}
_NEVER = datetime.max.replace(tzinfo=UTC)
SERVED = {"HTTP", "HTTPS"}
_SLOW = re.compile(r"[*+}][^()]*\)[*+{]|(?:[*+}].*){4}")
_LONGEST = 1024


@dataclass(frozen=True, slots=True)
class Entry:
    """One match of one rule of a route, for one host (``*`` is any, ``*.x`` those under x)."""

    host: str
    route: HTTPRoute
    index: int
    rule: RouteRule
    match: RouteMatch
    order: int

    def rank(self) -> tuple[object, ...]:
        """Exact path, longest prefix, method, most headers, most query parameters, oldest route, name, order."""
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

    def in_words(self) -> str:
        """What it takes: ``GET /inven/stock… at api.service.net``."""
        m = self.match
        path = f"{m.path.rstrip('/')}/…" if m.path_type == "PathPrefix" else m.path
        extra = [f"{h.name}: {h.value}" for h in m.headers] + [f"?{q.name}={q.value}" for q in m.query]
        host = "" if self.host == "*" else f" at {self.host}"
        return f"{m.method or 'any method'} {path}{host}" + (f" with {', '.join(extra)}" if extra else "")


def entries(snapshot: Snapshot, gateway: Gateway, port: int | None = None) -> list[Entry]:
    """Every match of every route that is attached to a Gateway's listeners (those on a port, if given), the best first."""
    found: dict[tuple[object, ...], Entry] = {}
    for listener in gateway.listeners:
        if listener.protocol not in SERVED or port not in {None, listener.port}:
            continue
        for route in snapshot.http_routes.values():
            if any(_is_parent(p, route, gateway, listener) for p in route.parents) and _may_attach(
                snapshot, route, gateway, listener
            ):
                found |= {(e.host, e.route.meta.uid, e.order): e for e in _of(route, listener)}
    return sorted(found.values(), key=lambda entry: entry.rank())


def _of(route: HTTPRoute, listener: Listener) -> Iterator[Entry]:
    """A route's matches for each host that it and the listener agree on; a rule without matches takes everything."""
    for host in _hosts(route, listener):
        order = 0
        for index, rule in enumerate(route.rules):
            for match in rule.matches or (RouteMatch(),):
                yield Entry(host, route, index, rule, match, order)
                order += 1


def _is_parent(ref: TargetRef, route: HTTPRoute, gateway: Gateway, listener: Listener) -> bool:
    return (
        ref.group in {"", _GROUP}
        and ref.kind in {"", "Gateway"}
        and (ref.namespace or route.meta.namespace, ref.name) == (gateway.meta.namespace, gateway.meta.name)
        and ref.section in {"", listener.name}
        and ref.port in {None, listener.port}
    )


def _may_attach(snapshot: Snapshot, route: HTTPRoute, gateway: Gateway, listener: Listener) -> bool:
    """A listener's allowedRoutes: Same (the default), All, or namespaces that a selector chooses."""
    if listener.allowed == "All":
        return True
    if listener.allowed == "Selector":
        namespace = snapshot.namespace_by_name.get(route.meta.namespace)
        return listener.allowed_selector is not None and selects(listener.allowed_selector, namespace.labels if namespace else {})
    return route.meta.namespace == gateway.meta.namespace


def _hosts(route: HTTPRoute, listener: Listener) -> list[str]:
    """The narrower of each pair of the route's and the listener's hosts; those that don't meet are left out."""
    offered = (listener.hostname or "*").lower()
    narrowed = (_narrower(host.lower(), offered) for host in route.hostnames or ("*",))
    return [host for host in narrowed if host]


def _narrower(one: str, other: str) -> str:
    if covers(other, one):
        return one
    return other if covers(one, other) else ""


def covers(pattern: str, host: str) -> bool:
    """Whether a host (or a narrower pattern) is one of a pattern's: ``*.x`` takes any number of labels before x."""
    return pattern in {"*", host} or (pattern.startswith("*.") and host.endswith(pattern[1:]) and host != pattern[1:])


@dataclass(frozen=True, slots=True)
class Choice:
    """Where a request goes: the entry that takes it, or None (404); ``doubt`` says what can't be told."""

    entry: Entry | None = None
    doubt: str = ""


def choose(found: Iterable[Entry], http: HttpRequest) -> Choice:
    """The entry that a request takes: of the most specific host, the first that matches (no falling back to a wider host).

    A request whose host isn't known is taken to carry one that a route wants.
    """
    candidates, host = list(found), host_of(http)
    if host:
        covering = {entry.host for entry in candidates if covers(entry.host, host)}
        best = max(covering, key=lambda pattern: (not pattern.startswith("*"), len(pattern)), default=None)
        candidates = [entry for entry in candidates if entry.host == best]
    for entry in candidates:
        answer = takes(entry.match, http)
        if answer is None:
            return Choice(doubt=f"{entry.route.meta.ref} rules[{entry.index}] has an expression that can't be read")
        if answer:
            return Choice(entry)
    return Choice()


def takes(match: RouteMatch, http: HttpRequest) -> bool | None:
    """Whether ALL that a match sets holds; None when an expression can't be read."""
    if match.method and match.method != http.method:
        return False
    query = query_of(http.path)
    answers = [
        _path(match, normal_path(http.path)),
        *(_value(h, header(http, h.name)) for h in match.headers),
        *(_value(q, query.get(q.name)) for q in match.query),
    ]
    if False in answers:
        return False
    return None if None in answers else True


def _path(match: RouteMatch, path: str) -> bool | None:
    match match.path_type:
        case "Exact":
            return path == match.path
        case "PathPrefix":  # whole elements: /a takes /a and /a/b, not /ab
            prefix = match.path.rstrip("/")
            return path == prefix or path.startswith(f"{prefix}/")
        case _:
            return _expression(match.path, path)


def _value(wanted: HeaderMatch, value: str | None) -> bool | None:
    if value is None:
        return False
    return _expression(wanted.value, value) if wanted.type == "RegularExpression" else value == wanted.value


def _expression(pattern: str, text: str) -> bool | None:
    """A regular expression on the whole text; RE2's syntax, as far as Python shares it.

    None for what can't be read, and for repetitions of repetitions, which RE2 takes in its stride and Python doesn't.
    """
    if _SLOW.search(pattern) or len(pattern) > _LONGEST:
        return None
    try:
        return re.fullmatch(pattern, text) is not None
    except (re.error, OverflowError, RecursionError):
        return None


def sample(entry: Entry) -> HttpRequest | None:
    """A request that an entry's match takes; None for expressions."""
    m = entry.match
    if m.path_type not in {"Exact", "PathPrefix"} or any(x.type == "RegularExpression" for x in (*m.headers, *m.query)):
        return None
    query = "&".join(f"{q.name}={q.value}" for q in m.query)
    host = entry.host.replace("*", "any") if entry.host != "*" else ""
    made = HttpRequest(m.method or "GET", m.path, host, tuple((h.name, h.value) for h in m.headers))
    return replace(made, path=f"{m.path}?{query}") if query else made
