"""MT241: an ingress gateway goes past a waypoint that wouldn't let its requests pass."""

from __future__ import annotations

from collections.abc import Iterator

from meshtui.engine.path.waypoint import INGRESS_USE_WAYPOINT
from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.findings.given import labels_not_given
from meshtui.findings.waypoints import guards, one_of_each_class
from meshtui.findings.words import few
from meshtui.model.finding import Edit, Fix, Operation, Severity
from meshtui.model.ids import ObjectRef
from meshtui.model.reason import Code
from meshtui.model.verdict import Decision, StepResult
from meshtui.model.workload import Pod


def _look(context: Context) -> Iterator[Found]:
    """The waypoint's own decision about the gateway is compared with what happens without it."""
    told: set[tuple[ObjectRef, ObjectRef]] = set()
    for call in (call for call in context.calls if call.gateway is not None):
        source, service = context.endpoint(call.source), call.service
        attached = context.engine.binding(service)
        if attached is None or attached.gateway is None or not attached.endpoints:
            continue
        waypoint, caller = attached.gateway.meta.ref, call.gateway or call.said_by
        named = tuple(policy.meta.ref for policy in guards(context, waypoint, service))
        if not named or (caller, service.meta.ref) in told:
            continue
        for pod, port in one_of_each_class(context, call.targets):
            target = context.endpoint(pod)
            around = context.engine.around(source, target, service)
            if around is None or around.code is not Code.WAYPOINT_NOT_FOR_GATEWAYS:
                continue
            would = context.engine.at_waypoint(source, target, port, service, call.port)
            does = context.engine.between(source, target, port, "TCP", service, call.port)
            if would not in {StepResult.BLOCK, StepResult.UNKNOWN} or does.decision is Decision.DENY:
                continue
            told.add((caller, service.meta.ref))
            sure, doubt = would is StepResult.BLOCK, labels_not_given(context.snapshot, service.meta.namespace)
            edit = Edit(service.meta.ref, (Operation("add", ("metadata", "labels", INGRESS_USE_WAYPOINT), "true"),))
            yield Found(
                (service.meta.ref, caller, waypoint, *named),
                f"{caller} sends requests to {service.meta.ref} past {waypoint}: "
                f"the Service has no label {INGRESS_USE_WAYPOINT}{doubt}",
                f"{few(named)} {'would deny them' if sure else 'may deny some of them'} at the waypoint, which isn't asked",
                Severity.INFO if doubt or _is_let_in(context, pod, source.principal) else Severity.ERROR if sure else None,
                1,
                Fix(f"label {service.meta.ref} with {INGRESS_USE_WAYPOINT}: true", (edit,)) if not sure else None,
                affected=frozenset((caller, *named)),
            )
            break


def _is_let_in(context: Context, pod: Pod, identity: str | None) -> bool:
    """Whether a policy on the pod itself names the gateway's identity: then somebody means its requests to come straight."""
    compiled = (each.policy for each in context.authorization.covering(pod) if not each.denies)
    sources = (source for policy in compiled for rule in policy.rules for source in rule.sources)
    return identity is not None and any(identity in source.principals for source in sources)


RULE = Rule(
    "MT241",
    "gateway past the waypoint",
    Severity.WARNING,
    _look,
    ("AuthorizationPolicy", "Service", "Gateway", "HTTPRoute"),
    partial=True,
)
