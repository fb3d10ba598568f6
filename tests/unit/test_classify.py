"""From what curl saw to an outcome."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshtui.model.flow import EndpointKind, Flow, FlowEndpoint
from meshtui.model.observation import Observation
from meshtui.model.verdict import Decision, Layer, Verdict
from meshtui.probe.classify import classify, is_last_line, outcome_of, parse_attempt
from meshtui.probe.protocols import Attempt


def attempt(exit_code, first="", **more):
    return Attempt("1", more.pop("number", 1), exit_code, first, **more)


ROWS = [
    ("200", "http", attempt(0, "200", connect_s=0.01, total_s=0.02), "http_200"),
    ("403 is an outcome, not a failure", "http", attempt(0, "403"), "http_403"),
    ("a status, then the body is cut off", "http", attempt(18, "200"), "http_200"),
    ("a status, then silence", "http", attempt(28, "200"), "http_200"),
    ("no status: an empty reply is closed", "http", attempt(52, "000", connect_s=0.01), "closed"),
    ("a reset is closed", "http", attempt(56, "000", connect_s=0.01), "closed"),
    ("closed while sending", "http", attempt(55, "000", connect_s=0.01), "closed"),
    ("connect times out", "http", attempt(28, "000"), "timeout"),
    ("connected, then nothing", "http", attempt(28, "000", connect_s=0.01), "timeout"),
    ("refused", "http", attempt(7, "000", error="Failed to connect to 10.0.0.1 port 80: Connection refused"), "refused"),
    ("curl's 7 with a timeout in its words", "http", attempt(7, "000", error="Connection timed out after 4000 ms"), "timeout"),
    ("no such name", "http", attempt(6, "000"), "dns"),
    ("a TLS error", "http", attempt(35, "000"), "tls"),
    ("a certificate that isn't trusted", "http", attempt(60, "000"), "tls"),
    ("it isn't HTTP, but something answers", "http", attempt(1, "000", bytes_received=9), "connected"),
    ("an exit code that nobody knows", "http", attempt(99, "000"), "unknown"),
    ("postgres says N", "postgres", attempt(28, "N", connect_s=0.01, bytes_received=1), "connected"),
    ("postgres says S", "postgres", attempt(0, "S", bytes_received=1), "connected"),
    ("postgres: accepted, then closed at once", "postgres", attempt(0, "", connect_s=0.01, total_s=0.05), "closed"),
    ("postgres: reset", "postgres", attempt(56, "", connect_s=0.01), "closed"),
    ("postgres: no answer at all", "postgres", attempt(28, "", connect_s=0.0), "timeout"),
    ("postgres: refused", "postgres", attempt(7, "", error="Connection refused"), "refused"),
    ("tcp: a banner", "tcp", attempt(0, "SSH-2.0", bytes_received=8), "connected"),
    ("tcp: silence on an open connection", "tcp", attempt(28, "", connect_s=0.01, total_s=4.0), "connected"),
    ("tcp: closed at once", "tcp", attempt(0, "", connect_s=0.01, total_s=0.02), "closed"),
    ("tcp: reset", "tcp", attempt(56, "", connect_s=0.01, total_s=0.02), "closed"),
    ("tcp: never connected", "tcp", attempt(28, "", connect_s=0.0, total_s=4.0), "timeout"),
]


@pytest.mark.parametrize(("name", "protocol", "seen", "outcome"), ROWS, ids=[row[0] for row in ROWS])
def test_outcome(name, protocol, seen, outcome):
    assert outcome_of(seen, protocol) == outcome


OK, CUT, GONE = attempt(0, "200"), attempt(52, "000"), attempt(28, "000")


@pytest.mark.parametrize(
    ("attempts", "outcome", "settled"),
    [
        ([], "not_settled", False),
        ([OK], "not_settled", False),
        ([OK, OK], "http_200", True),
        ([CUT, OK], "not_settled", False),
        ([CUT, GONE, OK, OK], "http_200", True),
        ([OK, OK, CUT], "not_settled", False),
    ],
    ids=["none", "one", "two that agree", "two that don't", "the last two count", "the last one differs"],
)
def test_two_attempts_in_a_row_must_agree(attempts, outcome, settled):
    found = classify(attempts, "http")
    assert (found.outcome, found.settled) == (outcome, settled)


def line(**changes):
    whole = {"id": "3", "attempt": 2, "exit": 0, "result": "200|0.001|0.002|12|envoy|7||0"}
    return json.dumps(whole | changes)


def test_a_line_of_the_probe():
    found = parse_attempt(line(result="200|0.001|0.002|12|envoy|7|some | words|0"))
    assert found == Attempt("3", 2, 0, "200", 0.001, 0.002, 12, "envoy", "7", "some | words")
    assert found.status == 200


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "7",
        '{"done":true}',
        "{}",
        line(result="x"),
        line(result="a|b|c|d|e|f|g|h"),
        line(exit=None),
        line(attempt=[]),
        line(result="200|0|0|inf|||| "),
    ],
)
def test_what_is_no_line_of_the_probe(text):
    assert parse_attempt(text) is None


@given(
    st.one_of(
        st.text(), st.dictionaries(st.sampled_from(["id", "attempt", "exit", "result"]), st.text(max_size=12)).map(json.dumps)
    )
)
def test_no_line_breaks_the_reader(text):
    found = parse_attempt(text)
    assert found is None or classify([found, found], "http").outcome
    assert is_last_line(text) in {True, False}


FLOW = Flow(FlowEndpoint(EndpointKind.POD, "a", "b"), FlowEndpoint(EndpointKind.POD, "a", "c"), 80)
AGREEMENT = [
    ("connected, allowed", Decision.ALLOW, "connected", {}, True),
    ("timed out, denied", Decision.DENY, "timeout", {}, True),
    ("closed, allowed", Decision.ALLOW, "closed", {}, False),
    ("connected, denied", Decision.DENY, "connected", {}, False),
    ("the app's own 403 has reached it", Decision.ALLOW, "http_403", {"http_status": 403}, True),
    ("a proxy's 403 hasn't", Decision.DENY, "http_403", {"http_status": 403, "from_proxy": True}, True),
    ("a proxy's 200 is the app's", Decision.ALLOW, "http_200", {"http_status": 200, "from_proxy": True}, True),
    ("nobody listens", Decision.ALLOW, "refused", {}, None),
    ("no name", Decision.DENY, "dns", {}, None),
    ("not settled", Decision.ALLOW, "not_settled", {}, None),
    ("mixed", Decision.MIXED, "connected", {}, None),
    ("unknown", Decision.UNKNOWN, "timeout", {}, None),
]


@pytest.mark.parametrize(("name", "decision", "outcome", "more", "agrees"), AGREEMENT, ids=[row[0] for row in AGREEMENT])
def test_agreement(name, decision, outcome, more, agrees):
    assert Observation(FLOW, outcome, Verdict(decision, "x", Layer.NONE), **more).agrees is agrees
