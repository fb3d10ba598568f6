"""Writes the state of the data plane to the cluster: captured pods, and the gateway's port."""

from __future__ import annotations

from meshtui.sandbox.dataplane.selectors import equals_all
from meshtui.sandbox.dataplane.world import CAPTURED, Pod, World
from meshtui.sandbox.ports import ClusterStore, Obj


def mark_captured(store: ClusterStore, pod: Pod) -> None:
    """Set or remove the annotation with which ambient marks a captured pod."""
    found = store.get("pods", pod.namespace, pod.name)
    if found is None or found["metadata"]["uid"] != pod.uid:
        return
    annotations = dict(found["metadata"].get("annotations") or {})
    if annotations.get(CAPTURED, "") == pod.redirection:
        return
    if pod.redirection:
        annotations[CAPTURED] = pod.redirection
    else:
        del annotations[CAPTURED]
    store.update("pods", {**found, "metadata": {**found["metadata"], "annotations": annotations}})


def mark_node_port(store: ClusterStore, world: World, node_port: int) -> None:
    """Set the node port of the gateways' Services to the port that is used on this machine."""
    gateways = [pod for pod in world.pods if pod.gateway]
    for service in store.list("services"):
        spec = service.get("spec") or {}
        wants_one = spec.get("type") in {"NodePort", "LoadBalancer"} and spec.get("selector") and spec.get("ports")
        fronts = [
            pod
            for pod in gateways
            if pod.namespace == service["metadata"]["namespace"] and equals_all(spec.get("selector") or {}, pod.labels)
        ]
        if wants_one and fronts and spec["ports"][0].get("nodePort") != node_port:
            first: Obj = {**spec["ports"][0], "nodePort": node_port}
            store.update("services", {**service, "spec": {**spec, "ports": [first, *spec["ports"][1:]]}})
