"""What a run's services call beyond the journey's own calls, from the ztunnels' lines."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from meshtui.engine import Engine
from meshtui.journeys.bookstore.hops import reserve_hop
from meshtui.journeys.further import further_calls
from meshtui.journeys.report import Further, StepState
from meshtui.logs.ztunnel import AccessLine, parse_access_line
from meshtui.settings import Checkout
from tests.fakes.frozen import bookstore
from tests.fakes.ztunnel_lines import REFUSED, REJECTED, TIMED_OUT, access_line

UNAUTHORIZED = "http status: 401 Unauthorized"
NAMED = "connection closed due to policy rejection: explicitly denied by: ecom/no-strangers"


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(bookstore())


def pod(engine: Engine, app: str):
    return next(each for each in engine.snapshot.pods.values() if each.labels.get("app") == app)


def line_of(
    engine: Engine, source: str, target: str, port: int, *, error: str = "", inbound: bool = False, **over: str
) -> AccessLine:
    """A line with the pods' own addresses. ``over`` changes fields (``dst_addr`` …), or takes them away if they are empty."""
    ends = pod(engine, source), pod(engine, target)
    line = parse_access_line(access_line(ends[0].key, ends[1].key, port, error=error, inbound=inbound))
    assert line is not None
    address = str(ends[1].ips[0])
    own = {"src.addr": f"{ends[0].ips[0]}:40000", "dst.addr": f"{address}:15008", "dst.hbone_addr": f"{address}:{port}"}
    own["src.identity"] = f"spiffe://{engine.snapshot.principal_of(ends[0])}"
    if error:
        own |= {"bytes_sent": "0", "bytes_recv": "0"}
    changed = {re.sub("^(src|dst)_", r"\1.", name): value for name, value in over.items()}
    fields = {name: value for name, value in {**line.fields, **own, **changed}.items() if value}
    return replace(line, fields=fields, raw=f"{line.raw} {sorted(fields.items())}")


def found(engine: Engine, *lines: AccessLine, services=("ecom-service", "inventory-service")) -> tuple[Further, ...]:
    return further_calls(engine, [pod(engine, name) for name in services], [reserve_hop(engine, Checkout())], lines)


def test_connections_to_a_database_are_counted_once_whichever_ends_logged_them(engine):
    named = {"dst_service": "ecom-db.ecom.svc.cluster.local"}
    lines = [
        line_of(engine, "ecom-service", "ecom-db", 5432, inbound=inbound, **({} if inbound else named))
        for inbound in (False, True, False, True)
    ]
    (call,) = found(engine, *lines)
    assert (call.connections, call.failed, call.step.state) == (2, 0, StepState.OK)
    assert (call.step.source, call.step.destination) == ("ecom/deployment/ecom-service", "ecom/statefulset/ecom-db:5432")
    assert [each.name for each in call.hop.destinations] == [pod(engine, "ecom-db").name]
    assert call.step.mtls is True
    assert call.step.source_identity == "spiffe://cluster.local/ns/ecom/sa/ecom-service"


def test_a_line_that_only_says_that_a_connection_began_is_not_another_one(engine):
    done = line_of(engine, "ecom-service", "ecom-db", 5432)
    (call,) = found(engine, replace(done, message="connection opened"), done)
    assert call.connections == 1


def test_the_journeys_own_calls_and_strangers_are_no_further_calls(engine):
    own = line_of(engine, "ecom-service", "inventory-service", 8000)
    waypoint = line_of(
        engine, "ecom-service", "inventory-service", 8000,
        dst_addr="127.9.9.9:15008", dst_workload="waypoint-1", dst_service="inventory-service.inventory.svc.cluster.local",
    )  # fmt: skip
    others = [line_of(engine, "ui-service", "ecom-service", 8080), line_of(engine, "prometheus", "ecom-service", 8080)]
    early = line_of(engine, "ecom-service", "ecom-db", 15008, error=REJECTED)
    assert found(engine, own, waypoint, *others, early) == ()


