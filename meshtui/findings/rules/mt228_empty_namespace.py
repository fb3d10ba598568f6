"""MT228: an AuthorizationPolicy for a whole namespace in which nothing runs."""

from __future__ import annotations

from collections.abc import Iterator

from meshtui.findings.authz import policies
from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.findings.given import labels_known
from meshtui.findings.unseen import unseen
from meshtui.model.finding import Severity


def _look(context: Context) -> Iterator[Found]:
    """Of manifests only if they have Namespaces, and pods of others: else those of this one may just be missing."""
    snapshot = context.snapshot
    if not snapshot.live and not (context.running and any(n.known for n in snapshot.namespaces.values())):
        return
    inhabited = context.namespaces_with_pods | {c.meta.namespace for c in context.makers}
    inhabited |= {gateway.meta.namespace for gateway, ends in context.gateways if ends}
    inhabited |= {entry.meta.namespace for entry in snapshot.workload_entries.values()}
    inhabited |= {entry.meta.namespace for entry in snapshot.service_entries.values() if entry.endpoints}
    inhabited |= {service.meta.namespace for service in snapshot.services.values()} if not snapshot.live else set()
    for policy in policies(context):
        ref = policy.meta.ref
        if policy.selector is not None or policy.target_refs or ref.namespace in {snapshot.mesh.root_namespace, *inhabited}:
            continue
        if unseen(snapshot, [ref.namespace]):
            continue
        none = "in which no pod runs" if labels_known(context, ref.namespace) else "of which the input has no pod, but of others"
        why = "it is enforced nowhere now; if it is meant for workloads of another namespace, it has to be there"
        yield Found((ref,), f"{ref} is for all of namespace {ref.namespace}, {none}", why)


RULE = Rule("MT228", "policy for an empty namespace", Severity.INFO, _look, ("Pod", "Namespace", "AuthorizationPolicy"))
