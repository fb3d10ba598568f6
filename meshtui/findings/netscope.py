"""Queries about what policies of the network are about: the workloads of namespaces, and whether anything selects a pod."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from meshtui.engine.policy.networkpolicy import Direction
from meshtui.findings.context import Context
from meshtui.model.ids import ObjectRef
from meshtui.model.policy import Enforcer
from meshtui.model.workload import MeshMode, Pod

SYSTEM = frozenset({"kube-system", "kube-public", "kube-node-lease", "istio-system", "local-path-storage"})
"""Namespaces of the cluster's own parts, whose policies their distribution decides about."""
Several = Sequence[tuple[ObjectRef, tuple[Pod, ...]]]


def applications(context: Context) -> Mapping[str, Several]:
    """The workloads of each namespace with their running pods, without gateways and those on their nodes' network."""
    return _grouped(context.once(_applications))


def _applications(context: Context) -> list[tuple[ObjectRef, tuple[Pod, ...]]]:
    snapshot, found = context.snapshot, []
    for workload, pods in context.workloads:
        if workload.ref.namespace == snapshot.mesh.root_namespace:
            continue
        own = tuple(pod for pod in pods if not pod.host_network and snapshot.mesh_mode(pod) is not MeshMode.GATEWAY)
        if own:
            found.append((workload.ref, own))
    return found


def _grouped(several: Several) -> Mapping[str, Several]:
    found: dict[str, list[tuple[ObjectRef, tuple[Pod, ...]]]] = defaultdict(list)
    for ref, pods in several:
        found[ref.namespace].append((ref, pods))
    return found


def selected(context: Context, pod: Pod, direction: Direction) -> bool:
    """Whether any policy of the network has, or may have, rules for a pod in one direction, or may be about it unread."""
    endpoint = context.endpoint(pod)
    if context.network.selecting(endpoint, direction) or context.selected_by_admin(endpoint, direction):
        return True
    if context.own is not None and context.own.tiers(direction, endpoint):
        return True
    judged = context.own.judged if context.own is not None else frozenset()
    return any(
        policy.enforcer is Enforcer.CNI and uid not in judged and policy.meta.namespace in {"", pod.namespace}
        for uid, policy in context.snapshot.foreign.items()
    )
