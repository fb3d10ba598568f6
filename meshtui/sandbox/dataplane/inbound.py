"""The inbound side of a pod's ztunnel: the HBONE listener, and a plaintext listener for each declared port."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network
from typing import Any

from meshtui.sandbox import addresses
from meshtui.sandbox.dataplane.authz import enforced
from meshtui.sandbox.dataplane.certs import MeshCa
from meshtui.sandbox.dataplane.doors import Doors
from meshtui.sandbox.dataplane.l4 import Network, Policy, plaintext_denied_by
from meshtui.sandbox.dataplane.rbac import cidr, hbone_filters
from meshtui.sandbox.dataplane.resources import (
    COMMON_FIELDS,
    NOWHERE,
    access_log,
    listener,
    static_cluster,
    tcp_proxy,
    tls_context,
)
from meshtui.sandbox.dataplane.world import HBONE_PORT, Pod, World
from meshtui.sandbox.ports import PodPaths

Json = dict[str, Any]
Route = tuple[str, int]

_HTTP = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_ROUTER = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
_EVERYWHERE = IPv4Network("0.0.0.0/0")


@dataclass(slots=True)
class Inbound:
    """Listeners and clusters by name."""

    listeners: dict[str, Json] = field(default_factory=dict)
    clusters: dict[str, Json] = field(default_factory=dict)
    doors: dict[str, str] = field(default_factory=dict)
    """Door → the listener behind it."""


@dataclass(frozen=True, slots=True)
class InboundBuilder:
    """Builds the inbound half of Envoy's configuration."""

    world: World
    ca: MeshCa
    pod_paths: Callable[[str], PodPaths]
    doors: Doors

    def build(self) -> Inbound:
        """Return everything for all pods except gateways, which accept connections themselves."""
        made = Inbound()
        for pod in self.world.pods:
            if pod.gateway or pod.pending:
                continue
            policies = enforced(self.world, pod) if pod.captured else []
            for port in pod.port_numbers():
                path = self.pod_paths(pod.uid).socket(port)
                if pod.captured or path.exists():  # without a proxy, connections to a closed port are refused
                    name = f"app|{pod.uid}|{port}"
                    made.clusters[name] = static_cluster(name, {"pipe": {"path": str(path)}}, timeout="2s")
                    self._add(made, pod, port, self._plaintext(pod, port, policies))
            if pod.captured:
                self._add(made, pod, HBONE_PORT, self._hbone(pod, policies))
        return made

    def _add(self, made: Inbound, pod: Pod, port: int, entry: Json) -> None:
        made.listeners[entry["name"]] = entry
        if way_in(self.doors, pod, port) is not None:
            made.doors[door_of(pod, port)] = entry["name"]

    def _plaintext(self, pod: Pod, port: int, policies: list[Policy]) -> Json:
        """Return one filter chain per range of source addresses that policies distinguish."""
        chains = []
        for network in sorted(_ranges(policies), key=str):
            denied = plaintext_denied_by(policies, _representative(network, policies), pod.ip, port)
            target = f"app|{pod.uid}|{port}" if denied is None else NOWHERE
            log = access_log("in", **COMMON_FIELDS, dst=pod.uid, port=str(port), denied=denied or "")
            chains.append(
                {
                    "name": str(network),
                    "filter_chain_match": {"source_prefix_ranges": [cidr(network)]},
                    "filters": [tcp_proxy(log if pod.captured else [], cluster=target)],
                }
            )
        name = f"in|{pod.uid}|{port}"
        return listener(name, self.doors.pipe(name), chains)

    def _hbone(self, pod: Pod, policies: list[Policy]) -> Json:
        routes = [_connect_route(port, f"app|{pod.uid}|{port}") for port in pod.port_numbers()]
        # A tunnel to an undeclared port isn't answered by an application.
        routes.append({"match": {"connect_matcher": {}}, "direct_response": {"status": 503}})
        manager = {
            "@type": _HTTP,
            "stat_prefix": "hbone",
            "codec_type": "HTTP2",
            "use_remote_address": True,
            "skip_xff_append": True,
            "http2_protocol_options": {"allow_connect": True},
            "stream_idle_timeout": "0s",
            "drain_timeout": "0.1s",
            "generate_request_id": False,
            "access_log": access_log(
                "hbone",
                **COMMON_FIELDS,
                dst=pod.uid,
                authority="%REQ(:AUTHORITY)%",
                identity="%DOWNSTREAM_PEER_URI_SAN%",
                status="%RESPONSE_CODE%",
            ),
            # ztunnel answers a denied CONNECT with 401.
            "local_reply_config": {"mappers": [{"filter": _status_is(403), "status_code": 401}]},
            "route_config": {"validate_clusters": False, "virtual_hosts": [{"name": "app", "domains": ["*"], "routes": routes}]},
            "http_filters": [
                *hbone_filters(policies, pod.ip, self.world.trust_domain),
                {"name": "router", "typed_config": {"@type": _ROUTER, "suppress_envoy_headers": True}},
            ],
        }
        chain = {
            "filters": [{"name": "hbone", "typed_config": manager}],
            "transport_socket": tls_context(
                "Downstream",
                self.ca.issue(self.world.identity(pod), pod.node),
                self.ca.root,
                {"prefix": f"spiffe://{self.world.trust_domain}/"},
                require_peer=True,
            ),
        }
        name = f"hbone|{pod.uid}"
        return listener(name, self.doors.pipe(name), [chain])


def door_of(pod: Pod, port: int) -> str:
    """The name of the door at a pod's own address."""
    return f"in|{pod.uid}|{port}"


def way_in(doors: Doors, pod: Pod, port: int) -> Route | None:
    """The address to which connections to a pod's port are sent; None if another program has it."""
    return doors.reserve(door_of(pod, port), *addresses.listen_at(pod.ip, port))


def _connect_route(port: int, cluster: str) -> Json:
    return {
        "match": {
            "connect_matcher": {},
            "headers": [{"name": ":authority", "string_match": {"suffix": f":{port}"}}],
        },
        "route": {
            "cluster": cluster,
            "timeout": "0s",
            "upgrade_configs": [{"upgrade_type": "CONNECT", "connect_config": {}}],
        },
    }


def _status_is(code: int) -> Json:
    return {
        "status_code_filter": {
            "comparison": {"op": "EQ", "value": {"default_value": code, "runtime_key": f"sandbox.status_{code}"}}
        }
    }


def _ranges(policies: list[Policy]) -> set[IPv4Network]:
    """Return every range of source addresses that a policy has, and the rest of all addresses."""
    mentioned = {
        network
        for policy in policies
        for rule in policy.rules
        for clause in rule
        for match in clause
        for network in (*match.source_ips, *match.not_source_ips)
    }
    return {_EVERYWHERE, *(network for network in mentioned if isinstance(network, IPv4Network))}


def _representative(network: Network, policies: list[Policy]) -> str:
    """Return an address of this range that is in no narrower one (Envoy uses the narrowest match)."""
    narrower = [other for other in _ranges(policies) if other != network and _inside(other, network)]
    candidate = int(network.network_address)
    for other in sorted(narrower, key=lambda each: int(each.network_address)):
        if candidate in range(int(other.network_address), int(other.broadcast_address) + 1):
            candidate = int(other.broadcast_address) + 1
    return str(IPv4Address(min(candidate, int(network.broadcast_address))))


def _inside(inner: IPv4Network, outer: Network) -> bool:
    return isinstance(outer, IPv4Network) and inner.subnet_of(outer)
