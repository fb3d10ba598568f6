"""Maps of the recorded bookstore, and of small clusters: who is on them, what decides, what was seen, what is left out."""

from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import pytest

from meshtui.engine.path.references import parse_flow
from meshtui.model.denial import Denial, DenialKind
from meshtui.model.flow import EndpointKind, FlowEndpoint
from meshtui.model.ids import ObjectRef
from meshtui.model.observation import Observation
from meshtui.model.verdict import Decision
from meshtui.session import Session
from meshtui.settings import Settings
from meshtui.sources.manifest_source import ManifestSource
from meshtui.ui import mapping
from meshtui.ui.mapping import map_of, map_of_namespace, map_of_policy, map_of_workload
from meshtui.ui.pictures.map import map_in_words
from tests.fakes.frozen import NOW, FrozenSource, bookstore
from tests.fakes.observed import store
from tests.fakes.snapshots import namespace, pod, policy, snapshot_of

ECOM = ObjectRef("Deployment", "ecom", "ecom-service")


@pytest.fixture
def session():
    made = Session(FrozenSource(bookstore()), Settings(), clock=lambda: NOW)
    made.publish(bookstore())
    return made


def edges(neighbours):
    return {
        each.name: [(edge.port, edge.decision, edge.by.name if edge.by else None) for edge in each.edges] for each in neighbours
    }


def one(neighbours, name):
    (found,) = [each for each in neighbours if each.name == name]
    return found


def test_the_map_of_a_workload(session):
    data = map_of_workload(session, ECOM)
    assert (data.name, data.identity, data.mode) == ("ecom-service", "sa/ecom-service", "ambient?")
    assert data.ref == ECOM
    callers, callees = edges(data.callers), edges(data.callees)
    assert callers["infra/gateway"] == [(":8080", Decision.ALLOW, "ecom-service-policy")]
    assert callers["ecom-db"] == [(":8080", Decision.DENY, "ecom-db-netpol")]
    assert callees["ecom-db"] == [(":5432", Decision.ALLOW, "ecom-db-policy")]
    assert callees["inventory/inventory-db"] == [(":5432", Decision.DENY, "ecom-netpol")]
    assert "ecom-service" not in {*callers, *callees}
    assert data.left_out == 0


def test_a_callee_leads_to_the_workload_behind_its_service(session):
    data = map_of_workload(session, ECOM)
    assert one(data.callees, "inventory/inventory-service").ref == ObjectRef("Deployment", "inventory", "inventory-service")
    assert one(data.callees, "inventory/inventory-service").edges[0].flow.destination.kind is EndpointKind.SERVICE


def test_the_map_of_a_namespace_has_only_others(session):
    data = map_of_namespace(session, "ecom")
    assert {each.namespace for each in (*data.callers, *data.callees)} == {
        "identity",
        "infra",
        "inventory",
        "istio-system",
        "observability",
    }
    gateway = edges(data.callers)["infra/gateway"]
    assert ("ecom-service:8080", Decision.ALLOW, "ecom-service-policy") in gateway
    assert ("ecom-db:5432", Decision.DENY, "ecom-db-netpol") in gateway
    assert ("ecom-service → :8080", Decision.ALLOW, "keycloak-policy") in edges(data.callees)["identity/keycloak"]
    assert data.identity == "3 workloads"


def test_the_map_of_an_authorization_policy(session):
    ref = ObjectRef("AuthorizationPolicy", "ecom", "ecom-service-policy")
    data = map_of_policy(session, ref)
    assert [each.ref for each in data.selected] == [ECOM]
    assert edges(data.callers) == {
        name: [(":8080", Decision.ALLOW, None)] for name in ("ui-service", "infra/gateway", "observability/prometheus")
    }
    assert (data.identity, data.mode) == ("AuthorizationPolicy", "selects 1 pod")


def test_the_map_of_a_network_policy_shows_whom_it_denies(session):
    data = map_of_policy(session, ObjectRef("NetworkPolicy", "ecom", "ecom-db-netpol"))
    assert [each.name for each in data.selected] == ["ecom-db"]
    assert {edge.decision for each in data.callers for edge in each.edges} == {Decision.DENY}


@pytest.mark.parametrize("name", ["Namespace", "Deployment", "AuthorizationPolicy", "NetworkPolicy"])
def test_what_is_gone_has_an_empty_map(session, name):
    data = {
        "Namespace": map_of_namespace(session, "gone"),
        "Deployment": map_of_workload(session, ObjectRef("Deployment", "ecom", "gone")),
    }.get(name) or map_of_policy(session, ObjectRef(name, "ecom", "gone"))
    assert (data.callers, data.callees, data.selected) == ((), (), ())
    assert data.name == "gone"


def test_any_object(session):
    assert map_of(session, ECOM) == map_of_workload(session, ECOM)
    assert map_of(session, ObjectRef("Service", "ecom", "ecom-service")) == map_of_workload(session, ECOM)
    assert map_of(session, ObjectRef("Namespace", "", "ecom")) == map_of_namespace(session, "ecom")
    netpol = ObjectRef("NetworkPolicy", "ecom", "ecom-db-netpol")
    assert map_of(session, netpol) == map_of_policy(session, netpol)
    assert map_of(session, ObjectRef("Node", "", "node-1")) is None
    assert map_of(session, ObjectRef("Service", "ecom", "gone")) is None


# ---- what was seen


def denied(session, *denials):
    """Let the session's log have some denials."""
    session.denials.log = SimpleNamespace(denials=denials, readable=True)


def denial(source, destination, port, kind=DenialKind.REJECTED, seconds_ago=60):
    at = NOW - timedelta(seconds=seconds_ago)
    slot = int(at.timestamp()) // 10 * 10
    return Denial(source, destination, port, "", kind, "", "ztunnel", None, None, 3, at, at, ((slot, 3),))


