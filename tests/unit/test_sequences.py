"""A purchase as a diagram: its parties from left to right, and arrows as far as each step came."""

from __future__ import annotations

import pytest

from meshtui.engine import Engine
from meshtui.journeys.bookstore.data import checkout_journey
from meshtui.journeys.bookstore.trace import CART, CHECKOUT, ORDER, RESERVE, STOCK_BEFORE, TOKEN, StepState, Trace
from meshtui.journeys.bookstore.values import values
from meshtui.journeys.run import values_of
from meshtui.model.flow import Flow
from meshtui.model.ids import ObjectRef
from meshtui.screens.checkout import stock_gauges, stopped
from meshtui.settings import Settings
from meshtui.ui.pictures.sequence import Arrow, Diagram, State, Step, Stop
from meshtui.ui.sequences import diagram_of, plan_of
from tests.fakes import purchases
from tests.fakes.frozen import bookstore
from tests.fakes.ztunnel_lines import TIMED_OUT


@pytest.fixture(scope="module")
def plan():
    journey = checkout_journey()
    return plan_of(Engine(bookstore()), journey, values_of(journey, {**values(Settings()), "token": ""}))


def drawn(plan, trace: Trace, policies: dict[str, ObjectRef] | None = None) -> Diagram:
    return diagram_of(plan, trace.steps, stopped(trace) if policies is None else policies)


def step(data: Diagram, name: str) -> Step:
    return next(each for each in data.steps if each.id == name)


def legs(data: Diagram, name: str) -> list[tuple[str, str, State]]:
    names = {party.id: party.name for party in data.parties}
    return [(names[arrow.source], names[arrow.target], arrow.state) for arrow in step(data, name).arrows]


def test_parties_stand_so_that_calls_go_to_the_right_before_anything_is_sent(plan):
    data = drawn(plan, purchases.waiting())
    names = [party.name for party in data.parties]
    assert names == ["client", "gateway", "keycloak", "ecom-service", "inventory-service"]
    assert data.parties[1].link == ObjectRef("Gateway", "infra", "gateway")
    assert data.parties[3].link == ObjectRef("Deployment", "ecom", "ecom-service")
    assert not any(each.arrows for each in data.steps)


def test_arrows_appear_as_they_happen(plan):
    data = drawn(plan, purchases.running())
    assert legs(data, TOKEN) == [("client", "gateway", State.DONE), ("gateway", "keycloak", State.DONE)]
    assert legs(data, CHECKOUT) == [("client", "gateway", State.RUNNING), ("gateway", "ecom-service", State.RUNNING)]
    assert step(data, RESERVE).arrows == ()
    assert step(data, RESERVE).state is State.WAITING


def test_the_reserve_call_stands_out_and_the_order_comes_back(plan):
    data = drawn(plan, purchases.done())
    (reserve,) = step(data, RESERVE).arrows
    assert reserve.strong
    assert (reserve.mtls, reserve.identities) == (True, ("sa/ecom-service", "sa/inventory-service"))
    assert isinstance(reserve.link, Flow)
    assert str(reserve.link.destination) == "inventory/svc/inventory-service"
    assert not any(arrow.strong for each in data.steps if each.id != RESERVE for arrow in each.arrows)
    (order,) = step(data, ORDER).arrows
    assert order.answer
    assert legs(data, ORDER) == [("ecom-service", "client", State.DONE)]


def test_a_policy_that_stopped_it_is_named_at_the_end_of_the_arrow(plan):
    data = drawn(plan, purchases.closed())
    failed = step(data, RESERVE)
    assert failed.stopped_by == "AuthorizationPolicy inventory/inventory-service-policy"
    assert failed.stopper == purchases.POLICY
    (arrow,) = failed.arrows
    assert (arrow.state, arrow.stop) == (State.FAILED, Stop.TARGET)
    assert legs(data, CHECKOUT) == [("client", "gateway", State.DONE), ("gateway", "ecom-service", State.FAILED)]


def last(plan, policies=None, **changes) -> tuple[Arrow, ...]:
    """The arrows of a cart that failed in some way."""
    trace = purchases.running().with_step(CART, state=StepState.FAILED, **changes)
    return step(drawn(plan, trace, policies or {}), CART).arrows


