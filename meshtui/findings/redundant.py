"""Rules of NetworkPolicies that others cover wholly, whatever pods there are: without them, no verdict changes.

NetworkPolicies only allow (their union counts), and a policy isolates the pods that it selects. So a rule is redundant if for
each of its peers other rules, whose policies select at least the same pods, allow at least that peer on at least the same ports.
A policy is redundant if all its rules are, and others isolate its pods in each of its directions. What is compared are selectors,
not the pods that they happen to select now: a rule that only today means the same pods isn't redundant.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from typing import TypeVar

from meshtui.engine.matching.addresses import Network, parse_network
from meshtui.engine.matching.selectors import matches_as_far_as_known
from meshtui.engine.policy.cilium.network_policies import read_otherwise
from meshtui.engine.policy.networkpolicy import Direction, applies, as_read, rules
from meshtui.engine.policy.unmodelled import READ_BY_CILIUM
from meshtui.model.cni import Cni
from meshtui.model.ids import ObjectRef
from meshtui.model.meta import METADATA_NAME
from meshtui.model.policy import IPBlock, NetworkPeer, NetworkPolicy, NetworkPolicyRule, PolicyPort
from meshtui.model.selectors import LabelSelector, Requirement
from meshtui.model.workload import Namespace

T = TypeVar("T")
_FIRST, _LAST = 1, 65535
Pairs = frozenset[tuple[str, str]]
Place = tuple[int, Direction, int]
"""The number of a policy, and the place of a rule in it."""


@dataclass(frozen=True, slots=True)
class Redundant:
    """One policy whose rules ``places`` are redundant, or (no places) the whole policy. ``by`` are those that cover it."""

    policy: NetworkPolicy
    places: tuple[tuple[Direction, int], ...]
    by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Selector:
    """A selector with requirements of one value as labels."""

    labels: Pairs
    requirements: tuple[Requirement, ...]

    def implies(self, other: _Selector) -> bool:
        """Whether everything that this selector matches is matched by another one."""
        return other.labels <= self.labels and all(map(self._implies, other.requirements))

    def _implies(self, wanted: Requirement) -> bool:
        value = next((value for key, value in self.labels if key == wanted.key), None)
        mine = [each for each in self.requirements if each.key == wanted.key]
        if wanted in mine:
            return True
        allowed = [{value}] if value is not None else [set(each.values) for each in mine if each.operator == "In"]
        match wanted.operator:
            case "In":
                return any(each <= set(wanted.values) for each in allowed)
            case "Exists":
                return bool(allowed) or any(each.operator == "Exists" for each in mine)
            case "NotIn":
                refused = [set(each.values) for each in mine if each.operator == "NotIn"]
                return (
                    any(not each & set(wanted.values) for each in allowed)
                    or any(set(wanted.values) <= each for each in refused)
                    or any(each.operator == "DoesNotExist" for each in mine)
                )
            case _:
                return False


_EVERYTHING = _Selector(frozenset(), ())


def _selector(written: LabelSelector | None) -> _Selector:
    if written is None:
        return _EVERYTHING
    labels, others = set(written.labels), []
    taken = {key for key, _ in labels}
    for each in written.requirements:
        if each.operator == "In" and len(each.values) == 1 and each.key not in taken:
            labels.add((each.key, each.values[0]))
            taken.add(each.key)
        else:
            others.append(each)
    return _Selector(frozenset(labels), tuple(others))


@dataclass(frozen=True, slots=True)
class _Peer:
    """A peer entry: a block, or pods of the policy's own namespace (``spaces`` None) or of those that match.

    ``everybody``: a rule without peers.
    """

    pods: _Selector = _EVERYTHING
    spaces: _Selector | None = None
    block: Network | None = None
    excepts: tuple[Network, ...] = ()
    everybody: bool = False


def _peers(rule: NetworkPolicyRule) -> Iterator[_Peer]:
    """The peers of a rule that can match anything."""
    if not rule.peers:
        yield _Peer(everybody=True)
    for entry in rule.peers:
        if entry.ip_block is not None:
            block = _block(entry.ip_block)
            if block is not None:
                yield block
        elif entry.pod_selector is not None or entry.namespace_selector is not None:
            yield _of_pods(entry)


def _of_pods(entry: NetworkPeer) -> _Peer:
    spaces = None if entry.namespace_selector is None else _selector(entry.namespace_selector)
    return _Peer(_selector(entry.pod_selector), spaces)


def _block(block: IPBlock) -> _Peer | None:
    network = parse_network(block.cidr)
    cut = (parse_network(text) for text in block.excepts)
    return None if network is None else _Peer(block=network, excepts=tuple(each for each in cut if each is not None))


def _within(inner: Network, outer: Network) -> bool:
    return inner.version == outer.version and inner.mask & outer.mask == outer.mask and inner.base & outer.mask == outer.base


def _block_within(inner: _Peer, outer: _Peer) -> bool:
    """Whether a block lies in another one: each exception of the outer is outside of the inner, or cut out of it too."""
    if inner.block is None or outer.block is None or not _within(inner.block, outer.block):
        return False
    for cut in outer.excepts:
        apart = not _within(cut, inner.block) and not _within(inner.block, cut)
        if not apart and not any(_within(cut, mine) for mine in inner.excepts):
            return False
    return True


# ---- the rules of one namespace and direction, by what they are about


@dataclass(slots=True)
class _Covers:
    """All peers of all rules in one namespace and direction: by the labels of the subject, then by the sort of the peer."""

    home: Namespace | None
    namespaces: Mapping[str, Namespace]
    by_subject: dict[Pairs, _Entries] = field(default_factory=dict)

    def add(self, subject: _Selector, peer: _Peer, place: Place, rule: NetworkPolicyRule) -> None:
        """Add a peer of a rule."""
        self.by_subject.setdefault(subject.labels, _Entries()).add(_Entry(subject, peer, place, rule))

    def of(self, subject: _Selector, peer: _Peer) -> Iterator[_Entry]:
        """The entries that are about at least these pods and this peer."""
        for entries in _below(self.by_subject, subject.labels):
            for entry in entries.candidates(peer, self._where(peer), self.home):
                if subject.implies(entry.subject) and self._covers(entry.peer, peer):
                    yield entry

    def _covers(self, outer: _Peer, inner: _Peer) -> bool:
        if outer.everybody or inner.everybody:
            return outer.everybody
        if outer.block is not None or inner.block is not None:
            return _block_within(inner, outer)
        if not inner.pods.implies(outer.pods):
            return False
        where = self._where(inner)
        if outer.spaces is None:
            return inner.spaces is None or (where is not None and where is self.home)
        if where is not None and _selects(outer.spaces, where):
            return True
        return inner.spaces is not None and inner.spaces.implies(outer.spaces)

    def _where(self, peer: _Peer) -> Namespace | None:
        """The one namespace in which a peer's pods are: the policy's own, or that which is selected by its name."""
        if peer.spaces is None:
            return self.home
        names = (value for key, value in peer.spaces.labels if key == METADATA_NAME)
        return next((self.namespaces[name] for name in names if name in self.namespaces), None)


@dataclass(frozen=True, slots=True)
class _Entry:
    """One peer of one rule."""

    subject: _Selector
    peer: _Peer
    place: Place
    rule: NetworkPolicyRule


@dataclass(slots=True)
class _Entries:
    """Entries by the sort of their peer, and its labels or its network."""

    everybody: list[_Entry] = field(default_factory=list)
    own: dict[Pairs, list[_Entry]] = field(default_factory=dict)
    elsewhere: dict[Pairs, dict[Pairs, list[_Entry]]] = field(default_factory=dict)
    blocks: dict[Network, list[_Entry]] = field(default_factory=dict)

    def add(self, entry: _Entry) -> None:
        peer = entry.peer
        if peer.everybody:
            self.everybody.append(entry)
        elif peer.block is not None:
            self.blocks.setdefault(peer.block, []).append(entry)
        elif peer.spaces is None:
            self.own.setdefault(peer.pods.labels, []).append(entry)
        else:
            self.elsewhere.setdefault(peer.spaces.labels, {}).setdefault(peer.pods.labels, []).append(entry)

    def candidates(self, peer: _Peer, where: Namespace | None, home: Namespace | None) -> Iterator[_Entry]:
        """The entries that may cover a peer; ``where`` is the one namespace of its pods, if there is one."""
        yield from self.everybody
        if peer.everybody:
            return
        if peer.block is not None:
            for network in _supernets(peer.block) if self.blocks else ():
                yield from self.blocks.get(network, ())
            return
        if peer.spaces is None or where is home:
            for several in _below(self.own, peer.pods.labels):
                yield from several
        labels = _labels(where) | (peer.spaces.labels if peer.spaces is not None else frozenset())
        for table in _below(self.elsewhere, labels):
            for several in _below(table, peer.pods.labels):
                yield from several


def _labels(home: Namespace | None) -> Pairs:
    return frozenset(home.labels.items()) if home is not None else frozenset()


def _below(table: Mapping[Pairs, T], labels: Pairs) -> Iterator[T]:
    """The values of those keys that are subsets of some labels."""
    if 2 ** len(labels) > len(table):
        yield from (value for key, value in table.items() if key <= labels)
        return
    for size in range(len(labels) + 1):
        for several in combinations(sorted(labels), size):
            found = table.get(frozenset(several))
            if found is not None:
                yield found


def _supernets(network: Network) -> Iterator[Network]:
    """A network, and all that contain it."""
    width = 32 if network.version == 4 else 128
    for length in range(network.mask.bit_count() + 1):
        mask = ((1 << length) - 1) << (width - length)
        yield Network(network.version, network.base & mask, mask)


def _selects(selector: _Selector, home: Namespace) -> bool:
    written = LabelSelector(tuple(selector.labels), selector.requirements)
    return matches_as_far_as_known(written, home.labels, known=home.known) is True


# ---- ports


def _ports_covered(rule: NetworkPolicyRule, others: Iterable[NetworkPolicyRule], cni: Cni, direction: Direction) -> bool:
    """Whether others open all ports of a rule, as surely as it does itself."""
    several = list(others)
    if any(not other.ports for other in several):
        return True
    if not rule.ports:
        return False
    written = {entry for other in several for entry in other.ports}
    certain = {entry for other in several for entry in as_read(other.ports, cni, direction)[0]}
    return all(entry in written or _is_in(entry, certain) for entry in rule.ports if not _is_void(entry))


def _is_void(entry: PolicyPort) -> bool:
    """Whether a port entry matches nothing."""
    return entry.end_port is not None and not isinstance(entry.port, int)


def _is_in(entry: PolicyPort, others: Iterable[PolicyPort]) -> bool:
    """Whether the numbers of other entries contain an entry; a name is contained only in all ports of its protocol."""
    ranges = sorted(_range(other) for other in others if other.protocol == entry.protocol and not isinstance(other.port, str))
    first, last = (_FIRST, _LAST) if isinstance(entry.port, str) else _range(entry)
    for start, end in ranges:
        if start > first:
            break
        first = max(first, end + 1)
    return first > last


def _range(entry: PolicyPort) -> tuple[int, int]:
    if not isinstance(entry.port, int):
        return (_FIRST, _LAST) if entry.end_port is None else (_LAST + 1, 0)
    return entry.port, entry.port if entry.end_port is None else entry.end_port


# ---- what is redundant


class _Search:
    """The policies of one snapshot, of which one after the other is taken away as long as nothing changes."""

    def __init__(self, policies: Iterable[NetworkPolicy], namespaces: Mapping[str, Namespace], cni: Cni) -> None:
        usable = [policy for policy in policies if not policy.unmodelled]
        if cni.name in READ_BY_CILIUM:
            otherwise = {each.policy.meta.ref for each in read_otherwise(usable)}
            usable = [policy for policy in usable if policy.meta.ref not in otherwise]
        self._policies = sorted(usable, key=lambda policy: policy.meta.ref)
        self._cni = cni
        self._subjects = [_selector(policy.pod_selector) for policy in self._policies]
        self._gone: set[Place] = set()
        self._gone_policies: set[int] = set()
        self._covers: dict[tuple[str, Direction], _Covers] = {}
        self._isolating: dict[tuple[str, Direction], dict[Pairs, list[int]]] = {}
        for number, policy in enumerate(self._policies):
            home = policy.meta.namespace
            for direction in (each for each in Direction if applies(policy, each)):
                subject = self._subjects[number]
                self._isolating.setdefault((home, direction), {}).setdefault(subject.labels, []).append(number)
                covers = self._covers.setdefault((home, direction), _Covers(namespaces.get(home), namespaces))
                for index, rule in enumerate(rules(policy, direction)):
                    for peer in _peers(rule):
                        covers.add(subject, peer, (number, direction, index), rule)

    def run(self) -> Iterator[Redundant]:
        """Whole policies first, then rules; of those that are equal, the first by name stays.

        What covers them is named last: it isn't redundant itself.
        """
        numbers = range(len(self._policies) - 1, -1, -1)
        for number in numbers:
            if self._policy_by(number) is not None:
                self._gone |= {(number, direction, index) for direction, index, _ in self._written(number)}
                self._gone_policies.add(number)
        for number in (each for each in numbers if each not in self._gone_policies):
            for direction, index, rule in reversed(list(self._written(number))):
                if self._rule_by(number, direction, index, rule) is not None:
                    self._gone.add((number, direction, index))
        for number, policy in enumerate(self._policies):
            if number in self._gone_policies:
                yield Redundant(policy, (), self._policy_by(number) or ())
                continue
            found = [row for row in self._written(number) if (number, row[0], row[1]) in self._gone]
            if found:
                by = dict.fromkeys(name for row in found for name in self._rule_by(number, *row) or ())
                yield Redundant(policy, tuple((direction, index) for direction, index, _ in found), tuple(by))

    def _written(self, number: int) -> Iterator[tuple[Direction, int, NetworkPolicyRule]]:
        policy = self._policies[number]
        for direction in (each for each in Direction if applies(policy, each)):
            for index, rule in enumerate(rules(policy, direction)):
                yield direction, index, rule

    def _policy_by(self, number: int) -> tuple[str, ...] | None:
        """What covers a whole policy."""
        policy, isolated, names = self._policies[number], list[str](), list[str]()
        for direction in (each for each in Direction if applies(policy, each)):
            isolating = self._isolates(number, direction)
            if isolating is None:
                return None
            isolated.append(str(isolating))
        for direction, index, rule in self._written(number):
            by = self._rule_by(number, direction, index, rule, whole=True)
            if by is None:
                return None
            names += by
        if not isolated:
            return None
        return tuple(dict.fromkeys((*names, *(ref for ref in isolated if not any(name.startswith(f"{ref} ") for name in names)))))

    def _isolates(self, number: int, direction: Direction) -> ObjectRef | None:
        """Another policy that isolates all pods of a policy."""
        subject = self._subjects[number]
        table = self._isolating[self._policies[number].meta.namespace, direction]
        for several in _below(table, subject.labels):
            for other in several:
                if other != number and other not in self._gone_policies and subject.implies(self._subjects[other]):
                    return self._policies[other].meta.ref
        return None

    def _rule_by(
        self, number: int, direction: Direction, index: int, rule: NetworkPolicyRule, *, whole: bool = False
    ) -> tuple[str, ...] | None:
        """What covers a rule: other rules, or with ``whole`` those of other policies; None if nothing does."""
        covers = self._covers[self._policies[number].meta.namespace, direction]
        names: dict[str, None] = {}
        for peer in _peers(rule):
            used: list[_Entry] = []
            for entry in covers.of(self._subjects[number], peer):
                if entry.place in self._gone or entry.place == (number, direction, index) or (whole and entry.place[0] == number):
                    continue
                used.append(entry)
                if _ports_covered(rule, [entry.rule], self._cni, direction):
                    used = [entry]
                    break
            if not used or not _ports_covered(rule, [entry.rule for entry in used], self._cni, direction):
                return None
            names |= {self._name(entry.place): None for entry in used}
        return tuple(names) if names or whole else None

    def _name(self, place: Place) -> str:
        number, direction, index = place
        return f"{self._policies[number].meta.ref} {direction.value}[{index}]"


def redundant(policies: Iterable[NetworkPolicy], namespaces: Mapping[str, Namespace], cni: Cni) -> Iterator[Redundant]:
    """What is redundant of some policies: all of it may be taken away at once. Those with unknown fields are left out."""
    return _Search(policies, namespaces, cni).run()
