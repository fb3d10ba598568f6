"""The partition of one side by NetworkPolicy and the admin tiers: which policies select it, and their result for each peer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from meshtui.engine.classes.classifier import PodClass
from meshtui.engine.classes.index import Bits, Index
from meshtui.engine.decision.ruling import NOTHING_SAID, PortDecision, Ruling
from meshtui.engine.matching.identity import Same, same
from meshtui.engine.matrix.left import PROTOCOLS
from meshtui.engine.matrix.partition import MatchingClasses, PeerPartition, Profile, Profiles
from meshtui.engine.matrix.ports import (
    ALL_PORTS,
    FIRST_PORT,
    LAST_PORT,
    PortMap,
    PortPainter,
    Range,
    everywhere,
    intersect,
    only,
    union,
)
from meshtui.engine.matrix.tiered import TierEntry, entries, painted
from meshtui.engine.policy.admin import unordered
from meshtui.engine.policy.networkpolicy import Direction, applies, as_read, rules
from meshtui.engine.policy.tiers import OwnPolicies, Tier
from meshtui.model.cni import REFERENCE_CNI, Cni, HostPods
from meshtui.model.constants import HBONE_PORT
from meshtui.model.policy import AdminPolicy, AdminRule, NetworkPolicy, NetworkPolicyRule, PolicyPort
from meshtui.model.verdict import TIMEOUT, UNKNOWN, Decider, Layer
from meshtui.model.workload import ContainerPort

_LAYERS = {Direction.EGRESS: Layer.EGRESS_POLICY, Direction.INGRESS: Layer.INGRESS_POLICY}
_TIERS = {"Admin": Layer.ADMIN_POLICY, "Baseline": Layer.BASELINE_POLICY}
Ports = tuple[tuple[Range, ...], ...]
"""Ranges of TCP, UDP and SCTP."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One rule of a partition, or its part for one named port; ``port_decision`` applies to its ports.

    ``perhaps``: it isn't certain that the rule matches, because an address isn't known.
    """

    tier: str
    action: str
    port_decision: PortDecision
    ports: Ports
    matches: MatchingClasses
    perhaps: bool = False


class NetworkPartitions:
    """The partitions of all classes by the policies that select them, in one direction of one snapshot; shared if equal."""

    def __init__(self, direction: Direction, index: Index, profiles: Profiles) -> None:
        self.direction = direction
        self._index = index
        self._profiles = profiles
        self._cni = REFERENCE_CNI
        self._enforced: bool | None = True
        self._unlabelled = False
        self._policies: dict[str, list[NetworkPolicy]] = {}
        self._admin: dict[str, list[AdminPolicy]] = {}
        self._own: OwnPolicies | None = None
        self._partitions: dict[tuple[object, ...], PeerPartition] = {}

    def load(
        self,
        policies: Iterable[NetworkPolicy],
        admin_policies: Iterable[AdminPolicy],
        *,
        cni: Cni,
        own: OwnPolicies | None = None,
        unlabelled: bool = False,
    ) -> None:
        """Load policies; partitions with policies that were loaded before are kept.

        ``cni`` must be that of all loads; ``own`` are its own policies. ``unlabelled``: whether there are namespaces whose labels
        aren't known.
        """
        self._unlabelled = unlabelled
        self._cni, self._enforced, self._own = cni, cni.enforces, own
        by_namespace: dict[str, list[NetworkPolicy]] = defaultdict(list)
        for policy in sorted(policies, key=lambda p: p.meta.name):
            if applies(policy, self.direction):
                by_namespace[policy.meta.namespace].append(policy)
        self._policies = by_namespace
        ordered = sorted(admin_policies, key=lambda p: (p.priority, p.meta.name))
        self._admin = {tier: [p for p in ordered if p.tier == tier and self._rules(p)] for tier in _TIERS}

    def _rules(self, policy: AdminPolicy) -> tuple[AdminRule, ...]:
        return policy.ingress if self.direction is Direction.INGRESS else policy.egress

    def prune(self, used: Iterable[PeerPartition]) -> None:
        """Remove the partitions that no class uses, once there are many of them."""
        taken = set(used)
        if len(self._partitions) > 2 * len(taken) + 64:
            self._partitions = {key: partition for key, partition in self._partitions.items() if partition in taken}

    def of(self, subject: PodClass, doubt: PortDecision) -> PeerPartition:
        """The partition of a class; ``doubt`` is the result of objects on its side that aren't modelled."""
        bit = 1 << subject.number
        if self._enforced is False:
            return self._unenforced(doubt)
        if self._own is not None:
            return self._by_tiers(self._own, subject, doubt)
        selecting = tuple(
            policy
            for policy in self._policies.get(subject.endpoint.namespace, ())
            if self._index.subjects(policy.meta.namespace, policy.pod_selector) & bit
        )
        tiers = {
            tier: tuple(p for p in policies if self._subjects(p) & bit) for tier, policies in self._admin.items() if policies
        }
        ports = (self._index.named_ports if self.direction is Direction.EGRESS else subject.ports) if selecting or tiers else ()
        hosts = (subject.endpoint.host_pods, bool(self._index.as_nodes))
        unsure = tuple(p.meta.ref for several in tiers.values() for p in several if not self._surely(p, subject))
        key = (unsure, same(selecting), *(same(tiers.get(tier, ())) for tier in _TIERS), doubt, ports, hosts)
        known = self._partitions.get(key)
        if known is None:
            known = self._partitions[key] = self._make(subject, selecting, tiers, doubt)
        return known

    def _by_tiers(self, own: OwnPolicies, subject: PodClass, doubt: PortDecision) -> PeerPartition:
        """The partition of a class by a CNI's own policies, with the others beside them."""
        # Which nodes' pods there are makes no difference here, where nodes are no peers
        end = subject.endpoint if own.own_node_first else replace(subject.endpoint, node="")
        tiers = own.tiers(self.direction, end)
        named = any(rule.ports.names for tier in tiers for rule in tier.rules)
        ports = () if not named else subject.ports if self.direction is Direction.INGRESS else self._index.named_ports
        hosts = self.direction is Direction.INGRESS and bool(self._index.as_nodes)
        key = ("tiers", Same(tiers), doubt, ports, hosts)
        known = self._partitions.get(key)
        if known is None:
            found = entries(tiers, self._index, subject, self.direction)
            matching = [entry.matches for entry in found]
            if hosts and tiers:  # pods on the host network count as their node: they may be on that of a pod of this class
                matching.append(lambda: self._index.as_nodes)
            known = self._partitions[key] = PeerPartition(matching, partial(self._of_tiers, tiers, found, doubt))
        return known

    def _of_tiers(self, tiers: Sequence[Tier], found: Sequence[TierEntry], doubt: PortDecision, path: Sequence[int]) -> Profile:
        matching = [found[number] for number in path if number < len(found)]
        maps = [everywhere(doubt).then(painted(tiers, matching, number, doubt)) for number in range(len(PROTOCOLS))]
        if len(matching) < len(path):
            maps = [_as_own_node(each, self._doubt) for each in maps]
        return self._profiles.number([*maps, everywhere(maps[0].at(HBONE_PORT))])

    def _subjects(self, policy: AdminPolicy) -> Bits:
        """The classes that a policy selects, or may select."""
        return self._index.admin_subject(policy.subject) | self._index.admin_subject_may(policy.subject)

    def _surely(self, policy: AdminPolicy, subject: PodClass) -> bool:
        return bool(self._index.admin_subject(policy.subject) >> subject.number & 1)

    def _make(
        self,
        subject: PodClass,
        selecting: Sequence[NetworkPolicy],
        tiers: Mapping[str, Sequence[AdminPolicy]],
        doubt: PortDecision,
    ) -> PeerPartition:
        entries: list[Entry] = []
        for policy in unordered(tiers.get("Admin", ()), self.direction):
            entries += self._of_admin("Admin", policy, subject)
        for network_policy in selecting:
            entries += self._of_policy(network_policy, subject)
        for network_policy in selecting:
            entries += self._that_may_allow(network_policy, subject)
        if selecting and self.direction is Direction.INGRESS and self._index.as_nodes:
            entries.append(self._from_own_node())
        if not selecting:
            for policy in unordered(tiers.get("Baseline", ()), self.direction):
                entries += self._of_admin("Baseline", policy, subject)
        rest = self._rest(subject, selecting, doubt)
        return PeerPartition(
            [entry.matches for entry in entries],
            lambda path: self._profile([entries[n] for n in path], rest, doubt),
        )

    def _rest(self, subject: PodClass, selecting: Sequence[NetworkPolicy], doubt: PortDecision) -> PortDecision:
        """The port decision of the ports that no rule decides."""
        if not selecting:
            return NOTHING_SAID if self._cni.leaves_open else self._doubt
        if doubt.doubt is not None:
            return doubt  # An object that isn't modelled might allow what no rule allows
        if self._enforced is None or subject.endpoint.host_pods is HostPods.UNKNOWN:
            return self._doubt  # It isn't known whether the policies apply
        return PortDecision(block=Ruling(_LAYERS[self.direction], Decider(selecting[0].meta.ref), TIMEOUT))

    @property
    def _doubt(self) -> PortDecision:
        return PortDecision(doubt=Ruling(_LAYERS[self.direction], None, UNKNOWN))

    def _from_own_node(self) -> Entry:
        """Pods on the host network that may count as their node: they may be on the node of a pod of this class."""
        return Entry("", "", self._doubt, (ALL_PORTS,) * len(PROTOCOLS), lambda: self._index.as_nodes)

    def _unenforced(self, doubt: PortDecision) -> PeerPartition:
        """The partition of all classes where no policy is enforced."""
        key: tuple[object, ...] = ("nothing is enforced", doubt)
        if key not in self._partitions:
            self._partitions[key] = PeerPartition([], lambda _: self._profile([], NOTHING_SAID, doubt))
        return self._partitions[key]

    def _profile(self, entries: Sequence[Entry], rest: PortDecision, doubt: PortDecision) -> Profile:
        maps = [everywhere(doubt).then(_painted(entries, number, rest)) for number in range(len(PROTOCOLS))]
        return self._profiles.number([*maps, everywhere(maps[0].at(HBONE_PORT))])

    # ---- rules as entries

    def _of_policy(self, policy: NetworkPolicy, subject: PodClass) -> Iterator[Entry]:
        for number, rule in enumerate(rules(policy, self.direction)):
            decider = Decider(policy.meta.ref, f"{self.direction.value}[{number}]")
            port_decision = PortDecision(allow=Ruling(_LAYERS[self.direction], decider))
            certain, _ = as_read(rule.ports, self._cni, self.direction)
            if certain or not rule.ports:
                yield from self._of_ports(certain, port_decision, partial(self._any_peer, rule, policy.meta.namespace), subject)

    def _that_may_allow(self, policy: NetworkPolicy, subject: PodClass) -> Iterator[Entry]:
        """The rules with peers or ports that may match: unknown where no rule certainly allows."""
        for rule in rules(policy, self.direction):
            certain, doubtful = as_read(rule.ports, self._cni, self.direction)
            if doubtful:
                matches = partial(self._any_peer, rule, policy.meta.namespace)
                yield from (replace(e, perhaps=True) for e in self._of_ports(doubtful, self._doubt, matches, subject))
            by_selector = self._unlabelled or (self._index.as_nodes and self.direction is Direction.EGRESS)
            if by_selector or any(peer.ip_block is not None for peer in rule.peers):
                matches = partial(self._peers_that_may, rule, policy.meta.namespace)
                found = self._of_ports((*certain, *doubtful), self._doubt, matches, subject)
                yield from (replace(entry, perhaps=True) for entry in found)

    def _of_ports(
        self, ports: Sequence[PolicyPort], port_decision: PortDecision, matches: MatchingClasses, subject: PodClass
    ) -> Iterator[Entry]:
        """The entries of a rule for some of its ports; without any, for all ports."""
        if not ports:
            yield Entry("", "", port_decision, (ALL_PORTS,) * len(PROTOCOLS), matches)
            return
        plain = [entry for entry in ports if not isinstance(entry.port, str)]
        if plain:
            yield Entry("", "", port_decision, _by_protocol((entry.protocol, _ranges(entry)) for entry in plain), matches)
        for entry in ports:
            if isinstance(entry.port, str) and entry.end_port is None:
                like = Entry("", "", port_decision, (), matches)
                yield from self._named(entry.port, entry.protocol, like, self._doubt, subject)

    def _peers_that_may(self, rule: NetworkPolicyRule, namespace: str) -> Bits:
        found = 0
        for peer in rule.peers:
            found |= self._index.peer_may(peer, namespace)
        return found

    def _any_peer(self, rule: NetworkPolicyRule, namespace: str) -> Bits:
        if not rule.peers:
            return self._index.all
        found = 0
        for peer in rule.peers:
            found |= self._index.peer(peer, namespace)
        return found

    def _of_admin(self, tier: str, policy: AdminPolicy, subject: PodClass) -> Iterator[Entry]:
        for number, rule in enumerate(self._rules(policy)):
            decider = Decider(policy.meta.ref, f"{self.direction.value}[{number}]")
            port_decision = _action_mark(rule.action, _TIERS[tier], decider)
            doubt = PortDecision(doubt=Ruling(_TIERS[tier], decider, UNKNOWN))
            surely = self._surely(policy, subject)
            if not surely or self._unlabelled or any(peer.networks for peer in rule.peers):
                may = partial(self._admin_peers_that_may, rule, surely=surely)
                yield from (replace(e, perhaps=True) for e in self._of_admin_rule(tier, rule, doubt, may, doubt, subject))
            if not surely:
                continue
            yield from self._of_admin_rule(tier, rule, port_decision, partial(self._any_admin_peer, rule), doubt, subject)

    def _of_admin_rule(
        self,
        tier: str,
        rule: AdminRule,
        port_decision: PortDecision,
        matches: MatchingClasses,
        doubt: PortDecision,
        subject: PodClass,
    ) -> Iterator[Entry]:
        if rule.ports is None:
            yield Entry(tier, rule.action, port_decision, (ALL_PORTS,) * len(PROTOCOLS), matches)
            return
        plain = [entry for entry in rule.ports if not entry.named]
        if plain:
            ports = _by_protocol((entry.protocol, _clipped(entry.start, entry.end)) for entry in plain)
            yield Entry(tier, rule.action, port_decision, ports, matches)
        for protocol in PROTOCOLS:
            for name in dict.fromkeys(entry.named for entry in rule.ports if entry.named):
                yield from self._named(name, protocol, Entry(tier, rule.action, port_decision, (), matches), doubt, subject)

    def _admin_peers_that_may(self, rule: AdminRule, *, surely: bool) -> Bits:
        """The classes that a rule may match only; all that it may match, unless its policy ``surely`` selects the subject."""
        found = 0
        for peer in rule.peers:
            found |= self._index.admin_peer_may(peer)
        return found & ~self._any_admin_peer(rule) if surely else found | self._any_admin_peer(rule)

    def _any_admin_peer(self, rule: AdminRule) -> Bits:
        found = 0
        for peer in rule.peers:
            found |= self._index.admin_peer(peer)
        return found

    def _named(self, name: str, protocol: str, like: Entry, doubt: PortDecision, subject: PodClass) -> Iterator[Entry]:
        """Resolve a named port at the destination: at ingress the subject, at egress each peer (one entry for each number).

        ``like`` is the entry without its ports; ``doubt`` holds for peers at which names may not be looked up.
        """
        if self.direction is Direction.INGRESS:
            numbers = [port.number for port in subject.ports if (port.name, port.protocol) == (name, protocol)]
            if numbers:
                yield replace(like, ports=_by_protocol((protocol, only(number)) for number in numbers))
            return
        for port in self._index.named_ports:
            if (port.name, port.protocol) == (name, protocol):
                ports = _by_protocol([(protocol, only(port.number))])
                yield replace(like, ports=ports, matches=partial(self._having, port, like.matches))
                if self._index.as_nodes:
                    may = partial(self._host_having, port, like.matches)
                    yield replace(like, ports=ports, matches=may, port_decision=doubt, perhaps=True)

    def _having(self, port: ContainerPort, matches: MatchingClasses) -> Bits:
        return matches() & self._index.with_port.get(port, 0) & ~self._index.as_nodes

    def _host_having(self, port: ContainerPort, matches: MatchingClasses) -> Bits:
        return matches() & self._index.with_port.get(port, 0) & self._index.as_nodes


