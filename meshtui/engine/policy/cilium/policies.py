"""Cilium's policies of one snapshot as one tier for each direction, with NetworkPolicies in it.

Rules that deny come first, whichever policy they are of; a pod's own node comes after them; what no rule allows is denied if a
policy closes the direction. Sources: cilium/cilium pkg/policy/repository.go (which policies close a pod, and its own node),
pkg/policy/mapstate.go (deny before allow), Documentation/security/policy/intro.rst.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import ClassVar, NamedTuple

from meshtui.engine.endpoints import Endpoint
from meshtui.engine.matching.identity import Same
from meshtui.engine.policy.cilium.checks import Standing, standing
from meshtui.engine.policy.cilium.labels import ACCOUNT, ANY, CLUSTER, KUBERNETES, NAMESPACE, OF_NAMESPACE, Selector, counts
from meshtui.engine.policy.cilium.peers import AnyOf, Block, Labelled, OwnNode
from meshtui.engine.policy.cilium.rules import Compiler, subject_of
from meshtui.engine.policy.cilium.world import Sort, World, sort_of
from meshtui.engine.policy.kubernetes import LAYERS, KubernetesPolicies, Selecting, admin_tier, network_rules
from meshtui.engine.policy.networkpolicy import Direction
from meshtui.engine.policy.tiers import Action, NamedPods, OwnPolicy, Place, Reads, Rule, Tier, same_objects
from meshtui.model.cilium import CiliumPolicy, CiliumRule, CiliumSpec
from meshtui.model.ids import ObjectRef, Uid
from meshtui.model.policy import ForeignPolicy, NetworkPolicy
from meshtui.model.reason import Code, because
from meshtui.model.snapshot import Snapshot
from meshtui.model.verdict import Decider

_READ = ("foreign", "cidr_groups")
"""The mappings of a Snapshot from which the rules are made."""
_MOST_KEPT = 20_000
"""The number of different tiers of pods that are kept, at most, from one snapshot to the next."""
_FIRST = {Action.DENY: 0, Action.UNKNOWN: 1, Action.ALLOW: 2}
"""Rules of which a request decides come before those that allow: proxies look at what both are about. Http rules are the last of
them, so that a request that passes doesn't hide the others."""


@dataclass(frozen=True, slots=True, eq=False)
class _Spec:
    """A spec of a policy: the pods that it selects, and its rules. ``closes`` are the directions without what isn't allowed."""

    uid: Uid
    ref: ObjectRef
    subject: Selector
    rules: Mapping[Direction, tuple[Rule, ...]]
    closes: frozenset[Direction]


@dataclass(frozen=True, slots=True)
class _Chosen:
    """A spec that selects a pod, for ``certain`` or perhaps."""

    spec: _Spec
    certain: bool


class _Parts(NamedTuple):
    """What the policies of a snapshot are made into, and what newer snapshots share while it holds."""

    world: World
    by_namespace: dict[str, list[_Spec]]
    of_network: dict[tuple[Same, Direction], tuple[Rule, ...]]
    made: dict[tuple[object, ...], tuple[Tier, ...]]


