"""MT106: a pod is labelled for ambient, but not captured, or captured by a ztunnel that isn't there."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from meshtui.findings.base import MESH, Found, Rule
from meshtui.findings.context import Context
from meshtui.model.finding import Severity
from meshtui.model.membership import is_half_captured, was_captured
from meshtui.model.workload import MeshMode

_PLAINTEXT = "they speak plaintext, have no identity, and no AuthorizationPolicy protects them; a restart may capture them"
_MEANT = {MeshMode.WANTED, MeshMode.AMBIENT}


def _look(context: Context) -> Iterator[Found]:
    """In a live cluster, and in a dump, istio-cni's annotation marks captured pods. Starting pods aren't evaluated.

    The annotation stays when the redirection is lost: what shows that is the state of the ztunnel on the pod's node.
    """
    dark = context.once(_nodes_without_ztunnel)
    for workload, pods in context.workloads:
        found = partial(Found, (workload.ref,), flows=0)
        wanted = [p for p in pods if p.ready and context.snapshot.mesh_mode(p) is MeshMode.WANTED]
        wanted = [p for p in wanted if not context.snapshot.is_ztunnel(p)]
        half = [p for p in pods if p.ready and is_half_captured(p) and context.snapshot.mesh_mode(p) in _MEANT]
        if half and MESH in context.evidence:
            continue  # MT507 reports them
        if half:
            yield found(
                f"{len(half)} of {len(pods)} pods of {workload.ref} are captured in part: istio-cni's annotation says pending",
                "their traffic is redirected, and no ztunnel has accepted them: connections fail until istio-cni has repeated it",
            )
        elif wanted:
            yield found(
                f"{len(wanted)} of {len(pods)} pods of {workload.ref} are labelled for ambient, but not captured", _PLAINTEXT
            )
        lost = [p for p in pods if p.node in dark and was_captured(p) and context.snapshot.mesh_mode(p) is MeshMode.AMBIENT]
        if lost:
            nodes = ", ".join(sorted({p.node for p in lost})[:3])
            yield found(
                f"{len(lost)} of {len(pods)} pods of {workload.ref} are captured, and no ztunnel is ready on {nodes}",
                "connections from and to them fail while their node has none",
            )


def _nodes_without_ztunnel(context: Context) -> Iterator[str]:
    """The nodes of captured pods without a ready ztunnel, if ztunnels are seen at all; known of live clusters only."""
    proxies = [p for p in context.running if context.snapshot.is_ztunnel(p)] if context.snapshot.live else []
    ready = {p.node for p in proxies if p.ready}
    if ready:
        maybe = {p.node for p in context.snapshot.may_be_ztunnels}
        yield from {p.node for p in context.running if p.node and was_captured(p)} - ready - maybe


RULE = Rule("MT106", "not captured", Severity.WARNING, _look, partial=True, breaks=True)
