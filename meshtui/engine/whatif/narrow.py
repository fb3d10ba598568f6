"""What belongs to one workload alone: labels that only its pods have, and policies that select only its pods."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from meshtui.engine.matching.selectors import matches
from meshtui.model.constants import GATEWAY_NAME, REVISION_LABELS
from meshtui.model.ids import ObjectRef
from meshtui.model.policy import AuthorizationPolicy, NetworkPolicy
from meshtui.model.selectors import LabelSelector
from meshtui.model.snapshot import Snapshot
from meshtui.model.workload import Pod


class Narrow:
    """The workloads of one snapshot by their labels: running pods, and pods that controllers would create."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._members: dict[str, tuple[tuple[ObjectRef, Mapping[str, str]], ...]] = {}

    def labels(self, pod: Pod) -> dict[str, str] | None:
        """Labels that all running pods of the pod's workload have, and no other pod of its namespace; None without such labels.

        Labels that differ between revisions or replicas are left out.
        """
        owner = self._snapshot.owner_of(pod)
        return next((each for each in self._candidates(pod, owner) if self._is_only(each, pod, owner)), None)

    def own_or_common_labels(self, pod: Pod) -> dict[str, str] | None:
        """Like ``labels``; without such labels, all that the workload's pods have in common, which others may have too."""
        owner = self._snapshot.owner_of(pod)
        found = [each for each in self._candidates(pod, owner) if _holds(each, pod.labels)]
        return self.labels(pod) or (found[-1] if found else None)

    def _candidates(self, pod: Pod, owner: ObjectRef) -> Iterator[dict[str, str]]:
        """The gateway's name, the labels by which the controller selects its pods, then all labels in common. None is empty."""
        if GATEWAY_NAME in pod.labels:
            yield {GATEWAY_NAME: pod.labels[GATEWAY_NAME]}
        controller = self._snapshot.tops.get(owner)
        if controller is not None and controller.selector is not None and controller.selector.labels:
            yield dict(controller.selector.labels)
        workload = self._snapshot.workloads.get(owner)
        pods = [each for each in workload.pods if not each.completed] if workload else [pod]
        common = {key: value for key, value in sorted(pod.labels.items()) if key not in REVISION_LABELS}
        for each in pods:
            common = {key: value for key, value in common.items() if each.labels.get(key) == value}
        if common:
            yield common

    def _is_only(self, labels: Mapping[str, str], pod: Pod, owner: ObjectRef) -> bool:
        return _holds(labels, pod.labels) and self.owners(LabelSelector(tuple(labels.items())), pod.namespace) <= {owner}

    def selects_only(self, selector: LabelSelector | None, namespace: str, owner: ObjectRef) -> bool:
        """Whether a selector is made for one workload: it isn't empty, and selects no pods of others in the namespace."""
        return selector is not None and not selector.is_empty and self.owners(selector, namespace) <= {owner}

    def is_own(self, policy: NetworkPolicy | AuthorizationPolicy, owner: ObjectRef) -> bool:
        """Whether a rule may be added to a policy for one workload: it is in the workload's namespace and selects only its pods.

        Policies in the root namespace, which apply to the mesh, and policies with targetRefs are nobody's own.
        """
        if policy.meta.namespace != owner.namespace or policy.unmodelled:
            return False
        if isinstance(policy, NetworkPolicy):
            return self.selects_only(policy.pod_selector, owner.namespace, owner)
        if policy.target_refs or policy.meta.namespace == self._snapshot.mesh.root_namespace:
            return False
        return self.selects_only(policy.selector, owner.namespace, owner)

    def owners(self, selector: LabelSelector, namespace: str) -> set[ObjectRef]:
        """The workloads of a namespace with pods, or pods to come, that a selector selects."""
        return {owner for owner, labels in self._in(namespace) if matches(selector, labels)}

    def _in(self, namespace: str) -> tuple[tuple[ObjectRef, Mapping[str, str]], ...]:
        known = self._members.get(namespace)
        if known is None:
            snapshot = self._snapshot
            pods = (p for p in snapshot.pods_by_namespace.get(namespace, ()) if not p.completed)
            coming = ((c.meta.ref, c.template.labels) for c in snapshot.tops.values() if c.meta.namespace == namespace)
            known = self._members[namespace] = (*((snapshot.owner_of(p), p.labels) for p in pods), *coming)
        return known


def _holds(labels: Mapping[str, str], of: Mapping[str, str]) -> bool:
    return bool(labels) and all(of.get(key) == value for key, value in labels.items())


def free_name(stem: str, taken: Iterable[str]) -> str:
    """A name for a new object: at most 63 letters, digits and dashes, and none of those that are taken."""
    names = set(taken)
    clean = "".join(c if c.isalnum() and c.isascii() else "-" for c in stem.lower())[:58].strip("-")
    numbered = (clean if number == 1 else f"{clean}-{number}" for number in range(1, len(names) + 2))
    return next(name for name in numbered if name not in names)