class CiliumPolicies:
    """The tier of every pod of a snapshot."""

    own_node_first: ClassVar[bool] = False

    def __init__(self, snapshot: Snapshot, judged: frozenset[Uid] = frozenset(), parts: _Parts | None = None) -> None:
        """Make the tiers; ``judged`` and ``parts`` are those of an older snapshot with the same rules (``kept``)."""
        self._snapshot = snapshot
        self._kubernetes = KubernetesPolicies(snapshot)
        self._parts = parts or _Parts(World(snapshot), defaultdict(list), {}, {})
        self._world, self._by_namespace, self._of_network, self._made = self._parts
        self.judged = judged if parts is not None else self._load()

    def _load(self) -> frozenset[Uid]:
        judged: set[Uid] = set()
        if not self._world.usual:
            return frozenset()
        for policy in sorted(self._snapshot.foreign.values(), key=lambda p: (p.meta.namespace, p.meta.kind, p.meta.name)):
            written = policy.own
            if not isinstance(written, CiliumPolicy) or written.unmodelled:
                continue
            found = standing(written, clusterwide=not policy.meta.namespace)
            if found is Standing.NOT_KNOWN:
                continue
            judged.add(policy.meta.uid)
            if found is Standing.TAKEN:
                self._by_namespace[policy.meta.namespace] += self._specs(policy, written)
        return frozenset(judged)

    def _specs(self, policy: ForeignPolicy, written: CiliumPolicy) -> Iterator[_Spec]:
        """The specs that select pods; those that select nodes are left out."""
        for path, spec in written.specs:
            if spec.endpoint_selector is None:
                continue
            namespace = policy.meta.namespace
            subject = subject_of(spec.endpoint_selector, namespace)
            compiler = Compiler(self._world, self._snapshot.cni, namespace, subject.has_reserved("init"))
            prefix = f"{path}." if path else ""
            rules = {
                direction: tuple(
                    rule
                    for action, name, section in _sections(spec, direction)
                    for number, entry in enumerate(section)
                    for rule in compiler.rules(entry, direction, action, Decider(policy.meta.ref, f"{prefix}{name}[{number}]"))
                )
                for direction in Direction
            }
            closes = frozenset(direction for direction in Direction if _closes(spec, direction))
            written_in = {d for d in Direction if any(section for _, _, section in _sections(spec, d))}
            rules = {direction: found for direction, found in rules.items() if direction in written_in}
            yield _Spec(policy.meta.uid, policy.meta.ref, subject, rules, closes)

    # ---- what pods have of them

    @cached_property
    def _all(self) -> tuple[_Spec, ...]:
        return tuple(spec for several in self._by_namespace.values() for spec in several)

    @cached_property
    def policies(self) -> Mapping[Uid, OwnPolicy]:
        """The evaluated policies that the agent takes."""
        specs: dict[Uid, list[_Spec]] = defaultdict(list)
        for spec in self._all:
            specs[spec.uid].append(spec)
        return {uid: self._own_policy(several) for uid, several in specs.items()}

    def _own_policy(self, specs: Sequence[_Spec]) -> OwnPolicy:
        rules = {d: tuple(rule for spec in specs for rule in spec.rules.get(d, ())) for d in Direction}
        closes = frozenset(direction for spec in specs for direction in spec.closes)
        written = {direction: found for direction, found in rules.items() if found or direction in closes}
        subject = AnyOf(tuple(Labelled(spec.subject, self._world) for spec in specs))
        return OwnPolicy(specs[0].ref, subject, written, closes, named=tuple(self._named(specs[0].uid)))

    def _named(self, uid: Uid) -> Iterator[NamedPods]:
        policy = self._snapshot.foreign[uid]
        for path, spec in policy.own.specs if isinstance(policy.own, CiliumPolicy) else ():
            compiler, prefix = Compiler(self._world, self._snapshot.cni, policy.meta.namespace), f"{path}." if path else ""
            for direction in Direction if spec.endpoint_selector is not None else ():
                for _, name, section in _sections(spec, direction):
                    for number, entry in enumerate(section):
                        yield from compiler.named(entry, Decider(policy.meta.ref, f"{prefix}{name}[{number}]"))

    @property
    def places(self) -> tuple[Place, ...]:
        """Cilium has no tiers."""
        return ()

    def reads(self) -> Reads:
        """What the policies read of pods."""
        reads = Reads()
        for spec in self._all:
            _note(reads, spec.subject)
            for rule in (each for rules in spec.rules.values() for each in rules):
                reads.port_names |= rule.ports.names
                for part in rule.peers.parts if isinstance(rule.peers, AnyOf) else ():
                    if isinstance(part, Labelled):
                        _note(reads, part.selector)
                    elif isinstance(part, Block) and (part.pods or part.nodes):
                        reads.networks.update((*part.networks, *part.cuts))
        return reads

    def kept(self, snapshot: Snapshot) -> CiliumPolicies | None:
        """The same rules for a newer snapshot; None if something has changed on which they depend."""
        old = self._snapshot
        written = all(same_objects(getattr(old, name), getattr(snapshot, name)) for name in _READ)
        if not written or (old.live, old.cni) != (snapshot.live, snapshot.cni):
            return None
        names = {*self._names, *_names_in(old), *_names_in(snapshot)}
        worlds = (self._world, World(snapshot))
        one, other = (world.shape(names=names, services=self._reads_services) for world in worlds)
        if one != other:
            return None
        parts = self._parts if len(self._made) < _MOST_KEPT else self._parts._replace(of_network={}, made={})
        return CiliumPolicies(snapshot, self.judged, parts)

    @cached_property
    def _names(self) -> frozenset[str]:
        """The names of ports in rules of egress, which are compared with those of all pods."""
        rules = (rule for spec in self._all for rule in spec.rules.get(Direction.EGRESS, ()))
        return frozenset(name for rule in rules for name in rule.ports.names)

    @cached_property
    def _reads_services(self) -> bool:
        specs = [policy.own for policy in self._snapshot.foreign.values() if isinstance(policy.own, CiliumPolicy)]
        return any(rule.services for policy in specs for _, spec in policy.specs for rule in spec.egress)

    def tiers(self, direction: Direction, subject: Endpoint) -> tuple[Tier, ...]:
        """The tiers of a pod in one direction; the same object for pods with the same rules.

        For ingress, and where rules are about nodes, pods of different nodes have different rules.
        """
        if sort_of(subject) is not Sort.POD:
            return ()
        chosen = tuple(self._selecting(direction, subject))
        beside = self._kubernetes.selecting(direction, subject)
        key = (direction, chosen, beside.key, self._node(direction, chosen, beside.network, subject))
        known = self._made.get(key)
        if known is None:
            known = self._made[key] = tuple(self._make(direction, subject, chosen, beside))
        return known

    def _selecting(self, direction: Direction, subject: Endpoint) -> Iterator[_Chosen]:
        """The specs that select a pod, or may."""
        labels = partial(self._world.of_pod, subject)
        for spec in (*self._by_namespace.get("", ()), *self._by_namespace.get(subject.namespace, ())):
            if direction in spec.rules and (matching := spec.subject.match(labels)) is not False:
                yield _Chosen(spec, bool(matching))

    def _node(
        self, direction: Direction, chosen: Sequence[_Chosen], network: Sequence[NetworkPolicy], subject: Endpoint
    ) -> str | None:
        """The node of a pod, if its rules depend on it."""
        about = (rule.peers for each in chosen for rule in each.spec.rules[direction])
        if direction is Direction.INGRESS and (chosen or network):
            return subject.node
        return subject.node if any(isinstance(peers, AnyOf) and peers.reads_node for peers in about) else None

    def _make(self, direction: Direction, subject: Endpoint, chosen: Sequence[_Chosen], beside: Selecting) -> Iterator[Tier]:
        if beside.admin["Admin"]:
            yield self._perhaps(admin_tier("Admin", beside.admin["Admin"], direction, subject))
        if chosen or beside.network:
            yield self._tier(direction, subject, chosen, beside.network)
        if beside.admin["Baseline"]:
            yield self._perhaps(admin_tier("Baseline", beside.admin["Baseline"], direction, subject))

    def _perhaps(self, tier: Tier) -> Tier:
        """A tier of admin policies, which only some releases of Cilium enforce, and none all kinds of them."""
        rules = []
        doubt = because(Code.POLICY_MAY_BE_IGNORED, cni=self._snapshot.cni.title)
        for rule in tier.rules:
            certain = rule.action is Action.PASS
            rules.append(rule if certain else replace(rule, action=Action.UNKNOWN, doubt=rule.doubt or doubt))
        return replace(tier, rules=tuple(rules))

    def _tier(self, direction: Direction, subject: Endpoint, chosen: Sequence[_Chosen], network: Sequence[NetworkPolicy]) -> Tier:
        rules = [rule for each in chosen for rule in _at(each, direction, subject.node)]
        rules += [rule for policy in network for rule in self._network_rules(policy, direction)]
        rules.sort(key=lambda rule: (_FIRST[rule.action], rule.requests is not None))
        closing = [policy.meta.ref for policy in network]
        closing += [each.spec.ref for each in chosen if each.certain and direction in each.spec.closes]
        perhaps = [each.spec.ref for each in chosen if not each.certain and direction in each.spec.closes]
        refs = tuple(dict.fromkeys((*(each.spec.ref for each in chosen), *(policy.meta.ref for policy in network))))
        if direction is Direction.INGRESS:
            rules.append(Rule(Action.ALLOW, None, OwnNode(subject.node)))
        if perhaps and not closing:
            by = Decider(perhaps[0])
            rules.append(Rule(Action.DENY, by, doubt=because(Code.POLICY_MAY_SELECT, policy=by.ref)))
        if closing:
            return Tier(LAYERS[direction], tuple(rules), Action.DENY, Decider(closing[0]), refs)
        return Tier(LAYERS[direction], tuple(rules), Action.PASS, None, refs)

    def _network_rules(self, policy: NetworkPolicy, direction: Direction) -> tuple[Rule, ...]:
        """The rules of a NetworkPolicy, whose names of ports mean on egress what they mean in Cilium's own policies."""
        key = (Same(policy), direction)
        known = self._of_network.get(key)
        if known is None:
            cni = self._snapshot.cni
            compiler = Compiler(self._world, cni, policy.meta.namespace)
            literal = network_rules(policy, direction, replace(cni, named_egress=True))
            known = self._of_network[key] = tuple(part for rule in literal for part in compiler.by_port(rule, direction))
        return known


