"""Calico's policies of one snapshot as tiers of rules, with NetworkPolicies and the admin tiers in their places.

Sources: projectcalico/calico libcalico-go/lib/backend/syncersv1/updateprocessors (what a selector means), felix/calc
(policy_sorter.go: the order; policy_resolver.go: tiers that don't exist), api/pkg/apis/projectcalico/v3 (defaults of orders).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from math import inf
from typing import ClassVar, NamedTuple

from meshtui.engine.endpoints import Endpoint
from meshtui.engine.policy.calico.entities import Entity, Labelled, OfFamily, World, is_workload
from meshtui.engine.policy.calico.rules import Compiled, Rules, prefixed
from meshtui.engine.policy.calico.selectors import (
    ACCOUNT,
    NAMESPACE,
    OF_ACCOUNT,
    OF_NAMESPACE,
    ORCHESTRATOR,
    Operator,
    Selector,
    SelectorError,
    Term,
    both,
    of_pods,
)
from meshtui.engine.policy.kubernetes import LAYERS, KubernetesPolicies, Selecting, admin_tier, network_rules
from meshtui.engine.policy.networkpolicy import Direction
from meshtui.engine.policy.tiers import Action, NamedPods, OwnPolicy, Place, Reads, Rule, Tier, same_objects
from meshtui.kinds.calico import CRD_GROUP
from meshtui.model.calico import CalicoPolicy
from meshtui.model.ids import ObjectRef, Uid
from meshtui.model.policy import ForeignPolicy, NetworkPolicy
from meshtui.model.reason import Code, because
from meshtui.model.snapshot import Snapshot
from meshtui.model.verdict import Decider

DEFAULT_TIER = "default"
_DEFAULT_ORDER, _KUBERNETES_ORDER = 1_000_000.0, 1_000.0
"""The order of the default tier, and of NetworkPolicies in it."""
_ADMIN_TIERS = (("Admin", 1_000.0, "adminnetworkpolicy"), ("Baseline", 10_000_000.0, "baselineadminnetworkpolicy"))
"""The tiers of admin policies, with their orders and names in Calico."""
_RESERVED = frozenset({"adminnetworkpolicy", "baselineadminnetworkpolicy", "kube-admin", "kube-baseline"})
"""Names of the tiers of admin policies, in one release or another."""
_READ = ("foreign", "calico_tiers", "network_sets", "admin_policies")
"""The mappings of a Snapshot from which the rules are made."""
_MOST_KEPT = 20_000
"""The number of different tiers of pods that are kept, at most, from one snapshot to the next."""


@dataclass(frozen=True, slots=True, eq=False)
class _Policy:
    """A policy in its place: ``key`` is its name among those of its tier and order. ``subject`` are the pods that it selects."""

    uid: Uid
    ref: ObjectRef
    tier: str
    order: float
    key: str
    subject: Selector
    rules: Mapping[Direction, tuple[Compiled, ...]]


class _Parts(NamedTuple):
    """What the policies of a snapshot are made into, and what newer snapshots share while it holds."""

    world: World
    places: tuple[Place, ...]
    by_namespace: dict[str, list[_Policy]]
    made: dict[tuple[object, ...], tuple[Tier, ...]]


class CalicoPolicies:
    """The tiers of every pod of a snapshot."""

    own_node_first: ClassVar[bool] = True

    def __init__(self, snapshot: Snapshot, judged: frozenset[Uid] = frozenset(), parts: _Parts | None = None) -> None:
        """Make the tiers; ``judged`` and ``parts`` are those of an older snapshot with the same rules (``kept``)."""
        self._snapshot = snapshot
        self._kubernetes = KubernetesPolicies(snapshot)
        self._parts = parts or _Parts(World(snapshot), _places(snapshot), defaultdict(list), {})
        self._world, self.places, self._by_namespace, self._made = self._parts
        self.judged = judged if parts is not None else self._load()

    def _load(self) -> frozenset[Uid]:
        known = {place.name for place in self.places if not place.admin} - self._undefined_tiers()
        judged: set[Uid] = set()
        seen: dict[tuple[str, str, str], bool] = {}
        written = [policy for policy in self._snapshot.foreign.values() if isinstance(policy.own, CalicoPolicy)]
        # Both API groups of a cluster list the same objects: those of projectcalico.org come first.
        for policy in sorted(written, key=lambda p: (p.api_version.startswith(CRD_GROUP), p.meta.namespace, p.meta.name)):
            made = self._policy(policy, known)
            if made is None:
                continue
            judged.add(policy.meta.uid)
            copied = policy.api_version.startswith(CRD_GROUP)
            if seen.setdefault(identity(policy, made.tier), copied) is copied:
                self._by_namespace[policy.meta.namespace].append(made)
        return frozenset(judged)

    def _undefined_tiers(self) -> set[str]:
        """The tiers with the order of a tier of admin policies that is there: releases name that one differently."""
        there = {policy.tier for policy in self._snapshot.admin_policies.values()}
        orders = {order for tier, order, _ in _ADMIN_TIERS if tier in there}
        return {*_RESERVED} | {place.name for place in self.places if place.order in orders}

    def _policy(self, policy: ForeignPolicy, known: set[str]) -> _Policy | None:
        """A policy in its place; None for one that isn't evaluated."""
        spec = policy.own
        if not isinstance(spec, CalicoPolicy) or spec.for_hosts or spec.unmodelled or spec.tier not in known:
            return None
        try:
            subject = both(
                of_pods(spec.selector),
                prefixed(spec.namespace_selector, OF_NAMESPACE),
                prefixed(spec.service_account_selector, OF_ACCOUNT),
            )
            maker, written = Rules(self._snapshot, self._world), {Direction.INGRESS: spec.ingress, Direction.EGRESS: spec.egress}
            rules = {each: tuple(maker.compiled(policy.meta, written[each], each)) for each in _types(policy, spec)}
        except SelectorError:
            return None
        name = policy.meta.name
        order = inf if spec.order is None else spec.order
        return _Policy(policy.meta.uid, policy.meta.ref, spec.tier, order, _with_tier(name, spec.tier), subject, rules)

    @cached_property
    def policies(self) -> Mapping[Uid, OwnPolicy]:
        """The evaluated policies, without copies in a second API group."""
        ends = {place.name: place.end for place in self.places}
        return {
            each.uid: OwnPolicy(
                each.ref,
                self._subject(each),
                {direction: tuple(compiled.rule for compiled in rules) for direction, rules in each.rules.items()},
                frozenset(each.rules) if ends[each.tier] is Action.DENY else frozenset(),
                each.tier,
                each.order,
                tuple(self._named(each)),
            )
            for each in self._all
        }

    def _named(self, policy: _Policy) -> Iterator[NamedPods]:
        spec = self._snapshot.foreign[policy.uid].own
        if not isinstance(spec, CalicoPolicy):
            return
        maker, written = Rules(self._snapshot, self._world), {Direction.INGRESS: spec.ingress, Direction.EGRESS: spec.egress}
        for direction in policy.rules:
            yield from maker.named(policy.ref, written[direction], direction)

    def _subject(self, policy: _Policy) -> Entity:
        home = policy.ref.namespace
        selector = both(Term(Operator.IN, NAMESPACE, (home,)), policy.subject) if home else policy.subject
        return Entity((Labelled(selector, self._world),))

    def reads(self) -> Reads:
        """What the policies read of pods."""
        reads = Reads()
        for policy in self._all:
            _note(reads, policy.subject)
            for compiled in (each for rules in policy.rules.values() for each in rules):
                reads.port_names |= compiled.rule.ports.names
                for entity in (compiled.own, compiled.rule.peers):
                    if isinstance(entity, Entity):
                        reads.families |= any(isinstance(part, OfFamily) for part in entity.parts)
                        reads.networks.update(entity.networks())
                        for selector in entity.selectors():
                            _note(reads, selector)
        return reads

    @cached_property
    def _all(self) -> tuple[_Policy, ...]:
        return tuple(policy for several in self._by_namespace.values() for policy in several)

    def kept(self, snapshot: Snapshot) -> CalicoPolicies | None:
        """The same rules for a newer snapshot; None if something has changed on which they depend."""
        old = self._snapshot
        written = all(same_objects(getattr(old, name), getattr(snapshot, name)) for name in _READ)
        if not written or (old.live, old.cni) != (snapshot.live, snapshot.cni) or self._labels(old) != self._labels(snapshot):
            return None
        parts = self._parts if len(self._made) < _MOST_KEPT else self._parts._replace(made={})
        return CalicoPolicies(snapshot, self.judged, parts)

    def _labels(self, snapshot: Snapshot) -> tuple[object, ...]:
        """What else the rules read."""
        return (
            {namespace.name: (namespace.labels, namespace.known) for namespace in snapshot.namespaces.values()},
            {(a.meta.namespace, a.meta.name): a.meta.labels for a in snapshot.service_accounts.values()},
            {uid: (s.service, s.endpoints, s.ports) for uid, s in snapshot.endpoint_slices.items()}
            if self._reads_services
            else None,
            [snapshot.lists_all(kind) for kind in ("ServiceAccount", "EndpointSlice")],
        )

    @cached_property
    def _reads_services(self) -> bool:
        specs = [policy.own for policy in self._snapshot.foreign.values() if isinstance(policy.own, CalicoPolicy)]
        rules = [rule for spec in specs for rule in (*spec.ingress, *spec.egress)]
        return any(side.service is not None for rule in rules for side in (rule.source, rule.destination))

    def tiers(self, direction: Direction, subject: Endpoint) -> tuple[Tier, ...]:
        """The tiers of a pod in one direction, in order; the same object for pods with the same rules."""
        if not is_workload(subject):
            return ()
        chosen = tuple(self._selecting(direction, subject))
        beside = self._kubernetes.selecting(direction, subject)
        key = (direction, chosen, beside.key)
        known = self._made.get(key)
        if known is None:
            known = self._made[key] = tuple(self._make(direction, subject, chosen, beside))
        return known

    def _selecting(self, direction: Direction, subject: Endpoint) -> Iterator[_Chosen]:
        """The policies that select a pod, or may."""
        labels = partial(self._world.of_pod, subject)
        for policy in (*self._by_namespace.get("", ()), *self._by_namespace.get(subject.namespace, ())):
            rules = policy.rules.get(direction)
            matching = False if rules is None else policy.subject.match(labels)
            if rules is not None and matching is not False:
                yield _Chosen(policy, bool(matching), tuple(rule.own.match(subject) for rule in rules))

    def _make(self, direction: Direction, subject: Endpoint, chosen: Sequence[_Chosen], beside: Selecting) -> Iterator[Tier]:
        for place in self.places:
            if place.admin:
                if policies := beside.admin[place.admin]:
                    yield admin_tier(place.admin, policies, direction, subject)
                continue
            members = [each for each in chosen if each.policy.tier == place.name]
            kubernetes = beside.network if place.name == DEFAULT_TIER else ()
            if members or kubernetes:
                yield self._tier(direction, place, members, kubernetes)

    def _tier(self, direction: Direction, place: Place, members: Sequence[_Chosen], network: Sequence[NetworkPolicy]) -> Tier:
        """One tier: its policies by order, then by name."""
        ordered: dict[float, list[_InOrder]] = defaultdict(list)
        for policy in network:
            written = tuple(network_rules(policy, direction, self._snapshot.cni))
            ordered[_KUBERNETES_ORDER].append(_InOrder("", policy.meta.name, policy.meta.ref, certain=True, rules=written))
        for each in members:
            ordered[each.policy.order].append(_in_order(each, direction))
        rules: list[Rule] = []
        refs: list[ObjectRef] = []
        certain: list[ObjectRef] = []
        for order in sorted(ordered):
            several = sorted(ordered[order], key=lambda each: (each.kind, each.key))
            refs += [each.ref for each in several]
            certain += [each.ref for each in several if each.certain]
            actions = {rule.action for each in several for rule in each.rules}
            undefined = len(actions) > 1 and _differs(several)
            rules += [_unordered(rule) if undefined else rule for each in several for rule in each.rules]
        end, by = place.end, Decider((certain or refs)[0])
        if not certain and end is not Action.PASS:
            rules.append(Rule(end, by, doubt=because(Code.POLICY_MAY_SELECT, policy=by.ref)))
            end = Action.PASS
        return Tier(LAYERS[direction], tuple(rules), end, by, tuple(refs), place.title)


