"""The main screen, each kind at each size, and the screens that open from it."""

from __future__ import annotations

import pytest

from meshtui.app import MeshtuiApp
from tests.fakes.frozen import bookstore
from tests.snapshot.conftest import app_on, pressing

ZTUNNEL = (
    "2026-11-24T13:49:58.721221Z\tinfo\taccess\tconnection complete\tsrc.addr=127.1.0.4:35498 "
    'src.workload="{workload}" src.namespace="ecom" src.identity="spiffe://cluster.local/ns/ecom/sa/ecom-service" '
    'dst.addr=127.1.0.10:15008 dst.hbone_addr=127.1.0.10:8000 dst.service="inventory-service.inventory.svc.cluster.local" '
    'dst.workload="inventory-service-x" dst.namespace="inventory" '
    'dst.identity="spiffe://cluster.local/ns/inventory/sa/inventory-service" direction="outbound" '
    'bytes_sent=185 bytes_recv=98 duration="5ms"'
)
DENIED = ZTUNNEL.replace("info\taccess", "error\taccess") + (
    ' error="connection closed due to policy rejection: allow policies exist, but none allowed"'
)


@pytest.mark.parametrize("kind", ["1", "2", "3", "4"], ids=["namespaces", "workloads", "authz", "netpol"])
def test_kind(snap_compare, frozen_app: MeshtuiApp, size: tuple[int, int], kind: str) -> None:
    assert snap_compare(frozen_app, terminal_size=size, run_before=pressing(kind, "j"))


@pytest.mark.parametrize(
    "keys",
    [("2", "j", "d"), ("2", "j", "y"), ("question_mark",), ("n",), ("colon", "n", "e", "t"), ("slash", "d", "b")],
    ids=["describe", "yaml", "help", "namespace", "command", "filter"],
)
def test_screen(snap_compare, frozen_app: MeshtuiApp, size: tuple[int, int], keys: tuple[str, ...]) -> None:
    assert snap_compare(frozen_app, terminal_size=size, run_before=pressing(*keys))


def test_one_namespace(snap_compare, frozen_app: MeshtuiApp) -> None:
    assert snap_compare(frozen_app, terminal_size=(120, 40), run_before=pressing("1", "j", "enter"))


def test_newest_change_first(snap_compare, frozen_app: MeshtuiApp) -> None:
    assert snap_compare(frozen_app, terminal_size=(120, 40), run_before=pressing("3", "s"))


def test_ztunnel_log(snap_compare, size: tuple[int, int]) -> None:
    snapshot = bookstore()
    client = next(pod for pod in snapshot.pods.values() if pod.name.startswith("ecom-service"))
    ztunnel = next(p for p in snapshot.pods.values() if p.labels.get("app") == "ztunnel" and p.node == client.node)
    lines = [ZTUNNEL.format(workload=client.name), DENIED.format(workload=client.name)]
    app = app_on(snapshot, logs={ztunnel.key: lines})
    assert snap_compare(app, terminal_size=size, run_before=pressing("2", "j", "l"))
