"""Policies as written: NetworkPolicies, the admin tiers, Istio's security kinds. ``engine.policy`` evaluates them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from meshtui.model.calico import CalicoPolicy
from meshtui.model.cilium import CiliumPolicy
from meshtui.model.meta import Meta
from meshtui.model.selectors import LabelSelector

# ---- networking.k8s.io/v1 and policy.networking.k8s.io


@dataclass(frozen=True, slots=True)
class IPBlock:
    """A CIDR and its exceptions, as written."""

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
    """One rule; no peers means all peers, no ports means all ports."""

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

    def names_port(self, number: int) -> bool:
        """Whether a rule is for this one port."""
        rules = (*(self.ingress or ()), *(self.egress or ()))
        return any(port.port == number for rule in rules for port in rule.ports)


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
    blank: tuple[str, ...] = ()
    """The paths of ``from`` and ``to`` that are written as empty lists, which counts as if they weren't there."""
    twice: bool = False
    """Whether the deprecated ``targetRef`` stands beside ``targetRefs``."""

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
    blank: bool = False
    """Whether the port modes are written as an empty mapping."""


@dataclass(frozen=True, slots=True)
class JwtRule:
    """One ``jwtRules`` entry.

    ``from_headers`` are names with the prefix before the token; without any place, it is looked for where clients usually put it.
    ``forwards`` is whether the token stays in the request; ``outputs`` are headers into which its content is written,
    ``claims`` those of single claims, each with the claim's name.
    """

    issuer: str
    audiences: tuple[str, ...] = ()
    jwks_uri: str = ""
    from_headers: tuple[tuple[str, str], ...] = ()
    from_params: tuple[str, ...] = ()
    from_cookies: tuple[str, ...] = ()
    forwards: bool = False
    outputs: tuple[str, ...] = ()
    claims: tuple[tuple[str, str], ...] = ()
    jwks: str = ""
    timeout: str = ""

    @property
    def places(self) -> bool:
        """Whether it says itself where the token is, in place of the default."""
        return bool(self.from_headers or self.from_params or self.from_cookies)


@dataclass(frozen=True, slots=True)
class RequestAuthentication:
    """A RequestAuthentication."""

    meta: Meta
    selector: LabelSelector | None = None
    target_refs: tuple[TargetRef, ...] = ()
    rules: tuple[JwtRule, ...] = ()
    unmodelled: tuple[str, ...] = ()
    twice: bool = False
    """Whether the deprecated ``targetRef`` stands beside ``targetRefs``."""


class Enforcer(Enum):
    """Who enforces a policy that isn't judged."""

    CNI = "cni"
    PROXY = "proxy"
    CLIENT = "client"
    """The proxy of whoever connects."""
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class ForeignPolicy:
    """A policy that isn't judged (EnvoyFilter, Cilium's and Calico's own kinds …): what it may select is unknown.

    ``selector`` are labels that all pods have which it selects; None: it may select any pod in its namespace, or, without
    a namespace, in the cluster. ``egress_only``: it says nothing about who may come in; ``hosts_only``: it selects nodes.
    ``ingress_only``: it only changes what comes in; ``outside_only``: only the way to addresses outside the cluster.
    ``anywhere``: it may concern every namespace, although it has one. ``target_refs`` are the Gateways or Services whose proxies
    an extension of Istio's proxies is for.
    ``hosts`` are the names of the Services that a DestinationRule is about, or that a Sidecar object lets through, as written.
    ``own`` is the spec of a CNI's policy that can be evaluated (``engine.policy.own``).
    """

    meta: Meta
    api_version: str
    selector: LabelSelector | None = None
    enforcer: Enforcer = Enforcer.CNI
    egress_only: bool = False
    hosts_only: bool = False
    ingress_only: bool = False
    outside_only: bool = False
    anywhere: bool = False
    target_refs: tuple[TargetRef, ...] = ()
    hosts: tuple[str, ...] = ()
    own: CalicoPolicy | CiliumPolicy | None = None
