"""NetworkPolicies (networking.k8s.io/v1): which of them select a pod, and which flows they allow.

Source of every rule in this module: Kubernetes' NetworkPolicy v1 reference and its concepts page.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from meshtui.engine.endpoints import Endpoint
from meshtui.engine.matching.addresses import parse_network
from meshtui.engine.matching.selectors import matches
from meshtui.model.cni import Cni, HostPods
from meshtui.model.policy import IPBlock, NetworkPeer, NetworkPolicy, NetworkPolicyRule, PolicyPort
from meshtui.model.snapshot import Snapshot
from meshtui.model.workload import Pod


class Direction(Enum):
    """Whose policies are evaluated: the source's for egress, or the destination's for ingress."""

    EGRESS = "egress"
    INGRESS = "ingress"


@dataclass(frozen=True, slots=True)
class Permit:
    """The result of one pod's NetworkPolicies: the policies that select the pod, and the first rule that allows the flow.

    ``perhaps``: no rule is certain to allow the flow, and this one may, depending on an unknown address or, with ``by_port``, on
    a reading of its ports.
    """

    selecting: tuple[NetworkPolicy, ...]
    policy: NetworkPolicy | None = None
    rule: int = -1
    perhaps: bool = False
    by_port: bool = False


class NetworkPolicies:
    """All NetworkPolicies of a snapshot, by namespace and direction."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._cni = snapshot.cni
        self._by_namespace: dict[tuple[str, Direction], list[NetworkPolicy]] = defaultdict(list)
        for policy in sorted(snapshot.network_policies.values(), key=lambda policy: policy.meta.name):
            for direction in Direction:
                if applies(policy, direction):
                    self._by_namespace[policy.meta.namespace, direction].append(policy)

    def selecting(self, endpoint: Endpoint, direction: Direction) -> tuple[NetworkPolicy, ...]:
        """The policies that select a pod in one direction, sorted by name."""
        if not endpoint.selectable or endpoint.host_pods is HostPods.NODE:
            return ()
        candidates = self._by_namespace.get((endpoint.namespace, direction), ())
        return tuple(policy for policy in candidates if matches(policy.pod_selector, endpoint.labels))

    def permit(
        self, direction: Direction, subject: Endpoint, peer: Endpoint, port: int, protocol: str, target: Endpoint
    ) -> Permit:
        """Evaluate the subject's policies for a peer. ``target`` is the flow's destination, whose containers define named ports.

        A selected pod is isolated: ANY rule of ANY policy that selects it must allow the flow (policies are a union).
        """
        selecting, perhaps = self.selecting(subject, direction), None
        named = target.pod if direction is Direction.INGRESS else names_ports(target)
        for policy in selecting:
            for index, rule in enumerate(rules(policy, direction)):
                allowed = allows_peer(rule, peer, policy.meta.namespace)
                certain, doubtful = as_read(rule.ports, self._cni, direction)
                surely = not rule.ports or _any_port(certain, port, protocol, named)
                if allowed is False or not (surely or _any_port((*certain, *doubtful), port, protocol, target.pod)):
                    continue
                if allowed and surely:
                    return Permit(selecting, policy, index)
                perhaps = perhaps or Permit(selecting, policy, index, perhaps=True, by_port=bool(allowed))
        return perhaps or Permit(selecting)


def names_ports(target: Endpoint) -> Pod | None:
    """The pod whose containers' names of ports count for certain in rules of its clients.

    CNIs that see pods on the host network as their nodes look names up at their own pods alone.
    """
    return target.pod if target.host_pods is HostPods.POD else None


def applies(policy: NetworkPolicy, direction: Direction) -> bool:
    """Whether a policy isolates in a direction: policyTypes; by default Ingress, and Egress only with egress rules."""
    if policy.policy_types is None:
        return direction is Direction.INGRESS or bool(policy.egress)
    return direction.value.capitalize() in policy.policy_types


def rules(policy: NetworkPolicy, direction: Direction) -> tuple[NetworkPolicyRule, ...]:
    """The rules of a policy in one direction; an absent or empty section allows nothing."""
    return (policy.ingress if direction is Direction.INGRESS else policy.egress) or ()


