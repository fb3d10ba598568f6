"""Why a verdict changed: which objects differ between two Snapshots, and which of them the verdicts rest on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar, Protocol, TypeVar

from meshtui.model.change import CREATED, DELETED, EDITED, Cause
from meshtui.model.flow import EndpointKind, Flow, FlowEndpoint
from meshtui.model.ids import ObjectRef, Uid
from meshtui.model.meta import Meta
from meshtui.model.snapshot import Snapshot
from meshtui.model.verdict import Verdict
from meshtui.model.workload import Pod

POLICY_KINDS = frozenset(
    {
        "NetworkPolicy",
        "AdminNetworkPolicy",
        "BaselineAdminNetworkPolicy",
        "ClusterNetworkPolicy",
        "AuthorizationPolicy",
        "PeerAuthentication",
        "RequestAuthentication",
    }
)


class Written(Protocol):
    """An object of a Snapshot."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def meta(self) -> Meta:
        """Its metadata."""


_T = TypeVar("_T", bound=Written)


def differences(old: Snapshot, new: Snapshot) -> list[Cause]:
    """What changed of all that verdicts rest on; a pod only where more than its status did."""
    found: list[Cause] = []
    kinds: tuple[tuple[Mapping[Uid, Written], Mapping[Uid, Written]], ...] = (
        (old.network_policies, new.network_policies),
        (old.admin_policies, new.admin_policies),
        (old.authorization_policies, new.authorization_policies),
        (old.peer_authentications, new.peer_authentications),
        (old.request_authentications, new.request_authentications),
        (old.foreign, new.foreign),
        (old.gateways, new.gateways),
        (old.http_routes, new.http_routes),
        (old.services, new.services),
        (old.namespaces, new.namespaces),
    )
    for before, after in kinds:
        found.extend(_changed(before, after))
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
    """What an object says beside its metadata."""
    return tuple(getattr(obj, name) for name in obj.__dataclass_fields__ if name != "meta")


def content_of(obj: Written) -> tuple[object, ...]:
    """What an object says, without when, by whom and in which version it was written: a status update is no edit."""
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
    return (pod.labels, pod.meta.annotations, pod.service_account, pod.ips, pod.ports, pod.completed, pod.has_sidecar)


def causes(flow: Flow, before: Verdict, after: Verdict, changed: Iterable[Cause], root_namespace: str) -> tuple[Cause, ...]:
    """The changed objects that either verdict names or whose pods the flow is about; else the policies near its ends."""
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
    """Of what changed: policies and labels of some namespaces, and what belongs to none."""
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
    """Whether a changed object is an end of a flow: the Service, the pod, or by its name's beginning a workload's pod."""
    if ref.namespace != end.namespace:
        return False
    if end.kind is EndpointKind.SERVICE:
        return ref == ObjectRef("Service", end.namespace, end.name)
    if end.kind is EndpointKind.POD:
        return ref == ObjectRef("Pod", end.namespace, end.name)
    if end.kind is EndpointKind.WORKLOAD:
        return ref.kind == "Pod" and ref.name.startswith(f"{end.name}-")
    return False
