"""NetworkPolicies (networking.k8s.io/v1): which select a pod, and what they let through.

Source of every rule here: Kubernetes' NetworkPolicy v1 reference and its concepts page.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from enum import Enum

from meshtui.engine.endpoints import Endpoint
from meshtui.engine.matching.addresses import Network, parse_network
from meshtui.engine.matching.selectors import matches
from meshtui.model.policy import IPBlock, NetworkPeer, NetworkPolicy, NetworkPolicyRule, PolicyPort
from meshtui.model.snapshot import Snapshot
from meshtui.model.workload import Pod


class Direction(Enum):
    """Whose policies are asked: the source's egress, or the destination's ingress."""

    EGRESS = "egress"
    INGRESS = "ingress"


@dataclass(frozen=True, slots=True)
class Permit:
    """What the NetworkPolicies of one pod say: the policies that select it, and the first rule that lets the flow in."""

    selecting: tuple[NetworkPolicy, ...]
    policy: NetworkPolicy | None = None
    rule: int = -1


class NetworkPolicies:
    """All NetworkPolicies of a snapshot, by namespace and direction."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._by_namespace: dict[tuple[str, Direction], list[NetworkPolicy]] = defaultdict(list)
        for policy in sorted(snapshot.network_policies.values(), key=lambda policy: policy.meta.name):
            for direction in Direction:
                if applies(policy, direction):
                    self._by_namespace[policy.meta.namespace, direction].append(policy)

    def selecting(self, endpoint: Endpoint, direction: Direction) -> tuple[NetworkPolicy, ...]:
        """The policies that select a pod in one direction, by name."""
        if not endpoint.selectable:
            return ()
        candidates = self._by_namespace.get((endpoint.namespace, direction), ())
        return tuple(policy for policy in candidates if matches(policy.pod_selector, endpoint.labels))

    def permit(
        self, direction: Direction, subject: Endpoint, peer: Endpoint, port: int, protocol: str, target: Endpoint
    ) -> Permit:
        """Ask the subject's policies about a peer. ``target`` is the flow's destination: named ports are its own.

        A selected pod is isolated: ANY rule of ANY policy that selects it must allow the flow (policies are a union).
        """
        selecting = self.selecting(subject, direction)
        for policy in selecting:
            for index, rule in enumerate(rules(policy, direction)):
                if allows_peer(rule, peer, policy.meta.namespace) and allows_port(rule, port, protocol, target.pod):
                    return Permit(selecting, policy, index)
        return Permit(selecting)


def applies(policy: NetworkPolicy, direction: Direction) -> bool:
    """Whether a policy isolates in a direction: policyTypes; by default Ingress, and Egress only where it has egress rules."""
    if policy.policy_types is None:
        return direction is Direction.INGRESS or bool(policy.egress)
    return direction.value.capitalize() in policy.policy_types


def rules(policy: NetworkPolicy, direction: Direction) -> tuple[NetworkPolicyRule, ...]:
    """A policy's rules in one direction; an absent or empty section allows nothing."""
    return (policy.ingress if direction is Direction.INGRESS else policy.egress) or ()


def allows_peer(rule: NetworkPolicyRule, peer: Endpoint, namespace: str) -> bool:
    """Whether ANY peer of a rule matches; no peers at all means everybody (``from: []`` too)."""
    return not rule.peers or any(peer_matches(entry, peer, namespace) for entry in rule.peers)


def peer_matches(entry: NetworkPeer, peer: Endpoint, namespace: str) -> bool:
    """Whether one peer entry matches: an address block, or namespace AND pod selectors; no namespaceSelector = own namespace."""
    if entry.ip_block is not None:
        return block_contains(entry.ip_block, peer)
    if not peer.selectable or (entry.pod_selector is None and entry.namespace_selector is None):
        return False
    if entry.namespace_selector is None:
        in_namespace = peer.namespace == namespace
    else:
        in_namespace = matches(entry.namespace_selector, peer.namespace_labels)
    return in_namespace and (entry.pod_selector is None or matches(entry.pod_selector, peer.labels))


def block_contains(block: IPBlock, peer: Endpoint) -> bool:
    """Whether a peer's address is in the CIDR and in none of its exceptions; a CIDR that can't be parsed matches nothing."""
    if peer.address is None:
        return False
    network = parse_network(block.cidr)
    return network is not None and peer.address in network and not any(peer.address in cut for cut in _networks(block.excepts))


def _networks(texts: tuple[str, ...]) -> list[Network]:
    return [network for text in texts if (network := parse_network(text)) is not None]


def allows_port(rule: NetworkPolicyRule, port: int, protocol: str, target: Pod | None) -> bool:
    """Whether ANY port entry matches; no ports at all means all of them, of every protocol."""
    return not rule.ports or any(port_matches(entry, port, protocol, target) for entry in rule.ports)


def port_matches(entry: PolicyPort, port: int, protocol: str, target: Pod | None) -> bool:
    """Whether one port entry matches: number, range, or a name that the destination pod's containers give it."""
    if entry.protocol != protocol:
        return False
    if entry.port is None:
        return entry.end_port is None
    if isinstance(entry.port, int):
        return entry.port <= port <= (entry.port if entry.end_port is None else entry.end_port)
    if target is None or entry.end_port is not None:
        return False
    return any(p.number == port and p.name == entry.port and p.protocol == protocol for p in target.ports)
