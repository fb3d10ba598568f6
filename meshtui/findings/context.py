"""What the rules share: one snapshot with its indexes, each worked out when a rule first asks for it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any, TypeVar

from meshtui.engine import Engine
from meshtui.engine.classes.bitsets import members
from meshtui.engine.classes.classifier import PodClass
from meshtui.engine.classes.index import Bits, Index
from meshtui.engine.endpoints import Endpoint
from meshtui.engine.matrix.matrix import Matrix
from meshtui.engine.path.resolution import Resolver
from meshtui.engine.policy.authorization import Authorization
from meshtui.engine.policy.networkpolicy import NetworkPolicies
from meshtui.engine.policy.peer_authentication import PeerAuthentications
from meshtui.findings.calls import Call, calls_of
from meshtui.model.evidence import Evidence
from meshtui.model.ids import ObjectRef, principal
from meshtui.model.policy import AuthorizationPolicy, NetworkPeer
from meshtui.model.selectors import LabelSelector
from meshtui.model.snapshot import Snapshot
from meshtui.model.verdict import Decision, Verdict
from meshtui.model.workload import Controller, Pod, Workload

T = TypeVar("T")
IGNORE = "meshtui.dev/ignore"


class Context:
    """One snapshot as the rules see it. Pure: nothing of the snapshot changes."""

    def __init__(self, snapshot: Snapshot, evidence: Evidence | None = None, engine: Engine | None = None) -> None:
        self.snapshot = snapshot
        self.evidence = evidence
        self._engine = engine
        self._owners: dict[int, frozenset[ObjectRef]] = {}
        self._done: dict[Callable[[Context], Iterable[Any]], tuple[Any, ...]] = {}

    @cached_property
    def engine(self) -> Engine:
        """An engine on the snapshot."""
        return self._engine or Engine(self.snapshot)

    @property
    def resolver(self) -> Resolver:
        """From Services to pods."""
        return self.engine.resolver

    @cached_property
    def matrix(self) -> Matrix:
        """All pairs."""
        return Matrix(self.snapshot)

    @cached_property
    def network(self) -> NetworkPolicies:
        """NetworkPolicies by the pods that they select."""
        return NetworkPolicies(self.snapshot)

    @cached_property
    def authorization(self) -> Authorization:
        """AuthorizationPolicies that ztunnel enforces, by the pods that they cover."""
        return Authorization(self.snapshot)

    @cached_property
    def peer_authentication(self) -> PeerAuthentications:
        """Which plaintext is refused."""
        return PeerAuthentications(self.snapshot)

    def endpoint(self, pod: Pod) -> Endpoint:
        """A pod as an end of flows."""
        return self.engine.endpoint(pod)

    # ---- pods, workloads, classes

    @cached_property
    def running(self) -> tuple[Pod, ...]:
        """The pods that haven't ended."""
        return tuple(pod for pod in self.snapshot.pods.values() if not pod.completed)

    @cached_property
    def workloads(self) -> tuple[tuple[Workload, tuple[Pod, ...]], ...]:
        """Each workload that has running pods, with these, by kind, namespace and name."""
        found = ((w, tuple(pod for pod in w.pods if not pod.completed)) for w in self.snapshot.workloads.values())
        return tuple((workload, pods) for workload, pods in found if pods)

    @cached_property
    def namespaces_with_pods(self) -> frozenset[str]:
        """The namespaces that have running pods."""
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
        """The identities that pods have, or will have when a controller makes some (a CronJob, a Deployment scaled to none)."""
        mesh = self.snapshot.mesh
        coming = {principal(mesh.trust_domain, c.meta.namespace, c.template.service_account) for c in self.makers}
        return frozenset(self.principals) | coming

    @cached_property
    def makers(self) -> tuple[Controller, ...]:
        """The controllers whose template new pods would be made from.

        A ReplicaSet scaled to none is an earlier revision of its Deployment: its template is nobody's any more.
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
        """The classes of pods that no rule of a policy tells apart, by number."""
        return tuple(self.matrix.classes)

    @cached_property
    def index(self) -> Index:
        """The classes by what selectors, peers and sources ask for."""
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
        """The classes of one namespace's pods."""
        return self._classes_in.get(namespace, ())

    def of(self, bits: Bits) -> Iterator[PodClass]:
        """The classes of a bitset."""
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
        """The classes in an untargeted AuthorizationPolicy's scope; an empty selector selects nothing (ztunnel)."""
        if policy.target_refs:
            return ()
        home = policy.meta.namespace
        bits = self.index.all if home == self.snapshot.mesh.root_namespace else self.index.in_namespace.get(home, 0)
        if policy.selector is not None:
            bits = 0 if policy.selector.is_empty else bits & self.index.pods.matching(policy.selector)
        return tuple(self.of(bits))

    def owners(self, member: PodClass) -> frozenset[ObjectRef]:
        """The workloads that have pods in a class."""
        known = self._owners.get(member.number)
        if known is None:
            known = self._owners[member.number] = frozenset(map(self.snapshot.owner_of, member.pods.values()))
        return known

    def owners_of(self, several: Iterable[PodClass]) -> tuple[ObjectRef, ...]:
        """The workloads of several classes, in order."""
        found: set[ObjectRef] = set()
        for member in several:
            found |= self.owners(member)
        return tuple(sorted(found))

    def count(self, flows: Iterable[tuple[PodClass, PodClass, int]]) -> int:
        """How many flows between workloads these are: different workloads at both ends, or a different port."""
        distinct = {(id(source), id(target), port): (source, target, port) for source, target, port in flows}
        ends: set[tuple[ObjectRef, ObjectRef, int]] = set()
        for source, target, port in distinct.values():
            ends.update((a, b, port) for a in self.owners(source) for b in self.owners(target))
        return len(ends)

    # ---- what is meant to work

    @cached_property
    def calls(self) -> tuple[Call, ...]:
        """The calls that workloads are configured to make, and gateways by their routes."""
        return calls_of(self.snapshot, self.resolver, [pods for _, pods in self.workloads])

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
        """What several rules work out from the same function, the first time that one asks for it."""
        if work not in self._done:
            self._done[work] = tuple(work(self))
        return self._done[work]

    # ---- suppression

    @cached_property
    def _ignores(self) -> Mapping[ObjectRef, Mapping[str, str]]:
        s = self.snapshot
        metas = [
            *(each.meta for each in s.namespaces.values()),
            *(each.meta for each in s.pods.values()),
            *(each.meta for each in s.controllers.values()),
            *(each.meta for each in s.services.values()),
            *(each.meta for each in s.service_accounts.values()),
            *(each.meta for each in s.network_policies.values()),
            *(each.meta for each in s.admin_policies.values()),
            *(each.meta for each in s.authorization_policies.values()),
            *(each.meta for each in s.peer_authentications.values()),
            *(each.meta for each in s.request_authentications.values()),
            *(each.meta for each in s.gateways.values()),
            *(each.meta for each in s.http_routes.values()),
        ]
        return {meta.ref: ignored_rules(meta.annotations[IGNORE]) for meta in metas if IGNORE in meta.annotations}

    def ignored(self, rule: str, objects: tuple[ObjectRef, ...]) -> str:
        """The reason for which a finding is ignored, by its first object's annotation or that of its namespace; else empty."""
        if not objects or not self._ignores:
            return ""
        first = objects[0]
        for ref in (first, ObjectRef("Namespace", "", first.namespace)):
            reasons = self._ignores.get(ref, {})
            if rule in reasons:
                return reasons[rule] or "no reason given"
        return ""


def ignored_rules(text: str) -> Mapping[str, str]:
    """``MT208: behind a firewall, MT301`` as reasons by rule; a comma within a reason is a part of it."""
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
