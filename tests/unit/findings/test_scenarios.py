"""The sandbox's scenarios: what is found first, and that its fix puts the flows right."""

import copy

import pytest

from meshtui.engine import Engine
from meshtui.findings import look as look_with
from meshtui.journeys import applications
from meshtui.journeys.bookstore.builds import BOOKSTORE
from meshtui.journeys.bookstore.observed import Evidence
from meshtui.model.finding import Severity
from meshtui.sandbox.scenarios import load, names
from meshtui.sources.edits import edited
from tests.fakes.snapshots import judge, snapshot_of

RESERVE = "ecom/deploy/ecom-service > inventory/svc/inventory-service:8000"
FIRST = {
    "as-found": "MT208",
    "gateway-namespace": "MT214",
    "hbone-blocked": "MT301",
    "l7-at-ztunnel": "MT201",
    "missing-egress": "MT303",
    "open-databases": "MT208",
    "wrong-identity": "MT101",
}
OBSERVED = {
    "no-reserve-call": ("MT401", Evidence(image="bookstore/ecom-service:1.1", orders=2, reserve_calls=0)),
    "uuid-mismatch": ("MT402", Evidence(("a",), ("b",), "bookstore/ecom-service:1.1")),
    "h2c-upgrade": ("MT403", Evidence(http_400=1, invalid_requests=1)),
}
OF_THE_MESH = {"lost-redirection", "pending-pod", "stuck-renewal", "node-behind", "nack", "old-dump"}
"""Nothing is wrong with what their manifests say."""
GOOD = Evidence(("a",), ("a",), "bookstore/ecom-service:1.1", "http://i", 2, 2, 0, 0)


def applied(objects, fix):
    """The objects after a fix, as ``kubectl apply`` would leave them."""
    documents = copy.deepcopy(objects)
    for edit in fix.edits:
        ref = (edit.ref.kind, edit.ref.namespace, edit.ref.name)
        places = [
            i for i, o in enumerate(documents) if (o["kind"], o["metadata"].get("namespace", ""), o["metadata"]["name"]) == ref
        ]
        assert bool(places) is (edit.create is None), f"{edit.ref} is there: {bool(places)}"
        if edit.create is not None:
            documents.append(edited({}, edit))
        else:
            documents[places[0]] = edited(documents[places[0]], edit)
    return documents


def look(snapshot, evidence=None, engine=None):
    """With the rules that applications bring."""
    more = [rule for each in applications() for rule in each.rules]
    return look_with(snapshot, {} if evidence is None else {BOOKSTORE: evidence}, engine, more)


def findings(objects, evidence=None):
    return look(snapshot_of(objects), evidence).findings


def test_every_scenario_is_pinned():
    assert {*FIRST, *OBSERVED, *OF_THE_MESH, "healthy"} == set(names())


@pytest.mark.parametrize("scenario", ["healthy", *sorted(OF_THE_MESH)])
@pytest.mark.parametrize("evidence", [None, GOOD], ids=["manifests", "observed"])
def test_nothing_is_wrong_with_the_healthy_one(evidence, scenario):
    report = look(snapshot_of(load(scenario)), evidence)
    assert [(f.rule, f.message) for f in report.findings if f.severity < Severity.INFO] == []
    assert {each.rule for each in report.not_evaluated} == (set() if evidence else {"MT401", "MT402", "MT403"})


@pytest.mark.parametrize(("scenario", "rule"), FIRST.items())
def test_the_gap_is_found_first_from_manifests(scenario, rule):
    first = findings(load(scenario))[0]
    assert (first.rule, first.severity) == (rule, Severity.ERROR)
    assert first.flows
    assert first.fix


@pytest.mark.parametrize(("scenario", "rule", "evidence"), [(name, *row) for name, row in OBSERVED.items()])
def test_the_applications_gaps_need_observation(scenario, rule, evidence):
    objects = load(scenario)
    assert not [f for f in findings(objects) if f.severity < Severity.INFO]
    first = findings(objects, evidence)[0]
    assert (first.rule, first.severity) == (rule, Severity.ERROR)


@pytest.mark.parametrize(("scenario", "rule", "evidence"), [(name, *row) for name, row in OBSERVED.items()])
def test_the_applications_gaps_are_fixed_by_another_image(scenario, rule, evidence):
    objects = load(scenario)
    first = next(f for f in findings(objects, evidence) if f.rule == rule)
    deployment = next(
        o for o in applied(objects, first.fix) if (o["kind"], o["metadata"]["name"]) == ("Deployment", "ecom-service")
    )
    assert deployment["spec"]["template"]["spec"]["containers"][0]["image"] == "bookstore/ecom-service:1.1"


