"""Equivalence classes of pods: pods that no rule of a snapshot distinguishes are in one class.

The class key contains what the rules read: the namespace, the labels that a selector mentions, the identity, the mesh mode, the
declared ports whose names a rule uses, and the intervals between bounds of CIDRs that contain its addresses. Where some pod has a
sidecar, it also contains the ports of pods in the mesh that Services lead to.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field

from meshtui.engine.classes.services import Spoken, SpokenPorts
from meshtui.engine.endpoints import Endpoint, Endpoints
from meshtui.engine.matching.addresses import EVERY_IPV4, Address, Network, parse_address, parse_network
from meshtui.engine.path.sidecar import TUNNEL
from meshtui.engine.path.waypoint import USE_WAYPOINT_NAMESPACE
from meshtui.engine.policy.authorization import compile_policy
from meshtui.engine.policy.capture import annotations_of
from meshtui.engine.policy.labels import admin_selectors, network_selectors
from meshtui.engine.policy.switches import switches_of
from meshtui.engine.policy.tiers import OwnPolicies
from meshtui.engine.policy.unmodelled import USE_WAYPOINT
from meshtui.model.constants import GATEWAY_NAME, MANAGED, MESHED
from meshtui.model.policy import (
    AdminPeer,
    AdminRule,
    AuthorizationPolicy,
    AuthorizationRule,
    NetworkPolicy,
    NetworkPolicyRule,
    PeerAuthentication,
    RequestAuthentication,
)
from meshtui.model.selectors import LabelSelector
from meshtui.model.snapshot import Snapshot
from meshtui.model.workload import ContainerPort, MeshMode, Pod

_PROXIED = frozenset({MeshMode.SIDECAR, MeshMode.GATEWAY})
_REACHED_BY_SERVICE = frozenset({MeshMode.SIDECAR, MeshMode.AMBIENT})
"""The modes of pods to which sidecars connect in another way through Services than to their addresses."""
_OTHER = "\x00any"
"""The replacement for every label value that no selector mentions."""
ClassKey = tuple[object, ...]
Place = tuple[int, int]
"""The family of an address, and the index of its interval between bounds of CIDRs."""


@dataclass(slots=True)
class Reads:
    """The properties of pods that the rules of a snapshot read. The set only grows: classes stay valid when a rule is removed."""

    labels: dict[str, set[str]] = field(default_factory=dict)
    """Label keys, each with the values that selectors mention."""
    whole: set[str] = field(default_factory=lambda: {USE_WAYPOINT, USE_WAYPOINT_NAMESPACE, TUNNEL, GATEWAY_NAME, MANAGED})
    """Label keys of which every value is distinguished."""
    port_names: set[str] = field(default_factory=set)
    networks: set[Network] = field(default_factory=set)
    nodes: bool = False
    sidecars: bool = False
    """Whether a pod has a sidecar, whose connections depend on which Services lead to a pod."""
    dual: bool = False
    """Whether a pod has several addresses."""
    accounts: bool = False
    """Whether policies of the CNI read ServiceAccounts of pods, in the mesh or not."""

    def size(self) -> tuple[int, ...]:
        """A tuple that increases with every addition."""
        return (
            len(self.labels),
            sum(map(len, self.labels.values())),
            len(self.port_names),
            len(self.networks),
            self.nodes,
            self.sidecars,
            self.dual,
            len(self.whole),
            self.accounts,
        )

    def selector(self, selector: LabelSelector | None) -> None:
        """Add a pod selector."""
        if selector is None:
            return
        for key, value in selector.labels:
            self.labels.setdefault(key, set()).add(value)
        for requirement in selector.requirements:
            self.labels.setdefault(requirement.key, set()).update(requirement.values)

    def _selectors(self, selectors: Iterable[LabelSelector]) -> None:
        for selector in selectors:
            self.selector(selector)

    def cidrs(self, texts: Iterable[str]) -> None:
        """Add CIDRs; those that can't be parsed match nothing and are skipped."""
        self.networks.update(network for text in texts if (network := parse_network(text)) is not None)

    def note(self, snapshot: Snapshot, own: OwnPolicies | None) -> None:
        """Add everything that the rules of a snapshot read; ``own`` are the policies of its CNI that are evaluated."""
        for admin in snapshot.admin_policies.values():
            self._selectors(admin_selectors(admin))
            self._admin_peer(admin.subject)
            for tiered in (*admin.ingress, *admin.egress):
                self._admin_rule(tiered)
        for foreign in snapshot.foreign.values():
            self.selector(foreign.selector)
        self._selectors(gateway.selector for gateway in snapshot.istio_gateways.values())
        if switches_of(snapshot).allows_waypoints:  # pods get policies of the waypoints of their Services
            self._selectors(LabelSelector(service.selector) for service in snapshot.services.values() if service.selector)
        self.policies(
            snapshot.network_policies.values(),
            snapshot.authorization_policies.values(),
            snapshot.peer_authentications.values(),
        )
        self.tokens(snapshot.request_authentications.values())
        self.pods(snapshot, snapshot.pods.values())
        self._own(own)

    def _own(self, own: OwnPolicies | None) -> None:
        """Add everything that the policies of a CNI's own kinds read."""
        if own is None:
            return
        reads = own.reads()
        for key, values in reads.labels.items():
            self.labels.setdefault(key, set()).update(values)
        self.whole |= reads.whole
        self.networks |= reads.networks | ({EVERY_IPV4} if reads.families else set())
        self.port_names |= reads.port_names
        self.accounts |= reads.accounts

    def pods(self, snapshot: Snapshot, pods: Iterable[Pod]) -> None:
        """Add whether some pods have a sidecar, and several addresses."""
        for pod in pods:
            self.sidecars = self.sidecars or MeshMode.SIDECAR in snapshot.mesh_modes_of(pod)
            self.dual = self.dual or len(pod.ips) > 1

    def tokens(self, authentications: Iterable[RequestAuthentication]) -> None:
        """Add everything that some RequestAuthentications read."""
        for authentication in authentications:
            self.selector(authentication.selector)

    def policies(
        self,
        network: Iterable[NetworkPolicy],
        authorization: Iterable[AuthorizationPolicy],
        peer: Iterable[PeerAuthentication],
    ) -> None:
        """Add everything that some policies read."""
        for policy in network:
            self._selectors(network_selectors(policy))
            for rule in (*(policy.ingress or ()), *(policy.egress or ())):
                self._network_rule(rule)
        for authorized in authorization:
            self.selector(authorized.selector)
            for _, compiled in compile_policy(authorized).rules:
                for match in (entry for clause in compiled for entry in clause):
                    self.networks.update(match.source_ips, match.not_source_ips)
                    self.networks.update(match.destination_ips, match.not_destination_ips)
            for written in authorized.rules:
                self._rule_of_proxies(written)
        for authentication in peer:
            self.selector(authentication.selector)

    def _network_rule(self, rule: NetworkPolicyRule) -> None:
        self.port_names.update(entry.port for entry in rule.ports if isinstance(entry.port, str))
        for peer in rule.peers:
            if peer.ip_block is not None:
                self.cidrs((peer.ip_block.cidr, *peer.ip_block.excepts))

    def _rule_of_proxies(self, rule: AuthorizationRule) -> None:
        """Add the CIDRs of a rule as proxies read it; ztunnel doesn't receive all of them."""
        for source in rule.sources:
            self.cidrs((*source.ip_blocks, *source.not_ip_blocks, *source.remote_ip_blocks, *source.not_remote_ip_blocks))
        for condition in rule.conditions:
            if condition.key.endswith(".ip"):
                self.cidrs((*condition.values, *condition.not_values))

    def _admin_rule(self, rule: AdminRule) -> None:
        self.port_names.update(entry.named for entry in rule.ports or () if entry.named)
        for peer in rule.peers:
            self._admin_peer(peer)

    def _admin_peer(self, peer: AdminPeer) -> None:
        self.cidrs(peer.networks)
        self.nodes |= peer.nodes is not None


