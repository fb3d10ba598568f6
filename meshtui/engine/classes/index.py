"""Which classes a selector, a peer or a source matches: answered from inverted indexes, as bitsets."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable

from meshtui.engine.classes.classifier import PodClass
from meshtui.engine.matching.addresses import Address, Network, parse_network
from meshtui.engine.matching.selectors import matches
from meshtui.engine.matching.strings import string_matches
from meshtui.engine.policy.ztunnel import NOTHING, Match
from meshtui.model.policy import AdminPeer, IPBlock, NetworkPeer
from meshtui.model.selectors import LabelSelector, Requirement
from meshtui.model.workload import ContainerPort

Bits = int


class Labels:
    """One kind of labels (pods' or namespaces') of all classes."""

    def __init__(self) -> None:
        self.all: Bits = 0
        self._keys: dict[str, Bits] = defaultdict(int)
        self._pairs: dict[tuple[str, str], Bits] = defaultdict(int)

    def add(self, bit: Bits, labels: Iterable[tuple[str, str]]) -> None:
        """Take in a class."""
        self.all |= bit
        for pair in labels:
            self._keys[pair[0]] |= bit
            self._pairs[pair] |= bit

    def matching(self, selector: LabelSelector) -> Bits:
        """The classes that a selector matches: ALL labels and ALL requirements (as engine.selectors)."""
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
    """All classes by what rules ask for. Answers are kept until a class is added."""

    def __init__(self) -> None:
        self.size = 0
        self.all: Bits = 0
        self.pods = Labels()
        self.namespaces = Labels()
        self.in_namespace: dict[str, Bits] = defaultdict(int)
        self.with_port: dict[ContainerPort, Bits] = {}
        self.named_ports: tuple[ContainerPort, ...] = ()
        """The declared ports whose names rules read, of all classes."""
        self._addresses: dict[Address, Bits] = defaultdict(int)
        self._principals: dict[str, Bits] = defaultdict(int)
        self._seen_namespaces: dict[str, Bits] = defaultdict(int)
        self._accounts: dict[tuple[str, str], Bits] = defaultdict(int)
        self._node_labels: list[tuple[Bits, dict[str, str]]] = []
        self._kept: dict[object, Bits] = {}

    def add(self, member: PodClass) -> None:
        """Take in a new class."""
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
        if endpoint.address is not None:
            self._addresses[endpoint.address] |= bit
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
        return self.in_namespace.get(namespace, 0) & self.pods.matching(selector)

    def peer(self, entry: NetworkPeer, namespace: str) -> Bits:
        """The classes that a NetworkPolicy's peer entry matches (engine.networkpolicy.peer_matches)."""
        return self._keep((entry, namespace), lambda: self._peer(entry, namespace))

    def _peer(self, entry: NetworkPeer, namespace: str) -> Bits:
        if entry.ip_block is not None:
            return self._block(entry.ip_block)
        if entry.pod_selector is None and entry.namespace_selector is None:
            return 0
        if entry.namespace_selector is None:
            found = self.in_namespace.get(namespace, 0)
        else:
            found = self.namespaces.matching(entry.namespace_selector)
        return found if entry.pod_selector is None else found & self.pods.matching(entry.pod_selector)

    def _block(self, block: IPBlock) -> Bits:
        return self.network(parse_network(block.cidr)) & ~self._any_network(parse_network(text) for text in block.excepts)

    def admin_peer(self, entry: AdminPeer) -> Bits:
        """The classes that an admin policy's subject or peer matches (engine.admin)."""
        if entry.networks:
            return self._any_network(parse_network(text) for text in entry.networks)
        if entry.nodes is not None:
            return self._on_nodes(entry.nodes)
        return self.admin_subject(entry)

    def admin_subject(self, entry: AdminPeer) -> Bits:
        """The classes that an admin policy's subject selects."""
        if entry.namespaces is not None:
            return self.namespaces.matching(entry.namespaces)
        if entry.pods is not None:
            return self.namespaces.matching(entry.pods[0]) & self.pods.matching(entry.pods[1])
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

    def _in_network(self, network: Network) -> Bits:
        found = 0
        for address, bits in self._addresses.items():
            if address in network:
                found |= bits
        return found

    def _any_network(self, networks: Iterable[Network | None]) -> Bits:
        found = 0
        for network in networks:
            found |= self.network(network)
        return found

    # ---- ztunnel

    def sources(self, match: Match) -> Bits:
        """The classes that fulfil what an entry says about sources; its ports and destinations are asked elsewhere."""
        return 0 if match == NOTHING else self._keep(match, lambda: self._sources(match))

    def _sources(self, match: Match) -> Bits:
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
        if match.source_ips:
            found &= self._any_network(match.source_ips)
        if match.not_source_ips:
            found &= ~self._any_network(match.not_source_ips)
        return found

    def _any_account(self, accounts: Iterable[tuple[str, str]]) -> Bits:
        found = 0
        for account in accounts:
            found |= self._accounts.get(account, 0)
        return found


def _named(patterns: Iterable[str], index: dict[str, Bits]) -> Bits:
    """The classes whose value ANY pattern matches; exact names are looked up, patterns are tried on each distinct value."""
    found = 0
    for pattern in patterns:
        if "*" not in pattern:
            found |= index.get(pattern, 0)
            continue
        for value, bits in index.items():
            if string_matches(pattern, value):
                found |= bits
    return found
