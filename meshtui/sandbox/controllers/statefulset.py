"""StatefulSets: numbered pods, created one after the other."""

from __future__ import annotations

from meshtui.sandbox.apiserver.events import record
from meshtui.sandbox.apiserver.store import Store
from meshtui.sandbox.controllers.common import (
    REVISION_LABEL,
    claim,
    delete_pod,
    is_active,
    is_deleting,
    is_ready,
    pod_from,
    set_status,
    template_hash,
)
from meshtui.sandbox.ports import Obj


class StatefulSetController:
    """Keeps pods NAME-0 … NAME-(n-1), in order, and replaces outdated ones from the last one down."""

    watches = ("statefulsets", "pods")

    def __init__(self, store: Store) -> None:
        self._store = store

    def sync(self) -> None:
        """Reconcile every StatefulSet."""
        for statefulset in self._store.list("statefulsets"):
            if not is_deleting(statefulset):
                self._sync_one(statefulset)

    def _sync_one(self, statefulset: Obj) -> None:
        revision = f"{statefulset['metadata']['name']}-{template_hash(statefulset['spec']['template'])}"
        pods = {_ordinal(statefulset, pod): pod for pod in self._claim(statefulset)}
        self._step(statefulset, revision, pods)
        self._status(statefulset, revision)

    def _claim(self, statefulset: Obj) -> list[Obj]:
        """The pods of the set. A matching orphan is adopted only if its name is one of the set's."""
        return claim(self._store, "pods", statefulset, only=lambda pod: _ordinal(statefulset, pod) >= 0)

    def _step(self, statefulset: Obj, revision: str, pods: dict[int, Obj]) -> None:
        """Make one change at most, and none while a pod is being deleted or (unless Parallel) isn't ready."""
        wanted = statefulset["spec"]["replicas"]
        parallel = statefulset["spec"].get("podManagementPolicy") == "Parallel"
        for ordinal in range(wanted):
            pod = pods.get(ordinal)
            if pod is None:
                self._create(statefulset, ordinal, revision)
            elif not is_active(pod):
                delete_pod(self._store, pod)
            elif pod["metadata"]["labels"].get(REVISION_LABEL) != revision and not is_ready(pod):
                delete_pod(self._store, pod)  # a broken pod of an old revision must not block the update that repairs it
            elif is_ready(pod):
                continue
            if not parallel:
                return
        surplus = [pods[ordinal] for ordinal in sorted(pods, reverse=True) if ordinal >= wanted]
        stale = [
            pods[ordinal]
            for ordinal in sorted(pods, reverse=True)
            if ordinal < wanted and pods[ordinal]["metadata"]["labels"].get(REVISION_LABEL) != revision
        ]
        if surplus:
            delete_pod(self._store, surplus[0])
        elif stale and statefulset["spec"]["updateStrategy"].get("type") != "OnDelete":
            delete_pod(self._store, stale[0])

    def _create(self, statefulset: Obj, ordinal: int, revision: str) -> None:
        name = f"{statefulset['metadata']['name']}-{ordinal}"
        if self._store.get("pods", statefulset["metadata"]["namespace"], name) is not None:
            return
        labels = {
            REVISION_LABEL: revision,
            "statefulset.kubernetes.io/pod-name": name,
            "apps.kubernetes.io/pod-index": str(ordinal),
        }
        pod = pod_from(statefulset["spec"]["template"], statefulset, name=name, labels=labels)
        pod["spec"] |= {"hostname": name, "subdomain": statefulset["spec"].get("serviceName", "")}
        self._store.create("pods", pod)
        message = f"create Pod {name} in StatefulSet {statefulset['metadata']['name']} successful"
        record(self._store, statefulset, "SuccessfulCreate", message, "statefulset-controller")

    def _status(self, statefulset: Obj, revision: str) -> None:
        pods = [pod for pod in self._claim(statefulset) if is_active(pod)]
        ready = sum(1 for pod in pods if is_ready(pod))
        updated = sum(1 for pod in pods if pod["metadata"]["labels"].get(REVISION_LABEL) == revision)
        old = statefulset.get("status") or {}
        done = updated == len(pods) == ready
        status = {
            "observedGeneration": statefulset["metadata"]["generation"],
            "replicas": len(pods),
            "readyReplicas": ready,
            "availableReplicas": ready,
            "currentReplicas": len(pods) if done else len(pods) - updated,
            "updatedReplicas": updated,
            "currentRevision": revision if done else old.get("currentRevision", revision),
            "updateRevision": revision,
            "collisionCount": 0,
        }
        set_status(self._store, "statefulsets", statefulset, status)


def _ordinal(statefulset: Obj, pod: Obj) -> int:
    name, _, number = pod["metadata"]["name"].rpartition("-")
    return int(number) if name == statefulset["metadata"]["name"] and number.isdigit() else -1