@pytest.mark.parametrize(
    ("error", "inbound", "outcome", "reason", "decider"),
    [
        pytest.param(NAMED, True, "closed", "policy", "AuthorizationPolicy ecom/no-strangers", id="the log names the policy"),
        pytest.param(REJECTED, True, "closed", "unknown", None, id="it got as far as a ztunnel: no NetworkPolicy is at fault"),
        pytest.param(UNAUTHORIZED, False, "closed", "unknown", None, id="refused by the other ztunnel"),
        pytest.param(TIMED_OUT, False, "timeout", "network_policy", "NetworkPolicy ecom/ecom-netpol", id="no answer"),
        pytest.param(REFUSED, True, "refused", "not_listening", None, id="nobody listens"),
        pytest.param("io error: invalid peer certificate: UnknownIssuer", False, "failed", "certificate", None, id="certificate"),
        pytest.param("http status: 503 Service Unavailable", False, "failed", "unknown", None, id="the other ztunnel's error"),
    ],
)
def test_failures_stand_first_with_what_the_log_proves(engine, error, inbound, outcome, reason, decider):
    calls = found(
        engine,
        line_of(engine, "inventory-service", "inventory-db", 5432),
        line_of(engine, "ecom-service", "keycloak-db", 5432),
        line_of(engine, "ecom-service", "keycloak-db", 5432, error=error, inbound=inbound),
    )
    assert [call.step.title for call in calls] == ["keycloak-db", "inventory-db"]
    bad = calls[0]
    assert (bad.failed, bad.step.cause, bad.reason) == (1, outcome, reason)
    assert [str(look.ref) for look in bad.look_at] == ([decider] if decider else [])
    assert error in bad.why[0]
    assert error in bad.step.evidence[0]


@pytest.mark.parametrize(
    "error",
    [
        "io error: Connection reset by peer",
        "io error: Connection timed out (os error 110)",
        "connection closed due to connection drain",
    ],
)
def test_an_end_of_a_connection_that_worked_is_no_failure(engine, error):
    line = line_of(engine, "ecom-service", "ecom-db", 5432, error=error, bytes_sent="12", bytes_recv="654321")
    (call,) = found(engine, line)
    assert (call.step.state, call.failed, call.step.error) == (StepState.OK, 0, "")


def test_a_client_that_gave_up_first_got_nothing(engine):
    silent = line_of(engine, "ecom-service", "ecom-db", 5432, error="io error: connection closed before it was established")
    late = line_of(engine, "ecom-service", "ecom-db", 5432, error=TIMED_OUT)
    assert [call.step.cause for call in found(engine, silent)] == ["failed"]
    (call,) = found(engine, late, silent)
    assert (call.failed, call.step.cause, call.step.error) == (2, "timeout", TIMED_OUT), "the line that tells more is shown"


GAVE_UP = "io error: connection closed before it was established"


@pytest.mark.parametrize(
    ("target", "over", "outcome", "reason", "decider"),
    [
        pytest.param(
            "keycloak-db", {"duration": "5996ms"}, "timeout", "network_policy", ["NetworkPolicy ecom/ecom-netpol"], id="drop"
        ),
        pytest.param("ecom-db", {"duration": "5996ms"}, "timeout", "no_answer", [], id="nothing drops it"),
        pytest.param("keycloak-db", {"duration": "3ms"}, "failed", "unknown", [], id="too soon to be silence"),
        pytest.param("keycloak-db", {"duration": "5996ms", "inbound": True}, "failed", "unknown", [], id="it came through"),
        pytest.param("keycloak-db", {"error": "http status: 503 Service Unavailable"}, "failed", "unknown", [], id="an answer"),
        pytest.param("keycloak-db", {"error": "io error: tls handshake eof"}, "failed", "unknown", [], id="a handshake began"),
        pytest.param("keycloak-db", {"error": "io error: Connection reset by peer"}, "failed", "unknown", [], id="a reset"),
    ],
)
def test_silence_may_be_a_drop_and_nothing_else_is(engine, target, over, outcome, reason, decider):
    line = line_of(engine, "ecom-service", target, 5432, **{"error": GAVE_UP, "duration": "4000ms", **over})
    (call,) = found(engine, line)
    assert (call.step.cause, call.reason, [str(look.ref) for look in call.look_at]) == (outcome, reason, decider)
    assert call.explained is (reason != "unknown")


