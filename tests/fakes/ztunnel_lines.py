"""Lines of ztunnels' access logs about the bookstore, and the program on a source that has them."""

from __future__ import annotations

from datetime import timedelta

from meshtui.app import MeshtuiApp
from meshtui.model.snapshot import Snapshot
from meshtui.model.workload import Pod
from tests.fakes.frozen import NOW, bookstore
from tests.snapshot.conftest import app_on

REJECTED = "connection closed due to policy rejection: allow policies exist, but none allowed"
TIMED_OUT = "connection timed out, maybe a NetworkPolicy is blocking HBONE port 15008: deadline has elapsed"
REFUSED = "io error: Connection refused (os error 111)"


def pod_of(snapshot: Snapshot, workload: str) -> Pod:
    """A pod of a workload, by the beginning of its name."""
    return next(pod for pod in snapshot.pods.values() if pod.name.startswith(workload))


def access_line(source: str, target: str, port: int, *, ago_s: float = 2, error: str = "", inbound: bool = False) -> str:
    """A line; ``source`` and ``target`` are ``NAMESPACE/POD``, and the source's ServiceAccount is named like the namespace."""
    at = (NOW - timedelta(seconds=ago_s)).isoformat(timespec="microseconds").replace("+00:00", "Z")
    (from_namespace, from_pod), (to_namespace, to_pod) = source.split("/"), target.split("/")
    fields = (
        f'src.addr=127.1.0.4:35498 src.workload="{from_pod}" src.namespace="{from_namespace}" '
        f'src.identity="spiffe://cluster.local/ns/{from_namespace}/sa/{from_namespace}" '
        f"dst.addr=127.1.0.10:15008 dst.hbone_addr=127.1.0.10:{port} "
        f'dst.workload="{to_pod}" dst.namespace="{to_namespace}" '
        f'direction="{"inbound" if inbound else "outbound"}" bytes_sent=185 bytes_recv=98765 duration="5ms"'
    )
    level, message = ("error", f' error="{error}"') if error else ("info", "")
    return f"{at}\t{level}\taccess\tconnection complete\t{fields}{message}"


def log_app() -> MeshtuiApp:
    """Two purchases of ecom-service, one of them denied, one refused call, and scrapes between them."""
    snapshot = bookstore()
    client, server, scraper = (pod_of(snapshot, name) for name in ("ecom-service", "inventory-service", "prometheus"))
    ztunnel = next(p for p in snapshot.pods.values() if p.labels.get("app") == "ztunnel" and p.node == client.node)
    scrapes = [access_line(scraper.key, client.key, 8080, ago_s=300 - 15 * n, inbound=True) for n in range(18)]
    lines = [
        access_line(client.key, server.key, 8000, ago_s=400),
        *scrapes,
        access_line(client.key, server.key, 8000, ago_s=100, error=REJECTED),
        access_line("ecom/ui-service-6f7c-gone", client.key, 8080, ago_s=40, inbound=True),
        access_line(client.key, "inventory/inventory-db-0", 5432, ago_s=20, error=REFUSED),
        access_line(client.key, server.key, 8000, ago_s=2),
    ]
    return app_on(snapshot, logs={ztunnel.key: sorted(lines)})
