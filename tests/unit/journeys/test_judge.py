"""What counts as expected, and what it means when it isn't."""

from dataclasses import replace

import pytest

from meshtui.engine import Engine
from meshtui.engine.path.references import parse_flow
from meshtui.journeys.gateway import Answer
from meshtui.journeys.hops import Hop, Seen
from meshtui.journeys.judge import (
    NOT_LOGGED,
    failures,
    judge_call,
    number_at,
    object_of,
    same,
    status_is_right,
    unexplained,
    what_is_off,
)
from meshtui.journeys.load import read
from meshtui.journeys.model import Call, Expect
from meshtui.journeys.report import Further, LookAt, Reading, Report, StepReport, StepState
from meshtui.journeys.run import ladder
from meshtui.journeys.variables import Variables
from meshtui.logs.ztunnel import AccessLine
from meshtui.model.ids import ObjectRef
from meshtui.sandbox import scenarios
from tests.fakes.snapshots import snapshot_of

ECOM, STOCK = (f"spiffe://cluster.local/ns/{ns}/sa/{ns}-service" for ns in ("ecom", "inventory"))
LINE = AccessLine("t", "info", "raw line", {})
SEEN = Seen(ECOM, STOCK, mtls=True, lines=(LINE,))
CALL = Call(name="reserve", source="ecom/deploy/ecom-service", to="inventory/svc/inventory-service:8000")


@pytest.mark.parametrize(
    ("expect", "status", "right"),
    [
        (Expect(), 204, True),
        (Expect(), 302, False),
        (Expect(), None, False),
        (Expect(status=404), 404, True),
        (Expect(status=404), 200, False),
        (Expect(status=[200, 409]), 409, True),
        (Expect(status=[]), 200, False),
    ],
)
def test_status(expect, status, right):
    assert status_is_right(expect, Answer(status)) is right


BODY = {"n": 1, "yes": True, "id": "b", "list": [{"a": 1}]}


@pytest.mark.parametrize(
    ("expect", "off"),
    [
        (Expect(), ""),
        (Expect(has=["/n", "/list/0/a"]), ""),
        (Expect(has=["/m"]), "the answer has no m"),
        (Expect(has=["/list/1/a"]), "the answer has no /list/1/a"),
        (Expect(json={"/id": "{book}", "/list": [{"a": 1}]}), ""),
        (Expect(json={"/n": 2}), "n is 1, not 2"),
        (Expect(json={"/n": True}), "n is 1, not True"),
        (Expect(json={"/yes": 1}), "yes is True, not 1"),
        (Expect(json={"/gone": None}), "the answer has no gone"),
        (Expect(json={"": 1}), "value is {'n': 1, 'yes': True, 'id': 'b', 'list': [{'a': 1}]}, not 1"),
    ],
)
def test_bodies(expect, off):
    assert what_is_off(expect, Variables({"book": "b"}), BODY) == off


def test_values_of_json():
    assert same({"a": [1, 2.0]}, {"a": [1, 2]})
    assert not same([1], [True])
    assert not same({"a": 1}, {"a": 1, "b": 2})
    assert [number_at(BODY, f"/{name}") for name in ("n", "yes", "id", "gone")] == [1, None, None, None]


@pytest.mark.parametrize(
    ("seen", "call", "readable", "state", "cause"),
    [
        pytest.param(SEEN, {}, True, StepState.OK, "", id="as it should be"),
        pytest.param(Seen(), {}, True, StepState.FAILED, "no_call", id="nothing logged"),
        pytest.param(Seen(), {"required": False}, True, StepState.SKIPPED, "", id="nothing logged, and it needn't be"),
        pytest.param(Seen(), {}, False, StepState.SKIPPED, "", id="no log that could be read"),
        pytest.param(replace(SEEN, error="policy rejection"), {}, True, StepState.FAILED, "closed", id="closed"),
        pytest.param(replace(SEEN, mtls=False), {}, True, StepState.FAILED, "plaintext", id="plaintext"),
        pytest.param(replace(SEEN, mtls=None), {}, True, StepState.FAILED, "plaintext", id="mTLS not seen"),
        pytest.param(replace(SEEN, mtls=False), {"mtls": False}, True, StepState.OK, "", id="plaintext is good enough"),
        pytest.param(replace(SEEN, source_identity=""), {}, True, StepState.FAILED, "identity", id="without an identity"),
        pytest.param(replace(SEEN, source_identity=STOCK), {}, True, StepState.FAILED, "identity", id="as somebody else"),
        pytest.param(replace(SEEN, destination_identity=ECOM), {}, True, StepState.FAILED, "identity", id="to somebody else"),
    ],
)
def test_calls(seen, call, readable, state, cause):
    made = Call(name="reserve", source=CALL.source, to=CALL.to, **call)
    changes = judge_call(made, seen, (ECOM, STOCK), readable=readable)
    assert (changes["state"], changes["cause"]) == (state, cause)
    assert bool(changes["error"] or changes["note"]) is (state is not StepState.OK)


