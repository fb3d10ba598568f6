"""Paths, hosts and headers as Envoy compares them."""

from __future__ import annotations

import re

from meshtui.engine.matching.strings import string_matches
from meshtui.model.flow import HttpRequest
from meshtui.model.workload import ServicePort

_TEMPLATES = re.compile(r"(\{\*\*\}|\{\*\})")


def header(request: HttpRequest, name: str) -> str | None:
    """A header's value (names don't tell case apart), or None."""
    wanted = name.lower()
    if wanted in {"host", ":authority"}:
        return request.host or None
    if wanted == ":method":
        return request.method
    return next((value for key, value in request.headers if key.lower() == wanted), None)


def host_of(request: HttpRequest) -> str:
    """The Host header without its port, in lower case; empty when it isn't known."""
    host = request.host.lower()
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0]


def query_of(path: str) -> dict[str, str]:
    """The query parameters of a path; the first of a name counts."""
    found: dict[str, str] = {}
    for part in path.partition("#")[0].partition("?")[2].split("&"):
        name, _, value = part.partition("=")
        if name:
            found.setdefault(name, value)
    return found


def normal_path(path: str) -> str:
    """A path as Istio's default (BASE) makes it: no query, no dot segments, no backslashes (MeshConfig, pathNormalization)."""
    bare = path.partition("#")[0].partition("?")[0].replace("\\", "/")
    bare = re.sub(r"%2[eE]", ".", bare)
    kept: list[str] = []
    segments = bare.split("/")
    for number, segment in enumerate(segments):
        last = number == len(segments) - 1
        if segment == "..":
            if len(kept) > 1:
                kept.pop()
            if last:
                kept.append("")
        elif segment == ".":
            if last:
                kept.append("")
        else:
            kept.append(segment)
    return "/".join(kept) or "/"


def glob_matches(pattern: str, text: str) -> bool:
    """Whether a pattern matches the whole text; each ``*`` in it stands for anything. Takes time in proportion to both."""
    first, *rest = pattern.split("*")
    if not rest:
        return pattern == text
    *middle, last = rest
    if not (text.startswith(first) and text.endswith(last) and len(text) >= len(first) + len(last)):
        return False
    place, end = len(first), len(text) - len(last)
    for part in middle:
        found = text.find(part, place, end)
        if found < 0:
            return False
        place = found + len(part)
    return True


def _template_matches(pattern: str, path: str) -> bool:
    """``{*}`` is one segment, ``{**}`` any number of them (istio/api, AuthorizationPolicy, Operation.paths).

    Keeps every place that the pattern may have reached, so that no pattern takes long.
    """
    reached = {0}
    for part in _TEMPLATES.split(pattern):
        if part == "{**}":
            reached = set(range(min(reached), len(path) + 1))
        elif part == "{*}":
            reached = set().union(*(range(p + 1, _segment_end(path, p) + 1) for p in reached))
        else:
            reached = {p + len(part) for p in reached if path.startswith(part, p)}
        if not reached:
            return False
    return len(path) in reached


def _segment_end(path: str, start: int) -> int:
    slash = path.find("/", start)
    return len(path) if slash < 0 else slash


def path_matches(pattern: str, path: str) -> bool:
    """Whether a normalised path matches: a template, or exactly, by prefix or by suffix."""
    if _TEMPLATES.search(pattern):
        return _template_matches(pattern, path)
    return string_matches(pattern, path)


_HTTP = {"http", "http2", "grpc", "grpc-web", "kubernetes.io/h2c", "kubernetes.io/ws", "kubernetes.io/wss"}
_TCP = {"tcp", "tls", "https", "mongo", "mysql", "redis", "udp"}
_TCP_PORTS = {3306, 27017}


def speaks_http(port: ServicePort | None) -> bool | None:
    """Whether Istio takes a Service's port for HTTP; None when it looks at the first bytes (istio.io: protocol selection).

    appProtocol decides, else the port's name up to its first dash.
    """
    if port is None:
        return None
    word = (port.app_protocol or port.name).lower()
    named = next((w for w in (word, word.partition("-")[0]) if w in _HTTP or w in _TCP), "")
    if word.startswith("grpc-web"):
        named = "grpc-web"
    if named:
        return named in _HTTP
    return False if port.number in _TCP_PORTS and not port.app_protocol else None
