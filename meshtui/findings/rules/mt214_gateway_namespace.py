"""MT214: a policy names a gateway in another namespace than the gateway's own."""

from __future__ import annotations

from collections.abc import Iterator

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
        for named in named_in(context.snapshot, policy):
            gateway = gateways.get(named.account)
            if gateway is None or named.identity in context.identities:
                continue
            flows = context.count(broken_flows(context, named, context.snapshot.owner_of(gateway)))
            yield _found(context, named, gateway, flows)


def _found(context: Context, named: Named, gateway: Pod, flows: int) -> Found:
    ref, real = named.policy.meta.ref, context.snapshot.principal_of(gateway)
    value = f"{gateway.namespace}/{gateway.service_account}" if named.path[-2] == "serviceAccounts" else real
    edit = Edit(ref, (Operation("replace", named.path, value),))
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
    )


RULE = Rule("MT214", "gateway in another namespace", Severity.ERROR, _look, ("Pod", "AuthorizationPolicy"), breaks=True)
