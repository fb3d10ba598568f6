"""Each rule where it must fire, and where it must not."""

import importlib
import pkgutil
from dataclasses import replace

import pytest

import tests.unit.findings as findings_tests
from meshtui.findings import all_rules, evaluate
from meshtui.findings import look as look_with
from meshtui.journeys import applications
from meshtui.journeys.bookstore.builds import BOOKSTORE
from meshtui.journeys.bookstore.observed import Evidence
from meshtui.model.snapshot import KindState, KindStatus
from meshtui.sandbox.scenarios import load
from tests.fakes.egress import entry
from tests.fakes.snapshots import ambient, namespace, pod, policy, snapshot_of

RULES = all_rules(rule for each in applications() for rule in each.rules)
SHOP = ambient("shop")
WEB = pod("shop/web", "10.0.0.2", [("http", 8080)], account="web")
API = pod("shop/api", "10.0.0.3", [("http", 9000)], account="api")
DB = pod("shop/db", "10.0.0.1", [5432], account="db")
OUT = pod("out/prom", "10.0.9.1", [9090], labels={"app": "prometheus"}, account="prom")
CONFIG = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "istio", "namespace": "istio-system"},
    "data": {"mesh": "trustDomain: corp.example\n"},
}


def look(snapshot, evidence=None):
    """With the rules that applications bring."""
    more = [rule for each in applications() for rule in each.rules]
    return look_with(snapshot, {} if evidence is None else {BOOKSTORE: evidence}, more=more)


def authz(spec, key="shop/p", **more):
    return policy(key, spec, "AuthorizationPolicy", **more)


def allow(source, app="api", **more):
    return authz({"selector": {"matchLabels": {"app": app}}, "rules": [{"from": [{"source": source}], **more}]})


def peer(mode, app="api", key="shop/pa", **more):
    selector = {"selector": {"matchLabels": {"app": app}}} if app else {}
    return policy(key, {**selector, "mtls": {"mode": mode}, **more}, "PeerAuthentication")


def net(spec, key="shop/n"):
    return policy(key, spec)


def service(key, app, port, labels=None):
    space, _, name = key.partition("/")
    metadata = {"name": name, "namespace": space, "labels": labels or {}}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata,
        "spec": {"selector": {"app": app}, "ports": [{"port": port}]},
    }


def account(key):
    space, _, name = key.partition("/")
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": space}}


def cron(key, sa):
    made = deployment(key, sa)
    job = {"template": made["spec"]["template"]}
    spec = {"schedule": "0 * * * *", "jobTemplate": {"spec": job}}
    return {**made, "apiVersion": "batch/v1", "kind": "CronJob", "spec": spec}


def deployment(key, sa):
    space, _, name = key.partition("/")
    template = {
        "metadata": {"labels": {"app": name}},
        "spec": {"serviceAccountName": sa, "containers": [{"name": "c", "image": "x:1"}]},
    }
    spec = {"replicas": 1, "selector": {"matchLabels": {"app": name}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "namespace": space}, "spec": spec}


def calling(base, url, port=9000):
    container = {
        "name": "main",
        "image": "demo:1",
        "env": [{"name": "API_URL", "value": url}],
        "ports": [{"containerPort": port}],
    }
    return {**base, "spec": {**base["spec"], "containers": [container]}}


def gateway(key, class_name="istio-waypoint", **labels):
    space, _, name = key.partition("/")
    listeners = [{"name": "mesh", "port": 15008, "protocol": "HBONE"}]
    spec = {"gatewayClassName": class_name, "listeners": listeners}
    metadata = {"name": name, "namespace": space, "labels": labels}
    return {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "metadata": metadata, "spec": spec}


def probed(base):
    container = {**base["spec"]["containers"][0], "readinessProbe": {"httpGet": {"path": "/", "port": "http"}}}
    return {**base, "spec": {**base["spec"], "containers": [container]}}


ENTRIES = "networking.istio.io"


def targeted(kind, name, group=""):
    return authz({"targetRefs": [{"kind": kind, "name": name, "group": group}], "rules": [{}]})


def named(*principals):
    return authz({"rules": [{"from": [{"source": {"principals": list(principals)}}]}]})


def opens(*ports):
    return net({"podSelector": {}, "ingress": [{"ports": [{"port": p} for p in ports]}]})