def test_without_wanted_identities_any_are_right():
    assert judge_call(CALL, SEEN, ("", ""), readable=True)["state"] is StepState.OK


def test_behind_a_waypoint_only_the_callers_identity_is_checked_and_it_is_said():
    seen = Seen(ECOM, "", mtls=True, via="waypoint inventory/wp", lines=(LINE,))
    found = judge_call(CALL, seen, (ECOM, STOCK), readable=True)
    assert found["state"] is StepState.OK
    assert found["note"] == "through waypoint inventory/wp: no line tells who answers behind it, so that identity isn't checked"
    assert judge_call(CALL, seen, (STOCK, ""), readable=True)["cause"] == "identity"
    assert judge_call(CALL, replace(seen, via=""), (ECOM, STOCK), readable=True)["cause"] == "identity"


JOURNEY = read("j.toml", b"""
name = "j"
title = "J"
gateway.url = "http://gw"
[[gauge]]
name = "stock"
title = "reserved"
request.path = "/stock"
value = "/reserved"
change = 1
means.change = "somebody else bought too"
[[step]]
name = "buy"
request.path = "/buy"
[[step.call]]
name = "reserve"
from = "ecom/deploy/ecom-service"
to = "inventory/svc/inventory-service:8000"
[step.call.means]
closed = { says = "inventory refuses the shop", look_at = ["inventory/svc/inventory-service", "nonsense"] }
[step.means]
http_502 = "the shop couldn't reserve"
otherwise = "the shop is broken"
""")  # fmt: skip
FLOW = parse_flow(CALL.source, CALL.to)


def found(scenario="healthy", gauges=(), **states):
    report = Report("j", "J", "http://gw", "", ladder(JOURNEY), gauges, finished=True)
    for name, (cause, error) in states.items():
        report = report.with_step(name, state=StepState.FAILED, cause=cause, error=error)
    return failures(report, JOURNEY, Engine(snapshot_of(scenarios.load(scenario))), {"reserve": FLOW}, {})


def test_the_call_comes_before_the_step_that_it_failed_and_its_decider_is_named():
    call, step = found("wrong-identity", buy=("http_502", ""), reserve=("closed", "policy rejection"))
    assert (call.name, call.outcome, call.says) == ("reserve", "closed", "inventory refuses the shop")
    assert [str(look.ref) for look in call.look_at] == [
        "Service inventory/inventory-service",
        "AuthorizationPolicy inventory/inventory-service-policy",
    ]
    (reason,) = [text for text in call.why if text.startswith("policy: ")]
    assert "inventory/inventory-service-policy" in reason
    assert "(code=" not in reason, "a sentence, not the data behind it"
    assert (step.name, step.says) == ("buy", "the shop couldn't reserve")


@pytest.mark.parametrize(
    ("cause", "error", "says"),
    [
        ("http_500", "", "the shop is broken"),
        ("", "the answer has no id", "the shop is broken"),
        ("timeout", "", "the shop is broken"),
    ],
)
def test_what_is_meant_otherwise(cause, error, says):
    (failure,) = found(buy=(cause, error))
    assert (failure.says, failure.outcome) == (says, cause or "answer")
    assert failure.why == ((error,) if error else ())


POLICY = LookAt(ObjectRef("NetworkPolicy", "ecom", "ecom-db-netpol"), "it decides on this call")


