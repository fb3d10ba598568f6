"""The policies of a CNI's own kinds for all peers of a pod: the rules of its tiers as entries, and their port maps.

Equals ``engine.policy.tiers.decide``, peer by peer and port by port.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations

from meshtui.engine.classes.classifier import PodClass
from meshtui.engine.classes.index import Bits, Index
from meshtui.engine.decision.ruling import NOTHING_SAID, PortDecision, Ruling
from meshtui.engine.matrix.partition import MatchingClasses
from meshtui.engine.matrix.ports import ALL_PORTS, FIRST_PORT, LAST_PORT, PortMap, PortPainter, Range, intersect, subtract, union
from meshtui.engine.policy.networkpolicy import Direction
from meshtui.engine.policy.tiers import PROTOCOLS, Action, Peers, PortEntry, Ports, Rule, Tier
from meshtui.model.constants import HBONE_PORT
from meshtui.model.verdict import TIMEOUT, UNKNOWN, Layer
from meshtui.model.workload import ContainerPort

_MOST_NAMES = 6
"""Up to this number of container ports, rules that exclude ports by name are evaluated for each combination of them."""
_TUNNEL = ((HBONE_PORT, HBONE_PORT),)
_Ranges = tuple[tuple[Range, ...], ...]
"""Ranges of TCP, UDP and SCTP."""


@dataclass(frozen=True, slots=True, eq=False)
class TierEntry:
    """A rule, or its part for pods with some named ports. ``perhaps``: it isn't certain that it matches.

    ``on_request``: a request says whether it does.
    """

    tier: Tier
    rule: Rule
    ports: _Ranges
    matches: MatchingClasses
    perhaps: bool
    on_request: bool = False


def entries(tiers: Iterable[Tier], index: Index, subject: PodClass, direction: Direction) -> list[TierEntry]:
    """The rules of a pod's tiers in order, as entries of a PeerPartition."""
    found: list[TierEntry] = []
    for tier in tiers:
        for rule in tier.rules:
            members = _Members(rule.peers, index)
            certain = rule.doubt is None and rule.action is not Action.UNKNOWN
            for ranges, having, known in _variants(rule.ports, index, subject, direction):
                if certain and known:
                    found.append(TierEntry(tier, rule, ranges, _within(members.surely, having), perhaps=False))
                    found.append(TierEntry(tier, rule, ranges, _within(members.perhaps, having), perhaps=True))
                elif rule.is_on_request and known:
                    found.append(TierEntry(tier, rule, ranges, _within(members.surely, having), perhaps=True, on_request=True))
                    found.append(TierEntry(tier, rule, ranges, _within(members.perhaps, having), perhaps=True))
                else:
                    found.append(TierEntry(tier, rule, ranges, _within(members.either, having), perhaps=True))
    return found


class _Members:
    """The classes that a rule's peers are, computed once until a class is added."""

    def __init__(self, peers: Peers, index: Index) -> None:
        self._peers, self._index = peers, index
        self._size, self._known = -1, (0, 0)

    def _now(self) -> tuple[Bits, Bits]:
        if self._size != self._index.size:
            self._known, self._size = self._peers.classes(self._index), self._index.size
        return self._known

    def surely(self) -> Bits:
        """The classes that are certainly among them."""
        return self._now()[0]

    def perhaps(self) -> Bits:
        """The classes of which it isn't known."""
        return self._now()[1]

    def either(self) -> Bits:
        """Both."""
        surely, perhaps = self._now()
        return surely | perhaps


def _within(matches: MatchingClasses, having: MatchingClasses | None) -> MatchingClasses:
    return matches if having is None else lambda: matches() & having()


def _variants(
    ports: Ports, index: Index, subject: PodClass, direction: Direction
) -> Iterator[tuple[_Ranges, MatchingClasses | None, bool]]:
    """The ranges of a rule's ports, the classes of destinations for which they hold (None: all), and whether that is certain.

    Names are resolved at the destination: for ingress the pod itself, for egress each peer.
    """
    if not ports.names or direction is Direction.INGRESS:
        yield _ranges(ports, subject.ports if direction is Direction.INGRESS else ()), None, True
        return
    named = [port for port in index.named_ports if port.name in ports.names]
    if not any(entry.name for entry in ports.excluded):
        yield _ranges(ports, ()), None, True
        for port in named:
            yield _ranges(Ports(_of_name(ports.entries, port), ports.excluded), ()), partial(_having, index, port), True
        return
    if len(named) > _MOST_NAMES:
        yield _ranges(Ports(ports.entries), tuple(named)), None, False
        return
    for number in range(len(named) + 1):
        for some in combinations(named, number):
            others = [port for port in named if port not in some]
            yield _ranges(ports, some), partial(_having_just, index, some, others), True