@dataclass(frozen=True, slots=True)
class _Chosen:
    """A policy that selects a pod, for ``certain`` or perhaps. ``own``: whether the pod fits each rule's own side."""

    policy: _Policy
    certain: bool
    own: tuple[bool | None, ...]


@dataclass(frozen=True, slots=True)
class _InOrder:
    """The rules of one policy in its tier; the order of policies of different kinds and the same ``order`` isn't defined."""

    kind: str
    key: str
    ref: ObjectRef
    certain: bool
    rules: tuple[Rule, ...]


def _in_order(chosen: _Chosen, direction: Direction) -> _InOrder:
    policy = chosen.policy
    rules = []
    for compiled, own in zip(policy.rules[direction], chosen.own, strict=True):
        if own is not False:
            sure = own and chosen.certain
            doubt = compiled.rule.doubt or (None if sure else because(Code.POLICY_MAY_SELECT, policy=policy.ref))
            rules.append(compiled.rule if sure else replace(compiled.rule, doubt=doubt))
    return _InOrder(policy.ref.kind.partition(".")[0], policy.key, policy.ref, chosen.certain, tuple(rules))


def _differs(several: Sequence[_InOrder]) -> bool:
    """Whether releases put policies of one order into different orders.

    They compare names with their tier, or as they are written with a slash behind (PolKVLess); of different kinds it isn't known.
    """
    if len({each.kind for each in several}) > 1:
        return True
    written = sorted(several, key=lambda each: f"{each.ref.name}/{each.ref.namespace}")
    return [each.ref for each in several] != [each.ref for each in written]


