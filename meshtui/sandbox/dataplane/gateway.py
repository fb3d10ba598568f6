"""Gateways of class istio: an HTTP listener at the pod and at the node port, routes, tokens, policies.

A gateway has its own identity and opens its tunnels itself: its backends are the pod's own outbound listeners.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from meshtui.sandbox import addresses
from meshtui.sandbox.dataplane import l7
from meshtui.sandbox.dataplane.doors import Doors
from meshtui.sandbox.dataplane.httproute import virtual_hosts
from meshtui.sandbox.dataplane.inbound import door_of, way_in
from meshtui.sandbox.dataplane.outbound import Route
from meshtui.sandbox.dataplane.podview import routes_of
from meshtui.sandbox.dataplane.resources import (
    NOWHERE,
    access_log,
    bound_to,
    http1_once,
    listener,
    socket_address,
    static_cluster,
)
from meshtui.sandbox.dataplane.world import GATEWAY_NAME, Pod, World
from meshtui.sandbox.ports import Obj

Json = dict[str, Any]

_HTTP = "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager"
_ROUTER = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router"
_LINE = (
    '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% '
    '%RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% "%UPSTREAM_TRANSPORT_FAILURE_REASON%" %BYTES_RECEIVED% '
    '%BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" '
    '"%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%" %UPSTREAM_CLUSTER% %UPSTREAM_LOCAL_ADDRESS% '
    "%DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%"
)


NODE_PORT = "node-port"
"""The door of the first gateway for clients outside the cluster."""


@dataclass(slots=True)
class Gateways:
    """Listeners and clusters by name."""

    listeners: dict[str, Json] = field(default_factory=dict)
    clusters: dict[str, Json] = field(default_factory=dict)
    doors: dict[str, str] = field(default_factory=dict)
    """Door → the listener behind it."""


@dataclass(frozen=True, slots=True)
class GatewayBuilder:
    """Builds the gateways' part of Envoy's configuration."""

    world: World
    routes: Mapping[str, Mapping[str, Route]]
    """Pod uid → destination key → address to connect to."""
    doors: Doors

    def build(self) -> Gateways:
        """Return everything for all gateway pods. A ready one gets the node port."""
        made = Gateways()
        entrances = [NODE_PORT]
        for gateway, pod in sorted(self._pods(), key=lambda each: not each[1].ready):
            for entry in (gateway.get("spec") or {}).get("listeners") or []:
                if entry.get("protocol", "HTTP") != "HTTP":
                    continue
                name = f"gateway|{pod.uid}|{entry['port']}"
                made.listeners[name] = listener(
                    name, self.doors.pipe(name), [{"filters": [self._manager(made, gateway, entry, pod)]}]
                )
                made.doors |= dict.fromkeys(entrances, name)
                entrances = []
                if way_in(self.doors, pod, entry["port"]) is not None:
                    made.doors[door_of(pod, entry["port"])] = name
        return made

    def _pods(self) -> Iterator[tuple[Obj, Pod]]:
        for gateway in self.world.objects.get("gateways", ()):
            meta = gateway["metadata"]
            for pod in self.world.pods:
                named = pod.labels.get(GATEWAY_NAME) == meta["name"] or pod.service_account == f"{meta['name']}-istio"
                if pod.gateway and pod.namespace == meta["namespace"] and named:
                    yield gateway, pod

    def _manager(self, made: Gateways, gateway: Obj, entry: Obj, pod: Pod) -> Json:
        def cluster_of(namespace: str, service: str, port: int) -> str | None:
            return self._backend(made, pod, self.routes[pod.uid].get(f"svc/{namespace}/{service}/{port}"))

        def fetch_cluster(uri: str) -> str:
            parts = urlsplit(uri)
            port = parts.port or (443 if parts.scheme == "https" else 80)
            view = routes_of(self.world, pod, self.routes[pod.uid])
            return self._backend(made, pod, view.get(f"{parts.hostname}:{port}")) or NOWHERE

        def attached(plural: str) -> list[Obj]:
            found = self.world.objects.get(plural, ())
            return [each for each in found if l7.applies(self.world, each, pod, gateway)]

        config = {
            "@type": _HTTP,
            "stat_prefix": "gateway",
            "use_remote_address": True,
            "normalize_path": True,
            "merge_slashes": True,
            "strip_any_host_port": True,
            "server_name": "istio-envoy",
            "access_log": access_log("gateway", src=pod.uid, line=_LINE),
            "upgrade_configs": [{"upgrade_type": "websocket"}],
            "route_config": {
                "validate_clusters": False,
                "virtual_hosts": virtual_hosts(self.world, gateway, entry, cluster_of),
            },
            "http_filters": [
                *l7.jwt_filters(attached("requestauthentications"), fetch_cluster),
                *l7.rbac_filters(attached("authorizationpolicies")),
                {"name": "router", "typed_config": {"@type": _ROUTER}},
            ],
        }
        return {"name": "gateway", "typed_config": config}

    def _backend(self, made: Gateways, pod: Pod, route: Route | None) -> str | None:
        """Return the cluster for the gateway's own outbound listener."""
        if route is None:
            return None
        name = f"backend|{pod.uid}|{route[1]}"
        cluster = bound_to(static_cluster(name, socket_address(*route)), addresses.source_address(pod.ip))
        cluster["typed_extension_protocol_options"] = http1_once()
        made.clusters[name] = cluster
        return name
