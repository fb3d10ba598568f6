"""From a failed step to the cause in the bookstore's terms, and to the object to look at."""

from dataclasses import replace

import pytest

from meshtui.engine import Engine
from meshtui.journeys.bookstore.explain import explain
from meshtui.journeys.bookstore.trace import (
    BOOKS,
    CART,
    CHECKOUT,
    RESERVE,
    STOCK_AFTER,
    STOCK_BEFORE,
    TOKEN,
    StepState,
    Stock,
    Trace,
    finish,
)
from meshtui.journeys.hops import Hop
from meshtui.journeys.report import Further, LookAt, StepReport
from meshtui.model.flow import EndpointKind, Flow, FlowEndpoint
from meshtui.model.ids import ObjectRef
from meshtui.sandbox import scenarios
from meshtui.settings import Checkout
from tests.fakes.snapshots import snapshot_of

GATEWAY = "http://gw"
BOOK = Checkout().book


def failed(name, **changes):
    trace = Trace(GATEWAY, "api.service.net", BOOK, 1, bought=BOOK, before=Stock(BOOK, 9, 1), after=Stock(BOOK, 9, 1))
    return finish(trace.with_step(name, state=StepState.FAILED, **changes))


def at(path, status=None, by="application", method="POST", **changes):
    return {"method": method, "url": GATEWAY + path, "status": status, "answered_by": by, "cause": f"http_{status}", **changes}


