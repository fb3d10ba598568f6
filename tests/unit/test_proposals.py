"""What would change a denial: every step that blocks, the least change at the object that should carry it, and its effect."""

from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import yaml

from meshtui.engine import Engine
from meshtui.engine.explain.advice import advise
from meshtui.engine.explain.changes import changes_in_words
from meshtui.engine.explain.shifts import ports_in_words
from meshtui.engine.path.references import parse_flow
from meshtui.engine.whatif.edits import with_edits
from meshtui.model.flow import HttpRequest
from meshtui.model.verdict import Decision
from meshtui.sandbox import scenarios
from meshtui.sources.edits import to_yaml
from meshtui.sources.manifests import load_manifests
from tests.fakes.snapshots import ambient, namespace, pod, policy, snapshot_of

SPACE = [ambient("a"), ambient("b")]
WEB = pod("a/web", "10.0.0.1", [80], account="web")
DB = pod("a/db", "10.0.0.2", [5432], account="db")
OTHER = pod("a/other", "10.0.0.3", [80], account="other")
FAR = pod("b/far", "10.0.1.1", [80], account="far")
EVERYBODY = [*SPACE, WEB, DB, OTHER, FAR]
ALLOW_NOTHING = policy("istio-system/allow-nothing", {}, "AuthorizationPolicy")
NAMESPACE_WIDE = policy("a/all", {}, "AuthorizationPolicy")
OWN = policy("a/db", "selector: {matchLabels: {app: db}}", "AuthorizationPolicy")
IN_CLOSED = policy("a/in", "podSelector: {}\npolicyTypes: [Ingress]")
OUT_CLOSED = policy("a/out", "podSelector: {}\npolicyTypes: [Egress]")


def advice_on(objects, flow="a/web > a/db:5432", protocol="TCP", http=None):
    snapshot = snapshot_of(objects) if isinstance(objects, list) else objects
    engine = Engine(snapshot)
    source, _, destination = flow.partition(" > ")
    asked = replace(parse_flow(source, destination, protocol=protocol), http=http)
    verdict = engine.judge(asked)
    return advise(engine, asked, verdict)


def words_of(advice):
    return changes_in_words(advice.changes, advice.effect)


def edits_of(advice):
    return [change.edit for change in advice.changes if change.edit is not None]


def opened(advice):
    return {(shift.source, shift.destination, ports_in_words(shift.ports)) for shift in advice.effect.opens}


@pytest.mark.parametrize("shared", [ALLOW_NOTHING, NAMESPACE_WIDE], ids=["root namespace", "whole namespace"])
def test_a_rule_is_never_added_to_a_policy_that_covers_others(shared):
    advice = advice_on([*EVERYBODY, shared])
    [edit] = edits_of(advice)
    assert edit.create is not None
    assert edit.create["metadata"]["namespace"] == "a"
    assert edit.create["spec"] == {
        "selector": {"matchLabels": {"app": "db"}},
        "action": "ALLOW",
        "rules": [
            {"from": [{"source": {"principals": ["cluster.local/ns/a/sa/web"]}}], "to": [{"operation": {"ports": ["5432"]}}]}
        ],
    }
    assert advice.effect.decision is Decision.ALLOW
    assert opened(advice) == set()


def test_the_policy_of_the_destination_alone_takes_one_more_rule():
    [edit] = edits_of(advice_on([*EVERYBODY, OWN]))
    assert (str(edit.ref), edit.create) == ("AuthorizationPolicy a/db", None)
    [operation] = edit.operations
    assert operation.path[:2] == ("spec", "rules")


def test_nothing_is_proposed_for_a_pod_of_the_root_namespace_where_policies_apply_to_the_mesh():
    pods = [ambient("istio-system"), pod("istio-system/db", "10.0.0.9", [5432])]
    advice = advice_on([*EVERYBODY, *pods, ALLOW_NOTHING], "a/web > istio-system/db:5432")
    assert edits_of(advice) == []
    assert advice.effect is None
    assert "root namespace" in "\n".join(words_of(advice))


