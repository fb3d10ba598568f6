"""Kubernetes JSON of the policy and gateway kinds as it comes over the wire."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, UnsetType, field

from meshtui.sources.decode.wire import LabelSelector, ObjectMeta, Wire


class IPBlock(Wire):
    """ipBlock of a NetworkPolicy peer."""

    cidr: str
    except_: list[str] | None = field(default=None, name="except")


class NetworkPeer(Wire):
    """from[] and to[] of a NetworkPolicy."""

    pod_selector: LabelSelector | None = None
    namespace_selector: LabelSelector | None = None
    ip_block: IPBlock | None = None


class PolicyPort(Wire):
    """ports[] of a NetworkPolicy rule."""

    protocol: str | None = None
    port: int | str | None = None
    end_port: int | None = None


class IngressRule(Wire):
    """ingress[] of a NetworkPolicy."""

    from_: list[NetworkPeer] | None = field(default=None, name="from")
    ports: list[PolicyPort] | None = None


class EgressRule(Wire):
    """egress[] of a NetworkPolicy."""

    to: list[NetworkPeer] | None = None
    ports: list[PolicyPort] | None = None


class NetworkPolicySpec(Wire):
    """spec of a NetworkPolicy."""

    pod_selector: LabelSelector | None = None
    policy_types: list[str] | None = None
    ingress: list[IngressRule] | None = None
    egress: list[EgressRule] | None = None


class NetworkPolicy(Wire):
    """A NetworkPolicy."""

    metadata: ObjectMeta = field(default_factory=ObjectMeta)
    spec: NetworkPolicySpec | None = None


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
    """An AdminNetworkPolicy, BaselineAdminNetworkPolicy or ClusterNetworkPolicy."""

    metadata: ObjectMeta = field(default_factory=ObjectMeta)
    spec: AdminPolicySpec | None = None


class WorkloadSelector(Wire):
    """Istio's selector: matchLabels only."""

    match_labels: dict[str, str] | None = None


class TargetRef(Wire):
    """targetRef and targetRefs[], and parentRefs[]."""

    group: str | None = None
    kind: str = ""
    name: str = ""
    namespace: str | None = None
    section_name: str | None = None
    port: int | None = None


class Source(Wire):
    """from[].source of an AuthorizationPolicy."""

    principals: list[str] | None = None
    not_principals: list[str] | None = None
    namespaces: list[str] | None = None
    not_namespaces: list[str] | None = None
    service_accounts: list[str] | None = None
    not_service_accounts: list[str] | None = None
    ip_blocks: list[str] | None = None
    not_ip_blocks: list[str] | None = None
    remote_ip_blocks: list[str] | None = None
    not_remote_ip_blocks: list[str] | None = None
    request_principals: list[str] | None = None
    not_request_principals: list[str] | None = None
    trust_domains: list[str] | None = None
    not_trust_domains: list[str] | None = None


class From(Wire):
    """from[] of an AuthorizationPolicy's rule."""

    source: Source | None = None


class Operation(Wire):
    """to[].operation of an AuthorizationPolicy."""

    ports: list[str] | None = None
    not_ports: list[str] | None = None
    hosts: list[str] | None = None
    not_hosts: list[str] | None = None
    methods: list[str] | None = None
    not_methods: list[str] | None = None
    paths: list[str] | None = None
    not_paths: list[str] | None = None


class To(Wire):
    """to[] of an AuthorizationPolicy's rule."""

    operation: Operation | None = None


class When(Wire):
    """when[] of an AuthorizationPolicy's rule."""

    key: str = ""
    values: list[str] | None = None
    not_values: list[str] | None = None


class AuthorizationRule(Wire):
    """rules[] of an AuthorizationPolicy."""

    from_: list[From] | None = field(default=None, name="from")
    to: list[To] | None = None
    when: list[When] | None = None


class Provider(Wire):
    """provider of a CUSTOM policy."""

    name: str = ""


class AuthorizationSpec(Wire):
    """spec of an AuthorizationPolicy."""

    action: str | None = None
    selector: WorkloadSelector | None = None
    target_ref: TargetRef | None = None
    target_refs: list[TargetRef] | None = None
    rules: list[AuthorizationRule | None] | None = None
    provider: Provider | None = None


class AuthorizationPolicy(Wire):
    """An AuthorizationPolicy."""

    metadata: ObjectMeta = field(default_factory=ObjectMeta)
    spec: AuthorizationSpec | None = None


class MutualTls(Wire):
    """mtls of a PeerAuthentication."""

    mode: str | None = None


