"""The admin tiers around NetworkPolicies (kubernetes-sigs/network-policy-api): Admin before them, Baseline after them."""

from __future__ import annotations

from dataclasses import dataclass

from meshtui.engine.endpoints import Endpoint
from meshtui.engine.matching.addresses import parse_network
from meshtui.engine.matching.selectors import matches
from meshtui.engine.policy.networkpolicy import Direction
from meshtui.model.policy import AdminPeer, AdminPolicy, AdminPort, AdminRule
from meshtui.model.snapshot import Snapshot
from meshtui.model.workload import Pod


@dataclass(frozen=True, slots=True)
class AdminMatch:
    """The first rule of a tier that matches a flow. ``names`` are set where it isn't known whether it does: domain names."""

    policy: AdminPolicy
    rule: int
    action: str
    name: str = ""
    names: tuple[str, ...] = ()


class AdminPolicies:
    """The admin policies of a snapshot, each tier by priority (lowest number first), then by name."""

    def __init__(self, snapshot: Snapshot) -> None:
        policies = sorted(snapshot.admin_policies.values(), key=lambda p: (p.priority, p.meta.name))
        self._tiers = {tier: [p for p in policies if p.tier == tier] for tier in ("Admin", "Baseline")}

    def selecting(self, tier: str, subject: Endpoint, direction: Direction) -> tuple[AdminPolicy, ...]:
        """The policies of a tier that have rules in this direction for a pod."""
        return tuple(p for p in self._tiers[tier] if subject_selects(p.subject, subject) and _rules(p, direction))

    def first_match(
        self, tier: str, direction: Direction, subject: Endpoint, peer: Endpoint, port: int, protocol: str, target: Endpoint
    ) -> AdminMatch | None:
        """The first rule that matches, by priority and then by order within the policy; its action is final in its tier.

        A rule before it that may match, by a domain name, and says something else makes the answer uncertain.
        """
        perhaps: list[AdminMatch] = []
        for policy in self.selecting(tier, subject, direction):
            for index, rule in enumerate(_rules(policy, direction)):
                if not _ports_match(rule, port, protocol, target.pod):
                    continue
                if any(_peer_matches(entry, peer) for entry in rule.peers):
                    other = next((match for match in perhaps if match.action != rule.action), None)
                    return other or AdminMatch(policy, index, rule.action, rule.name)
                if names := _names_that_may_mean(rule, peer):
                    perhaps.append(AdminMatch(policy, index, rule.action, rule.name, names))
        return perhaps[0] if perhaps else None


def _rules(policy: AdminPolicy, direction: Direction) -> tuple[AdminRule, ...]:
    return policy.ingress if direction is Direction.INGRESS else policy.egress


def subject_selects(subject: AdminPeer, endpoint: Endpoint) -> bool:
    """Whether a policy's subject selects a pod (one on the host network like any other: docs/adr/0002)."""
    if not endpoint.selectable or endpoint.pod is None:
        return False
    if subject.namespaces is not None:
        return matches(subject.namespaces, endpoint.namespace_labels)
    if subject.pods is not None:
        return matches(subject.pods[0], endpoint.namespace_labels) and matches(subject.pods[1], endpoint.labels)
    return False


def _ports_match(rule: AdminRule, port: int, protocol: str, target: Pod | None) -> bool:
    """ANY port; unlike in NetworkPolicies, None means all and an empty list none."""
    return rule.ports is None or any(_port_matches(entry, port, protocol, target) for entry in rule.ports)


def _names_that_may_mean(rule: AdminRule, peer: Endpoint) -> tuple[str, ...]:
    """The domain names of a rule, for an address outside the cluster: which of them resolve to it, only the CNI knows."""
    if peer.pod is not None or peer.node_labels is not None:
        return ()
    return tuple(name for entry in rule.peers for name in entry.domain_names)


def _peer_matches(entry: AdminPeer, peer: Endpoint) -> bool:
    if entry.networks:
        address = peer.address
        networks = (parse_network(text) for text in entry.networks)
        return address is not None and any(network is not None and address in network for network in networks)
    if entry.nodes is not None:
        return peer.node_labels is not None and matches(entry.nodes, peer.node_labels)
    return subject_selects(entry, peer)


def _port_matches(entry: AdminPort, port: int, protocol: str, target: Pod | None) -> bool:
    if entry.named:
        ports = target.ports if target else ()
        return any(p.name == entry.named and p.number == port and p.protocol == protocol for p in ports)
    return entry.protocol == protocol and entry.start <= port <= entry.end
