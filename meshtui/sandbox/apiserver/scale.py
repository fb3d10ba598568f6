"""The scale subresource (autoscaling/v1)."""

from __future__ import annotations

from typing import Any

from meshtui.sandbox.apiserver.errors import ApiError
from meshtui.sandbox.apiserver.kinds import Kind
from meshtui.sandbox.ports import Obj


def to_scale(kind: Kind, obj: Obj) -> Obj:
    """A workload as its Scale."""
    if not kind.scale:
        raise ApiError(404, "the server could not find the requested resource")
    metadata = obj["metadata"]
    labels = (obj["spec"].get("selector") or {}).get("matchLabels") or {}
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {field: metadata[field] for field in kept if field in metadata},
        "spec": {"replicas": obj["spec"].get("replicas", 1)},
        "status": {
            "replicas": (obj.get("status") or {}).get("replicas", 0),
            "selector": ",".join(f"{key}={value}" for key, value in labels.items()),
        },
    }


def from_scale(obj: Obj, scale: Any) -> Obj:
    """The workload with the Scale's number of replicas."""
    replicas = (scale.get("spec") or {}).get("replicas", 0) if isinstance(scale, dict) else None
    if not isinstance(replicas, int) or replicas < 0:
        raise ApiError(422, f"spec.replicas: Invalid value: {replicas}: must be greater than or equal to 0")
    revision = (scale.get("metadata") or {}).get("resourceVersion") or obj["metadata"]["resourceVersion"]
    metadata = obj["metadata"] | {"resourceVersion": revision}
    return obj | {"metadata": metadata, "spec": obj["spec"] | {"replicas": replicas}}
