"""Journeys over a gateway on a socket whose answers a test chooses: steps, variables, gauges, secrets, read-only."""

import json

import pytest

from meshtui.cli.journey_report import as_text, to_json
from meshtui.engine import Engine
from meshtui.journeys.load import read
from meshtui.journeys.report import StepState
from meshtui.journeys.run import Runner, entrance_of, refusal, requests_in_words, values_of
from meshtui.model.errors import ReadOnlyError, UsageError
from meshtui.sandbox import scenarios
from meshtui.sandbox.apiserver.server import running_api
from meshtui.settings import Settings, Timeouts
from meshtui.sources.kubernetes.api import Api
from meshtui.sources.kubernetes.connection import connect
from tests.fakes.shop import BOOK, TOKEN, running_shop
from tests.fakes.snapshots import snapshot_of

BROWSE = """
name = "browse"
title = "Browse"
gateway = { namespace = "infra", name = "gateway", host = "api.service.net" }
[[step]]
name = "books"
request.path = "/ecom/books"
expect.json = { "/0/title" = "One" }
take = { book = "/0/book_id" }
[[step]]
name = "stock"
request.path = "/inven/stock/{book}"
take = { left = "/quantity" }
[step.means]
answer = "inventory says nothing of how many there are"
"""
BUY = """
name = "buy"
title = "Buy"
gateway = { url = "{where}", host = "api.service.net" }
[variables]
where = "http://nowhere"
user = "reader"
password = { env = "SHOP_PASSWORD", value = "unset-password" }
code = { value = "0000-1111", secret = true }
quantity = 1
token = ""
[headers]
Authorization = "Bearer {token}"
X-Code = "{code}"
[[gauge]]
name = "stock"
request.path = "/inven/stock/BOOK"
value = "/reserved"
change = "{quantity}"
[[step]]
name = "token"
unless = "token"
request = { method = "POST", path = "/token", form = { username = "{user}", password = "{password}" } }
take = { token = "/access_token" }
[[step]]
name = "cart"
prepare = { method = "DELETE", path = "/ecom/cart", note = "emptied" }
request = { method = "POST", path = "/ecom/cart", json = { book = "BOOK", quantity = "{quantity}" } }
[[step]]
name = "checkout"
request = { method = "POST", path = "/ecom/checkout" }
expect.status = 201
[[step.call]]
name = "reserve"
from = "ecom/deploy/ecom-service"
to = "inventory/svc/inventory-service:8000"
[[step]]
name = "order"
answer_of = "checkout"
expect.has = ["/order_id"]
take = { order = "/order_id" }
""".replace("BOOK", BOOK)


@pytest.fixture(scope="module")
def engine():
    return Engine(snapshot_of(scenarios.load("healthy")))


async def ran(engine, text, answers=None, *, confirmation="yes", read_only=False, **given):
    """The shop, the report, and all reports before it."""
    journey = read("j.toml", text.encode())
    async with running_shop(answers) as shop, running_api() as server:
        settings = Settings(
            kubeconfig=str(server.kubeconfig), timeouts=Timeouts(checkout_s=0.4, connect_s=0.4), read_only=read_only
        )
        api, told = Api(connect(settings), settings.timeouts), []
        try:
            values = values_of(journey, given)
            report = await Runner(journey, values, shop.url, settings, engine, api, told.append).run(confirmation)
        finally:
            await api.close()
        return shop, report, told


def states(report):
    return {step.name: step.state.value for step in report.steps}


async def test_one_that_only_reads_runs_without_asking_and_takes_variables_from_answers(engine):
    shop, report, told = await ran(engine, BROWSE, confirmation=None)
    assert report.ok, as_text(report)
    assert shop.requests == [("GET", "/ecom/books"), ("GET", f"/inven/stock/{BOOK}")]
    assert set(states(told[0]).values()) == {"waiting"}
    assert told[-1] is report
    assert all("HTTP/1.1" in head and "host: api.service.net" in head.lower() for head in shop.heads)


async def test_in_read_only_mode_it_still_reads(engine):
    shop, report, _ = await ran(engine, BROWSE, confirmation=None, read_only=True)
    assert report.ok
    assert {method for method, _ in shop.requests} == {"GET"}


@pytest.mark.parametrize(
    ("change", "confirmation"),
    [
        (lambda text: text.replace('request.path = "/ecom/books"', 'request = { method = "OPTIONS", path = "/" }'), "yes"),
        (lambda text: f"changes = true\n{text}", "yes"),
        (lambda _: BUY, "yes"),
    ],
    ids=["no GET", "it says that it changes", "a POST"],
)
async def test_in_read_only_mode_nothing_else_is_sent(engine, change, confirmation):
    asked = []
    with pytest.raises(ReadOnlyError, match="nothing is sent"):
        asked += (await ran(engine, change(BROWSE), confirmation=confirmation, read_only=True))[0].requests
    assert asked == []
    assert refusal(read("j", change(BROWSE).encode()), "read-only mode")
    assert not refusal(read("j", change(BROWSE).encode()), "")


@pytest.mark.parametrize("text", [BUY, f"changes = true\n{BROWSE}"], ids=["a POST", "it says so"])
async def test_one_that_changes_something_wants_a_confirmation(engine, text):
    with pytest.raises(ReadOnlyError, match="without a confirmation"):
        await ran(engine, text, confirmation=None)