@pytest.mark.parametrize("scenario", ["wrong-identity", "missing-egress", "hbone-blocked", "l7-at-ztunnel"])
def test_the_fix_of_a_denied_reserve_call_lets_it_through(scenario):
    objects = load(scenario)
    assert judge(snapshot_of(objects), RESERVE).decision.value == "deny"
    repaired = applied(objects, findings(objects)[0].fix)
    assert judge(snapshot_of(repaired), RESERVE).decision.value == "allow"
    assert FIRST[scenario] not in {f.rule for f in findings(repaired) if f.severity is Severity.ERROR}


def test_the_fix_of_the_gateways_namespace_lets_the_gateway_in():
    objects = load("gateway-namespace")
    repaired = applied(objects, findings(objects)[0].fix)
    assert "MT214" not in {f.rule for f in findings(repaired)}
    assert judge(snapshot_of(repaired), "infra/deploy/gateway > ecom/svc/ecom-service:8080").decision.value == "allow"


def test_the_fix_of_the_open_databases_lets_their_services_in_and_nobody_else():
    objects = load("open-databases")
    for finding in findings(objects):
        if finding.rule == "MT208":
            objects = applied(objects, finding.fix)
    snapshot = snapshot_of(objects)
    engine = Engine(snapshot)
    assert "MT208" not in {f.rule for f in look(snapshot, engine=engine).findings}
    own = {"ecom/ecom-db": "ecom/deploy/ecom-service", "inventory/inventory-db": "inventory/deploy/inventory-service"}
    own |= {"identity/keycloak-db": "identity/deploy/keycloak"}
    callers = [*own.values(), "ecom/deploy/ui-service", "observability/deploy/prometheus", "infra/deploy/gateway"]
    for name, owner in own.items():
        space, _, short = name.partition("/")
        for caller in callers:
            said = judge(snapshot, f"{caller} > {space}/svc/{short}:5432").decision.value
            assert said == ("allow" if caller == owner else "deny"), (caller, name)


def test_all_five_gaps_as_they_were_found_are_put_right_one_after_the_other():
    objects = load("as-found")
    evidence = Evidence(("a",), ("b",), "bookstore/ecom-service:0.9")
    for _ in range(12):
        worst = [f for f in findings(objects, evidence) if f.severity is Severity.ERROR]
        if not worst:
            break
        objects = applied(objects, worst[0].fix)
        if worst[0].rule in {"MT401", "MT402"}:
            evidence = GOOD
    assert not worst, worst
    assert judge(snapshot_of(objects), RESERVE).decision.value == "allow"


def test_a_route_that_takes_the_reserve_call_is_found():
    objects = load("healthy")
    route = next(o for o in objects if (o["kind"], o["metadata"]["name"]) == ("HTTPRoute", "inven-route"))
    for match in route["spec"]["rules"][0]["matches"]:
        match.pop("method", None)
    assert [f.rule for f in findings(objects) if f.severity is Severity.ERROR] == ["MT404"]


SHOP, STOCK = "Deployment ecom/ecom-service", "Deployment inventory/inventory-service"
AT_FAULT = {
    "missing-egress": ({"NetworkPolicy ecom/ecom-netpol", SHOP}, {STOCK}),
    "gateway-namespace": ({"AuthorizationPolicy ecom/ecom-service-policy"}, set()),
    "l7-at-ztunnel": ({"AuthorizationPolicy inventory/inventory-service-policy"}, {SHOP}),
    "wrong-identity": ({SHOP}, set()),
    "no-reserve-call": ({SHOP}, {STOCK}),
    "uuid-mismatch": ({SHOP}, {STOCK}),
    "h2c-upgrade": ({SHOP}, {STOCK}),
}


@pytest.mark.parametrize("scenario", AT_FAULT)
def test_the_object_at_fault_is_marked_and_not_its_victim(scenario):
    errors = [f for f in findings(load(scenario), OBSERVED.get(scenario, ("", None))[1]) if f.severity is Severity.ERROR]
    marked = {str(ref) for finding in errors for ref in finding.at_fault}
    at_fault, victims = AT_FAULT[scenario]
    assert at_fault <= marked
    assert not victims & marked


def test_what_an_earlier_revision_ran_as_is_nobodys_identity():
    objects = load("wrong-identity")
    old = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": "ecom-service-5d5f8",
            "namespace": "ecom",
            "ownerReferences": [
                {"apiVersion": "apps/v1", "kind": "Deployment", "name": "ecom-service", "uid": "u", "controller": True}
            ],
        },
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": {"app": "ecom-service"}},
            "template": {
                "metadata": {"labels": {"app": "ecom-service", "was": "there"}},
                "spec": {"serviceAccountName": "ecom-service", "containers": [{"name": "c", "image": "x"}]},
            },
        },
    }
    first = findings([*objects, old])[0]
    assert (first.rule, first.severity) == ("MT101", Severity.ERROR)
    assert first.flows == findings(objects)[0].flows