class PeerAuthenticationSpec(Wire):
    """spec of a PeerAuthentication."""

    selector: WorkloadSelector | None = None
    mtls: MutualTls | None = None
    port_level_mtls: dict[str, MutualTls | None] | None = None


class PeerAuthentication(Wire):
    """A PeerAuthentication."""

    metadata: ObjectMeta = field(default_factory=ObjectMeta)
    spec: PeerAuthenticationSpec | None = None


class JwtRule(Wire):
    """jwtRules[]."""

    issuer: str = ""
    audiences: list[str] | None = None
    jwks_uri: str | None = None
    jwks: str | None = None
    from_headers: Any | UnsetType = UNSET
    from_params: Any | UnsetType = UNSET
    from_cookies: Any | UnsetType = UNSET
    forward_original_token: bool | None = None
    output_payload_to_header: str | None = None
    output_claim_to_headers: Any | UnsetType = UNSET
    timeout: str | None = None


class RequestAuthenticationSpec(Wire):
    """spec of a RequestAuthentication."""

    selector: WorkloadSelector | None = None
    target_ref: TargetRef | None = None
    target_refs: list[TargetRef] | None = None
    jwt_rules: list[JwtRule] | None = None


class RequestAuthentication(Wire):
    """A RequestAuthentication."""

    metadata: ObjectMeta = field(default_factory=ObjectMeta)
    spec: RequestAuthenticationSpec | None = None


class RouteNamespaces(Wire):
    """allowedRoutes.namespaces of a listener."""

    from_: str | None = field(default=None, name="from")
    selector: LabelSelector | None = None


class AllowedRoutes(Wire):
    """allowedRoutes of a listener."""

    namespaces: RouteNamespaces | None = None


class Listener(Wire):
    """listeners[] of a Gateway."""

    name: str = ""
    port: int = 0
    protocol: str = ""
    hostname: str | None = None
    allowed_routes: AllowedRoutes | None = None


class GatewaySpec(Wire):
    """spec of a Gateway."""

    gateway_class_name: str = ""
    listeners: list[Listener] | None = None


class GatewayAddress(Wire):
    """status.addresses[] of a Gateway."""

    value: str = ""


class StatusCondition(Wire):
    """status.conditions[]."""

    type: str = ""
    status: str = ""


class GatewayStatus(Wire):
    """status of a Gateway."""

    addresses: list[GatewayAddress] | None = None
    conditions: list[StatusCondition] | None = None


class Gateway(Wire):
    """A Gateway."""

    metadata: ObjectMeta = field(default_factory=ObjectMeta)
    spec: GatewaySpec | None = None
    status: GatewayStatus | None = None


class GatewayClassSpec(Wire):
    """spec of a GatewayClass."""

    controller_name: str = ""


class GatewayClass(Wire):
    """A GatewayClass."""

    metadata: ObjectMeta = field(default_factory=ObjectMeta)
    spec: GatewayClassSpec | None = None


class PathMatch(Wire):
    """path of an HTTPRoute match."""

    type: str | None = None
    value: str | None = None


class HeaderMatch(Wire):
    """headers[] and queryParams[] of an HTTPRoute match."""

    name: str = ""
    value: str = ""
    type: str | None = None


class RouteMatch(Wire):
    """matches[] of an HTTPRoute rule."""

    path: PathMatch | None = None
    method: str | None = None
    headers: list[HeaderMatch] | None = None
    query_params: list[HeaderMatch] | None = None


class BackendRef(Wire):
    """backendRefs[] of an HTTPRoute rule."""

    name: str = ""
    namespace: str | None = None
    kind: str | None = None
    port: int | None = None
    weight: int | None = None


class Redirect(Wire):
    """requestRedirect of a filter."""

    status_code: int | None = None


class RouteFilter(Wire):
    """filters[] of an HTTPRoute rule."""

    type: str = ""
    request_redirect: Redirect | None = None


class RouteRule(Wire):
    """rules[] of an HTTPRoute."""

    matches: list[RouteMatch] | None = None
    backend_refs: list[BackendRef] | None = None
    filters: list[RouteFilter] | None = None


class RouteSpec(Wire):
    """spec of an HTTPRoute."""

    parent_refs: list[TargetRef] | None = None
    hostnames: list[str] | None = None
    rules: list[RouteRule] | None = None


class HTTPRoute(Wire):
    """An HTTPRoute."""

    metadata: ObjectMeta = field(default_factory=ObjectMeta)
    spec: RouteSpec | None = None