def test_nothing_is_proposed_where_no_label_tells_the_destination_from_others():
    twin = pod("a/twin", "10.0.0.7", [5432], {"app": "db"}, account="db")
    advice = advice_on([*EVERYBODY, twin, NAMESPACE_WIDE])
    assert edits_of(advice) == []
    assert "no label" in "\n".join(words_of(advice))


@pytest.mark.parametrize(
    "spec", ["podSelector: {}\npolicyTypes: [Ingress]", "podSelector: {matchExpressions: [{key: app, operator: Exists}]}"]
)
def test_a_networkpolicy_that_selects_others_isnt_changed(spec):
    [edit] = edits_of(advice_on([*EVERYBODY, policy("a/np", spec)]))
    assert edit.create["spec"] == {
        "podSelector": {"matchLabels": {"app": "db"}},
        "policyTypes": ["Ingress"],
        "ingress": [
            {
                "from": [{"podSelector": {"matchLabels": {"app": "web"}}}],
                "ports": [{"protocol": "TCP", "port": 15008}],
            }
        ],
    }  # fmt: skip


def test_every_step_that_blocks_is_listed_in_order():
    advice = advice_on([*EVERYBODY, OUT_CLOSED, IN_CLOSED, ALLOW_NOTHING])
    layers = ["egress_policy", "ingress_policy", "ztunnel"]
    assert [change.layer.value for change in advice.changes] == layers
    assert [change.edit.ref.kind for change in advice.changes] == ["NetworkPolicy", "NetworkPolicy", "AuthorizationPolicy"]
    assert advice.effect.decision is Decision.ALLOW


def test_a_step_that_no_edit_may_change_is_named_and_the_rest_is_not_enough():
    anp = """
apiVersion: policy.networking.k8s.io/v1alpha1
kind: AdminNetworkPolicy
metadata: {name: closed}
spec: {priority: 1, subject: {namespaces: {}}, ingress: [{action: Deny, from: [{namespaces: {}}]}]}
"""
    advice = advice_on(snapshot_of([*EVERYBODY, ALLOW_NOTHING], anp))
    assert [change.layer.value for change in advice.changes] == ["admin_policy", "ztunnel"]
    assert advice.changes[0].edit is None
    assert advice.effect.decision is Decision.DENY
    said = "\n".join(words_of(advice))
    assert "not enough" in said
    assert "AdminNetworkPolicy closed" in said


WAYPOINT = """
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: wp, namespace: a, labels: {istio.io/waypoint-for: service}}
spec: {gatewayClassName: istio-waypoint, listeners: [{name: mesh, port: 15008, protocol: HBONE}]}
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: a, labels: {istio.io/use-waypoint: wp}}
spec: {selector: {app: db}, ports: [{port: 80, targetPort: 5432, name: http}]}
"""
AT_WAYPOINT = policy(
    "a/at-wp", "targetRefs: [{kind: Gateway, group: gateway.networking.k8s.io, name: wp}]", "AuthorizationPolicy"
)


def test_every_hop_through_a_waypoint_has_its_own_peer_and_port():
    advice = advice_on(
        snapshot_of([*EVERYBODY, OUT_CLOSED, IN_CLOSED, ALLOW_NOTHING, AT_WAYPOINT], WAYPOINT),
        "a/web > a/svc/db:80",
        http=HttpRequest("GET", "/x"),
    )
    hops = [(c.layer.value, c.hop.source, c.hop.destination, c.hop.port) for c in advice.changes]
    assert hops == [
        ("egress_policy", "a/web", "a/wp", 15008),
        ("ingress_policy", "a/web", "a/wp", 15008),
        ("waypoint", "a/web", "a/wp", 80),
        ("egress_policy", "a/wp", "a/db", 15008),
        ("ingress_policy", "a/wp", "a/db", 15008),
        ("ztunnel", "a/wp", "a/db", 5432),
    ]
    last = advice.changes[-1].edit.create["spec"]["rules"][0]
    assert last["from"][0]["source"]["principals"] == ["cluster.local/ns/a/sa/wp"]
    assert last["to"][0]["operation"]["ports"] == ["5432"]
    at_waypoint = advice.changes[2].edit.create["spec"]
    assert at_waypoint["targetRefs"] == [{"group": "", "kind": "Service", "name": "db"}]
    assert at_waypoint["rules"][0]["to"] == [{"operation": {"ports": ["80"], "methods": ["GET"], "paths": ["/x"]}}]
    assert advice.effect.decision is Decision.ALLOW


