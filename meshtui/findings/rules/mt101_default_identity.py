"""MT101: a meshed workload runs as the ServiceAccount ``default``."""

from __future__ import annotations

from collections.abc import Iterator

from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.findings.fixes import identity_edits
from meshtui.findings.identities import Meant, meant_workloads, named_in
from meshtui.model.constants import MESHED
from meshtui.model.finding import Fix, Severity
from meshtui.model.ids import ObjectRef, spiffe_id


def _look(context: Context) -> Iterator[Found]:
    snapshot = context.snapshot
    meant = meant_workloads(context)
    told = {n.identity for policy in snapshot.authorization_policies.values() for n in named_in(snapshot, policy)}
    for workload, pods in context.workloads:
        default = [p for p in pods if p.service_account == "default" and snapshot.mesh_mode(p) in MESHED]
        if not default:
            continue
        ref, identity = workload.ref, snapshot.principal_of(default[0])
        denied = meant.get(ref)
        flows = context.count(denied.flows) if denied else 0
        yield Found(
            (ref,),
            f"{ref.kind} {ref.namespace}/{ref.name} runs as ServiceAccount default ({spiffe_id(identity)})",
            _why(denied, flows),
            Severity.ERROR if flows else None,
            flows,
            None if identity in told else _fix(context, ref),
        )


def _why(denied: Meant | None, flows: int) -> str:
    if denied is None or not flows:
        return "policies can't tell it from any other workload of its namespace that runs as default"
    named = denied.named[0]
    targets = sorted({f"{target.endpoint.name}:{port}" for _, target, port in denied.flows})
    return (
        f"{named.policy.meta.ref} rules[{named.rule}] allows {named.text}, which nobody has: "
        f"denied at {', '.join(targets[:3])}{' …' if len(targets) > 3 else ''}"
    )


def _fix(context: Context, ref: ObjectRef) -> Fix | None:
    edits = identity_edits(context, ref, ref.name)
    return Fix(f"run {ref.kind} {ref.name} as a ServiceAccount of its own, {ref.name}", edits) if edits else None


RULE = Rule("MT101", "default identity", Severity.WARNING, _look, ("AuthorizationPolicy",), partial=True)
