"""MT309: a peer of a NetworkPolicy that matches no pod."""

from __future__ import annotations

from collections.abc import Iterator

from meshtui.engine.matching.addresses import parse_network
from meshtui.engine.matching.selectors import describe, matches
from meshtui.engine.policy.admin import subject_selects
from meshtui.engine.policy.networkpolicy import Direction
from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.findings.dns import leads_to_dns, server
from meshtui.findings.netrules import Written, admin_rules, written_rules
from meshtui.findings.own import field_of
from meshtui.findings.unseen import made_by_operator, made_for_gateway, unseen
from meshtui.model.finding import Severity
from meshtui.model.meta import METADATA_NAME
from meshtui.model.policy import NetworkPeer


def _look(context: Context) -> Iterator[Found]:
    """Namespaces without pods are skipped. Manifests rarely contain every namespace: without a cluster it is an info."""
    for written in written_rules(context):
        ref = written.policy.meta.ref
        for number, peer in enumerate(written.rule.peers):
            problem = _problem(context, peer, ref.namespace)
            if problem and not _is_elsewhere(context, written, peer):
                side = "from" if written.direction.value == "ingress" else "to"
                yield Found(
                    (ref,),
                    f"{ref} {written.place}.{side}[{number}] matches nobody: {problem}",
                    "the rule opens nothing for whom it was written",
                    None if context.snapshot.live else Severity.INFO,
                    field=f"spec.{written.place}.{side}[{number}]",
                )
    yield from _of_admin(context)
    yield from _of_own(context)


def _of_admin(context: Context) -> Iterator[Found]:
    """The same of admin policies: peers that are pods."""
    for policy, direction, index, rule in admin_rules(context):
        for number, peer in enumerate(rule.peers):
            if peer.pods is None or any(subject_selects(peer, m.endpoint) is not False for m in context.classes if m.pods):
                continue
            problem = _problem(context, NetworkPeer(peer.pods[1], peer.pods[0]), "")
            if problem:
                side = "from" if direction is Direction.INGRESS else "to"
                place, ref = f"{direction.value}[{index}].{side}[{number}]", policy.meta.ref
                yield Found(
                    (ref,),
                    f"{ref} {place} matches nobody: {problem}",
                    "the rule is about nobody for whom it was written",
                    None if context.snapshot.live else Severity.INFO,
                    field=f"spec.{place}",
                )


def _of_own(context: Context) -> Iterator[Found]:
    """The same of policies of the CNI's own kinds; those of namespaces without pods are skipped too."""
    policies = context.own.policies.values() if context.own is not None else ()
    for named in (each for policy in sorted(policies, key=lambda policy: policy.ref) for each in policy.named):
        if any(named.pods.classes(context.index)) or not any(named.namespaces.classes(context.index)):
            continue
        if any(context.selected_by.would_be(named.pods, c.meta.namespace, c.template) for c in context.makers):
            continue
        ref, why = named.decider.ref, unseen(context.snapshot, [named.decider.ref.namespace])
        yield Found(
            (ref,),
            f"{ref} {named.decider.rule} names nobody: no pod has {named.words}{why}",
            "the rule is about nobody for whom it was written",
            None if context.snapshot.live else Severity.INFO,
            field=field_of(named.decider),
        )


def _is_elsewhere(context: Context, written: Written, peer: NetworkPeer) -> bool:
    """Whether manifests can't contain whom a peer names: the cluster's DNS, and the pods that Istio makes for a Gateway."""
    if context.snapshot.live:
        return False
    space, servers = written.policy.meta.namespace, server(context)[0]
    if peer.namespace_selector is not None and written.direction is Direction.EGRESS and written.rule.ports:
        there = servers not in context.namespaces_with_pods and matches(peer.namespace_selector, {METADATA_NAME: servers})
        if there and leads_to_dns(context, written.rule, space):
            return True
    spaces = {space}
    if peer.namespace_selector is not None:
        spaces = {each.name for each in context.snapshot.namespaces.values() if matches(peer.namespace_selector, each.labels)}
    return peer.pod_selector is not None and made_for_gateway(context.snapshot, spaces, peer.pod_selector)


def _problem(context: Context, peer: NetworkPeer, home: str) -> str:
    if peer.ip_block is not None:
        return "" if parse_network(peer.ip_block.cidr) else f"{peer.ip_block.cidr} isn't a block of addresses"
    if context.peers([peer], home):
        return ""
    if peer.namespace_selector is None:
        names = {home}
    else:
        spaces = context.snapshot.namespaces.values()
        names = {space.name for space in spaces if matches(peer.namespace_selector, space.labels)}
        if not names:
            return f"no namespace has {describe(peer.namespace_selector)}"
    if not names & context.namespaces_with_pods or peer.pod_selector is None:
        return ""
    coming = (c for c in context.makers if c.meta.namespace in names)
    if any(matches(peer.pod_selector, c.template.labels) for c in coming):
        return ""
    if made_by_operator(context.snapshot, names, peer.pod_selector):
        return ""
    return f"no pod of {', '.join(sorted(names)[:3])} has {describe(peer.pod_selector)}{unseen(context.snapshot, names)}"


RULE = Rule("MT309", "peer that matches nobody", Severity.WARNING, _look, ("Pod", "Namespace", "NetworkPolicy"))
