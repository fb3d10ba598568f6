"""Every scenario is really broken, in its own way, and its page's commands really repair it while it runs."""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import httpx
import pytest

from meshtui.sandbox import scenarios
from meshtui.sandbox.run import Sandbox
from tests.fakes.bookstore import IN_ITS_LOOP, KUBECTL, needs_kubectl, on

DATABASES = ("ecom-db.ecom", "inventory-db.inventory", "keycloak-db.identity")
BOOK = "00000000-0000-0000-0000-000000000001"
pytestmark = [pytest.mark.sandbox]


class Outcome(NamedTuple):
    """How a checkout ends: its status, the reserve call's cause when it failed, and by how much the stock moved."""

    status: int
    cause: str | None
    moved: int


GOOD = Outcome(201, None, 2)
BROKEN = {
    "healthy": GOOD,
    "as-found": Outcome(201, None, 0),
    "no-reserve-call": Outcome(201, None, 0),
    "wrong-identity": Outcome(502, "closed", 0),
    "missing-egress": Outcome(504, "timeout", 0),
    "uuid-mismatch": Outcome(422, "http_404", 0),
    "open-databases": GOOD,
    "l7-at-ztunnel": Outcome(502, "closed", 0),
    "hbone-blocked": Outcome(504, "timeout", 0),
    "h2c-upgrade": Outcome(502, "http_400", 0),
    "gateway-namespace": Outcome(503, None, 0),
}


@asynccontextmanager
async def customer(gateway: str) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Host": "api.service.net"}
    async with httpx.AsyncClient(base_url=gateway, headers=headers, timeout=20, trust_env=False) as client:
        yield client


async def buy(gateway: str) -> Outcome:
    """Two of the first book on the shelf."""
    form = {"grant_type": "password", "client_id": "bookstore-web", "username": "reader", "password": "reader"}
    async with customer(gateway) as client:
        token = await client.post("/realms/bookstore/protocol/openid-connect/token", data=form)
        client.headers["Authorization"] = f"Bearer {token.json()['access_token']}"
        books = await client.get("/ecom/books")
        if books.status_code != 200:
            return Outcome(books.status_code, None, 0)
        await client.delete("/ecom/cart")
        await client.post("/ecom/cart", json={"book_id": books.json()[0]["book_id"], "quantity": 2})
        before = await client.get(f"/inven/stock/{BOOK}")
        answer = await client.post("/ecom/checkout")
        after = await client.get(f"/inven/stock/{BOOK}")
    moved = 0 if before.is_error else after.json()["reserved"] - before.json()["reserved"]
    cause = answer.json()["detail"].get("cause") if answer.is_error else None
    return Outcome(answer.status_code, cause, moved)


async def kubectl(sandbox: Sandbox, *arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        KUBECTL,
        *("--kubeconfig", str(sandbox.kubeconfig), *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    return output.decode()


async def becomes(sandbox: Sandbox, wanted: Outcome, within_s: float = 60) -> None:
    """Buy until it ends as wanted (a rollout is under way)."""
    last: Any = None
    try:
        async with asyncio.timeout(within_s):
            while last != wanted:
                try:
                    last = await buy(sandbox.gateway_url)
                except (httpx.HTTPError, ValueError, KeyError) as error:
                    last = error
                await asyncio.sleep(0.1)
    except TimeoutError:
        pytest.fail(f"wanted {wanted}, last seen {last}")


def view_of(sandbox: Sandbox, pod_uid: str) -> dict[str, Any]:
    return json.loads(sandbox.kubelet.paths(pod_uid).network.read_bytes())


async def reaches_databases(sandbox: Sandbox) -> set[str]:
    """The databases that answer a pod with Prometheus' identity, which stands outside the mesh."""
    (pod,) = [pod for pod in sandbox.api.store.list("pods", "observability") if "deletionTimestamp" not in pod["metadata"]]
    view = view_of(sandbox, pod["metadata"]["uid"])

    async def answers(host: str) -> bool:
        address, port = view["routes"][f"{host}:5432"]
        reader, writer = await asyncio.open_connection(address, port, local_addr=(view["ip"], 0))
        writer.write(struct.pack("!ii", 8, 80877103))  # SSLRequest: a PostgreSQL server says S or N
        try:
            return await reader.read(1) in {b"S", b"N"}
        finally:
            writer.close()

    async def is_open(host: str) -> bool:
        try:
            return await asyncio.wait_for(answers(host), 2)
        except (TimeoutError, OSError):
            return False

    return {host for host, open_ in zip(DATABASES, await asyncio.gather(*map(is_open, DATABASES)), strict=True) if open_}


def test_every_scenario_is_tried() -> None:
    of_the_mesh = {name for name in scenarios.names() if scenarios.faults(name)}  # tried in test_mesh_faults.py
    assert set(BROKEN) == set(scenarios.names()) - of_the_mesh


@needs_kubectl
@IN_ITS_LOOP
@pytest.mark.changes_bookstore
@on(*BROKEN)
async def test_a_scenario_fails_in_its_own_way_until_its_commands_repair_it(bookstore: Sandbox) -> None:
    name = bookstore.scenario
    await becomes(bookstore, BROKEN[name])
    assert await reaches_databases(bookstore) == (set(DATABASES) if name in {"open-databases", "as-found"} else set())
    for command in scenarios.fix(name):
        await kubectl(bookstore, *command)
    await becomes(bookstore, GOOD)
    # An answered repair is enforced within a second or two.
    for _ in range(100):
        if not await reaches_databases(bookstore):
            break
        await asyncio.sleep(0.1)
    assert await reaches_databases(bookstore) == set()


@IN_ITS_LOOP
@on("healthy")
async def test_from_outside_only_reading_reaches_inventory_and_buying_needs_a_good_token(bookstore: Sandbox) -> None:
    async with customer(bookstore.gateway_url) as client:
        reserve = await client.post("/inven/stock/reserve", json={"book_id": BOOK, "quantity": 1})
        assert reserve.status_code == 404
        assert (await client.get("/inven/health")).status_code == 200
        assert (await client.post("/ecom/checkout")).status_code == 401
        bad = await client.post("/ecom/checkout", headers={"Authorization": "Bearer a.b.c"})
        assert bad.status_code == 401
        assert "The Ambient Sea" in (await client.get("/")).text
