"""DaemonSets: one pod on every node."""

from __future__ import annotations

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


class DaemonSetController:
    """Keeps a pod on each node that the template's nodeSelector matches, and replaces outdated ones one at a time."""

    watches = ("daemonsets", "pods", "nodes")

    def __init__(self, store: Store) -> None:
        self._store = store

    def sync(self) -> None:
        """Reconcile every DaemonSet."""
        for daemonset in self._store.list("daemonsets"):
            if not is_deleting(daemonset):
                self._sync_one(daemonset)

    def _sync_one(self, daemonset: Obj) -> None:
        template = daemonset["spec"]["template"]
        revision = template_hash(template)
        nodes = self._nodes(template["spec"].get("nodeSelector") or {})
        pods = claim(self._store, "pods", daemonset)
        oldest_first = sorted(pods, key=lambda pod: pod["metadata"]["creationTimestamp"])
        by_node: dict[str, Obj] = {}
        for pod in oldest_first:
            node = pod["spec"].get("nodeName")
            if not is_active(pod) or (node and node not in nodes) or node in by_node:
                delete_pod(self._store, pod)
            elif node:
                by_node[node] = pod
        for node in nodes:
            if node not in by_node:
                pod = pod_from(template, daemonset, labels={REVISION_LABEL: revision})
                pod["spec"]["nodeName"] = node
                self._store.create("pods", pod)
        self._renew(daemonset, revision, by_node, nodes)
        self._status(daemonset, revision, nodes)

    def _renew(self, daemonset: Obj, revision: str, by_node: dict[str, Obj], nodes: list[str]) -> None:
        stale = [pod for pod in by_node.values() if pod["metadata"]["labels"].get(REVISION_LABEL) != revision]
        all_ready = len(by_node) == len(nodes) and all(is_ready(pod) for pod in by_node.values())
        broken = [pod for pod in stale if not is_ready(pod)]
        if daemonset["spec"]["updateStrategy"].get("type") != "OnDelete" and stale and (all_ready or broken):
            delete_pod(self._store, (broken or stale)[0])

    def _nodes(self, wanted: dict[str, str]) -> list[str]:
        found = []
        for node in self._store.list("nodes"):
            name = node["metadata"]["name"]
            labels = {"kubernetes.io/hostname": name} | (node["metadata"].get("labels") or {})
            if all(labels.get(key) == value or key == "kubernetes.io/os" for key, value in wanted.items()):
                found.append(name)
        return found

    def _status(self, daemonset: Obj, revision: str, nodes: list[str]) -> None:
        pods = [pod for pod in claim(self._store, "pods", daemonset) if is_active(pod)]
        ready = sum(1 for pod in pods if is_ready(pod))
        status = {
            "observedGeneration": daemonset["metadata"]["generation"],
            "desiredNumberScheduled": len(nodes),
            "currentNumberScheduled": len(pods),
            "numberMisscheduled": 0,
            "numberReady": ready,
            "numberAvailable": ready,
            "updatedNumberScheduled": sum(1 for pod in pods if pod["metadata"]["labels"].get(REVISION_LABEL) == revision),
        }
        set_status(self._store, "daemonsets", daemonset, status)
