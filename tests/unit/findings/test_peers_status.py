"""What the peers' checks find in the status of objects, each where a rule must find it, and where it must not."""

import pytest

from meshtui.findings import look
from meshtui.kinds import KINDS, decode_plain
from meshtui.model.finding import Severity
from tests.fakes.egress import entry
from tests.fakes.requests import thing
from tests.fakes.snapshots import ambient, namespace, pod, policy, snapshot_of
from tests.unit.findings.cases import assert_found

TELLS = {"MT701", "MT702", "MT703"}
ERROR, WARNING, INFO = Severity.ERROR, Severity.WARNING, Severity.INFO
SPEC = {"gatewayClassName": "istio", "listeners": [{"name": "web", "port": 80, "protocol": "HTTP"}]}


def said(kind, status="False", reason="Because", observed=None):
    found = {"type": kind, "status": status, "reason": reason, "message": "as it\n was said"}
    return found | ({"observedGeneration": observed} if observed is not None else {})


def with_status(base, *conditions, generation=None, **status):
    metadata = base["metadata"] | ({"generation": generation} if generation is not None else {})
    return {**base, "metadata": metadata, "status": {"conditions": list(conditions)} | status}


def gate(*conditions, generation=None, **status):
    return with_status(thing("Gateway", "doors/front", SPEC), *conditions, generation=generation, **status)


def route(*conditions, generation=None):
    parent = {"name": "front"}
    made = thing("HTTPRoute", "doors/cart", {"parentRefs": [parent]})
    parents = [{"parentRef": parent, "controllerName": "istio.io/gateway-controller", "conditions": list(conditions)}]
    return with_status(made, generation=generation, parents=parents)


CART = with_status(
    thing("Service", "store/cart", {"selector": {"app": "cart"}, "ports": [{"port": 80}]}, {"istio.io/use-waypoint": "gate"}),
    said("istio.io/WaypointBound", reason="AttachmentDenied"),
)
POINT = thing(
    "Gateway",
    "store/gate",
    {"gatewayClassName": "istio-waypoint", "listeners": [{"name": "m", "port": 15008, "protocol": "HBONE"}]},
)
DENY = policy(
    "store/guard", {"targetRefs": [{"kind": "Service", "name": "cart"}], "action": "DENY", "rules": [{}]}, "AuthorizationPolicy"
)
PARTLY = said("WaypointAccepted", "True", "PartiallyInvalid")
BASE = [ambient("store"), namespace("doors"), pod("store/cart", "10.1.0.1", [80])]
GOOD = [said("Accepted", "True", observed=2), said("Programmed", "True", observed=2)]

