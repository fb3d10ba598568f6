"""A Snapshot as it would be once some manifests were applied: objects replaced by name, and the pods that follow from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from meshtui.model.change import CREATED, DELETED, EDITED
from meshtui.model.ids import ObjectRef, Uid
from meshtui.model.snapshot import AMBIENT_REDIRECTION, DATAPLANE_MODE, Snapshot
from meshtui.model.workload import Controller, EndpointSlice, Namespace, Pod, PodTemplate

_KINDS = (
    "services",
    "endpoint_slices",
    "service_accounts",
    "disruption_budgets",
    "nodes",
    "network_policies",
    "admin_policies",
    "authorization_policies",
    "peer_authentications",
    "request_authentications",
    "gateways",
    "gateway_classes",
    "http_routes",
    "foreign",
)
"""The Snapshot's mappings whose objects only take each other's place; Namespaces, pods and their owners need more."""
_SAME_NAME = ("service_account", "host_network", "ports", "images", "env", "has_sidecar")
"""What a template and its pods call the same."""


def overlaid(snapshot: Snapshot, new: Snapshot) -> Snapshot:
    """``snapshot`` once the manifests that ``new`` was read from were applied to it.

    Objects replace those of the same kind, namespace and name, and keep their UID; others are added. Pods of a changed
    template are taken to have rolled: they stay, and are as the new template makes them.
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
        problems=(*snapshot.problems, *new.problems),
    )
    slices = _slices(snapshot, after)
    return after if slices is after.endpoint_slices else replace(after, endpoint_slices=slices)


def _replaced(old: Mapping[Any, Any], new: Mapping[Any, Any]) -> dict[Any, Any]:
    """``old`` with the objects of ``new`` in the places of those of the same name. Equal ones stay the object that they were."""
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
    """Whether two versions of an object differ in nothing but what the server keeps: then it isn't changed."""
    if type(one) is not type(other) or dict(one.meta.labels) != dict(other.meta.labels):
        return False
    if dict(one.meta.annotations) != dict(other.meta.annotations):
        return False
    return all(getattr(one, f.name) == getattr(other, f.name) for f in fields(one) if f.name != "meta")


def _written(namespaces: Mapping[Uid, Namespace], snapshot: Snapshot) -> dict[Uid, Namespace]:
    """The namespaces that manifests hold, and of those that are only named in them, the ones that aren't there yet."""
    return {uid: n for uid, n in namespaces.items() if n.meta.origin or n.name not in snapshot.namespace_by_name}


# ---- pods


def _pods(snapshot: Snapshot, new: Snapshot) -> dict[Uid, Pod]:
    """Bare pods take the place of their namesakes; those of a controller are what its new template makes of them."""
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
    """A pod as the new template makes it: only what the template changes is another; the rest came from elsewhere."""
    old, new = before.template if before else PodTemplate(), after.template
    changes: dict[str, Any] = {
        name: getattr(new, name) for name in _SAME_NAME if before is None or getattr(old, name) != getattr(new, name)
    }
    if changes.get("has_sidecar") is False and before is None:
        del changes["has_sidecar"]  # it may have been injected
    labels = _changed(pod.meta.labels, old.labels, new.labels)
    annotations = _changed(pod.meta.annotations, old.annotations, new.annotations)
    if not changes and labels == dict(pod.meta.labels) and annotations == dict(pod.meta.annotations):
        return pod
    return replace(pod, meta=replace(pod.meta, labels=labels, annotations=annotations), **changes)


def _changed(now: Mapping[str, str], old: Mapping[str, str], new: Mapping[str, str]) -> dict[str, str]:
    kept = {key: value for key, value in now.items() if key not in old or key in new}
    return kept | {key: value for key, value in new.items() if old.get(key) != value}


def _captured(pods: dict[Uid, Pod], before: Snapshot, namespaces: Mapping[str, Namespace]) -> dict[Uid, Pod]:
    """Pods whose labels, or whose namespace's, ask for ambient now and didn't before, or the other way: istio-cni follows."""
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
    labels = namespace.labels if namespace else {}
    return not pod.host_network and (pod.labels.get(DATAPLANE_MODE) or labels.get(DATAPLANE_MODE)) == "ambient"


def _slices(before: Snapshot, after: Snapshot) -> Mapping[Uid, EndpointSlice]:
    """EndpointSlices without those of Services whose pods may be others now: their selectors say which."""
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
    """The objects that were created, edited or deleted, by kind and name; pods only where they are written themselves."""
    found: list[tuple[ObjectRef, str]] = []
    for name in (*_KINDS, "namespaces", "controllers", "pods"):
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