GATEWAY = """
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gw, namespace: b}
spec: {gatewayClassName: istio, listeners: [{name: web, port: 80, protocol: HTTP, allowedRoutes: {namespaces: {from: All}}}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: r, namespace: a}
spec: {parentRefs: [{name: gw, namespace: b}], rules: [{backendRefs: [{name: db, port: 80}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: a}
spec: {selector: {app: db}, ports: [{port: 80, targetPort: 5432}]}
"""


@pytest.mark.parametrize(("space", "port"), [(ambient("a"), 15008), (namespace("a"), 5432)], ids=["ambient", "not in the mesh"])
def test_behind_a_gateway_the_port_is_what_the_policy_of_the_backend_sees(space, port):
    snapshot = snapshot_of([space, ambient("b"), DB, IN_CLOSED], GATEWAY)
    advice = advice_on(snapshot, "external > a/svc/db:80", http=HttpRequest("GET", "/"))
    [change] = advice.changes
    assert (change.hop.source, change.hop.destination, change.hop.port) == ("b/gw-istio", "a/db", port)
    [rule] = change.edit.create["spec"]["ingress"]
    assert rule["ports"] == [{"protocol": "TCP", "port": port}]
    assert rule["from"][0]["namespaceSelector"] == {"matchLabels": {"kubernetes.io/metadata.name": "b"}}
    assert advice.effect.decision is Decision.ALLOW


def test_an_address_is_written_as_a_block_of_one():
    advice = advice_on([namespace("a"), DB, IN_CLOSED], "192.0.2.7 > a/db:5432")
    assert advice.changes[0].edit.create["spec"]["ingress"][0]["from"] == [{"ipBlock": {"cidr": "192.0.2.7/32"}}]
    advice = advice_on([namespace("a"), DB, IN_CLOSED], "2001:db8::7 > a/db:5432")
    assert advice.changes[0].edit.create["spec"]["ingress"][0]["from"] == [{"ipBlock": {"cidr": "2001:db8::7/128"}}]


def test_a_client_whose_address_isnt_known_is_a_blank_to_fill_in_that_is_named():
    closed = policy("b/in", "podSelector: {}\npolicyTypes: [Ingress]")
    snapshot = snapshot_of([ambient("a"), ambient("b"), DB, closed], GATEWAY)
    advice = advice_on(snapshot, "external > a/svc/db:80", http=HttpRequest("GET", "/"))
    assert advice.changes[0].placeholders == ("CLIENT_CIDR",)
    assert "CLIENT_CIDR" in str(advice.changes[0].edit.create)
    assert "fill in" in "\n".join(words_of(advice))
    assert "external" not in to_yaml(advice.changes[0].edit.create)
    assert advice.effect.decision is Decision.ALLOW


def test_what_else_it_opens_comes_first_with_a_count():
    advice = advice_on([*EVERYBODY, IN_CLOSED])
    assert ("a/Pod/web", "a/Pod/db", "TCP 1-5431,5433-65535") in opened(advice)
    first = words_of(advice)[0]
    assert "would also let in" in first
    assert "1" in first


def test_another_workload_with_the_same_identity_is_among_what_it_opens():
    twin = pod("a/twin", "10.0.0.7", [80], account="web")
    advice = advice_on([*EVERYBODY, twin, ALLOW_NOTHING])
    assert opened(advice) == {("a/Pod/twin", "a/Pod/db", "TCP 5432")}


