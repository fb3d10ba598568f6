"""Whose line is it, was it mTLS, and where does the gateway send a request."""

from dataclasses import replace

import pytest

from meshtui.engine import Engine
from meshtui.journeys.bookstore.hops import gateway_hop, read_lines, reserve_hop, route_backend
from meshtui.logs.ztunnel import AccessLine
from meshtui.sandbox import scenarios
from meshtui.settings import Checkout
from tests.fakes.snapshots import snapshot_of

ECOM = "spiffe://cluster.local/ns/ecom/sa/ecom-service"
STOCK = "spiffe://cluster.local/ns/inventory/sa/inventory-service"


@pytest.fixture(scope="module")
def engine():
    return Engine(snapshot_of(scenarios.load("healthy")))


def access(direction, error="", **fields):
    named = {key.replace("_", ".", 1): value for key, value in fields.items()}
    return AccessLine(
        "2026-01-01T00:00:00Z", "info", "m", {"direction": direction, **({"error": error} if error else {}), **named}
    )


INBOUND = access("inbound", src_identity=ECOM, dst_identity=STOCK)
OUTBOUND = access("outbound", src_identity=ECOM, dst_identity=STOCK, dst_hbone_addr="10.0.0.1:8000")
PLAIN = access("inbound")
DENIED = access("inbound", "connection closed due to policy rejection: allow policies exist, but none allowed", src_identity=ECOM)
REFUSED_TUNNEL = access("outbound", "http status: 401 Unauthorized", src_identity=ECOM, dst_hbone_addr="10.0.0.1:8000")
HANDSHAKE = access("inbound", "tls handshake error: AlertReceived(UnknownCA)", dst_addr="10.244.2.16:15008")
LATE = access("outbound", "connection timed out, maybe a NetworkPolicy is blocking HBONE port 15008: x", src_identity=ECOM)


@pytest.mark.parametrize(
    ("lines", "mtls", "cause", "source"),
    [
        pytest.param([], None, "", "", id="nothing seen"),
        pytest.param([OUTBOUND, INBOUND], True, "", ECOM, id="both ends"),
        pytest.param([OUTBOUND], True, "", ECOM, id="the source's end alone"),
        pytest.param([PLAIN], False, "", "", id="plaintext at the destination"),
        pytest.param([DENIED, REFUSED_TUNNEL], True, "closed", ECOM, id="closed by policy"),
        pytest.param([REFUSED_TUNNEL], True, "closed", ECOM, id="closed, only the source's log is readable"),
        pytest.param([HANDSHAKE], None, "", "", id="a failed handshake is no plaintext"),
        pytest.param([LATE], None, "timeout", ECOM, id="nobody answered: nothing proves mTLS"),
    ],
)
def test_lines_say_who_and_how(lines, mtls, cause, source):
    seen = read_lines(lines)
    assert (seen.mtls, seen.cause, seen.source_identity) == (mtls, cause, source)


@pytest.mark.parametrize(
    ("fields", "mine"),
    [
        pytest.param({"dst.hbone_addr": "10.0.0.9:8000"}, True, id="the app's port through the tunnel"),
        pytest.param({"dst.addr": "10.0.0.9:15008"}, True, id="an early denial knows only the tunnel's port"),
        pytest.param({"dst.hbone_addr": "10.0.0.9:5432"}, False, id="another port"),
        pytest.param({"dst.hbone_addr": "10.0.0.9:8000", "src.workload": "stranger"}, False, id="another client"),
        pytest.param({"dst.hbone_addr": "10.0.0.9:8000", "dst.workload": "stranger"}, False, id="another server"),
        pytest.param(
            {
                "dst.hbone_addr": "10.0.0.9:8000",
                "dst.workload": "",
                "dst.service": "inventory-service.inventory.svc.cluster.local",
            },
            True,
            id="by the Service's name",
        ),
    ],
)
def test_a_line_belongs_to_its_hop(engine, fields, mine):
    assert has(reserve_hop(engine, Checkout()), fields) is mine


def has(hop, fields):
    """Whether a hop has a line between its own pods, with some fields changed."""
    source, destination = hop.sources[0], hop.destinations[0]
    ends = {
        "src.workload": source.name,
        "src.namespace": source.namespace,
        "dst.workload": destination.name,
        "dst.namespace": destination.namespace,
    }
    return hop.matches(AccessLine("t", "info", "m", {**ends, **fields}))


WAYPOINT = {"dst.addr": "10.0.9.9:15008", "dst.workload": "waypoint-1", "dst.namespace": "inventory"}
NAMED = {"dst.service": "inventory-service.inventory.svc.cluster.local"}


