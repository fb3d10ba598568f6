"""Which classes a selector, a peer or a source matches: inverted indexes that return bitsets."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping

from meshtui.engine.classes.classifier import PodClass
from meshtui.engine.matching.addresses import Address, Among, Network, holds_a_pod, parse_network
from meshtui.engine.matching.selectors import matches, matches_as_far_as_known
from meshtui.engine.matching.strings import string_matches
from meshtui.engine.policy.ztunnel import NOTHING, Match
from meshtui.model.cni import HostPods
from meshtui.model.meta import METADATA_NAME
from meshtui.model.policy import AdminPeer, IPBlock, NetworkPeer
from meshtui.model.selectors import LabelSelector, Requirement
from meshtui.model.workload import ContainerPort

Bits = int


class Labels:
    """An index of the classes' labels of one sort: of pods, or of namespaces."""

    def __init__(self) -> None:
        self.all: Bits = 0
        self._keys: dict[str, Bits] = defaultdict(int)
        self._pairs: dict[tuple[str, str], Bits] = defaultdict(int)
        self._values: dict[str, dict[str, Bits]] = {}

    def add(self, bit: Bits, labels: Iterable[tuple[str, str]]) -> None:
        """Add a class."""
        self.all |= bit
        for pair in labels:
            self._keys[pair[0]] |= bit
            self._pairs[pair] |= bit
        self._values.clear()

    def by_value(self, key: str) -> Mapping[str, Bits]:
        """The classes with a label, by its value."""
        known = self._values.get(key)
        if known is None:
            known = self._values[key] = {value: bits for (name, value), bits in self._pairs.items() if name == key}
        return known

    def matching(self, selector: LabelSelector) -> Bits:
        """The classes that a selector matches: ALL labels and ALL requirements (as in engine.matching.selectors)."""
        found = self.all
        for pair in selector.labels:
            found &= self._pairs.get(pair, 0)
        for requirement in selector.requirements:
            found &= self._holding(requirement)
        return found

    def _holding(self, requirement: Requirement) -> Bits:
        match requirement.operator:
            case "In":
                return self._having(requirement)
            case "NotIn":
                return self.all & ~self._having(requirement)
            case "Exists":
                return self._keys.get(requirement.key, 0)
            case "DoesNotExist":
                return self.all & ~self._keys.get(requirement.key, 0)
            case _:
                return 0

    def _having(self, requirement: Requirement) -> Bits:
        found = 0
        for value in requirement.values:
            found |= self._pairs.get((requirement.key, value), 0)
        return found


