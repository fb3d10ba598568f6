"""MT222: a policy selects the pods of a waypoint, which reads policies by targetRefs only."""

from __future__ import annotations

from collections.abc import Iterator

from meshtui.engine.matching.selectors import describe, matches
from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.findings.pods import is_waypoint_pod
from meshtui.model.finding import Severity
from meshtui.model.ids import ObjectRef
from meshtui.model.policy import AuthorizationPolicy, RequestAuthentication


def _look(context: Context) -> Iterator[Found]:
    """Waypoints ignore selectors (istio/istio policyattachment.go); an error if the policy selects nothing else."""
    snapshot = context.snapshot
    waypoints = [(gateway, ends) for gateway, ends in context.gateways if gateway.is_waypoint]
    kinds = (snapshot.authorization_policies, snapshot.request_authentications) if waypoints else ()
    for policy in sorted((p for kind in kinds for p in kind.values()), key=lambda p: p.meta.ref):
        selector, home = policy.selector, policy.meta.namespace
        if selector is None or selector.is_empty or policy.target_refs:
            continue
        if isinstance(policy, AuthorizationPolicy) and policy.dry_run:
            continue
        spaces = {gateway.meta.namespace for gateway, _ in waypoints} if home == snapshot.mesh.root_namespace else {home}
        found = [g for g, ends in waypoints if g.meta.namespace in spaces and any(matches(selector, end.labels) for end in ends)]
        if not found:
            continue
        ref, gateway = policy.meta.ref, found[0].meta.ref
        others = _others(context, policy)
        yield Found(
            (ref, gateway),
            f"{ref} selects the pods of the waypoint {gateway}: {describe(selector)}",
            "a waypoint enforces policies with targetRefs to it or its Services, and none by selector: "
            + (f"it holds for {others} alone" if others else "it is enforced nowhere"),
            Severity.WARNING if others else None,
            field="" if selector is None else "spec.selector",
        )


def _others(context: Context, policy: AuthorizationPolicy | RequestAuthentication) -> ObjectRef | None:
    """A workload that the policy selects and that isn't a waypoint."""
    scope = AuthorizationPolicy(policy.meta, selector=policy.selector)
    for member in context.covered(scope):
        for pod in member.pods.values():
            if not is_waypoint_pod(context, pod):
                return context.snapshot.owner_of(pod)
    return None


RULE = Rule(
    "MT222",
    "selector on a waypoint",
    Severity.ERROR,
    _look,
    ("AuthorizationPolicy", "RequestAuthentication", "Gateway", "Pod"),
    partial=True,
)
