"""MT207: a policy's targetRef names an object that doesn't exist, or that no waypoint serves."""

from __future__ import annotations

from collections.abc import Iterator

from meshtui.engine.policy.attachment import DESTINATIONS, WAYPOINT_CLASS
from meshtui.engine.policy.unmodelled import USE_WAYPOINT
from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.findings.given import in_view, labels_known
from meshtui.findings.waypoints import denies, destinations, waypoint_of
from meshtui.model.finding import Severity
from meshtui.model.ids import ObjectRef
from meshtui.model.policy import TargetRef
from meshtui.model.workload import Service

_GATEWAY_GROUP = "gateway.networking.k8s.io"


def _look(context: Context) -> Iterator[Found]:
    """An error if a DENY policy is lost: what it denies gets in."""
    snapshot = context.snapshot
    for kind in (snapshot.authorization_policies, snapshot.request_authentications):
        for policy in kind.values():
            for index, target in enumerate(policy.target_refs):
                problem = _problem(context, target, policy.meta.namespace)
                if problem:
                    ref = policy.meta.ref
                    lost = denies(policy)
                    why = "no proxy enforces it for this target: " + (
                        "what it denies gets in" if lost else "requests are judged as if it weren't there"
                    )
                    severity, field = Severity.ERROR if lost else None, f"spec.targetRefs[{index}]"
                    yield Found((ref,), f"{ref} targetRefs[{index}]: {problem}", why, severity, field=field)


def _problem(context: Context, target: TargetRef, home: str) -> str:
    """The problem with a target; empty if there is none, if its kind isn't read, or if the input doesn't show it."""
    snapshot = context.snapshot
    if target.namespace not in {"", home}:
        return f"{target.kind} {target.namespace}/{target.name} is in another namespace: a target must be in the policy's own"
    if (target.kind, target.group) in DESTINATIONS:
        wanted = ObjectRef(target.kind, home, target.name)
        service = next((each for each in context.once(destinations) if each.meta.ref == wanted), None)
        if service is None:
            return f"there is no {wanted}" if in_view(context, home) else ""
        return "" if waypoint_of(context, service) else _without_waypoint(context, service)
    if target.kind == "Gateway" and target.group == _GATEWAY_GROUP:
        there = any(g.meta.ref == ObjectRef("Gateway", home, target.name) for g in snapshot.gateways.values())
        return "" if there or not in_view(context, home) else f"there is no Gateway {home}/{target.name}"
    if target.kind == "GatewayClass" and target.group == _GATEWAY_GROUP:
        if home != snapshot.mesh.root_namespace:
            return f"a GatewayClass can be the target of policies in {snapshot.mesh.root_namespace} only"
        right = target.name == WAYPOINT_CLASS
        return "" if right else f"only the GatewayClass {WAYPOINT_CLASS} can be a target, and it names {target.name}"
    return ""


def _without_waypoint(context: Context, service: Service) -> str:
    """Why no waypoint serves an existing Service; empty if the labels of its namespace aren't in the input."""
    ref = service.meta.ref
    space = context.snapshot.namespace_by_name.get(ref.namespace)
    if USE_WAYPOINT in service.meta.labels:
        return f"no waypoint serves {ref}: it opts out, by the value none of its label {USE_WAYPOINT}"
    if space is not None and USE_WAYPOINT in space.labels:
        return f"no waypoint serves {ref}: its namespace opts out, by the value none of the label {USE_WAYPOINT}"
    if not labels_known(context, ref.namespace):
        return ""
    return f"no waypoint serves {ref}: neither it nor its namespace has the label {USE_WAYPOINT}"


RULE = Rule(
    "MT207", "target that isn't there", Severity.WARNING, _look, ("AuthorizationPolicy", "Service", "Gateway", "ServiceEntry")
)
