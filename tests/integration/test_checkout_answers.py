"""A shop that answers nonsense, or not at all: a checkout fails in words, within its timeouts, and leaks nothing."""

import json

import pytest

from meshtui.cli.checkout_report import step_lines, trace_to_json
from meshtui.engine import Engine
from meshtui.journeys.bookstore.buy import Buyer
from meshtui.journeys.bookstore.shop import find_gateway
from meshtui.model.errors import ClusterError, ConfigError, NotFoundError, ReadOnlyError
from meshtui.model.snapshot import Snapshot
from meshtui.sandbox import scenarios
from meshtui.sandbox.apiserver.server import running_api
from meshtui.settings import Checkout, Settings, Timeouts
from meshtui.sources.kubernetes.api import Api
from meshtui.sources.kubernetes.connection import connect
from tests.fakes.shop import BOOK, TOKEN, running_shop
from tests.fakes.snapshots import snapshot_of

STOCK = ("GET", f"/inven/stock/{BOOK}")
BOOKS, CART, BUY = ("GET", "/ecom/books"), ("POST", "/ecom/cart"), ("POST", "/ecom/checkout")
LOGIN = ("POST", Checkout().token_path)


@pytest.fixture(scope="module")
def engine():
    return Engine(snapshot_of(scenarios.load("healthy")))


async def purchase(engine, answers, *, confirmation="yes", read_only=False, **checkout):
    async with running_shop(answers) as shop, running_api() as server:
        settings = Settings(
            kubeconfig=str(server.kubeconfig),
            timeouts=Timeouts(checkout_s=0.4, connect_s=0.4),
            checkout=Checkout(gateway=shop.url, password="pa55word-of-reader", **checkout),
            read_only=read_only,
        )
        api = Api(connect(settings), settings.timeouts)
        told = []
        try:
            trace = await Buyer(shop.url, settings, engine, api, told.append).run(confirmation)
        finally:
            await api.close()
        return shop, trace, told


async def test_a_good_shop_without_readable_logs_is_ok_by_its_own_word(engine):
    shop, trace, told = await purchase(engine, {})
    assert trace.ok, trace
    assert trace.step("reserve").mtls is None
    assert told[-1] is trace
    assert [s.state.value for s in told[0].steps] == ["waiting"] * 8
    assert all("HTTP/1.1" in head and "host: api.service.net" in head.lower() for head in shop.heads)
    assert not any("upgrade" in head.lower() for head in shop.heads)


@pytest.mark.parametrize(
    ("answers", "step", "cause", "bought"),
    [
        pytest.param({STOCK: "close"}, "stock_before", "closed", 1, id="stock closed"),
        pytest.param({STOCK: (200, b"<html>")}, "stock_before", "", 1, id="stock isn't JSON"),
        pytest.param({STOCK: (200, {"quantity": "many"})}, "stock_before", "", 1, id="stock isn't a number"),
        pytest.param({LOGIN: (401, {"error": "invalid_grant"})}, "token", "http_401", 0, id="login refused"),
        pytest.param({LOGIN: (200, {})}, "token", "", 0, id="no token in the answer"),
        pytest.param({LOGIN: (200, {"access_token": "a\r\nb"})}, "token", "", 0, id="a token that is no header"),
        pytest.param({LOGIN: (200, [1])}, "token", "", 0, id="a list for a token"),
        pytest.param({BOOKS: (200, [])}, "books", "", 0, id="an empty shop"),
        pytest.param({BOOKS: (200, {"books": "none"})}, "books", "", 0, id="books that are none"),
        pytest.param({BOOKS: "hang"}, "books", "timeout", 0, id="books never come"),
        pytest.param({CART: (422, {"detail": "no"})}, "cart", "http_422", 0, id="cart refused"),
        pytest.param({BUY: (500, b"\xff\xfe")}, "checkout", "http_500", 0, id="checkout breaks"),
        pytest.param({BUY: "hang"}, "checkout", "timeout", 0, id="checkout hangs"),
        pytest.param({BUY: (201, b"created")}, "reserve", "no_call", 0, id="checkout says nothing of an order"),
        pytest.param({BUY: (201, [])}, "reserve", "no_call", 0, id="checkout answers a list"),
        pytest.param({BUY: (201, {"order_id": "o", "reserve_calls": "x"})}, "reserve", "no_call", 0, id="calls that are none"),
        pytest.param(
            {BUY: (502, {"detail": {"error": "reserve_failed", "cause": 7}})}, "reserve", "7", 0, id="a cause that is no word"
        ),
    ],
)
async def test_a_bad_answer_fails_its_step(engine, answers, step, cause, bought):
    shop, trace, _ = await purchase(engine, answers)
    failed = [s for s in trace.steps if s.state.value == "failed"]
    assert (step, cause) in [(s.name, s.cause) for s in failed], failed
    assert (trace.ok, trace.finished, shop.bought) == (False, True, bought)
    assert trace.explanation.summary
    assert trace.step("stock_after").status is not None or STOCK in answers
    json.dumps(trace_to_json(trace))


async def test_no_secret_is_shown_even_when_the_shop_repeats_it(engine):
    echo = {"you_sent": f"Bearer {TOKEN}", "password": "pa55word-of-reader", "text": "pa55word-of-reader\x1b[31m"}
    _, trace, _ = await purchase(engine, {CART: (400, echo)})
    text = "\n".join([json.dumps(trace_to_json(trace)), *(row for s in trace.steps for row in step_lines(s))])
    assert "pa55word" not in text
    assert TOKEN not in text
    assert "\x1b" not in "\n".join(row for s in trace.steps for row in step_lines(s))


async def test_a_ready_token_is_used_and_hidden(engine):
    shop, trace, _ = await purchase(engine, {}, token="a-ready-token")
    assert trace.ok
    assert LOGIN not in shop.requests
    assert any("Bearer a-ready-token" in head for head in shop.heads)
    assert "a-ready-token" not in json.dumps(trace_to_json(trace))


async def test_a_book_that_only_the_setting_knows_is_not_replaced_by_another(engine):
    wanted = "00000000-0000-0000-0000-00000000abcd"
    shop, trace, _ = await purchase(engine, {}, book=wanted)
    assert (trace.explanation.code, shop.bought) == ("unknown_book", 0)
    assert CART not in shop.requests


@pytest.mark.parametrize("refusal", [{"confirmation": None}, {"confirmation": ""}, {"read_only": True}])
async def test_nothing_is_sent_without_leave(engine, refusal):
    with pytest.raises(ReadOnlyError):
        await purchase(engine, {}, **refusal)


@pytest.mark.parametrize(
    ("gateway", "error"),
    [("", NotFoundError), ("ftp://x", ConfigError), ("http://127.0.0.1:9", ClusterError), ("http://[", ClusterError)],
)
async def test_a_gateway_that_is_not_there_is_one_clear_error(gateway, error):
    settings = Settings(checkout=Checkout(gateway=gateway), timeouts=Timeouts(connect_s=0.5))
    with pytest.raises(error) as caught:
        await find_gateway(settings, Engine(Snapshot()))
    assert caught.value.hint