def allows_peer(rule: NetworkPolicyRule, peer: Endpoint, namespace: str) -> bool | None:
    """Whether ANY peer of a rule matches; no peers means everybody (also ``from: []``). None when a peer may match."""
    if not rule.peers:
        return True
    matching = {peer_matches(entry, peer, namespace) for entry in rule.peers}
    return True in matching or (None if None in matching else False)


def peer_matches(entry: NetworkPeer, peer: Endpoint, namespace: str) -> bool | None:
    """Whether one peer entry matches: an address block, or namespace AND pod selectors; no namespaceSelector = own namespace.

    None for a peer whose unknown address may be in an address block, where CNIs differ and the CNI isn't known, and where it
    depends on labels of a namespace that aren't known.
    """
    if entry.ip_block is not None:
        return block_contains(entry.ip_block, peer)
    if (
        not peer.selectable
        or peer.host_pods is HostPods.NODE
        or (entry.pod_selector is None and entry.namespace_selector is None)
    ):
        return False
    if entry.pod_selector is not None and not matches(entry.pod_selector, peer.labels):
        return False
    if entry.namespace_selector is None:
        return _unless_as_node(peer, peer.namespace == namespace)
    return _unless_as_node(peer, peer.in_namespaces(entry.namespace_selector))


def _unless_as_node(peer: Endpoint, matching: bool | None) -> bool | None:
    return None if matching and peer.host_pods is HostPods.UNKNOWN else matching


def block_contains(block: IPBlock, peer: Endpoint) -> bool | None:
    """Whether a peer's address is in the CIDR and in none of its exceptions; a CIDR that can't be parsed matches nothing.

    None for a pod with an unknown address that may be in the block, and for one that is in it if it isn't known whether the CNI
    compares blocks with pods' addresses.
    """
    if peer.in_blocks is False:
        return False
    inside = peer.in_network(parse_network(block.cidr))
    cut = {peer.in_network(parse_network(text)) for text in block.excepts}
    if inside is False or True in cut:
        return False
    return None if inside is None or None in cut or peer.in_blocks is None else True


def allows_port(rule: NetworkPolicyRule, port: int, protocol: str, target: Pod | None) -> bool:
    """Whether ANY port entry matches; no ports means all ports of every protocol."""
    return not rule.ports or any(port_matches(entry, port, protocol, target) for entry in rule.ports)


def _any_port(entries: Iterable[PolicyPort], port: int, protocol: str, target: Pod | None) -> bool:
    return any(port_matches(entry, port, protocol, target) for entry in entries)


def as_read(
    entries: tuple[PolicyPort, ...], cni: Cni, direction: Direction
) -> tuple[tuple[PolicyPort, ...], tuple[PolicyPort, ...]]:
    """A rule's ports as a CNI reads them: those that it certainly allows, and those that it may allow.

    Where a range isn't certain, its first port is; a name of which it isn't certain what it means may mean every port.
    """
    named = cni.named_ingress if direction is Direction.INGRESS else cni.named_egress
    if cni.end_ports and cni.sctp and named:
        return entries, ()
    certain: list[PolicyPort] = []
    doubtful: list[PolicyPort] = []
    for entry in entries:
        if isinstance(entry.port, str):
            (certain if named else doubtful).append(entry if named else PolicyPort(entry.protocol))
        elif entry.protocol == "SCTP" and not cni.sctp:
            doubtful.append(entry)
        elif entry.end_port is not None and not cni.end_ports:
            certain.append(PolicyPort(entry.protocol, entry.port))
            doubtful.append(entry)
        else:
            certain.append(entry)
    return tuple(certain), tuple(doubtful)


def port_matches(entry: PolicyPort, port: int, protocol: str, target: Pod | None) -> bool:
    """Whether one port entry matches: a number, a range, or a port name defined by the destination pod's containers."""
    if entry.protocol != protocol:
        return False
    if entry.port is None:
        return entry.end_port is None
    if isinstance(entry.port, int):
        return entry.port <= port <= (entry.port if entry.end_port is None else entry.end_port)
    if target is None or entry.end_port is not None:
        return False
    return any(p.number == port and p.name == entry.port and p.protocol == protocol for p in target.ports)
