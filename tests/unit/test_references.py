"""The words for the ends of a flow."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshtui.engine import Engine
from meshtui.engine.path.references import parse_flow, parse_reference
from meshtui.model.errors import NotReadableError, UsageError
from meshtui.model.flow import EndpointKind, FlowEndpoint
from meshtui.model.snapshot import KindState, KindStatus
from tests.fakes.frozen import bookstore, with_kind

POD, WORKLOAD, SERVICE, IP = EndpointKind.POD, EndpointKind.WORKLOAD, EndpointKind.SERVICE, EndpointKind.IP
ROWS = [
    ("a/b", FlowEndpoint(POD, "a", "b"), None),
    ("a/pod/b", FlowEndpoint(POD, "a", "b"), None),
    ("a/deploy/b", FlowEndpoint(WORKLOAD, "a", "b", "Deployment"), None),
    ("a/Deployment/b:80", FlowEndpoint(WORKLOAD, "a", "b", "Deployment"), 80),
    ("a/DEPLOYMENTS/b:http", FlowEndpoint(WORKLOAD, "a", "b", "Deployment"), "http"),
    ("a/sts/b", FlowEndpoint(WORKLOAD, "a", "b", "StatefulSet"), None),
    ("a/rs/b-1.2", FlowEndpoint(WORKLOAD, "a", "b-1.2", "ReplicaSet"), None),
    ("a/svc/b:8000", FlowEndpoint(SERVICE, "a", "b"), 8000),
    ("10.0.0.1", FlowEndpoint(IP, ip="10.0.0.1"), None),
    ("10.0.0.1:443", FlowEndpoint(IP, ip="10.0.0.1"), 443),
    ("fd00::1", FlowEndpoint(IP, ip="fd00::1"), None),
    ("[fd00::1]:443", FlowEndpoint(IP, ip="fd00::1"), 443),
    ("[fd00::1]", FlowEndpoint(IP, ip="fd00::1"), None),
    ("external", FlowEndpoint(EndpointKind.EXTERNAL), None),
]


@pytest.mark.parametrize(("text", "endpoint", "port"), ROWS, ids=[row[0] for row in ROWS])
def test_reads(text, endpoint, port):
    assert parse_reference(text) == (endpoint, port)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "a/",
        "/b",
        "a/b/c/d",
        "a/nokind/b",
        "a/b:",
        "a/b:0",
        "a/b:65536",
        "A/b",
        "a/svc/",
        "a//b",
        "10.0.0.1:0",
        "a/b:99999999",
    ],
)
def test_refuses_with_a_reason(text):
    with pytest.raises(UsageError) as caught:
        parse_reference(text)
    assert str(caught.value)


@given(st.text(max_size=30))
def test_raises_nothing_else(text):
    try:
        endpoint, _ = parse_reference(text)
    except UsageError:
        return
    assert parse_reference(str(endpoint))[0] == endpoint


@pytest.mark.parametrize(
    ("source", "destination"),
    [("a/b:80", "a/c:80"), ("a/svc/b", "a/c:80"), ("a/b", "external"), ("external", "external")],
    ids=["a source has no port", "a Service is no source", "external is no destination", "neither twice"],
)
def test_flows_that_make_no_sense(source, destination):
    with pytest.raises(UsageError):
        parse_flow(source, destination)


HIDDEN = [
    ("Service", "ecom/deploy/ecom-service", "inventory/svc/inventory-service:8000", "Services may not be listed"),
    ("Service", "ecom/deploy/ecom-service", "nobody/svc/nothing:1", "Services may not be listed"),
]


@pytest.mark.parametrize(("kind", "source", "destination", "says"), HIDDEN)
def test_what_may_not_be_listed_is_not_called_missing(kind, source, destination, says):
    hidden = with_kind(bookstore(), kind, KindState(KindStatus.FORBIDDEN, "no", "list"), empty=True)
    with pytest.raises(NotReadableError, match=says) as error:
        Engine(hidden).judge(parse_flow(source, destination))
    assert error.value.exit_code == 3
    with pytest.raises(UsageError, match="no Service nobody/nothing") as error:
        Engine(bookstore()).judge(parse_flow(source, "nobody/svc/nothing:1"))
    assert error.value.exit_code == 2
