"""The denials at each size: what the log names, what is predicted, what disagrees; and when there is nothing to show."""

from __future__ import annotations

import asyncio
from typing import Any

from textual.pilot import Pilot

from meshtui.screens.denials import DenialsScreen
from tests.fakes.screens import table_of
from tests.snapshot.conftest import app_on, bookstore, settle

ECOM = ("ecom", "ecom-service")
INVENTORY = ("inventory", "inventory-service")
DATABASE = ("inventory", "inventory-db")
REJECTION = "connection closed due to policy rejection"
NONE_ALLOWED = f"{REJECTION}: allow policies exist, but none allowed"
LOST = "connection timed out, maybe a NetworkPolicy is blocking HBONE port 15008: deadline has elapsed"


def pod_of(part):
    namespace, start = part
    return next(p for p in bookstore().pods.values() if p.namespace == namespace and p.name.startswith(start))


def line(clock, source, destination, port, error, direction="inbound"):
    client, server = pod_of(source), pod_of(destination)
    identity = f"spiffe://cluster.local/ns/{client.namespace}/sa/{client.service_account}"
    meshed = client.namespace != "observability"
    who = f'src.identity="{identity}" ' if meshed else ""
    where = (
        f"dst.addr={server.ips[0]}:15008 dst.hbone_addr={server.ips[0]}:{port}" if meshed else f"dst.addr={server.ips[0]}:{port}"
    )
    return (
        f"2026-11-24T13:{clock}.000000Z\terror\taccess\tconnection complete\tsrc.addr={client.ips[0]}:41000 "
        f'src.workload="{client.name}" src.namespace="{client.namespace}" {who}{where} dst.workload="{server.name}" '
        f'dst.namespace="{server.namespace}" direction="{direction}" bytes_sent=0 bytes_recv=0 duration="0ms" error="{error}"'
    )


def logs():
    """What the two ztunnels and the gateway said: disagreements, one that is predicted, one maybe, one unreadable line."""
    named = f"{REJECTION}: explicitly denied by: inventory/inventory-db-policy"
    one, other = sorted(p.key for p in bookstore().pods.values() if p.labels.get("app") == "ztunnel")
    gateway = pod_of(("infra", "gateway"))
    access = (
        '[2026-11-24T13:48:30.000Z] "GET /ecom/cart HTTP/1.1" 403 - '
        'rbac_access_denied_matched_policy[ns[infra]-policy[only-readers]-rule[1]] - "-" 0 19 0 - "-" "curl/8.11.1" "e59" '
        '"api.service.net" "-" outbound|8080||ecom-service.ecom.svc.cluster.local - 127.0.0.1:80 203.0.113.7:41000 - -'
    )
    return {
        one: [
            *(line(f"49:{second}", ECOM, DATABASE, 5432, named) for second in (10, 20, 30)),
            line("45:00", ECOM, INVENTORY, 8000, NONE_ALLOWED).replace("/sa/ecom-service", "/sa/default"),
        ],
        other: [
            line("49:50", ECOM, INVENTORY, 8000, NONE_ALLOWED),
            line("49:05", ECOM, DATABASE, 5432, LOST, "outbound"),
            line("49:20", ECOM, DATABASE, 5432, "http status: 401 Unauthorized", "outbound"),
            "\x1b[31mhostile\x1b[0m \u202e[bold]line",
        ],
        gateway.key: [access],
    }


async def judged(pilot: Pilot[Any], rows: int) -> None:
    """Open the denials, and wait until all logs are read and every flow was judged."""
    await settle(pilot)
    await pilot.press("D")
    session = pilot.app.session
    for _ in range(200):
        await pilot.pause(0.05)
        done = [d for d in session.denials.judged if d.verdict is not None or d.note.startswith("the log")]
        screen = pilot.app.screen
        if isinstance(screen, DenialsScreen) and len(done) == rows == len(table_of(screen).rows):
            break
    await asyncio.sleep(0)
    await settle(pilot)


async def five(pilot: Pilot[Any]) -> None:
    await judged(pilot, 5)


def test_denials(snap_compare, size: tuple[int, int]) -> None:
    assert snap_compare(app_on(bookstore(), logs=logs()), terminal_size=size, run_before=five)


def test_another_one_and_what_it_says(snap_compare, size: tuple[int, int]) -> None:
    async def move(pilot: Pilot[Any]) -> None:
        await five(pilot)
        await pilot.press("j")
        await settle(pilot)

    assert snap_compare(app_on(bookstore(), logs=logs()), terminal_size=size, run_before=move)


def test_filtered(snap_compare) -> None:
    async def search(pilot: Pilot[Any]) -> None:
        await five(pilot)
        await pilot.press("slash", *"timed", "enter")
        await settle(pilot)

    assert snap_compare(app_on(bookstore(), logs=logs()), terminal_size=(120, 40), run_before=search)


def test_the_column_beside_workloads_once_logs_are_read(snap_compare, size: tuple[int, int]) -> None:
    async def back(pilot: Pilot[Any]) -> None:
        await five(pilot)
        await pilot.press("escape")
        await settle(pilot)
        pilot.app.screen.refresh_data()
        await settle(pilot)

    assert snap_compare(app_on(bookstore(), logs=logs()), terminal_size=size, run_before=back)


def test_nothing_was_denied(snap_compare) -> None:
    async def look(pilot: Pilot[Any]) -> None:
        await judged(pilot, 0)

    quiet = {key: ["2026-11-24T13:49:00.000000Z\tinfo\tproxy\tready"] for key in logs()}
    assert snap_compare(app_on(bookstore(), logs=quiet), terminal_size=(120, 40), run_before=look)
