"""From wire types to the model: NetworkPolicies, the admin tiers, Istio's security kinds."""

from __future__ import annotations

from collections.abc import Sequence

from meshtui.model.policy import (
    AdminPeer,
    AdminPolicy,
    AdminPort,
    AdminRule,
    AuthorizationCondition,
    AuthorizationOperation,
    AuthorizationPolicy,
    AuthorizationRule,
    AuthorizationSource,
    ForeignPolicy,
    IPBlock,
    JwtRule,
    NetworkPeer,
    NetworkPolicy,
    NetworkPolicyRule,
    PeerAuthentication,
    PolicyPort,
    RequestAuthentication,
    TargetRef,
)
from meshtui.model.selectors import LabelSelector
from meshtui.sources.decode import wire
from meshtui.sources.decode import wire_policy as wp
from meshtui.sources.decode.common import meta, optional_selector, selector, strings


def network_policy(raw: wp.NetworkPolicy, origin: str = "", unmodelled: tuple[str, ...] = ()) -> NetworkPolicy:
    """A NetworkPolicy, as written; defaults are the engine's business."""
    spec = raw.spec or wp.NetworkPolicySpec()
    return NetworkPolicy(
        meta=meta("NetworkPolicy", raw.metadata, origin=origin),
        pod_selector=selector(spec.pod_selector),
        policy_types=None if not spec.policy_types else tuple(spec.policy_types),
        ingress=None
        if spec.ingress is None
        else tuple(NetworkPolicyRule(_peers(r.from_), _ports(r.ports)) for r in spec.ingress),
        egress=None if spec.egress is None else tuple(NetworkPolicyRule(_peers(r.to), _ports(r.ports)) for r in spec.egress),
        unmodelled=unmodelled,
    )


def _peers(raw: Sequence[wp.NetworkPeer] | None) -> tuple[NetworkPeer, ...]:
    return tuple(
        NetworkPeer(
            pod_selector=optional_selector(peer.pod_selector),
            namespace_selector=optional_selector(peer.namespace_selector),
            ip_block=IPBlock(peer.ip_block.cidr, strings(peer.ip_block.except_)) if peer.ip_block else None,
        )
        for peer in raw or ()
    )


def _ports(raw: Sequence[wp.PolicyPort] | None) -> tuple[PolicyPort, ...]:
    return tuple(PolicyPort(port.protocol or "TCP", port.port, port.end_port) for port in raw or ())


def admin_policy(raw: wp.AdminPolicy, kind: str, origin: str = "", unmodelled: tuple[str, ...] = ()) -> AdminPolicy:
    """An AdminNetworkPolicy, BaselineAdminNetworkPolicy or ClusterNetworkPolicy."""
    spec = raw.spec or wp.AdminPolicySpec()
    tier = {"AdminNetworkPolicy": "Admin", "BaselineAdminNetworkPolicy": "Baseline"}.get(kind) or spec.tier or "Admin"
    return AdminPolicy(
        meta=meta(kind, raw.metadata, namespaced=False, origin=origin),
        tier=tier,
        priority=spec.priority or 0,
        subject=_admin_peer(spec.subject or wp.AdminPeer()),
        ingress=tuple(_admin_rule(rule, rule.from_) for rule in spec.ingress or ()),
        egress=tuple(_admin_rule(rule, rule.to) for rule in spec.egress or ()),
        unmodelled=unmodelled,
    )


def _admin_peer(raw: wp.AdminPeer) -> AdminPeer:
    return AdminPeer(
        namespaces=optional_selector(raw.namespaces),
        pods=(selector(raw.pods.namespace_selector), selector(raw.pods.pod_selector)) if raw.pods else None,
        networks=strings(raw.networks),
        nodes=optional_selector(raw.nodes),
        domain_names=strings(raw.domain_names),
    )


def _admin_rule(raw: wp.AdminRule, peers: Sequence[wp.AdminPeer] | None) -> AdminRule:
    ports = raw.ports if raw.ports is not None else raw.protocols
    return AdminRule(
        action="Allow" if raw.action == "Accept" else raw.action,
        peers=tuple(_admin_peer(peer) for peer in peers or ()),
        ports=None if ports is None else tuple(_admin_port(port) for port in ports),
        name=raw.name or "",
    )


def _admin_port(raw: wp.AdminPort) -> AdminPort:
    """One port; a ClusterNetworkPolicy's protocol without a destination port means all of that protocol's ports."""
    if raw.port_number is not None:
        return AdminPort(raw.port_number.protocol or "TCP", raw.port_number.port, raw.port_number.port)
    if raw.port_range is not None:
        return AdminPort(raw.port_range.protocol or "TCP", raw.port_range.start, raw.port_range.end)
    for protocol, ports in (("TCP", raw.tcp), ("UDP", raw.udp), ("SCTP", raw.sctp)):
        if ports is None:
            continue
        target = ports.destination_port
        if target is not None and target.number is not None:
            return AdminPort(protocol, target.number, target.number)
        if target is not None and target.range is not None:
            return AdminPort(protocol, target.range.start, target.range.end)
        return AdminPort(protocol, 1, 65535)
    return AdminPort(named=raw.named_port or raw.destination_named_port or "")