ISOLATED = {"podSelector": {"matchLabels": {"app": "api"}}, "policyTypes": ["Ingress"]}
FROM_WEB = {"from": [{"podSelector": {"matchLabels": {"app": "web"}}}], "ports": [{"port": 9000}, {"port": 15008}]}
TO_API = {"to": [{"podSelector": {"matchLabels": {"app": "api"}}}], "ports": [{"port": 9000}, {"port": 15008}]}
WEB_EGRESS = {"podSelector": {"matchLabels": {"app": "web"}}, "policyTypes": ["Egress"]}
DNS = {"ports": [{"port": 53, "protocol": "UDP"}]}
WAYPOINT = {"istio.io/use-waypoint": "wp"}
MATCH = {"selector": {"matchLabels": {"app": "api"}}}
METHODS = {"to": [{"operation": {"methods": ["GET"]}}]}
WEB_ID = "cluster.local/ns/shop/sa/web"
GATEWAY_POD = pod("infra/gw", labels={"gateway.networking.k8s.io/gateway-name": "gw"}, account="gw-istio")

ROWS = [
    ("a meshed pod as default", "MT101", [SHOP, pod("shop/web")], True),
    ("a meshed pod as itself", "MT101", [SHOP, pod("shop/web", account="web")], False),
    ("an un-meshed pod as default", "MT101", [pod("bare/web")], False),
    ("a pod that has ended", "MT101", [SHOP, pod("shop/web", status={"phase": "Failed"})], False),
    ("a principal that nobody has", "MT103", [DB, named("cluster.local/ns/shop/sa/gone")], True),
    ("a principal that somebody has", "MT103", [DB, named("cluster.local/ns/shop/sa/db")], False),
    ("a pattern isn't a name", "MT103", [DB, named("*"), DB], False),
    ("spiffe:// never matches", "MT103", [DB, named("spiffe://cluster.local/ns/shop/sa/db")], True),
    ("an open database", "MT208", [SHOP, DB], True),
    ("guarded by an AuthorizationPolicy", "MT208", [SHOP, DB, policy("shop/p", {}, "AuthorizationPolicy")], False),
    ("… which nobody enforces un-meshed", "MT208", [DB, policy("shop/p", {}, "AuthorizationPolicy")], True),
    ("guarded by a NetworkPolicy", "MT208", [DB, policy("shop/n", "podSelector: {}")], False),
    ("no database", "MT208", [SHOP, pod("shop/web", "10.0.0.2", [8080])], False),
    ("the app's port, but not HBONE", "MT301", [SHOP, DB, opens(5432)], True),
    ("both", "MT301", [SHOP, DB, opens(5432, 15008)], False),
    ("outside ambient", "MT301", [DB, opens(5432)], False),
    ("all ports", "MT301", [SHOP, DB, policy("shop/n", "podSelector: {}\ningress: [{}]")], False),
    (
        "another policy opens HBONE",
        "MT301",
        [SHOP, DB, opens(5432), policy("shop/h", {"podSelector": {}, "ingress": [{"ports": [{"port": 15008}]}]})],
        False,
    ),
    ("unlike workloads on one account", "MT102", [SHOP, WEB, pod("shop/cart", account="web")], True),
    ("two versions of one app", "MT102", [SHOP, WEB, pod("shop/web-v2", labels={"app": "web"}, account="web")], False),
    ("spiffe:// in a principal", "MT104", [SHOP, API, allow({"principals": [f"spiffe://{WEB_ID}"]})], True),
    ("a principal as it should be", "MT104", [SHOP, API, allow({"principals": [WEB_ID]})], False),
    ("another trust domain", "MT104", [CONFIG, SHOP, API, allow({"principals": ["other.example/ns/shop/sa/web"]})], True),
    ("the mesh's own", "MT104", [CONFIG, SHOP, API, allow({"principals": ["corp.example/ns/shop/sa/web"]})], False),
    ("a domain that nobody can judge", "MT104", [SHOP, API, allow({"principals": ["other.example/ns/shop/sa/web"]})], False),
    ("an account that isn't there", "MT105", [SHOP, deployment("shop/x", "x"), account("shop/y")], True),
    ("an account that is", "MT105", [SHOP, deployment("shop/x", "x"), account("shop/x")], False),
    ("manifests without accounts, which may be elsewhere", "MT105", [SHOP, deployment("shop/x", "x")], True),
    ("a CronJob's account that isn't there", "MT105", [SHOP, cron("shop/x", "x"), account("shop/y")], True),
    ("a CronJob's account that is", "MT105", [SHOP, cron("shop/x", "x"), account("shop/x")], False),
    ("a pod's account that isn't there", "MT105", [SHOP, pod("shop/x", account="x"), account("shop/y")], True),
    ("a pod's account that is", "MT105", [SHOP, pod("shop/x", account="x"), account("shop/x")], False),
    ("methods in an ALLOW", "MT201", [SHOP, WEB, API, allow({"principals": [WEB_ID]}, **METHODS)], True),
    (
        "ports in an ALLOW",
        "MT201",
        [SHOP, WEB, API, allow({"principals": [WEB_ID]}, to=[{"operation": {"ports": ["9000"]}}])],
        False,
    ),
    ("methods in a DENY", "MT201", [SHOP, API, authz({**MATCH, "action": "DENY", "rules": [METHODS]})], True),
    ("methods outside the mesh", "MT201", [API, allow({"principals": [WEB_ID]}, **METHODS)], False),
    ("ALLOW without rules", "MT202", [SHOP, API, authz(MATCH)], True),
    ("ALLOW for everybody", "MT202", [SHOP, API, authz({**MATCH, "rules": [{}]})], False),
    ("a selector for nobody", "MT203", [SHOP, API, allow({"principals": [WEB_ID]}, app="gone")], True),
    ("a selector for somebody", "MT203", [SHOP, API, allow({"principals": [WEB_ID]})], False),
    ("a selector for what a controller will make", "MT203", [SHOP, API, deployment("shop/x", "x"), allow({}, app="x")], False),
    ("an empty selector", "MT203", [SHOP, API, authz({"selector": {}, "rules": [{}]})], True),
    ("a PeerAuthentication for nobody", "MT203", [SHOP, API, peer("STRICT", "gone")], True),
    ("a policy on a pod outside", "MT204", [API, allow({"principals": [WEB_ID]})], True),
    ("a policy on a pod inside", "MT204", [SHOP, API, allow({"principals": [WEB_ID]})], False),
    (
        "a DENY that a waypoint goes around",
        "MT205",
        [
            SHOP,
            WEB,
            API,
            service("shop/api", "api", 9000, WAYPOINT),
            gateway("shop/wp"),
            authz({**MATCH, "action": "DENY", "rules": [{"from": [{"source": {"principals": [WEB_ID]}}]}]}),
        ],
        True,
    ),
    (
        "the same without a waypoint",
        "MT205",
        [
            SHOP,
            WEB,
            API,
            service("shop/api", "api", 9000),
            authz({**MATCH, "action": "DENY", "rules": [{"from": [{"source": {"principals": [WEB_ID]}}]}]}),
        ],
        False,
    ),
    (
        "a waypoint that isn't let in",
        "MT206",
        [SHOP, WEB, API, service("shop/api", "api", 9000, WAYPOINT), gateway("shop/wp"), allow({"principals": [WEB_ID]})],
        True,
    ),
    (
        "a waypoint that is",
        "MT206",
        [
            SHOP,
            WEB,
            API,
            service("shop/api", "api", 9000, WAYPOINT),
            gateway("shop/wp"),
            allow({"principals": ["cluster.local/ns/shop/sa/wp"]}),
        ],
        False,
    ),
    ("a target that isn't there", "MT207", [SHOP, API, targeted("Service", "gone")], True),
    ("a target without a waypoint", "MT207", [SHOP, API, service("shop/api", "api", 9000), targeted("Service", "api")], True),
    (
        "a target with one",
        "MT207",
        [SHOP, API, service("shop/api", "api", 9000, WAYPOINT), gateway("shop/wp"), targeted("Service", "api")],
        False,
    ),
    ("an entry that isn't there", "MT207", [SHOP, API, targeted("ServiceEntry", "gone", ENTRIES)], True),
    ("an entry without a waypoint", "MT207", [SHOP, API, entry(), targeted("ServiceEntry", "ext", ENTRIES)], True),
    ("an entry with one", "MT207", [SHOP, API, entry(labels=WAYPOINT), targeted("ServiceEntry", "ext", ENTRIES)], False),
    ("nothing protects it", "MT209", [SHOP, API], True),
    ("a policy does", "MT209", [SHOP, API, allow({"principals": [WEB_ID]})], False),
    ("AUDIT", "MT210", [SHOP, API, authz({**MATCH, "action": "AUDIT", "rules": [{}]})], True),
    ("CUSTOM", "MT210", [SHOP, API, authz({**MATCH, "action": "CUSTOM", "provider": {"name": "x"}, "rules": [{}]})], True),
    ("a dry run", "MT210", [SHOP, API, authz({**MATCH, "rules": [{}]}, annotations={"istio.io/dry-run": "true"})], True),
    ("an enforced one", "MT210", [SHOP, API, authz({**MATCH, "rules": [{}]})], False),
    (
        "a DENY over an ALLOW",
        "MT211",
        [SHOP, API, allow({"principals": [WEB_ID]}), authz({"action": "DENY", "rules": [{}]}, "shop/d")],
        True,
    ),
    (
        "a DENY for others",
        "MT211",
        [
            SHOP,
            API,
            allow({"principals": [WEB_ID]}),
            authz({"action": "DENY", "rules": [{"from": [{"source": {"namespaces": ["x"]}}]}]}, "shop/d"),
        ],
        False,
    ),
    (
        "STRICT, and a caller outside",
        "MT212",
        [
            SHOP,
            API,
            OUT,
            peer("STRICT"),
            net(
                {
                    **ISOLATED,
                    "ingress": [
                        {
                            "from": [{"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "prometheus"}}}],
                            "ports": [{"port": 9000}],
                        }
                    ],
                }
            ),
        ],
        True,
    ),
    ("STRICT, and callers inside", "MT212", [SHOP, API, WEB, peer("STRICT"), net({**ISOLATED, "ingress": [FROM_WEB]})], False),
    ("PERMISSIVE, and callers inside", "MT213", [SHOP, API, WEB, net({**ISOLATED, "ingress": [FROM_WEB]})], True),
    ("STRICT already", "MT213", [SHOP, API, WEB, peer("STRICT"), net({**ISOLATED, "ingress": [FROM_WEB]})], False),
    ("a gateway elsewhere", "MT214", [SHOP, API, GATEWAY_POD, allow({"principals": ["cluster.local/ns/gws/sa/gw-istio"]})], True),
    (
        "a gateway where it is",
        "MT214",
        [SHOP, API, GATEWAY_POD, allow({"principals": ["cluster.local/ns/infra/sa/gw-istio"]})],
        False,
    ),
    (
        "a port that nothing has",
        "MT215",
        [SHOP, API, authz({**MATCH, "rules": [{"to": [{"operation": {"ports": ["0"]}}]}]})],
        True,
    ),
    ("trustDomains", "MT215", [SHOP, API, allow({"trustDomains": ["x"]})], True),
    ("a port that is one", "MT215", [SHOP, API, authz({**MATCH, "rules": [{"to": [{"operation": {"ports": ["80"]}}]}]})], False),
    (
        "port modes for the namespace",
        "MT216",
        [SHOP, API, peer("STRICT", None, portLevelMtls={"9000": {"mode": "DISABLE"}})],
        True,
    ),
    ("port modes for a workload", "MT216", [SHOP, API, peer("STRICT", portLevelMtls={"9000": {"mode": "PERMISSIVE"}})], False),
    (
        "a configured call that is denied",
        "MT217",
        [SHOP, calling(WEB, "http://api:9000"), API, service("shop/api", "api", 9000), allow({"namespaces": ["x"]})],
        True,
    ),
    (
        "a configured call that is allowed",
        "MT217",
        [SHOP, calling(WEB, "http://api:9000"), API, service("shop/api", "api", 9000), allow({"namespaces": ["shop"]})],
        False,
    ),
    ("a namespace that isn't there", "MT218", [SHOP, API, allow({"namespaces": ["gone"]})], True),
    ("a namespace that is", "MT218", [SHOP, API, allow({"namespaces": ["shop"]})], False),
    ("a waypoint that isn't there", "MT219", [SHOP, API, service("shop/api", "api", 9000, WAYPOINT)], True),
    ("a waypoint that is there", "MT219", [SHOP, API, service("shop/api", "api", 9000, WAYPOINT), gateway("shop/wp")], False),
    ("HBONE open", "MT302", [SHOP, API, WEB, net({**ISOLATED, "ingress": [FROM_WEB]})], True),
    ("HBONE open for nobody", "MT302", [API, WEB, net({**ISOLATED, "ingress": [FROM_WEB]})], False),
    (
        "let in there, kept in here",
        "MT303",
        [SHOP, API, WEB, net({**ISOLATED, "ingress": [FROM_WEB]}), net({**WEB_EGRESS, "egress": []}, "shop/e")],
        True,
    ),
    (
        "let in there, let out here",
        "MT303",
        [SHOP, API, WEB, net({**ISOLATED, "ingress": [FROM_WEB]}), net({**WEB_EGRESS, "egress": [TO_API]}, "shop/e")],
        False,
    ),
    (
        "let out here, kept out there",
        "MT304",
        [SHOP, API, WEB, net({**WEB_EGRESS, "egress": [TO_API]}), net({**ISOLATED, "ingress": []}, "shop/i")],
        True,
    ),
    ("let out here, open there", "MT304", [SHOP, API, WEB, net({**WEB_EGRESS, "egress": [TO_API]})], False),
    ("may call, but not ask for names", "MT305", [SHOP, API, WEB, net({**WEB_EGRESS, "egress": [TO_API]})], True),
    ("may call, and ask for names", "MT305", [SHOP, API, WEB, net({**WEB_EGRESS, "egress": [TO_API, DNS]})], False),
    ("may call nobody", "MT305", [SHOP, API, WEB, net({**WEB_EGRESS, "egress": []})], False),
    ("probes are blocked", "MT306", [SHOP, probed(API), WEB, net({**ISOLATED, "ingress": [FROM_WEB]})], True),
    (
        "probes get in",
        "MT306",
        [SHOP, probed(API), WEB, net({**ISOLATED, "ingress": [FROM_WEB, {"from": [{"ipBlock": {"cidr": "169.254.7.127/32"}}]}]})],
        False,
    ),
    ("nobody probes it", "MT306", [SHOP, API, WEB, net({**ISOLATED, "ingress": [FROM_WEB]})], False),
    (
        "scrapes are blocked",
        "MT307",
        [
            OUT,
            pod("bare/api", "10.0.0.8", [9000], metadata={"annotations": {"prometheus.io/scrape": "true"}}),
            net("podSelector: {}", "bare/n"),
        ],
        True,
    ),
    (
        "scrapes get in",
        "MT307",
        [OUT, pod("bare/api", "10.0.0.8", [9000], metadata={"annotations": {"prometheus.io/scrape": "true"}})],
        False,
    ),
    ("a NetworkPolicy for nobody", "MT308", [API, net({"podSelector": {"matchLabels": {"app": "gone"}}})], True),
    ("a NetworkPolicy for somebody", "MT308", [API, net(ISOLATED)], False),
    (
        "a peer that is nobody",
        "MT309",
        [API, net({**ISOLATED, "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "gone"}}}]}]})],
        True,
    ),
    ("a peer that is somebody", "MT309", [API, WEB, net({**ISOLATED, "ingress": [FROM_WEB]})], False),
    (
        "a peer in a namespace without pods",
        "MT309",
        [
            namespace("dns"),
            API,
            net(
                {
                    **ISOLATED,
                    "ingress": [{"from": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "dns"}}}]}],
                }
            ),
        ],
        False,
    ),
    ("a port name that nobody has", "MT310", [API, net({**ISOLATED, "ingress": [{"ports": [{"port": "grpc"}]}]})], True),
    ("a port name that somebody has", "MT310", [API, net({**ISOLATED, "ingress": [{"ports": [{"port": "http"}]}]})], False),
    ("neighbours are isolated", "MT311", [API, WEB, net(ISOLATED)], True),
    ("all are isolated", "MT311", [API, WEB, net(ISOLATED), net({"podSelector": {}}, "shop/all")], False),
    ("a field that isn't modelled", "MT901", [API, net({**ISOLATED, "magic": True})], True),
    ("only what is known", "MT901", [API, net(ISOLATED)], False),
]


@pytest.mark.parametrize(("name", "rule", "objects", "fires"), ROWS, ids=[f"{row[1]} {row[0]}" for row in ROWS])
def test_rule(name, rule, objects, fires):
    report = look(snapshot_of(objects))
    assert rule not in {each.rule for each in report.not_evaluated}
    found = [finding for finding in report.findings if finding.rule == rule]
    assert bool(found) is fires
    assert all(finding.message and finding.why and finding.objects for finding in found)


def test_a_pod_that_is_labelled_but_not_captured():
    row = [SHOP, pod("shop/web", "10.0.0.2", account="web", status={"conditions": [{"type": "Ready", "status": "True"}]})]
    assert "MT106" in {f.rule for f in look(snapshot_of(row, live=True)).findings}
    captured = pod("shop/web", "10.0.0.2", metadata={"annotations": {"ambient.istio.io/redirection": "enabled"}})
    assert "MT106" not in {f.rule for f in look(snapshot_of([SHOP, captured], live=True)).findings}


GOOD = Evidence(("1", "2"), ("1", "2", "3"), "shop:7", "http://i", 3, 3, 0, 0)
OBSERVED = [
    ("orders without calls", "MT401", replace(GOOD, reserve_calls=0), True),
    ("orders with calls", "MT401", GOOD, False),
    ("a build that is known for it", "MT401", replace(GOOD, orders=0, image="bookstore/ecom-service:1.0"), True),
    ("no order yet", "MT401", replace(GOOD, orders=0, reserve_calls=0), None),
    ("no log", "MT401", replace(GOOD, orders=None, reserve_calls=None), None),
    ("a book that inventory doesn't know", "MT402", replace(GOOD, shop_books=("9",)), True),
    ("books that it knows", "MT402", GOOD, False),
    ("the right books of a suspicious build", "MT402", replace(GOOD, image="bookstore/ecom-service:0.9"), False),
    ("no answer", "MT402", replace(GOOD, stock_books=None), None),
    ("answers of 400", "MT403", replace(GOOD, http_400=2, invalid_requests=2), True),
    ("calls that succeed", "MT403", GOOD, False),
    ("no call yet", "MT403", replace(GOOD, reserve_calls=0), None),
]


@pytest.mark.parametrize(("name", "rule", "evidence", "fires"), OBSERVED, ids=[f"{row[1]} {row[0]}" for row in OBSERVED])
def test_rule_on_what_was_observed(name, rule, evidence, fires):
    report = look(snapshot_of([SHOP, WEB]), evidence)
    silent = rule in {each.rule for each in report.not_evaluated}
    assert (None if silent else rule in {f.rule for f in report.findings}) is fires


def test_without_observation_the_applications_rules_say_so():
    silent = {each.rule: each.reason for each in look(snapshot_of([SHOP, WEB])).not_evaluated}
    assert set(silent) == {"MT401", "MT402", "MT403"}
    assert set(silent.values()) == {"needs observation of a running bookstore"}


@pytest.mark.parametrize("rule", [r for r in RULES if r.reads], ids=lambda r: r.id)
def test_a_rule_says_nothing_of_what_it_cannot_see(rule):
    for kind in rule.reads:
        report = look(snapshot_of([SHOP, WEB], kinds={kind: KindState(KindStatus.FORBIDDEN, "may not list", "list")}))
        reason = next(each.reason for each in report.not_evaluated if each.rule == rule.id)
        assert kind in reason
        assert "may not list" in reason
        assert rule.id not in {f.rule for f in report.findings}


def test_every_rule_has_a_case_that_fires_and_one_that_does_not():
    told = {(row[1], row[3]) for row in ROWS} | {(row[1], row[3]) for row in OBSERVED}
    elsewhere = {"MT106", "MT404"}
    for module in pkgutil.iter_modules(findings_tests.__path__):
        elsewhere |= getattr(importlib.import_module(f"{findings_tests.__name__}.{module.name}"), "TELLS", set())
    assert {r.id for r in RULES} - elsewhere == {rule for rule, _ in told}
    assert all((r.id, True) in told and (r.id, False) in told for r in RULES if r.id not in elsewhere)


def test_what_cannot_be_seen_may_protect():
    blind = {"NetworkPolicy": KindState(KindStatus.FORBIDDEN, "no", "list")}
    assert not [f for f in evaluate(snapshot_of([SHOP, DB], kinds=blind)) if f.rule == "MT208"]


def test_the_healthy_bookstore_has_no_error():
    assert [f for f in evaluate(snapshot_of(load("healthy"))) if f.severity.name == "ERROR"] == []


@pytest.mark.parametrize(("scenario", "rule"), [("open-databases", "MT208"), ("wrong-identity", "MT103")])
def test_the_scenarios_are_found(scenario, rule):
    assert rule in {finding.rule for finding in evaluate(snapshot_of(load(scenario)))}


def test_rules_have_names_of_their_own():
    ids = [rule.id for rule in RULES]
    assert ids == sorted(set(ids))
