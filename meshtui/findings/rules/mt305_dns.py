"""MT305: pods with allowed egress, but not to DNS."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from meshtui.engine.classes.classifier import PodClass
from meshtui.engine.policy.networkpolicy import Direction, rules
from meshtui.engine.policy.tiers import Action
from meshtui.findings.base import Found, Rule
from meshtui.findings.context import OF_KUBERNETES, Context
from meshtui.findings.dns import fix_of, leads_to_dns, leaves_cluster, server
from meshtui.findings.fixes import rule_edits
from meshtui.findings.netrules import main_policy
from meshtui.findings.own import tiers_of
from meshtui.findings.own_fixes import TO_DNS, opening_edits
from meshtui.findings.pods import is_ambient
from meshtui.model.finding import Fix, Severity
from meshtui.model.ids import ObjectRef
from meshtui.model.membership import asks_ztunnel_for_names
from meshtui.model.policy import NetworkPolicy

_DNS = 53


@dataclass(slots=True)
class _Silent:
    """The classes of one policy that can't ask for names. ``outside``: its rules let some of them out of the cluster."""

    members: list[PodClass] = field(default_factory=list)
    outside: bool = False


def _look(context: Context) -> Iterator[Found]:
    """Egress is restricted to some rules, none of which leads to a DNS server. Pods without any allowed egress need no DNS.

    Of ambient pods ztunnel answers names of Services itself, and asks on for others (istio.io: DNS proxying): they are an info,
    or a warning if their egress leaves the cluster.
    """
    if any(policy.egress for policy in context.snapshot.admin_policies.values()):
        return  # An admin policy may allow DNS
    asking, others = _without_dns(context)
    for ref, members in _own_without_dns(context).items():
        for member in members:
            (asking if _is_answered(context, member) else others)[ref].members.append(member)
    policies = {policy.meta.ref: policy for policy in context.snapshot.network_policies.values()}
    calls = Counter(context.snapshot.owner_of(call.source) for call in context.calls)
    for ref, silent in sorted(others.items()):
        owners = context.owners_of(silent.members)
        flows = sum(calls[owner] for owner in owners)
        yield Found(
            (ref, *owners),
            f"{ref} lets {_names(owners)} call others, but not ask for their names (UDP {server(context)[1]})",
            "calls by name fail before they start" + (f": {flows} are configured" if flows else ""),
            Severity.ERROR if flows else None,
            flows,
            _fix(context, policies.get(ref), ref, owners),
        )
    for ref, silent in sorted(asking.items()):
        owners = context.owners_of(silent.members)
        yield Found(
            (ref, *owners),
            f"{ref} lets {_names(owners)} call others, but not ask the cluster's DNS for names (UDP {server(context)[1]})",
            "ztunnel answers ambient pods' requests for names of Services, and asks on for others: names outside the mesh fail",
            None if silent.outside else Severity.INFO,
            fix=_fix(context, policies.get(ref), ref, owners),
        )


def _without_dns(context: Context) -> tuple[dict[ObjectRef, _Silent], dict[ObjectRef, _Silent]]:
    """The classes whose NetworkPolicies allow some egress and no DNS: those whom ztunnel answers, and the others."""
    asking: dict[ObjectRef, _Silent] = defaultdict(_Silent)
    others: dict[ObjectRef, _Silent] = defaultdict(_Silent)
    for member in context.classes:
        selecting = context.network.selecting(member.endpoint, Direction.EGRESS) if member.pods else ()
        written = [(rule, policy.meta.namespace) for policy in selecting for rule in rules(policy, Direction.EGRESS)]
        policy = main_policy(context, member, Direction.EGRESS)
        if policy is None or not written or context.by_cni(member.endpoint, Direction.EGRESS):
            continue
        if any(leads_to_dns(context, rule, namespace) for rule, namespace in written):
            continue
        silent = (asking if _is_answered(context, member) else others)[policy.meta.ref]
        silent.members.append(member)
        silent.outside |= any(leaves_cluster(rule) for rule, _ in written)
    return asking, others


def _is_answered(context: Context, member: PodClass) -> bool:
    """Whether ztunnel answers the pods of a class."""
    return is_ambient(member) and all(asks_ztunnel_for_names(pod, context.snapshot.installation) for pod in member.pods.values())


def _names(owners: tuple[ObjectRef, ...]) -> str:
    return ", ".join(map(str, owners[:3])) + (" …" if len(owners) > 3 else "")


def _own_without_dns(context: Context) -> dict[ObjectRef, list[PodClass]]:
    """The classes whose own policies allow some egress and certainly no DNS, by the policy that denies it."""
    found: dict[ObjectRef, list[PodClass]] = {}
    for member, direction, tiers in tiers_of(context):
        if direction is not Direction.EGRESS:
            continue
        allowing = [rule for tier in tiers for rule in tier.rules if rule.action is not Action.DENY]
        closing = next((tier.by for tier in tiers if tier.end is Action.DENY and tier.by is not None), None)
        if closing is None or closing.ref.kind in OF_KUBERNETES or not any(rule.decider for rule in allowing):
            continue
        ports = {_DNS, server(context)[1]}
        if not any(rule.ports.names or any(rule.ports.contain(port, "UDP", None) for port in ports) for rule in allowing):
            found.setdefault(closing.ref, []).append(member)
    return found


def _fix(context: Context, policy: NetworkPolicy | None, closing: ObjectRef, owners: tuple[ObjectRef, ...]) -> Fix | None:
    peer, ports, words = fix_of(context)
    if policy is None:
        edits = opening_edits(context, closing, owners, TO_DNS, "to-dns")
        return Fix("egress for names: kube-system, port 53", edits) if edits else None
    edits = rule_edits(context, policy, "egress", {"to": [peer], "ports": ports}, owners, "dns")
    return Fix(f"an egress rule for names: {words}", edits) if edits else None


RULE = Rule("MT305", "no DNS", Severity.WARNING, _look, ("NetworkPolicy",), partial=True)
