"""The address of a Gateway from outside the cluster (docs/contracts.md, Where the gateway is)."""

from __future__ import annotations

import ipaddress

from meshtui.model.constants import GATEWAY_NAME
from meshtui.model.gateway import Gateway
from meshtui.model.snapshot import Snapshot


def find_gateway(snapshot: Snapshot, namespace: str, name: str) -> Gateway | None:
    """The Gateway with a namespace and a name, or None."""
    return next((g for g in snapshot.gateways.values() if (g.meta.namespace, g.meta.name) == (namespace, name)), None)


def gateway_urls(snapshot: Snapshot, namespace: str, name: str) -> list[str]:
    """The URLs of a Gateway, the best first: the addresses of its status with its listener's port, then its NodePort."""
    gateway = find_gateway(snapshot, namespace, name)
    if gateway is None:
        return []
    listener = next((item for item in gateway.listeners if item.protocol == "HTTP"), None)
    port = listener.port if listener else 80
    urls = [f"http://{_host(address)}:{port}" for address in gateway.addresses]
    for service in snapshot.services.values():
        selects = dict(service.selector or ()).get(GATEWAY_NAME) == name
        if service.meta.namespace != namespace or not (selects or service.meta.name in {name, f"{name}-istio"}):
            continue
        node_ports = [p.node_port for p in service.ports if p.node_port and p.number == port]
        urls += [f"http://{_host(ip)}:{np}" for np in node_ports for node in snapshot.nodes.values() for ip in node.ips]
    return list(dict.fromkeys(urls))


def _host(address: str) -> str:
    """Format an address for a URL."""
    try:
        return f"[{address}]" if ipaddress.ip_address(address).version == 6 else address
    except ValueError:
        return address