def identity(policy: ForeignPolicy, tier: str) -> tuple[str, str, str]:
    """Kind, namespace and name of a policy, which are the same in both API groups."""
    return policy.meta.kind.partition(".")[0], policy.meta.namespace, _with_tier(policy.meta.name, tier)


def _with_tier(name: str, tier: str) -> str:
    """The name of a policy with its tier before it, as it is stored."""
    return name if name.startswith(f"{tier}.") else f"{tier}.{name}"


def _unordered(rule: Rule) -> Rule:
    """A rule that comes before or after one of another policy with another action."""
    return replace(rule, action=Action.UNKNOWN, doubt=because(Code.ADMIN_SAME_PRIORITY, rule=rule.decider))


def _places(snapshot: Snapshot) -> tuple[Place, ...]:
    """The tiers of a cluster in order: those without an order come last, equal ones by name."""
    found = {name: Place(order, name, Action.PASS, admin) for admin, order, name in _ADMIN_TIERS}
    found[DEFAULT_TIER] = Place(_DEFAULT_ORDER, DEFAULT_TIER, Action.DENY, networkpolicies=_KUBERNETES_ORDER)
    for tier in sorted(snapshot.calico_tiers.values(), key=lambda t: t.meta.kind):
        end = Action.PASS if tier.default_action == "Pass" else Action.DENY
        name = tier.meta.name
        order = _DEFAULT_ORDER if name == DEFAULT_TIER else inf if tier.order is None else tier.order
        if name not in found or not found[name].admin:
            found[name] = Place(order, name, end, networkpolicies=_KUBERNETES_ORDER if name == DEFAULT_TIER else None)
    return tuple(sorted(found.values(), key=lambda place: (place.order, place.name)))


def _types(policy: ForeignPolicy, spec: CalicoPolicy) -> list[Direction]:
    """The directions of a policy. The API server fills them in, but not for objects that are written past it."""
    if spec.types is not None:
        wanted = {text.lower() for text in spec.types}
        return [direction for direction in Direction if direction.value in wanted]
    if policy.api_version.startswith(CRD_GROUP):
        return list(Direction)
    ingress = [Direction.INGRESS] if spec.ingress or not spec.egress else []
    return [*ingress, *([Direction.EGRESS] if spec.egress else [])]


def _note(reads: Reads, selector: Selector) -> None:
    """Add the labels that a selector compares."""
    for term in selector.terms():
        key = term.key
        if key in {NAMESPACE, ORCHESTRATOR} or not key:
            continue  # pods of different namespaces are never in one class
        reads.accounts |= key == ACCOUNT or key.startswith(OF_ACCOUNT)
        if term.operator in {Operator.CONTAINS, Operator.STARTS, Operator.ENDS}:
            reads.whole.add(key)
        else:
            reads.labels.setdefault(key, set()).update(term.values)
