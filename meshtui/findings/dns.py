"""Queries about names for rules: where the cluster's DNS is, and which rules of egress lead there."""

from __future__ import annotations

from collections.abc import Iterator

from meshtui.engine.matching.addresses import Network, parse_address, parse_network
from meshtui.findings.context import Context
from meshtui.model.policy import IPBlock, NetworkPeer, NetworkPolicyRule, PolicyPort

_DNS, _OPENSHIFT_DNS = 53, 5353
_OPENSHIFT = "openshift-dns"
_NAMES = ("dns", "dns-udp", "domain")
"""What the charts of DNS servers name their UDP port."""
_CLUSTERS = ("k8s-app", "kube-dns")
"""The label of the cluster's DNS servers, which run in their own namespace alone."""
_INSIDE = tuple(
    network
    for text in (
        *("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16"),
        *("fc00::/7", "fe80::/10"),
    )
    if (network := parse_network(text)) is not None
)
"""Addresses that aren't of the internet (RFC 1918, 6598, 3927, 4193, 4291), which Services, nodes and node-local caches have."""


def server(context: Context) -> tuple[str, int]:
    """The namespace of the cluster's DNS, and the port on which its pods listen: OpenShift's listen on 5353."""
    return (_OPENSHIFT, _OPENSHIFT_DNS) if is_openshift(context) else ("kube-system", _DNS)


def is_openshift(context: Context) -> bool:
    """Whether the cluster is an OpenShift, as far as its namespaces show it."""
    return any(name.startswith("openshift-") for name in context.snapshot.namespace_by_name)


def leads_to_dns(context: Context, rule: NetworkPolicyRule, namespace: str) -> bool:
    """Whether an egress rule lets pods of a namespace ask for names: its ports are DNS's, and its peers may be DNS servers."""
    named = any(_is_named(context, entry) for entry in rule.ports)
    if not named and rule.ports and not any(_contains(context, entry) for entry in rule.ports):
        return False
    return not rule.peers or any(_may_be_server(context, peer, namespace, named=named) for peer in rule.peers)


def _is_named(context: Context, entry: PolicyPort) -> bool:
    """Whether a port entry is for DNS and nothing else: its number, or a name that its servers give to the port."""
    if entry.protocol != "UDP" or entry.end_port is not None:
        return False
    return entry.port in {_DNS, _OPENSHIFT_DNS, *_NAMES} or (isinstance(entry.port, str) and entry.port in _names(context))


def _contains(context: Context, entry: PolicyPort) -> bool:
    """Whether the port on which the cluster's DNS listens is among others."""
    if entry.protocol != "UDP":
        return False
    if not isinstance(entry.port, int):
        return entry.port is None and entry.end_port is None
    return entry.end_port is not None and entry.port <= server(context)[1] <= entry.end_port


def _names(context: Context) -> frozenset[str]:
    """The names that pods give to the ports of DNS."""
    return frozenset(context.once(_named_ports))


def _named_ports(context: Context) -> Iterator[str]:
    for pod in context.running:
        yield from (p.name for p in pod.ports if p.name and p.protocol == "UDP" and p.number in {_DNS, _OPENSHIFT_DNS})


def _may_be_server(context: Context, peer: NetworkPeer, home: str, *, named: bool) -> bool:
    """Whether a peer may be a DNS server: in an address block that isn't the internet's, or a pod.

    Pods of the same namespace are one if the rule is for DNS's port, or if one of them listens on it; those with the label of the
    cluster's servers only in the servers' namespace.
    """
    if peer.ip_block is not None:
        return _holds_server(context, peer.ip_block)
    if peer.namespace_selector is None:
        at_home = home == server(context)[0] or home in context.once(_with_servers)
        return at_home or (named and _CLUSTERS not in (peer.pod_selector.labels if peer.pod_selector else ()))
    return True


def _with_servers(context: Context) -> Iterator[str]:
    """The namespaces with pods that listen on a port of DNS."""
    yield from {pod.namespace for pod in context.running if any((p.number, p.protocol) == (_DNS, "UDP") for p in pod.ports)}


def _holds_server(context: Context, block: IPBlock) -> bool:
    network = parse_network(block.cidr)
    if network is None:
        return False
    if any(_overlap(network, inside) for inside in _INSIDE):
        return True
    known = (parse_address(text) for pod in context.running for text in pod.ips if pod.namespace == server(context)[0])
    return any(address is not None and address in network for address in known)


def _overlap(one: Network, other: Network) -> bool:
    mask = one.mask & other.mask
    return one.version == other.version and one.base & mask == other.base & mask


def leaves_cluster(rule: NetworkPolicyRule) -> bool:
    """Whether an egress rule allows addresses of the internet: every peer, or a block that isn't the cluster's own."""
    networks = [parse_network(peer.ip_block.cidr) for peer in rule.peers if peer.ip_block is not None]
    return not rule.peers or any(each is not None and not _is_inside(each) for each in networks)


def _is_inside(network: Network) -> bool:
    return any(_overlap(network, inside) and network.mask >= inside.mask for inside in _INSIDE)


def fix_of(context: Context) -> tuple[dict[str, object], list[dict[str, object]], str]:
    """The peer and the ports of the rule that opens DNS, and both in words."""
    namespace, port = server(context)
    peer: dict[str, object] = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}
    ports: list[dict[str, object]] = [{"protocol": protocol, "port": port} for protocol in ("UDP", "TCP")]
    return peer, ports, f"{namespace}, port {port}"
