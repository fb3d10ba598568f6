"""What counts as meeting each acceptance criterion, and how the answers are written."""

import json
from dataclasses import replace
from xml.etree import ElementTree as ET

import msgspec
import pytest

from meshtui.cli.acceptance_report import answer, to_json
from meshtui.cli.formats import rendered
from meshtui.cli.schemas.journeys import Accepted
from meshtui.engine import Engine
from meshtui.engine.expect.expectations import Expected
from meshtui.engine.expect.verification import Result, Status
from meshtui.engine.path.references import parse_flow
from meshtui.journeys.bookstore import criteria
from meshtui.journeys.bookstore.criteria import Criterion, State
from meshtui.journeys.bookstore.shop import Answer
from meshtui.journeys.bookstore.trace import CHECKOUT, RESERVE, TITLES, StepState, Stock, Trace
from meshtui.model.reason import Code, because
from meshtui.model.snapshot import KindState, KindStatus
from meshtui.model.verdict import Decision, Layer, Verdict
from meshtui.settings import Checkout
from tests.fakes.frozen import bookstore, with_kind

PROFILE = Checkout()
ECOM, INVENTORY = "spiffe://cluster.local/ns/ecom/sa/ecom-service", "spiffe://cluster.local/ns/inventory/sa/inventory-service"
BOTH = tuple(
    f'2026-01-01T00:00:00Z\tinfo\taccess\tconnection complete\tsrc.addr=1.2.3.4:5 direction="{end}"'
    for end in ("outbound", "inbound")
)


def good():
    """A purchase of two that went as it should."""
    before, after = Stock(PROFILE.book, 9, 1), Stock(PROFILE.book, 9, 3)
    trace = Trace("http://gw", "api", PROFILE.book, 2, before=before, after=after, order_id="o", finished=True)
    for name in TITLES:
        trace = trace.with_step(name, state=StepState.OK)
    return trace.with_step(RESERVE, source_identity=ECOM, destination_identity=INVENTORY, mtls=True, evidence=BOTH)


def reserve(**changes):
    return lambda trace: trace.with_step(RESERVE, **changes)


UNREADABLE = ("the ztunnels' logs can't be read: forbidden",)


@pytest.mark.parametrize(
    ("change", "state", "said"),
    [
        pytest.param(lambda t: t, State.PASS, f"{ECOM} → {INVENTORY}, mTLS", id="all of it"),
        pytest.param(reserve(source_identity=ECOM.replace("ecom-service", "default")), State.FAIL, "it should be", id="identity"),
        pytest.param(reserve(destination_identity=ECOM), State.FAIL, "it should be", id="the other's identity"),
        pytest.param(reserve(mtls=False), State.FAIL, "plaintext", id="plaintext"),
        pytest.param(reserve(mtls=None), State.FAIL, "mTLS not seen", id="not seen"),
        pytest.param(reserve(evidence=BOTH[:1]), State.FAIL, "no ztunnel logged the call as inbound", id="one end only"),
        pytest.param(reserve(evidence=()), State.FAIL, "as outbound", id="no line although logs can be read"),
        pytest.param(reserve(state=StepState.FAILED, error="no call"), State.FAIL, "reserve call: no call", id="no reserve call"),
        pytest.param(reserve(state=StepState.SKIPPED), State.FAIL, "there is no order", id="reserve call unknown"),
        pytest.param(lambda t: replace(t, order_id=""), State.FAIL, "there is no order", id="no order"),
        pytest.param(
            lambda t: t.with_step(CHECKOUT, state=StepState.FAILED, cause="http_502"), State.FAIL, "checkout: http_502", id="502"
        ),
        pytest.param(
            lambda t: replace(reserve(evidence=(), mtls=None)(t), notes=UNREADABLE),
            State.SKIP,
            UNREADABLE[0],
            id="no right to read",
        ),
        pytest.param(lambda t: replace(t, after=t.before), State.PASS, "order o", id="the stock is another criterion's"),
    ],
)
def test_the_reserve_call_is_seen_by_both_ztunnels_between_the_right_identities(change, state, said):
    judged = criteria.bought(change(good()), "cluster.local", PROFILE)
    assert judged.state is state
    assert any(said in line for line in judged.evidence), judged.evidence


def test_identities_are_of_the_clusters_trust_domain():
    assert criteria.bought(good(), "example.org", PROFILE).state is State.FAIL


@pytest.mark.parametrize(
    ("change", "state"),
    [
        pytest.param(lambda t: t, State.PASS, id="by the quantity"),
        pytest.param(lambda t: replace(t, after=t.before), State.FAIL, id="not at all"),
        pytest.param(lambda t: replace(t, after=Stock("b", 9, 2)), State.FAIL, id="too little"),
        pytest.param(lambda t: replace(t, after=None), State.FAIL, id="unknown after"),
        pytest.param(lambda t: replace(t, order_id=""), State.FAIL, id="moved without an order"),
    ],
)
def test_the_stock_rises_by_what_was_bought(change, state):
    assert criteria.moved(change(good())).state is state


