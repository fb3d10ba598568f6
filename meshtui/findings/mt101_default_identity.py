"""MT101: a meshed workload runs as the ServiceAccount ``default``."""

from __future__ import annotations

from collections.abc import Iterator

from meshtui.findings.base import Rule
from meshtui.model.finding import Severity
from meshtui.model.ids import ObjectRef, spiffe_id
from meshtui.model.snapshot import Snapshot
from meshtui.model.workload import MeshMode

_MESHED = {MeshMode.AMBIENT, MeshMode.SIDECAR}


def _look(snapshot: Snapshot) -> Iterator[tuple[tuple[ObjectRef, ...], str, str]]:
    for ref, workload in snapshot.workloads.items():
        pods = [p for p in workload.pods if not p.completed and p.service_account == "default"]
        if pods and any(snapshot.mesh_mode(pod) in _MESHED for pod in pods):
            identity = spiffe_id(snapshot.principal_of(pods[0]))
            yield (
                (ref,),
                f"{ref.kind} {ref.name} runs as ServiceAccount default ({identity})",
                "policies can't tell it from any other workload of its namespace that runs as default",
            )


RULE = Rule("MT101", "default identity", Severity.WARNING, _look)
