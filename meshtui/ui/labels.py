"""The labels of what a row shows."""

from __future__ import annotations

from collections.abc import Mapping

from meshtui.engine.policy.own import policies_of_network
from meshtui.model.snapshot import Snapshot


def labels_by_uid(snapshot: Snapshot) -> Mapping[str, Mapping[str, str]]:
    """The labels of namespaces, policies and workloads by UID; those of a workload are its first running pod's."""
    found: dict[str, Mapping[str, str]] = {n.meta.uid: n.meta.labels for n in snapshot.namespaces.values()}
    found |= {p.meta.uid: p.meta.labels for p in snapshot.authorization_policies.values()}
    found |= {p.meta.uid: p.meta.labels for p in policies_of_network(snapshot)}
    for workload in snapshot.workloads.values():
        pod = next((pod for pod in workload.pods if not pod.completed), None)
        found[workload.uid] = pod.labels if pod is not None else {}
    return found