class Index:
    """All classes, indexed by the properties that rules read. Results are cached until a class is added."""

    def __init__(self) -> None:
        self.size = 0
        self.all: Bits = 0
        self.pods = Labels()
        self.namespaces = Labels()
        self.in_namespace: dict[str, Bits] = defaultdict(int)
        self.with_port: dict[ContainerPort, Bits] = {}
        self.named_ports: tuple[ContainerPort, ...] = ()
        """The declared ports of all classes whose names rules read."""
        self._addresses: dict[Address, Bits] = defaultdict(int)
        self._unaddressed: dict[Among, Bits] = defaultdict(int)
        self._principals: dict[str, Bits] = defaultdict(int)
        self._seen_namespaces: dict[str, Bits] = defaultdict(int)
        self._accounts: dict[tuple[str, str], Bits] = defaultdict(int)
        self.unlabelled: dict[str, Bits] = defaultdict(int)
        """The classes of namespaces whose labels aren't known."""
        self.accounts: dict[tuple[str, str], Bits] = defaultdict(int)
        """All classes by namespace and name of their ServiceAccount; it is certain only if rules read it."""
        self._node_labels: list[tuple[Bits, dict[str, str]]] = []
        self.as_nodes: Bits = 0
        """The pods on the host network that the CNI sees, or may see, as their nodes."""
        self._surely_nodes: Bits = 0
        self._never_in_blocks: Bits = 0
        self._maybe_in_blocks: Bits = 0
        self._kept: dict[object, Bits] = {}

    def add(self, member: PodClass) -> None:
        """Add a new class."""
        bit, endpoint = 1 << member.number, member.endpoint
        self.size = member.number + 1
        self.all |= bit
        self.pods.add(bit, member.labels)
        self.namespaces.add(bit, endpoint.namespace_labels.items())
        self.in_namespace[endpoint.namespace] |= bit
        for port in member.ports:
            self.with_port[port] = self.with_port.get(port, 0) | bit
        if len(self.with_port) != len(self.named_ports):
            self.named_ports = tuple(self.with_port)
        if not endpoint.namespace_known:
            self.unlabelled[endpoint.namespace] |= bit
        if endpoint.host_pods is not HostPods.POD:
            self.as_nodes |= bit
            self._surely_nodes |= bit if endpoint.host_pods is HostPods.NODE else 0
        if endpoint.in_blocks is not True:
            self._maybe_in_blocks |= bit if endpoint.in_blocks is None else 0
            self._never_in_blocks |= 0 if endpoint.in_blocks is None else bit
        if endpoint.address is not None:
            self._addresses[endpoint.address] |= bit
        else:
            self._unaddressed[endpoint.among] |= bit
        if endpoint.pod is not None:
            self.accounts[endpoint.namespace, endpoint.pod.service_account] |= bit
        if endpoint.principal is not None and endpoint.pod is not None:
            self._principals[endpoint.principal] |= bit
            self._accounts[endpoint.namespace, endpoint.pod.service_account] |= bit
        self._seen_namespaces[endpoint.namespace if endpoint.principal is not None else ""] |= bit
        if endpoint.node_labels is not None:
            self._node_labels.append((bit, dict(endpoint.node_labels)))
        self._kept.clear()

    def _keep(self, key: object, compute: Callable[[], Bits]) -> Bits:
        known = self._kept.get(key)
        if known is None:
            known = self._kept[key] = compute()
        return known

    # ---- NetworkPolicies and the admin tiers

    def subjects(self, namespace: str, selector: LabelSelector) -> Bits:
        """The classes of a namespace that a podSelector selects."""
        return self.in_namespace.get(namespace, 0) & self.pods.matching(selector) & ~self._surely_nodes

    def peer(self, entry: NetworkPeer, namespace: str) -> Bits:
        """The classes that a NetworkPolicy's peer entry matches (engine.policy.networkpolicy.peer_matches)."""
        return self._keep((entry, namespace), lambda: self._peer(entry, namespace))

    def _peer(self, entry: NetworkPeer, namespace: str) -> Bits:
        if entry.ip_block is not None:
            return self._block(entry.ip_block) & ~self._maybe_in_blocks
        return self._selected(entry, namespace) & ~self.as_nodes

    def _selected(self, entry: NetworkPeer, namespace: str) -> Bits:
        if entry.pod_selector is None and entry.namespace_selector is None:
            return 0
        if entry.namespace_selector is None:
            found = self.in_namespace.get(namespace, 0)
        else:
            found = self._in_namespaces(entry.namespace_selector)
        return found if entry.pod_selector is None else found & self.pods.matching(entry.pod_selector)

    def _block(self, block: IPBlock) -> Bits:
        network, cuts = parse_network(block.cidr), [parse_network(text) for text in block.excepts]
        inside, cut = self.network(network), self._any_network(cuts)
        return inside & ~cut & ~self._any_that_may(cuts) & ~self._never_in_blocks

    def peer_may(self, entry: NetworkPeer, namespace: str) -> Bits:
        """The classes that may match a peer entry (engine.policy.networkpolicy.peer_matches gives None)."""
        if entry.ip_block is None:
            found = self._selected(entry, namespace) & self.as_nodes if self.as_nodes else 0
            if entry.namespace_selector is not None:
                may = self._may_be_in(entry.namespace_selector)
                found |= may if entry.pod_selector is None else may & self.pods.matching(entry.pod_selector)
            return found & ~self._surely_nodes
        doubted = self._block(entry.ip_block) & self._maybe_in_blocks
        return doubted | self._unaddressed_may(entry.ip_block)

    def _unaddressed_may(self, block: IPBlock) -> Bits:
        """The classes without a known address that may be in a block."""
        if not self._unaddressed:
            return 0
        network, cuts = parse_network(block.cidr), [parse_network(text) for text in block.excepts]
        may, inside, may_cut = self._any_that_may([network]), self.network(network), self._any_that_may(cuts)
        return (may | (inside & may_cut)) & ~self._any_network(cuts) & ~self._never_in_blocks

    def _in_namespaces(self, selector: LabelSelector) -> Bits:
        """The classes of namespaces that certainly match."""
        return self.namespaces.matching(selector) & ~self._may_be_in(selector)

    def _may_be_in(self, selector: LabelSelector) -> Bits:
        """The classes of namespaces that may match, depending on labels that aren't known."""
        found = 0
        for namespace, bits in self.unlabelled.items():
            if matches_as_far_as_known(selector, {METADATA_NAME: namespace}, known=False) is None:
                found |= bits
        return found

    def admin_peer_may(self, entry: AdminPeer) -> Bits:
        """The classes that may match an admin peer: by an address, or by labels of a namespace, that aren't known."""
        networks = [parse_network(text) for text in entry.networks]
        return self._any_that_may(networks) & ~self._any_network(networks) | self.admin_subject_may(entry)

    def admin_subject_may(self, entry: AdminPeer) -> Bits:
        """The classes that an admin policy's subject may select, depending on labels of namespaces that aren't known."""
        if entry.namespaces is not None:
            return self._may_be_in(entry.namespaces) & ~self.as_nodes
        if entry.pods is not None:
            return self._may_be_in(entry.pods[0]) & self.pods.matching(entry.pods[1]) & ~self.as_nodes
        return 0

    def admin_peer(self, entry: AdminPeer) -> Bits:
        """The classes that an admin policy's subject or peer matches (engine.policy.admin)."""
        if entry.networks:
            return self._any_network(parse_network(text) for text in entry.networks)
        if entry.nodes is not None:
            return self._on_nodes(entry.nodes)
        return self.admin_subject(entry)

    def admin_subject(self, entry: AdminPeer) -> Bits:
        """The classes that an admin policy's subject selects."""
        if entry.namespaces is not None:
            return self._in_namespaces(entry.namespaces) & ~self.as_nodes
        if entry.pods is not None:
            return self._in_namespaces(entry.pods[0]) & self.pods.matching(entry.pods[1]) & ~self.as_nodes
        return 0

    def _on_nodes(self, selector: LabelSelector) -> Bits:
        found = 0
        for bit, labels in self._node_labels:
            if matches(selector, labels):
                found |= bit
        return found

    def network(self, network: Network | None) -> Bits:
        """The classes whose address is in a network."""
        if network is None:
            return 0
        return self._keep(network, lambda: self._in_network(network))

    def in_network(self, network: Network) -> tuple[Bits, Bits]:
        """The classes whose address is in a network, and those whose address may be."""
        return self.network(network), self._unaddressed_where(network, whether=None)

    def of_family(self, version: int) -> Bits:
        """The classes with an address of a family."""
        return self._keep(("family", version), lambda: self._of_family(version))

    def _of_family(self, version: int) -> Bits:
        found = 0
        for address, bits in self._addresses.items():
            found |= bits if address.version == version else 0
        return found

    def _in_network(self, network: Network) -> Bits:
        found = 0
        for address, bits in self._addresses.items():
            if address in network:
                found |= bits
        return found | self._unaddressed_where(network, whether=True)

    def _any_that_may(self, networks: Iterable[Network | None]) -> Bits:
        found = 0
        for network in networks:
            if network is not None:
                found |= self._unaddressed_where(network, whether=None)
        return found

    def _unaddressed_where(self, network: Network, *, whether: bool | None) -> Bits:
        """The classes without a known address that are in a network (True), or may be in it (None)."""
        found = 0
        for among, bits in self._unaddressed.items():
            if holds_a_pod(network, among) is whether:
                found |= bits
        return found

    def _any_network(self, networks: Iterable[Network | None]) -> Bits:
        found = 0
        for network in networks:
            found |= self.network(network)
        return found

    # ---- ztunnel

    def sources(self, match: Match) -> Bits:
        """The classes that match the source fields of an entry; its ports and destinations are evaluated elsewhere."""
        return 0 if match == NOTHING else self._keep(match, lambda: self._sources(match))

    def sources_may(self, match: Match) -> Bits:
        """The classes that may match the source fields: all other fields match, and the address isn't known."""
        if not self._unaddressed or not (match.source_ips or match.not_source_ips):
            return 0
        found = self._identified(match)
        if match.source_ips:
            found &= self._any_network(match.source_ips) | self._any_that_may(match.source_ips)
        found &= ~self._any_network(match.not_source_ips)
        return found & ~self.sources(match)

    def _sources(self, match: Match) -> Bits:
        found = self._identified(match)
        if match.source_ips:
            found &= self._any_network(match.source_ips)
        if match.not_source_ips:
            found &= ~(self._any_network(match.not_source_ips) | self._any_that_may(match.not_source_ips))
        return found

    def _identified(self, match: Match) -> Bits:
        """The classes that match the identity fields of an entry."""
        found = self.all
        if match.principals:
            found &= _named(match.principals, self._principals)
        if match.not_principals:
            found &= ~_named(match.not_principals, self._principals)
        if match.namespaces:
            found &= _named(match.namespaces, self._seen_namespaces)
        if match.not_namespaces:
            found &= ~_named(match.not_namespaces, self._seen_namespaces)
        if match.service_accounts:
            found &= self._any_account(match.service_accounts)
        if match.not_service_accounts:
            found &= ~self._any_account(match.not_service_accounts)
        return found

    def _any_account(self, accounts: Iterable[tuple[str, str]]) -> Bits:
        found = 0
        for account in accounts:
            found |= self._accounts.get(account, 0)
        return found


def _named(patterns: Iterable[str], index: dict[str, Bits]) -> Bits:
    """The classes whose value ANY pattern matches; exact names are looked up, patterns are compared with each distinct value."""
    found = 0
    for pattern in patterns:
        if "*" not in pattern:
            found |= index.get(pattern, 0)
            continue
        for value, bits in index.items():
            if string_matches(pattern, value):
                found |= bits
    return found
