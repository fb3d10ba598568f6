"""Causes of a changed verdict: the objects that differ between two Snapshots, and those that the verdicts depend on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar, Protocol, TypeVar

from meshtui.kinds.kind import Role
from meshtui.kinds.registry import POLICY_KINDS, fields_of
from meshtui.model.change import CREATED, DELETED, EDITED, Cause
from meshtui.model.flow import EndpointKind, Flow, FlowEndpoint
from meshtui.model.ids import ObjectRef, Uid
from meshtui.model.meta import Meta
from meshtui.model.snapshot import Snapshot
from meshtui.model.verdict import Verdict
from meshtui.model.workload import Pod

_RESTED_ON = fields_of(Role.POLICY, Role.ROUTING, Role.SCOPE)
"""The Snapshot's mappings whose objects verdicts depend on, in addition to pods."""


class Written(Protocol):
    """An object of a Snapshot."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def meta(self) -> Meta:
        """The metadata of the object."""


_T = TypeVar("_T", bound=Written)


def policy_changes(old: Snapshot, new: Snapshot) -> list[Cause]:
    """The policies that were created, edited or deleted."""
    return [cause for field in fields_of(Role.POLICY) for cause in _changed(getattr(old, field), getattr(new, field))]


def differences(old: Snapshot, new: Snapshot) -> list[Cause]:
    """The changed objects on which verdicts depend; a pod only if more than its status has changed."""
    found: list[Cause] = []
    for field in _RESTED_ON:
        found.extend(_changed(getattr(old, field), getattr(new, field)))
    found.extend(_changed_pods(old.pods, new.pods))
    return found


def _changed(old: Mapping[Uid, _T], new: Mapping[Uid, _T]) -> Iterator[Cause]:
    if old is new:
        return
    for uid, obj in new.items():
        before = old.get(uid)
        if before is None:
            yield Cause(obj.meta.ref, CREATED, obj.meta.manager)
        elif before is not obj and content_of(before) != content_of(obj):
            yield Cause(obj.meta.ref, EDITED, obj.meta.manager)
    for uid, obj in old.items():
        if uid not in new:
            yield Cause(obj.meta.ref, DELETED)


def spec_of(obj: Written) -> tuple[object, ...]:
    """The fields of an object without its metadata."""
    return tuple(getattr(obj, name) for name in obj.__dataclass_fields__ if name != "meta")


def content_of(obj: Written) -> tuple[object, ...]:
    """The content of an object without time, author and version of its changes: a status update isn't an edit."""
    return (obj.meta.labels, obj.meta.annotations, *spec_of(obj))


def _changed_pods(old: Mapping[Uid, Pod], new: Mapping[Uid, Pod]) -> Iterator[Cause]:
    for cause in _changed(old, new):
        if cause.what != EDITED:
            yield cause
    if old is new:
        return
    for uid, pod in new.items():
        before = old.get(uid)
        if before is not None and before is not pod and _read_of(before) != _read_of(pod):
            yield Cause(pod.meta.ref, EDITED, pod.meta.manager)


def _read_of(pod: Pod) -> tuple[object, ...]:
    proxy = (pod.has_sidecar, pod.is_router)
    return (pod.labels, pod.meta.annotations, pod.service_account, pod.ips, pod.ports, pod.completed, proxy)


def causes(flow: Flow, before: Verdict, after: Verdict, changed: Iterable[Cause], root_namespace: str) -> tuple[Cause, ...]:
    """The changed objects that either verdict names or whose pods are ends of the flow; else the policies near its ends."""
    changed = list(changed)
    named = refs_of(before) | refs_of(after)
    spaces = {end.namespace for end in (flow.source, flow.destination) if end.namespace}
    direct = [
        cause for cause in changed if cause.ref in named or any(_is_end(cause.ref, e) for e in (flow.source, flow.destination))
    ]
    if direct:
        policies = [cause for cause in direct if cause.ref.kind in POLICY_KINDS]
        return tuple(policies or direct)
    return near(changed, spaces | {root_namespace})


def near(changed: Iterable[Cause], namespaces: Iterable[str]) -> tuple[Cause, ...]:
    """The changed policies, Services and labels of some namespaces, and changed objects without a namespace."""
    spaces = {*namespaces, ""}
    kinds = POLICY_KINDS | {"Service"}
    return tuple(
        c
        for c in changed
        if (c.ref.kind in kinds and c.ref.namespace in spaces) or (c.ref.kind == "Namespace" and c.ref.name in spaces)
    )


def refs_of(verdict: Verdict) -> set[ObjectRef]:
    """Every object that a verdict names."""
    found = {decider.ref for step in verdict.steps for decider in step.objects}
    if verdict.decided_by is not None:
        found.add(verdict.decided_by.ref)
    for pair in verdict.pairs:
        found |= refs_of(pair.verdict)
    return found


def _is_end(ref: ObjectRef, end: FlowEndpoint) -> bool:
    """Whether a changed object is an end of a flow: the Service, the pod, or a workload's pod by its name's prefix."""
    if ref.namespace != end.namespace:
        return False
    if end.kind is EndpointKind.SERVICE:
        return ref == ObjectRef("Service", end.namespace, end.name)
    if end.kind is EndpointKind.POD:
        return ref == ObjectRef("Pod", end.namespace, end.name)
    if end.kind is EndpointKind.WORKLOAD:
        return ref.kind == "Pod" and ref.name.startswith(f"{end.name}-")
    return False
