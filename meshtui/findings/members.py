"""Queries about membership for rules: pods that labels put into both modes of the mesh, and what becomes of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from meshtui.findings.context import Context
from meshtui.model.ids import ObjectRef
from meshtui.model.membership import asks_for_ambient, asks_for_sidecar, was_captured
from meshtui.model.meta import NO_LABELS
from meshtui.model.workload import MeshMode, Pod

_OUTCOMES = {
    MeshMode.SIDECAR: "{names} {gets} a sidecar, and istio-cni leaves a pod with a sidecar out of ambient",
    MeshMode.AMBIENT: "{names} {is_} captured now, and {gets} a sidecar when the pod is made anew",
}
_OPEN = "it isn't known whether {names} {gets} a sidecar, or {is_} captured by istio-cni"
_OTHERWISE = "{names} {has} neither now, and {gets} a sidecar when the pod is made anew"


def namespace_labels(context: Context, pod: Pod) -> Mapping[str, str]:
    """The labels of a pod's namespace, as far as they are known."""
    namespace = context.snapshot.namespace_by_name.get(pod.namespace)
    return namespace.labels if namespace else NO_LABELS


def may_join(context: Context, pod: Pod) -> bool:
    """Whether a pod may get a sidecar or be captured: it isn't a proxy of its own, and not on its node's network."""
    return not pod.host_network and context.snapshot.mesh_mode(pod) is not MeshMode.GATEWAY


def asks_for_both(context: Context, pod: Pod) -> bool:
    """Whether labels, or istio-cni's annotation and a label, put a pod into both modes."""
    labels = namespace_labels(context, pod)
    ambient = asks_for_ambient(pod, labels) or was_captured(pod)
    return ambient and asks_for_sidecar(pod, labels) and may_join(context, pod)


def outcome(context: Context, pods: Iterable[Pod]) -> str:
    """What becomes of pods that are in both modes: the sidecar comes first (istio.io: ambient, add workloads)."""
    found: dict[str, dict[ObjectRef, None]] = {}
    for pod in pods:
        text = _OUTCOMES.get(context.snapshot.mesh_mode(pod), _OTHERWISE)
        text = _OPEN if context.snapshot.open_membership_of(pod) is not None else text
        found.setdefault(text, {})[context.snapshot.owner_of(pod)] = None
    return "; ".join(_said(text, sorted(found[text])) for text in (*_OUTCOMES.values(), _OPEN, _OTHERWISE) if text in found)


def _said(text: str, owners: list[ObjectRef]) -> str:
    names = ", ".join(map(str, owners[:3])) + (" …" if len(owners) > 3 else "")
    one = len(owners) == 1
    return text.format(names=names, gets="gets" if one else "get", is_="is" if one else "are", has="has" if one else "have")
