"""MT220: a policy that a waypoint enforces asks for a method that is none, or for a host that nothing has."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from meshtui.engine.matching.addresses import parse_address
from meshtui.engine.matching.strings import string_matches
from meshtui.findings.attached import at_waypoints
from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.findings.given import in_view
from meshtui.kinds.http_route import HTTP_ROUTES
from meshtui.model.finding import Severity
from meshtui.model.policy import AuthorizationOperation, AuthorizationPolicy
from meshtui.model.virtual_service import ISTIO_GATEWAY

METHODS = (
    *("ACL", "BIND", "CHECKOUT", "CONNECT", "COPY", "DELETE", "GET", "HEAD", "LINK", "LOCK", "MERGE", "MKACTIVITY", "MKCALENDAR"),
    *(
        "MKCOL",
        "MOVE",
        "M-SEARCH",
        "MSEARCH",
        "NOTIFY",
        "OPTIONS",
        "PATCH",
        "POST",
        "PRI",
        "PROPFIND",
        "PROPPATCH",
        "PURGE",
        "PUT",
    ),
    *("QUERY", "REBIND", "REPORT", "SEARCH", "SOURCE", "SUBSCRIBE", "TRACE", "UNBIND", "UNLINK", "UNLOCK", "UNSUBSCRIBE"),
)
"""The methods that Envoy takes in HTTP/1 without further settings, and the drafts' newer ones."""
_DOMAIN = ".cluster.local"


@dataclass(frozen=True, slots=True)
class _Odd:
    """One value that nothing matches; ``alone`` is whether every value of its field is like that."""

    field: str
    text: str
    alone: bool
    sure: bool = True


def _look(context: Context) -> Iterator[Found]:
    """Compared as Envoy compares: methods exactly, hosts without regard to case. An error if a DENY denies nothing by it."""
    for each in at_waypoints(context):
        policy = each.policy
        for index, rule in enumerate(policy.rules):
            for place, operation in enumerate(rule.operations):
                for odd in (*_methods(operation), *_hosts(context, policy, operation)):
                    yield _found(policy, f"rules[{index}].to[{place}]", odd)


def _found(policy: AuthorizationPolicy, where: str, odd: _Odd) -> Found:
    ref, what = policy.meta.ref, "method" if "ethods" in odd.field else "host"
    known = "no method of HTTP" if what == "method" else "the name of no Service, ServiceEntry or route"
    hint = f" (methods are written in capitals: {odd.text.upper()})" if what == "method" and odd.text.upper() in METHODS else ""
    negative = odd.field.startswith("not")
    lost = policy.action == "DENY" and odd.alone and not negative
    if negative:
        effect = "it excepts no request"
    elif odd.alone:
        effect = "nothing is denied by it" if policy.action == "DENY" else "the rule matches no request"
    else:
        effect = "the field's other values count alone"
    severity = (Severity.ERROR if lost else None) if odd.sure else Severity.INFO
    message, field = f"{ref} {where}.{odd.field}: {odd.text} is {known}{hint}", f"spec.{where}.operation.{odd.field}"
    return Found((ref,), message, f"a waypoint enforces it, and {effect}", severity, field=field)


def _methods(operation: AuthorizationOperation) -> Iterator[_Odd]:
    for field, values in (("methods", operation.methods), ("notMethods", operation.not_methods)):
        odd = [text for text in values if text and not any(string_matches(text, method) for method in METHODS)]
        yield from (_Odd(field, text, len(odd) == len(values)) for text in odd)


def _hosts(context: Context, policy: AuthorizationPolicy, operation: AuthorizationOperation) -> Iterator[_Odd]:
    names = context.once(_names)
    for field, values in (("hosts", operation.hosts), ("notHosts", operation.not_hosts)):
        odd = [text for text in values if text and not _is_known(text.lower(), names)]
        for text in odd:
            sure = _sure(context, text.lower(), policy.meta.namespace)
            if sure is not None:
                yield _Odd(field, text, len(odd) == len(values), sure)


def _names(context: Context) -> Iterator[str]:
    """The hosts that the input has: of Services in every form, of ServiceEntries, of routes, and of gateways' listeners."""
    snapshot = context.snapshot
    for service in snapshot.services.values():
        name, home = service.meta.name, service.meta.namespace
        yield from (name, f"{name}.{home}", f"{name}.{home}.svc", f"{name}.{home}.svc{_DOMAIN}")
    several = [host for entry in snapshot.service_entries.values() for host in entry.hosts]
    several += [host for route in snapshot.http_routes.values() for host in route.hostnames]
    several += [host for virtual in snapshot.virtual_services.values() for host in virtual.hosts]
    several += [listener.hostname for gateway in snapshot.gateways.values() for listener in gateway.listeners]
    several += [host for gateway in snapshot.istio_gateways.values() for s in gateway.servers for _, host in s.hosts]
    yield from (host.lower() for host in several if host and host != "*")


def _is_known(pattern: str, names: tuple[str, ...]) -> bool:
    """Whether a pattern matches a name; both may have a star, and a pattern may end with a port."""
    bare = _without_port(pattern)
    if bare in {"*", "localhost"} or parse_address(bare.strip("[]")) is not None:
        return True
    return any(_overlap(bare, name) for name in names)


def _overlap(pattern: str, name: str) -> bool:
    if string_matches(pattern, name) or (name.startswith("*") and pattern.endswith(name[1:])):
        return True
    if pattern.startswith("*") and name.startswith("*"):
        return pattern.endswith(name[1:]) or name.endswith(pattern[1:])
    return ".svc." in pattern and pattern.partition(".svc.")[0] + ".svc" == name  # another domain of the cluster


def _without_port(pattern: str) -> str:
    host, colon, port = pattern.rpartition(":")
    return host if colon and (port.isdecimal() or port == "*") else pattern


def _sure(context: Context, pattern: str, home: str) -> bool | None:
    """Whether the input shows that nothing has the host; None if it is of a namespace that isn't in the input."""
    if context.snapshot.live:
        return True
    parts = _without_port(pattern).strip("*").strip(".").split(".")
    if "svc" in parts:
        namespace = parts[parts.index("svc") - 1] if parts.index("svc") else home
        return True if in_view(context, namespace) else None
    if len(parts) == 1:
        return True
    if len(parts) == 2 and parts[1] in context.snapshot.namespace_by_name:
        return True if in_view(context, parts[1]) else None
    return False


RULE = Rule(
    "MT220",
    "unknown method or host",
    Severity.WARNING,
    _look,
    ("AuthorizationPolicy", "Service", "ServiceEntry", "Gateway", *HTTP_ROUTES, "VirtualService", ISTIO_GATEWAY),
)
