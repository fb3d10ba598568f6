"""Deletes the content of a namespace."""

from __future__ import annotations

from meshtui.sandbox.apiserver.kinds import KINDS
from meshtui.sandbox.apiserver.store import Store

_OWNERS_FIRST = ("cronjobs", "deployments", "statefulsets", "daemonsets", "jobs", "replicasets", "pods")


def purge(store: Store, namespace: str) -> bool:
    """Delete everything in a namespace, owners before dependents. Returns True when it is empty."""
    others = tuple(kind.plural for kind in KINDS if kind.namespaced and kind.plural not in _OWNERS_FIRST)
    for plural in _OWNERS_FIRST + others:
        for obj in store.list(plural, namespace):
            grace = obj["spec"].get("terminationGracePeriodSeconds", 30) if plural == "pods" else None
            if store.get(plural, namespace, obj["metadata"]["name"]) is not None:
                store.begin_delete(plural, namespace, obj["metadata"]["name"], grace, orphan=False)
    return not any(next(iter(store.entries(plural, namespace)), None) for plural in _OWNERS_FIRST + others)
