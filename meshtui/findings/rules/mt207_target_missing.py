"""MT207: a policy's targetRef names an object that doesn't exist, or that no waypoint serves."""

from __future__ import annotations

from collections.abc import Iterator

from meshtui.engine.policy.attachment import DESTINATIONS
from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.findings.waypoints import waypoint_of
from meshtui.model.finding import Severity
from meshtui.model.ids import ObjectRef
from meshtui.model.policy import TargetRef

_GATEWAY_GROUP = "gateway.networking.k8s.io"


def _look(context: Context) -> Iterator[Found]:
    snapshot = context.snapshot
    for kind in (snapshot.authorization_policies, snapshot.request_authentications):
        for policy in kind.values():
            for index, target in enumerate(policy.target_refs):
                problem = _problem(context, target, policy.meta.namespace)
                if problem:
                    ref = policy.meta.ref
                    why = "it is enforced nowhere: whom it was written for is judged without it"
                    yield Found((ref,), f"{ref} targetRefs[{index}]: {problem}", why)


def _problem(context: Context, target: TargetRef, home: str) -> str:
    """The problem with a target; empty if there is none, or if its kind isn't read."""
    snapshot = context.snapshot
    if target.namespace not in {"", home}:
        return f"{target.kind} {target.namespace}/{target.name} is in another namespace: a target must be in the policy's own"
    if (target.kind, target.group) in DESTINATIONS:
        wanted = ObjectRef(target.kind, home, target.name)
        known = (*snapshot.services.values(), *(entry.service for entry in snapshot.service_entries.values()))
        service = next((s for s in known if s.meta.ref == wanted), None)
        if service is None:
            return f"there is no {wanted}"
        return (
            "" if waypoint_of(context, service) else f"no waypoint serves {wanted}: a label {'istio.io/use-waypoint'} names none"
        )
    if target.kind == "Gateway" and target.group == _GATEWAY_GROUP:
        there = any(g.meta.ref == ObjectRef("Gateway", home, target.name) for g in snapshot.gateways.values())
        return "" if there else f"there is no Gateway {home}/{target.name}"
    if target.kind == "GatewayClass" and target.group == _GATEWAY_GROUP:
        if home != snapshot.mesh.root_namespace:
            return f"a GatewayClass can be the target of policies in {snapshot.mesh.root_namespace} only"
        return "" if target.name.startswith("istio") else f"GatewayClass {target.name} isn't one of Istio's"
    return ""


RULE = Rule(
    "MT207", "target that isn't there", Severity.WARNING, _look, ("AuthorizationPolicy", "Service", "Gateway", "ServiceEntry")
)
