"""Queries about NetworkPolicies for rules: the ports that a rule opens, and the peers that it allows through the tunnel."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from meshtui.engine.classes.classifier import PodClass
from meshtui.engine.classes.index import Bits
from meshtui.engine.path.layers import network_port
from meshtui.engine.policy.admin import rules_of
from meshtui.engine.policy.networkpolicy import Direction, allows_port, applies, rules
from meshtui.findings.context import Context
from meshtui.findings.pods import declared_ports
from meshtui.model.constants import HBONE_PORT
from meshtui.model.policy import AdminPolicy, AdminRule, NetworkPeer, NetworkPolicy, NetworkPolicyRule
from meshtui.model.workload import Pod

_DNS = 53


@dataclass(frozen=True, slots=True)
class Written:
    """One rule of a NetworkPolicy, with its place."""

    policy: NetworkPolicy
    direction: Direction
    index: int
    rule: NetworkPolicyRule

    @property
    def place(self) -> str:
        """The place of the rule: ``egress[1]``."""
        return f"{self.direction.value}[{self.index}]"


def written_rules(context: Context) -> Iterator[Written]:
    """All rules of all policies in the directions in which the policy applies."""
    for policy in sorted(context.snapshot.network_policies.values(), key=lambda p: p.meta.ref):
        for direction in Direction:
            if applies(policy, direction):
                for index, rule in enumerate(rules(policy, direction)):
                    yield Written(policy, direction, index, rule)


def admin_rules(context: Context) -> Iterator[tuple[AdminPolicy, Direction, int, AdminRule]]:
    """All rules of all admin policies, with their places."""
    for policy in sorted(context.snapshot.admin_policies.values(), key=lambda p: p.meta.ref):
        for direction in Direction:
            for index, rule in enumerate(rules_of(policy, direction)):
                yield policy, direction, index, rule


def opened(context: Context, rule: NetworkPolicyRule, target: PodClass) -> tuple[int, ...]:
    """The application's TCP ports that a rule names and the class's pods declare; all named numbers if they declare none."""
    declared = declared_ports(context, target)
    numbers = [
        p for p in declared if any(_names(entry.port) for entry in rule.ports) and allows_port(rule, p, "TCP", _pod(target))
    ]
    if not declared:
        numbers = [e.port for e in rule.ports if e.protocol == "TCP" and isinstance(e.port, int) and e.end_port is None]
    return tuple(dict.fromkeys(p for p in numbers if p not in {HBONE_PORT, _DNS}))


def _names(port: int | str | None) -> bool:
    return port is not None and port != HBONE_PORT


def _pod(member: PodClass) -> Pod | None:
    return next(iter(member.pods.values()), member.endpoint.pod)


def permitted(context: Context, member: PodClass, direction: Direction, port: int) -> Bits:
    """The peers that a class's own NetworkPolicies allow on a TCP port, without egress rules by port name.

    All classes where policies of the CNI's own kinds decide beside them.
    """
    selecting = context.network.selecting(member.endpoint, direction)
    if not selecting or context.by_cni(member.endpoint, direction):
        return context.index.all
    found = 0
    for policy in selecting:
        for rule in rules(policy, direction):
            if allows_port(rule, port, "TCP", member.endpoint.pod if direction is Direction.INGRESS else None):
                found |= peers_of(context, rule, policy.meta.namespace)
    return found


def peers_of(context: Context, rule: NetworkPolicyRule, namespace: str) -> Bits:
    """The classes that a rule's peers match; all classes if it has no peers."""
    return context.peers(rule.peers, namespace) if rule.peers else context.index.all


def particular(peers: Iterable[NetworkPeer]) -> list[NetworkPeer]:
    """The peers that are restricted by pod labels."""
    return [p for p in peers if p.pod_selector is not None and not p.pod_selector.is_empty]


def through_tunnel(source: PodClass, target: PodClass) -> bool:
    """Whether NetworkPolicy sees HBONE between two classes."""
    return network_port(source.endpoint, target.endpoint, 0, "TCP") == HBONE_PORT


def main_policy(context: Context, member: PodClass, direction: Direction) -> NetworkPolicy | None:
    """The policy to change for a class: one with a selector in preference to the namespace's default, and with the most rules."""
    selecting = context.network.selecting(member.endpoint, direction)
    return max(selecting, key=lambda p: (not p.pod_selector.is_empty, len(rules(p, direction))), default=None)