ROWS = [
    ("IST0171 a Gateway that isn't programmed", "MT701", [gate(said("Accepted", "True"), said("Programmed"))], [ERROR]),
    ("IST0171 a Gateway without an address", "MT701", [gate(said("Programmed", reason="AddressNotAssigned"))], [WARNING]),
    ("IST0171 a Gateway that is programmed", "MT701", [gate(*GOOD)], []),
    ("IST0171 a policy that is accepted in part", "MT701", [with_status(DENY, PARTLY)], [WARNING]),
    ("IST0171 a policy that is accepted", "MT701", [with_status(DENY, said("WaypointAccepted", "True", "Accepted"))], []),
    (
        "GWAPI a listener that conflicts",
        "MT701",
        [gate(listeners=[{"name": "web", "conditions": [said("Conflicted", "True"), said("Accepted", "True")]}])],
        [ERROR],
    ),
    ("GWAPI a listener without a conflict", "MT701", [gate(listeners=[{"name": "web", "conditions": [said("Conflicted")]}])], []),
    (
        "GWAPI listeners that overlap",
        "MT701",
        [gate(listeners=[{"conditions": [said("OverlappingTLSConfig", "True")]}])],
        [WARNING],
    ),
    (
        "IST0171 a route whose backend can't be resolved",
        "MT701",
        [route(said("Accepted", "True"), said("ResolvedRefs"))],
        [ERROR],
    ),
    ("IST0171 a route that is accepted", "MT701", [route(said("Accepted", "True"), said("ResolvedRefs", "True"))], []),
    ("IST0171 a Service that isn't bound to its waypoint", "MT701", [*BASE, POINT, CART], [WARNING]),
    ("IST0171 … and a policy is for it", "MT701", [*BASE, POINT, CART, DENY], [ERROR]),
    ("IST0171 another controller's condition of a Service", "MT701", [with_status(CART, said("LoadBalancerPortsError"))], []),
    ("IST0171 a policy that isn't enforced", "MT701", [*BASE, with_status(DENY, said("WaypointAccepted"))], [ERROR]),
    ("IST0171 Reconciled", "MT701", [*BASE, with_status(DENY, said("Reconciled"))], [INFO]),
    (
        "IST0171 a ServiceEntry that needs a waypoint",
        "MT701",
        [
            *BASE,
            with_status(entry("store/ext"), said("istio.io/WaypointMissing", "True"), said("istio.io/WaypointBound", "True")),
        ],
        [WARNING],
    ),
    ("IST0171 of an earlier version", "MT701", [gate(said("Programmed", observed=1), generation=2)], [WARNING]),
    ("IST0171 stale observedGeneration", "MT702", [gate(*GOOD, generation=3)], [WARNING]),
    (
        "IST0171 stale observedGeneration of a route",
        "MT702",
        [route(said("Accepted", "True", observed=4), generation=7)],
        [WARNING],
    ),
    ("IST0171 the observedGeneration is the object's", "MT702", [gate(*GOOD, generation=2)], []),
    ("IST0171 no generation in a manifest", "MT702", [gate(*GOOD)], []),
    (
        "GWAPI nobody has taken up a Gateway",
        "MT703",
        [gate(said("Accepted", "Unknown"), said("Programmed", "Unknown"))],
        [WARNING],
    ),
    ("GWAPI a manifest without a status", "MT703", [thing("Gateway", "doors/front", SPEC)], []),
    ("GWAPI a Gateway that is refused", "MT703", [gate(said("Accepted"), said("Programmed", "Unknown"))], []),
]


@pytest.mark.parametrize(("name", "rule", "objects", "expected"), ROWS, ids=[f"{row[1]} {row[0]}" for row in ROWS])
def test_what_is_found(name, rule, objects, expected):
    assert_found(rule, objects, expected)


def test_what_a_negative_condition_says():
    (found,) = [
        f for f in look(snapshot_of([route(said("ResolvedRefs", reason="BackendNotFound"))])).findings if f.rule == "MT701"
    ]
    assert found.message == "HTTPRoute doors/cart reports ResolvedRefs False for parent front (BackendNotFound)"
    assert found.why == "requests to what can't be resolved are answered with an error: as it was said"


def test_a_live_gateway_without_conditions_has_no_controller():
    assert "MT703" in {f.rule for f in look(snapshot_of([thing("Gateway", "doors/front", SPEC)], live=True)).findings}
    served = with_status(thing("Gateway", "doors/front", SPEC), addresses=[{"value": "10.9.9.9"}])
    assert "MT703" not in {f.rule for f in look(snapshot_of([served], live=True)).findings}


MUTILATED = [
    "text",
    7,
    [],
    {"conditions": "text"},
    {
        "conditions": [
            7,
            None,
            {"type": 5},
            {"type": "Accepted"},
            {"type": "Accepted", "status": False, "observedGeneration": "x"},
        ]
    },
    {"listeners": {"a": 1}, "parents": [{"parentRef": 3, "conditions": [{}]}], "ancestors": [None], "addresses": [5]},
    {"loadBalancer": {"ingress": "x"}, "addresses": "x"},
]


@pytest.mark.parametrize("kind", [kind for kind in KINDS.values() if kind.reports], ids=lambda kind: kind.name)
@pytest.mark.parametrize("status", MUTILATED, ids=str)
def test_a_mutilated_status_breaks_no_object(kind, status):
    metadata = {"name": "x", "generation": "y"} | ({"namespace": "a"} if kind.namespaced else {})
    raw = {"apiVersion": f"{kind.group}/{kind.versions[0]}", "kind": kind.name, "metadata": metadata, "status": status}
    assert decode_plain(kind, raw).meta.name == "x"


def test_an_object_with_another_status_is_the_same_object():
    kind = KINDS["AuthorizationPolicy"]
    raw = {"metadata": {"name": "x", "namespace": "a", "generation": 2}, "spec": {}}
    other = decode_plain(kind, raw | {"status": {"conditions": [said("WaypointAccepted")]}})
    assert decode_plain(kind, raw) == other
    assert other.meta.conditions[0].is_negative
