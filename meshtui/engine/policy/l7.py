"""What a proxy of Envoy's (waypoint, sidecar, gateway) decides about one request: AuthorizationPolicies with all their fields.

Source: istio/istio pilot/pkg/security/authz/model (model.go, generator.go) and matcher/, which turn policies into Envoy's RBAC.
A request that isn't known, or known only in part, makes an answer that depends on it: the logic has four values.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum

from meshtui.engine.matching.addresses import Address, parse_network, parse_port
from meshtui.engine.matching.http import glob_matches, header, normal_path, path_matches
from meshtui.engine.matching.strings import string_matches
from meshtui.model.flow import HttpRequest, Jwt
from meshtui.model.ids import Principal
from meshtui.model.policy import (
    AuthorizationCondition,
    AuthorizationOperation,
    AuthorizationRule,
    AuthorizationSource,
)


class Tri(IntEnum):
    """Whether something holds; DEPENDS on a request that isn't known, UNKNOWN because it isn't modelled."""

    NO = 0
    DEPENDS = 1
    UNKNOWN = 2
    YES = 3


def every(values: Iterable[Tri]) -> Tri:
    """ALL hold: a NO decides, else what isn't certain is the answer."""
    found = set(values)
    return next((value for value in (Tri.NO, Tri.UNKNOWN, Tri.DEPENDS) if value in found), Tri.YES)


def some(values: Iterable[Tri]) -> Tri:
    """ANY holds: a YES decides, else what isn't certain is the answer."""
    found = set(values)
    return next((value for value in (Tri.YES, Tri.UNKNOWN, Tri.DEPENDS) if value in found), Tri.NO)


def negate(value: Tri) -> Tri:
    """The opposite; what isn't certain stays so."""
    return {Tri.YES: Tri.NO, Tri.NO: Tri.YES}.get(value, value)


def tri(value: bool) -> Tri:
    """YES or NO."""
    return Tri.YES if value else Tri.NO


@dataclass(frozen=True, slots=True)
class Request:
    """One request as a proxy sees it.

    ``tcp`` says that the proxy sees bytes, not HTTP. ``http`` None is a request of which nothing is known. ``jwt`` is the
    token that the proxy has verified. ``source_known`` is False for a client whose address can't be told; ``sni`` None is one
    that can't be told either.
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


_TCP_ONLY_NEVER = ("hosts", "methods", "paths")
_HTTP_KEYS = ("request.headers[", "request.auth.")
_KEYS = {
    "source.ip",
    "remote.ip",
    "source.namespace",
    "source.principal",
    "source.serviceAccount",
    "request.auth.principal",
    "request.auth.audiences",
    "request.auth.presenter",
    "destination.ip",
    "destination.port",
    "connection.sni",
}
_CLAIM = re.compile(r"request\.auth\.claims((?:\[[^\]]+\])+)\Z")
_HEADER = re.compile(r"request\.headers\[([^\]]+)\]\Z")


def unknown_keys(rule: AuthorizationRule) -> tuple[str, ...]:
    """The ``when`` keys of a rule that aren't modelled."""
    return tuple(c.key for c in rule.conditions if not (c.key in _KEYS or _CLAIM.match(c.key) or _HEADER.match(c.key)))


