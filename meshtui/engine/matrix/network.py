"""The partition of one side towards NetworkPolicy and the admin tiers: who selects it, and what they say about each peer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from meshtui.engine.classes.classifier import PodClass
from meshtui.engine.classes.index import Bits, Index
from meshtui.engine.matrix.partition import PROTOCOLS, Asked, PeerPartition, Profile, Profiles
from meshtui.engine.matrix.ports import (
    ALL_PORTS,
    FIRST_PORT,
    LAST_PORT,
    NOTHING_SAID,
    PortDecision,
    PortMap,
    PortPainter,
    Range,
    Ruling,
    everywhere,
    only,
    union,
)
from meshtui.engine.policy.networkpolicy import Direction, applies, rules
from meshtui.model.policy import AdminPolicy, AdminRule, NetworkPolicy, NetworkPolicyRule, PolicyPort
from meshtui.model.verdict import TIMEOUT, UNKNOWN, Decider, Layer
from meshtui.model.workload import ContainerPort

HBONE_PORT = 15008
_LAYERS = {Direction.EGRESS: Layer.EGRESS_POLICY, Direction.INGRESS: Layer.INGRESS_POLICY}
_TIERS = {"Admin": Layer.ADMIN_POLICY, "Baseline": Layer.BASELINE_POLICY}
Ports = tuple[tuple[Range, ...], ...]
"""Ranges for TCP, UDP and SCTP."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One rule of a partition, or its part for one named port; ``port decision`` is what it gives its ports."""

    tier: str
    action: str
    port_decision: PortDecision
    ports: Ports
    asked: Asked


class NetworkPartitions:
    """Who is selected by what, in one direction, on one snapshot's policies; partitions are shared between classes."""

    def __init__(self, direction: Direction, index: Index, profiles: Profiles) -> None:
        self.direction = direction
        self._index = index
        self._profiles = profiles
        self._policies: dict[str, list[NetworkPolicy]] = {}
        self._admin: dict[str, list[AdminPolicy]] = {}
        self._partitions: dict[tuple[object, ...], PeerPartition] = {}

    def load(self, policies: Iterable[NetworkPolicy], admin_policies: Iterable[AdminPolicy]) -> None:
        """Take policies; partitions on those that were there before stay."""
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
        """Forget the partitions that no class takes any more, once they are many."""
        taken = {id(partition) for partition in used}
        if len(self._partitions) > 2 * len(taken) + 64:
            self._partitions = {key: partition for key, partition in self._partitions.items() if id(partition) in taken}

    def of(self, subject: PodClass, doubt: PortDecision) -> PeerPartition:
        """The partition of a class; ``doubt`` is what isn't modelled on its side."""
        bit = 1 << subject.number
        selecting = tuple(
            policy
            for policy in self._policies.get(subject.endpoint.namespace, ())
            if self._index.subjects(policy.meta.namespace, policy.pod_selector) & bit
        )
        tiers = {
            tier: tuple(p for p in policies if self._index.admin_subject(p.subject) & bit)
            for tier, policies in self._admin.items()
            if policies
        }
        ports = (self._index.named_ports if self.direction is Direction.EGRESS else subject.ports) if selecting or tiers else ()
        key = (tuple(map(id, selecting)), *(tuple(map(id, tiers.get(tier, ()))) for tier in _TIERS), doubt, ports)
        known = self._partitions.get(key)
        if known is None:
            known = self._partitions[key] = self._make(subject, selecting, tiers, doubt)
        return known

    def _make(
        self,
        subject: PodClass,
        selecting: Sequence[NetworkPolicy],
        tiers: Mapping[str, Sequence[AdminPolicy]],
        doubt: PortDecision,
    ) -> PeerPartition:
        entries: list[Entry] = []
        for policy in tiers.get("Admin", ()):
            entries += self._of_admin("Admin", policy, subject)
        for network_policy in selecting:
            entries += self._of_policy(network_policy, subject)
        if not selecting:
            for policy in tiers.get("Baseline", ()):
                entries += self._of_admin("Baseline", policy, subject)
        rest = NOTHING_SAID
        if selecting and doubt.doubt is not None:
            rest = doubt  # what isn't modelled might allow what no rule allows
        elif selecting:
            rest = PortDecision(block=Ruling(_LAYERS[self.direction], Decider(selecting[0].meta.ref), TIMEOUT))
        # the closure keeps the policies alive, so that their ids in the key stay theirs
        return PeerPartition(
            [entry.asked for entry in entries],
            lambda path: self._profile([entries[n] for n in path], rest, doubt, (selecting, tiers)),
        )

    def _profile(self, entries: Sequence[Entry], rest: PortDecision, doubt: PortDecision, _kept: object) -> Profile:
        maps = [everywhere(doubt).then(_painted(entries, number, rest)) for number in range(len(PROTOCOLS))]
        return self._profiles.number([*maps, everywhere(maps[0].at(HBONE_PORT))])

    # ---- rules as entries

    def _of_policy(self, policy: NetworkPolicy, subject: PodClass) -> Iterator[Entry]:
        for number, rule in enumerate(rules(policy, self.direction)):
            decider = Decider(policy.meta.ref, f"{self.direction.value}[{number}]")
            port_decision = PortDecision(allow=Ruling(_LAYERS[self.direction], decider))
            asked = partial(self._any_peer, rule, policy.meta.namespace)
            if not rule.ports:
                yield Entry("", "", port_decision, (ALL_PORTS,) * len(PROTOCOLS), asked)
                continue
            plain = [entry for entry in rule.ports if not isinstance(entry.port, str)]
            if plain:
                yield Entry("", "", port_decision, _by_protocol((entry.protocol, _ranges(entry)) for entry in plain), asked)
            for entry in rule.ports:
                if isinstance(entry.port, str) and entry.end_port is None:
                    yield from self._named(entry.port, entry.protocol, "", "", port_decision, asked, subject)

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
            asked = partial(self._any_admin_peer, rule)
            if rule.ports is None:
                yield Entry(tier, rule.action, port_decision, (ALL_PORTS,) * len(PROTOCOLS), asked)
                continue
            plain = [entry for entry in rule.ports if not entry.named]
            if plain:
                ports = _by_protocol((entry.protocol, _clipped(entry.start, entry.end)) for entry in plain)
                yield Entry(tier, rule.action, port_decision, ports, asked)
            for protocol in PROTOCOLS:
                for name in dict.fromkeys(entry.named for entry in rule.ports if entry.named):
                    yield from self._named(name, protocol, tier, rule.action, port_decision, asked, subject)

    def _any_admin_peer(self, rule: AdminRule) -> Bits:
        found = 0
        for peer in rule.peers:
            found |= self._index.admin_peer(peer)
        return found

    def _named(
        self, name: str, protocol: str, tier: str, action: str, port_decision: PortDecision, asked: Asked, subject: PodClass
    ) -> Iterator[Entry]:
        """A named port is the destination's: at ingress the subject's own, at egress each peer's (one entry a number)."""
        if self.direction is Direction.INGRESS:
            numbers = [port.number for port in subject.ports if (port.name, port.protocol) == (name, protocol)]
            if numbers:
                yield Entry(tier, action, port_decision, _by_protocol((protocol, only(number)) for number in numbers), asked)
            return
        for port in self._index.named_ports:
            if (port.name, port.protocol) == (name, protocol):
                having = partial(self._having, port, asked)
                yield Entry(tier, action, port_decision, _by_protocol([(protocol, only(port.number))]), having)

    def _having(self, port: ContainerPort, asked: Asked) -> Bits:
        return asked() & self._index.with_port.get(port, 0)