@dataclass(slots=True, eq=False)
class PodClass:
    """Pods that no rule distinguishes. ``endpoint`` is that of one pod and represents all; ``number`` is the class's bit."""

    number: int
    key: ClassKey
    endpoint: Endpoint
    labels: tuple[tuple[str, str], ...]
    """The labels that rules read."""
    ports: tuple[ContainerPort, ...] = ()
    """The declared ports whose names rules read."""
    place: tuple[Place | None, ...] | None = None
    """The interval between bounds of CIDRs that contains each address; None if no rule reads addresses, or none is known."""
    spoken: Spoken | None = None
    """The ports that Services lead to; None if no proxy reads them."""
    pods: dict[str, Pod] = field(default_factory=dict)
    """Members by namespace/name. A class without members only keeps its number."""


class Bounds:
    """The address ranges of both families, cut at every bound of a CIDR: rules don't distinguish addresses between two cuts."""

    def __init__(self, networks: Iterable[Network]) -> None:
        cuts: dict[int, set[int]] = {4: set(), 6: set()}
        for network in networks:
            size = (1 << (32 if network.version == 4 else 128)) - network.mask
            cuts[network.version] |= {network.base, network.base + size}
        self._cuts = {version: sorted(found) for version, found in cuts.items()}

    def place(self, address: Address | None) -> Place | None:
        """The interval of an address: its family, and its index among the cuts."""
        return None if address is None else (address.version, bisect_right(self._cuts[address.version], address.value))


