"""The pods that policies of the network select: NetworkPolicies, admin policies, and those of the CNI's own kinds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator
from functools import cached_property

from meshtui.engine.engine import Engine
from meshtui.engine.path.relations import pods_of_network_policy
from meshtui.engine.policy.admin import subject_selects
from meshtui.model.ids import Uid
from meshtui.model.meta import Meta
from meshtui.model.policy import AdminPolicy, ForeignPolicy, NetworkPolicy
from meshtui.model.workload import Pod, PodTemplate

OfNetwork = NetworkPolicy | AdminPolicy | ForeignPolicy
"""A policy of the network."""


class Selected:
    """What policies of one snapshot select. Pods that no selector can tell apart are looked at once."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def pods(self, policy: OfNetwork) -> tuple[list[Pod], bool]:
        """The running pods that a policy selects, and whether that is certain. Empty for a policy that isn't evaluated."""
        if isinstance(policy, NetworkPolicy):
            return pods_of_network_policy(self._engine.snapshot, policy), True
        found: list[Pod] = []
        certain = True
        for alike in self._in(policy.meta.namespace):
            answer = self._selects(policy, alike[0])
            certain = certain and answer is not None
            if answer is not False:
                found += alike
        return found, certain

    def would(self, policy: AdminPolicy | ForeignPolicy, namespace: str, template: PodTemplate) -> bool:
        """Whether a policy selects, or may select, a pod that a controller makes from a template."""
        if policy.meta.namespace not in {"", namespace}:
            return False
        meta = Meta("Pod", namespace, "", Uid(""), template.labels)
        return self._selects(policy, Pod(meta, template.service_account)) is not False

    def _selects(self, policy: AdminPolicy | ForeignPolicy, pod: Pod) -> bool | None:
        end = self._engine.endpoint(pod)
        if isinstance(policy, AdminPolicy):
            return subject_selects(policy.subject, end)
        own = self._engine.own.policies.get(policy.meta.uid) if self._engine.own is not None else None
        return own.selects(end) if own is not None else False

    def _in(self, namespace: str) -> Iterator[list[Pod]]:
        """Pods that are alike, of one namespace or, without one, of all."""
        for each in [namespace] if namespace else self._alike:
            yield from self._alike.get(each, {}).values()

    @cached_property
    def _alike(self) -> dict[str, dict[Hashable, list[Pod]]]:
        found: dict[str, dict[Hashable, list[Pod]]] = defaultdict(lambda: defaultdict(list))
        for pod in self._engine.snapshot.pods.values():
            if not pod.completed:
                key = (frozenset(pod.labels.items()), pod.service_account, pod.host_network)
                found[pod.namespace][key].append(pod)
        return found
