"""HTTPRoutes (gateway.networking.k8s.io/v1) as Envoy's virtual hosts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from meshtui.sandbox.dataplane.selectors import selects
from meshtui.sandbox.dataplane.world import World
from meshtui.sandbox.ports import Obj

Json = dict[str, Any]
ClusterOf = Callable[[str, str, int], str | None]
"""(namespace, Service, port) → the cluster for it, or None if there is no such Service."""

_GATEWAY_GROUP = "gateway.networking.k8s.io"


@dataclass(frozen=True, slots=True)
class _Entry:
    """One match of one rule, with its sort key."""

    rank: tuple[int, ...]
    route: Json


def virtual_hosts(world: World, gateway: Obj, listener: Obj, cluster_of: ClusterOf) -> list[Json]:
    """Return a virtual host for each host name, with the most specific match first."""
    by_host: dict[str, list[_Entry]] = {}
    for route in _attached(world, gateway, listener):
        entries = [entry for rule in route["spec"].get("rules") or [{}] for entry in _entries(route, rule, cluster_of)]
        for host in _hosts(route, listener):
            by_host.setdefault(host, []).extend(entries)
    # A more specific host also has the routes of the wildcard hosts that cover it.
    anyone = by_host.get("*", [])
    hosts = []
    for index, (host, entries) in enumerate(sorted(by_host.items())):
        everything = entries if host == "*" else [*entries, *anyone]
        ordered = [entry.route for entry in sorted(everything, key=lambda entry: entry.rank)]
        hosts.append({"name": f"host{index}", "domains": [host], "routes": ordered})
    return hosts


def _attached(world: World, gateway: Obj, listener: Obj) -> Iterator[Obj]:
    for route in world.objects.get("httproutes", ()):
        for ref in (route.get("spec") or {}).get("parentRefs") or []:
            if _is_parent(ref, route, gateway, listener) and _may_attach(world, route, gateway, listener):
                yield route
                break


def _is_parent(ref: Obj, route: Obj, gateway: Obj, listener: Obj) -> bool:
    return (
        ref.get("group", _GATEWAY_GROUP) == _GATEWAY_GROUP
        and ref.get("kind", "Gateway") == "Gateway"
        and ref.get("name") == gateway["metadata"]["name"]
        and ref.get("namespace", route["metadata"]["namespace"]) == gateway["metadata"]["namespace"]
        and ref.get("sectionName", listener.get("name")) == listener.get("name")
        and ref.get("port", listener.get("port")) == listener.get("port")
    )


def _may_attach(world: World, route: Obj, gateway: Obj, listener: Obj) -> bool:
    allowed = (listener.get("allowedRoutes") or {}).get("namespaces") or {}
    namespace = route["metadata"]["namespace"]
    match allowed.get("from", "Same"):
        case "All":
            return True
        case "Selector":
            return selects(allowed.get("selector") or {}, world.namespaces.get(namespace, {}))
        case _:
            return bool(namespace == gateway["metadata"]["namespace"])


def _hosts(route: Obj, listener: Obj) -> list[str]:
    """Return the hosts of the route that its listener accepts; a wildcard accepts what it covers."""
    wanted, offered = (route["spec"].get("hostnames") or ["*"]), listener.get("hostname") or "*"
    return [narrow for host in wanted if (narrow := _narrower(host, offered)) is not None]


def _narrower(one: str, other: str) -> str | None:
    if _covers(other, one):
        return one
    return other if _covers(one, other) else None


def _covers(pattern: str, host: str) -> bool:
    return pattern in {"*", host} or (pattern.startswith("*.") and host.endswith(pattern[1:]))


def _entries(route: Obj, rule: Obj, cluster_of: ClusterOf) -> Iterator[_Entry]:
    for match in rule.get("matches") or [{}]:
        path = match.get("path") or {"type": "PathPrefix", "value": "/"}
        headers = [_header(each) for each in match.get("headers") or []]
        if "method" in match:
            headers.append({"name": ":method", "string_match": {"exact": match["method"]}})
        queries = [_query(each) for each in match.get("queryParams") or []]
        matcher: Json = {**_path(path), "headers": headers, "query_parameters": queries}
        entry = {"match": matcher, **_action(route, rule, path, cluster_of), **_header_filters(rule)}
        yield _Entry(_rank(path, match), entry)


def _rank(path: Obj, match: Obj) -> tuple[int, ...]:
    """The sort key: exact path, longest prefix, method, most headers, most query parameters (HTTPRoute reference)."""
    kinds = {"Exact": 0, "PathPrefix": 1, "RegularExpression": 2}
    return (
        kinds.get(path.get("type", "PathPrefix"), 3),
        -len(path.get("value", "/")),
        0 if "method" in match else 1,
        -len(match.get("headers") or []),
        -len(match.get("queryParams") or []),
    )


def _path(path: Obj) -> Json:
    value = path.get("value", "/")
    match path.get("type", "PathPrefix"):
        case "Exact":
            return {"path": value}
        case "RegularExpression":
            return {"safe_regex": {"regex": value}}
        case _:  # a prefix of whole path elements
            bare = value.rstrip("/")
            return {"path_separated_prefix": bare} if bare else {"prefix": "/"}


def _header(each: Obj) -> Json:
    return {"name": each["name"], "string_match": _text(each)}


def _query(each: Obj) -> Json:
    return {"name": each["name"], "string_match": _text(each)}


def _text(each: Obj) -> Json:
    if each.get("type") == "RegularExpression":
        return {"safe_regex": {"regex": each["value"]}}
    return {"exact": each["value"]}


def _action(route: Obj, rule: Obj, path: Obj, cluster_of: ClusterOf) -> Json:
    filters = {each.get("type"): each for each in rule.get("filters") or []}
    if "RequestRedirect" in filters:
        return {"redirect": _redirect(filters["RequestRedirect"].get("requestRedirect") or {})}
    clusters = list(_clusters(route, rule.get("backendRefs") or [], cluster_of))
    if not clusters:  # a rule whose backends don't exist answers 500
        return {"direct_response": {"status": 500}}
    action: Json = {"timeout": (rule.get("timeouts") or {}).get("request", "0s")}
    if len(clusters) == 1:
        action["cluster"] = clusters[0][0]
    else:
        action["weighted_clusters"] = {"clusters": [{"name": name, "weight": weight} for name, weight in clusters]}
    if "URLRewrite" in filters:
        action |= _rewrite(filters["URLRewrite"].get("urlRewrite") or {}, path)
    return {"route": action}


def _clusters(route: Obj, refs: Iterable[Obj], cluster_of: ClusterOf) -> Iterator[tuple[str, int]]:
    for ref in refs:
        namespace = ref.get("namespace", route["metadata"]["namespace"])
        cluster = cluster_of(namespace, ref["name"], int(ref.get("port", 0)))
        weight = int(ref.get("weight", 1))
        if cluster is not None and weight:
            yield cluster, weight


def _rewrite(rewrite: Obj, path: Obj) -> Json:
    made: Json = {}
    if rewrite.get("hostname"):
        made["host_rewrite_literal"] = rewrite["hostname"]
    change = rewrite.get("path") or {}
    if change.get("type") == "ReplaceFullPath":
        made["regex_rewrite"] = {"pattern": {"regex": r"^[^?]*"}, "substitution": change["replaceFullPath"]}
    elif change.get("type") == "ReplacePrefixMatch":
        old, new = path.get("value", "/").rstrip("/"), change["replacePrefixMatch"].rstrip("/")
        pattern = rf"^{re.escape(old)}/?" if not new else rf"^{re.escape(old)}"
        made["regex_rewrite"] = {"pattern": {"regex": pattern}, "substitution": new or "/"}
    return made


def _redirect(redirect: Obj) -> Json:
    codes = {301: "MOVED_PERMANENTLY", 302: "FOUND", 303: "SEE_OTHER", 307: "TEMPORARY_REDIRECT"}
    made: Json = {"response_code": codes.get(redirect.get("statusCode", 302), "FOUND")}
    for key, name in (("scheme", "scheme_redirect"), ("hostname", "host_redirect"), ("port", "port_redirect")):
        if redirect.get(key):
            made[name] = redirect[key]
    if (redirect.get("path") or {}).get("replaceFullPath"):
        made["path_redirect"] = redirect["path"]["replaceFullPath"]
    return made


def _header_filters(rule: Obj) -> Json:
    made: Json = {}
    for kind, key, side in (
        ("RequestHeaderModifier", "requestHeaderModifier", "request"),
        ("ResponseHeaderModifier", "responseHeaderModifier", "response"),
    ):
        for each in rule.get("filters") or []:
            if each.get("type") == kind:
                change = each.get(key) or {}
                made[f"{side}_headers_to_add"] = [
                    {"header": {"key": header["name"], "value": header["value"]}, "append_action": action}
                    for name, action in (("set", "OVERWRITE_IF_EXISTS_OR_ADD"), ("add", "APPEND_IF_EXISTS_OR_ADD"))
                    for header in change.get(name) or []
                ]
                made[f"{side}_headers_to_remove"] = change.get("remove") or []
    return made
