"""One end of a flow as rules match it: a pod with every property that policies read, or an address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from meshtui.engine.matching.addresses import (
    EVERY_IPV4,
    Address,
    Among,
    Network,
    holds_a_host,
    holds_a_pod,
    parse_address,
    parse_network,
)
from meshtui.engine.matching.selectors import matches_as_far_as_known
from meshtui.model.address import canonical
from meshtui.model.cni import REFERENCE_CNI, HostPods
from meshtui.model.constants import MESHED, SENDS_HBONE
from meshtui.model.ids import Principal
from meshtui.model.membership import Membership
from meshtui.model.meta import NO_LABELS
from meshtui.model.selectors import LabelSelector
from meshtui.model.snapshot import GATEWAY_LABELS, Snapshot
from meshtui.model.workload import MeshMode, Pod


@dataclass(frozen=True, slots=True, eq=False)
class Endpoint:
    """One end of a flow.

    ``address`` is None for a pod without one (derived from a template). ``selectable`` is whether NetworkPolicies can select the
    endpoint: only pods that haven't ended are selectable. ``node_labels`` are the labels of the node if this endpoint is a node
    or uses a node's address.
    """

    name: str
    pod: Pod | None = None
    address: Address | None = None
    namespace: str = ""
    namespace_labels: Mapping[str, str] = field(default_factory=dict)
    namespace_known: bool = True
    """Whether all labels of the namespace are known (``Namespace.known``)."""
    labels: Mapping[str, str] = field(default_factory=dict)
    mode: MeshMode = MeshMode.NONE
    principal: Principal | None = None
    selectable: bool = False
    node: str = ""
    node_labels: Mapping[str, str] | None = None
    in_blocks: bool | None = True
    """Whether an ipBlock of a NetworkPolicy matches the endpoint by its address; None: CNIs differ, and the CNI isn't known."""
    host_pods: HostPods = HostPods.POD
    """For a pod on the host network, how the CNI sees it."""
    among: Among = ()
    """For a pod without an address: the networks from which it will get one, if they are known.

    For a host with an unknown address: all addresses of the cluster's families, if those are known.
    """
    addresses: tuple[Address, ...] = ()
    """All addresses of a pod with several, one for each family: clients may use any. ``address`` is the first."""
    membership: Membership | None = None
    """The modes that a pod may have, if its labels leave it open; ``mode`` is the first."""
    identity: Principal | None = None
    """The principal of such a pod, if it is in the mesh."""
    unresolved: bool = False
    """Whether this is a host outside the cluster, by name, whose address isn't known."""

    def in_network(self, network: Network | None) -> bool | None:
        """Whether the endpoint's address is in a network; None for a pod with an unknown address that may be in it."""
        if network is None:
            return False
        if self.unresolved:
            return holds_a_host(network, self.among)
        if self.address is None and self.pod is None:
            return False
        return self.address in network if self.address is not None else holds_a_pod(network, self.among)

    def in_namespaces(self, selector: LabelSelector) -> bool | None:
        """Whether a selector matches the labels of the endpoint's namespace; None if it depends on labels that aren't known."""
        return matches_as_far_as_known(selector, self.namespace_labels, known=self.namespace_known)

    def possible(self) -> tuple[Endpoint, ...]:
        """The endpoint in every mode that it may have."""
        if self.membership is None:
            return (self,)
        return tuple(
            replace(self, mode=mode, principal=self.identity if mode in MESHED else None, membership=None)
            for mode in self.membership.modes
        )

    @property
    def in_ambient(self) -> bool:
        """Whether a ztunnel carries the endpoint's traffic."""
        return self.mode is MeshMode.AMBIENT

    @property
    def sends_hbone(self) -> bool:
        """Whether the endpoint reaches ambient pods through HBONE, sent by its ztunnel or, for a gateway, by its own proxy."""
        return self.mode in SENDS_HBONE and not self.is_configured_proxy

    @property
    def is_configured_proxy(self) -> bool:
        """Whether the mesh's configuration determines how its proxy reaches ambient pods.

        This holds for sidecars, and for gateways that weren't deployed for a Gateway of the Gateway API.
        """
        if self.mode is MeshMode.GATEWAY:
            return self.pod is not None and not self.labels.keys() & GATEWAY_LABELS
        return self.mode is MeshMode.SIDECAR