@pytest.mark.parametrize(
    ("changes", "states"),
    [
        ({"status": 404, "answered_by": "gateway", "cause": "http_404"}, [State.FAILED]),
        ({"status": 404, "answered_by": "application", "cause": "http_404"}, [State.DONE, State.FAILED]),
        ({"status": 503, "answered_by": "gateway", "cause": "http_503"}, [State.DONE, State.FAILED]),
        ({"status": None, "answered_by": "", "cause": "refused"}, [State.FAILED]),
        ({"status": None, "answered_by": "", "cause": "variable"}, []),
    ],
    ids=["the gateway says no", "the shop says no", "the gateway can't reach it", "no gateway", "not sent"],
)
def test_an_arrow_ends_where_it_was_stopped(plan, changes, states):
    assert [arrow.state for arrow in last(plan, **changes)] == states


def test_without_an_answer_nobody_knows_how_far_it_came(plan):
    (arrow,) = last(plan, status=None, answered_by="", cause="timeout")
    assert arrow.stop is Stop.BETWEEN


@pytest.mark.parametrize(("space", "stop"), [("ecom", Stop.SOURCE), ("inventory", Stop.TARGET)])
def test_a_network_policy_stops_it_at_its_own_end(plan, space, stop):
    trace = purchases.closed().with_step(RESERVE, cause="timeout")
    data = drawn(plan, trace, {RESERVE: ObjectRef("NetworkPolicy", space, "some")})
    assert step(data, RESERVE).arrows[0].stop is stop


def test_a_token_from_the_settings_is_not_asked_for(plan):
    trace = purchases.waiting().with_step(TOKEN, state=StepState.OK, note="taken from the settings")
    data = drawn(plan, trace)
    assert step(data, TOKEN).arrows == ()
    assert step(data, TOKEN).note == "taken from the settings"


def test_a_call_that_was_not_made_has_no_arrow(plan):
    trace = purchases.closed().with_step(RESERVE, cause="no_call", error="no reserve call")
    assert step(drawn(plan, trace, {}), RESERVE).arrows == ()


def test_databases_get_lifelines_behind_the_others_and_arrows_of_their_own(plan):
    ends = ("inventory-service", "inventory-db", ""), ("ecom-service", "keycloak-db", TIMED_OUT)
    trace = purchases.with_further(purchases.done(), plan.snapshot, *ends)
    data = diagram_of(plan, trace.steps, stopped(trace), trace.further)
    names = [party.name for party in data.parties]
    assert names == ["client", "gateway", "keycloak", "ecom-service", "inventory-service", "keycloak-db", "inventory-db"]
    bad, good = data.steps[-2:]
    assert (bad.title, bad.state, bad.status, bad.inner) == ("keycloak-db", State.FAILED, "timeout", True)
    assert (good.title, good.state, good.status) == ("inventory-db", State.DONE, "×1")
    assert legs(data, good.id) == [("inventory-service", "inventory-db", State.DONE)]
    assert bad.stopped_by == "NetworkPolicy ecom/ecom-netpol"
    assert not any(arrow.strong for each in (bad, good) for arrow in each.arrows)
    assert isinstance(good.arrows[0].link, Flow)


def test_without_a_plan_the_run_names_its_ends(plan):
    bare = type(plan)(plan.journey, {}, plan.entrance, plan.snapshot)
    trace = purchases.done().with_step(STOCK_BEFORE, destination="inventory/svc/inventory-service:8000")
    assert legs(drawn(bare, trace), STOCK_BEFORE)[1][:2] == ("gateway", "inventory-service")
    assert len(legs(drawn(bare, trace), TOKEN)) == 1


@pytest.mark.parametrize(
    ("trace", "numbers", "verdict"),
    [
        (purchases.waiting(), "quantity ? → ?, reserved ? → ?", ""),
        (purchases.running(), "quantity 42 → ?, reserved 3 → ?", ""),
        (purchases.done(), "quantity 42 → 42, reserved 3 → 4", "change +1"),
        (purchases.closed(), "quantity 42 → 42, reserved 3 → 3", "change +0, bought 1"),
    ],
    ids=["waiting", "running", "done", "closed"],
)
def test_the_stock_as_a_gauge(trace, numbers, verdict):
    (gauge,) = stock_gauges(trace)
    assert (gauge.numbers, gauge.verdict) == (numbers, verdict)
