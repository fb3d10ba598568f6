"""A gap is really broken, and the scenario's own kubectl lines repair it without a restart."""

import asyncio
import shutil
import time

import httpx
import pytest

from meshtui.sandbox import scenarios
from meshtui.sandbox.run import running_sandbox

KUBECTL = shutil.which("kubectl")
pytestmark = [
    pytest.mark.sandbox,
    pytest.mark.skipif(KUBECTL is None, reason="there is no kubectl on this machine: install it to run these"),
]


async def buy(gateway):
    """One checkout of the first book: the status, and the cause when the reserve call failed."""
    headers = {"host": "api.service.net"}
    async with httpx.AsyncClient(base_url=gateway, headers=headers, timeout=15, trust_env=False) as client:
        login = {"grant_type": "password", "client_id": "bookstore", "username": "reader", "password": "reader"}
        token = (await client.post("/realms/bookstore/protocol/openid-connect/token", data=login)).json()
        client.headers["authorization"] = f"Bearer {token['access_token']}"
        books = (await client.get("/ecom/books")).json()
        book = (books["books"] if isinstance(books, dict) else books)[0]
        await client.post("/ecom/cart", json={"book_id": book.get("book_id") or book["id"], "quantity": 1})
        answer = await client.post("/ecom/checkout", json={})
        detail = answer.json().get("detail") or {}
        return answer.status_code, detail.get("cause", "") if isinstance(detail, dict) else str(detail)


@pytest.mark.parametrize(
    ("scenario", "cause"),
    [("wrong-identity", "closed"), ("missing-egress", "timeout"), ("uuid-mismatch", "http_404")],
)
async def test_a_gap_is_repaired_live(scenario, cause):
    async with running_sandbox(scenario) as sandbox:
        assert await sandbox.wait_ready() == []
        assert (await buy(sandbox.gateway_url))[1] == cause
        for arguments in scenarios.fix(scenario):
            process = await asyncio.create_subprocess_exec(
                KUBECTL, f"--kubeconfig={sandbox.kubeconfig}", *arguments, stdout=asyncio.subprocess.DEVNULL
            )
            assert await process.wait() == 0
        assert await sandbox.wait_ready() == []
        end = time.monotonic() + 30
        while (seen := await buy(sandbox.gateway_url))[0] != 201:
            assert time.monotonic() < end, seen
            await asyncio.sleep(0.3)
