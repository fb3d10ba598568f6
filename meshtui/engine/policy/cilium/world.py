"""What Cilium knows of a cluster: the labels of pods, nodes and addresses outside, Services, groups of CIDRs, named ports.

Sources: cilium/cilium pkg/k8s/utils (SanitizePodLabels: labels of pods), pkg/ipcache/metadata.go (nodes, addresses outside and
the API server), pkg/policy/k8s/service.go (toServices).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from enum import Enum
from functools import cached_property, partial

from meshtui.engine.endpoints import Endpoint
from meshtui.engine.matching.addresses import Network, networks_of
from meshtui.engine.policy.cilium.labels import (
    ACCOUNT,
    ANY,
    CLUSTER,
    GROUP,
    KUBERNETES,
    NAMESPACE,
    NONE,
    OF_NAMESPACE,
    PERHAPS,
    RESERVED,
    Possible,
    counts,
    counts_in_some_releases,
    selector_of,
)
from meshtui.engine.policy.tiers import Bits, Classes
from meshtui.model.cilium import CiliumService
from meshtui.model.cni import HostPods
from meshtui.model.meta import METADATA_NAME
from meshtui.model.snapshot import Snapshot
from meshtui.model.workload import Service

_OWN = "io.cilium.k8s"
"""The prefix of labels that Cilium makes itself: a pod can't bring them."""
_CONFIG = "cilium-config"
_ASSUMED: Mapping[str, frozenset[str]] = {
    "allow-localhost": frozenset({"", "auto", "always"}),
    "enable-cilium-clusterwide-network-policy": frozenset({"", "true"}),
    "enable-cilium-network-policy": frozenset({"", "true"}),
    "enable-extended-ip-protocols": frozenset({"", "false"}),
    "enable-icmp-rules": frozenset({"", "true"}),
    "enable-l7-proxy": frozenset({"", "true"}),
    "enable-node-selector-labels": frozenset({"", "false"}),
    "enable-non-default-deny-policies": frozenset({"", "true"}),
    "label-prefix-file": frozenset({""}),
    "labels": frozenset({""}),
}
"""The settings (cilium/cilium pkg/option/config.go) for which policies are evaluated, each with its values."""


class Sort(Enum):
    """What an end is for Cilium."""

    POD = "a pod with labels"
    NODE = "a node, or a pod on its network"
    OUTSIDE = "an address outside the cluster"
    GONE = "a pod that has ended"


def sort_of(end: Endpoint) -> Sort:
    """What an end is."""
    if end.pod is None:
        return Sort.OUTSIDE if end.node_labels is None else Sort.NODE
    if not end.selectable:
        return Sort.GONE
    return Sort.POD if end.host_pods is HostPods.POD else Sort.NODE