def _of_name(entries_: tuple[PortEntry, ...] | None, port: ContainerPort) -> tuple[PortEntry, ...]:
    """The number of a container's port, for each entry with its name and protocol."""
    wanted = (port.name, port.protocol)
    return tuple(PortEntry(e.protocol, port.number, port.number) for e in entries_ or () if (e.name, e.protocol) == wanted)


def _having(index: Index, port: ContainerPort) -> Bits:
    """The classes with a port; pods on the host network don't count, as for named ports in ``engine.path.layers``."""
    return index.with_port.get(port, 0) & ~index.as_nodes


def _having_just(index: Index, some: Iterable[ContainerPort], others: Iterable[ContainerPort]) -> Bits:
    found = index.all
    for port in some:
        found &= _having(index, port)
    for port in others:
        found &= ~_having(index, port)
    return found


def _ranges(ports: Ports, named: Sequence[ContainerPort]) -> _Ranges:
    """The numbers of a rule's ports, given those that have names."""
    found: list[tuple[Range, ...]] = []
    for protocol in PROTOCOLS:
        ranges: Sequence[Range] = ALL_PORTS if ports.entries is None else _numbers(ports.entries, protocol, named)
        excluded = _numbers(ports.excluded, protocol, named)
        found.append(tuple(subtract(ranges, excluded)) if excluded else tuple(ranges))
    return tuple(ALL_PORTS if ranges == ALL_PORTS else ranges for ranges in found)


def _numbers(entries_: Iterable[PortEntry], protocol: str, named: Sequence[ContainerPort]) -> Sequence[Range]:
    found: list[Range] = []
    for entry in entries_:
        if entry.protocol != protocol:
            continue
        if entry.name:
            numbers = [p.number for p in named if (p.name, p.protocol) == (entry.name, protocol)]
            found += [(number, number) for number in numbers if FIRST_PORT <= number <= LAST_PORT]
        else:
            first, last = max(entry.first, FIRST_PORT), min(entry.last, LAST_PORT)
            found += [(first, last)] if first <= last else []
    return union((), found)


def painted(tiers: Sequence[Tier], matching: Sequence[TierEntry], protocol: int, doubt: PortDecision) -> PortMap:
    """The map of one protocol for a peer, given the entries that match it. ``doubt`` is what isn't evaluated on this side."""
    painter = PortPainter()
    by_tier: dict[int, list[TierEntry]] = {}
    for entry in matching:
        by_tier.setdefault(id(entry.tier), []).append(entry)
    for tier in tiers:
        perhaps: list[TierEntry] = []
        passed: list[Range] = []
        for entry in by_tier.get(id(tier), ()):
            ranges = entry.ports[protocol]
            if entry.perhaps:
                perhaps.append(entry)
                continue
            _doubted(painter, perhaps, entry.rule.action, ranges, protocol)
            if entry.rule.action is Action.PASS:
                passed += painter.take(ranges)
            else:
                painter.paint(ranges, _decision(tier.layer, entry.rule, doubt))
        _doubted(painter, perhaps, tier.end, ALL_PORTS, protocol)
        if tier.end is Action.DENY:
            painter.paint(ALL_PORTS, _blocked(PortDecision(block=Ruling(tier.layer, tier.by, TIMEOUT)), tier.layer, doubt))
        painter.give_back(passed)
    return painter.finish(NOTHING_SAID)


def _doubted(painter: PortPainter, perhaps: Iterable[TierEntry], action: Action, ranges: Sequence[Range], protocol: int) -> None:
    """Paint what an earlier rule with another action may decide otherwise.

    A request settles it where all such rules are about requests, but in a tunnel, where none can be read.
    """
    others = [each for each in perhaps if each.rule.action is not action]
    whatever: Sequence[Range] = _TUNNEL
    for other in others:
        if not other.on_request:
            whatever = union(whatever, other.ports[protocol])
    for other in others:
        found = other.ports[protocol] if ranges is ALL_PORTS else intersect(ranges, other.ports[protocol])
        ruling = Ruling(other.tier.layer, other.rule.decider, UNKNOWN)
        if other.on_request:
            painter.paint(subtract(found, whatever), PortDecision(doubt=replace(ruling, on_request=True)))
        painter.paint(found, PortDecision(doubt=ruling))


def _decision(layer: Layer, rule: Rule, doubt: PortDecision) -> PortDecision:
    if rule.action is Action.ALLOW:
        return PortDecision(allow=Ruling(layer, rule.decider))
    return _blocked(PortDecision(block=Ruling(layer, rule.decider, TIMEOUT)), layer, doubt)


def _blocked(block: PortDecision, layer: Layer, doubt: PortDecision) -> PortDecision:
    """A block; what isn't evaluated might allow what NetworkPolicies and policies beside them block."""
    return doubt if doubt.doubt is not None and layer in _MIGHT_BE_ALLOWED else block


_MIGHT_BE_ALLOWED = frozenset({Layer.EGRESS_POLICY, Layer.INGRESS_POLICY})
