"""What a run's services call beyond the journey's own calls, from the ztunnels' lines."""

from __future__ import annotations

from dataclasses import replace

import pytest

from meshtui.engine import Engine
from meshtui.journeys.bookstore.hops import reserve_hop
from meshtui.journeys.further import further_calls
from meshtui.journeys.report import StepState
from meshtui.logs.ztunnel import AccessLine, parse_access_line
from meshtui.settings import Checkout
from tests.fakes.frozen import bookstore
from tests.fakes.ztunnel_lines import REJECTED, access_line, pod_of

TIMED_OUT = "connection timed out, maybe a NetworkPolicy is blocking HBONE port 15008: deadline has elapsed"
UNAUTHORIZED = "http status: 401 Unauthorized"


@pytest.fixture(scope="module")
def engine():
    return Engine(bookstore())


def line_of(engine, source, target, port, **how) -> AccessLine:
    service = how.pop("service", "")
    text = access_line(pod_of(engine.snapshot, source).key, pod_of(engine.snapshot, target).key, port, **how)
    found = parse_access_line(text + (f' dst.service="{service}"' if service else ""))
    assert found is not None
    return found


def found(engine, *lines, services=("ecom-service", "inventory-service")):
    pods = [pod_of(engine.snapshot, name) for name in services]
    return further_calls(engine, pods, [reserve_hop(engine, Checkout())], lines)


def test_connections_to_a_database_are_counted_once_whichever_ends_logged_them(engine):
    named = "ecom-db.ecom.svc.cluster.local"
    lines = [
        line_of(engine, "ecom-service", "ecom-db", 5432, inbound=inbound, service="" if inbound else named)
        for inbound in (False, True, False, True)
    ]
    (call,) = found(engine, *lines)
    assert (call.connections, call.failed, call.step.state) == (2, 0, StepState.OK)
    assert (call.step.source, call.step.destination) == ("ecom/deployment/ecom-service", "ecom/svc/ecom-db:5432")
    assert [pod.name for pod in call.hop.destinations] == [pod_of(engine.snapshot, "ecom-db").name]
    assert call.step.mtls is True
    assert call.step.source_identity == "spiffe://cluster.local/ns/ecom/sa/ecom"


def test_without_a_service_the_workload_is_named(engine):
    (call,) = found(engine, line_of(engine, "inventory-service", "inventory-db", 5432))
    assert call.step.destination == "inventory/statefulset/inventory-db:5432"
    assert call.step.title == "inventory-db"


def test_the_journeys_own_calls_and_strangers_are_no_further_calls(engine):
    assert (
        found(
            engine,
            line_of(engine, "ecom-service", "inventory-service", 8000),
            line_of(engine, "ui-service", "ecom-service", 8080),
            line_of(engine, "prometheus", "ecom-service", 8080),
            line_of(engine, "ecom-service", "ecom-db", 15008, error=REJECTED),
        )
        == ()
    )


@pytest.mark.parametrize(
    ("error", "cause"),
    [(REJECTED, "closed"), (UNAUTHORIZED, "closed"), (TIMED_OUT, "timeout"), ("Connection refused", "refused")],
)
def test_failures_stand_first_with_what_decides(engine, error, cause):
    calls = found(
        engine,
        line_of(engine, "inventory-service", "inventory-db", 5432),
        line_of(engine, "ecom-service", "keycloak-db", 5432),
        line_of(engine, "ecom-service", "keycloak-db", 5432, error=error),
    )
    assert [call.step.title for call in calls] == ["keycloak-db", "inventory-db"]
    assert (calls[0].connections, calls[0].failed, calls[0].step.cause) == (2, 1, cause)
    assert calls[0].step.note == "2 connections, 1 failed"
    assert [str(look.ref) for look in calls[0].look_at] == ["NetworkPolicy ecom/ecom-netpol"]
    assert error in calls[0].why[0]


def test_an_end_of_an_open_connection_is_no_failure(engine):
    (call,) = found(engine, line_of(engine, "ecom-service", "ecom-db", 5432, error="io error: Connection reset by peer"))
    assert (call.step.state, call.failed, call.step.error) == (StepState.OK, 0, "")


def test_a_client_that_gave_up_first_got_nothing(engine):
    line = line_of(engine, "ecom-service", "ecom-db", 5432, error="io error: connection closed before it was established")
    silent = replace(line, fields={**line.fields, "bytes_sent": "0", "bytes_recv": "0"})
    late = line_of(engine, "ecom-service", "ecom-db", 5432, error=TIMED_OUT)
    assert [call.step.cause for call in found(engine, silent)] == ["failed"]
    (call,) = found(engine, late, silent)
    assert (call.failed, call.step.cause, call.step.error) == (2, "timeout", TIMED_OUT), "the line that tells more is shown"


@pytest.mark.parametrize(("port", "shown"), [(80, 80), (8080, 80)])
def test_the_port_is_the_services(engine, port, shown):
    """A line may have the pod's port; the Service has one, under another number."""
    (call,) = found(engine, line_of(engine, "ecom-service", "gateway", port, service="gateway.infra.svc.cluster.local"))
    assert call.step.destination == f"infra/svc/gateway:{shown}"
