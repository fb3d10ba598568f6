"""Deployments: one ReplicaSet per template, with rolling updates."""

from __future__ import annotations

import math
from typing import Any

from meshtui.sandbox.apiserver.events import record
from meshtui.sandbox.apiserver.store import Store
from meshtui.sandbox.controllers.common import (
    HASH_LABEL,
    claim,
    condition,
    controller_of,
    is_deleting,
    owner_reference,
    set_status,
    template_hash,
)
from meshtui.sandbox.ports import Obj

REVISION = "deployment.kubernetes.io/revision"


class DeploymentController:
    """Rolls Deployments."""

    watches = ("deployments", "replicasets", "pods")

    def __init__(self, store: Store) -> None:
        self._store = store

    def sync(self) -> None:
        """Reconcile every Deployment."""
        for deployment in self._store.list("deployments"):
            if not is_deleting(deployment):
                self._sync_one(deployment)

    def _sync_one(self, deployment: Obj) -> None:
        sets = claim(self._store, "replicasets", deployment)
        new = next((s for s in sets if _template_of(s) == deployment["spec"]["template"]), None)
        if not deployment["spec"].get("paused"):
            new = self._newest(deployment, new, sets)
            old = [s for s in sets if s["metadata"]["uid"] != new["metadata"]["uid"]]
            if deployment["spec"]["strategy"].get("type") == "Recreate":
                self._recreate(deployment, new, old)
            else:
                self._roll(deployment, new, old)
        self._status(deployment, new)
        self._forget_old(deployment)

    def _newest(self, deployment: Obj, found: Obj | None, sets: list[Obj]) -> Obj:
        """The ReplicaSet of the current template, created or given the highest revision."""
        others = [s for s in sets if found is None or s["metadata"]["uid"] != found["metadata"]["uid"]]
        highest = max((_revision(s) for s in others), default=0)
        if found is None:
            found = self._create_set(deployment, highest + 1)
        elif _revision(found) <= highest:
            found = self._annotate("replicasets", found, str(highest + 1))
        current = self._store.get("deployments", deployment["metadata"]["namespace"], deployment["metadata"]["name"])
        if current is not None:
            self._annotate("deployments", current, str(_revision(found)))
        return found

    def _annotate(self, plural: str, obj: Obj, revision: str) -> Obj:
        annotations = (obj["metadata"].get("annotations") or {}) | {REVISION: revision}
        return self._store.update(plural, obj | {"metadata": obj["metadata"] | {"annotations": annotations}})

    def _create_set(self, deployment: Obj, revision: int) -> Obj:
        template = deployment["spec"]["template"]
        digest = template_hash(template)
        label = {HASH_LABEL: digest}
        labels = (template["metadata"].get("labels") or {}) | label
        selector = deployment["spec"]["selector"]
        selector = selector | {"matchLabels": (selector.get("matchLabels") or {}) | label}
        name = deployment["metadata"]["name"]
        return self._store.create(
            "replicasets",
            {
                "metadata": {
                    "name": f"{name}-{digest}",
                    "namespace": deployment["metadata"]["namespace"],
                    "labels": labels,
                    "annotations": {REVISION: str(revision)},
                    "ownerReferences": [owner_reference(deployment)],
                },
                "spec": {
                    "replicas": 0,
                    "selector": selector,
                    "template": template | {"metadata": template["metadata"] | {"labels": labels}},
                },
            },
        )

    def _recreate(self, deployment: Obj, new: Obj, old: list[Obj]) -> None:
        for each in old:
            self._scale(deployment, each, 0)
        gone = {each["metadata"]["uid"] for each in old}
        pods = self._store.list("pods", deployment["metadata"]["namespace"])
        if not any(controller_of(pod) in gone for pod in pods):
            self._scale(deployment, new, deployment["spec"]["replicas"])

    def _roll(self, deployment: Obj, new: Obj, old: list[Obj]) -> None:
        wanted = deployment["spec"]["replicas"]
        rolling = deployment["spec"]["strategy"].get("rollingUpdate") or {}
        surge = _share(rolling.get("maxSurge", "25%"), wanted, math.ceil)
        unavailable = _share(rolling.get("maxUnavailable", "25%"), wanted, math.floor)
        if surge == unavailable == 0:
            unavailable = 1
        total = _replicas(new) + sum(_replicas(each) for each in old)
        if _replicas(new) > wanted:
            self._scale(deployment, new, wanted)
        elif (room := min(wanted - _replicas(new), wanted + surge - total)) > 0:
            new = self._scale(deployment, new, _replicas(new) + room)
        self._shrink(deployment, new, old, wanted - unavailable)

    def _shrink(self, deployment: Obj, new: Obj, old: list[Obj], least: int) -> None:
        """Scale old ReplicaSets down while ``least`` available pods remain; pods that aren't available are deleted first."""
        total = _replicas(new) + sum(_replicas(each) for each in old)
        spare = total - least - (_replicas(new) - _available(new))
        for each in sorted(old, key=_revision):
            broken = min(_replicas(each) - min(_available(each), _replicas(each)), max(spare, 0))
            healthy_spare = max(spare - broken, 0)
            going = broken + min(_replicas(each) - broken, healthy_spare)
            if going > 0:
                self._scale(deployment, each, _replicas(each) - going)
                spare -= going

    def _scale(self, deployment: Obj, replicaset: Obj, replicas: int) -> Obj:
        was = _replicas(replicaset)
        if was == replicas:
            return replicaset
        name = replicaset["metadata"]["name"]
        direction = "up" if replicas > was else "down"
        message = f"Scaled {direction} replica set {name} from {was} to {replicas}"
        record(self._store, deployment, "ScalingReplicaSet", message, "deployment-controller")
        current = self._store.require("replicasets", replicaset["metadata"]["namespace"], name)
        return self._store.update("replicasets", current | {"spec": current["spec"] | {"replicas": replicas}})

    def _status(self, deployment: Obj, new: Obj | None) -> None:
        sets = claim(self._store, "replicasets", deployment)
        wanted = deployment["spec"]["replicas"]
        uid = new["metadata"]["uid"] if new else None
        updated = next((s for s in sets if s["metadata"]["uid"] == uid), None)
        counts = {
            "replicas": sum(_count(s, "replicas") for s in sets),
            "updatedReplicas": _count(updated, "replicas") if updated else 0,
            "readyReplicas": sum(_count(s, "readyReplicas") for s in sets),
            "availableReplicas": sum(_count(s, "availableReplicas") for s in sets),
        }
        done = counts["updatedReplicas"] == counts["replicas"] == counts["availableReplicas"] == wanted
        name = updated["metadata"]["name"] if updated else ""
        progress = (
            ("NewReplicaSetAvailable", f'ReplicaSet "{name}" has successfully progressed.')
            if done
            else ("ReplicaSetUpdated", f'ReplicaSet "{name}" is progressing.')
        )
        enough = counts["availableReplicas"] >= wanted
        available = (
            ("MinimumReplicasAvailable", "Deployment has minimum availability.")
            if enough
            else ("MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
        )
        status: dict[str, Any] = {"observedGeneration": deployment["metadata"]["generation"]}
        status |= {field: count for field, count in counts.items() if count}
        missing = max(wanted - counts["availableReplicas"], 0)
        status |= {"unavailableReplicas": missing} if missing else {}
        status["conditions"] = [
            condition(deployment, "Available", enough, *available),
            condition(deployment, "Progressing", True, *progress),
        ]
        set_status(self._store, "deployments", deployment, status)

    def _forget_old(self, deployment: Obj) -> None:
        empty = [
            s
            for s in claim(self._store, "replicasets", deployment)
            if _replicas(s) == 0 and _count(s, "replicas") == 0 and _template_of(s) != deployment["spec"]["template"]
        ]
        surplus = len(empty) - deployment["spec"].get("revisionHistoryLimit", 10)
        for each in sorted(empty, key=_revision)[: max(surplus, 0)]:
            self._store.delete("replicasets", each["metadata"]["namespace"], each["metadata"]["name"])


def _template_of(replicaset: Obj) -> Obj:
    """The Deployment's template from which a ReplicaSet was made."""
    template: Obj = replicaset["spec"]["template"]
    labels = {key: value for key, value in template["metadata"].get("labels", {}).items() if key != HASH_LABEL}
    return template | {"metadata": template["metadata"] | {"labels": labels}}


def _revision(obj: Obj) -> int:
    return int((obj["metadata"].get("annotations") or {}).get(REVISION, 0))


def _replicas(replicaset: Obj) -> int:
    return int(replicaset["spec"].get("replicas", 0))


def _available(replicaset: Obj) -> int:
    return _count(replicaset, "availableReplicas")


def _count(replicaset: Obj, field: str) -> int:
    return int((replicaset.get("status") or {}).get(field, 0))


def _share(value: Any, of: int, rounded: Any) -> int:
    """A number of pods, from a number or a percentage."""
    return int(rounded(int(value[:-1]) * of / 100)) if isinstance(value, str) and value.endswith("%") else int(value)
