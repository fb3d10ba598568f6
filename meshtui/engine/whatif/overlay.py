"""A Snapshot after manifests are applied: objects are replaced by name, and the pods of changed templates are updated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from meshtui.kinds.kind import Overlay
from meshtui.kinds.registry import FIELDS, fields_of
from meshtui.model.change import CREATED, DELETED, EDITED
from meshtui.model.ids import ObjectRef, Uid
from meshtui.model.injection import with_injected_labels
from meshtui.model.membership import AMBIENT_REDIRECTION, Installation, wants_capture
from meshtui.model.snapshot import Snapshot
from meshtui.model.workload import Controller, EndpointSlice, Namespace, Pod, PodTemplate

_KINDS = fields_of(Overlay.REPLACED)
"""The Snapshot's mappings whose objects are only replaced; Namespaces, pods and their owners are handled separately."""
_SAME_NAME = ("service_account", "host_network", "ports", "images", "env", "has_sidecar", "is_router")
"""The fields with the same name in a template and in its pods."""


def overlaid(snapshot: Snapshot, new: Snapshot) -> Snapshot:
    """``snapshot`` after the manifests from which ``new`` was read are applied.

    Objects replace those of the same kind, namespace and name, and keep their UID; others are added. Pods of a changed template
    are assumed to have been rolled: they remain, with the fields of the new template.
    """
    mappings: dict[str, Any] = {name: _replaced(getattr(snapshot, name), getattr(new, name)) for name in _KINDS}
    namespaces = _replaced(snapshot.namespaces, _written(new.namespaces, snapshot))
    controllers = _replaced(snapshot.controllers, new.controllers)
    pods = _pods(snapshot, new)
    if snapshot.live:
        pods = _captured(pods, snapshot, {n.name: n for n in namespaces.values()})
    after = replace(
        snapshot,
        **mappings,
        namespaces=namespaces,
        controllers=controllers,
        pods=pods,
        mesh=new.mesh if new.mesh.found else snapshot.mesh,
        installation=snapshot.installation if new.installation == Installation() else new.installation,
        problems=(*snapshot.problems, *new.problems),
    )
    if not snapshot.live:
        after = with_injected_labels(after)
    slices = _slices(snapshot, after)
    return after if slices is after.endpoint_slices else replace(after, endpoint_slices=slices)


def _replaced(old: Mapping[Any, Any], new: Mapping[Any, Any]) -> dict[Any, Any]:
    """``old`` with the objects of ``new`` in place of those with the same name. Equal ones remain the same object."""
    if not new:
        return dict(old)
    known = {each.meta.ref: uid for uid, each in old.items()}
    found = dict(old)
    for uid, each in new.items():
        place = known.get(each.meta.ref, uid)
        before = old.get(place)
        if before is None:
            found[place] = each
        elif not _says_the_same(before, each):
            found[place] = replace(each, meta=replace(each.meta, uid=place, created=before.meta.created))
    return found


def _says_the_same(one: Any, other: Any) -> bool:
    """Whether two versions of an object differ only in fields that the server maintains, and so the object isn't changed."""
    if type(one) is not type(other) or dict(one.meta.labels) != dict(other.meta.labels):
        return False
    if dict(one.meta.annotations) != dict(other.meta.annotations):
        return False
    return all(getattr(one, f.name) == getattr(other, f.name) for f in fields(one) if f.name != "meta")


def _written(namespaces: Mapping[Uid, Namespace], snapshot: Snapshot) -> dict[Uid, Namespace]:
    """The namespaces that manifests define, and those only mentioned in them that don't exist yet."""
    return {uid: n for uid, n in namespaces.items() if n.meta.origin or n.name not in snapshot.namespace_by_name}


# ---- pods


def _pods(snapshot: Snapshot, new: Snapshot) -> dict[Uid, Pod]:
    """Replace bare pods with the same name; update the pods of a controller according to its new template."""
    pods: dict[Uid, Pod] = _replaced(snapshot.pods, {uid: pod for uid, pod in new.pods.items() if not pod.derived})
    tops = {c.meta.ref: c for c in new.controllers.values()}
    if not tops:
        return pods
    before = {c.meta.ref: c for c in snapshot.controllers.values()}
    owned: dict[ObjectRef, list[Pod]] = {ref: [] for ref in tops}
    for pod in pods.values():
        owner = snapshot.owner_of(pod)
        if owner in owned:
            owned[owner].append(pod)
    derived: dict[ObjectRef, list[Pod]] = {ref: [] for ref in tops}
    for pod in new.pods.values():
        if pod.derived and pod.controller is not None:
            derived[ObjectRef(pod.controller.kind, pod.namespace, pod.controller.name)].append(pod)
    for ref, controller in tops.items():
        if owned[ref]:
            pods.update({pod.uid: _rolled(pod, before.get(ref), controller) for pod in owned[ref]})
        else:
            taken = {pod.key for pod in pods.values()}
            pods.update({pod.uid: pod for pod in derived[ref] if pod.key not in taken})
    return pods


