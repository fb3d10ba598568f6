"""Policies as written: NetworkPolicies, the admin tiers, Istio's security kinds. What they mean is the engine's business."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from meshtui.model.meta import Meta
from meshtui.model.selectors import LabelSelector

# ---- networking.k8s.io/v1 and policy.networking.k8s.io


@dataclass(frozen=True, slots=True)
class IPBlock:
    """A CIDR and what is cut out of it, as written."""

    cidr: str
    excepts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NetworkPeer:
    """One ``from``/``to`` entry. Selectors within one entry AND; ``ip_block`` stands alone."""

    pod_selector: LabelSelector | None = None
    namespace_selector: LabelSelector | None = None
    ip_block: IPBlock | None = None


@dataclass(frozen=True, slots=True)
class PolicyPort:
    """One ``ports`` entry; ``port`` is a number, a container port's name, or None for all."""

    protocol: str = "TCP"
    port: int | str | None = None
    end_port: int | None = None


@dataclass(frozen=True, slots=True)
class NetworkPolicyRule:
    """One rule; no peers means everybody, no ports means all ports."""

    peers: tuple[NetworkPeer, ...] = ()
    ports: tuple[PolicyPort, ...] = ()


@dataclass(frozen=True, slots=True)
class NetworkPolicy:
    """A NetworkPolicy; ``ingress``/``egress`` None means that the section is absent."""

    meta: Meta
    pod_selector: LabelSelector = field(default_factory=LabelSelector)
    policy_types: tuple[str, ...] | None = None
    ingress: tuple[NetworkPolicyRule, ...] | None = None
    egress: tuple[NetworkPolicyRule, ...] | None = None
    unmodelled: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AdminPeer:
    """One peer (or subject) of an admin policy: exactly one of the fields is set; pods takes both selectors."""

    namespaces: LabelSelector | None = None
    pods: tuple[LabelSelector, LabelSelector] | None = None
    """(namespaceSelector, podSelector)"""
    networks: tuple[str, ...] = ()
    nodes: LabelSelector | None = None
    domain_names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AdminPort:
    """One port of an admin policy; ``named`` is a container port's name."""

    protocol: str = "TCP"
    start: int = 0
    end: int = 0
    named: str = ""


@dataclass(frozen=True, slots=True)
class AdminRule:
    """One rule; ``ports`` None means all. ``action`` is Allow (Accept), Deny or Pass."""

    action: str
    peers: tuple[AdminPeer, ...]
    ports: tuple[AdminPort, ...] | None = None
    name: str = ""


@dataclass(frozen=True, slots=True)
class AdminPolicy:
    """An AdminNetworkPolicy, BaselineAdminNetworkPolicy or ClusterNetworkPolicy (its kind is in ``meta``)."""

    meta: Meta
    tier: str
    """Admin or Baseline."""
    priority: int
    subject: AdminPeer
    ingress: tuple[AdminRule, ...] = ()
    egress: tuple[AdminRule, ...] = ()
    unmodelled: tuple[str, ...] = ()


# ---- security.istio.io


@dataclass(frozen=True, slots=True)
class TargetRef:
    """What a policy or route is attached to; ``section`` and ``port`` narrow a route's parent to some listeners."""

    kind: str
    name: str
    group: str = ""
    namespace: str = ""
    section: str = ""
    port: int | None = None


@dataclass(frozen=True, slots=True)
class AuthorizationSource:
    """One ``from.source``: fields AND, values of a field OR. All L4 but remote_ip_blocks and request_principals."""

    principals: tuple[str, ...] = ()
    not_principals: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ()
    not_namespaces: tuple[str, ...] = ()
    service_accounts: tuple[str, ...] = ()
    not_service_accounts: tuple[str, ...] = ()
    ip_blocks: tuple[str, ...] = ()
    not_ip_blocks: tuple[str, ...] = ()
    remote_ip_blocks: tuple[str, ...] = ()
    not_remote_ip_blocks: tuple[str, ...] = ()
    request_principals: tuple[str, ...] = ()
    not_request_principals: tuple[str, ...] = ()
    trust_domains: tuple[str, ...] = ()
    not_trust_domains: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AuthorizationOperation:
    """One ``to.operation``: only the ports are L4."""

    ports: tuple[str, ...] = ()
    not_ports: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    not_hosts: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    not_methods: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    not_paths: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AuthorizationCondition:
    """One ``when`` entry."""

    key: str
    values: tuple[str, ...] = ()
    not_values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AuthorizationRule:
    """One rule: ``from``, ``to`` and ``when`` AND; entries of ``from`` and of ``to`` OR; entries of ``when`` AND."""

    sources: tuple[AuthorizationSource, ...] = ()
    operations: tuple[AuthorizationOperation, ...] = ()
    conditions: tuple[AuthorizationCondition, ...] = ()


@dataclass(frozen=True, slots=True)
class AuthorizationPolicy:
    """An AuthorizationPolicy. ``selector`` None means absent; an empty one is written ``selector: {}``."""

    meta: Meta
    action: str = "ALLOW"
    selector: LabelSelector | None = None
    target_refs: tuple[TargetRef, ...] = ()
    rules: tuple[AuthorizationRule, ...] = ()
    provider: str = ""
    unmodelled: tuple[str, ...] = ()

    @property
    def dry_run(self) -> bool:
        """Whether ``istio.io/dry-run`` turns enforcement off (a value that doesn't parse doesn't; strconv.ParseBool)."""
        return self.meta.annotations.get("istio.io/dry-run", "") in {"1", "t", "T", "true", "TRUE", "True"}


@dataclass(frozen=True, slots=True)
class PeerAuthentication:
    """A PeerAuthentication; modes are STRICT, PERMISSIVE, DISABLE or UNSET."""

    meta: Meta
    selector: LabelSelector | None = None
    mode: str = "UNSET"
    port_modes: Mapping[int, str] = field(default_factory=dict)
    unmodelled: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class JwtRule:
    """One ``jwtRules`` entry."""

    issuer: str
    audiences: tuple[str, ...] = ()
    jwks_uri: str = ""


@dataclass(frozen=True, slots=True)
class RequestAuthentication:
    """A RequestAuthentication."""

    meta: Meta
    selector: LabelSelector | None = None
    target_refs: tuple[TargetRef, ...] = ()
    rules: tuple[JwtRule, ...] = ()
    unmodelled: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ForeignPolicy:
    """An object that decides about traffic and isn't modelled (EnvoyFilter, Cilium's and Calico's own kinds …)."""

    meta: Meta
    api_version: str
    selector: LabelSelector | None = None
