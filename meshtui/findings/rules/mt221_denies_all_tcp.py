"""MT221: a DENY rule with HTTP attributes denies every connection of TCP at a waypoint."""

from __future__ import annotations

from collections.abc import Iterator

from meshtui.engine.matching.http import speaks_http
from meshtui.engine.policy.l7 import Matcher, Request, Tri, http_fields
from meshtui.findings.attached import AtWaypoint, at_waypoints
from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.model.finding import Severity
from meshtui.model.ids import Principal
from meshtui.model.policy import AuthorizationRule
from meshtui.model.workload import ServicePort

_EVERYBODY = " "


def _look(context: Context) -> Iterator[Found]:
    """What a waypoint can't read of a DENY rule is dropped, so that it matches more (istio/istio authz/model, model.go).

    At ztunnel such a rule matches nothing, which MT201 reports.
    """
    for each in at_waypoints(context):
        for index, rule in enumerate(each.policy.rules if each.policy.action == "DENY" else ()):
            if http_fields(rule):
                yield from _of_rule(context, each, index, rule)


def _of_rule(context: Context, each: AtWaypoint, index: int, rule: AuthorizationRule) -> Iterator[Found]:
    ref = each.policy.meta.ref
    ports = [(s, p) for s in each.services for p in s.ports if p.protocol == "TCP" and speaks_http(p) is not True]
    found = [(service, port, whom) for service, port in ports if (whom := _denied(context, each, rule, port))]
    certain = [(service, port, whom) for service, port, whom in found if speaks_http(port) is False]
    if not found:
        return
    service, port, whom = (certain or found)[0]
    where = f"{service.meta.namespace}/{service.meta.name}:{port.number}"
    effect = f"every connection {whom.lstrip()}to {where} that isn't HTTP is denied"
    yield Found(
        (ref, service.meta.ref),
        f"{ref} rules[{index}] denies by {', '.join(http_fields(rule))}, and {where} {'speaks' if certain else 'may speak'} TCP",
        f"without HTTP these fields are dropped from a DENY: {effect}; a rule that also names the HTTP ports denies no others",
        None if certain else Severity.INFO,
        field=f"spec.rules[{index}]",
    )


def _denied(context: Context, each: AtWaypoint, rule: AuthorizationRule, port: ServicePort) -> str:
    """Whose TCP connections the rule denies, with a space behind; one space for everybody's, and empty if it denies nobody."""
    namespace, mesh = each.policy.meta.namespace, context.snapshot.mesh
    for identity in (None, *sorted(context.identities)):
        asked = Request(port.number, tcp=True, principal=None if identity is None else Principal(identity), mesh=mesh)
        if Matcher(asked, namespace, denies=True).rule(rule) is Tri.YES:
            return _EVERYBODY if identity is None else f"of {identity} "
    return ""


RULE = Rule(
    "MT221", "DENY of all TCP", Severity.WARNING, _look, ("AuthorizationPolicy", "Service", "Gateway"), partial=True, breaks=True
)