def _rolled(pod: Pod, before: Controller | None, after: Controller) -> Pod:
    """A pod with the new template's fields: only fields that the template changes are replaced; others have another origin."""
    old, new = before.template if before else PodTemplate(), after.template
    changes: dict[str, Any] = {
        name: getattr(new, name) for name in _SAME_NAME if before is None or getattr(old, name) != getattr(new, name)
    }
    for name in ("has_sidecar", "is_router"):
        if changes.get(name) is False and before is None:
            del changes[name]  # The proxy may have been injected
    labels = _changed(pod.meta.labels, old.labels, new.labels)
    annotations = _changed(pod.meta.annotations, old.annotations, new.annotations)
    if not changes and labels == dict(pod.meta.labels) and annotations == dict(pod.meta.annotations):
        return pod
    return replace(pod, meta=replace(pod.meta, labels=labels, annotations=annotations), **changes)


def _changed(now: Mapping[str, str], old: Mapping[str, str], new: Mapping[str, str]) -> dict[str, str]:
    kept = {key: value for key, value in now.items() if key not in old or key in new}
    return kept | {key: value for key, value in new.items() if old.get(key) != value}


def _captured(pods: dict[Uid, Pod], before: Snapshot, namespaces: Mapping[str, Namespace]) -> dict[Uid, Pod]:
    """Set or remove the capture of pods that newly do or don't request ambient by labels of pod or namespace, like istio-cni."""
    found = dict(pods)
    for uid, pod in pods.items():
        old, space, was = before.pods.get(uid), namespaces.get(pod.namespace), before.namespace_by_name.get(pod.namespace)
        if old is pod and space is was:
            continue
        wanted = _wanted(pod, space)
        if old is not None and wanted == _wanted(old, was):
            continue
        annotations = {key: value for key, value in pod.meta.annotations.items() if key != AMBIENT_REDIRECTION}
        annotations |= {AMBIENT_REDIRECTION: "enabled"} if wanted else {}
        found[uid] = replace(pod, meta=replace(pod.meta, annotations=annotations))
    return found


def _wanted(pod: Pod, namespace: Namespace | None) -> bool:
    return not pod.host_network and wants_capture(pod, namespace.labels if namespace else {})


def _slices(before: Snapshot, after: Snapshot) -> Mapping[Uid, EndpointSlice]:
    """The EndpointSlices without those of Services whose pods may have changed; for these, selectors determine the pods."""
    renamed = {
        pod.namespace
        for uid, pod in after.pods.items()
        if (old := before.pods.get(uid)) is not pod and (old is None or dict(old.labels) != dict(pod.labels))
    }
    stale = {
        (service.meta.namespace, service.meta.name)
        for uid, service in after.services.items()
        if service.selector is not None and (service.meta.namespace in renamed or before.services.get(uid) is not service)
    }
    if not stale:
        return after.endpoint_slices
    return {uid: each for uid, each in after.endpoint_slices.items() if (each.meta.namespace, each.service) not in stale}


def differing(before: Snapshot, after: Snapshot) -> list[tuple[ObjectRef, str]]:
    """The objects that were created, edited or deleted, sorted by kind and name; without pods that belong to a controller."""
    found: list[tuple[ObjectRef, str]] = []
    for name in FIELDS:
        old = {each.meta.ref: each for each in getattr(before, name).values()}
        new = {each.meta.ref: each for each in getattr(after, name).values()}
        for ref in old.keys() | new.keys():
            one, other = old.get(ref), new.get(ref)
            if one is other or name == "endpoint_slices" or _is_owned(other or one):
                continue
            if one is None or other is None:
                found.append((ref, CREATED if one is None else DELETED))
            elif not _says_the_same(one, other):
                found.append((ref, EDITED))
    return sorted(found)


def _is_owned(obj: Any) -> bool:
    """Whether an object is a pod of a controller."""
    return isinstance(obj, Pod) and obj.controller is not None
