"""Paths, hosts and headers as Envoy compares them."""

from __future__ import annotations

import re
from urllib.parse import quote

from meshtui.engine.matching.strings import string_matches
from meshtui.model.flow import HttpRequest
from meshtui.model.workload import ServicePort

BASE, MERGE_SLASHES, DECODE_AND_MERGE_SLASHES = "BASE", "MERGE_SLASHES", "DECODE_AND_MERGE_SLASHES"
_PERCENT = re.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED = re.compile(r"[A-Za-z0-9._~-]", re.ASCII)
_UNSAFE = re.compile(r"[\x00-\x20\"<>^`{|}\x7f-\U0010ffff]")
_ENCODED_SLASH = re.compile(r"%2f|%5c", re.IGNORECASE)
_SLASHES = re.compile(r"//+")
_DOTS_WITH_PARAMETERS = re.compile(r"(?:\A|/)(?:\.|%2e){1,2};", re.IGNORECASE)
_TEMPLATES = re.compile(r"(\{\*\*\}|\{\*\})")


def header(request: HttpRequest, name: str) -> str | None:
    """The value of a header, or None. Header names are case-insensitive."""
    wanted = name.lower()
    if wanted in {"host", ":authority"}:
        return request.host or None
    if wanted == ":method":
        return request.method
    return next((value for key, value in request.headers if key.lower() == wanted), None)


def host_of(request: HttpRequest) -> str:
    """The Host header without its port, in lower case; empty when the host isn't known."""
    host = request.host.lower()
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0]


def query_of(path: str) -> dict[str, str]:
    """The query parameters of a path. Of several with the same name, the first is used."""
    found: dict[str, str] = {}
    for part in path.partition("#")[0].partition("?")[2].split("&"):
        name, _, value = part.partition("=")
        if name:
            found.setdefault(name, value)
    return found


def normal_path(path: str, normalization: str = BASE) -> str:
    """A path as policies and routes see it, without its query (MeshConfig, pathNormalization).

    BASE, Istio's default: dot segments are resolved, backslashes are slashes, ``%XX`` of letters, digits and ``-._~`` is
    decoded, and raw characters that a URL can't have are encoded (Envoy: path normalization, as Chromium's URL library does
    it). MERGE_SLASHES also merges slashes; DECODE_AND_MERGE_SLASHES decodes ``%2F`` and ``%5C`` before. NONE changes nothing.
    """
    bare = path.partition("#")[0].partition("?")[0]
    if normalization == "NONE":
        return bare
    if normalization == DECODE_AND_MERGE_SLASHES:
        bare = _ENCODED_SLASH.sub("/", bare)
    bare = _PERCENT.sub(_decoded, bare.replace("\\", "/"))
    bare = _UNSAFE.sub(lambda found: quote(found[0], safe=""), bare)
    normal = "/".join(_without_dots(bare.split("/"))) or "/"
    return _SLASHES.sub("/", normal) if normalization in {MERGE_SLASHES, DECODE_AND_MERGE_SLASHES} else normal


def has_dots_with_parameters(path: str) -> bool:
    """Whether a path has a dot segment with parameters (``/x/..;/y``): versions of Envoy differ in whether they resolve it."""
    return _DOTS_WITH_PARAMETERS.search(path.partition("#")[0].partition("?")[0]) is not None


def _decoded(found: re.Match[str]) -> str:
    character = chr(int(found[1], 16))
    return character if _UNRESERVED.fullmatch(character) else found[0]


def _without_dots(segments: list[str]) -> list[str]:
    kept: list[str] = []
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
    return kept


def glob_matches(pattern: str, text: str) -> bool:
    """Whether a pattern matches the whole text; each ``*`` matches any text. The time is proportional to both lengths."""
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
    """Match a template: ``{*}`` is one segment, ``{**}`` any number of them (istio/api, AuthorizationPolicy, Operation.paths).

    The set of all positions that the pattern may have reached is kept, so that no pattern causes exponential time.
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
    """Whether a normalised path matches a pattern: a template, or an exact, prefix or suffix match."""
    if _TEMPLATES.search(pattern):
        return _template_matches(pattern, path)
    return string_matches(pattern, path)


_HTTP = {"http", "http2", "grpc", "grpc-web", "kubernetes.io/h2c", "kubernetes.io/ws", "kubernetes.io/wss"}
_TCP = {"tcp", "tls", "https", "mongo", "mysql", "redis", "udp"}
_TCP_PORTS = {3306, 27017}


def speaks_http(port: ServicePort | None) -> bool | None:
    """Whether Istio treats a Service's port as HTTP; None when it inspects the first bytes (istio.io: protocol selection).

    appProtocol decides; without it, the port's name up to its first dash.
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
