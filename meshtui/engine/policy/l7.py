"""An Envoy proxy's decision (waypoint, sidecar, gateway) about one request: AuthorizationPolicies with all their fields.

Source: istio/istio pilot/pkg/security/authz/model (model.go, generator.go) and matcher/, which turn policies into Envoy's RBAC.
An answer may depend on a request that is unknown or only partly known: the logic therefore has four values.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from functools import partial
from typing import ClassVar

from meshtui.engine.matching.addresses import Address, parse_network, parse_port
from meshtui.engine.matching.http import glob_matches, has_dots_with_parameters, header, normal_path, path_matches
from meshtui.engine.matching.strings import string_matches
from meshtui.engine.policy.trust_domains import principals_meant
from meshtui.model.flow import HttpRequest, Jwt
from meshtui.model.ids import Principal
from meshtui.model.policy import (
    AuthorizationCondition,
    AuthorizationOperation,
    AuthorizationRule,
    AuthorizationSource,
)
from meshtui.model.snapshot import MeshConfig


class Tri(IntEnum):
    """Whether a condition holds. DEPENDS: on a request that isn't known. UNKNOWN: the condition isn't modelled."""

    NO = 0
    DEPENDS = 1
    UNKNOWN = 2
    YES = 3


def every(values: Iterable[Tri]) -> Tri:
    """Whether ALL values hold: any NO gives NO, else any uncertain value is the result."""
    found = set(values)
    return next((value for value in (Tri.NO, Tri.UNKNOWN, Tri.DEPENDS) if value in found), Tri.YES)


def some(values: Iterable[Tri]) -> Tri:
    """Whether ANY value holds: any YES gives YES, else any uncertain value is the result."""
    found = set(values)
    return next((value for value in (Tri.YES, Tri.UNKNOWN, Tri.DEPENDS) if value in found), Tri.NO)


def negate(value: Tri) -> Tri:
    """The negation; an uncertain value is unchanged."""
    return {Tri.YES: Tri.NO, Tri.NO: Tri.YES}.get(value, value)


def tri(value: bool) -> Tri:
    """YES or NO."""
    return Tri.YES if value else Tri.NO


@dataclass(frozen=True, slots=True)
class Request:
    """One request as a proxy sees it.

    ``tcp`` means that the proxy sees bytes, not HTTP. ``http`` is None when nothing is known about the request. ``jwt`` is the
    token that the proxy has verified. ``source`` is None when the client's address isn't known, and ``sni`` is None when the SNI
    isn't known. ``token_known`` is False when it isn't known whether the request has a valid token.
    """

    port: int
    tcp: bool = False
    principal: Principal | None = None
    source: Address | None = None
    destination: Address | None = None
    http: HttpRequest | None = None
    jwt: Jwt | None = None
    sni: str | None = ""
    token_known: bool = True
    mesh: MeshConfig = field(default_factory=MeshConfig)
    """How paths are normalised, and which trust domains count as one."""
    unsure_headers: frozenset[str] = frozenset()
    """The headers, in lower case, whose values aren't known: the proxy writes a token's content into them."""


_TCP_ONLY_NEVER = ("hosts", "methods", "paths")
_HTTP_KEYS = ("request.headers[", "request.auth.")
FILTER_KEYS = "experimental.envoy.filters."
"""Keys that istiod hands on to Envoy, about the metadata of its filters."""
_CLAIM = re.compile(r"request\.auth\.claims((?:\[[^\]]+\])+)\Z")
_HEADER = re.compile(r"request\.headers\[([^\]]+)\]\Z")


def unknown_keys(rule: AuthorizationRule) -> tuple[str, ...]:
    """The ``when`` keys of a rule that aren't modelled."""
    return tuple(c.key for c in rule.conditions if not (c.key in Matcher.KEYS or _CLAIM.match(c.key) or _HEADER.match(c.key)))


