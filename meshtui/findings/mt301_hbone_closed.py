"""MT301: a NetworkPolicy opens application ports, but not the port that the mesh really uses."""

from __future__ import annotations

from collections.abc import Iterator

from meshtui.engine.ambient import HBONE_PORT
from meshtui.engine.networkpolicy import Direction, allows_port, applies, rules
from meshtui.engine.selectors import matches
from meshtui.findings.base import Rule
from meshtui.model.finding import Severity
from meshtui.model.ids import ObjectRef
from meshtui.model.policy import NetworkPolicy
from meshtui.model.snapshot import Snapshot
from meshtui.model.workload import MeshMode


def _look(snapshot: Snapshot) -> Iterator[tuple[tuple[ObjectRef, ...], str, str]]:
    """Policies of ambient pods with TCP rules none of which lets 15008 through, unless another policy of the pod does."""
    for policy in snapshot.network_policies.values():
        for direction in Direction:
            if _closes(snapshot, policy, direction):
                yield (
                    (policy.meta.ref,),
                    f"{policy.meta.ref} opens ports for {direction.value}, but not HBONE ({HBONE_PORT})",
                    "between ambient pods every connection runs through that port: those it means to allow time out",
                )


def _closes(snapshot: Snapshot, policy: NetworkPolicy, direction: Direction) -> bool:
    tcp = [r for r in rules(policy, direction) if any(p.protocol == "TCP" and p.port != 53 for p in r.ports)]
    if not applies(policy, direction) or not tcp:
        return False
    pods = [
        pod
        for pod in snapshot.pods_by_namespace.get(policy.meta.namespace, ())
        if not pod.completed and snapshot.mesh_mode(pod) is MeshMode.AMBIENT and matches(policy.pod_selector, pod.labels)
    ]
    if not pods:
        return False
    same = [p for p in snapshot.network_policies.values() if p.meta.namespace == policy.meta.namespace and applies(p, direction)]
    return any(
        not any(
            allows_port(rule, HBONE_PORT, "TCP", pod)
            for other in same
            if matches(other.pod_selector, pod.labels)
            for rule in rules(other, direction)
        )
        for pod in pods
    )


RULE = Rule("MT301", "HBONE closed", Severity.ERROR, _look)
