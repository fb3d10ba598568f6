"""The table behind the matrix screen: every cell says what the engine says, pair by pair and port by port."""

import pytest

from meshtui.engine import Engine
from meshtui.engine.matrix.matrix import Matrix
from meshtui.engine.path.references import parse_flow
from meshtui.model.verdict import Decision
from meshtui.ui.reach import ALL, DEPENDS, DOUBT, ITSELF, MARKS, NONE, SOME, View, flows_between, reach, settled, workload_ref
from tests.fakes.frozen import bookstore
from tests.fakes.snapshots import ambient, namespace, pod, policy, snapshot_of

SPACES = ("ecom", "inventory", "identity", "observability", "infra")


@pytest.mark.parametrize("source", SPACES)
@pytest.mark.parametrize("destination", SPACES)
def test_every_mark_is_what_the_engine_says_of_the_declared_ports(source, destination):
    snapshot = bookstore()
    engine, found = Engine(snapshot), reach(Matrix(snapshot), View(source, destination))
    for row, codes in zip(found.rows, found.codes, strict=True):
        for column, code, ports in zip(found.columns, codes, found.ports, strict=True):
            if row == column:
                continue
            flows = [parse_flow(row, f"{column}:{number}", protocol=protocol) for number, protocol in ports]
            decisions = {engine.judge(flow).decision for flow in flows}
            assert decisions, column
            said = {(Decision.ALLOW,): ALL, (Decision.DENY,): NONE}.get(tuple(decisions), SOME)
            assert MARKS[code] == MARKS[said], (row, column)


def codes(objects, view, **kw):
    found = reach(Matrix(snapshot_of(objects)), view, **kw)
    return {(r, c): found.codes[i][j] for i, r in enumerate(found.rows) for j, c in enumerate(found.columns)}


def test_a_pod_alone_is_itself_and_namespaces_meet_themselves():
    objects = [
        namespace("a"),
        namespace("b"),
        pod("a/one", "10.0.0.1", [80]),
        pod("a/two", "10.0.0.2", [80]),
        pod("b/x", "10.0.0.3"),
    ]
    assert codes(objects, View("a", "a"))["a/Pod/one", "a/Pod/one"] == ITSELF
    assert codes(objects, View()) == {("a", "a"): ALL, ("a", "b"): ALL, ("b", "a"): ALL, ("b", "b"): ITSELF}


@pytest.mark.parametrize(
    ("declared", "code"), [(True, ALL), (False, SOME)], ids=["the declared port is open", "not every port is open"]
)
def test_declared_ports_or_all(declared, code):
    spec = "podSelector: {matchLabels: {app: api}}\ningress: [{ports: [{port: 8080}]}]"
    objects = [namespace("a"), pod("a/web", "10.0.0.1"), pod("a/api", "10.0.0.2", [8080]), policy("a/np", spec)]
    assert codes(objects, View("a", "a"), declared=declared)["a/Pod/web", "a/Pod/api"] == code


@pytest.mark.parametrize("methods", [["GET"], None], ids=["depends on the request", "nothing is asked of the request"])
def test_a_pair_behind_a_services_waypoint_is_settled_by_the_engine(methods):
    labels = {"gateway.networking.k8s.io/gateway-name": "wp"}
    gateway = {
        "apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "metadata": {"name": "wp", "namespace": "back"},
        "spec": {"gatewayClassName": "istio-waypoint", "listeners": [{"name": "mesh", "port": 15008, "protocol": "HBONE"}]},
    }  # fmt: skip
    service = {
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "api", "namespace": "back", "labels": {"istio.io/use-waypoint": "wp"}},
        "spec": {"selector": {"app": "api"}, "ports": [{"name": "http", "port": 80, "targetPort": 8080}]},
    }  # fmt: skip
    rule = [{"to": [{"operation": {"methods": methods}}]}] if methods else [{}]
    spec = {"targetRefs": [{"kind": "Service", "group": "", "name": "api"}], "action": "DENY", "rules": rule}
    pods = [
        pod("shop/web", "10.0.1.1", account="web"),
        pod("back/api", "10.0.2.1", [8080]),
        pod("back/wp", "10.0.2.9", [15008], labels),
    ]
    objects = [ambient("shop"), ambient("back"), *pods, service, gateway, policy("back/p", spec, "AuthorizationPolicy")]
    snapshot = snapshot_of(objects)
    engine, found = Engine(snapshot), reach(Matrix(snapshot), View("shop", "back"))
    column = found.columns.index("back/Pod/api")
    after = settled(found, engine.resolver, engine.judge)
    flow, verdict = after.judged[0, column][0]
    assert f"{flow.destination}:{flow.port}" == "back/svc/api:80"
    assert verdict == engine.judge(flow)
    assert after.codes[0][column] == {"deny": NONE, "unknown": DEPENDS, "mixed": SOME, "allow": ALL}[verdict.decision.value]
    if methods is None:
        assert verdict.decision is Decision.DENY