ROWS = [
    ("wrong-identity", failed(RESERVE, cause="closed"), "closed",
     ["AuthorizationPolicy inventory/inventory-service-policy", "Deployment ecom/ecom-service"]),
    ("l7-at-ztunnel", failed(RESERVE, cause="closed"), "closed", ["AuthorizationPolicy inventory/inventory-service-policy"]),
    ("healthy", failed(RESERVE, cause="closed"), "closed", []),
    ("missing-egress", failed(RESERVE, cause="timeout"), "timeout", ["NetworkPolicy ecom/ecom-netpol"]),
    ("hbone-blocked", failed(RESERVE, cause="timeout"), "timeout", ["NetworkPolicy ecom/ecom-netpol"]),
    ("healthy", failed(RESERVE, cause="timeout"), "timeout", ["Service inventory/inventory-service"]),
    ("uuid-mismatch", failed(RESERVE, cause="http_404"), "http_404", ["Deployment ecom/ecom-service"]),
    ("h2c-upgrade", failed(RESERVE, cause="http_400", response="Invalid HTTP request received."), "http_400",
     ["Deployment ecom/ecom-service"]),
    ("healthy", failed(RESERVE, cause="http_400", response="bad"), "http_400", ["Service inventory/inventory-service"]),
    ("healthy", failed(RESERVE, cause="http_409"), "http_409", ["Service inventory/inventory-service"]),
    ("healthy", failed(RESERVE, cause="dns"), "dns", ["Service inventory/inventory-service"]),
    ("no-reserve-call", failed(RESERVE, cause="no_call"), "no_reserve_call", ["Deployment ecom/ecom-service"]),
    ("healthy", failed(TOKEN, **at(Checkout().token_path, 401)), "http_401", ["Service identity/keycloak"]),
    ("healthy", failed(CART, **at("/ecom/cart", 401)), "http_401", ["Deployment ecom/ecom-service"]),
    ("healthy", failed(CART, **at("/ecom/cart", 401, "gateway")), "http_401", ["RequestAuthentication infra/keycloak-jwt"]),
    ("healthy", failed(BOOKS, **at("/ecom/books", 403, "gateway", "GET", response="RBAC: access denied")), "http_403", None),
    ("healthy", failed(CHECKOUT, **at("/ecom/checkout", 404, "gateway")), "no_route", None),
    ("healthy", failed(STOCK_BEFORE, **at(f"/inven/stock/{BOOK}", 404, method="GET")), "http_404",
     ["Service inventory/inventory-service"]),
    ("gateway-namespace", failed(BOOKS, **at("/ecom/books", 503, "gateway", "GET")), "http_503",
     ["AuthorizationPolicy ecom/ecom-service-policy"]),
    ("healthy", failed(CHECKOUT, **at("/ecom/checkout", 500)), "http_500", ["Deployment ecom/ecom-service"]),
    ("healthy", failed(STOCK_BEFORE, cause="refused", error="refused"), "refused", ["Gateway infra/gateway"]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("scenario", "trace", "code", "objects"), ROWS, ids=[f"{s} {t.failed_step.name} {c}" for s, t, c, _ in ROWS]
)
def test_a_failure_is_explained(scenario, trace, code, objects):
    found = explain(trace, Engine(snapshot_of(scenarios.load(scenario))), Checkout(), {})
    named = [str(look.ref) for look in found.look_at]
    assert found.code == code
    assert found.summary
    if objects is not None:
        assert named == objects
    assert all(look.command.startswith("kubectl ") and look.why for look in found.look_at)


def test_the_identity_that_called_is_named():
    engine = Engine(snapshot_of(scenarios.load("wrong-identity")))
    said = " ".join(explain(failed(RESERVE, cause="closed"), engine, Checkout(), {}).why)
    assert "ns/ecom/sa/default" in said


def test_hbone_is_named_where_it_is_closed():
    engine = Engine(snapshot_of(scenarios.load("hbone-blocked")))
    assert "15008" in explain(failed(RESERVE, cause="timeout"), engine, Checkout(), {}).summary


def unreached(kind, name, cause):
    """A further call of the shop that failed."""
    database = FlowEndpoint(EndpointKind.SERVICE, "ecom", "ecom-db")
    hop = Hop(Flow(FlowEndpoint(EndpointKind.WORKLOAD, "ecom", "ecom-service", "Deployment"), database, 5432))
    look = LookAt(ObjectRef(kind, "ecom", name), "it decides on this call")
    step = StepReport("x", kind="further", destination="ecom/svc/ecom-db:5432", cause=cause)
    return Further(step, hop, 1, 1, ("ecom-service → ecom-db",), (look,))


@pytest.mark.parametrize(
    "trace",
    [failed(CHECKOUT, **at("/ecom/checkout", 503)), failed(BOOKS, **at("/ecom/books", 503, "gateway", "GET"))],
    ids=["its own error", "no ready pod"],
)
def test_a_service_that_lacks_its_database_is_likely_the_reason(trace):
    call = unreached("NetworkPolicy", "ecom-db-netpol", "timeout")
    found = explain(trace, Engine(snapshot_of(scenarios.load("healthy"))), Checkout(), {trace.failed_step.name: (call,)})
    assert found.code == "further_call"
    assert found.summary.endswith(
        "failed (503), and ecom/deployment/ecom-service couldn't reach ecom/svc/ecom-db:5432: NetworkPolicy ecom/ecom-db-netpol"
    )
    assert [str(look.ref) for look in found.look_at] == ["NetworkPolicy ecom/ecom-db-netpol", "Deployment ecom/ecom-service"]


def test_what_stopped_the_purchase_is_explained_and_not_what_failed_after_it():
    call = unreached("NetworkPolicy", "ecom-db-netpol", "timeout")
    trace = failed(TOKEN, **at(Checkout().token_path, 401))
    trace = trace.with_step(STOCK_AFTER, state=StepState.FAILED, **at("/inven/stock", 503, method="GET"))
    found = explain(trace, Engine(snapshot_of(scenarios.load("healthy"))), Checkout(), {STOCK_AFTER: (call,)})
    assert found.code == "http_401"


def test_inventorys_own_error_behind_the_reserve_call():
    call = unreached("AuthorizationPolicy", "ecom-db-policy", "closed")
    found = explain(
        failed(RESERVE, cause="http_503"), Engine(snapshot_of(scenarios.load("healthy"))), Checkout(), {RESERVE: (call,)}
    )
    assert found.summary.startswith(
        "reserve call failed (http_503), and ecom/deployment/ecom-service couldn't reach ecom/svc/ecom-db:5432"
    )


def test_all_well_but_the_stock_moved_too_far():
    trace = replace(failed(STOCK_AFTER), after=Stock(BOOK, 9, 3)).with_step(STOCK_AFTER, state=StepState.OK)
    found = explain(trace, Engine(snapshot_of(scenarios.load("healthy"))), Checkout(), {})
    assert (found.code, found.summary) == ("stock", "reserved moved by 2, not by 1")


def test_settings_that_name_nothing_still_get_an_explanation():
    settings = Checkout(client="shop/deploy/none", server="shop/svc/none:80")
    found = explain(failed(RESERVE, cause="closed"), Engine(snapshot_of(scenarios.load("healthy"))), settings, {})
    assert found.code == "closed"