@pytest.mark.parametrize(
    ("fields", "mine"),
    [
        pytest.param({**WAYPOINT, **NAMED, "dst.hbone_addr": "10.96.0.21:80"}, True, id="through a waypoint, with its port"),
        pytest.param({**WAYPOINT, **NAMED, "dst.hbone_addr": "10.96.0.21:8000"}, False, id="another port of the Service"),
        pytest.param({**WAYPOINT, "dst.hbone_addr": "10.96.0.21:80"}, True, id="by its address alone"),
        pytest.param({**WAYPOINT, "dst.hbone_addr": "inventory-service.inventory.svc.cluster.local:80"}, True, id="by its name"),
        pytest.param({**WAYPOINT, "dst.hbone_addr": "10.96.0.22:80"}, False, id="another Service behind the same waypoint"),
        pytest.param({**WAYPOINT, "dst.hbone_addr": "POD:8000"}, True, id="the pod's address through a waypoint"),
        pytest.param({"dst.addr": "POD:15008", "dst.hbone_addr": "POD:8000"}, True, id="the pod's port without one"),
        pytest.param({"dst.addr": "POD:15008", "dst.hbone_addr": "POD:80"}, False, id="the Service's port at the pod"),
        pytest.param({"dst.addr": "10.96.0.21:80", "dst.workload": ""}, True, id="no pod behind it"),
    ],
)
def test_to_the_services_address_a_line_has_the_services_port(engine, fields, mine):
    hop = reserve_hop(engine, Checkout())
    pods = tuple(replace(pod, ips=("10.0.1.8",)) for pod in hop.destinations)
    hop = replace(hop, destinations=pods, addresses=frozenset({"10.96.0.21"}), number=80)
    assert has(hop, {name: text.replace("POD", "10.0.1.8") for name, text in fields.items()}) is mine


GATEWAY = {"dst.addr": "10.9.9.9:15008", "dst.hbone_addr": "remote.shop.svc.cluster.local:80", "dst.namespace": "shop"}


@pytest.mark.parametrize(
    ("fields", "inbound", "identity", "via"),
    [
        pytest.param({"dst.workload": "orders"}, False, STOCK, "", id="the workload in the other network is known"),
        pytest.param(
            {"dst.workload": "NetworkGateway/net2/10.9.9.9/15008"}, False, "", "the gateway of network net2", id="it isn't"
        ),
        pytest.param({"dst.workload": "orders"}, True, STOCK, "", id="at the destination it is the pod itself"),
    ],
)
def test_in_another_network_only_a_named_gateway_hides_who_answers(fields, inbound, identity, via):
    own = {"direction": "inbound" if inbound else "outbound", "src.identity": ECOM, "dst.identity": STOCK}
    seen = read_lines([AccessLine("t", "info", "m", {**GATEWAY, **own, **fields})])
    assert (seen.destination_identity, seen.via) == (identity, via)


def test_behind_a_waypoint_nobody_says_who_answers():
    own = {"direction": "outbound", "src.identity": ECOM, "dst.identity": "spiffe://x/sa/waypoint"}
    seen = read_lines([AccessLine("t", "info", "m", {**WAYPOINT, **own, "dst.hbone_addr": "10.96.0.21:80"})])
    assert (seen.source_identity, seen.destination_identity, seen.via) == (ECOM, "", "waypoint inventory/waypoint-1")


@pytest.mark.parametrize(
    ("method", "path", "host", "service"),
    [
        ("POST", "/ecom/checkout", "api.service.net", "ecom/svc/ecom-service:8080"),
        ("GET", "/inven/stock/1", "api.service.net", "inventory/svc/inventory-service:8000"),
        ("POST", "/inven/stock/reserve", "api.service.net", None),
        ("POST", "/realms/bookstore/protocol", "api.service.net:30000", "identity/svc/keycloak:8080"),
        ("GET", "/", "api.service.net", "ecom/svc/ui-service:3000"),
        ("GET", "/ecommerce", "api.service.net", None),
        ("GET", "/ecom/books", "elsewhere.net", None),
    ],
)
def test_routes_say_where_a_request_goes(engine, method, path, host, service):
    found = route_backend(engine.snapshot, Checkout(host=host), method, path)
    assert (None if found is None else f"{found[0]}:{found[1]}") == service


def test_the_gateway_is_a_client_too(engine):
    hop = gateway_hop(engine, Checkout(), "GET", "/ecom/books")
    assert [pod.namespace for pod in hop.sources] == ["infra"]
    assert {pod.labels["app"] for pod in hop.destinations} == {"ecom-service"}
    assert gateway_hop(engine, Checkout(gateway_name="other"), "GET", "/ecom/books") is None
