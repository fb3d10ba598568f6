"""Whether Cilium's proxy lets an HTTP request through.

Source: cilium/cilium pkg/envoy/xds_server.go (getHTTPRule: path, method and host are regular expressions for the whole ``:path``,
with its query, ``:method`` and ``:authority``; headers are compared literally), daemon option http-normalize-path.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from meshtui.engine.matching.http import MERGE_SLASHES, header, normal_path
from meshtui.engine.matching.regex import matcher
from meshtui.model.cilium import HttpHeader, HttpRule
from meshtui.model.flow import HttpRequest


@dataclass(frozen=True, slots=True)
class HttpRules:
    """The http rules of an entry of toPorts: a request passes if ANY of them matches."""

    rules: tuple[HttpRule, ...]

    def match(self, request: HttpRequest) -> bool | None:
        """Whether a request passes; None if that isn't known."""
        found = [_matches(rule, request) for rule in self.rules]
        return True if True in found else None if None in found else False


def _matches(rule: HttpRule, request: HttpRequest) -> bool | None:
    """Whether ALL that a rule asks for is so."""
    found = list(_asked(rule, request))
    return False if False in found else None if None in found else True


def _asked(rule: HttpRule, request: HttpRequest) -> Iterator[bool | None]:
    if rule.path:
        yield _expression(rule.path, _path(request))
    if rule.method:
        yield _expression(rule.method, request.method)
    if rule.host:
        yield _expression(rule.host, request.host or None)
    for each in (*rule.headers, *rule.header_matches):
        if not each.mismatch:
            yield _has(request, each)


def _expression(pattern: str, text: str | None) -> bool | None:
    matches = matcher(pattern)
    return None if matches is None or text is None else matches(text)


def _path(request: HttpRequest) -> str | None:
    """The path as a proxy compares it; None if that depends on whether it normalises paths, which can be switched off."""
    bare, mark, _ = request.path.partition("?")
    escaped = "%2f" in bare.lower() or "%5c" in bare.lower() or "#" in request.path
    if escaped or normal_path(bare, MERGE_SLASHES) != bare:
        return None
    return request.path if mark else bare


def _has(request: HttpRequest, wanted: HttpHeader) -> bool | None:
    name = wanted.name.lower()
    if name in {":path", ":scheme"} or (name in {":authority", "host"} and not request.host):
        return None
    value = header(request, name)
    if value is None:
        return False
    if wanted.secret:
        return None
    return wanted.value is None or value == wanted.value
