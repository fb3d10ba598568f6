"""MT207: a policy's targetRef names an object that doesn't exist, or that no waypoint serves."""

from __future__ import annotations

from collections.abc import Iterator

from meshtui.engine.policy.attachment import DESTINATIONS, WAYPOINT_CLASS
from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.findings.given import labels_not_given, not_given
from meshtui.findings.waypoints import denies, destinations, waypoint_of
from meshtui.model.finding import Severity
from meshtui.model.ids import ObjectRef
from meshtui.model.policy import TargetRef

_GATEWAY_GROUP = "gateway.networking.k8s.io"


def _look(context: Context) -> Iterator[Found]:
    snapshot = context.snapshot
    for kind in (snapshot.authorization_policies, snapshot.request_authentications):
        for policy in kind.values():
            for index, target in enumerate(policy.target_refs):
                problem, doubt = _problem(context, target, policy.meta.namespace)
                if problem:
                    ref = policy.meta.ref
                    why = "it is enforced nowhere: whom it was written for is judged without it"
                    severity = Severity.INFO if doubt else Severity.ERROR if denies(policy) else None
                    yield Found((ref,), f"{ref} targetRefs[{index}]: {problem}{doubt}", why, severity)


def _problem(context: Context, target: TargetRef, home: str) -> tuple[str, str]:
    """The problem with a target, and why it may be none; empty if there is none, or if its kind isn't read."""
    snapshot = context.snapshot
    if target.namespace not in {"", home}:
        named = f"{target.kind} {target.namespace}/{target.name}"
        return f"{named} is in another namespace: a target must be in the policy's own", ""
    if (target.kind, target.group) in DESTINATIONS:
        wanted = ObjectRef(target.kind, home, target.name)
        service = next((each for each in context.once(destinations) if each.meta.ref == wanted), None)
        if service is None:
            return f"there is no {wanted}", not_given(snapshot, wanted)
        labels = labels_not_given(snapshot, home)
        return ("", "") if waypoint_of(context, service) else (f"neither {wanted} nor its namespace names a waypoint", labels)
    if target.kind == "Gateway" and target.group == _GATEWAY_GROUP:
        wanted = ObjectRef("Gateway", home, target.name)
        there = any(g.meta.ref == wanted for g in snapshot.gateways.values())
        return ("", "") if there else (f"there is no {wanted}", not_given(snapshot, wanted))
    if target.kind == "GatewayClass" and target.group == _GATEWAY_GROUP:
        if home != snapshot.mesh.root_namespace:
            return f"a GatewayClass can be the target of policies in {snapshot.mesh.root_namespace} only", ""
        return "" if target.name == WAYPOINT_CLASS else f"of GatewayClasses only {WAYPOINT_CLASS} can be a target", ""
    return "", ""


RULE = Rule(
    "MT207", "target that isn't there", Severity.WARNING, _look, ("AuthorizationPolicy", "Service", "Gateway", "ServiceEntry")
)