def _action_mark(action: str, layer: Layer, decider: Decider) -> PortDecision:
    """What an admin rule's action comes to; Pass says nothing itself, an action that nobody knows is doubt."""
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
    """The ports of one protocol, rule after rule: Admin first, what it passes or leaves to NetworkPolicies, then Baseline."""
    painter = PortPainter()
    passed: list[Range] = []
    for entry in entries:
        if entry.tier == "Admin":
            if entry.action == "Pass":
                passed += painter.take(entry.ports[protocol])
            else:
                painter.paint(entry.ports[protocol], entry.port_decision)
    painter.give_back(passed)
    for entry in entries:
        if entry.tier != "Admin":
            painter.paint(entry.ports[protocol], entry.port_decision)
    return painter.finish(rest)


def _by_protocol(found: Iterable[tuple[str, Sequence[Range]]]) -> Ports:
    ranges: dict[str, list[Range]] = {protocol: [] for protocol in PROTOCOLS}
    for protocol, more in found:
        if protocol in ranges:
            ranges[protocol] = union(ranges[protocol], more)
    return tuple(tuple(ranges[protocol]) for protocol in PROTOCOLS)


def _ranges(entry: PolicyPort) -> tuple[Range, ...]:
    """The numbers of a port entry without a name (engine.networkpolicy.port_matches)."""
    if entry.port is None:
        return ALL_PORTS if entry.end_port is None else ()
    if isinstance(entry.port, str):
        return ()
    return _clipped(entry.port, entry.port if entry.end_port is None else entry.end_port)


def _clipped(first: int, last: int) -> tuple[Range, ...]:
    first, last = max(first, FIRST_PORT), min(last, LAST_PORT)
    return ((first, last),) if first <= last else ()
