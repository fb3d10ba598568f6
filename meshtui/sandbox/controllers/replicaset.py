"""ReplicaSets: a fixed number of pods."""

from __future__ import annotations

from meshtui.sandbox.apiserver.events import record
from meshtui.sandbox.apiserver.store import Store
from meshtui.sandbox.controllers.common import (
    claim,
    delete_pod,
    deletion_order,
    is_active,
    is_deleting,
    is_ready,
    pod_from,
    set_status,
)
from meshtui.sandbox.ports import Obj


class ReplicaSetController:
    """Creates and deletes the pods of ReplicaSets, and adopts orphans that match."""

    watches = ("replicasets", "pods")

    def __init__(self, store: Store) -> None:
        self._store = store

    def sync(self) -> None:
        """Reconcile every ReplicaSet."""
        for replicaset in self._store.list("replicasets"):
            if not is_deleting(replicaset):
                self._sync_one(replicaset)

    def _sync_one(self, replicaset: Obj) -> None:
        wanted = replicaset["spec"].get("replicas", 1)
        pods = [pod for pod in claim(self._store, "pods", replicaset) if is_active(pod)]
        for _ in range(wanted - len(pods)):
            made = self._store.create("pods", pod_from(replicaset["spec"]["template"], replicaset))
            self._say(replicaset, "SuccessfulCreate", f"Created pod: {made['metadata']['name']}")
        for pod in sorted(pods, key=deletion_order)[: max(len(pods) - wanted, 0)]:
            delete_pod(self._store, pod)
            self._say(replicaset, "SuccessfulDelete", f"Deleted pod: {pod['metadata']['name']}")
        self._status(replicaset, wanted)

    def _say(self, replicaset: Obj, reason: str, message: str) -> None:
        record(self._store, replicaset, reason, message, "replicaset-controller")

    def _status(self, replicaset: Obj, wanted: int) -> None:
        pods = [pod for pod in claim(self._store, "pods", replicaset) if is_active(pod)]
        ready = sum(1 for pod in pods if is_ready(pod))
        status = {
            "replicas": len(pods),
            "fullyLabeledReplicas": len(pods),
            "readyReplicas": ready,
            "availableReplicas": ready,
            "observedGeneration": replicaset["metadata"]["generation"],
        }
        if wanted == 0 and not pods:
            status = {"replicas": 0, "observedGeneration": replicaset["metadata"]["generation"]}
        set_status(self._store, "replicasets", replicaset, status)
