"""Events of controllers and the kubelet, as ``kubectl describe`` shows them."""

from __future__ import annotations

import hashlib

from meshtui.sandbox.apiserver.store import Store, now
from meshtui.sandbox.ports import Obj

KEPT = 2000
"""Maximum number of stored events; the oldest are deleted first."""


def record(store: Store, about: Obj, reason: str, message: str, component: str, *, warning: bool = False) -> None:
    """Store an event about an object. An equal event only increases its count."""
    metadata = about["metadata"]
    namespace = metadata.get("namespace") or "default"
    involved = {
        "kind": about["kind"],
        "apiVersion": about["apiVersion"],
        "name": metadata["name"],
        "namespace": metadata.get("namespace"),
        "uid": metadata["uid"],
        "resourceVersion": metadata["resourceVersion"],
    }
    involved = {field: value for field, value in involved.items() if value}
    found_namespace = store.get("namespaces", None, namespace)
    if found_namespace is None or "deletionTimestamp" in found_namespace["metadata"]:
        return
    digest = hashlib.blake2s(f"{metadata['uid']} {reason} {message} {component}".encode(), digest_size=8).hexdigest()
    name = f"{metadata['name'][:200]}.{digest}"
    old = store.get("events", namespace, name)
    time = now()
    if old is not None:
        store.update("events", old | {"count": old.get("count", 1) + 1, "lastTimestamp": time}, component)
        return
    event = {
        "metadata": {"name": name, "namespace": namespace},
        "involvedObject": involved,
        "reason": reason,
        "message": message,
        "type": "Warning" if warning else "Normal",
        "source": {"component": component},
        "reportingComponent": component,
        "reportingInstance": "",
        "firstTimestamp": time,
        "lastTimestamp": time,
        "count": 1,
    }
    store.create("events", event, component)
    _trim(store)


def _trim(store: Store) -> None:
    if store.count("events") <= KEPT + KEPT // 10:
        return
    oldest = sorted(store.list("events"), key=lambda event: int(event["metadata"]["resourceVersion"]))
    for event in oldest[: len(oldest) - KEPT]:
        store.delete("events", event["metadata"]["namespace"], event["metadata"]["name"])