class Matcher:
    """Evaluates rules for one request. ``denies`` means that the policy's action is DENY (or CUSTOM).

    On TCP, an HTTP field can't be enforced: an ALLOW rule with one is dropped whole; in a DENY rule the field is ignored, so that
    the rule matches more (model.go, checkError). The same holds for values that can't be parsed.
    """

    def __init__(self, request: Request, namespace: str, *, denies: bool) -> None:
        self._request = request
        self._namespace = namespace
        self._denies = denies

    def rule(self, rule: AuthorizationRule) -> Tri:
        """Match ALL of from, to and when. Entries of from and of to OR; entries of when AND. An empty rule matches everything."""
        if not self._denies and self._is_dropped(rule):
            return Tri.NO
        if unknown := unknown_keys(rule):
            if not all(key.startswith(FILTER_KEYS) for key in unknown):
                return Tri.NO  # istiod leaves out a rule with a key that it doesn't know (model.go, New)
            rest = every([self._from(rule), self._to(rule)])
            return Tri.NO if rest is Tri.NO else Tri.UNKNOWN
        return every([self._from(rule), self._to(rule), *(self._condition(c) for c in rule.conditions)])

    def _from(self, rule: AuthorizationRule) -> Tri:
        return some(self._source(source) for source in rule.sources) if rule.sources else Tri.YES

    def _to(self, rule: AuthorizationRule) -> Tri:
        return some(self._operation(operation) for operation in rule.operations) if rule.operations else Tri.YES

    def _is_dropped(self, rule: AuthorizationRule) -> bool:
        """Whether an ALLOW rule can't be enforced: it has an HTTP field on TCP, or a value that can't be parsed."""
        if self._request.tcp and http_fields(rule):
            return True
        ports = [p for o in rule.operations for p in (*o.ports, *o.not_ports)]
        blocks = [b for s in rule.sources for b in (*s.ip_blocks, *s.not_ip_blocks, *s.remote_ip_blocks, *s.not_remote_ip_blocks)]
        for condition in rule.conditions:
            values = (*condition.values, *condition.not_values)
            ports += values if condition.key.endswith(".port") else ()
            blocks += values if condition.key.endswith(".ip") else ()
        return any(parse_port(p) is None for p in ports) or any(parse_network(b) is None for b in blocks)

    # ---- from, to, when

    def _source(self, source: AuthorizationSource) -> Tri:
        """Whether ALL fields match. The values of a field OR; none of the values of a not-field may match."""
        request = self._request
        fields = [
            self._field(source.principals, source.not_principals, self._principal),
            self._field(source.namespaces, source.not_namespaces, self._of_namespace),
            self._field(source.service_accounts, source.not_service_accounts, self._account),
            self._field(source.trust_domains, source.not_trust_domains, self._trust_domain),
            self._field(source.ip_blocks, source.not_ip_blocks, self._source_ip),
            self._field(source.remote_ip_blocks, source.not_remote_ip_blocks, self._remote_ip),
        ]
        if not request.tcp:
            fields.append(self._field(source.request_principals, source.not_request_principals, self._request_principal))
        return every(fields)

    def _operation(self, operation: AuthorizationOperation) -> Tri:
        fields = [self._field(operation.ports, operation.not_ports, self._port)]
        if not self._request.tcp:
            fields += [
                self._field(operation.hosts, operation.not_hosts, self._host),
                self._field(operation.methods, operation.not_methods, self._method),
                self._field(operation.paths, operation.not_paths, self._path),
            ]
        return every(fields)

    def _condition(self, condition: AuthorizationCondition) -> Tri:
        key = condition.key
        if self._request.tcp and key.startswith(_HTTP_KEYS):
            return Tri.YES
        by_key = self.KEYS.get(key)
        asked = partial(by_key, self) if by_key else self._header_or_claim(key)
        return self._field(condition.values, condition.not_values, asked)

    @staticmethod
    def _field(positive: tuple[str, ...], negative: tuple[str, ...], asked: Callable[[str], Tri | None]) -> Tri:
        """Whether ANY of the values and NONE of the not-values match; values that can't be parsed (None) are ignored."""
        if not positive and not negative:
            return Tri.YES
        wanted = [answer for value in positive if (answer := asked(value)) is not None]
        unwanted = [answer for value in negative if (answer := asked(value)) is not None]
        return every([some(wanted) if wanted else Tri.YES, negate(some(unwanted)) if unwanted else Tri.YES])

    # ---- the peer

    def _principal(self, pattern: str) -> Tri:
        """One of the identities that a pattern means in this mesh (pilot/pkg/security/trustdomain, bundle.go)."""
        identity = self._request.principal
        if identity is None:
            return Tri.NO
        return tri(any(string_matches(each, identity) for each in principals_meant(pattern, self._request.mesh)))

    def _parts(self) -> tuple[str, str, str]:
        """Trust domain, namespace and ServiceAccount of the peer; empty strings for a peer without an identity."""
        found = re.fullmatch(r"(.+)/ns/([^/]+)/sa/([^/]+)", self._request.principal or "")
        return (found[1], found[2], found[3]) if found else ("", "", "")

    def _of_namespace(self, pattern: str) -> Tri:
        """Whether the peer's namespace matches; a ``*`` anywhere matches any text (generator.go, srcNamespaceGenerator)."""
        namespace = self._parts()[1]
        return tri(bool(namespace) and glob_matches(pattern, namespace))

    def _account(self, value: str) -> Tri:
        """``NAMESPACE/NAME``, or a name in the policy's own namespace; no globs (generator.go, serviceAccountRegex)."""
        first, slash, rest = value.partition("/")
        wanted = (first, rest) if slash else (self._namespace, first)
        return tri(self._parts()[1:] == wanted)

    def _trust_domain(self, pattern: str) -> Tri:
        domain = self._parts()[0]
        return tri(bool(domain) and string_matches(pattern, domain))

    def _source_ip(self, text: str) -> Tri | None:
        return _within(text, self._request.source)

    def _destination_ip(self, text: str) -> Tri | None:
        return _within(text, self._request.destination)

    def _remote_ip(self, text: str) -> Tri | None:
        """Match the original client's address. The mesh configuration that says whether to trust X-Forwarded-For isn't read."""
        http = self._request.http
        if not self._request.tcp and http is not None and header(http, "x-forwarded-for") is not None:
            return None if parse_network(text) is None else Tri.UNKNOWN
        return self._source_ip(text)

    def _port(self, text: str) -> Tri | None:
        port = parse_port(text)
        return None if port is None else tri(port == self._request.port)

    def _sni(self, pattern: str) -> Tri:
        return Tri.UNKNOWN if self._request.sni is None else tri(string_matches(pattern, self._request.sni))

    # ---- the request

    def _host(self, pattern: str) -> Tri:
        """Match the Host header including its port, case-insensitively (matcher/header.go, HostMatcher)."""
        http = self._request.http
        if http is None or not http.host:
            return Tri.DEPENDS if pattern != "*" else Tri.YES
        return tri(string_matches(pattern.lower(), http.host.lower()))

    def _method(self, pattern: str) -> Tri:
        http = self._request.http
        if pattern == "*":
            return Tri.YES
        return Tri.DEPENDS if http is None else tri(string_matches(pattern, http.method))

    def _path(self, pattern: str) -> Tri:
        http = self._request.http
        if http is None:
            return Tri.YES if pattern == "*" else Tri.DEPENDS
        if has_dots_with_parameters(http.path):
            return Tri.UNKNOWN
        return tri(path_matches(pattern, normal_path(http.path, self._request.mesh.path_normalization)))

    # ---- the token

    def _token(self, asked: Callable[[Jwt], bool]) -> Tri:
        request = self._request
        if request.jwt is not None:
            return tri(asked(request.jwt))
        return Tri.NO if request.token_known else Tri.DEPENDS

    def _request_principal(self, pattern: str) -> Tri:
        """Match ``ISSUER/SUBJECT``, split at the last slash (generator.go, requestPrincipalGenerator)."""
        return self._token(lambda jwt: _request_principal(pattern, jwt))

    def _audience(self, pattern: str) -> Tri:
        return self._token(lambda jwt: any(string_matches(pattern, audience) for audience in jwt.audiences))

    def _presenter(self, pattern: str) -> Tri:
        return self._token(lambda jwt: any(string_matches(pattern, value) for value in claim(jwt, ("azp",))))

    def _header_or_claim(self, key: str) -> Callable[[str], Tri]:
        if found := _CLAIM.match(key):
            path = tuple(re.findall(r"\[([^\]]+)\]", found[1]))
            return lambda pattern: self._token(lambda jwt: any(string_matches(pattern, value) for value in claim(jwt, path)))
        name = key.removeprefix("request.headers[").removesuffix("]")
        return lambda pattern: self._header(name, pattern)

    def _path_header(self, http: HttpRequest) -> str:
        """The pseudo-header ``:path``: the normalised path with its query."""
        _, mark, query = http.path.partition("#")[0].partition("?")
        return normal_path(http.path, self._request.mesh.path_normalization) + mark + query

    def _header(self, name: str, pattern: str) -> Tri:
        http = self._request.http
        if name.lower() in self._request.unsure_headers:
            return Tri.UNKNOWN
        if http is None:
            return Tri.DEPENDS
        value = self._path_header(http) if name.lower() == ":path" else header(http, name)
        if value is None:
            return Tri.NO
        return tri(pattern == "*" or string_matches(pattern, value))

    KEYS: ClassVar[Mapping[str, Callable[[Matcher, str], Tri | None]]] = {
        "source.ip": _source_ip,
        "remote.ip": _remote_ip,
        "source.namespace": _of_namespace,
        "source.principal": _principal,
        "source.serviceAccount": _account,
        "source.trustDomain": _trust_domain,
        "destination.ip": _destination_ip,
        "destination.port": _port,
        "connection.sni": _sni,
        "request.auth.principal": _request_principal,
        "request.auth.audiences": _audience,
        "request.auth.presenter": _presenter,
    }
    """The keys of ``when``, beside headers and claims: for each what matches one value, or None if the value can't be parsed.

    The values of keys that end in ``.ip`` are networks, of those that end in ``.port`` ports.
    """


