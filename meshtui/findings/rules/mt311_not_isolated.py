"""MT311: a workload that no ingress policy selects, in a namespace where others are selected."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from meshtui.engine.policy.networkpolicy import Direction
from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.findings.pods import closed_by_default, guarded
from meshtui.model.finding import Severity
from meshtui.model.ids import ObjectRef
from meshtui.model.workload import MeshMode


def _look(context: Context) -> Iterator[Found]:
    """Evaluated by namespace. Workloads with an ALLOW policy are an info. Gateways and host-network pods are skipped.

    Where fewer workloads are isolated than aren't, policies are for those few, and the others aren't forgotten: an info, too.
    """
    spaces = {policy.meta.namespace for policy in context.snapshot.network_policies.values()}
    isolated: Counter[str] = Counter()
    bare: dict[str, list[tuple[ObjectRef, bool]]] = defaultdict(list)
    for workload, pods in context.workloads:
        if workload.ref.namespace not in spaces or workload.ref.namespace.startswith("kube-"):
            continue
        open_pods = [p for p in pods if not (context.isolated(p, Direction.INGRESS) or closed_by_default(context, p))]
        if not open_pods:
            isolated[workload.ref.namespace] += 1
        elif not open_pods[0].host_network and context.snapshot.mesh_mode(open_pods[0]) is not MeshMode.GATEWAY:
            bare[workload.ref.namespace].append((workload.ref, guarded(context, open_pods[0])))
    for namespace in sorted(isolated.keys() & bare.keys()):
        unguarded = [ref for ref, safe in bare[namespace] if not safe]
        refs = unguarded or [ref for ref, _ in bare[namespace]]
        names = ", ".join(ref.name for ref in refs[:4]) + (" …" if len(refs) > 4 else "")
        why = (
            "no default-deny policy catches them, and nothing in the mesh guards them"
            if unguarded
            else "only the mesh guards them"
        )
        head = f"no NetworkPolicy isolates {names} of {namespace}, as their neighbours are"
        most = isolated[namespace] > 1 and isolated[namespace] >= len(bare[namespace])
        yield Found(tuple(refs), head, why, Severity.WARNING if unguarded and most else None)


RULE = Rule("MT311", "not isolated like its neighbours", Severity.INFO, _look, ("NetworkPolicy", "AuthorizationPolicy"))
