"""The bookstore's own expectations on the sandbox: 45 of 45 when it is healthy, and each gap fails exactly where it bites."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any, NamedTuple

import msgspec
import pytest

from meshtui.cli.schemas.probes import Verification
from meshtui.sandbox.run import Sandbox
from tests.fakes.bookstore import IN_ITS_LOOP, on

pytestmark = [pytest.mark.sandbox, IN_ITS_LOOP]

RESERVE = ("the shop reserves stock", "ecom-service", "inventory-service", "allow")
PROMETHEUS, INVENTORY = "prometheus", "inventory-service"


class Bite(NamedTuple):
    """What fails in a scenario: by (name, source, destination, expected), what was predicted and observed."""

    name: str
    source: str
    destination: str
    expected: str
    predicted: str
    observed: str


OPEN = {
    # Prometheus stands outside the mesh: nothing but the databases' own policies kept it out.
    *(
        Bite("who has no database reads none", PROMETHEUS, database, "deny", "allow", "connected")
        for database in ("ecom-db", "inventory-db", "keycloak-db")
    ),
    # default-deny-all and inventory-netpol are gone too, and with them inventory's egress.
    *(
        Bite("inventory reads no other database", INVENTORY, database, "deny", "allow", "connected")
        for database in ("ecom-db", "keycloak-db")
    ),
    Bite("no service leaves by the gateway", INVENTORY, "gateway", "deny", "allow", "http_404"),
    *(
        Bite("a database calls nobody", database, "gateway", "deny", "allow", "http_404")
        for database in ("ecom-db", "inventory-db", "keycloak-db")
    ),
}
BITES = {
    "healthy": set(),
    "wrong-identity": {Bite(*RESERVE, "deny", "closed")},
    "missing-egress": {Bite(*RESERVE, "deny", "timeout")},
    "open-databases": OPEN,
    # Both are faults inside ecom-service: one build never makes a call for which the way is free, the other makes it with an
    # id that inventory doesn't know. No flow between identities is opened or closed by them, and no request without a body
    # and a token shows them: `meshtui checkout` does (tests/integration/test_checkout.py).
    "no-reserve-call": set(),
    "uuid-mismatch": set(),
}


async def verify(sandbox: Sandbox, *words: str) -> tuple[int, str, str]:
    """``meshtui verify`` in a process of its own: exit code, stdout, stderr."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "meshtui", "verify", *words, "--kubeconfig", str(sandbox.kubeconfig)),
        env=dict(os.environ),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


def bite(result: dict[str, Any]) -> Bite:
    flow = result["flow"]
    source, destination = flow["from"], flow["to"]
    return Bite(
        result["name"].partition(":")[0],
        "external" if "external" in source else source["workload"].rpartition("/")[2],
        destination["service"].rpartition("/")[2],
        result["expected"],
        result["predicted"],
        result["observed"],
    )


@on(*BITES)
async def test_each_gap_fails_exactly_where_it_bites(bookstore: Sandbox) -> None:
    bites = BITES[bookstore.scenario]
    code, out, err = await verify(bookstore, "bookstore", "--probe", "--yes", "-o", "json")
    assert err == ""
    answer = json.loads(out)
    assert msgspec.to_builtins(msgspec.convert(answer, Verification)) == answer
    odd = [result for result in answer["results"] if result["status"] != "pass"]
    assert {bite(result) for result in odd if result["status"] == "fail"} == bites
    bitten = len(bites)
    assert (answer["passed"], answer["failed"], answer["unknown"]) == (45 - bitten, bitten, 0)
    assert code == (1 if bitten else 0)
    # Prediction and reality are of one mind everywhere, and each failure names what decides, or that nothing does.
    assert {result["agrees"] for result in answer["results"]} == {True}
    for result in odd:
        by = result["decided_by"]
        assert (f"{by['kind']} {by['namespace']}/{by['name']}" if by else "no policy selects it") in result["reason"]


@on("healthy")
async def test_it_asks_first_keeps_read_only_and_says_what_reality_points_to(bookstore: Sandbox, tmp_path: Any) -> None:
    file = tmp_path / "flows.yaml"
    file.write_text(
        "apiVersion: meshtui/v1\nflows:\n"
        "  - {name: no token, from: external, to: 'ecom/svc/ecom-service:8080', http: {path: /ecom/cart},\n"
        "     jwt: {iss: 'http://api.service.net:30000/realms/bookstore', sub: x}, expect: allow}\n"
        "  - {name: databases, from: external, to: 'ecom/svc/ecom-db:5432', expect: deny}\n"
        "  - {name: stray, from: external, to: 'ecom/svc/ui-service:3000', http: {path: /, host: other.net}, expect: http_404}\n"
    )
    code, out, err = await verify(bookstore, str(file), "--probe")
    assert (code, out) == (2, "")
    assert "--yes" in err
    code, out, err = await verify(bookstore, str(file), "--probe", "--yes", "--read-only")
    assert (code, out) == (2, "")
    assert "read-only" in err
    code, out, err = await verify(bookstore, str(file), "--probe", "--yes", "-o", "json")
    results = {result["name"]: result for result in json.loads(out)["results"]}
    assert (results["no token"]["status"], results["databases"]["status"]) == ("unknown", "unknown")
    assert "there is no token" in results["no token"]["reason"]
    assert "no route of the gateway" in results["databases"]["reason"]
    assert (results["stray"]["status"], results["stray"]["observed"]) == ("pass", "http_404")
    assert code == 4
