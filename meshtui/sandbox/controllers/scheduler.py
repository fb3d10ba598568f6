"""Assigns pods to nodes in turn, respecting nodeName, nodeSelector and cordoned nodes."""

from __future__ import annotations

from meshtui.sandbox.apiserver.events import record
from meshtui.sandbox.apiserver.store import Store, now
from meshtui.sandbox.controllers.common import is_deleting
from meshtui.sandbox.ports import Obj


class Scheduler:
    """Assigns a node to each pod."""

    watches = ("pods", "nodes")

    def __init__(self, store: Store) -> None:
        self._store = store
        self._turn = 0

    def sync(self) -> None:
        """Assign nodes to unscheduled pods."""
        for pod in self._store.list("pods"):
            if not pod["spec"].get("nodeName") and not is_deleting(pod):
                self._place(pod)

    def _place(self, pod: Obj) -> None:
        wanted = pod["spec"].get("nodeSelector") or {}
        nodes = self._store.list("nodes")
        fitting = [node for node in nodes if _fits(node, wanted)]
        if not fitting:
            self._unschedulable(pod, f"0/{len(nodes)} nodes are available: {len(nodes)} node(s) didn't match the pod.")
            return
        node = fitting[self._turn % len(fitting)]["metadata"]["name"]
        self._turn += 1
        metadata = pod["metadata"]
        placed = pod | {
            "spec": pod["spec"] | {"nodeName": node},
            "status": (pod.get("status") or {}) | {"conditions": [_scheduled("True")]},
        }
        self._store.update("pods", placed, "kube-scheduler")
        message = f"Successfully assigned {metadata['namespace']}/{metadata['name']} to {node}"
        record(self._store, placed, "Scheduled", message, "default-scheduler")

    def _unschedulable(self, pod: Obj, message: str) -> None:
        conditions = (pod.get("status") or {}).get("conditions") or []
        if any(c.get("type") == "PodScheduled" and c.get("message") == message for c in conditions):
            return
        said = _scheduled("False") | {"reason": "Unschedulable", "message": message}
        status = (pod.get("status") or {}) | {"conditions": [said]}
        record(self._store, pod, "FailedScheduling", message, "default-scheduler", warning=True)
        self._store.update("pods", pod | {"status": status}, "kube-scheduler")


def _fits(node: Obj, wanted: dict[str, str]) -> bool:
    labels = {"kubernetes.io/hostname": node["metadata"]["name"]} | (node["metadata"].get("labels") or {})
    cordoned = (node.get("spec") or {}).get("unschedulable")
    return not cordoned and all(labels.get(key) == value for key, value in wanted.items())


def _scheduled(status: str) -> Obj:
    return {"type": "PodScheduled", "status": status, "lastProbeTime": None, "lastTransitionTime": now()}
