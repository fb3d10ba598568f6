"""MT206: a destination doesn't let its own waypoint in."""

from __future__ import annotations

from collections.abc import Iterator

from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.findings.waypoints import Behind, behind_waypoints
from meshtui.model.finding import Change, Fix, Operation, Severity
from meshtui.model.policy import AuthorizationPolicy
from meshtui.model.verdict import Decision, Layer, Verdict


def _look(context: Context) -> Iterator[Found]:
    """Behind a waypoint the destination's ztunnel sees the waypoint's identity (istio.io: waypoints, L4 policies)."""
    for behind in behind_waypoints(context):
        denied = _denied(context, behind)
        if denied is None or denied.decided_by is None:
            continue
        by = denied.decided_by
        if denied.layer is Layer.ZTUNNEL:
            why = f"{denied.reason}; every call of {behind.service.meta.ref} from the mesh ends at the waypoint"
        else:
            why = f"{by.ref} stops the waypoint on its way to the pods: every call from the mesh ends there"
        yield Found(
            (by.ref, behind.service.meta.ref, behind.waypoint.meta.ref),
            f"{by.ref} doesn't let {behind.waypoint.meta.ref} reach {behind.service.meta.ref}",
            why,
            None,
            len({context.snapshot.owner_of(pod) for pod in behind.pods}) * max(1, len(behind.service.ports)),
            _fix(context, behind, denied),
        )


def _denied(context: Context, behind: Behind) -> Verdict | None:
    """The first denial between the waypoint's pods and the Service's."""
    for endpoint in behind.instances:
        for pod in behind.pods:
            for port in (p.number for p in pod.ports if p.protocol == "TCP"):
                verdict = context.engine.between(endpoint, context.endpoint(pod), port)
                if verdict.decision is Decision.DENY:
                    return verdict
    return None


def _fix(context: Context, behind: Behind, denied: Verdict) -> Fix | None:
    """Allow the waypoint's identity, where nothing else but a missing rule denies it."""
    by = denied.decided_by
    pod = behind.instances[0].pod
    if by is None or by.rule is not None or denied.layer is not Layer.ZTUNNEL or pod is None:
        return None
    policy = next((p for p in context.snapshot.authorization_policies.values() if p.meta.ref == by.ref), None)
    if not isinstance(policy, AuthorizationPolicy):
        return None
    identity = context.snapshot.principal_of(pod)
    rule = {"from": [{"source": {"principals": [identity]}}]}
    return Fix(f"allow {identity}", (Change(by.ref, (Operation("add", ("spec", "rules", "-"), rule),)),))


RULE = Rule(
    "MT206",
    "waypoint not allowed",
    Severity.ERROR,
    _look,
    ("AuthorizationPolicy", "Service", "Gateway", "NetworkPolicy"),
    partial=True,
)
