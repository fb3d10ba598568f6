"""Equivalence classes of pods: two pods that no rule of a snapshot tells apart are one.

A class is what the rules read: namespace, labels that some selector mentions, identity, mesh mode, declared ports whose names
some rule uses, and between which bounds of the CIDRs the address lies.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field

from meshtui.engine.endpoints import Endpoint, Endpoints
from meshtui.engine.matching.addresses import Address, Network, parse_address, parse_network
from meshtui.engine.path.waypoint import USE_WAYPOINT_NAMESPACE
from meshtui.engine.policy.authorization import compile_policy
from meshtui.engine.policy.unmodelled import USE_WAYPOINT
from meshtui.model.policy import (
    AdminPeer,
    AdminRule,
    AuthorizationPolicy,
    NetworkPolicy,
    NetworkPolicyRule,
    PeerAuthentication,
)
from meshtui.model.selectors import LabelSelector
from meshtui.model.snapshot import Snapshot
from meshtui.model.workload import ContainerPort, MeshMode, Pod

_OTHER = "\x00any"
"""Stands for every value of a label that no selector mentions."""
_IDENTIFIED = {MeshMode.AMBIENT, MeshMode.SIDECAR, MeshMode.GATEWAY}
ClassKey = tuple[object, ...]


@dataclass(slots=True)
class Reads:
    """What the rules of a snapshot read of a pod. It only grows, so that classes stay valid when a rule goes."""

    labels: dict[str, set[str]] = field(default_factory=dict)
    """Label keys, each with the values that some selector mentions."""
    whole: set[str] = field(default_factory=lambda: {USE_WAYPOINT, USE_WAYPOINT_NAMESPACE})
    """Label keys whose every value counts."""
    port_names: set[str] = field(default_factory=set)
    networks: set[Network] = field(default_factory=set)
    nodes: bool = False

    def size(self) -> tuple[int, ...]:
        """Grows with every addition."""
        return (len(self.labels), sum(map(len, self.labels.values())), len(self.port_names), len(self.networks), self.nodes)

    def selector(self, selector: LabelSelector | None) -> None:
        """Note a pod selector."""
        if selector is None:
            return
        for key, value in selector.labels:
            self.labels.setdefault(key, set()).add(value)
        for requirement in selector.requirements:
            self.labels.setdefault(requirement.key, set()).update(requirement.values)

    def cidrs(self, texts: Iterable[str]) -> None:
        """Note CIDRs; those that can't be parsed match nothing."""
        self.networks.update(network for text in texts if (network := parse_network(text)) is not None)

    def note(self, snapshot: Snapshot) -> None:
        """Note everything that a snapshot's rules read."""
        for admin in snapshot.admin_policies.values():
            self._admin_peer(admin.subject)
            for tiered in (*admin.ingress, *admin.egress):
                self._admin_rule(tiered)
        for foreign in snapshot.foreign.values():
            self.selector(foreign.selector)
        self.policies(
            snapshot.network_policies.values(),
            snapshot.authorization_policies.values(),
            snapshot.peer_authentications.values(),
        )

    def policies(
        self,
        network: Iterable[NetworkPolicy],
        authorization: Iterable[AuthorizationPolicy],
        peer: Iterable[PeerAuthentication],
    ) -> None:
        """Note what some policies read."""
        for policy in network:
            self.selector(policy.pod_selector)
            for rule in (*(policy.ingress or ()), *(policy.egress or ())):
                self._network_rule(rule)
        for authorized in authorization:
            self.selector(authorized.selector)
            for _, compiled in compile_policy(authorized).rules:
                for match in (entry for clause in compiled for entry in clause):
                    self.networks.update(match.source_ips, match.not_source_ips)
                    self.networks.update(match.destination_ips, match.not_destination_ips)
        for authentication in peer:
            self.selector(authentication.selector)

    def _network_rule(self, rule: NetworkPolicyRule) -> None:
        self.port_names.update(entry.port for entry in rule.ports if isinstance(entry.port, str))
        for peer in rule.peers:
            self.selector(peer.pod_selector)
            if peer.ip_block is not None:
                self.cidrs((peer.ip_block.cidr, *peer.ip_block.excepts))

    def _admin_rule(self, rule: AdminRule) -> None:
        self.port_names.update(entry.named for entry in rule.ports or () if entry.named)
        for peer in rule.peers:
            self._admin_peer(peer)

    def _admin_peer(self, peer: AdminPeer) -> None:
        self.cidrs(peer.networks)
        self.nodes |= peer.nodes is not None
        if peer.pods is not None:
            self.selector(peer.pods[1])