def _istio_selector(raw: wp.WorkloadSelector | None) -> LabelSelector | None:
    return None if raw is None else LabelSelector(tuple(sorted((raw.match_labels or {}).items())))


def target_refs(one: wp.TargetRef | None, many: Sequence[wp.TargetRef] | None) -> tuple[TargetRef, ...]:
    """targetRefs, or the single targetRef that came before them."""
    refs = list(many or ()) or ([one] if one else [])
    return tuple(TargetRef(r.kind, r.name, r.group or "", r.namespace or "", r.section_name or "", r.port) for r in refs)


def authorization_policy(raw: wp.AuthorizationPolicy, origin: str = "", unmodelled: tuple[str, ...] = ()) -> AuthorizationPolicy:
    """An AuthorizationPolicy; ``rules: []`` and no rules are one thing (protobuf can't tell them apart)."""
    spec = raw.spec or wp.AuthorizationSpec()
    return AuthorizationPolicy(
        meta=meta("AuthorizationPolicy", raw.metadata, origin=origin),
        action=spec.action or "ALLOW",
        selector=_istio_selector(spec.selector),
        target_refs=target_refs(spec.target_ref, spec.target_refs),
        rules=tuple(_rule(rule or wp.AuthorizationRule()) for rule in spec.rules or ()),
        provider=spec.provider.name if spec.provider else "",
        unmodelled=unmodelled,
    )


def _rule(raw: wp.AuthorizationRule) -> AuthorizationRule:
    return AuthorizationRule(
        sources=tuple(_source(f.source or wp.Source()) for f in raw.from_ or ()),
        operations=tuple(_operation(t.operation or wp.Operation()) for t in raw.to or ()),
        conditions=tuple(AuthorizationCondition(w.key, strings(w.values), strings(w.not_values)) for w in raw.when or ()),
    )


def _source(raw: wp.Source) -> AuthorizationSource:
    return AuthorizationSource(**{name: strings(getattr(raw, name)) for name in raw.__struct_fields__})


def _operation(raw: wp.Operation) -> AuthorizationOperation:
    return AuthorizationOperation(**{name: strings(getattr(raw, name)) for name in raw.__struct_fields__})


def peer_authentication(raw: wp.PeerAuthentication, origin: str = "", unmodelled: tuple[str, ...] = ()) -> PeerAuthentication:
    """A PeerAuthentication; a port that isn't a number is left out and named in ``unmodelled``."""
    spec = raw.spec or wp.PeerAuthenticationSpec()
    ports, odd = {}, list(unmodelled)
    for port, tls in (spec.port_level_mtls or {}).items():
        if port.isdecimal():
            ports[int(port)] = (tls.mode if tls else None) or "UNSET"
        else:
            odd.append(f"spec.portLevelMtls.{port}")
    return PeerAuthentication(
        meta=meta("PeerAuthentication", raw.metadata, origin=origin),
        selector=_istio_selector(spec.selector),
        mode=(spec.mtls.mode if spec.mtls else None) or "UNSET",
        port_modes=ports,
        unmodelled=tuple(odd),
    )


def request_authentication(
    raw: wp.RequestAuthentication, origin: str = "", unmodelled: tuple[str, ...] = ()
) -> RequestAuthentication:
    """A RequestAuthentication."""
    spec = raw.spec or wp.RequestAuthenticationSpec()
    return RequestAuthentication(
        meta=meta("RequestAuthentication", raw.metadata, origin=origin),
        selector=_istio_selector(spec.selector),
        target_refs=target_refs(spec.target_ref, spec.target_refs),
        rules=tuple(JwtRule(r.issuer, strings(r.audiences), r.jwks_uri or "") for r in spec.jwt_rules or ()),
        unmodelled=unmodelled,
    )


def foreign_policy(raw: wire.Foreign, kind: str, origin: str = "") -> ForeignPolicy:
    """An object that decides about traffic in a way that isn't modelled; its selector is kept where it looks like one."""
    labels: object = None
    for holder in ("workloadSelector", "endpointSelector", "selector"):
        found = (raw.spec or {}).get(holder)
        if isinstance(found, dict):
            labels = found.get("labels", found.get("matchLabels"))
            break
    chosen = None
    if isinstance(labels, dict):
        chosen = LabelSelector(tuple(sorted((str(key), str(value)) for key, value in labels.items())))
    return ForeignPolicy(meta(kind, raw.metadata, origin=origin), raw.api_version, chosen)