async def test_one_that_buys_moves_its_gauge(engine):
    shop, report, _ = await ran(engine, BUY)
    assert report.ok, as_text(report)
    (gauge,) = report.gauges
    assert (gauge.before, gauge.after, gauge.change, gauge.right) == (0, 1, 1, True)
    assert report.step("reserve").state is StepState.SKIPPED, "no ztunnel's log can be read here"
    assert report.step("cart").note == "emptied first"
    assert report.step("cart").request == {"book": BOOK, "quantity": 1}
    assert shop.bought == 1
    assert [path for _, path in shop.requests].count(f"/inven/stock/{BOOK}") == 2


async def test_a_token_that_is_given_is_not_asked_for(engine):
    shop, report, _ = await ran(engine, BUY, token="a-ready-token")
    assert report.ok
    assert ("POST", "/token") not in shop.requests
    assert any("Bearer a-ready-token" in head for head in shop.heads)


async def test_no_secret_is_shown_even_when_the_application_repeats_it(engine, monkeypatch):
    monkeypatch.setenv("SHOP_PASSWORD", "pa55word-of-env")
    echo = {"you": f"Bearer {TOKEN}", "text": "pa55word-of-env and 0000-1111"}
    shop, report, told = await ran(engine, BUY, {("POST", "/ecom/cart"): (400, echo)})
    assert not report.ok
    assert any("0000-1111" in head for head in shop.heads)
    for shown in (json.dumps(to_json(report)), as_text(report), repr(told)):
        assert not any(secret in shown for secret in ("pa55word", TOKEN, "0000-1111"))
    assert report.step("token").request["username"] == "reader"


FAILING = [
    ("no answer in time", ("GET", "/ecom/books"), "hang", "books", "timeout"),
    ("closed", ("GET", "/ecom/books"), "close", "books", "closed"),
    ("a status", ("GET", "/ecom/books"), (503, {}), "books", "http_503"),
    ("another value", ("GET", "/ecom/books"), (200, [{"title": "Two", "book_id": "1"}]), "books", "answer"),
    ("no variable", ("GET", "/ecom/books"), (200, [{"title": "One"}]), "books", "answer"),
    ("a variable over lines", ("GET", "/ecom/books"), (200, [{"title": "One", "book_id": "a\r\nb"}]), "books", "answer"),
    ("an object for a variable", ("GET", "/ecom/books"), (200, [{"title": "One", "book_id": {}}]), "books", "answer"),
    ("no JSON", ("GET", "/ecom/books"), (200, b"<html>"), "books", "answer"),
    ("the second", ("GET", f"/inven/stock/{BOOK}"), (200, {}), "stock", "answer"),
]


@pytest.mark.parametrize(("asked", "answer", "step", "outcome"), [row[1:] for row in FAILING], ids=[row[0] for row in FAILING])
async def test_a_step_that_fails_ends_the_journey(engine, asked, answer, step, outcome):
    _, report, _ = await ran(engine, BROWSE, {asked: answer}, confirmation=None)
    assert (report.ok, report.finished) == (False, True)
    assert [(f.name, f.outcome) for f in report.failures] == [(step, outcome)]
    assert states(report)["stock"] == ("failed" if step == "stock" else "skipped")
    assert report.failures[0].says
    if step == "stock":
        assert report.failures[0].says == "inventory says nothing of how many there are"


async def test_a_gauge_that_moves_otherwise_fails_the_journey(engine):
    _, report, _ = await ran(engine, BUY, quantity=2)
    assert [(f.name, f.outcome) for f in report.failures] == [("stock", "change")]
    assert "✗ stock: 0 → 1, change +1, should be +2" in as_text(report)


async def test_a_gauge_that_cannot_be_read_fails_and_the_steps_are_made_all_the_same(engine):
    shop, report, _ = await ran(engine, BUY, {("GET", f"/inven/stock/{BOOK}"): (200, {"reserved": "many"})})
    assert {f.name for f in report.failures} == {"stock_before", "stock_after"}
    assert shop.bought == 1


async def test_a_value_that_is_no_header_is_not_sent(engine):
    shop, report, _ = await ran(engine, BUY, code="a\r\nX-Evil: 1")
    assert report.step("token").error == "the value of header X-Code can't be sent"
    assert not any("evil" in head.lower() for head in shop.heads)
    assert ("POST", "/ecom/checkout") not in shop.requests


async def test_a_value_from_an_answer_stays_one_piece_of_a_path(engine):
    books = (200, [{"title": "One", "book_id": "../../secret?x=/"}])
    shop, _, _ = await ran(engine, BROWSE, {("GET", "/ecom/books"): books}, confirmation=None)
    assert shop.requests[-1] == ("GET", "/inven/stock/..%2F..%2Fsecret%3Fx%3D%2F")


def test_the_question_names_each_request_once_with_what_is_known():
    text = BROWSE.replace('name = "books"', 'name = "books"\nprepare = { path = "/ecom/books" }')
    assert requests_in_words(read("j", text.encode()), {}) == ["GET    /ecom/books", "GET    /inven/stock/{book}"]


def test_variables_that_are_not_there(monkeypatch):
    journey = read("j", BUY.replace(', value = "unset-password"', "").encode())
    monkeypatch.delenv("SHOP_PASSWORD", raising=False)
    with pytest.raises(UsageError, match="SHOP_PASSWORD isn't set"):
        values_of(journey, {})
    with pytest.raises(UsageError, match="has no variable 'pasword'"):
        values_of(journey, {"pasword": "x"})
    monkeypatch.setenv("SHOP_PASSWORD", "{user}")
    values = values_of(journey, {"where": "http://here"})
    assert values["password"] == "{user}", "what is in the environment is no template"
    assert entrance_of(journey, values)[1] == "http://here"
