"""The state shared by all rules: one snapshot with its indexes, each computed on first access."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any, TypeVar

from meshtui.engine import Engine
from meshtui.engine.classes.bitsets import members
from meshtui.engine.classes.classifier import PodClass
from meshtui.engine.classes.index import Bits, Index
from meshtui.engine.decision.ruling import Decided
from meshtui.engine.endpoints import Endpoint, Endpoints
from meshtui.engine.explain.selected import Selected
from meshtui.engine.matrix.cells import Cell
from meshtui.engine.matrix.matrix import Matrix
from meshtui.engine.matrix.proxied import Proxied
from meshtui.engine.path.resolution import Resolver
from meshtui.engine.path.waypoint import instances
from meshtui.engine.policy.admin import UNORDERED, AdminPolicies, rules_of
from meshtui.engine.policy.authorization import Authorization
from meshtui.engine.policy.networkpolicy import Direction, NetworkPolicies
from meshtui.engine.policy.peer_authentication import PeerAuthentications
from meshtui.engine.policy.tiers import Action, OwnPolicies
from meshtui.engine.policy.unmodelled import ADMIN_KINDS
from meshtui.engine.whatif.narrow import Narrow
from meshtui.findings.calls import Call, Want, calls_of, wants_of
from meshtui.kinds.registry import FIELDS, objects_in
from meshtui.model.gateway import Gateway
from meshtui.model.ids import ObjectRef, principal
from meshtui.model.policy import AuthorizationPolicy, ForeignPolicy, NetworkPeer
from meshtui.model.selectors import LabelSelector
from meshtui.model.snapshot import Snapshot
from meshtui.model.verdict import Decision, Verdict
from meshtui.model.workload import Controller, Pod, Workload

T = TypeVar("T")
_DEPLOYED = {"istio", "istio-waypoint", "istio-east-west"}
"""The classes of Gateways for which Istio deploys pods (istio.io: Gateway API, automated deployment)."""
IGNORE = "meshtui.dev/ignore"
OF_KUBERNETES = frozenset({"NetworkPolicy", *ADMIN_KINDS})
"""The kinds of network policies that aren't a CNI's own."""


class Context:
    """One snapshot, as rules query it. Pure: the snapshot isn't changed."""

    def __init__(self, snapshot: Snapshot, evidence: Mapping[str, object] | None = None, engine: Engine | None = None) -> None:
        self.snapshot = snapshot
        self.evidence: Mapping[str, object] = evidence or {}
        """The evidence of applications, by their names."""
        self._engine = engine
        self._owners: dict[int, frozenset[ObjectRef]] = {}
        self._isolated: dict[tuple[int, Direction], bool] = {}
        self._done: dict[Callable[[Context], Iterable[Any]], tuple[Any, ...]] = {}

    @cached_property
    def engine(self) -> Engine:
        """The engine on the snapshot."""
        return self._engine or Engine(self.snapshot)

    @property
    def resolver(self) -> Resolver:
        """The resolver of Services to pods."""
        return self.engine.resolver

    @cached_property
    def matrix(self) -> Matrix:
        """The verdicts of all pairs."""
        return Matrix(self.snapshot)

    @cached_property
    def network(self) -> NetworkPolicies:
        """The NetworkPolicies by the pods that they select."""
        return NetworkPolicies(self.snapshot)

    @property
    def own(self) -> OwnPolicies | None:
        """The policies of the CNI's own kinds, if they are evaluated."""
        return self.engine.own

    @cached_property
    def foreign(self) -> Mapping[ObjectRef, ForeignPolicy]:
        """The policies of CNIs' own kinds, by name."""
        return {policy.meta.ref: policy for policy in self.snapshot.foreign.values()}

    @cached_property
    def allowing(self) -> frozenset[ObjectRef]:
        """The AuthorizationPolicies that allow."""
        return frozenset(p.meta.ref for p in self.snapshot.authorization_policies.values() if p.action == "ALLOW")

    @cached_property
    def selected_by(self) -> Selected:
        """The pods that policies of the network select, of whatever kind."""
        return Selected(self.engine)

    def by_cni(self, endpoint: Endpoint, direction: Direction) -> bool:
        """Whether policies of the CNI's own kinds select a pod: then NetworkPolicies alone don't tell what passes."""
        tiers = self.own.tiers(direction, endpoint) if self.own is not None else ()
        return any(ref.kind not in OF_KUBERNETES for tier in tiers for ref in tier.policies)

    def isolated(self, pod: Pod, direction: Direction) -> bool:
        """Whether a NetworkPolicy selects a pod, an admin policy closes it, or policies of the CNI's own kinds deny something."""
        member = self.matrix.class_of(pod.key)
        if member is None:
            return self._is_isolated(self.endpoint(pod), direction)
        key = member.number, direction
        if key not in self._isolated:
            self._isolated[key] = self._is_isolated(member.endpoint, direction)
        return self._isolated[key]

    def _is_isolated(self, endpoint: Endpoint, direction: Direction) -> bool:
        if self.network.selecting(endpoint, direction) or self._closed_by_admin(endpoint, direction):
            return True
        tiers = self.own.tiers(direction, endpoint) if self.by_cni(endpoint, direction) and self.own is not None else ()
        closing = {Action.DENY, Action.UNKNOWN}
        return any(tier.end in closing or any(rule.action in closing for rule in tier.rules) for tier in tiers)

    @cached_property
    def _admin(self) -> AdminPolicies:
        return AdminPolicies(self.snapshot)

    def selected_by_admin(self, endpoint: Endpoint, direction: Direction) -> bool:
        """Whether admin policies of any tier have, or may have, rules for a pod."""
        return any(self._admin.selecting(tier, endpoint, direction) for tier in ("Admin", "Baseline"))

    def _closed_by_admin(self, endpoint: Endpoint, direction: Direction) -> bool:
        """Whether admin policies deny all ports for all pods of other namespaces (or of its own if there are none), or may."""
        policies = [p for tier in ("Admin", "Baseline") for p in self._admin.selecting(tier, endpoint, direction)]
        closing = [
            rule for p in policies for rule in rules_of(p, direction) if rule.action in {"Deny", UNORDERED} and rule.ports is None
        ]
        if not closing:
            return False
        denied = 0
        for entry in (entry for rule in closing for entry in rule.peers):
            denied |= self.index.admin_peer(entry) | self.index.admin_peer_may(entry)
        here = self.index.in_namespace.get(endpoint.namespace, 0)
        return not ((self.index.all & ~here) or here) & ~denied

    @cached_property
    def authorization(self) -> Authorization:
        """The AuthorizationPolicies that ztunnel enforces, by the pods that they cover."""
        return Authorization(self.snapshot)

    @cached_property
    def peer_authentication(self) -> PeerAuthentications:
        """The PeerAuthentications, which determine the plaintext connections that are refused."""
        return PeerAuthentications(self.snapshot)

    @cached_property
    def narrow(self) -> Narrow:
        """What belongs to one workload alone: labels and policies, for fixes that let somebody in."""
        return Narrow(self.snapshot)

    def endpoint(self, pod: Pod) -> Endpoint:
        """The endpoint of a pod."""
        return self.engine.endpoint(pod)

    # ---- pods, workloads, classes

    def namespace_ref(self, name: str) -> ObjectRef:
        """A namespace by its name, whether its object is known or not."""
        return ObjectRef("Namespace", "", name)

    @cached_property
    def running(self) -> tuple[Pod, ...]:
        """The pods that haven't ended."""
        return tuple(pod for pod in self.snapshot.pods.values() if not pod.completed)

    @cached_property
    def workloads(self) -> tuple[tuple[Workload, tuple[Pod, ...]], ...]:
        """Each workload with running pods, and these pods, sorted by kind, namespace and name."""
        found = ((w, tuple(pod for pod in w.pods if not pod.completed)) for w in self.snapshot.workloads.values())
        return tuple((workload, pods) for workload, pods in found if pods)

    @cached_property
    def namespaces_with_pods(self) -> frozenset[str]:
        """The namespaces with running pods."""
        return frozenset(pod.namespace for pod in self.running)

    @cached_property
    def principals(self) -> Mapping[str, tuple[Pod, ...]]:
        """Running pods by the identity that they have, or would have in the mesh."""
        found: dict[str, list[Pod]] = defaultdict(list)
        for pod in self.running:
            found[self.snapshot.principal_of(pod)].append(pod)
        return {name: tuple(pods) for name, pods in found.items()}

    @cached_property
    def identities(self) -> frozenset[str]:
        """The identities that somebody runs as, or will: pods, future pods of a CronJob, WorkloadEntries, gateways to deploy."""
        awake = {identity for identity, pods in self.principals.items() if not all(map(self._asleep, pods))}
        coming = {self._identity_of(c) for c in self.makers if c.replicas > 0}
        proxies = {end.principal for _, several in self.gateways for end in several if end.principal is not None}
        domain, entries = self.snapshot.mesh.trust_domain, self.snapshot.workload_entries.values()
        outside = {principal(domain, entry.meta.namespace, entry.service_account or "default") for entry in entries}
        return frozenset(awake | coming | proxies | outside)

    @cached_property
    def sleeping(self) -> Mapping[str, ObjectRef]:
        """The identities that nobody runs as now, each with a workload that would if it weren't scaled to zero."""
        found = {self._identity_of(c): c.meta.ref for c in self.makers if c.replicas <= 0}
        return {identity: ref for identity, ref in found.items() if identity not in self.identities}

    def _identity_of(self, controller: Controller) -> str:
        return principal(self.snapshot.mesh.trust_domain, controller.meta.namespace, controller.template.service_account)

    def _asleep(self, pod: Pod) -> bool:
        """Whether a pod is derived from a template with no replicas: it stands for those that the controller would make."""
        owner = pod.controller
        if not pod.derived or owner is None:
            return False
        controller = self.snapshot.controllers_by_ref.get(ObjectRef(owner.kind, pod.namespace, owner.name))
        return controller is not None and controller.replicas <= 0

    @cached_property
    def gateways(self) -> tuple[tuple[Gateway, tuple[Endpoint, ...]], ...]:
        """The Gateways that Istio deploys, each with its pods; for manifests without them, the one that would be deployed."""
        gateways = sorted(self.snapshot.gateways.values(), key=lambda gateway: gateway.meta.ref)
        endpoints = Endpoints(self.snapshot)
        return tuple((g, instances(self.snapshot, endpoints, g)) for g in gateways if g.class_name in _DEPLOYED)

    @cached_property
    def makers(self) -> tuple[Controller, ...]:
        """The controllers from whose templates new pods would be created.

        A ReplicaSet scaled to zero is an earlier revision of its Deployment: no pod is created from its template.
        """
        controllers = self.snapshot.controllers.values()
        return tuple(c for c in controllers if c.meta.kind != "ReplicaSet" or c.replicas > 0)

    @cached_property
    def ports(self) -> Mapping[int, tuple[int, ...]]:
        """The TCP ports that the pods of each class declare, by the class's number."""
        found: dict[int, tuple[int, ...]] = {}
        for member in self.classes:
            numbers = {port.number for pod in member.pods.values() for port in pod.ports if port.protocol == "TCP"}
            found[member.number] = tuple(sorted(numbers))
        return found

    @cached_property
    def classes(self) -> tuple[PodClass, ...]:
        """The classes of pods that no rule of a policy distinguishes, by number."""
        return tuple(self.matrix.classes)

    @cached_property
    def index(self) -> Index:
        """The index of the classes by selectors, peers and sources."""
        index = Index()
        for member in self.classes:
            index.add(member)
        return index

    @cached_property
    def _classes_in(self) -> Mapping[str, tuple[PodClass, ...]]:
        found: dict[str, list[PodClass]] = defaultdict(list)
        for member in self.classes:
            found[member.endpoint.namespace].append(member)
        return {name: tuple(several) for name, several in found.items()}

    def classes_in(self, namespace: str) -> tuple[PodClass, ...]:
        """The classes of the pods of one namespace."""
        return self._classes_in.get(namespace, ())

    def of(self, bits: Bits) -> Iterator[PodClass]:
        """The classes in a bitset."""
        return (self.classes[number] for number in members(bits))

    def selected(self, namespace: str, selector: LabelSelector) -> Bits:
        """The classes that a NetworkPolicy's podSelector selects."""
        return self.index.subjects(namespace, selector)

    def peers(self, entries: Iterable[NetworkPeer], namespace: str) -> Bits:
        """The classes that ANY of some peers matches."""
        found = 0
        for entry in entries:
            found |= self.index.peer(entry, namespace)
        return found

    def covered(self, policy: AuthorizationPolicy) -> tuple[PodClass, ...]:
        """The classes in the scope of an AuthorizationPolicy without targetRefs; an empty selector selects nothing (ztunnel)."""
        if policy.target_refs:
            return ()
        home = policy.meta.namespace
        bits = self.index.all if home == self.snapshot.mesh.root_namespace else self.index.in_namespace.get(home, 0)
        if policy.selector is not None:
            bits = 0 if policy.selector.is_empty else bits & self.index.pods.matching(policy.selector)
        return tuple(self.of(bits))

    def owners(self, member: PodClass) -> frozenset[ObjectRef]:
        """The workloads with pods in a class."""
        known = self._owners.get(member.number)
        if known is None:
            known = self._owners[member.number] = frozenset(map(self.snapshot.owner_of, member.pods.values()))
        return known

    def owners_of(self, several: Iterable[PodClass]) -> tuple[ObjectRef, ...]:
        """The workloads of several classes, sorted."""
        found: set[ObjectRef] = set()
        for member in several:
            found |= self.owners(member)
        return tuple(sorted(found))

    def count(self, flows: Iterable[tuple[PodClass, PodClass, int]]) -> int:
        """The number of distinct flows between workloads: (source workload, destination workload, port)."""
        ends: set[tuple[ObjectRef, ObjectRef, int]] = set()
        for source, target, port in set(flows):
            ends.update((a, b, port) for a in self.owners(source) for b in self.owners(target))
        return len(ends)

    def decided(self, source: PodClass, target: PodClass, port: int, known: Cell | None = None) -> Decided:
        """The verdict on TCP between two classes. Pairs whose membership in the mesh is open are evaluated one by one.

        ``known`` is the matrix's cell, if it is at hand.
        """
        cell = known or self.matrix.cell(source, target)
        if cell.open is not None and (source.endpoint.membership or target.endpoint.membership):
            cell = self._proxied.whole(source, target, cell)
        return cell.at(port)

    @cached_property
    def _proxied(self) -> Proxied:
        return Proxied(self.matrix)

    # ---- calls that are meant to work

    @cached_property
    def calls(self) -> tuple[Call, ...]:
        """The calls that workloads are configured to make, and those of gateways by their routes."""
        return calls_of(self.resolver, self.wants)

    @cached_property
    def wants(self) -> tuple[Want, ...]:
        """The calls that are meant, whether or not there is somebody to reach."""
        return wants_of(self.snapshot, [pods for _, pods in self.workloads])

    @cached_property
    def denied_calls(self) -> tuple[tuple[Call, Verdict], ...]:
        """Configured calls that policy denies to every pod behind the Service, each with its first verdict."""
        found = []
        for call in self.calls:
            source = self.endpoint(call.source)
            said = [
                self.engine.between(source, self.endpoint(pod), at, "TCP", call.service, call.port) for pod, at in call.targets
            ]
            if all(verdict.decision is Decision.DENY for verdict in said):
                found.append((call, said[0]))
        return tuple(found)

    def once(self, work: Callable[[Context], Iterable[T]]) -> tuple[T, ...]:
        """The result of a function that several rules use, computed on first use."""
        if work not in self._done:
            self._done[work] = tuple(work(self))
        return self._done[work]

    # ---- suppression

    @cached_property
    def _ignores(self) -> Mapping[ObjectRef, Mapping[str, str]]:
        metas = (each.meta for each in objects_in(self.snapshot, FIELDS))
        return {meta.ref: ignored_rules(meta.annotations[IGNORE]) for meta in metas if IGNORE in meta.annotations}

    def ignored(self, rule: str, objects: tuple[ObjectRef, ...]) -> str:
        """The reason given in the annotation of the first object or its namespace if the finding is ignored; else empty."""
        if not objects or not self._ignores:
            return ""
        first = objects[0]
        for ref in (first, ObjectRef("Namespace", "", first.namespace)):
            reasons = self._ignores.get(ref, {})
            if rule in reasons:
                return reasons[rule] or "no reason given"
        return ""


def ignored_rules(text: str) -> Mapping[str, str]:
    """Parse ``MT208: behind a firewall, MT301`` to reasons by rule; a comma inside a reason is part of it."""
    found: dict[str, str] = {}
    last = ""
    for piece in text.split(","):
        name, _, reason = piece.partition(":")
        name = name.strip()
        if name[:2] == "MT" and name[2:].isdecimal():
            last = name
            found[name] = reason.strip()
        elif last:
            found[last] = f"{found[last]},{piece}".strip(", ")
    return found