def test_a_deny_rule_of_its_own_is_split_so_that_the_caller_stays_out_of_all_other_ports():
    deny = policy(
        "a/deny",
        "selector: {matchLabels: {app: db}}\naction: DENY\nrules: [{from: [{source: {namespaces: [a]}}]}]",
        "AuthorizationPolicy",
    )
    advice = advice_on([*EVERYBODY, deny])
    assert advice.effect.decision is Decision.ALLOW
    assert opened(advice) == set()
    assert advice.effect.closes == ()


def test_a_deny_rule_for_others_too_is_its_owners_decision():
    deny = policy("a/deny", "action: DENY\nrules: [{from: [{source: {namespaces: [a]}}]}]", "AuthorizationPolicy")
    advice = advice_on([*EVERYBODY, deny])
    assert edits_of(advice) == []
    assert "AuthorizationPolicy a/deny" in "\n".join(words_of(advice))


def test_all_pods_of_a_workload_are_let_in_not_only_the_first():
    owner = [{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "db", "uid": "1", "controller": True}]
    pods = [pod(f"a/db-{n}", f"10.0.1.{n}", [5432], account="db", metadata={"name": f"db-{n}", "namespace": "a",
            "labels": {"app": "db", "role": f"r{n}"}, "ownerReferences": owner}) for n in (1, 2)]  # fmt: skip
    first = policy("a/one", "podSelector: {matchLabels: {role: r1}}\npolicyTypes: [Ingress]")
    second = policy("a/two", "podSelector: {matchLabels: {role: r2}}\npolicyTypes: [Ingress]")
    asked = policy("a/ap", "selector: {matchLabels: {role: r2}}", "AuthorizationPolicy")
    advice = advice_on([*SPACE, WEB, *pods, first, second, asked], "a/web > a/sts/db:5432")
    assert advice.effect.decision is Decision.ALLOW


def test_a_new_policy_never_takes_the_name_of_one_that_is_there():
    made = advice_on([*EVERYBODY, NAMESPACE_WIDE]).changes[0].edit.ref
    taken = policy(f"a/{made.name}", {"selector": {"matchLabels": {"app": "other"}}}, "AuthorizationPolicy")
    again = advice_on([*EVERYBODY, NAMESPACE_WIDE, taken]).changes[0].edit.ref
    assert again != made
    assert again.namespace == "a"


HEALTHY = Path(scenarios.__file__).parent / "healthy"


@dataclass(frozen=True)
class Denied:
    """A denied flow of the bookstore."""

    source: str
    destination: str


def test_every_yaml_of_the_bookstores_advice_is_read_back_and_allows():
    snapshot = load_manifests([str(HEALTHY)])
    engine = Engine(snapshot)
    flow = parse_flow("ecom/deploy/ecom-service", "inventory/svc/inventory-db:5432")
    verdict = engine.judge(flow)
    assert verdict.decision is Decision.DENY
    advice = advise(engine, flow, verdict)
    after = with_edits(snapshot, edits_of(advice))
    for edit in edits_of(advice):
        if edit.create is not None:
            assert yaml.safe_load(to_yaml(edit.create)) == edit.create
    assert Engine(after).judge(flow).decision is Decision.ALLOW


def test_the_hop_of_the_flow_itself_is_not_among_what_else_it_opens():
    gateway = pod("b/gw-1", "10.0.3.1", [80], {"gateway.networking.k8s.io/gateway-name": "gw"}, account="gw-istio")
    snapshot = snapshot_of([ambient("a"), ambient("b"), DB, gateway, NAMESPACE_WIDE], GATEWAY)
    advice = advice_on(snapshot, "external > a/svc/db:80", http=HttpRequest("GET", "/"))
    assert [change.layer.value for change in advice.changes] == ["ztunnel"]
    assert opened(advice) == set()


