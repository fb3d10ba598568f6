"""MT313: settings of Cilium with which an ambient mesh doesn't work, or is gone around."""

from __future__ import annotations

from collections.abc import Iterator

from meshtui.engine.path.waypoint import services_with_waypoint
from meshtui.findings.base import Found, NotKnownError, Rule
from meshtui.findings.context import Context
from meshtui.findings.pods import is_ambient
from meshtui.model.finding import Severity
from meshtui.model.ids import ObjectRef
from meshtui.model.membership import DATAPLANE_MODE

_CILIUM, _CONFIG = "cilium", "cilium-config"
_REPLACED = frozenset({"true", "strict", "partial", "probe"})
"""The values of kube-proxy-replacement with which sockets in pods are balanced, of all maintained releases."""


def _look(context: Context) -> Iterator[Found]:
    """What Cilium's and Istio's documentation say of each other, where the mesh has ambient pods (docs.cilium.io, istio.io)."""
    snapshot = context.snapshot
    if snapshot.cni.name != _CILIUM or not _uses_ambient(context):
        return
    if _CONFIG not in snapshot.cni_config:
        raise NotKnownError(snapshot.cni.unread or f"ConfigMap {_CONFIG} of Cilium isn't among what was read")
    written = {key: value.strip().lower() for key, value in snapshot.cni_config[_CONFIG].items()}
    ref = ObjectRef("ConfigMap", "kube-system", _CONFIG)
    if written.get("cni-exclusive") == "true":
        yield Found(
            (ref,),
            f"{ref} has cni-exclusive: true, with which Cilium removes the configuration of Istio's CNI plugin from nodes",
            "pods that start then aren't captured, though everything looks healthy; Helm: cni.exclusive=false",
            Severity.ERROR,
        )
    balanced = written.get("kube-proxy-replacement") in _REPLACED or written.get("bpf-lb-sock") == "true"
    if balanced and written.get("bpf-lb-sock-hostns-only") != "true":
        passed = any(True for _ in services_with_waypoint(snapshot))
        yield Found(
            (ref,),
            f"{ref} balances connections inside of pods: bpf-lb-sock-hostns-only isn't true",
            "ztunnel sees the address of a pod in place of the Service's: "
            + ("the waypoints of Services are gone around" if passed else "a waypoint of a Service would be gone around")
            + "; Helm: socketLB.hostNamespaceOnly=true",
            Severity.ERROR if passed else None,
        )
    if written.get("enable-bpf-masquerade") == "true":
        yield Found(
            (ref,),
            f"{ref} has enable-bpf-masquerade: true, with which the kubelet's probes of ambient pods fail",
            "a pod that starts never becomes ready; Helm: bpf.masquerade=false",
        )


def _uses_ambient(context: Context) -> bool:
    """Whether a pod is in ambient, or is meant to be."""
    labels = [*(each.labels for each in context.snapshot.namespaces.values()), *(pod.labels for pod in context.running)]
    meant = any(each.get(DATAPLANE_MODE) == "ambient" for each in labels)
    return meant or any(member.pods and is_ambient(member) for member in context.classes)


RULE = Rule("MT313", "CNI settings", Severity.WARNING, _look)