GATEWAY = FlowEndpoint(EndpointKind.WORKLOAD, "infra", "gateway", "Deployment")
INVENTORY = FlowEndpoint(EndpointKind.WORKLOAD, "inventory", "inventory-service", "Deployment")
ECOM_END = FlowEndpoint(EndpointKind.WORKLOAD, "ecom", "ecom-service", "Deployment")


def test_denials_of_a_workload_count_for_the_flow_to_its_service(session):
    denied(session, denial(ECOM_END, INVENTORY, 8000), denial(GATEWAY, ECOM_END, 8080))
    data = map_of_workload(session, ECOM)
    assert {each.name: each.denied for each in data.callees if each.denied} == {"inventory/inventory-service": 3}
    assert {each.name: each.denied for each in data.callers if each.denied} == {"infra/gateway": 3}
    assert "✓ allow  infra/deployment/gateway → ecom/deployment/ecom-service:8080" in map_in_words(data).plain()
    assert "×3 denied now" in map_in_words(data).plain()


def test_old_and_uncertain_denials_do_not_count(session):
    denied(
        session,
        denial(GATEWAY, ECOM_END, 8080, seconds_ago=3600),
        denial(GATEWAY, ECOM_END, 8080, DenialKind.FAILED),
    )
    assert not any(each.denied for each in map_of_workload(session, ECOM).callers)


def test_who_is_denied_from_outside_is_a_caller(session):
    outside, address = FlowEndpoint(EndpointKind.EXTERNAL), FlowEndpoint(EndpointKind.IP, ip="192.0.2.7")
    denied(session, denial(outside, ECOM_END, 8080), denial(ECOM_END, address, 443))
    data = map_of_workload(session, ECOM)
    assert one(data.callers, "external").ref == outside
    assert one(data.callers, "external").denied == 3
    assert one(data.callees, "192.0.2.7").link is None


WORLD = [
    namespace("a"),
    pod("a/web", "10.0.0.1"),
    pod("a/db", "10.0.0.2", [5432]),
    policy("a/np", "podSelector: {matchLabels: {app: db}}\ningress: [{from: [{podSelector: {}}]}]"),
]


def small(*objects):
    world = snapshot_of(list(objects or WORLD))
    made = Session(ManifestSource(world, ()), Settings())
    made.publish(world)
    return made


@pytest.mark.parametrize(("outcome", "probed"), [("connected", "agrees"), ("timeout", "disagrees"), ("refused", None)])
def test_a_probe_is_on_its_edge(outcome, probed):
    session = small()
    flow = parse_flow("a/web", "a/db:5432")
    store(session, Observation(flow, outcome, session.verdict(flow)))
    data = map_of_workload(session, ObjectRef("Pod", "a", "db"))
    assert [(each.name, edge.probed) for each in data.callers for edge in each.edges] == [("web", probed)]


def test_a_probe_before_a_policy_changed_is_old():
    session = small()
    flow = parse_flow("a/web", "a/db:5432")
    store(session, Observation(flow, "connected", session.verdict(flow)))
    changed = {
        uid: replace(each, meta=replace(each.meta, resource_version="2", labels={"edited": "yes"}))
        for uid, each in session.snapshot.network_policies.items()
    }
    session.publish(replace(session.snapshot, network_policies=changed))
    data = map_of_workload(session, ObjectRef("Pod", "a", "db"))
    assert [edge.probed for each in data.callers for edge in each.edges] == ["old"]


def test_the_number_of_evaluated_flows_is_bounded(monkeypatch):
    monkeypatch.setattr(mapping, "MOST_JUDGED", 20)
    many = [pod(f"a/p{number}", f"10.0.1.{number}", [80]) for number in range(60)]
    session = small(namespace("a"), pod("a/db", "10.0.0.2", [5432]), *many)
    asked = []
    judge = session.verdict
    monkeypatch.setattr(session, "verdict", lambda flow: asked.append(flow) or judge(flow))
    data = map_of_workload(session, ObjectRef("Pod", "a", "db"))
    assert len(asked) == 20
    assert len(data.callers) == 20
    assert data.left_out == 40
    assert "40 more flows" in map_in_words(data).plain()


def test_a_policy_for_everybody_is_bounded_too(monkeypatch):
    monkeypatch.setattr(mapping, "MOST_JUDGED", 20)
    monkeypatch.setattr(mapping, "_MOST_FLOWS", 30)
    many = [pod(f"a/p{number}", f"10.0.1.{number}", [80]) for number in range(20)]
    session = small(namespace("a"), policy("a/all", "podSelector: {}"), *many)
    made = []
    flows_to = mapping.flows_to
    monkeypatch.setattr(mapping, "flows_to", lambda *ends: made.extend(found := flows_to(*ends)) or found)
    data = map_of_policy(session, ObjectRef("NetworkPolicy", "a", "all"))
    assert len(data.selected) == 20
    assert len(made) < 60
    assert data.left_out == 20 * 19 - 20


def test_what_was_denied_is_evaluated_first(monkeypatch):
    monkeypatch.setattr(mapping, "MOST_JUDGED", 4)
    many = [pod(f"a/p{number}", f"10.0.1.{number}", [80]) for number in range(60)]
    session = small(namespace("a"), pod("a/db", "10.0.0.2", [5432]), *many)
    ends = [FlowEndpoint(EndpointKind.POD, "a", name) for name in ("p57", "db")]
    session.clock = lambda: NOW
    denied(session, denial(*ends, 5432))
    data = map_of_workload(session, ObjectRef("Pod", "a", "db"))
    assert one(data.callers, "p57").denied == 3