def _as_own_node(decided: PortMap, doubt: PortDecision) -> PortMap:
    """A map with blocks as unknown: whether the peer is the pod's own node isn't known, which always reaches it."""
    painter = PortPainter()
    first = FIRST_PORT
    for last, port_decision in decided.pieces:
        painter.paint(((first, last),), doubt if port_decision.block is not None else port_decision)
        first = last + 1
    return painter.finish()


def _action_mark(action: str, layer: Layer, decider: Decider) -> PortDecision:
    """The port decision of an admin rule's action; Pass decides nothing itself, an unsupported action is unknown."""
    match action:
        case "Deny":
            return PortDecision(block=Ruling(layer, decider, TIMEOUT))
        case "Allow":
            return PortDecision(allow=Ruling(layer, decider))
        case "Pass":
            return NOTHING_SAID
        case _:
            return PortDecision(doubt=Ruling(layer, decider, UNKNOWN))


def _painted(entries: Sequence[Entry], protocol: int, rest: PortDecision) -> PortMap:
    """The map of one protocol, rule by rule: Admin, then NetworkPolicies or Baseline for the ports that Admin leaves open."""
    painter = PortPainter()
    passed: list[Range] = []
    ordered = _in_order(entries, protocol)
    for ranges, entry in ordered:
        if entry.tier == "Admin":
            if entry.action == "Pass" and not entry.perhaps:
                passed += painter.take(ranges)
            else:
                painter.paint(ranges, entry.port_decision)
    painter.give_back(passed)
    for ranges, entry in ordered:
        if entry.tier != "Admin":
            painter.paint(ranges, entry.port_decision)
    return painter.finish(rest)


