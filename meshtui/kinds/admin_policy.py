"""AdminNetworkPolicies, BaselineAdminNetworkPolicies and ClusterNetworkPolicies, which share one structure."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from msgspec import field

from meshtui.kinds.convert import meta, optional_selector, selector, strings
from meshtui.kinds.kind import Kind, Pairs, Role
from meshtui.kinds.wire import LabelSelector, ObjectMeta, Wire
from meshtui.model import policy as model


class AdminPods(Wire):
    """pods of an admin policy's subject or peer."""

    namespace_selector: LabelSelector = field(default_factory=LabelSelector)
    pod_selector: LabelSelector = field(default_factory=LabelSelector)


class AdminPeer(Wire):
    """A subject or peer of an admin policy."""

    namespaces: LabelSelector | None = None
    pods: AdminPods | None = None
    networks: list[str] | None = None
    nodes: LabelSelector | None = None
    domain_names: list[str] | None = None


class PortNumber(Wire):
    """portNumber of an admin policy's port."""

    protocol: str | None = None
    port: int = 0


class PortRange(Wire):
    """portRange of an admin policy's port."""

    protocol: str | None = None
    start: int = 0
    end: int = 0


class ProtocolPort(Wire):
    """destinationPort of a ClusterNetworkPolicy's protocol."""

    number: int | None = None
    range: PortRange | None = None


class ProtocolPorts(Wire):
    """tcp, udp or sctp of a ClusterNetworkPolicy."""

    destination_port: ProtocolPort | None = None


class AdminPort(Wire):
    """ports[] (AdminNetworkPolicy) or protocols[] (ClusterNetworkPolicy)."""

    port_number: PortNumber | None = None
    port_range: PortRange | None = None
    named_port: str | None = None
    tcp: ProtocolPorts | None = None
    udp: ProtocolPorts | None = None
    sctp: ProtocolPorts | None = None
    destination_named_port: str | None = None


class AdminRule(Wire):
    """ingress[] or egress[] of an admin policy."""

    name: str | None = None
    action: str = ""
    from_: list[AdminPeer] | None = field(default=None, name="from")
    to: list[AdminPeer] | None = None
    ports: list[AdminPort] | None = None
    protocols: list[AdminPort] | None = None


class AdminPolicySpec(Wire):
    """spec of an admin policy."""

    tier: str | None = None
    priority: int | None = None
    subject: AdminPeer | None = None
    ingress: list[AdminRule] | None = None
    egress: list[AdminRule] | None = None


class AdminPolicy(Wire):
    """The object: metadata and spec."""

    metadata: ObjectMeta = field(default_factory=ObjectMeta)
    spec: AdminPolicySpec | None = None


def admin_policy(raw: AdminPolicy, kind: str, origin: str = "", unmodelled: tuple[str, ...] = ()) -> model.AdminPolicy:
    """Convert one of the three kinds; ``kind`` is which. ClusterNetworkPolicies have a tier; its default is Admin."""
    spec = raw.spec or AdminPolicySpec()
    tier = {"AdminNetworkPolicy": "Admin", "BaselineAdminNetworkPolicy": "Baseline"}.get(kind) or spec.tier or "Admin"
    return model.AdminPolicy(
        meta=meta(kind, raw.metadata, namespaced=False, origin=origin),
        tier=tier,
        priority=spec.priority or 0,
        subject=_admin_peer(spec.subject or AdminPeer()),
        ingress=tuple(_admin_rule(rule, rule.from_) for rule in spec.ingress or ()),
        egress=tuple(_admin_rule(rule, rule.to) for rule in spec.egress or ()),
        unmodelled=unmodelled,
    )


def _admin_peer(raw: AdminPeer) -> model.AdminPeer:
    return model.AdminPeer(
        namespaces=optional_selector(raw.namespaces),
        pods=(selector(raw.pods.namespace_selector), selector(raw.pods.pod_selector)) if raw.pods else None,
        networks=strings(raw.networks),
        nodes=optional_selector(raw.nodes),
        domain_names=strings(raw.domain_names),
    )


def _admin_rule(raw: AdminRule, peers: Sequence[AdminPeer] | None) -> model.AdminRule:
    ports = raw.ports if raw.ports is not None else raw.protocols
    return model.AdminRule(
        action="Allow" if raw.action == "Accept" else raw.action,
        peers=tuple(_admin_peer(peer) for peer in peers or ()),
        ports=None if ports is None else tuple(_admin_port(port) for port in ports),
        name=raw.name or "",
    )


def _admin_port(raw: AdminPort) -> model.AdminPort:
    """Convert a port; a protocol without a destination port (ClusterNetworkPolicy) means all ports of that protocol."""
    if raw.port_number is not None:
        return model.AdminPort(raw.port_number.protocol or "TCP", raw.port_number.port, raw.port_number.port)
    if raw.port_range is not None:
        return model.AdminPort(raw.port_range.protocol or "TCP", raw.port_range.start, raw.port_range.end)
    for protocol, ports in (("TCP", raw.tcp), ("UDP", raw.udp), ("SCTP", raw.sctp)):
        if ports is None:
            continue
        target = ports.destination_port
        if target is not None and target.number is not None:
            return model.AdminPort(protocol, target.number, target.number)
        if target is not None and target.range is not None:
            return model.AdminPort(protocol, target.range.start, target.range.end)
        return model.AdminPort(protocol, 1, 65535)
    return model.AdminPort(named=raw.named_port or raw.destination_named_port or "")


def _kind(name: str, version: str, plural: str) -> Kind:
    convert = partial(admin_policy, kind=name)
    group = "policy.networking.k8s.io"
    return Kind(
        name,
        group,
        (version,),
        plural,
        "admin_policies",
        AdminPolicy,
        convert,
        False,
        checked=True,
        optional=True,
        role=Role.POLICY,
        pairs=Pairs.EVERYBODY,
    )


KINDS = (
    _kind("AdminNetworkPolicy", "v1alpha1", "adminnetworkpolicies"),
    _kind("BaselineAdminNetworkPolicy", "v1alpha1", "baselineadminnetworkpolicies"),
    _kind("ClusterNetworkPolicy", "v1alpha2", "clusternetworkpolicies"),
)