def test_a_plaintext_connection_that_nobody_answers_is_silence_too(engine):
    plain = {"dst_addr": f"{pod(engine, 'keycloak-db').ips[0]}:5432", "dst_hbone_addr": "", "duration": "10003ms"}
    (call,) = found(engine, line_of(engine, "ecom-service", "keycloak-db", 5432, error="io error: deadline has elapsed", **plain))
    assert (call.step.cause, call.reason) == ("timeout", "network_policy")


def test_a_denial_that_cannot_be_read_is_no_success(engine):
    line = replace(line_of(engine, "ecom-service", "ecom-db", 5432, error=NAMED, inbound=True), time="x")
    (call,) = found(engine, line)
    assert (call.step.state, call.failed, call.step.cause, call.look_at) == (StepState.FAILED, 1, "closed", ())


def test_a_host_name_in_the_tunnel_is_the_destination_and_not_the_proxy(engine):
    proxy = {"dst_addr": "127.9.9.9:15008", "dst_workload": "waypoint-1", "dst_hbone_addr": "api.example.com:443"}
    (call,) = found(engine, line_of(engine, "ecom-service", "ecom-db", 443, **proxy))
    assert call.step.destination == "api.example.com:443"


def test_behind_a_waypoint_it_is_the_service_and_nobody_knows_who_answers(engine):
    waypoint = {"dst_addr": "127.9.9.9:15008", "dst_workload": "waypoint-1", "dst_identity": "spiffe://x/ns/ecom/sa/waypoint"}
    service = {"dst_hbone_addr": "10.96.0.9:3000", "dst_service": "ui-service.ecom.svc.cluster.local"}
    (call,) = found(engine, line_of(engine, "ecom-service", "ui-service", 3000, **waypoint, **service))
    assert (call.step.destination, call.step.destination_identity) == ("ecom/svc/ui-service:3000", "")
    (call,) = found(engine, line_of(engine, "ecom-service", "ui-service", 3000, **waypoint))
    assert (call.step.destination, call.step.destination_identity) == ("ecom/deployment/ui-service:3000", "")


def test_a_service_without_pods_is_named_by_its_address():
    snapshot = bookstore()
    uid, database = next((uid, each) for uid, each in snapshot.services.items() if each.meta.name == "ecom-db")
    engine = Engine(replace(snapshot, services={**snapshot.services, uid: replace(database, cluster_ips=("10.96.200.19",))}))
    text = (
        "2026-11-25T14:52:19.298016Z\twarn\taccess\tconnection failed\t"
        f"src.addr={pod(engine, 'ecom-service').ips[0]}:37652 dst.addr=10.96.200.19:5432 "
        'direction="outbound" error="no healthy upstream: 10.96.200.19:5432"'
    )
    line = parse_access_line(text)
    assert line is not None
    (call,) = found(engine, line)
    assert (call.step.destination, call.step.state) == ("ecom/svc/ecom-db:5432", StepState.FAILED)
    assert call.step.error == "no healthy upstream: 10.96.200.19:5432"


def test_plaintext_among_mtls_is_not_called_mtls(engine):
    open_one = {"src_identity": "", "dst_hbone_addr": "", "dst_addr": f"{pod(engine, 'ecom-db').ips[0]}:5432"}
    plain = line_of(engine, "ecom-service", "ecom-db", 5432, inbound=True, **open_one)
    secured = line_of(engine, "ecom-service", "ecom-db", 5432, inbound=True)
    (call,) = found(engine, plain, plain, secured)
    assert (call.connections, call.step.mtls) == (3, None)
    assert call.step.note == "3 connections, some of them in plaintext"
    (call,) = found(engine, plain)
    assert call.step.mtls is False


def test_an_ipv6_address_stands_in_brackets(engine):
    outside = {"dst_addr": "[fd00::99]:5432", "dst_hbone_addr": "", "dst_workload": "", "dst_namespace": ""}
    (call,) = found(engine, line_of(engine, "ecom-service", "ecom-db", 5432, **outside))
    assert call.step.destination == "[fd00::99]:5432"
