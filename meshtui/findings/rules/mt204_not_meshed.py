"""MT204: a policy covers a workload that isn't in the mesh, so it isn't enforced there."""

from __future__ import annotations

from collections.abc import Iterator

from meshtui.engine.policy.authorization import reaches_ztunnel
from meshtui.findings.authz import policies
from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.model.constants import NOT_CAPTURED
from meshtui.model.finding import Severity


def _look(context: Context) -> Iterator[Found]:
    """Policies of the root namespace are skipped: they apply to whatever is in the mesh. Other policies mean their pods."""
    root = context.snapshot.mesh.root_namespace
    for policy in policies(context):
        if not reaches_ztunnel(policy) or policy.meta.namespace == root:
            continue
        covered = [m for m in context.covered(policy) if m.pods]
        outside = [m for m in covered if m.endpoint.mode in NOT_CAPTURED and not (m.endpoint.pod and m.endpoint.pod.host_network)]
        owners = context.owners_of(outside)
        if not owners:
            continue
        names = ", ".join(map(str, owners[:3])) + (" …" if len(owners) > 3 else "")
        some = "only in part: " if len(outside) < len(covered) else ""
        yield Found(
            (policy.meta.ref, *owners),
            f"{policy.meta.ref} is enforced {some or 'nowhere: '}{names} {'is' if len(owners) == 1 else 'are'} not in the mesh",
            "no ztunnel, sidecar or waypoint stands before it: what the policy denies gets in",
        )


RULE = Rule("MT204", "policy on an un-meshed workload", Severity.WARNING, _look, ("AuthorizationPolicy",), partial=True)
