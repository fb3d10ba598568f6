"""The reason for a step of a verdict: a code and its fields. Logic reads these; ``engine.explain`` writes the text."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from enum import StrEnum


class Code(StrEnum):
    """One kind of reason, note, assumption or change. ``engine.explain.wording`` lists the text and the fields of each."""

    # network policy
    OWN_NODE = "own_node"
    NO_NETWORK_POLICY = "no_network_policy"
    ADMIN_RULE = "admin_rule"
    ADMIN_SAME_PRIORITY = "admin_same_priority"
    ADMIN_ACTION_NOT_MODELLED = "admin_action_not_modelled"
    ADMIN_RULE_BY_NAME = "admin_rule_by_name"
    ADMIN_RULE_BY_ADDRESS = "admin_rule_by_address"
    ADMIN_RULE_BY_NAMESPACE = "admin_rule_by_namespace"
    ADMIN_RULE_BY_PORT = "admin_rule_by_port"
    NETWORK_RULE_ALLOWS = "network_rule_allows"
    NETWORK_RULE_BY_ADDRESS = "network_rule_by_address"
    NETWORK_RULE_BY_CNI = "network_rule_by_cni"
    NETWORK_RULE_BY_NAMESPACE = "network_rule_by_namespace"
    NETWORK_RULE_BY_PORT = "network_rule_by_port"
    NETWORK_RULE_BY_HOST_POD = "network_rule_by_host_pod"
    HOST_POD_MAY_BE_NODE = "host_pod_may_be_node"
    CNI_ENFORCES_NOTHING = "cni_enforces_nothing"
    OWN_RULE = "own_rule"
    OWN_RULE_PERHAPS = "own_rule_perhaps"
    OWN_TIER_END = "own_tier_end"
    OWN_REQUEST_REFUSED = "own_request_refused"
    OWN_NOTHING_DECIDES = "own_nothing_decides"
    POLICY_MAY_SELECT = "policy_may_select"
    RULE_READS_HTTP = "rule_reads_http"
    RULE_WITHOUT_PROTOCOL = "rule_without_protocol"
    POLICY_READ_OTHERWISE = "policy_read_otherwise"
    POLICY_NOT_READ = "policy_not_read"
    RULE_READS_SOURCE_PORT = "rule_reads_source_port"
    RULE_READ_BY_CNI = "rule_read_by_cni"
    RULE_READS_REQUEST = "rule_reads_request"
    POLICY_MAY_BE_IGNORED = "policy_may_be_ignored"
    PEER_NOT_KNOWN = "peer_not_known"
    CNI_CLOSES_UNSELECTED = "cni_closes_unselected"
    CNI_MAY_ENFORCE_NOTHING = "cni_may_enforce_nothing"
    NO_NETWORK_RULE_ALLOWS = "no_network_rule_allows"
    NOT_MODELLED_MIGHT_ALLOW = "not_modelled_might_allow"
    EVERY_ADDRESS_ALLOWED = "every_address_allowed"
    CLIENT_ADDRESS_NOT_KNOWN = "client_address_not_known"
    # mutual TLS
    PLAINTEXT_REFUSED = "plaintext_refused"
    PLAINTEXT_ACCEPTED = "plaintext_accepted"
    # authorization
    NO_AUTHORIZATION_POLICY = "no_authorization_policy"
    NO_POLICY_ATTACHED = "no_policy_attached"
    NOTHING_DENIES = "nothing_denies"
    RULE_ALLOWS = "rule_allows"
    RULE_DENIES = "rule_denies"
    RULE_BY_ADDRESS = "rule_by_address"
    NO_RULE_ALLOWS = "no_rule_allows"
    # tokens
    NO_TOKEN = "no_token"
    TOKEN_NOT_KNOWN = "token_not_known"
    TOKEN_MALFORMED = "token_malformed"
    TOKEN_NOT_VERIFIED = "token_not_verified"
    TOKEN_ELSEWHERE = "token_elsewhere"
    TOKEN_ACCEPTED = "token_accepted"
    TOKEN_FOR_OTHERS = "token_for_others"
    TOKEN_ISSUER_UNKNOWN = "token_issuer_unknown"
    # not evaluated
    FIELDS_NOT_MODELLED = "fields_not_modelled"
    KIND_NOT_MODELLED = "kind_not_modelled"
    KIND_NOT_READABLE = "kind_not_readable"
    DRY_RUN_MAY_BE_ENFORCED = "dry_run_may_be_enforced"
    PROXY_CHANGED = "proxy_changed"
    CUSTOM_AUTHORIZER = "custom_authorizer"
    DEPENDS_ON_AUTHORIZER = "depends_on_authorizer"
    CONDITION_NOT_KNOWN = "condition_not_known"
    SEVERAL = "several"
    DEPENDS_ON_REQUEST = "depends_on_request"
    DEPENDS_ON_OWN_RULES = "depends_on_own_rules"
    DEPENDS_ON_PROTOCOL = "depends_on_protocol"
    DEPENDS_ON_GATEWAY_POLICIES = "depends_on_gateway_policies"
    DEPENDS_ON_ROUTE = "depends_on_route"
    # the mesh
    MEMBERSHIP_NOT_KNOWN = "membership_not_known"
    MESH_CONFIG_NOT_KNOWN = "mesh_config_not_known"
    NAMESPACE_NOT_DISCOVERED = "namespace_not_discovered"
    NAMESPACE_NOT_KNOWN = "namespace_not_known"
    MEMBERSHIP_CONFIGURED = "membership_configured"
    REVISION_NOT_KNOWN = "revision_not_known"
    CAPTURE_LOST = "capture_lost"
    CAPTURE_PENDING = "capture_pending"
    # sidecars
    PORT_NOT_CAPTURED = "port_not_captured"
    SIDECAR_HBONE_NOT_KNOWN = "sidecar_hbone_not_known"
    TRANSPORT_NOT_KNOWN = "transport_not_known"
    TUNNEL_NOT_KNOWN = "tunnel_not_known"
    ADDRESS_PAST_SERVICE = "address_past_service"
    SERVICE_NOT_KNOWN_TO_SIDECAR = "service_not_known_to_sidecar"
    SERVICE_NOT_EXPORTED = "service_not_exported"
    # waypoints
    WAYPOINT_NOT_FOR_GATEWAYS = "waypoint_not_for_gateways"
    WAYPOINT_NOT_FOR_PLAINTEXT = "waypoint_not_for_plaintext"
    WAYPOINT_NOT_FOR_TRAFFIC = "waypoint_not_for_traffic"
    WAYPOINT_NOT_FOR_NAMESPACE = "waypoint_not_for_namespace"
    WAYPOINT_NOT_READY = "waypoint_not_ready"
    WAYPOINT_WITH_SIDECAR = "waypoint_with_sidecar"
    WAYPOINT_WITH_HEADLESS = "waypoint_with_headless"
    WAYPOINT_MISSING = "waypoint_missing"
    WAYPOINT_CLASS_NOT_MODELLED = "waypoint_class_not_modelled"
    WAYPOINT_WITHOUT_PODS = "waypoint_without_pods"
    ROUTED_IN_MESH = "routed_in_mesh"
    ROUTED_AT_WAYPOINT = "routed_at_waypoint"
    BACKEND_TLS_NOT_MODELLED = "backend_tls_not_modelled"
    # hosts
    HOST_NOT_REGISTERED = "host_not_registered"
    HOST_PORT_NOT_REGISTERED = "host_port_not_registered"
    HOST_PAST_PROXIES = "host_past_proxies"
    HOST_NOT_RECOGNISED = "host_not_recognised"
    HOST_NOT_EXPORTED = "host_not_exported"
    ENTRIES_MAY_BE_HIDDEN = "entries_may_be_hidden"
    HOST_NAMED_TWICE = "host_named_twice"
    REGISTRY_ONLY = "registry_only"
    ADDRESS_MAY_BE_REGISTERED = "address_may_be_registered"
    OUTBOUND_MAY_BYPASS = "outbound_may_bypass"
    DYNAMIC_DNS_WITHOUT_WAYPOINT = "dynamic_dns_without_waypoint"
    NO_ENDPOINT_BEHIND_HOST = "no_endpoint_behind_host"
    ENDPOINT_IS_SOCKET = "endpoint_is_socket"
    ENDPOINT_IN_OTHER_NETWORK = "endpoint_in_other_network"
    ENDPOINT_TUNNELS = "endpoint_tunnels"
    ENDPOINT_HAS_PROXY = "endpoint_has_proxy"
    # gateways
    NO_GATEWAY = "no_gateway"
    GATEWAY_CLASS_NOT_MODELLED = "gateway_class_not_modelled"
    GATEWAY_WITHOUT_PODS = "gateway_without_pods"
    LISTENER_NOT_MODELLED = "listener_not_modelled"
    LISTENER_FIELDS_NOT_MODELLED = "listener_fields_not_modelled"
    LISTENERS_NOT_MODELLED = "listeners_not_modelled"
    CERTIFICATE_NEEDED = "certificate_needed"
    LISTENER_FOR_HOST = "listener_for_host"
    GATEWAY_NOT_EXPOSED = "gateway_not_exposed"
    SERVER_NOT_MODELLED = "server_not_modelled"
    SERVER_REDIRECTS_TO_TLS = "server_redirects_to_tls"
    NO_ROUTE_LEADS_THERE = "no_route_leads_there"
    NO_ROUTE_TAKES_REQUEST = "no_route_takes_request"
    ROUTE_TAKES_REQUEST = "route_takes_request"
    ROUTED_ELSEWHERE = "routed_elsewhere"
    ROUTE_REDIRECTS = "route_redirects"
    ROUTE_ANSWERS = "route_answers"
    ROUTE_ORDER_NOT_KNOWN = "route_order_not_known"
    ROUTE_FIELDS_NOT_MODELLED = "route_fields_not_modelled"
    ROUTE_WITHOUT_BACKEND = "route_without_backend"
    ROUTE_EXPRESSION_UNREADABLE = "route_expression_unreadable"
    ROUTE_KIND_NOT_MODELLED = "route_kind_not_modelled"
    BACKEND_KIND_NOT_MODELLED = "backend_kind_not_modelled"
    BACKEND_IN_OTHER_NAMESPACE = "backend_in_other_namespace"
    BACKEND_MISSING = "backend_missing"
    BACKEND_WITHOUT_PODS = "backend_without_pods"
    # notes
    ITSELF = "itself"
    NOTHING_SELECTS = "nothing_selects"
    WORKLOAD_ENTRY_BEHIND_SERVICE = "workload_entry_behind_service"
    SLICE_NOT_READ_BY_ZTUNNEL = "slice_not_read_by_ztunnel"
    SLICE_PORT_DIFFERS = "slice_port_differs"
    NO_ENDPOINT_ON_NODE = "no_endpoint_on_node"
    ADDRESS_OF_SERVICE = "address_of_service"
    NODE_PORT_OF_SERVICE = "node_port_of_service"
    HOST_PORT_OF_POD = "host_port_of_pod"
    FAMILY_DECIDES = "family_decides"
    NO_FAMILY_IN_COMMON = "no_family_in_common"
    NO_POD_BEHIND_SERVICE = "no_pod_behind_service"
    EXTERNAL_NAME = "external_name"
    NOT_FOUND = "not_found"
    END_GONE = "end_gone"
    # what would change a denial
    CHANGE_NEW_POLICY = "change_new_policy"
    CHANGE_MORE_RULES = "change_more_rules"
    CHANGE_NARROWER_RULE = "change_narrower_rule"
    CHANGE_OWN_ACCOUNT = "change_own_account"
    CHANGE_NO_LABELS = "change_no_labels"
    CHANGE_PATH_PATTERN = "change_path_pattern"
    CHANGE_ROOT_NAMESPACE = "change_root_namespace"
    CHANGE_CLUSTER_POLICY = "change_cluster_policy"
    CHANGE_SHARED_POLICY = "change_shared_policy"
    CHANGE_JOIN_MESH = "change_join_mesh"
    CHANGE_TOKEN = "change_token"
    CHANGE_ROUTE = "change_route"
    CHANGE_ROUTING = "change_routing"
    CHANGE_BACKEND = "change_backend"
    CHANGE_REGISTER = "change_register"
    CHANGE_HOST_ADDRESS = "change_host_address"
    # assumptions
    ADDRESSES_NOT_TRANSLATED = "addresses_not_translated"
    ON_HOST_NETWORK = "on_host_network"
    AS_ITS_NODE = "as_its_node"
    MESH_CONFIG_NOT_READ = "mesh_config_not_read"
    CNI_CONFIG_NOT_READ = "cni_config_not_read"
    FILES_SKIPPED = "files_skipped"
    DISABLE_PORT_IGNORED = "disable_port_ignored"
    STRICT_PORTS_DROPPED = "strict_ports_dropped"
    STRICT_MODE_LOST = "strict_mode_lost"
    THROUGH_A_SERVICE = "through_a_service"
    MEMBERSHIP_MAKES_NO_DIFFERENCE = "membership_makes_no_difference"
    TRANSPORT_MAKES_NO_DIFFERENCE = "transport_makes_no_difference"
    WAYPOINT_AS_DEPLOYED = "waypoint_as_deployed"
    CLIENT_OUTSIDE = "client_outside"
    CLIENT_REACHES_GATEWAY = "client_reaches_gateway"
    CLIENT_HAS_CERTIFICATE = "client_has_certificate"
    HOST_BY_DNS_CAPTURE = "host_by_dns_capture"
    OUTBOUND_ANY_ASSUMED = "outbound_any_assumed"
    HOST_AS_ROUTED = "host_as_routed"


@dataclass(frozen=True, slots=True)
class Reason:
    """A code with its named fields: objects, rules, ports and names as in the model, and other reasons."""

    code: Code
    fields: tuple[tuple[str, Hashable], ...] = ()

    def __getitem__(self, name: str) -> Hashable:
        """The value of a field. Raises KeyError."""
        return dict(self.fields)[name]


def because(code: Code, **fields: Hashable) -> Reason:
    """A reason with its fields in the given order."""
    return Reason(code, tuple(fields.items()))


@dataclass(frozen=True, slots=True)
class Caller:
    """The caller: its verified identity, or None without one; ``name`` is the pod, if it is known."""

    principal: str | None
    name: str = ""


@dataclass(frozen=True, slots=True)
class PortSeen:
    """The port that an application listens on, and whether NetworkPolicy sees HBONE's port instead."""

    protocol: str
    number: int
    tunnelled: bool = False
