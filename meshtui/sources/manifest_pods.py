"""Pods that manifests leave out: those of the templates of Deployments, StatefulSets and other controllers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, count

from meshtui.model.ids import ObjectRef, Uid
from meshtui.model.workload import Controller, OwnerRef, Pod

_NAMES_PODS = "StatefulSet"
"""The kind that gives its pods the names which derived pods have: they come first."""
_MOST_DERIVED = 10
"""Maximum number of pods that are derived from one template; they are all alike."""


def derive_pods(pods: dict[Uid, Pod], controllers: dict[Uid, Controller]) -> None:
    """Derive pods for each topmost controller that has none in the manifests."""
    if not controllers:
        return
    by_ref = {c.meta.ref: c for c in controllers.values()}
    owned = _owned(pods.values(), by_ref)
    taken = {pod.key for pod in pods.values()}
    bare: dict[str, list[Pod]] = defaultdict(list)
    for pod in pods.values():
        if pod.controller is None:
            bare[pod.namespace].append(pod)
    for controller in sorted(controllers.values(), key=lambda each: each.meta.kind != _NAMES_PODS):
        if any(owner.controller for owner in controller.owners) or controller.meta.ref in owned:
            continue
        if controller.meta.kind == "ReplicaSet" and controller.replicas == 0:
            continue  # An earlier revision, from which no pod is made
        if _selects_any(controller, bare.get(controller.meta.namespace, ())):
            continue
        for number in range(min(max(controller.replicas, 1), _MOST_DERIVED)):
            derived = _derived(controller, _free_name(controller, number, taken))
            taken.add(derived.key)
            pods[derived.uid] = derived


def _owned(pods: Iterable[Pod], controllers: Mapping[ObjectRef, Controller]) -> set[ObjectRef]:
    """All owners of pods; each set of siblings is computed once."""
    siblings: dict[tuple[str, OwnerRef, str], Pod] = {}
    for pod in pods:
        owner = pod.controller
        if owner is not None:
            siblings[pod.namespace, owner, pod.labels.get("pod-template-hash", "")] = pod
    return {ref for pod in siblings.values() for ref in _chain(pod, controllers)}


def _selects_any(controller: Controller, bare: Sequence[Pod]) -> bool:
    """Whether the manifests have bare pods with the labels of this controller's template."""
    wanted = controller.selector.labels if controller.selector and not controller.selector.requirements else ()
    return bool(wanted) and any(all(pod.labels.get(key) == value for key, value in wanted) for pod in bare)


def _chain(pod: Pod, by_ref: Mapping[ObjectRef, Controller]) -> Iterator[ObjectRef]:
    owner, seen = pod.controller, 0
    while owner is not None and seen < 4:
        ref = ObjectRef(owner.kind, pod.namespace, owner.name)
        yield ref
        controller = by_ref.get(ref)
        owner = next((o for o in controller.owners if o.controller), None) if controller else None
        seen += 1
    template_hash = pod.labels.get("pod-template-hash")
    if pod.controller and pod.controller.kind == "ReplicaSet" and template_hash:
        yield ObjectRef("Deployment", pod.namespace, pod.controller.name.removesuffix(f"-{template_hash}"))


def _free_name(controller: Controller, number: int, taken: set[str]) -> str:
    """A name for a derived pod that no other pod of its namespace has."""
    meta = controller.meta
    tries = chain((f"{meta.name}-{number}",), (f"{meta.name}-{meta.kind.lower()}-{n}" for n in count(number)))
    return next(name for name in tries if f"{meta.namespace}/{name}" not in taken)


def _derived(controller: Controller, name: str) -> Pod:
    meta, template = controller.meta, controller.template
    return Pod(
        meta=replace(
            meta,
            kind="Pod",
            name=name,
            uid=Uid(f"Pod/{meta.namespace}/{name}"),
            labels=template.labels,
            annotations=template.annotations,
        ),
        service_account=template.service_account,
        host_network=template.host_network,
        ports=template.ports,
        images=template.images,
        env=template.env,
        has_sidecar=template.has_sidecar,
        is_router=template.is_router,
        probe_ports=template.probe_ports,
        owners=(OwnerRef(meta.kind, meta.name, meta.uid, controller=True),),
        derived=True,
    )
