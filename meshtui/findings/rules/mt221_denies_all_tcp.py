"""MT221: a DENY rule with HTTP attributes denies every connection of TCP at a waypoint."""

from __future__ import annotations

from collections.abc import Iterator

from meshtui.engine.matching.http import speaks_http
from meshtui.engine.policy.l7 import Matcher, Request, Tri, http_fields
from meshtui.findings.attached import AtWaypoint, at_waypoints
from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.model.finding import Severity
from meshtui.model.policy import AuthorizationRule
from meshtui.model.workload import Service, ServicePort


def _look(context: Context) -> Iterator[Found]:
    """What a waypoint can't read of a DENY rule is dropped, so that it matches more (istio/istio authz/model, model.go).

    At ztunnel such a rule matches nothing, which MT201 reports.
    """
    for each in at_waypoints(context):
        for index, rule in enumerate(each.policy.rules if each.policy.action == "DENY" else ()):
            fields = http_fields(rule)
            if fields:
                yield from _of_rule(each, index, rule, fields)


def _of_rule(each: AtWaypoint, index: int, rule: AuthorizationRule, fields: tuple[str, ...]) -> Iterator[Found]:
    ref = each.policy.meta.ref
    found = [(s, p) for s in each.services for p in s.ports if p.protocol == "TCP" and _denies_all(each, rule, p)]
    certain = [(service, port) for service, port in found if speaks_http(port) is False]
    perhaps = [(service, port) for service, port in found if speaks_http(port) is None]
    if certain or perhaps:
        service, port = (certain or perhaps)[0]
        yield Found(
            (ref, service.meta.ref),
            f"{ref} rules[{index}] denies by {', '.join(fields)} alone, "
            f"and {_said(service, port)} {'speaks' if certain else 'may speak'} TCP",
            f"without HTTP these fields are dropped from a DENY: every connection to {_said(service, port)} that isn't HTTP "
            "is denied, unless the rule also names ports",
            None if certain else Severity.INFO,
        )


def _denies_all(each: AtWaypoint, rule: AuthorizationRule, port: ServicePort) -> bool:
    """Whether the rule matches a TCP connection of whoever it is, with or without an identity."""
    matcher = Matcher(Request(port.number, tcp=True), each.policy.meta.namespace, denies=True)
    return speaks_http(port) is not True and matcher.rule(rule) is Tri.YES


def _said(service: Service, port: ServicePort) -> str:
    return f"{service.meta.namespace}/{service.meta.name}:{port.number}"


RULE = Rule("MT221", "DENY of all TCP", Severity.WARNING, _look, ("AuthorizationPolicy", "Service", "Gateway"), partial=True)
