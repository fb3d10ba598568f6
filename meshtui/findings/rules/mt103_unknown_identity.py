"""MT103: a policy names an identity that no pod runs as."""

from __future__ import annotations

from collections.abc import Iterator

from meshtui.engine.policy.trust_domains import principals_meant
from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.findings.fixes import identity_edits
from meshtui.findings.given import misspelt
from meshtui.findings.identities import Named, broken_flows, meant_workloads, named_in, parts_of
from meshtui.findings.unseen import unseen
from meshtui.model.finding import Fix, Severity
from meshtui.model.policy import AuthorizationPolicy


def _look(context: Context) -> Iterator[Found]:
    snapshot = context.snapshot
    meant = {(ref.namespace, ref.name): ref for ref in meant_workloads(context)}
    for policy in snapshot.authorization_policies.values():
        for named in named_in(snapshot, policy) if _enforced(policy) else ():
            if not named.text or _exists(context, named) or _elsewhere(context, named):
                continue
            workload = meant.get((named.namespace, named.account))
            flows = context.count(broken_flows(context, named, workload)) if workload else 0
            idle = context.sleeping.get(named.identity) if workload is None else None
            missing = f" now: {idle} has no replicas" if idle else "" if workload else unseen(snapshot, [named.namespace])
            edits = identity_edits(context, workload, named.account) if workload else ()
            yield Found(
                (policy.meta.ref,),
                f"{policy.meta.ref} rules[{named.rule}] names {named.text}, and no pod runs as it{missing}",
                f"{workload} is meant, and runs as something else: it is denied"
                if workload
                else "the rule matches nobody by it until that is scaled up"
                if idle
                else "the rule never matches: whoever it is meant for is treated as if it weren't there",
                Severity.ERROR if flows else Severity.INFO if missing else None,
                flows,
                Fix(f"run {workload} as {named.account}", edits) if edits else None,
                field=f"spec.rules[{named.rule}]",
            )


def _enforced(policy: AuthorizationPolicy) -> bool:
    return policy.action in {"ALLOW", "DENY"} and not policy.dry_run


def _exists(context: Context, named: Named) -> bool:
    """Whether somebody has the identity, or at a waypoint one of those that istiod writes for it."""
    meant = principals_meant(named.identity, context.snapshot.mesh) if named.policy.target_refs else (named.identity,)
    return not context.identities.isdisjoint(meant)


def _elsewhere(context: Context, named: Named) -> bool:
    """Whether the identity may exist elsewhere: in a namespace of which manifests have no pods, or in another mesh."""
    if parts_of(named.identity)[0] not in {"", "cluster.local", context.snapshot.mesh.trust_domain}:
        return True  # Another mesh's identity, or an alias, which MT104 reports
    if context.snapshot.live or not named.namespace or named.namespace in context.namespaces_with_pods:
        return False
    if any(ends and (g.meta.namespace, g.meta.name) == (named.namespace, named.account) for g, ends in context.gateways):
        return False  # Its pods don't run as its name, but as NAME-CLASS
    return not misspelt(context, named.namespace)


RULE = Rule("MT103", "unknown identity", Severity.WARNING, _look, ("Pod", "AuthorizationPolicy"))
