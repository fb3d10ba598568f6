"""MT305: pods with allowed egress, but not to DNS."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from meshtui.engine.classes.classifier import PodClass
from meshtui.engine.policy.networkpolicy import Direction, allows_port, rules
from meshtui.engine.policy.tiers import Action
from meshtui.findings.base import Found, Rule
from meshtui.findings.context import OF_KUBERNETES, Context
from meshtui.findings.fixes import rule_edits
from meshtui.findings.netrules import main_policy
from meshtui.findings.own import tiers_of
from meshtui.findings.own_fixes import TO_DNS, opening_edits
from meshtui.model.finding import Fix, Severity
from meshtui.model.ids import ObjectRef
from meshtui.model.policy import NetworkPolicy

_DNS = 53


def _look(context: Context) -> Iterator[Found]:
    """Egress is restricted to some rules, none of which allows UDP 53. Pods without any allowed egress need no DNS."""
    if any(policy.egress for policy in context.snapshot.admin_policies.values()):
        return  # An admin policy may allow DNS
    affected: dict[ObjectRef, list[PodClass]] = {}
    policies: dict[ObjectRef, NetworkPolicy] = {}
    for member in context.classes:
        selecting = context.network.selecting(member.endpoint, Direction.EGRESS) if member.pods else ()
        written = [rule for policy in selecting for rule in rules(policy, Direction.EGRESS)]
        if not written or context.by_cni(member.endpoint, Direction.EGRESS):
            continue
        if any(allows_port(rule, _DNS, "UDP", None) for rule in written):
            continue
        policy = main_policy(context, member, Direction.EGRESS)
        if policy is not None:
            affected.setdefault(policy.meta.ref, []).append(member)
            policies[policy.meta.ref] = policy
    own = _own_without_dns(context)
    calls = Counter(context.snapshot.owner_of(call.source) for call in context.calls)
    for ref, members in sorted((affected | own).items()):
        owners = context.owners_of(members)
        flows = sum(calls[owner] for owner in owners)
        names = ", ".join(map(str, owners[:3])) + (" …" if len(owners) > 3 else "")
        yield Found(
            (ref, *owners),
            f"{ref} lets {names} call others, but not ask for their names (UDP {_DNS})",
            "calls by name fail before they start" + (f": {flows} are configured" if flows else ""),
            Severity.ERROR if flows else None,
            flows,
            _fix(context, policies[ref], owners) if ref in policies else _own_fix(context, ref, owners),
        )


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
        if not any(rule.ports.names or rule.ports.contain(_DNS, "UDP", None) for rule in allowing):
            found.setdefault(closing.ref, []).append(member)
    return found


def _fix(context: Context, policy: NetworkPolicy, owners: tuple[ObjectRef, ...]) -> Fix | None:
    peer = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}}
    ports = [{"protocol": protocol, "port": _DNS} for protocol in ("UDP", "TCP")]
    edits = rule_edits(context, policy, "egress", {"to": [peer], "ports": ports}, owners, "dns")
    return Fix("an egress rule for names: kube-system, port 53", edits) if edits else None


def _own_fix(context: Context, closing: ObjectRef, owners: tuple[ObjectRef, ...]) -> Fix | None:
    edits = opening_edits(context, closing, owners, TO_DNS, "to-dns")
    return Fix("egress for names: kube-system, port 53", edits) if edits else None


RULE = Rule("MT305", "no DNS", Severity.WARNING, _look, ("NetworkPolicy",), partial=True)