def _in_order(entries: Sequence[Entry], protocol: int) -> Sequence[tuple[Sequence[Range], Entry]]:
    """Ranges of ports with the entry that decides them, for each tier: what comes first counts."""
    if not any(entry.perhaps for entry in entries):
        return [(entry.ports[protocol], entry) for entry in entries]
    admin = [entry for entry in entries if entry.tier == "Admin"]
    others = [entry for entry in entries if entry.tier != "Admin"]
    return [*_first_matches(admin, protocol), *_first_matches(others, protocol)]


def _first_matches(entries: Sequence[Entry], protocol: int) -> Iterator[tuple[Sequence[Range], Entry]]:
    """Ranges of ports with the entry that decides them (policy.admin.first_match), in order: earlier ranges take precedence.

    An entry that may match counts only where a later entry that certainly matches has another action, or none certainly matches.
    """
    perhaps: list[Entry] = []
    for entry in entries:
        ranges = entry.ports[protocol]
        if entry.perhaps:
            perhaps.append(entry)
            continue
        for other in perhaps:
            if other.action != entry.action:
                yield intersect(ranges, other.ports[protocol]), other
        yield ranges, entry
    yield from ((entry.ports[protocol], entry) for entry in perhaps)


def _by_protocol(found: Iterable[tuple[str, Sequence[Range]]]) -> Ports:
    ranges: dict[str, list[Range]] = {protocol: [] for protocol in PROTOCOLS}
    for protocol, more in found:
        if protocol in ranges:
            ranges[protocol] = union(ranges[protocol], more)
    return tuple(tuple(ranges[protocol]) for protocol in PROTOCOLS)


def _ranges(entry: PolicyPort) -> tuple[Range, ...]:
    """The numbers of a port entry without a name (policy.networkpolicy.port_matches)."""
    if entry.port is None:
        return ALL_PORTS if entry.end_port is None else ()
    if isinstance(entry.port, str):
        return ()
    return _clipped(entry.port, entry.port if entry.end_port is None else entry.end_port)


def _clipped(first: int, last: int) -> tuple[Range, ...]:
    first, last = max(first, FIRST_PORT), min(last, LAST_PORT)
    return ((first, last),) if first <= last else ()