def _within(text: str, address: Address | None) -> Tri | None:
    network = parse_network(text)
    if network is None:
        return None
    return Tri.UNKNOWN if address is None else tri(address in network)


def http_fields(rule: AuthorizationRule) -> tuple[str, ...]:
    """The fields and keys of a rule that need HTTP, as written in a manifest."""
    found = [name for o in rule.operations for name in _TCP_ONLY_NEVER if getattr(o, name) or getattr(o, f"not_{name}")]
    found += ["requestPrincipals" for s in rule.sources if s.request_principals or s.not_request_principals]
    found += [c.key for c in rule.conditions if c.key.startswith(_HTTP_KEYS)]
    return tuple(dict.fromkeys(found))


def _request_principal(pattern: str, jwt: Jwt) -> bool:
    issuer, subject = jwt.issuer, jwt.subject
    if pattern == "*":
        return bool(issuer and subject)
    first, slash, last = pattern.rpartition("/")
    if not slash:
        if pattern.startswith("*"):
            return bool(issuer) and subject.endswith(pattern[1:])
        if pattern.endswith("*"):
            return issuer.startswith(pattern[:-1]) and bool(subject)
        return issuer == pattern and not subject
    if pattern.startswith("*"):
        return string_matches(first, issuer) and subject == last
    if pattern.endswith("*"):
        return issuer == first and string_matches(last, subject)
    return (issuer, subject) == (first, last)


def claim(jwt: Jwt, path: tuple[str, ...]) -> tuple[str, ...]:
    """The values of a claim, which is a string or a list of strings; ``path`` contains the names of nested claims.

    ``scope`` and ``permission`` are lists with spaces between (istio.io: JWT claim conditions).
    """
    known: dict[str, object] = {"iss": jwt.issuer, "sub": jwt.subject, "aud": list(jwt.audiences)}
    for name, text in jwt.claims:
        try:
            known[name] = json.loads(text)
        except json.JSONDecodeError:
            known[name] = text
    value: object = known
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    if path[-1:] in {("scope",), ("permission",)} and isinstance(value, str):
        return tuple(value.split())
    if isinstance(value, list):
        return tuple(item for item in value if isinstance(item, str))
    return (value,) if isinstance(value, str) and value else ()