class Matcher:
    """Asks whether rules match one request. ``denies`` says that the policy's action is DENY (or CUSTOM).

    On TCP a field of HTTP can't be enforced: an ALLOW rule with one is dropped whole, in a DENY rule the field is ignored,
    which makes it wider (model.go, checkError). The same holds for values that can't be parsed.
    """

    def __init__(self, request: Request, namespace: str, *, denies: bool) -> None:
        self._request = request
        self._namespace = namespace
        self._denies = denies
        self._asked: Mapping[str, Callable[[str], Tri | None]] = {
            "source.ip": self._ip(request.source),
            "remote.ip": self._remote_ip,
            "source.namespace": self._of_namespace,
            "source.principal": self._principal,
            "source.serviceAccount": self._account,
            "destination.ip": self._ip(request.destination),
            "destination.port": self._port,
            "connection.sni": self._sni,
            "request.auth.principal": self._request_principal,
            "request.auth.audiences": self._audience,
            "request.auth.presenter": self._presenter,
        }

    def rule(self, rule: AuthorizationRule) -> Tri:
        """ALL of from, to and when; entries of from and of to OR; entries of when AND. An empty rule matches everything."""
        if not self._denies and self._is_dropped(rule):
            return Tri.NO
        if unknown_keys(rule):
            rest = every([self._from(rule), self._to(rule)])
            return Tri.NO if rest is Tri.NO else Tri.UNKNOWN
        return every([self._from(rule), self._to(rule), *(self._condition(c) for c in rule.conditions)])

    def _from(self, rule: AuthorizationRule) -> Tri:
        return some(self._source(source) for source in rule.sources) if rule.sources else Tri.YES

    def _to(self, rule: AuthorizationRule) -> Tri:
        return some(self._operation(operation) for operation in rule.operations) if rule.operations else Tri.YES

    def _is_dropped(self, rule: AuthorizationRule) -> bool:
        """Whether an ALLOW rule can't be enforced here: a field of HTTP on TCP, or a value that can't be parsed."""
        if self._request.tcp and http_fields(rule):
            return True
        ports = [p for o in rule.operations for p in (*o.ports, *o.not_ports)]
        blocks = [b for s in rule.sources for b in (*s.ip_blocks, *s.not_ip_blocks, *s.remote_ip_blocks, *s.not_remote_ip_blocks)]
        for condition in rule.conditions:
            values = (*condition.values, *condition.not_values)
            ports += values if condition.key == "destination.port" else ()
            blocks += values if condition.key in {"source.ip", "remote.ip", "destination.ip"} else ()
        return any(parse_port(p) is None for p in ports) or any(parse_network(b) is None for b in blocks)

    # ---- from, to, when

    def _source(self, source: AuthorizationSource) -> Tri:
        """ALL fields; values of a field OR, of a not-field none."""
        request = self._request
        fields = [
            self._field(source.principals, source.not_principals, self._principal),
            self._field(source.namespaces, source.not_namespaces, self._of_namespace),
            self._field(source.service_accounts, source.not_service_accounts, self._account),
            self._field(source.trust_domains, source.not_trust_domains, self._trust_domain),
            self._field(source.ip_blocks, source.not_ip_blocks, self._ip(request.source)),
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
        asked = self._asked.get(key) or self._header_or_claim(key)
        return self._field(condition.values, condition.not_values, asked)

    @staticmethod
    def _field(positive: tuple[str, ...], negative: tuple[str, ...], asked: Callable[[str], Tri | None]) -> Tri:
        """ANY of the values and NONE of the not-values; a value that can't be parsed (None) is ignored."""
        wanted = [answer for value in positive if (answer := asked(value)) is not None]
        unwanted = [answer for value in negative if (answer := asked(value)) is not None]
        return every([some(wanted) if wanted else Tri.YES, negate(some(unwanted)) if unwanted else Tri.YES])

    # ---- the peer

    def _principal(self, pattern: str) -> Tri:
        return tri(self._request.principal is not None and string_matches(pattern, self._request.principal))

    def _parts(self) -> tuple[str, str, str]:
        """Trust domain, namespace and ServiceAccount of the peer; empty without an identity."""
        found = re.fullmatch(r"(.+)/ns/([^/]+)/sa/([^/]+)", self._request.principal or "")
        return (found[1], found[2], found[3]) if found else ("", "", "")

    def _of_namespace(self, pattern: str) -> Tri:
        """A ``*`` anywhere stands for anything (generator.go, srcNamespaceGenerator)."""
        namespace = self._parts()[1]
        return tri(bool(namespace) and glob_matches(pattern, namespace))

    def _account(self, value: str) -> Tri:
        """``NAMESPACE/NAME``, or a name of the policy's own namespace; no globs (generator.go, serviceAccountRegex)."""
        first, slash, rest = value.partition("/")
        wanted = (first, rest) if slash else (self._namespace, first)
        return tri(self._parts()[1:] == wanted)

    def _trust_domain(self, pattern: str) -> Tri:
        domain = self._parts()[0]
        return tri(bool(domain) and string_matches(pattern, domain))

    def _ip(self, address: Address | None) -> Callable[[str], Tri | None]:
        def asked(text: str) -> Tri | None:
            network = parse_network(text)
            if network is None:
                return None
            return Tri.UNKNOWN if address is None else tri(address in network)

        return asked

    def _remote_ip(self, text: str) -> Tri | None:
        """The original client; who trusts X-Forwarded-For is the mesh's configuration, which isn't read."""
        http = self._request.http
        if not self._request.tcp and http is not None and header(http, "x-forwarded-for") is not None:
            return None if parse_network(text) is None else Tri.UNKNOWN
        return self._ip(self._request.source)(text)

    def _port(self, text: str) -> Tri | None:
        port = parse_port(text)
        return None if port is None else tri(port == self._request.port)

    def _sni(self, pattern: str) -> Tri:
        return Tri.UNKNOWN if self._request.sni is None else tri(string_matches(pattern, self._request.sni))

    # ---- the request

    def _host(self, pattern: str) -> Tri:
        """The Host header as it is, port and all; case doesn't matter (matcher/header.go, HostMatcher)."""
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
        return tri(path_matches(pattern, normal_path(http.path)))

    # ---- the token

    def _token(self, asked: Callable[[Jwt], bool]) -> Tri:
        request = self._request
        if request.jwt is not None:
            return tri(asked(request.jwt))
        return Tri.NO if request.token_known else Tri.DEPENDS

    def _request_principal(self, pattern: str) -> Tri:
        """``ISSUER/SUBJECT``, split at the last slash (generator.go, requestPrincipalGenerator)."""
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

    def _header(self, name: str, pattern: str) -> Tri:
        http = self._request.http
        if http is None:
            return Tri.DEPENDS
        value = header(http, name)
        if value is None:
            return Tri.NO
        return tri(pattern == "*" or string_matches(pattern, value))


def http_fields(rule: AuthorizationRule) -> tuple[str, ...]:
    """The fields and keys of a rule that need HTTP, as a manifest writes them."""
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
    """The texts of a claim, which is a string or a list of them; nested claims by their names."""
    known: dict[str, object] = {"iss": jwt.issuer, "sub": jwt.subject, "aud": list(jwt.audiences)}
    for name, text in jwt.claims:
        try:
            known[name] = json.loads(text)
        except json.JSONDecodeError:
            known[name] = text
    value: object = known
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    if isinstance(value, list):
        return tuple(item for item in value if isinstance(item, str))
    return (value,) if isinstance(value, str) and value else ()
