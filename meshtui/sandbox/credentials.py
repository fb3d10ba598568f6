"""Passwords of the sandbox's databases: generated at each start, and stored in the Secrets that the manifests name."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterable, Iterator

from meshtui.sandbox.ports import Obj

_BYTES = 24


def missing_secrets(objects: Iterable[Obj]) -> list[Obj]:
    """Secrets with random values for every key that a workload among ``objects`` refers to and that doesn't exist."""
    objects = list(objects)
    there = {(obj["metadata"].get("namespace", ""), obj["metadata"]["name"]) for obj in objects if obj["kind"] == "Secret"}
    wanted: dict[tuple[str, str], dict[str, str]] = {}
    for obj in objects:
        namespace = obj["metadata"].get("namespace", "")
        for name, key in _references(obj):
            if (namespace, name) not in there:
                wanted.setdefault((namespace, name), {}).setdefault(key, _random())
    return [
        {"apiVersion": "v1", "kind": "Secret", "type": "Opaque", "metadata": {"name": name, "namespace": namespace}, "data": data}
        for (namespace, name), data in wanted.items()
    ]


def _references(obj: Obj) -> Iterator[tuple[str, str]]:
    pods = ((obj.get("spec") or {}).get("template") or {}).get("spec") or {}
    for container in pods.get("containers") or []:
        for variable in container.get("env") or []:
            reference = (variable.get("valueFrom") or {}).get("secretKeyRef")
            if reference:
                yield str(reference["name"]), str(reference["key"])


def _random() -> str:
    return base64.b64encode(secrets.token_urlsafe(_BYTES).encode()).decode()
