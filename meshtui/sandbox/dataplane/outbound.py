"""The outbound side of a captured pod's ztunnel (or of a gateway): listeners for its connections, and the tunnels.

Each captured pod has its own listener for every destination port, so that the socket identifies the source. Pods outside the
mesh have none: their connections go directly to the destination.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from meshtui.sandbox import addresses
from meshtui.sandbox.dataplane import netpol
from meshtui.sandbox.dataplane.certs import MeshCa
from meshtui.sandbox.dataplane.doors import Doors
from meshtui.sandbox.dataplane.inbound import way_in
from meshtui.sandbox.dataplane.resources import (
    COMMON_FIELDS,
    access_log,
    bound_to,
    http2_once,
    listener,
    socket_address,
    static_cluster,
    tcp_proxy,
    tls_context,
)
from meshtui.sandbox.dataplane.world import HBONE_PORT, Backend, Pod, World

Json = dict[str, Any]
Route = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Destination:
    """A destination: a Service's port or a pod's port, and its backends."""

    key: str
    service: str
    """The Service's full name, as ztunnel logs it; empty for a pod."""
    port: int
    backends: tuple[Backend, ...]


def destinations(world: World) -> Iterator[Destination]:
    """Return every Service port and every declared pod port. For a headless Service these are its pods' ports."""
    for service in world.services:
        name = "" if service.headless else service.fqdn
        for port, backends in service.ports.items():
            yield Destination(f"svc/{service.host}/{port}", name, port, backends)
    for pod in world.pods:
        for port in pod.port_numbers():
            yield Destination(f"pod/{pod.uid}/{port}", "", port, (Backend(pod, port),))


def hbone_key(pod: Pod) -> str:
    """The key of the way to a pod's HBONE port, which only pods outside the mesh have."""
    return f"pod/{pod.uid}/{HBONE_PORT}"


@dataclass(slots=True)
class Outbound:
    """Listeners and clusters by name, and the address for each connection of a pod."""

    listeners: dict[str, Json] = field(default_factory=dict)
    clusters: dict[str, Json] = field(default_factory=dict)
    routes: dict[str, dict[str, Route]] = field(default_factory=dict)
    """Pod uid → destination key → address to connect to."""
    doors: dict[str, str] = field(default_factory=dict)
    """Door → the listener behind it (both have the same name)."""


