"""The open connections of captured pods, from the doors through which they pass."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from meshtui.sandbox.dataplane.world import HBONE_PORT, Pod, Service, World

Json = dict[str, Any]
Passing = tuple[str, tuple[str, int]]
"""The door's name, and the client's address."""


def connections_by_pod(world: World, passing: Iterable[Passing]) -> dict[str, Json]:
    """Return the connections of each captured pod, by its uid."""
    pods = {pod.uid: pod for pod in world.pods}
    found: dict[str, Json] = {pod.uid: {"inbound": [], "outbound": []} for pod in world.pods if pod.captured}
    for door, peer in sorted(passing):
        side, _, rest = door.partition("|")
        uid, _, what = rest.partition("|")
        if uid not in found:
            continue
        made = _inbound(world, pods[uid], int(what), peer) if side == "in" else _outbound(world, pods, pods[uid], what, peer)
        if made is not None:
            found[uid]["inbound" if side == "in" else "outbound"].append(made)
    return found


def _inbound(world: World, pod: Pod, port: int, peer: tuple[str, int]) -> Json | None:
    source = f"{peer[0]}:{peer[1]}"
    if port != HBONE_PORT:
        return {"actualDst": f"{pod.ip}:{port}", "originalDst": None, "protocol": "TCP", "src": source}
    ports = pod.port_numbers()
    if len(ports) != 1:  # which port a tunnel leads to stands inside of it
        return None
    host = next((each.fqdn for each in world.services if _leads_to(each, pod, ports[0])), None)
    return {"actualDst": f"{pod.ip}:{ports[0]}", "originalDst": host, "protocol": "HBONE", "src": source}


def _leads_to(service: Service, pod: Pod, port: int) -> bool:
    return any(each.pod.uid == pod.uid and each.port == port for backends in service.ports.values() for each in backends)


def _outbound(world: World, pods: dict[str, Pod], source: Pod, what: str, peer: tuple[str, int]) -> Json | None:
    kind, _, name = what.partition("/")
    name, _, text = name.rpartition("/")
    port = int(text)
    if kind == "svc":
        service = next((each for each in world.services if each.host == name), None)
        backends = service.ports.get(port, ()) if service else ()
        if service is None or not backends:
            return None
        target, number = backends[0].pod, backends[0].port
        called = service.cluster_ip or target.ip
    elif name in pods:
        target, number, called = pods[name], port, pods[name].ip
    else:
        return None
    return {
        "actualDst": f"{target.ip}:{HBONE_PORT if target.believed else number}",
        "originalDst": f"{called}:{port}",
        "protocol": "HBONE" if target.believed else "TCP",
        # A client that didn't bind to its pod's address is known by the door, which is the pod's own.
        "src": f"{source.ip}:{peer[1]}",
    }