@dataclass(frozen=True, slots=True)
class Target:
    """One concrete destination: an endpoint and a port of it."""

    endpoint: Endpoint
    port: int


class Endpoints:
    """Creates and caches the endpoints of one snapshot."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._pods: dict[str, Endpoint] = {}
        self._node_by_name = {node.meta.name: node for node in snapshot.nodes.values()}
        self._node_by_ip = {ip: node for node in snapshot.nodes.values() for ip in node.ips}
        said = snapshot.pod_cidrs or [text for node in snapshot.nodes.values() for text in node.pod_cidrs]
        literally = snapshot.cni.name == REFERENCE_CNI.name and not snapshot.pod_cidrs
        self._pod_networks: Among = None if literally else tuple(n for n in map(parse_network, said) if n is not None)
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
        membership = snapshot.open_membership_of(pod)
        node = self._node_by_name.get(pod.node)
        addresses = pod.ips or (pod.host_ips if pod.host_network else ())
        endpoint = Endpoint(
            name=pod.key,
            pod=pod,
            address=parse_address(addresses[0]) if addresses else None,
            addresses=tuple(parsed for parsed in map(parse_address, addresses) if parsed) if len(addresses) > 1 else (),
            namespace=pod.namespace,
            namespace_labels=namespace.labels if namespace else NO_LABELS,
            namespace_known=namespace is None or namespace.known,
            labels=pod.labels,
            mode=mode,
            principal=snapshot.principal_of(pod) if mode in MESHED else None,
            selectable=not pod.completed,
            node=pod.node,
            node_labels=(node.meta.labels if node else NO_LABELS) if pod.host_network else None,
            in_blocks=self._in_blocks(pod),
            host_pods=snapshot.cni.host_pods if pod.host_network else HostPods.POD,
            among=() if addresses else self._pod_networks,
            membership=membership,
            identity=snapshot.principal_of(pod) if membership else None,
        )
        self._pods[pod.key] = endpoint
        return endpoint

    def ip(self, text: str) -> Endpoint:
        """The endpoint of an address: the pod or the node that has the address, or an address outside the cluster."""
        text = canonical(text)
        pod = self._snapshot.pod_by_ip.get(text)
        if pod is not None:
            endpoint = self.pod(pod)
            return endpoint if len(endpoint.addresses) < 2 else replace(endpoint, addresses=(), address=parse_address(text))
        node, name = self._node_by_ip.get(text), self.node_at(text)
        labels = (node.meta.labels if node else NO_LABELS) if name else None
        in_blocks = self._snapshot.cni.blocks_match_nodes if name else True
        return Endpoint(name=text, address=parse_address(text), node=name, node_labels=labels, in_blocks=in_blocks)

    def node_at(self, address: str) -> str:
        """The name of the node that has an address, as a node's own or as a pod's hostIP; empty if there is none."""
        node = self._node_by_ip.get(address)
        return node.meta.name if node else self._host_ips.get(address, "")

    def host(self, name: str) -> Endpoint:
        """The endpoint of a host outside the cluster, by name: its address isn't known."""
        return Endpoint(name=name, among=self._families, unresolved=True)

    @cached_property
    def _families(self) -> Among:
        """All IPv4 addresses, unless an IPv6 address is seen: then a host may be reached by either, and nothing is certain."""
        snapshot = self._snapshot
        seen = (
            *(ip for pod in snapshot.pods.values() for ip in pod.ips),
            *(ip for service in snapshot.services.values() for ip in service.cluster_ips),
            *(text for node in snapshot.nodes.values() for text in (*node.ips, *node.pod_cidrs)),
        )
        return () if any(":" in text for text in seen) else (EVERY_IPV4,)

    def _in_blocks(self, pod: Pod) -> bool | None:
        cni = self._snapshot.cni
        if not pod.host_network or cni.host_pods is HostPods.POD:
            return cni.blocks_match_pods
        if cni.host_pods is HostPods.NODE or cni.blocks_match_pods is cni.blocks_match_nodes:
            return cni.blocks_match_nodes
        return None


def is_own_node(source: Endpoint, destination: Endpoint) -> bool:
    """Whether the source is the destination pod's own node, whose traffic is always allowed (NetworkPolicy, reference).

    So is a pod on the host network of that node, if the CNI doesn't distinguish it from the node.
    """
    as_node = source.pod is None or source.host_pods is HostPods.NODE
    return as_node and bool(source.node) and source.node == destination.node
