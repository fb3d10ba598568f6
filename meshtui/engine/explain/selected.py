"""The pods that policies of the network select: NetworkPolicies, admin policies, and those of the CNI's own kinds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable
from functools import cached_property

from meshtui.engine.classes.bitsets import members
from meshtui.engine.classes.classifier import PodClass
from meshtui.engine.classes.index import Bits, Index
from meshtui.engine.endpoints import Endpoint
from meshtui.engine.engine import Engine
from meshtui.engine.path.relations import pods_of_network_policy
from meshtui.engine.policy.admin import subject_selects
from meshtui.engine.policy.tiers import Peers
from meshtui.model.ids import Uid
from meshtui.model.meta import Meta
from meshtui.model.policy import AdminPolicy, ForeignPolicy, NetworkPolicy
from meshtui.model.workload import Pod, PodTemplate

OfNetwork = NetworkPolicy | AdminPolicy | ForeignPolicy
"""A policy of the network."""


class Selected:
    """What policies of one snapshot select. Pods that no selector can tell apart are looked at once, all policies as bitsets."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def pods(self, policy: OfNetwork) -> tuple[list[Pod], bool]:
        """The running pods that a policy selects, or may, and whether that is certain. Empty for one that isn't evaluated."""
        if isinstance(policy, NetworkPolicy):
            return pods_of_network_policy(self._engine.snapshot, policy), True
        surely, may = self._bits(policy)
        return [pod for number in members(surely | may) for pod in self._alike[number].pods.values()], not may

    def _bits(self, policy: AdminPolicy | ForeignPolicy) -> tuple[Bits, Bits]:
        """Those that a policy selects, and those of which it isn't known."""
        index = self._index
        if isinstance(policy, AdminPolicy):
            return index.admin_subject(policy.subject), index.admin_subject_may(policy.subject)
        subject = self._subject(policy)
        surely, may = subject.classes(index) if subject is not None else (0, 0)
        return surely & ~index.as_nodes, may & ~index.as_nodes

    def would(self, policy: AdminPolicy | ForeignPolicy, namespace: str, template: PodTemplate) -> bool:
        """Whether a policy selects, or may select, a pod that a controller makes from a template."""
        if isinstance(policy, AdminPolicy):
            return subject_selects(policy.subject, self._made_from(namespace, template)) is not False
        subject = self._subject(policy)
        return subject is not None and self.would_be(subject, namespace, template)

    def would_be(self, peers: Peers, namespace: str, template: PodTemplate) -> bool:
        """Whether a pod that a controller makes from a template is, or may be, one of some peers."""
        return peers.match(self._made_from(namespace, template)) is not False

    def _made_from(self, namespace: str, template: PodTemplate) -> Endpoint:
        return self._engine.endpoint(Pod(Meta("Pod", namespace, "", Uid(""), template.labels), template.service_account))

    def _subject(self, policy: ForeignPolicy) -> Peers | None:
        own = self._engine.own.policies.get(policy.meta.uid) if self._engine.own is not None else None
        return own.subject if own is not None else None

    @cached_property
    def _alike(self) -> list[PodClass]:
        found: dict[Hashable, dict[str, Pod]] = defaultdict(dict)
        for pod in self._engine.snapshot.pods.values():
            if not pod.completed:
                key = (pod.namespace, frozenset(pod.labels.items()), pod.service_account, pod.host_network)
                found[key][pod.key] = pod
        firsts = ((number, pods, next(iter(pods.values()))) for number, pods in enumerate(found.values()))
        return [
            PodClass(number, (), self._engine.endpoint(first), tuple(first.labels.items()), pods=pods)
            for number, pods, first in firsts
        ]

    @cached_property
    def _index(self) -> Index:
        index = Index()
        for each in self._alike:
            index.add(each)
        return index
