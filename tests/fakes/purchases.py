"""Purchases as a screen gets them: waiting, in progress, that went well, and that a policy stopped at the reserve call."""

from __future__ import annotations

import re
from dataclasses import fields, replace

from meshtui.engine import Engine
from meshtui.journeys.bookstore.trace import (
    BOOKS,
    CART,
    CHECKOUT,
    ORDER,
    RESERVE,
    STOCK_AFTER,
    STOCK_BEFORE,
    TOKEN,
    Explanation,
    LookAt,
    StepState,
    Stock,
    Trace,
    finish,
)
from meshtui.journeys.further import further_calls
from meshtui.logs.ztunnel import parse_access_line
from meshtui.model.ids import ObjectRef
from meshtui.model.snapshot import Snapshot
from tests.fakes.ztunnel_lines import REJECTED, access_line

GATEWAY = "http://127.0.0.1:30000"
BOOK = "00000000-0000-0000-0000-000000000001"
GATE, ECOM, INVENTORY, KEYCLOAK = (
    f"spiffe://cluster.local/ns/{space}/sa/{name}"
    for space, name in (
        ("infra", "gateway-istio"),
        ("ecom", "ecom-service"),
        ("inventory", "inventory-service"),
        ("identity", "keycloak"),
    )
)
POLICY = ObjectRef("AuthorizationPolicy", "inventory", "inventory-service-policy")
_REQUESTS = {
    STOCK_BEFORE: ("GET", f"/inven/stock/{BOOK}", 200, 4.2, INVENTORY),
    TOKEN: ("POST", "/realms/bookstore/protocol/openid-connect/token", 200, 9.1, KEYCLOAK),
    BOOKS: ("GET", "/ecom/books", 200, 3.3, ECOM),
    CART: ("POST", "/ecom/cart", 201, 12.4, ECOM),
    CHECKOUT: ("POST", "/ecom/checkout", 201, 41.7, ECOM),
    STOCK_AFTER: ("GET", f"/inven/stock/{BOOK}", 200, 4.0, INVENTORY),
}


def _sent(trace: Trace, name: str, *, seen: bool) -> Trace:
    method, path, status, took, to = _REQUESTS[name]
    facts = {"method": method, "url": GATEWAY + path, "status": status, "elapsed_ms": took, "answered_by": "application"}
    if seen:
        facts |= {"source_identity": GATE, "destination_identity": to, "mtls": True}
    return trace.with_step(name, state=StepState.OK, requests=1, **facts)


def waiting() -> Trace:
    """Nothing is sent yet."""
    return Trace(GATEWAY, "api.service.net", BOOK, 1)


def running() -> Trace:
    """The checkout is sent, and not answered."""
    trace = replace(waiting(), bought=BOOK, book_title="Clean Code", before=Stock(BOOK, 42, 3))
    for name in (STOCK_BEFORE, TOKEN, BOOKS, CART):
        trace = _sent(trace, name, seen=False)
    return trace.with_step(CHECKOUT, state=StepState.RUNNING, method="POST", url=f"{GATEWAY}/ecom/checkout")


def done() -> Trace:
    """It went well."""
    trace = replace(running(), after=Stock(BOOK, 42, 4), order_id="17", event_id="9", finished=True)
    for name in _REQUESTS:
        trace = _sent(trace, name, seen=True)
    trace = trace.with_step(
        RESERVE,
        state=StepState.OK,
        status=200,
        elapsed_ms=11.0,
        method="POST",
        url="/inven/stock/reserve",
        source_identity=ECOM,
        destination_identity=INVENTORY,
        mtls=True,
        evidence=('src.workload="ecom-service-1"\tdirection="inbound"',),
    )
    return trace.with_step(ORDER, state=StepState.OK, note="order 17, event 9")


def closed() -> Trace:
    """An AuthorizationPolicy stopped the reserve call."""
    trace = replace(done(), after=Stock(BOOK, 42, 3), order_id="", event_id="", finished=False)
    trace = trace.with_step(CHECKOUT, state=StepState.FAILED, status=502, cause="http_502")
    trace = trace.with_step(
        RESERVE,
        state=StepState.FAILED,
        status=None,
        cause="closed",
        elapsed_ms=None,
        source_identity=ECOM.replace("ecom-service", "default"),
        error="connection closed due to policy rejection: allow policies exist, but none allowed",
    )
    trace = finish(trace.with_step(ORDER, state=StepState.WAITING, note=""))
    why = ("the client called as spiffe://cluster.local/ns/ecom/sa/default", "its ALLOW policies name other identities")
    looks = (
        LookAt(POLICY, "it decides on this call"),
        LookAt(ObjectRef("Deployment", "ecom", "ecom-service"), "its serviceAccountName: it runs as default"),
    )
    summary = f"The reserve call was closed by {POLICY}"
    return replace(trace, explanation=Explanation("closed", summary, why, looks))


def with_further(trace: Trace, snapshot: Snapshot, *calls: tuple[str, str, str]) -> Trace:
    """A purchase after which the ztunnels told of databases: from which workload, to which, with which error."""
    pods = {pod.labels.get("app"): pod for pod in snapshot.pods.values()}
    texts = [
        re.sub(r'src.identity="[^"]*"', f'src.identity="spiffe://{snapshot.principal_of(pods[source])}"', text)
        + f' dst.identity="spiffe://{snapshot.principal_of(pods[target])}"'
        for source, target, error in calls
        for text in [access_line(pods[source].key, pods[target].key, 5432, error=error)]
    ]
    texts = [re.sub(r"bytes_(sent|recv)=\d+", r"bytes_\1=0", text) if "error=" in text else text for text in texts]
    lines = [line for line in map(parse_access_line, texts) if line is not None]
    services = [pods[source] for source, _, _ in calls]
    return replace(trace, further=further_calls(Engine(snapshot), services, [], lines))


def without_its_database(snapshot: Snapshot) -> Trace:
    """A policy closed the shop's database to it, so that it shows no books."""
    trace = replace(done(), bought=BOOK, book_title="", after=Stock(BOOK, 42, 3), order_id="", event_id="")
    for name in (CART, CHECKOUT, RESERVE, ORDER):
        trace = trace.with_step(name, **_untouched(name))
    trace = trace.with_step(
        BOOKS, state=StepState.FAILED, status=503, cause="http_503", response={"detail": {"error": "database_unavailable"}}
    )
    shop, stock = ("ecom-service", "ecom-db", REJECTED), ("inventory-service", "inventory-db", "")
    trace = with_further(finish(trace), snapshot, shop, stock, ("keycloak", "keycloak-db", ""))
    policy = LookAt(ObjectRef("AuthorizationPolicy", "ecom", "ecom-db-policy"), "it decides on this call")
    bad, *others = trace.further
    summary = (
        f"what the shop sells failed (503), and ecom/deployment/ecom-service couldn't reach {bad.step.destination}: {policy.ref}"
    )
    looks = (policy, LookAt(ObjectRef("Deployment", "ecom", "ecom-service"), "its log"))
    explanation = Explanation("further_call", summary, (f"GET {GATEWAY}/ecom/books answered 503", *bad.why[:1]), looks)
    return replace(trace, further=(replace(bad, look_at=(policy,)), *others), explanation=explanation)


def _untouched(name: str) -> dict[str, object]:
    """The fields of a step before it begins."""
    step = waiting().step(name)
    return {field.name: getattr(step, field.name) for field in fields(step) if field.name != "name"}