@dataclass(frozen=True, slots=True)
class OutboundBuilder:
    """Builds the outbound half of Envoy's configuration from a world."""

    world: World
    ca: MeshCa
    doors: Doors
    black_hole: Route
    """An address that never answers, for connections that a NetworkPolicy drops."""
    refused: Callable[[Pod], Route]
    """An address without a listener, for a destination without ready backends."""

    def build(self) -> Outbound:
        """Return everything for every pod."""
        made = Outbound()
        targets = list(destinations(self.world))
        for source in self.world.pods:
            routes = made.routes.setdefault(source.uid, {})
            for target in targets:
                routes[target.key] = self._route(made, source, target)
            if not source.meshed:
                routes |= {hbone_key(pod): self._at_hbone(source, pod) for pod in self.world.pods}
        return made

    def _at_hbone(self, source: Pod, destination: Pod) -> Route:
        """The way of a pod outside the mesh to HBONE's port, where a captured pod's ztunnel demands a certificate."""
        if source.pending:
            return self.refused(source)
        if netpol.drops(self.world, source, destination, HBONE_PORT):
            return self.black_hole
        if not destination.captured or destination.pending:
            return self.refused(source)
        return way_in(self.doors, destination, HBONE_PORT) or self.refused(source)

    def _route(self, made: Outbound, source: Pod, target: Destination) -> Route:
        if not target.backends or source.pending:
            return self.refused(source)
        if not source.meshed:
            return self._direct(source, _pick(source, target))
        return self._through_ztunnel(made, source, target)

    def _direct(self, source: Pod, backend: Backend) -> Route:
        if backend.pod.pending:  # it is redirected to a proxy that isn't there
            return self.refused(source)
        if netpol.drops(self.world, source, backend.pod, backend.port):
            return self.black_hole
        return way_in(self.doors, backend.pod, backend.port) or self.refused(source)

    def _through_ztunnel(self, made: Outbound, source: Pod, target: Destination) -> Route:
        # There is one CONNECT authority for all backends: if they differ during a rollout, the first one's kind is used.
        first = target.backends[0]
        if first.pod.uid == source.uid and not target.service:
            return self._to_itself(made, source, target)
        tunnelled = first.pod.believed
        alike = [each for each in target.backends if each.pod.believed == tunnelled and each.port == first.port]
        names = []
        for backend in alike:
            cluster = self._tunnel(source, backend) if tunnelled else self._plain(source, backend)
            made.clusters[cluster["name"]] = cluster
            names.append(cluster["name"])
        proxy = tcp_proxy(_log(source, target, first.port), **_targets(names), **_tunnelling(first, tunnelled))
        return self._listen(made, source, target, proxy)

    def _to_itself(self, made: Outbound, source: Pod, target: Destination) -> Route:
        """Connections of a pod to its own address aren't redirected, as in ambient."""
        port = target.backends[0].port
        if source.gateway:
            return way_in(self.doors, source, port) or self.refused(source)
        return self._listen(made, source, target, tcp_proxy([], cluster=f"app|{source.uid}|{port}"))

    def _listen(self, made: Outbound, source: Pod, target: Destination, proxy: Json) -> Route:
        name = f"out|{source.uid}|{target.key}"
        made.listeners[name] = listener(name, self.doors.pipe(name), [{"filters": [proxy]}])
        made.doors[name] = name
        host = addresses.outbound_address(source.ip) if addresses.LOOPBACK_BLOCK else "127.0.0.1"
        return self.doors.reserve(name, host) or self.refused(source)

    def _tunnel(self, source: Pod, backend: Backend) -> Json:
        destination = backend.pod
        dropped = netpol.drops(self.world, source, destination, HBONE_PORT)
        open_way = None if destination.lost else way_in(self.doors, destination, HBONE_PORT)
        open_way = open_way or self.refused(source)
        address = self.black_hole if dropped else open_way
        cluster = static_cluster(f"hbone|{source.uid}|{destination.uid}", socket_address(*address))
        cluster["typed_extension_protocol_options"] = http2_once()
        cluster["transport_socket"] = tls_context(
            "Upstream",
            self.ca.issue(self.world.identity(source), "" if source.gateway else source.node),
            self.ca.root,
            {"exact": self.world.identity(destination)},
        )
        return bound_to(cluster, addresses.source_address(source.ip))

    def _plain(self, source: Pod, backend: Backend) -> Json:
        address = self._direct(source, backend)
        name = f"plain|{source.uid}|{backend.pod.uid}|{backend.port}"
        return bound_to(static_cluster(name, socket_address(*address)), addresses.source_address(source.ip))


def _pick(source: Pod, target: Destination) -> Backend:
    """Choose a backend, as kube-proxy does, but always the same one, so that results are reproducible."""
    return target.backends[sum(source.uid.encode()) % len(target.backends)]


def _targets(names: list[str]) -> Json:
    if len(names) == 1:
        return {"cluster": names[0]}
    return {"weighted_clusters": {"clusters": [{"name": name, "weight": 1} for name in names]}}


def _tunnelling(first: Backend, tunnelled: bool) -> Json:
    if not tunnelled:
        return {}
    return {"tunneling_config": {"hostname": f"{first.pod.ip}:{first.port}"}}


def _log(source: Pod, target: Destination, port: int) -> list[Json]:
    return access_log("out", **COMMON_FIELDS, src=source.uid, service=target.service, port=str(port))