@pytest.mark.parametrize(
    ("answer", "state", "said"),
    [
        (Answer(404, from_gateway=True), State.PASS, "→ 404, answered by the gateway itself"),
        (Answer(404), State.PASS, "whatever is behind"),
        (Answer(422), State.FAIL, "→ 422"),
        (Answer(cause="timeout", error="no answer within 5 s"), State.FAIL, "timeout, no answer within 5 s"),
    ],
)
def test_a_request_gets_its_status(answer, state, said):
    judged = criteria.answered(answer, 404, "POST /x")
    assert judged.state is state
    assert said in judged.evidence[0]


def test_accounts_exist_and_pods_run_as_them():
    judged = criteria.accounts(Engine(bookstore()), PROFILE)
    assert judged.state is State.PASS
    assert "ServiceAccount ecom/ecom-service exists" in judged.evidence
    assert any(line.startswith("pod inventory/inventory-service-") for line in judged.evidence)


def test_an_account_that_nobody_runs_as_does_not_count():
    judged = criteria.accounts(Engine(bookstore()), PROFILE.model_copy(update={"client_account": "ecom/ui-service"}))
    assert judged.state is State.FAIL
    assert "ServiceAccount ecom/ui-service exists" in judged.evidence


def test_accounts_that_are_gone_fail_and_those_that_cannot_be_listed_are_skipped():
    gone = with_kind(bookstore(), "ServiceAccount", KindState(KindStatus.SYNCED), empty=True)
    assert criteria.accounts(Engine(gone), PROFILE).state is State.FAIL
    forbidden = with_kind(bookstore(), "ServiceAccount", KindState(KindStatus.FORBIDDEN, "you may not"), empty=True)
    judged = criteria.accounts(Engine(forbidden), PROFILE)
    assert judged.state is State.SKIP
    assert "you may not" in judged.evidence[0]


def test_a_client_without_pods_fails():
    judged = criteria.accounts(Engine(bookstore()), PROFILE.model_copy(update={"client": "ecom/deploy/nobody"}))
    assert judged.state is State.FAIL
    assert "ecom/deploy/nobody has no pods" in judged.evidence


@pytest.mark.parametrize(
    ("statuses", "state", "said"),
    [
        ([Status.PASS] * 2, State.PASS, "2/2 passed"),
        ([Status.PASS, Status.UNKNOWN], State.SKIP, "not tested: n: because"),
        ([Status.FAIL, Status.UNKNOWN], State.FAIL, "failed: n: because"),
    ],
)
def test_expectations_all_hold(statuses, state, said):
    flow = parse_flow("a/b", "c/d:1")
    missing = because(Code.NOT_FOUND, error="because")
    verdict = Verdict(Decision.UNKNOWN, "unknown", Layer.NONE, notes=(missing,))
    judged = criteria.verified([Result(Expected(flow, "n", "allow"), verdict, status) for status in statuses])
    assert judged.state is state
    assert any(said in line for line in judged.evidence)


def some(*states):
    return [Criterion(f"c{n}", f"title \x1b{n}", state, ("seen <this>",)) for n, state in enumerate(states)]


@pytest.mark.parametrize(
    ("states", "code"),
    [
        ((State.PASS, State.PASS), 0),
        ((State.PASS, State.FAIL, State.SKIP), 1),
        ((State.PASS, State.SKIP), 4),
        ((State.PASS, State.WAITING), 4),
    ],
)
def test_exit_code(states, code):
    assert criteria.exit_code(some(*states)) == code


def test_json_has_the_shape_of_its_schema():
    found = to_json(some(State.PASS, State.FAIL, State.SKIP))
    assert msgspec.to_builtins(msgspec.convert(found, Accepted)) == found
    assert json.loads(rendered(answer(some(State.PASS)), "json"))["criteria"][0]["status"] == "pass"


def test_junit_counts_and_names():
    suites = ET.fromstring(rendered(answer(some(State.PASS, State.FAIL, State.SKIP)), "junit"))
    assert (suites.get("tests"), suites.get("failures"), suites.get("skipped")) == ("3", "1", "1")
    passed, failed, skipped = suites.iter("testcase")
    assert passed.findtext("system-out") == "seen <this>"
    assert failed.findtext("failure") == "seen <this>"
    assert skipped.find("skipped") is not None


def test_text_says_each_in_words_and_steers_no_terminal():
    text = rendered(answer(some(State.PASS, State.FAIL, State.SKIP)), "text")
    assert "✓ pass" in text
    assert "✗ FAIL" in text
    assert "– skip" in text
    assert "1 passed, 1 failed, 1 skipped, of 3" in text
    assert "\x1b" not in text
