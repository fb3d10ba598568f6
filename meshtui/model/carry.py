"""Hands on from one Snapshot to the next what was worked out already: where 100 of 10,000 pods change, only they are new."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from meshtui.model.ids import ObjectRef
from meshtui.model.snapshot import Snapshot, is_top, sorted_refs, workload_of
from meshtui.model.workload import Controller, Pod, Workload

_OF_ONE_KIND = {
    "namespaces": ("namespace_by_name",),
    "controllers": ("tops", "controllers_by_ref"),
    "pods": ("pod_by_key", "pod_by_ip"),
}
"""What follows from one kind alone, by its field."""


def carry(before: Snapshot, after: Snapshot) -> None:
    """Give ``after`` its pods by namespace and its workloads from those of ``before``, where that has them.

    What didn't change stays the same object, so that ``is`` tells. Both must be of one source: equal UIDs, equal things.
    """
    known, new = before.__dict__, after.__dict__
    for field, worked_out in _OF_ONE_KIND.items():
        if getattr(before, field) is getattr(after, field):
            new.update({name: known[name] for name in worked_out if name in known})
    if "tops" in known and "controllers_by_ref" in known and before.controllers is not after.controllers:
        _controllers(before, after)
    gone, come = differing(before.pods, after.pods)
    if before.namespaces is after.namespaces and before.live == after.live:
        new["modes"] = dict(before.modes)
        for pod in gone:
            new["modes"].pop(id(pod), None)
    if "pods_by_namespace" in known or "workloads" in known:
        new["pods_by_namespace"] = _by_namespace(before.pods_by_namespace, gone, come)
    if "workloads" in known:
        new["workloads"] = _workloads(before, after, gone, come)


def differing(old: Mapping[Any, Any], new: Mapping[Any, Any]) -> tuple[list[Any], list[Any]]:
    """(what is gone or was written anew, what came or is written anew), by identity."""
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


def _controllers(before: Snapshot, after: Snapshot) -> None:
    gone, come = differing(before.controllers, after.controllers)
    tops, by_ref = dict(before.tops), dict(before.controllers_by_ref)
    for controller in gone:
        tops.pop(controller.meta.ref, None)
        by_ref.pop(controller.meta.ref, None)
    for controller in come:
        by_ref[controller.meta.ref] = controller
        if is_top(controller):
            tops[controller.meta.ref] = controller
    after.__dict__.update(tops=tops, controllers_by_ref=by_ref)


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
    """(owners that are still the same thing, with another number of replicas …; namespaces where owners came, went or moved)."""
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