def test_what_the_service_could_not_reach_is_told_with_the_step():
    call = Further(StepReport("x", kind="further"), Hop(FLOW), 1, 1, ("ecom → ecom-db: timeout",), (POLICY,))
    report = Report("j", "J", "http://gw", "", ladder(JOURNEY), finished=True)
    report = report.with_step("buy", state=StepState.FAILED, cause="http_500", status=500, answered_by="application")
    engine = Engine(snapshot_of(scenarios.load("healthy")))
    (failure,) = failures(report, JOURNEY, engine, {"reserve": FLOW}, {"buy": [call]})
    assert (failure.look_at, failure.behind, failure.why) == ((), (POLICY,), ("ecom → ecom-db: timeout",))


def step(name="buy", kind="step", **fields):
    return StepReport(name, kind=kind, state=StepState.FAILED, **fields)


def own(status):
    return step(status=status, cause=f"http_{status}", answered_by="application")


def of_the_gateway(status):
    return step(status=status, cause=f"http_{status}", answered_by="gateway")


@pytest.mark.parametrize(
    ("failed", "allowed", "denied"),
    [
        pytest.param(own(500), True, True, id="its own error"),
        pytest.param(own(404), False, False, id="its own answer"),
        pytest.param(step(error="the answer has no id"), False, False, id="another answer than expected"),
        pytest.param(of_the_gateway(503), True, False, id="no ready pod, or no way to it"),
        pytest.param(of_the_gateway(504), True, False, id="too late for the gateway"),
        pytest.param(step(cause="timeout"), True, False, id="too late for the client"),
        pytest.param(step(cause="refused", error="refused"), False, False, id="no gateway"),
        pytest.param(step("reserve", "call", cause="http_503"), True, True, id="the call's server has an error"),
        pytest.param(step("reserve", "call", cause="timeout"), True, False, id="the call's server is late"),
        pytest.param(step("reserve", "call", cause="timeout", error="deadline"), False, False, id="no connection to it"),
        pytest.param(step("reserve", "call", cause="closed", error="policy"), False, False, id="a policy closed the call"),
    ],
)
def test_a_call_of_the_service_may_be_the_reason_unless_something_else_is(failed, allowed, denied):
    assert bool(unexplained([failed], lambda _: False)) is allowed
    assert bool(unexplained([failed], lambda _: True)) is denied


def test_a_call_that_failed_by_itself_explains_its_step():
    closed = step("reserve", "call", cause="closed", error="policy rejection")
    assert unexplained([own(502), closed], lambda _: False) == []
    assert unexplained([own(502), replace(closed, state=StepState.OK)], lambda _: False) == [own(502)]


def test_what_nobody_gave_a_meaning_is_said_as_it_is():
    (failure,) = found(reserve=("no_call", NOT_LOGGED))
    assert failure.says == f"reserve: {NOT_LOGGED}"
    assert failure.why == ("the policies that meshtui reads would allow it",)
    (failure,) = found(stock_before=("http_404", ""))
    assert failure.says == "reserved before: http_404"


@pytest.mark.parametrize(
    ("reading", "says"),
    [
        (Reading("stock", "reserved", 1, 2, 1), None),
        (Reading("stock", "reserved", 0.1, 0.3, 0.2), None),
        (Reading("stock", "reserved", 1, 2, None), "somebody else bought too"),
        (Reading("stock", "reserved", 1, 1, 1), "somebody else bought too"),
        (Reading("stock", "reserved", None, 1, 1), "reserved isn't known before"),
    ],
)
def test_gauges(reading, says):
    assert [failure.says for failure in found(gauges=(reading,))] == ([] if says is None else [says])
    assert not [f for f in found(gauges=(reading,), buy=("timeout", "")) if f.name == "stock"], "the step is the cause"


@pytest.mark.parametrize(
    ("text", "ref"),
    [
        ("ecom/deploy/shop", ObjectRef("Deployment", "ecom", "shop")),
        ("Namespace/ecom", ObjectRef("Namespace", "", "ecom")),
        ("ecom", None),
        ("a//b", None),
        ("a/b/c/d", None),
    ],
)
def test_objects_by_name(text, ref):
    assert object_of(text) == ref
