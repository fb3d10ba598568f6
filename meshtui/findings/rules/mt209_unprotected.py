"""MT209: a workload that no policy protects."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from meshtui.engine.policy.networkpolicy import Direction
from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.findings.pods import DATABASES, closed_by_default, guarded
from meshtui.model.finding import Severity
from meshtui.model.ids import ObjectRef
from meshtui.model.workload import MeshMode

_SYSTEM = {"kube-system", "kube-public", "kube-node-lease"}


def _look(context: Context) -> Iterator[Found]:
    """One finding for each namespace, without databases (MT208) and proxies, which are meant to be reached."""
    snapshot = context.snapshot
    open_ones: dict[str, list[ObjectRef]] = defaultdict(list)
    for workload, pods in context.workloads:
        pod = pods[0]
        if pod.namespace in _SYSTEM or pod.namespace == snapshot.mesh.root_namespace or pod.host_network or not pod.ports:
            continue
        if snapshot.mesh_mode(pod) is MeshMode.GATEWAY or any(port.number in DATABASES for port in pod.ports):
            continue
        kept = (guarded(context, p) or context.isolated(p, Direction.INGRESS) or closed_by_default(context, p) for p in pods)
        if not any(kept):
            open_ones[pod.namespace].append(workload.ref)
    for namespace, refs in sorted(open_ones.items()):
        names = ", ".join(ref.name for ref in refs[:4]) + (" …" if len(refs) > 4 else "")
        yield Found(
            tuple(refs),
            f"nothing protects {len(refs)} workload{'' if len(refs) == 1 else 's'} of {namespace}: {names}",
            "no AuthorizationPolicy keeps strangers out, and no ingress NetworkPolicy selects them: "
            "every pod of the cluster may call them",
        )


RULE = Rule("MT209", "unprotected workload", Severity.INFO, _look, ("NetworkPolicy", "AuthorizationPolicy"))
