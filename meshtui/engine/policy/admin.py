"""The admin tiers around NetworkPolicies (kubernetes-sigs/network-policy-api): Admin before them, Baseline after them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from meshtui.engine.endpoints import Endpoint
from meshtui.engine.matching.addresses import parse_network
from meshtui.engine.matching.selectors import matches
from meshtui.engine.policy.networkpolicy import Direction, names_ports
from meshtui.model.cni import HostPods
from meshtui.model.policy import AdminPeer, AdminPolicy, AdminPort, AdminRule
from meshtui.model.snapshot import Snapshot
from meshtui.model.workload import Pod

UNORDERED = "undefined"
"""The action of rules whose order isn't defined."""


@dataclass(frozen=True, slots=True)
class AdminMatch:
    """The first rule of a tier that matches a flow.

    If it isn't known whether the rule matches, ``names`` are the rule's domain names, and ``networks`` its CIDRs that may contain
    a pod with an unknown address. ``by_namespace``: it depends on labels of a namespace that aren't known. ``by_port``: it
    depends on the name of a port of a pod on the host network.
    """

    policy: AdminPolicy
    rule: int
    action: str
    name: str = ""
    names: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    by_namespace: bool = False
    by_port: bool = False

    @property
    def perhaps(self) -> bool:
        """Whether it isn't certain that the rule matches."""
        return bool(self.names or self.networks or self.by_namespace or self.by_port)


class AdminPolicies:
    """The admin policies of a snapshot: each tier sorted by priority (lowest number first), then by name."""

    def __init__(self, snapshot: Snapshot) -> None:
        policies = sorted(snapshot.admin_policies.values(), key=lambda p: (p.priority, p.meta.name))
        self._tiers = {tier: [p for p in policies if p.tier == tier] for tier in ("Admin", "Baseline")}

    def selecting(self, tier: str, subject: Endpoint, direction: Direction) -> tuple[AdminPolicy, ...]:
        """The policies of a tier that have, or may have, rules in this direction for a pod."""
        found = [p for p in self._tiers[tier] if subject_selects(p.subject, subject) is not False and rules_of(p, direction)]
        return unordered(found, direction)

    def first_match(
        self, tier: str, direction: Direction, subject: Endpoint, peer: Endpoint, port: int, protocol: str, target: Endpoint
    ) -> AdminMatch | None:
        """The first rule that matches, by priority and then by order within the policy; its action is final in its tier.

        If an earlier rule with a different action may match, by a domain name, an address or a namespace, that rule is returned
        as uncertain.
        """
        perhaps: list[AdminMatch] = []
        for policy in self.selecting(tier, subject, direction):
            surely = bool(subject_selects(policy.subject, subject))
            for index, rule in enumerate(rules_of(policy, direction)):
                if not _ports_match(rule, port, protocol, target.pod):
                    continue
                matching = {peer_matches(entry, peer) for entry in rule.peers}
                by_port = not _ports_match(rule, port, protocol, names_ports(target))
                if True in matching and surely and not by_port:
                    other = next((match for match in perhaps if match.action != rule.action), None)
                    return other or AdminMatch(policy, index, rule.action, rule.name)
                names = names_that_may_mean(rule, peer)
                if names or None in matching or True in matching:
                    by_namespace = not surely or any(not e.networks and peer_matches(e, peer) is None for e in rule.peers)
                    networks = () if by_namespace else tuple(text for entry in rule.peers for text in entry.networks)
                    perhaps.append(AdminMatch(policy, index, rule.action, rule.name, names, networks, by_namespace, by_port))
        return perhaps[0] if perhaps else None


def unordered(policies: Sequence[AdminPolicy], direction: Direction) -> tuple[AdminPolicy, ...]:
    """Policies of one tier for one pod; those of equal priority with different actions get the action ``UNORDERED``.

    Which of them comes first is undefined (network-policy-api, AdminNetworkPolicySpec and ClusterNetworkPolicySpec: priority).
    """
    actions: dict[int, set[str]] = defaultdict(set)
    number: dict[int, int] = defaultdict(int)
    for policy in policies:
        number[policy.priority] += bool(rules_of(policy, direction))
        actions[policy.priority] |= {rule.action for rule in rules_of(policy, direction)}
    return tuple(_undefined(p) if number[p.priority] > 1 and len(actions[p.priority]) > 1 else p for p in policies)


def _undefined(policy: AdminPolicy) -> AdminPolicy:
    ingress, egress = (tuple(replace(rule, action=UNORDERED) for rule in part) for part in (policy.ingress, policy.egress))
    return replace(policy, ingress=ingress, egress=egress)


def rules_of(policy: AdminPolicy, direction: Direction) -> tuple[AdminRule, ...]:
    """The rules of a policy in one direction."""
    return policy.ingress if direction is Direction.INGRESS else policy.egress


def subject_selects(subject: AdminPeer, endpoint: Endpoint) -> bool | None:
    """Whether a policy's subject, or a peer of its rules, selects a pod; None if it depends on labels of its namespace.

    Pods on the host network aren't selected (network-policy-api, AdminNetworkPolicySubject and peers), but for ``reference``.
    """
    if not endpoint.selectable or endpoint.pod is None or endpoint.host_pods is not HostPods.POD:
        return False
    if subject.namespaces is not None:
        return endpoint.in_namespaces(subject.namespaces)
    if subject.pods is not None:
        return matches(subject.pods[1], endpoint.labels) and endpoint.in_namespaces(subject.pods[0])
    return False


def _ports_match(rule: AdminRule, port: int, protocol: str, target: Pod | None) -> bool:
    """Whether ANY port entry matches. Unlike in NetworkPolicies, None means all ports, and an empty list none."""
    return rule.ports is None or any(_port_matches(entry, port, protocol, target) for entry in rule.ports)


def names_that_may_mean(rule: AdminRule, peer: Endpoint) -> tuple[str, ...]:
    """The domain names of a rule that may resolve to an address outside the cluster; only the CNI knows whether they do."""
    if peer.pod is not None or peer.node_labels is not None:
        return ()
    return tuple(name for entry in rule.peers for name in entry.domain_names)


def peer_matches(entry: AdminPeer, peer: Endpoint) -> bool | None:
    """Whether a peer entry matches; None if it depends on an address, or on labels of a namespace, that aren't known."""
    if entry.networks:
        inside = {peer.in_network(parse_network(text)) for text in entry.networks}
        return True in inside or (None if None in inside else False)
    if entry.nodes is not None:
        return peer.node_labels is not None and matches(entry.nodes, peer.node_labels)
    return subject_selects(entry, peer)


def _port_matches(entry: AdminPort, port: int, protocol: str, target: Pod | None) -> bool:
    if entry.named:
        ports = target.ports if target else ()
        return any(p.name == entry.named and p.number == port and p.protocol == protocol for p in ports)
    return entry.protocol == protocol and entry.start <= port <= entry.end
