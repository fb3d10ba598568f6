"""Each pod's network file: the address for each name and port."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from meshtui.sandbox import addresses
from meshtui.sandbox.dataplane.outbound import Route, hbone_key
from meshtui.sandbox.dataplane.world import HBONE_PORT, Pod, Service, World
from meshtui.sandbox.ports import PodPaths
from meshtui.sandbox.user import User, open_folder, write_for


def routes_of(world: World, pod: Pod, by_key: Mapping[str, Route]) -> dict[str, Route]:
    """Return ``name:port`` → address to connect to, with every DNS form of every Service and pod."""
    routes: dict[str, Route] = {}
    for service in world.services:
        for port in service.ports:
            for name in _service_names(service, pod):
                routes[f"{name}:{port}"] = by_key[f"svc/{service.host}/{port}"]
    for other in world.pods:
        for port in other.port_numbers():
            for name in _pod_names(other, pod):
                routes[f"{name}:{port}"] = by_key[f"pod/{other.uid}/{port}"]
        if hbone_key(other) in by_key:
            routes.setdefault(f"{other.ip}:{HBONE_PORT}", by_key[hbone_key(other)])
    return routes


def _service_names(service: Service, seen_from: Pod) -> Iterator[str]:
    yield from _dns_forms(service.name, service.namespace, seen_from)
    if service.cluster_ip:
        yield service.cluster_ip


def _pod_names(pod: Pod, seen_from: Pod) -> Iterator[str]:
    yield pod.ip
    for name in pod.dns:
        yield from _dns_forms(name, pod.namespace, seen_from)


def _dns_forms(name: str, namespace: str, seen_from: Pod) -> Iterator[str]:
    if namespace == seen_from.namespace:
        yield name
    yield f"{name}.{namespace}"
    yield f"{name}.{namespace}.svc"
    yield f"{name}.{namespace}.svc.cluster.local"


def write_view(paths: PodPaths, pod: Pod, routes: Mapping[str, Route], refused: Route, user: User | None = None) -> None:
    """Write net.json and .curlrc atomically, .curlrc first, since processes start when net.json exists."""
    open_folder(paths.root, user)
    bound = addresses.source_address(pod.ip)
    lines = [f'interface = "host!{bound}"'] if bound else []
    lines += [f'connect-to = "{name}:{host}:{port}"' for name, (host, port) in routes.items()]
    # Other ports of a name are refused. Otherwise curl would ask the machine's resolver.
    hosts = dict.fromkeys(name.rpartition(":")[0] for name in routes)
    lines += [f'connect-to = "{host}::{refused[0]}:{refused[1]}"' for host in hosts]
    lines.append('noproxy = "*"')
    _replace(paths.curlrc, ("\n".join(lines) + "\n").encode(), user)
    view = {"ip": bound or "127.0.0.1", "namespace": pod.namespace, "routes": routes}
    _replace(paths.network, msgspec.json.encode(view), user)


def _replace(path: Path, data: bytes, user: User | None) -> None:
    if not path.exists() or path.read_bytes() != data:
        write_for(path, data, user)