class World:
    """What Cilium knows in one snapshot."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._config = snapshot.cni_config.get(_CONFIG, {})
        self.cluster = self._config.get("cluster-name", "") or "default"
        self.usual = all(self._config.get(key, "").strip() in values for key, values in _ASSUMED.items())
        """Whether all settings are those for which policies are evaluated."""
        self.groups = [(group.meta.name, group.meta.labels, networks_of(group.cidrs)) for group in snapshot.cidr_groups.values()]
        """CiliumCIDRGroups: name, labels and networks."""
        self.knows_groups = snapshot.live
        """Whether a group that isn't among them doesn't exist; live, a list that can't be read makes verdicts unknown anyway."""

    # ---- labels

    def of_pod(self, end: Endpoint, source: str, key: str) -> Possible:
        """What is known of a label of a pod."""
        if source not in {ANY, KUBERNETES}:
            return NONE
        if key == NAMESPACE:
            return (end.namespace,)
        if key == CLUSTER:
            return (self.cluster,)
        if key == ACCOUNT:
            return (end.pod.service_account or None,) if end.pod is not None else NONE
        if key.startswith(OF_NAMESPACE):
            return self.of_namespace(end.namespace, key)
        value = end.labels.get(key)
        if value is None or key.startswith(_OWN) or not counts(key):
            return NONE
        return (value, None) if counts_in_some_releases(key) else (value,)

    def of_namespace(self, name: str, key: str) -> Possible:
        """What is known of a label that pods have from their namespace."""
        bare = key.removeprefix(OF_NAMESPACE)
        if not counts(key):
            return NONE
        if bare == METADATA_NAME:
            return (name,)
        namespace = self._snapshot.namespace_by_name.get(name)
        if namespace is None or (not namespace.known and bare not in namespace.labels):
            return ()
        return (namespace.labels.get(bare),)

    def of_node(self, end: Endpoint | None, own: bool | None, source: str, key: str) -> Possible:
        """What is known of a label of a node, which is the policy's pod's ``own`` one; without an end, of any node."""
        if source not in {ANY, RESERVED}:
            return NONE if source in {KUBERNETES, GROUP} else ()
        if key in {"host", "remote-node"}:
            return PERHAPS if own is None else ("",) if own is (key == "host") else NONE
        if key == "kube-apiserver":
            return _presence(self.may_be_api_server if end is None else self.is_api_server(end))
        return NONE

    def of_outside(self, end: Endpoint, source: str, key: str) -> Possible:
        """What is known of a label of an address outside the cluster."""
        if source not in {ANY, RESERVED}:
            return NONE if source == KUBERNETES else ()
        if key == "world":
            return ("",) if self.dual is False else NONE if self.dual else PERHAPS
        if key in {"world-ipv4", "world-ipv6"}:
            return _presence(self.is_of_world(end, int(key[-1])))
        return _presence(self.is_api_server(end)) if key == "kube-apiserver" else NONE

    def classes(self, index: Classes, source: str, key: str) -> tuple[Mapping[str, Bits], Bits]:
        """The classes of pods with a label by its value, and those of which it isn't known."""
        if source not in {ANY, KUBERNETES}:
            return {}, 0
        if key == NAMESPACE:
            return index.in_namespace, 0
        if key == CLUSTER:
            return {self.cluster: index.all}, 0
        if key == ACCOUNT:
            return _by_value(((account or None,), bits) for (_, account), bits in index.accounts.items())
        if key.startswith(OF_NAMESPACE):
            return _by_value((self.of_namespace(name, key), bits) for name, bits in index.in_namespace.items())
        return (index.pods.by_value(key) if counts(key) and not key.startswith(_OWN) else {}), 0

    # ---- addresses

    @cached_property
    def dual(self) -> bool | None:
        """Whether Cilium distinguishes both families of addresses outside; without its settings, if IPv6 is seen, not known."""
        written = [self._config.get(f"enable-ipv{version}") for version in (4, 6)]
        if None not in written:
            return written == ["true", "true"]
        snapshot = self._snapshot
        seen = (
            *(ip for pod in snapshot.pods.values() for ip in pod.ips),
            *(ip for service in snapshot.services.values() for ip in service.cluster_ips),
            *(text for node in snapshot.nodes.values() for text in (*node.ips, *node.pod_cidrs)),
        )
        return None if any(":" in text for text in seen) else False

    def is_of_world(self, end: Endpoint, version: int) -> bool | None:
        """Whether an address outside has the identity of the world of one family."""
        if self.dual is False or (end.address is not None and end.address.version != version):
            return False
        return True if self.dual and end.address is not None else None

    @cached_property
    def api_servers(self) -> tuple[Network, ...] | None:
        """The addresses of the API server: those behind the Service default/kubernetes; None if they aren't known."""
        found = self._endpoints("default", "kubernetes")
        return found or (() if self._knows_slices else None)

    @property
    def may_be_api_server(self) -> bool | None:
        """Whether a node may be the API server: None, or False if none is."""
        return False if self.api_servers == () else None

    def is_api_server(self, end: Endpoint) -> bool | None:
        """Whether an end is the API server; None if it isn't known."""
        if self.api_servers is None:
            return None
        found = {end.in_network(network) for network in self.api_servers}
        return True if True in found else None if None in found else False

    @property
    def _knows_slices(self) -> bool:
        """Whether a Service without EndpointSlices has none: files may just be without them."""
        return self._snapshot.live and self._snapshot.lists_all("EndpointSlice")

    def _endpoints(self, namespace: str, service: str) -> tuple[Network, ...]:
        slices = self._snapshot.endpoint_slices.values()
        of_service = [each for each in slices if (each.meta.namespace, each.service) == (namespace, service)]
        return networks_of(text for each in of_service for end in each.endpoints for text in end.addresses)

    # ---- Services and ports

    def services(self, wanted: CiliumService) -> list[Service]:
        """The Services that an entry of toServices means; without a namespace, in any."""
        found = []
        for service in self._snapshot.services.values():
            if wanted.namespace not in {"", service.meta.namespace}:
                continue
            if wanted.selector is None:
                if service.meta.name == wanted.name:
                    found.append(service)
            elif selector_of(wanted.selector).match(partial(_of_service, service)):
                found.append(service)
        return found

    def knows_services(self, *, decisive: bool) -> bool:
        """Whether the Services that a rule means are known. ``decisive``: it has ports, and none of its Services is there.

        Cilium reads such a rule as one without peers, so that it is about everybody; files may just be without the Services.
        """
        return self._snapshot.lists_all("Service") and (self._snapshot.live or not decisive)

    def addresses(self, service: Service) -> tuple[Network, ...] | None:
        """The addresses of a Service without selector; None if they aren't known."""
        found = self._endpoints(service.meta.namespace, service.meta.name)
        return found if found or self._knows_slices else None

    @property
    def knows_named_ports(self) -> bool:
        """Whether ``named_ports`` has those of the whole cluster."""
        return self._snapshot.lists_all("Pod")

    @cached_property
    def named_ports(self) -> Mapping[tuple[str, str], frozenset[int]]:
        """The numbers of the ports of all pods, by name and protocol."""
        found: dict[tuple[str, str], set[int]] = {}
        for pod in self._snapshot.pods.values():
            if not pod.completed and not pod.host_network:
                for port in pod.ports:
                    if port.name:
                        found.setdefault((port.name, port.protocol), set()).add(port.number)
        return {name: frozenset(numbers) for name, numbers in found.items()}

    def shape(self, *, names: Collection[str], services: bool) -> tuple[object, ...]:
        """What rules depend on beside policies, groups and pods: settings, namespaces, the API server, named ports."""
        snapshot = self._snapshot
        return (
            {namespace.name: (namespace.labels, namespace.known) for namespace in snapshot.namespaces.values()},
            (self.cluster, self.usual, self.dual, self.api_servers),
            {key: numbers for key, numbers in self.named_ports.items() if key[0] in names} if names else None,
            {uid: (s.meta.labels, s.selector) for uid, s in snapshot.services.items()} if services else None,
            {uid: (s.service, s.endpoints) for uid, s in snapshot.endpoint_slices.items()} if services else None,
            [snapshot.lists_all(kind) for kind in ("Service", "EndpointSlice", "Pod")],
        )


def _of_service(service: Service, _: str, key: str) -> Possible:
    """A label of a Service, whatever its source."""
    return (service.meta.labels.get(key),)


def any_of(found: Sequence[bool | None]) -> bool | None:
    """Whether ANY holds, of conditions that may not be known."""
    return True if True in found else None if None in found else False


def _by_value(several: Iterable[tuple[Possible, Bits]]) -> tuple[Mapping[str, Bits], Bits]:
    """Classes by the value of a label, and those of which it isn't known."""
    found: dict[str, Bits] = {}
    unknown = 0
    for possible, bits in several:
        if not possible:
            unknown |= bits
        elif possible[0] is not None:
            found[possible[0]] = found.get(possible[0], 0) | bits
    return found, unknown


def _presence(there: bool | None) -> Possible:
    """A reserved label that is there, or isn't."""
    return PERHAPS if there is None else ("",) if there else NONE
