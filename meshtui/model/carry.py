"""Copies computed attributes from one Snapshot to the next: when 100 of 10,000 pods change, only those are computed again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from meshtui.model.ids import ObjectRef, Uid
from meshtui.model.snapshot import Derived, Snapshot, is_top, sorted_refs, workload_of
from meshtui.model.workload import Controller, MeshMode, Pod, Workload


def carry(before: Snapshot, after: Snapshot) -> Snapshot:
    """``after`` with derived attributes, computed from those of ``before`` and from the objects that differ.

    Objects that didn't change stay identical (``is``). Both Snapshots must come from the same source, so that equal UIDs mean the
    same object.
    """
    gone, come = differing(before.pods, after.pods)
    same_pods, same_controllers = before.pods is after.pods, before.controllers is after.controllers
    tops, by_ref = (before.tops, before.controllers_by_ref) if same_controllers else _controllers(before, after)
    derived = Derived(
        namespace_by_name=before.namespace_by_name if before.namespaces is after.namespaces else None,
        pods_by_namespace=_by_namespace(before.pods_by_namespace, gone, come),
        pod_by_key=before.pod_by_key if same_pods else None,
        pod_by_ip=before.pod_by_ip if same_pods else None,
        tops=tops,
        controllers_by_ref=by_ref,
    )
    owned = replace(after, derived=derived)
    modes = _mesh_modes(before, owned, gone, come) if _same_modes(before, after) else None
    return replace(after, derived=replace(derived, workloads=_workloads(before, owned, gone, come), mesh_modes=modes))


def _same_modes(before: Snapshot, after: Snapshot) -> bool:
    """Whether the mesh mode of an unchanged pod is unchanged."""
    same = (
        before.namespaces is after.namespaces
        and before.live == after.live
        and before.installation == after.installation
        and before.mesh.discovery == after.mesh.discovery
        and before.carried_all_the_same == after.carried_all_the_same
    )
    return same and (after.live or before.has_istio == after.has_istio)


def _mesh_modes(before: Snapshot, after: Snapshot, gone: Iterable[Pod], come: Iterable[Pod]) -> Mapping[Uid, MeshMode]:
    modes = dict(before.mesh_modes)
    for pod in gone:
        modes.pop(pod.uid, None)
    modes.update({pod.uid: after.mesh_mode_of(pod) for pod in come})
    return modes


def differing(old: Mapping[Any, Any], new: Mapping[Any, Any]) -> tuple[list[Any], list[Any]]:
    """The removed or replaced values of ``old``, and the added or replaced values of ``new``, compared by identity."""
    if old is new:
        return [], []
    gone = [value for uid, value in old.items() if new.get(uid) is not value]
    come = [value for uid, value in new.items() if old.get(uid) is not value]
    return gone, come


def _by_namespace(old: Mapping[str, tuple[Pod, ...]], gone: Iterable[Pod], come: Iterable[Pod]) -> Mapping[str, tuple[Pod, ...]]:
    left = {id(pod) for pod in gone}
    fresh: dict[str, list[Pod]] = defaultdict(list)
    for pod in come:
        fresh[pod.namespace].append(pod)
    found = dict(old)
    for name in {pod.namespace for pod in gone} | fresh.keys():
        members = (*(pod for pod in old.get(name, ()) if id(pod) not in left), *fresh.get(name, ()))
        if members:
            found[name] = members
        else:
            found.pop(name, None)
    return found


def _controllers(before: Snapshot, after: Snapshot) -> tuple[Mapping[ObjectRef, Controller], Mapping[ObjectRef, Controller]]:
    """The topmost controllers and all controllers, by reference."""
    gone, come = differing(before.controllers, after.controllers)
    tops, by_ref = dict(before.tops), dict(before.controllers_by_ref)
    for controller in gone:
        tops.pop(controller.meta.ref, None)
        by_ref.pop(controller.meta.ref, None)
    for controller in come:
        by_ref[controller.meta.ref] = controller
        if is_top(controller):
            tops[controller.meta.ref] = controller
    return tops, by_ref


def _workloads(before: Snapshot, after: Snapshot, gone: Iterable[Pod], come: Iterable[Pod]) -> Mapping[ObjectRef, Workload]:
    old = before.workloads
    tops, regrouped = _changed_controllers(before, after)
    members: dict[ObjectRef, list[Pod]] = {}
    left = {id(pod) for pod in gone}
    for ref in {before.owner_of(pod) for pod in gone} | {after.owner_of(pod) for pod in come} | tops:
        if ref.namespace not in regrouped:
            members[ref] = [pod for pod in old[ref].pods if id(pod) not in left] if ref in old else []
    for pod in come:
        if pod.namespace not in regrouped:
            members[after.owner_of(pod)].append(pod)
    for name in regrouped:
        members.update({ref: [] for ref in old if ref.namespace == name})
        members.update({ref: [] for ref in after.tops if ref.namespace == name})
        for pod in after.pods_by_namespace.get(name, ()):
            members.setdefault(after.owner_of(pod), []).append(pod)
    fresh = {ref: workload_of(ref, pods, after.tops.get(ref)) for ref, pods in members.items()}
    made = dict(old)
    for ref, workload in fresh.items():
        if workload is None:
            made.pop(ref, None)
        else:
            made[ref] = workload
    return made if made.keys() == old.keys() else {ref: made[ref] for ref in sorted_refs(made)}


def _changed_controllers(before: Snapshot, after: Snapshot) -> tuple[set[ObjectRef], set[str]]:
    """The controllers whose owners are unchanged but other fields changed, and the namespaces in which owners changed."""
    if before.controllers is after.controllers:
        return set(), set()
    gone, come = differing(before.controllers, after.controllers)
    was = {controller.meta.uid: controller for controller in gone}
    tops: set[ObjectRef] = set()
    regrouped: set[str] = set()
    for controller in come:
        earlier = was.pop(controller.meta.uid, None)
        if earlier is not None and _is_same_owner(earlier, controller):
            tops.add(controller.meta.ref)
        else:
            regrouped.add(controller.meta.namespace)
            regrouped.update([earlier.meta.namespace] if earlier else [])
    regrouped.update(controller.meta.namespace for controller in was.values())
    return tops & (before.workloads.keys() | after.tops.keys()), regrouped


def _is_same_owner(one: Controller, other: Controller) -> bool:
    return one.meta.ref == other.meta.ref and one.owners == other.owners
