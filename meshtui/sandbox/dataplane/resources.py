"""Parts of Envoy's configuration that several listeners use."""

from __future__ import annotations

from pathlib import Path
from typing import Any

Json = dict[str, Any]

_TYPE = "type.googleapis.com/envoy"
LISTENER = f"{_TYPE}.config.listener.v3.Listener"
CLUSTER = f"{_TYPE}.config.cluster.v3.Cluster"
_HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"

NOWHERE = "nowhere"
"""A cluster without endpoints: a connection to it is accepted, then closed."""

CONNECT_TIMEOUT_S = 10
"""ztunnel's connect timeout, in seconds."""


def socket_address(host: str, port: int) -> Json:
    """Return a TCP address."""
    return {"socket_address": {"address": host, "port_value": port}}


def static_cluster(name: str, address: Json | None, *, timeout: str = f"{CONNECT_TIMEOUT_S}s") -> Json:
    """Return a cluster with at most one endpoint."""
    endpoints = [] if address is None else [{"lb_endpoints": [{"endpoint": {"address": address}}]}]
    return {
        "name": name,
        "type": "STATIC",
        "connect_timeout": timeout,
        "load_assignment": {"cluster_name": name, "endpoints": endpoints},
    }


def bound_to(cluster: Json, address: str | None) -> Json:
    """Make a cluster connect from a pod's own address."""
    if address is not None:
        cluster["upstream_bind_config"] = {"source_address": {"address": address, "port_value": 0}}
    return cluster


def http2_once() -> Json:
    """HTTP/2 with one connection per stream, so that a policy change applies to the next tunnel."""
    return {
        _HTTP_OPTIONS: {
            "@type": f"type.googleapis.com/{_HTTP_OPTIONS}",
            "explicit_http_config": {"http2_protocol_options": {}},
            "common_http_protocol_options": {"max_requests_per_connection": 1, "idle_timeout": "0s"},
        }
    }


def http1_once() -> Json:
    """HTTP/1.1 with one connection per request, for the same reason; each also has its own log line."""
    return {
        _HTTP_OPTIONS: {
            "@type": f"type.googleapis.com/{_HTTP_OPTIONS}",
            "explicit_http_config": {"http_protocol_options": {}},
            "common_http_protocol_options": {"max_requests_per_connection": 1},
        }
    }


def tls_context(kind: str, certificate: tuple[Path, Path], root: Path, peer: Json, *, require_peer: bool = False) -> Json:
    """Return a transport socket with a SPIFFE certificate that accepts peers whose URI matches ``peer``."""
    chain, key = certificate
    context: Json = {
        "@type": f"{_TYPE}.extensions.transport_sockets.tls.v3.{kind}TlsContext",
        "common_tls_context": {
            "alpn_protocols": ["h2"],
            "tls_params": {"tls_minimum_protocol_version": "TLSv1_3", "tls_maximum_protocol_version": "TLSv1_3"},
            "tls_certificates": [{"certificate_chain": {"filename": str(chain)}, "private_key": {"filename": str(key)}}],
            "validation_context": {
                "trusted_ca": {"filename": str(root)},
                "match_typed_subject_alt_names": [{"san_type": "URI", "matcher": peer}],
            },
        },
    }
    if require_peer:
        context["require_client_certificate"] = True
    return {"name": "tls", "typed_config": context}


def access_log(kind: str, **fields: str) -> list[Json]:
    """Return an access log on Envoy's standard output: one JSON object per line, with ``kind`` in ``k``."""
    return [
        {
            "name": "stdout",
            "typed_config": {
                "@type": f"{_TYPE}.extensions.access_loggers.stream.v3.StdoutAccessLog",
                "log_format": {"json_format": {"k": kind, **fields}},
            },
        }
    ]


COMMON_FIELDS = {
    "start": "%START_TIME%",
    "peer": "%DOWNSTREAM_REMOTE_ADDRESS%",
    "upstream": "%UPSTREAM_HOST%",
    "cluster": "%UPSTREAM_CLUSTER%",
    "received": "%BYTES_RECEIVED%",
    "sent": "%BYTES_SENT%",
    "ms": "%DURATION%",
    "flags": "%RESPONSE_FLAGS%",
    "why": "%UPSTREAM_TRANSPORT_FAILURE_REASON%",
    "details": "%RESPONSE_CODE_DETAILS%",
    "end": "%CONNECTION_TERMINATION_DETAILS%",
}


def tcp_proxy(log: list[Json], **target: Any) -> Json:
    """Return the filter that relays a connection to a cluster (or weighted clusters, or through a tunnel)."""
    return {
        "name": "tcp",
        "typed_config": {
            "@type": f"{_TYPE}.extensions.filters.network.tcp_proxy.v3.TcpProxy",
            "stat_prefix": "tcp",
            "max_connect_attempts": 1,
            "access_log": log,
            **target,
        },
    }


def listener(name: str, pipe: Path, filter_chains: list[Json]) -> Json:
    """Return a listener on a Unix socket that only its own user can open. A door relays to it, with a PROXY header."""
    return {
        "name": name,
        "address": {"pipe": {"path": str(pipe), "mode": 0o600}},
        "enable_reuse_port": False,
        "listener_filters": [
            {
                "name": "proxy_protocol",
                "typed_config": {"@type": f"{_TYPE}.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol"},
            }
        ],
        "per_connection_buffer_limit_bytes": 65536,
        "filter_chains": filter_chains,
    }