def test_neither_is_the_hop_to_a_waypoint():
    waypoint = pod("a/wp-1", "10.0.3.1", [15008], {"gateway.networking.k8s.io/gateway-name": "wp"}, account="wp")
    objects = [*EVERYBODY, waypoint, OUT_CLOSED, IN_CLOSED, ALLOW_NOTHING, AT_WAYPOINT]
    advice = advice_on(snapshot_of(objects, WAYPOINT), "a/web > a/svc/db:80", http=HttpRequest("GET", "/x"))
    assert advice.effect.enough
    assert ("a/Pod/web", "a/Pod/wp-1", "TCP 15008") not in opened(advice)
    assert {(source, destination) for source, destination, _ in opened(advice)} <= {("a/Pod/wp-1", "a/Pod/db")}


SIDECARS = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a", "labels": {"istio-injection": "enabled"}}}


@pytest.mark.parametrize(("name", "operation"), [
    ("http", {"ports": ["5432"], "methods": ["POST"], "paths": ["/x"]}),
    ("tcp", {"ports": ["5432"]}),
])  # fmt: skip
def test_at_a_sidecar_the_request_is_named_where_the_proxy_sees_http(name, operation):
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "db", "namespace": "a"}}
    service["spec"] = {"selector": {"app": "db"}, "ports": [{"name": name, "port": 80, "targetPort": 5432}]}
    objects = [SIDECARS, WEB, DB, NAMESPACE_WIDE, service]
    advice = advice_on(objects, "a/web > a/svc/db:80", http=HttpRequest("POST", "/x?y=1"))
    [edit] = edits_of(advice)
    assert edit.create["spec"]["rules"][0]["to"] == [{"operation": operation}]
    assert advice.effect.enough


def test_udp_is_only_a_matter_of_networkpolicies():
    advice = advice_on([*EVERYBODY, IN_CLOSED, ALLOW_NOTHING], "a/web > a/db:53", protocol="UDP")
    [edit] = edits_of(advice)
    assert edit.create["spec"]["ingress"][0]["ports"] == [{"protocol": "UDP", "port": 53}]
    assert opened(advice) == set()


def test_a_pod_outside_the_mesh_is_told_to_join_it():
    advice = advice_on([namespace("b"), ambient("a"), DB, FAR, NAMESPACE_WIDE], "b/far > a/db:5432")
    assert edits_of(advice) == []
    assert "into the mesh" in "\n".join(words_of(advice))


def test_a_policy_for_a_gatewayclass_stays_as_it_is():
    waypoints = {"kind": "GatewayClass", "group": "gateway.networking.k8s.io", "name": "istio-waypoint"}
    everybodys = policy("istio-system/waypoints", {"targetRefs": [waypoints]}, "AuthorizationPolicy")
    advice = advice_on(snapshot_of([*EVERYBODY, everybodys], WAYPOINT), "a/web > a/svc/db:80", http=HttpRequest("GET", "/x"))
    [edit] = edits_of(advice)
    assert (edit.ref.namespace, edit.create["spec"]["targetRefs"]) == ("a", [{"group": "", "kind": "Service", "name": "db"}])
    assert advice.effect.enough


HTTP_SERVICE = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "db", "namespace": "a"}}
HTTP_SERVICE |= {"spec": {"selector": {"app": "db"}, "ports": [{"name": "http", "port": 80, "targetPort": 5432}]}}


def test_a_path_is_written_as_the_proxy_compares_it():
    advice = advice_on(
        [SIDECARS, WEB, DB, NAMESPACE_WIDE, HTTP_SERVICE], "a/web > a/svc/db:80", http=HttpRequest("GET", "/y/../x")
    )
    assert advice.changes[0].edit.create["spec"]["rules"][0]["to"][0]["operation"]["paths"] == ["/x"]
    assert advice.effect.enough


@pytest.mark.parametrize("path", ["/x*", "*", "/{*}/x"])
def test_no_rule_is_proposed_for_a_path_that_a_policy_would_read_as_a_pattern(path):
    advice = advice_on([SIDECARS, WEB, DB, NAMESPACE_WIDE, HTTP_SERVICE], "a/web > a/svc/db:80", http=HttpRequest("GET", path))
    assert edits_of(advice) == []
    assert "pattern" in "\n".join(words_of(advice))
