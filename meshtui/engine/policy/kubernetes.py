"""NetworkPolicies and the admin tiers as tiers of rules (``engine.policy.tiers``), for CNIs that judge them with their own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from meshtui.engine.endpoints import Endpoint
from meshtui.engine.matching.identity import same
from meshtui.engine.policy.admin import UNORDERED, AdminPolicies, names_that_may_mean, peer_matches, rules_of, subject_selects
from meshtui.engine.policy.networkpolicy import Direction, NetworkPolicies, allows_peer, as_read, rules
from meshtui.engine.policy.tiers import ALL_PORTS, PROTOCOLS, Action, Bits, Classes, PortEntry, Ports, Rule, Tier
from meshtui.model.cni import Cni
from meshtui.model.policy import AdminPolicy, AdminRule, NetworkPolicy, NetworkPolicyRule, PolicyPort
from meshtui.model.reason import Code, because
from meshtui.model.snapshot import Snapshot
from meshtui.model.verdict import Decider, Layer

LAYERS = {Direction.EGRESS: Layer.EGRESS_POLICY, Direction.INGRESS: Layer.INGRESS_POLICY}
"""The layer of the policies of one side."""
TIERS = {"Admin": Layer.ADMIN_POLICY, "Baseline": Layer.BASELINE_POLICY}
"""The layer of the admin policies of a tier."""
_ACTIONS = {"Allow": Action.ALLOW, "Deny": Action.DENY, "Pass": Action.PASS, UNORDERED: Action.UNKNOWN}


@dataclass(frozen=True, slots=True)
class Selecting:
    """The policies of Kubernetes that select a pod in one direction, or may: NetworkPolicies, and admin policies by their tier.

    ``key`` is equal for pods of which they are the same, and as certain.
    """

    network: Sequence[NetworkPolicy]
    admin: Mapping[str, Sequence[AdminPolicy]]
    key: tuple[object, ...]


class KubernetesPolicies:
    """The policies of Kubernetes in one snapshot."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._network = NetworkPolicies(snapshot)
        self._admin = AdminPolicies(snapshot)

    def selecting(self, direction: Direction, subject: Endpoint) -> Selecting:
        """Those that select a pod, or may."""
        network = self._network.selecting(subject, direction)
        admin = {tier: self._admin.selecting(tier, subject, direction) for tier in TIERS}
        certain = tuple(subject_selects(policy.subject, subject) for several in admin.values() for policy in several)
        return Selecting(network, admin, (same(network), *map(same, admin.values()), certain))


@dataclass(frozen=True, slots=True)
class NetworkPeers:
    """The peers of a NetworkPolicy's rule."""

    rule: NetworkPolicyRule
    namespace: str

    @property
    def is_everybody(self) -> bool:
        """Whether every end is one of them."""
        return not self.rule.peers

    def match(self, end: Endpoint) -> bool | None:
        """Whether an end is one of them; None if that isn't known."""
        return allows_peer(self.rule, end, self.namespace)

    def classes(self, index: Classes) -> tuple[Bits, Bits]:
        """The classes that are certainly among them, and those of which it isn't known."""
        if not self.rule.peers:
            return index.all, 0
        surely = may = 0
        for entry in self.rule.peers:
            surely |= index.peer(entry, self.namespace)
            may |= index.peer_may(entry, self.namespace)
        return surely, may & ~surely


@dataclass(frozen=True, slots=True)
class AdminPeers:
    """The peers of an admin policy's rule."""

    rule: AdminRule
    is_everybody: ClassVar[bool] = False

    def match(self, end: Endpoint) -> bool | None:
        """Whether an end is one of them; None if that isn't known."""
        found = {peer_matches(entry, end) for entry in self.rule.peers}
        if True in found:
            return True
        return None if None in found or names_that_may_mean(self.rule, end) else False

    def classes(self, index: Classes) -> tuple[Bits, Bits]:
        """The classes that are certainly among them, and those of which it isn't known."""
        surely = may = 0
        for entry in self.rule.peers:
            surely |= index.admin_peer(entry)
            may |= index.admin_peer_may(entry)
        return surely, may & ~surely


def network_rules(policy: NetworkPolicy, direction: Direction, cni: Cni) -> Iterator[Rule]:
    """The rules of a NetworkPolicy; what the CNI may read otherwise stands for itself, with the reason of the doubt."""
    for number, rule in enumerate(rules(policy, direction)):
        decider = Decider(policy.meta.ref, f"{direction.value}[{number}]")
        peers = NetworkPeers(rule, policy.meta.namespace)
        certain, doubtful = as_read(rule.ports, cni, direction)
        if certain or not rule.ports:
            yield Rule(Action.ALLOW, decider, peers, _ports(certain) if rule.ports else ALL_PORTS)
        if doubtful:
            yield Rule(Action.ALLOW, decider, peers, _ports(doubtful), because(Code.RULE_READ_BY_CNI, cni=cni.title))


def _ports(written: Iterable[PolicyPort]) -> Ports:
    entries: list[PortEntry] = []
    for entry in written:
        if entry.port is None and entry.end_port is None:
            entries.append(PortEntry(entry.protocol))
        elif isinstance(entry.port, int):
            entries.append(PortEntry(entry.protocol, entry.port, entry.port if entry.end_port is None else entry.end_port))
        elif isinstance(entry.port, str) and entry.end_port is None:
            entries.append(PortEntry(entry.protocol, name=entry.port))
    return Ports(tuple(entries))


def admin_tier(tier: str, policies: Sequence[AdminPolicy], direction: Direction, subject: Endpoint) -> Tier:
    """The admin policies of a tier for a pod that they select, or may select."""
    found: list[Rule] = []
    for policy in policies:
        doubt = None if subject_selects(policy.subject, subject) else because(Code.POLICY_MAY_SELECT, policy=policy.meta.ref)
        for number, rule in enumerate(rules_of(policy, direction)):
            decider = Decider(policy.meta.ref, f"{direction.value}[{number}]")
            action = _ACTIONS.get(rule.action, Action.UNKNOWN)
            found.append(Rule(action, decider, AdminPeers(rule), _admin_ports(rule), doubt))
    return Tier(TIERS[tier], tuple(found), Action.PASS, policies=tuple(policy.meta.ref for policy in policies), title=tier)


def _admin_ports(rule: AdminRule) -> Ports:
    if rule.ports is None:
        return ALL_PORTS
    entries: list[PortEntry] = []
    for port in rule.ports:
        if port.named:
            entries += [PortEntry(protocol, name=port.named) for protocol in PROTOCOLS]
        else:
            entries.append(PortEntry(port.protocol, port.start, port.end))
    return Ports(tuple(entries))