def _names_in(snapshot: Snapshot) -> Iterator[str]:
    """The names of ports in NetworkPolicies' rules of egress."""
    for policy in snapshot.network_policies.values():
        yield from (port.port for rule in policy.egress or () for port in rule.ports if isinstance(port.port, str))


def _sections(spec: CiliumSpec, direction: Direction) -> Iterable[tuple[Action, str, tuple[CiliumRule, ...]]]:
    """The rules of a spec in one direction: those that deny, and those that allow, with their names."""
    if direction is Direction.INGRESS:
        return (Action.DENY, "ingressDeny", spec.ingress_deny), (Action.ALLOW, "ingress", spec.ingress)
    return (Action.DENY, "egressDeny", spec.egress_deny), (Action.ALLOW, "egress", spec.egress)


def _closes(spec: CiliumSpec, direction: Direction) -> bool:
    """Whether a spec denies what isn't allowed: unless it is written otherwise, in the directions in which it has rules."""
    written = spec.close_ingress if direction is Direction.INGRESS else spec.close_egress
    return written is not False and any(section for _, _, section in _sections(spec, direction))


def _at(chosen: _Chosen, direction: Direction, node: str) -> Iterator[Rule]:
    """The rules of a spec for a pod on a node."""
    doubt = None if chosen.certain else because(Code.POLICY_MAY_SELECT, policy=chosen.spec.ref)
    for rule in chosen.spec.rules[direction]:
        here = rule.peers.at(node) if isinstance(rule.peers, AnyOf) else rule.peers
        if here is rule.peers and doubt is None:
            yield rule
        else:
            yield replace(rule, peers=here, doubt=rule.doubt or doubt)


def _note(reads: Reads, selector: Selector) -> None:
    """Add the labels that a selector compares."""
    for each in selector.requirements:
        if each.source not in {ANY, KUBERNETES} or each.key in {NAMESPACE, CLUSTER} or each.key.startswith(OF_NAMESPACE):
            continue  # pods of different namespaces are never in one class
        if each.key == ACCOUNT:
            reads.accounts = True
        elif counts(each.key):
            reads.labels.setdefault(each.key, set()).update(each.values)