class Classifier:
    """Computes the class keys of pods of one snapshot. Pods that have ended have no traffic and no class."""

    def __init__(self, snapshot: Snapshot, reads: Reads, generations: dict[str, int]) -> None:
        self._snapshot = snapshot
        self._reads = reads
        self._generations = generations
        self._bounds = Bounds(reads.networks)
        self._spoken: SpokenPorts | None = None
        self.endpoints = Endpoints(snapshot)

    def key(self, pod: Pod) -> ClassKey:
        """The class key: everything that the rules read of a pod."""
        reads, modes = self._reads, self._snapshot.mesh_modes_of(pod)
        return (
            pod.meta.namespace,
            self._generations.get(pod.meta.namespace, 0),
            self.labels(pod),
            self._snapshot.open_membership_of(pod) or modes[0],
            pod.service_account if reads.accounts or MESHED & set(modes) else "",
            self.ports(pod),
            self.place(pod),
            (pod.host_network, pod.node if pod.host_network and reads.nodes else ""),
            self.spoken(pod),
            (pod.is_router, annotations_of(pod)) if _PROXIED & set(modes) else None,
        )

    def member(self, number: int, key: ClassKey, pod: Pod) -> PodClass:
        """A new class with a pod's properties, but without members."""
        end, spoken = self.endpoints.pod(pod), self.spoken(pod)
        return PodClass(number, key, end, self.labels(pod), self.ports(pod), self.place(pod), spoken)

    def spoken(self, pod: Pod) -> Spoken | None:
        """The ports of a pod that Services lead to; None if no proxy reads them."""
        if not self._reads.sidecars or _REACHED_BY_SERVICE.isdisjoint(self._snapshot.mesh_modes_of(pod)):
            return None
        if self._spoken is None:
            self._spoken = SpokenPorts(self._snapshot)
        return self._spoken.of(pod)

    def labels(self, pod: Pod) -> tuple[tuple[str, str], ...]:
        """The labels that rules read; all values that no selector mentions are replaced by one."""
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

    def place(self, pod: Pod) -> tuple[Place | None, ...] | None:
        """The intervals of a pod's addresses."""
        if not self._reads.networks:
            return None
        addresses = pod.ips or (pod.host_ips if pod.host_network else ())
        return tuple(self._bounds.place(parse_address(address)) for address in addresses) or None