@dataclass(slots=True, eq=False)
class PodClass:
    """Pods that no rule tells apart. ``endpoint`` is one of them, for all; ``number`` is its bit."""

    number: int
    key: ClassKey
    endpoint: Endpoint
    labels: tuple[tuple[str, str], ...]
    """The labels that rules read."""
    ports: tuple[ContainerPort, ...] = ()
    """The declared ports whose names rules read."""
    pods: dict[str, Pod] = field(default_factory=dict)
    """Members by namespace/name. A class without members only keeps its place."""


class Bounds:
    """The address lines of both families, cut at every bound of the CIDRs: between two cuts all addresses are alike."""

    def __init__(self, networks: Iterable[Network]) -> None:
        cuts: dict[int, set[int]] = {4: set(), 6: set()}
        for network in networks:
            size = (1 << (32 if network.version == 4 else 128)) - network.mask
            cuts[network.version] |= {network.base, network.base + size}
        self._cuts = {version: sorted(found) for version, found in cuts.items()}

    def place(self, address: Address | None) -> tuple[int, int] | None:
        """Where an address lies: its family, and between which cuts."""
        return None if address is None else (address.version, bisect_right(self._cuts[address.version], address.value))


class Classifier:
    """Gives pods of one snapshot their class's key. Pods that have ended are in no class: they take part in no traffic."""

    def __init__(self, snapshot: Snapshot, reads: Reads, generations: dict[str, int]) -> None:
        self._snapshot = snapshot
        self._reads = reads
        self._generations = generations
        self._bounds = Bounds(reads.networks)
        self.endpoints = Endpoints(snapshot)

    def key(self, pod: Pod) -> ClassKey:
        """What the rules read of a pod."""
        mode = self._snapshot.mesh_mode(pod)
        reads = self._reads
        return (
            pod.meta.namespace,
            self._generations.get(pod.meta.namespace, 0),
            self.labels(pod),
            mode,
            pod.service_account if mode in _IDENTIFIED else "",
            self.ports(pod),
            self._place(pod) if reads.networks else None,
            (pod.host_network, pod.node if pod.host_network and reads.nodes else ""),
        )

    def labels(self, pod: Pod) -> tuple[tuple[str, str], ...]:
        """The labels that rules read, with values that none of them mentions made one."""
        known, whole = self._reads.labels, self._reads.whole
        found = []
        for key, value in pod.meta.labels.items():
            if key in whole:
                found.append((key, value))
            elif (values := known.get(key)) is not None:
                found.append((key, value if value in values else _OTHER))
        found.sort()
        return tuple(found)

    def ports(self, pod: Pod) -> tuple[ContainerPort, ...]:
        """The declared ports whose names rules read."""
        names = self._reads.port_names
        if not names or not pod.ports:
            return ()
        found = dict.fromkeys(p for p in pod.ports if p.name in names)
        return tuple(found) if len(found) < 2 else tuple(sorted(found, key=lambda p: (p.name, p.protocol, p.number)))

    def _place(self, pod: Pod) -> tuple[int, int] | None:
        addresses = pod.ips or (pod.host_ips if pod.host_network else ())
        return self._bounds.place(parse_address(addresses[0])) if addresses else None
