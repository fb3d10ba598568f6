"""``meshtui acceptance`` on the whole sandbox: all six when it is healthy; as found, each repair turns its own criteria green."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from meshtui.journeys.bookstore.criteria import ACCOUNTS, CHECKOUT, EXPECTATIONS, OUTSIDE, STOCK, TOKEN
from meshtui.sandbox import scenarios
from meshtui.sandbox.run import Sandbox, running_sandbox
from tests.fakes.bookstore import IN_ITS_LOOP, KUBECTL, needs_kubectl, on

pytestmark = [pytest.mark.sandbox]
RIGHT = Path(scenarios.__path__[0]) / "healthy"
ECOM = ("-n", "ecom", "set", "image", "deployment/ecom-service")


async def run(kubeconfig: Path, *words: str) -> tuple[int, str, str]:
    """The command in a process of its own, without a terminal."""
    command = [sys.executable, "-m", "meshtui", "acceptance", "--kubeconfig", str(kubeconfig), *words]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe)
    out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


async def criteria(sandbox: Sandbox) -> tuple[int, dict[str, dict[str, Any]]]:
    """Exit code, and the criteria by id."""
    code, out, err = await run(sandbox.kubeconfig, "-o", "json")
    assert out, err
    assert err.startswith(f"gateway {sandbox.gateway_url}")
    return code, {each["id"]: each for each in json.loads(out)["criteria"]}


async def kubectl(sandbox: Sandbox, *words: str) -> None:
    """A repair, as a person makes it, who waits until its rollout is over and the pods before it are gone."""
    command = [KUBECTL, "--kubeconfig", str(sandbox.kubeconfig), *words]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
    _, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    if "rollout" in words:
        return
    for namespace, name in (("ecom", "ecom-service"), ("inventory", "inventory-service")):
        await kubectl(sandbox, "-n", namespace, "rollout", "status", f"deployment/{name}", "--timeout=60s")
    for _ in range(600):
        if not any("deletionTimestamp" in pod["metadata"] for pod in sandbox.api.store.list("pods")):
            break
        await asyncio.sleep(0.1)
    assert await sandbox.wait_ready() == []


@IN_ITS_LOOP
@on("healthy")
async def test_all_six_pass_when_it_is_healthy(bookstore: Sandbox) -> None:
    code, found = await criteria(bookstore)
    assert {name: each["status"] for name, each in found.items()} == dict.fromkeys(found, "pass"), found
    assert (code, len(found)) == (0, 6)
    assert found[EXPECTATIONS]["evidence"] == ["45/45 passed, 0 failed, 0 not tested"]
    log = [line for line in found[CHECKOUT]["evidence"] if line.startswith("ztunnel: ")]
    assert {"inbound", "outbound"} == {way for line in log for way in ("inbound", "outbound") if f'direction="{way}"' in line}
    assert all("ns/ecom/sa/ecom-service" in line and "ns/inventory/sa/inventory-service" in line for line in log)


@needs_kubectl
async def test_as_found_each_repair_turns_its_criteria_green() -> None:
    async with running_sandbox("as-found") as sandbox:
        assert await sandbox.wait_ready() == []
        repairs: list[tuple[list[tuple[str, ...]], set[str]]] = [
            ([], {OUTSIDE, TOKEN}),
            (
                [
                    ("apply", "-f", str(RIGHT / "serviceaccounts.yaml")),
                    ("-n", "ecom", "set", "serviceaccount", "deployment/ecom-service", "ecom-service"),
                    ("-n", "inventory", "set", "serviceaccount", "deployment/inventory-service", "inventory-service"),
                ],
                {ACCOUNTS, OUTSIDE, TOKEN},
            ),
            ([("apply", "-f", str(RIGHT / "ecom-netpol.yaml"))], {ACCOUNTS, OUTSIDE, TOKEN}),
            (
                [("apply", *(w for f in OPEN_DATABASES for w in ("-f", str(RIGHT / f))))],
                {ACCOUNTS, OUTSIDE, TOKEN, EXPECTATIONS},
            ),
            ([(*ECOM, "ecom-service=bookstore/ecom-service:1.1-rc1")], {ACCOUNTS, OUTSIDE, TOKEN, EXPECTATIONS}),
            (
                [(*ECOM, "ecom-service=bookstore/ecom-service:1.1")],
                {ACCOUNTS, OUTSIDE, TOKEN, EXPECTATIONS, CHECKOUT, STOCK},
            ),
        ]
        why = []
        for commands, green in repairs:
            for command in commands:
                await kubectl(sandbox, *command)
            code, found = await criteria(sandbox)
            assert {name for name, each in found.items() if each["status"] == "pass"} == green, found
            assert {each["status"] for each in found.values()} <= {"pass", "fail"}
            assert code == (0 if len(green) == 6 else 1)
            why.append(" ".join(found[CHECKOUT]["evidence"]))
        # Each time the next gap is what stops the checkout.
        assert "reserve" in why[0]
        assert "404" in why[4]


OPEN_DATABASES = ("authz-databases.yaml", "netpol-databases.yaml", "inventory-netpol.yaml")


async def test_elsewhere_it_wants_a_yes_and_a_gateway_nobody_knows_is_skipped(tmp_path: Path) -> None:
    from meshtui.sandbox.apiserver.server import running_api

    def not_here(objects: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [obj for obj in objects if obj["kind"] not in {"Gateway", "HTTPRoute"} and obj["metadata"]["name"] != "gateway"]

    async with running_api(not_here(scenarios.load("healthy"))) as api:
        system = api.store.require("namespaces", None, "kube-system")
        api.store.update("namespaces", system | {"metadata": system["metadata"] | {"labels": {}}})
        code, out, err = await run(api.kubeconfig)
        assert (code, out) == (2, "")
        assert "a real order" in err
        code, out, err = await run(api.kubeconfig, "--read-only", "--yes")
        assert code == 2
        assert "read-only" in err
        expectations = tmp_path / "flows.yaml"
        expectations.write_text(
            "apiVersion: meshtui/v1\nflows:\n  - {from: ecom/deploy/nobody, to: 'ecom/svc/nobody:1', expect: deny}\n"
        )
        code, out, err = await run(api.kubeconfig, "--yes", "-o", "json", "--expectations", str(expectations))
        found = {each["id"]: each for each in json.loads(out)["criteria"]}
        assert {name: found[name]["status"] for name in (OUTSIDE, TOKEN, CHECKOUT, STOCK)} == dict.fromkeys(
            (OUTSIDE, TOKEN, CHECKOUT, STOCK), "skip"
        )
        assert "no address of Gateway" in found[OUTSIDE]["evidence"][0]
        assert found[ACCOUNTS]["status"] == "fail"  # no pods run there
        assert code == 1
