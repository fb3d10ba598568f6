"""``meshtui checkout`` on the whole sandbox: what it says is what really happened there."""

import asyncio
import json
import sys

import pytest

from tests.fakes.bookstore import IN_ITS_LOOP, on, on_each

pytestmark = [pytest.mark.sandbox, IN_ITS_LOOP]
DATABASES = (("ecom", "ecom-db"), ("inventory", "inventory-db"), ("identity", "keycloak-db"))
BOOK = "00000000-0000-0000-0000-000000000001"


async def run(sandbox, *words):
    command = [sys.executable, "-m", "meshtui", "checkout", "--kubeconfig", str(sandbox.kubeconfig), *words]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe)
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


async def buy(sandbox, *words):
    code, out, err = await run(sandbox, "-o", "json", *words)
    assert out, err
    return code, json.loads(out), err


def step(answer, name):
    return next(s for s in answer["steps"] if s["name"] == name)


def looked_at(answer):
    return [f"{look['kind']} {look['namespace']}/{look['name']}" for look in answer["explanation"]["look_at"]]


@on("healthy")
async def test_healthy_moves_the_stock_by_the_quantity_and_proves_every_hop(bookstore):
    code, answer, err = await buy(bookstore, "--quantity", "3")
    assert (code, answer["ok"], answer["explanation"]) == (0, True, None), answer
    assert err.startswith(f"gateway {bookstore.gateway_url}")
    before, after = answer["stock"]["before"], answer["stock"]["after"]
    assert (before["book_id"], after["reserved"] - before["reserved"]) == (BOOK, 3)
    assert answer["order_id"]
    reserve = step(answer, "reserve")
    assert reserve["source_identity"] == "spiffe://cluster.local/ns/ecom/sa/ecom-service"
    assert reserve["destination_identity"] == "spiffe://cluster.local/ns/inventory/sa/inventory-service"
    assert reserve["mtls"] is True
    assert {"inbound", "outbound"} == {d for line in reserve["evidence"] for d in ("inbound", "outbound") if d in line}
    assert any("/inven/stock/reserve 200" in line for line in reserve["log"])
    assert step(answer, "checkout")["source_identity"] == "spiffe://cluster.local/ns/infra/sa/gateway-istio"
    assert any(answer["order_id"] in line for line in step(answer, "order")["log"])
    text = json.dumps(answer)
    assert "eyJ" not in text
    assert step(answer, "token")["request"]["password"] == "[redacted]"

    further = {call["destination"]: call for call in answer["further"]}
    assert {f"{space}/statefulset/{name}:5432" for space, name in DATABASES} <= further.keys()
    ecom_db = further["ecom/statefulset/ecom-db:5432"]
    assert (ecom_db["source"], ecom_db["state"], ecom_db["failed"]) == ("ecom/deployment/ecom-service", "ok", 0)
    assert (ecom_db["source_identity"], ecom_db["mtls"]) == (reserve["source_identity"], True)
    assert not any("inventory-service" in name for name in further), "the reserve call is the journey's own"

    code, out, _ = await run(bookstore)
    assert code == 0
    assert "✓ ok: order " in out
    assert "further calls of the services:" in out
    assert "+1 reserved (bought 1)" in out

    code, answer, _ = await buy(bookstore, "--book", "00000000-0000-0000-0000-00000000abcd")
    assert (code, answer["explanation"]["code"], answer["order_id"]) == (1, "unknown_book", None)
    code, answer, _ = await buy(bookstore, "--book", BOOK.replace("1", "2"))
    assert (code, answer["stock"]["before"]["book_id"], answer["change"]) == (0, BOOK.replace("1", "2"), 1)

    for words, exit_code in (
        (["--quantity", "0"], 2),
        (["--book", "nonsense"], 2),
        (["--gateway", "nonsense"], 2),
        (["--gateway", "http://127.0.0.1:9"], 3),
        (["--read-only"], 2),
    ):
        code, out, err = await run(bookstore, *words)
        assert (code, out, err.count("\n")) == (exit_code, "", 1), (words, err)
        assert "Traceback" not in err


@on_each(
    [
        ("wrong-identity", "closed", "closed",
         ["AuthorizationPolicy inventory/inventory-service-policy", "Deployment ecom/ecom-service"]),
        ("missing-egress", "timeout", "timeout", ["NetworkPolicy ecom/ecom-netpol"]),
        ("uuid-mismatch", "http_404", "http_404", ["Deployment ecom/ecom-service"]),
        ("no-reserve-call", "no_call", "no_reserve_call", ["Deployment ecom/ecom-service"]),
        ("h2c-upgrade", "http_400", "http_400", ["Deployment ecom/ecom-service"]),
        ("gateway-namespace", None, "http_503", ["AuthorizationPolicy ecom/ecom-service-policy"]),
    ],
    "cause", "code", "objects",
)  # fmt: skip
async def test_each_gap_fails_for_its_own_reason(bookstore, cause, code, objects):
    exit_code, answer, _ = await buy(bookstore)
    reserve = step(answer, "reserve")
    assert (exit_code, answer["ok"], reserve["cause"]) == (1, False, cause), answer
    assert (answer["explanation"]["code"], looked_at(answer)) == (code, objects)
    assert answer["change"] == 0
    if bookstore.scenario == "wrong-identity":
        assert reserve["source_identity"].endswith("/ns/ecom/sa/default")
        assert any("policy rejection" in line for line in reserve["evidence"])
    if bookstore.scenario == "missing-egress":
        assert any("15008" in line and "timed out" in line for line in reserve["evidence"])
    if bookstore.scenario == "no-reserve-call":
        assert answer["order_id"]
        assert reserve["evidence"] == []


@pytest.mark.restores_bookstore
@on("healthy")
@pytest.mark.parametrize(
    ("plural", "name", "spec", "outcome", "cause", "kind"),
    [
        ("authorizationpolicies", "ecom-db-policy", {"rules": []}, "closed", "policy", "AuthorizationPolicy"),
        ("networkpolicies", "ecom-db-netpol", {"ingress": []}, "timeout", "network_policy", "NetworkPolicy"),
    ],
    ids=["a policy of the mesh", "a NetworkPolicy"],
)
async def test_a_shop_without_its_database_names_what_keeps_it_away(bookstore, plural, name, spec, outcome, cause, kind):
    store = bookstore.api.store
    before = store.get(plural, "ecom", name)
    store.update(plural, {**before, "spec": {**before["spec"], **spec}})
    try:
        await bookstore.dataplane.wait_settled()
        # What is open when the policy changes may go on for a moment, or end in the middle of an answer, the gateway's too
        for _ in range(5):
            exit_code, out, _ = await run(bookstore, "-o", "json")
            answer = json.loads(out) if out else {}
            if (answer.get("explanation") or {}).get("code") == "further_call":
                break
        (call,) = [call for call in answer["further"] if call["failed"]]
        assert (exit_code, answer["explanation"]["code"]) == (1, "further_call"), answer["explanation"]
        assert looked_at(answer) == [f"{kind} ecom/{name}", "Deployment ecom/ecom-service"]
        assert call["destination"] == "ecom/statefulset/ecom-db:5432"
        assert (call["outcome"], call["cause"]) == (outcome, cause)
        assert f"{kind} ecom/{name}" in answer["explanation"]["summary"]
        assert not any("Reason(" in why for why in answer["explanation"]["why"])
    finally:
        store.update(plural, {**store.get(plural, "ecom", name), "spec": before["spec"]})
        await bookstore.wait_ready()
