"""One end of a flow as the rules see it: a pod with everything that policies read, or an address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from meshtui.engine.matching.addresses import Address, parse_address
from meshtui.model.ids import Principal
from meshtui.model.meta import NO_LABELS
from meshtui.model.snapshot import Snapshot
from meshtui.model.workload import MeshMode, Pod

MESHED = frozenset({MeshMode.AMBIENT, MeshMode.SIDECAR, MeshMode.GATEWAY})
"""Modes in which a pod has an identity in the mesh."""


@dataclass(frozen=True, slots=True, eq=False)
class Endpoint:
    """One end of a flow.

    ``address`` is None for a pod without one (derived from a template). ``selectable`` says whether NetworkPolicies can
    select it: pods that haven't ended. ``node_labels`` are those of the node that this end is, or whose address it uses.
    """

    name: str
    pod: Pod | None = None
    address: Address | None = None
    namespace: str = ""
    namespace_labels: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    mode: MeshMode = MeshMode.NONE
    principal: Principal | None = None
    selectable: bool = False
    node: str = ""
    node_labels: Mapping[str, str] | None = None

    @property
    def in_ambient(self) -> bool:
        """Whether a ztunnel carries its traffic."""
        return self.mode is MeshMode.AMBIENT

    @property
    def sends_hbone(self) -> bool:
        """Whether it reaches ambient pods through HBONE: its ztunnel does it, or, for a gateway, its own proxy."""
        return self.mode in {MeshMode.AMBIENT, MeshMode.GATEWAY}


@dataclass(frozen=True, slots=True)
class Target:
    """One concrete destination: a endpoint and the port on it."""

    endpoint: Endpoint
    port: int


class Endpoints:
    """Makes and keeps the endpoints of one snapshot."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._pods: dict[str, Endpoint] = {}
        self._node_by_name = {node.meta.name: node for node in snapshot.nodes.values()}
        self._node_by_ip = {ip: node for node in snapshot.nodes.values() for ip in node.ips}
        self._host_ips: dict[str, str] = {}
        for pod in snapshot.pods.values():
            for ip in pod.host_ips:
                self._host_ips.setdefault(ip, pod.node)

    def pod(self, pod: Pod) -> Endpoint:
        """The endpoint of a pod."""
        known = self._pods.get(pod.key)
        if known is not None and known.pod is pod:
            return known
        snapshot = self._snapshot
        namespace = snapshot.namespace_by_name.get(pod.namespace)
        mode = snapshot.mesh_mode(pod)
        node = self._node_by_name.get(pod.node)
        addresses = pod.ips or (pod.host_ips if pod.host_network else ())
        endpoint = Endpoint(
            name=pod.key,
            pod=pod,
            address=parse_address(addresses[0]) if addresses else None,
            namespace=pod.namespace,
            namespace_labels=namespace.labels if namespace else NO_LABELS,
            labels=pod.labels,
            mode=mode,
            principal=snapshot.principal_of(pod) if mode in MESHED else None,
            selectable=not pod.completed,
            node=pod.node,
            node_labels=(node.meta.labels if node else NO_LABELS) if pod.host_network else None,
        )
        self._pods[pod.key] = endpoint
        return endpoint

    def ip(self, text: str) -> Endpoint:
        """The endpoint of an address: the pod that has it, the node that has it, or somebody outside."""
        pod = self._snapshot.pod_by_ip.get(text)
        if pod is not None:
            return self.pod(pod)
        node = self._node_by_ip.get(text)
        name = node.meta.name if node else self._host_ips.get(text, "")
        labels = (node.meta.labels if node else NO_LABELS) if name else None
        return Endpoint(name=text, address=parse_address(text), node=name, node_labels=labels)


def is_own_node(source: Endpoint, destination: Endpoint) -> bool:
    """Whether the source is the destination pod's own node, which always reaches it (NetworkPolicy, reference).

    Pods on the host network are judged as pods: the reference leaves it to the CNI whether it can tell them from the node.
    """
    return source.pod is None and bool(source.node) and source.node == destination.node
