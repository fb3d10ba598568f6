"""MT106: a pod is labelled for ambient, but not captured."""

from __future__ import annotations

from collections.abc import Iterator

from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.model.finding import Severity
from meshtui.model.workload import MeshMode


def _look(context: Context) -> Iterator[Found]:
    """In a live cluster the annotation ambient.istio.io/redirection marks captured pods. Starting pods aren't evaluated."""
    for workload, pods in context.workloads:
        wanted = [p for p in pods if p.ready and context.snapshot.mesh_mode(p) is MeshMode.WANTED]
        if wanted:
            yield Found(
                (workload.ref,),
                f"{len(wanted)} of {len(pods)} pods of {workload.ref} are labelled for ambient, but not captured",
                "they speak plaintext, have no identity, and no AuthorizationPolicy protects them; a restart may capture them",
                flows=0,
            )


RULE = Rule("MT106", "not captured", Severity.WARNING, _look, partial=True)
