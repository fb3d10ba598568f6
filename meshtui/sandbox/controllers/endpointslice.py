"""EndpointSlices: the pods of a Service, with their ports and conditions."""

from __future__ import annotations

import hashlib
from typing import Any

from meshtui.sandbox.apiserver.store import Store
from meshtui.sandbox.controllers.common import is_deleting, is_ready, owner_reference
from meshtui.sandbox.ports import Obj

SERVICE_LABEL = "kubernetes.io/service-name"
_MANAGED_BY = {"endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io"}

_Ports = tuple[tuple[str, int, str], ...]


class EndpointSliceController:
    """Keeps one slice for each Service and set of resolved ports."""

    watches = ("services", "pods", "endpointslices")

    def __init__(self, store: Store) -> None:
        self._store = store

    def sync(self) -> None:
        """Reconcile the slices of every Service with a selector."""
        wanted: set[tuple[str, str]] = set()
        for service in self._store.list("services"):
            selector = (service.get("spec") or {}).get("selector")
            if selector and service["spec"].get("type") != "ExternalName" and not is_deleting(service):
                wanted |= self._sync_one(service, selector)
        for found in self._store.list("endpointslices"):
            metadata = found["metadata"]
            managed = _MANAGED_BY.items() <= (metadata.get("labels") or {}).items()
            if managed and (metadata["namespace"], metadata["name"]) not in wanted:
                self._store.delete("endpointslices", metadata["namespace"], metadata["name"])

    def _sync_one(self, service: Obj, selector: dict[str, str]) -> set[tuple[str, str]]:
        groups: dict[_Ports, list[Obj]] = {}
        for pod in self._store.list("pods", service["metadata"]["namespace"]):
            labels = pod["metadata"].get("labels") or {}
            status = pod.get("status") or {}
            if not selector.items() <= labels.items() or not status.get("podIP"):
                continue
            if status.get("phase") not in ("Succeeded", "Failed"):
                groups.setdefault(_resolve(service, pod), []).append(pod)
        keys = set()
        for ports, pods in (groups or {_declared(service): []}).items():
            obj = _slice(service, ports, pods)
            keys.add((obj["metadata"]["namespace"], obj["metadata"]["name"]))
            self._write(obj)
        return keys

    def _write(self, wanted: Obj) -> None:
        metadata = wanted["metadata"]
        old = self._store.get("endpointslices", metadata["namespace"], metadata["name"])
        if old is None:
            self._store.create("endpointslices", wanted)
        else:
            merged = old["metadata"] | {"labels": metadata["labels"], "ownerReferences": metadata["ownerReferences"]}
            self._store.update("endpointslices", old | wanted | {"metadata": merged})


def _slice(service: Obj, ports: _Ports, pods: list[Obj]) -> Obj:
    metadata = service["metadata"]
    digest = hashlib.blake2s(f"{metadata['uid']} {ports}".encode(), digest_size=3).hexdigest()[:5]
    labels = (metadata.get("labels") or {}) | {SERVICE_LABEL: metadata["name"]} | _MANAGED_BY
    if service["spec"].get("clusterIP") == "None":
        labels["service.kubernetes.io/headless"] = ""
    return {
        "metadata": {
            "name": f"{metadata['name']}-{digest}",
            "namespace": metadata["namespace"],
            "labels": labels,
            "ownerReferences": [owner_reference(service)],
        },
        "addressType": "IPv4",
        "ports": [{"name": name, "port": port, "protocol": protocol} for name, port, protocol in ports],
        "endpoints": [_endpoint(service, pod) for pod in pods],
    }


def _endpoint(service: Obj, pod: Obj) -> Obj:
    metadata, serving, terminating = pod["metadata"], is_ready(pod), is_deleting(pod)
    ready = bool(service["spec"].get("publishNotReadyAddresses")) or (serving and not terminating)
    endpoint: Obj = {
        "addresses": [pod["status"]["podIP"]],
        "conditions": {"ready": ready, "serving": serving, "terminating": terminating},
        "nodeName": pod["spec"].get("nodeName"),
        "targetRef": {
            "kind": "Pod",
            "namespace": metadata["namespace"],
            "name": metadata["name"],
            "uid": metadata["uid"],
        },
    }
    if pod["spec"].get("hostname") and pod["spec"].get("subdomain") == service["metadata"]["name"]:
        endpoint["hostname"] = pod["spec"]["hostname"]
    return endpoint


def _resolve(service: Obj, pod: Obj) -> _Ports:
    """The Service's ports as port numbers of this pod. Names that no container has are left out."""
    found = []
    for port in service["spec"].get("ports") or []:
        target, protocol = port.get("targetPort", port["port"]), port.get("protocol", "TCP")
        number = _named(pod, target, protocol) if isinstance(target, str) else target
        if number is not None:
            found.append((port.get("name", ""), int(number), protocol))
    return tuple(found)


def _named(pod: Obj, name: str, protocol: str) -> Any:
    if name.isdigit():
        return int(name)
    for container in pod["spec"].get("containers") or []:
        for port in container.get("ports") or []:
            if port.get("name") == name and port.get("protocol", "TCP") == protocol:
                return port["containerPort"]
    return None


def _declared(service: Obj) -> _Ports:
    """The ports of a Service without pods, if they are numbers."""
    ports = service["spec"].get("ports") or []
    return tuple(
        (p.get("name", ""), int(p["targetPort"]), p.get("protocol", "TCP")) for p in ports if isinstance(p.get("targetPort"), int)
    )