def sidecar(key, ip):
    return pod(
        key, ip, [8080], spec={"containers": [{"name": "main", "ports": [{"containerPort": 8080}]}, {"name": "istio-proxy"}]}
    )


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        ({"to": [{"operation": {"methods": ["GET"]}}]}, DEPENDS),
        ({"to": [{"operation": {"ports": ["8080"]}}]}, ALL),
        ({"to": [{"operation": {"ports": ["9090"]}}]}, NONE),
        ({"when": [{"key": "experimental.envoy.filters.a", "values": ["b"]}]}, DOUBT),
    ],
)
@pytest.mark.parametrize("view", [View("a", "a"), View()], ids=["workloads", "namespaces"])
def test_a_pair_behind_a_sidecar_is_judged_and_tells_what_a_request_would_settle(view, rule, code):
    spec = {"selector": {"matchLabels": {"app": "api"}}, "rules": [rule]}
    objects = [
        namespace("a"),
        pod("a/web", "10.0.0.1"),
        sidecar("a/api", "10.0.0.2"),
        policy("a/ap", spec, "AuthorizationPolicy"),
    ]
    service = {
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "api", "namespace": "a"},
        "spec": {"selector": {"app": "api"}, "ports": [{"name": "http", "port": 80, "targetPort": 8080}]},
    }  # fmt: skip
    found = reach(Matrix(snapshot_of([*objects, service])), view)
    row, column = ("a/Pod/web", "a/Pod/api") if view.source else ("a", "a")
    seen = found.codes[found.rows.index(row)][found.columns.index(column)]
    assert MARKS[seen] == MARKS[code if view.source or code in {DEPENDS, DOUBT} else (SOME if code == NONE else ALL)]


def test_pairs_beyond_the_maximum_are_unknown_and_counted():
    objects = [namespace("a"), pod("a/web", "10.0.0.1"), sidecar("a/api", "10.0.0.2")]
    found = reach(Matrix(snapshot_of(objects)), View("a", "a"), most=0)
    assert found.codes[found.rows.index("a/Pod/web")][found.columns.index("a/Pod/api")] == DOUBT
    assert found.left == 1


def test_flows_go_through_a_service_where_there_is_one():
    snapshot = bookstore()
    ends = workload_ref("ecom/Deployment/ecom-service"), workload_ref("inventory/Deployment/inventory-service")
    flows = flows_between(snapshot, Engine(snapshot).resolver, *ends)
    assert [f"{flow.destination}:{flow.port}" for flow in flows] == ["inventory/svc/inventory-service:8000"]
    assert flows_between(snapshot, Engine(snapshot).resolver, ends[0], workload_ref("a/Deployment/nobody")) == []


def test_all_workloads_at_once_say_what_pairs_of_namespaces_say():
    matrix = Matrix(bookstore())
    whole = reach(matrix, View(workloads=True))
    assert list(whole.rows) == sorted(whole.rows)
    assert whole.rows == whole.columns
    said = {
        (r, c): code for r, row in zip(whole.rows, whole.codes, strict=True) for c, code in zip(whole.columns, row, strict=True)
    }
    seen = 0
    for source in SPACES:
        for destination in SPACES:
            part = reach(matrix, View(source, destination))
            for row, codes in zip(part.rows, part.codes, strict=True):
                for column, code in zip(part.columns, codes, strict=True):
                    assert said[row, column] == code, (row, column)
                    seen += 1
    assert seen > 60
