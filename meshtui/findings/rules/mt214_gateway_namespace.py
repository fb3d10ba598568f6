"""MT214: a policy names a gateway in another namespace than the gateway's own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from meshtui.findings.authz import policies
from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.findings.identities import Named, broken_flows, named_in
from meshtui.findings.pods import is_waypoint_pod
from meshtui.model.finding import Edit, Fix, Operation, Severity
from meshtui.model.workload import MeshMode, Pod


def _look(context: Context) -> Iterator[Found]:
    """The policy names an identity that no pod has, and a gateway runs as the same ServiceAccount in another namespace.

    Waypoints aren't gateways: each namespace may have one of the same name, and what another one brings isn't meant.
    """
    proxies = (pod for pod in context.running if context.snapshot.mesh_mode(pod) is MeshMode.GATEWAY)
    gateways = {pod.service_account: pod for pod in proxies if not is_waypoint_pod(context, pod)}
    for policy in policies(context) if gateways else ():
        if policy.action not in {"ALLOW", "DENY"}:
            continue
        wrong = [n for n in named_in(context.snapshot, policy) if n.account in gateways and n.identity not in context.identities]
        for rule, identity in dict.fromkeys((named.rule, named.identity) for named in wrong):
            alike = [named for named in wrong if (named.rule, named.identity) == (rule, identity)]
            yield _found(context, alike, gateways[alike[0].account])


def _found(context: Context, alike: Sequence[Named], gateway: Pod) -> Found:
    """A finding about one identity, wherever one rule names it."""
    named = alike[0]
    flows = context.count(broken_flows(context, named, context.snapshot.owner_of(gateway)))
    ref, real = named.policy.meta.ref, context.snapshot.principal_of(gateway)
    account = f"{gateway.namespace}/{gateway.service_account}"
    values = [(each.path, account if each.path[-2] == "serviceAccounts" else real) for each in alike]
    edit = Edit(ref, tuple(Operation("replace", path, value) for path, value in values))
    allows = named.policy.action == "ALLOW"
    effect = ", and its requests are denied" if flows else "" if allows else ", and the rule doesn't deny it"
    return Found(
        (ref, context.snapshot.owner_of(gateway)),
        f"{ref} rules[{named.rule}] {'allows' if allows else 'denies'} a gateway in {named.namespace}, "
        f"and the gateway runs in {gateway.namespace}",
        f"nobody runs as {named.text}; the gateway is {real}{effect}",
        None if flows else Severity.WARNING,
        flows,
        Fix(f"allow {real}", (edit,)) if allows else None,
        field=f"spec.rules[{named.rule}]",
    )


RULE = Rule("MT214", "gateway in another namespace", Severity.ERROR, _look, ("Pod", "AuthorizationPolicy"), breaks=True)
