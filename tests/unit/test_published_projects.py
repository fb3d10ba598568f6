"""Policies as published projects ship them, written anew in short, and verdicts derived by hand: each with the rule that decides.

The facts (names, ports, who may call whom) are those of GoogleCloudPlatform/microservices-demo (kustomize/components/
network-policies), argoproj/argo-cd (manifests/base), prometheus-operator/kube-prometheus (manifests), istio/istio
(samples/bookinfo) and kubeflow/manifests (its ambient demo), each Apache-2.0.
"""

import csv
import io
import itertools
import json

import pytest

from meshtui.cli.main import run
from meshtui.model.flow import Jwt
from tests.fakes.requests import Case, check, judge, service, space, thing
from tests.fakes.snapshots import ambient, decider, namespace, pod, policy, snapshot_of
from tests.fakes.snapshots import judge as connect

ANYBODY = object()
"""Everybody may call, by that rule."""


def by_app(key, *apps):
    return [{"podSelector": {"matchLabels": {key: app}}} for app in apps]


def opens(name, key, *rules, space_="shop", egress=None):
    """A NetworkPolicy of one app; a rule is (ports, callers), where ANYBODY is every pod of every namespace."""
    ingress = [
        {"ports": [{"port": port, "protocol": "TCP"} for port in ports]}
        | {"from": [{"namespaceSelector": {}}] if callers is ANYBODY else by_app(key, *callers)}
        for ports, callers in rules
    ]
    spec = {"podSelector": {"matchLabels": {key: name}}, "policyTypes": ["Ingress"], "ingress": ingress}
    if egress is not None:
        spec |= {"policyTypes": ["Ingress", "Egress"], "egress": egress}
    return policy(f"{space_}/{name}", spec)


def pods(space_, key, apps, **more):
    return [
        pod(f"{space_}/{app}", f"10.0.{len(space_)}.{number}", list(ports), {key: app}, app, **more)
        for number, (app, ports) in enumerate(apps.items(), 1)
    ]


# ---- Online Boutique: a policy for each service, and one that denies the rest

BOUTIQUE = {
    "adservice": (9555, ["frontend"]),
    "cartservice": (7070, ["frontend", "checkoutservice"]),
    "checkoutservice": (5050, ["frontend"]),
    "currencyservice": (7000, ["frontend", "checkoutservice"]),
    "emailservice": (8080, ["checkoutservice"]),
    "paymentservice": (50051, ["checkoutservice"]),
    "productcatalogservice": (3550, ["frontend", "checkoutservice", "recommendationservice"]),
    "recommendationservice": (8080, ["frontend"]),
    "redis-cart": (6379, ["cartservice"]),
    "shippingservice": (50051, ["frontend", "checkoutservice"]),
}
SHOPPERS = {app: (port,) for app, (port, _) in BOUTIQUE.items()} | {"frontend": (8080,), "loadgenerator": ()}
EVERYWHERE = [{}]
SHOP = [
    *(opens(app, "app", ((port,), callers), egress=EVERYWHERE) for app, (port, callers) in BOUTIQUE.items()),
    policy("shop/deny-all", {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}),
    policy(
        "shop/frontend",
        {
            "podSelector": {"matchLabels": {"app": "frontend"}},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": [{}],
            "egress": [{}],
        },
    ),
    policy(
        "shop/loadgenerator",
        {"podSelector": {"matchLabels": {"app": "loadgenerator"}}, "policyTypes": ["Egress"], "egress": [{}]},
    ),
]
BOUTIQUE_FLOWS = [
    (caller, app, port, f"NetworkPolicy shop/{app} ingress[0]" if caller in callers else None)
    for app, (port, callers) in BOUTIQUE.items()
    for caller in SHOPPERS
    if caller != app
]
BOUTIQUE_FLOWS += [
    (caller, "frontend", 8080, "NetworkPolicy shop/frontend ingress[0]") for caller in SHOPPERS if caller != "frontend"
]


@pytest.fixture(scope="module")
def boutique():
    return snapshot_of([namespace("shop")], pods("shop", "app", SHOPPERS), SHOP)


@pytest.mark.parametrize(("caller", "app", "port", "by"), BOUTIQUE_FLOWS)
def test_online_boutique(boutique, caller, app, port, by):
    verdict = connect(boutique, f"shop/{caller} > shop/{app}:{port}")
    assert (verdict.decision.value, verdict.layer.value) == ("allow" if by else "deny", "ingress_policy")
    assert decider(verdict) == (by or f"NetworkPolicy shop/{min(app, 'deny-all')}")  # the first by name of those that select it


@pytest.mark.parametrize(("caller", "app", "port", "by"), [flow for flow in BOUTIQUE_FLOWS if flow[3]])
def test_online_boutique_in_ambient_stays_shut(caller, app, port, by):
    """Its policies open the applications' ports, and the tunnel's is another one; only the front end has no list of ports."""
    meshed = snapshot_of([ambient("shop")], pods("shop", "app", SHOPPERS), SHOP)
    assert connect(meshed, f"shop/{caller} > shop/{app}:{port}").decision.value == ("allow" if app == "frontend" else "deny")


# ---- Argo CD: some ports for everybody, some for named components

CONTROLLER, SETS, DEX, NOTES, REDIS, REPO, SERVER = (
    "application-controller",
    "applicationset-controller",
    "dex-server",
    "notifications-controller",
    "redis",
    "repo-server",
    "server",
)
ARGO = {
    CONTROLLER: (8082,),
    SETS: (7000, 8080),
    DEX: (5556, 5557, 5558),
    NOTES: (9001,),
    REDIS: (6379,),
    REPO: (8081, 8084),
    SERVER: (8080, 8083),
}
COMPONENT = "app.kubernetes.io/name"
ARGO_RULES = {
    CONTROLLER: [((8082,), ANYBODY)],
    SETS: [((7000, 8080), ANYBODY)],
    DEX: [((5556, 5557), [SERVER]), ((5558,), ANYBODY)],
    NOTES: [((9001,), ANYBODY)],
    REDIS: [((6379,), [SERVER, REPO, CONTROLLER])],
    REPO: [((8081,), [SERVER, CONTROLLER, NOTES, SETS]), ((8084,), ANYBODY)],
}
ARGO_FLOWS = [
    (
        caller,
        app,
        port,
        next((i for i, (ports, who) in enumerate(rules) if port in ports and (who is ANYBODY or caller in who)), None),
    )
    for app, rules in ARGO_RULES.items()
    for port in (*ARGO[app], 22)
    for caller in (*ARGO, "outsider")
    if caller != app
]


@pytest.fixture(scope="module")
def argo():
    anything = policy(
        "argocd/server", {"podSelector": {"matchLabels": {COMPONENT: SERVER}}, "policyTypes": ["Ingress"], "ingress": [{}]}
    )
    policies = [anything, *(opens(app, COMPONENT, *rules, space_="argocd") for app, rules in ARGO_RULES.items())]
    outside = pod("other/outsider", "10.9.9.9", labels={COMPONENT: SERVER})
    return snapshot_of([namespace("argocd"), namespace("other"), outside], pods("argocd", COMPONENT, ARGO), policies)


@pytest.mark.parametrize(("caller", "app", "port", "rule"), ARGO_FLOWS)
def test_argo_cd(argo, caller, app, port, rule):
    source = "other/outsider" if caller == "outsider" else f"argocd/{caller}"
    verdict = connect(argo, f"{source} > argocd/{app}:{port}")
    by = f"NetworkPolicy argocd/{app}"
    assert (verdict.decision.value, decider(verdict)) == (("deny", by) if rule is None else ("allow", f"{by} ingress[{rule}]"))


# ---- kube-prometheus: scraped by Prometheus alone; one exporter runs on the host network

WATCHED = {
    "alertmanager": {9093: ["prometheus"], 8080: ["prometheus"], 9094: ["alertmanager"]},
    "blackbox-exporter": {9115: ["prometheus"], 19115: ["prometheus"]},
    "grafana": {3000: ["prometheus"]},
    "kube-state-metrics": {8443: ["prometheus"], 9443: ["prometheus"]},
    "node-exporter": {9100: ["prometheus"]},
    "prometheus": {9090: ["prometheus", "prometheus-adapter", "grafana"], 8080: ["prometheus"]},
}
WATCHERS = [*WATCHED, "prometheus-adapter"]
MONITORED = [
    (caller, app, port, caller in callers)
    for app, ports in WATCHED.items()
    for port, callers in ports.items()
    for caller in WATCHERS
    if caller not in {app, "node-exporter"}
]


@pytest.fixture(scope="module")
def monitoring():
    found = [
        opens(app, COMPONENT, *(((port,), callers) for port, callers in ports.items()), space_="monitoring", egress=EVERYWHERE)
        for app, ports in WATCHED.items()
    ]
    on_host = {"spec": {"hostNetwork": True}}
    names = {app: tuple(WATCHED.get(app, ())) for app in WATCHERS if app != "node-exporter"}
    return (
        [namespace("monitoring")],
        pods("monitoring", COMPONENT, names),
        [
            *found,
            pod("monitoring/node-exporter", "192.168.0.9", [9100], {COMPONENT: "node-exporter"}, node="n1", **on_host),
        ],
    )


@pytest.mark.parametrize(("caller", "app", "port", "allowed"), MONITORED)
def test_kube_prometheus(monitoring, caller, app, port, allowed):
    verdict = connect(snapshot_of(*monitoring), f"monitoring/{caller} > monitoring/{app}:{port}")
    rule = f" ingress[{list(WATCHED[app]).index(port)}]" if allowed else ""
    assert (verdict.decision.value, decider(verdict)) == ("allow" if allowed else "deny", f"NetworkPolicy monitoring/{app}{rule}")


@pytest.mark.parametrize("caller", [each for each in WATCHERS if each not in {"node-exporter", "prometheus"}])
def test_kube_prometheus_where_the_node_exporter_counts_as_its_node(monitoring, caller):
    from meshtui.cni import named
    from meshtui.model.cni import UNKNOWN_CNI

    flow = f"monitoring/{caller} > monitoring/node-exporter:9100"
    assert connect(snapshot_of(*monitoring, cni=named("calico")), flow).decision.value == "allow"
    assert connect(snapshot_of(*monitoring, cni=UNKNOWN_CNI), flow).decision.value == "unknown"


# ---- bookinfo, with a waypoint and a gateway

BOOKS = "istio/istio samples/bookinfo"
GATE, WAYPOINT = "cluster.local/ns/default/sa/bookinfo-gateway-istio", "cluster.local/ns/default/sa/waypoint"


def allow(name, principals, methods=(), **spec):
    rule = {"from": [{"source": {"principals": principals}}]}
    rule |= {"to": [{"operation": {"methods": list(methods)}}]} if methods else {}
    return thing("AuthorizationPolicy", f"default/{name}", {"action": "ALLOW", "rules": [rule]} | spec)


def of_paths(*paths):
    return [{"path": {"type": kind, "value": value}} for kind, value in paths]


BOOKINFO = [
    space("default", ambient=True, waypoint="waypoint"),
    space("istio-system"),
    *(
        pod(f"default/{app}", f"10.0.0.{n}", [9080], account=f"bookinfo-{app}")
        for n, app in enumerate(("productpage", "details", "reviews", "ratings"), 1)
    ),
    pod("default/curl", "10.0.0.9", account="curl"),
    *(service(f"default/{app}", [("http", 9080, 9080)]) for app in ("productpage", "details", "reviews", "ratings")),
    thing(
        "Gateway",
        "default/bookinfo-gateway",
        {
            "gatewayClassName": "istio",
            "listeners": [{"name": "http", "port": 80, "protocol": "HTTP", "allowedRoutes": {"namespaces": {"from": "Same"}}}],
        },
    ),
    thing(
        "HTTPRoute",
        "default/bookinfo",
        {
            "parentRefs": [{"name": "bookinfo-gateway"}],
            "rules": [
                {
                    "matches": of_paths(
                        ("Exact", "/productpage"),
                        ("PathPrefix", "/static"),
                        ("Exact", "/login"),
                        ("Exact", "/logout"),
                        ("PathPrefix", "/api/v1/products"),
                    ),
                    "backendRefs": [{"name": "productpage", "port": 9080}],
                }
            ],
        },
    ),
    thing(
        "Gateway",
        "default/waypoint",
        {"gatewayClassName": "istio-waypoint", "listeners": [{"name": "mesh", "port": 15008, "protocol": "HBONE"}]},
    ),
    allow("productpage-ztunnel", [GATE, WAYPOINT], selector={"matchLabels": {"app": "productpage"}}),
    allow(
        "productpage-waypoint",
        ["cluster.local/ns/default/sa/curl"],
        ["GET"],
        targetRefs=[{"kind": "Service", "group": "", "name": "productpage"}],
    ),
]
PAGE = "default/svc/productpage:9080"
AT_ZTUNNEL, AT_WAYPOINT = "AuthorizationPolicy default/productpage-ztunnel", "AuthorizationPolicy default/productpage-waypoint"
READERS = [
    Case("curl reads", BOOKS, [], f"default/curl > {PAGE}", "GET /productpage", "allow", f"{AT_ZTUNNEL} rules[0]"),
    Case(
        "… and doesn't delete", BOOKS, [], f"default/curl > {PAGE}", "DELETE /productpage", "deny waypoint http_403", AT_WAYPOINT
    ),
    Case("reviews isn't named", BOOKS, [], f"default/reviews > {PAGE}", "GET /", "deny waypoint http_403", AT_WAYPOINT),
    Case("details isn't named", BOOKS, [], f"default/details > {PAGE}", "GET /", "deny waypoint http_403", AT_WAYPOINT),
    Case(
        "past the waypoint, to the pod",
        BOOKS,
        [],
        "default/curl > default/productpage:9080",
        "GET /",
        "deny ztunnel closed",
        AT_ZTUNNEL,
    ),
    Case("… by reviews", BOOKS, [], "default/reviews > default/productpage:9080", "", "deny ztunnel closed", AT_ZTUNNEL),
    Case("productpage calls reviews", BOOKS, [], "default/productpage > default/svc/reviews:9080", "GET /", "allow"),
    Case("productpage calls details", BOOKS, [], "default/productpage > default/svc/details:9080", "GET /", "allow"),
    Case("reviews calls ratings", BOOKS, [], "default/reviews > default/svc/ratings:9080", "GET /", "allow"),
    *(
        Case(f"from outside: {request}", BOOKS, [], f"external > {PAGE}", request, "allow", f"{AT_ZTUNNEL} rules[0]")
        for request in ("GET /productpage", "GET /static/x.css", "POST /login", "GET /logout", "GET /api/v1/products/1")
    ),
    *(
        Case(
            f"from outside, no route: {request}",
            BOOKS,
            [],
            f"external > {PAGE}",
            request,
            "deny gateway http_404",
            "Gateway default/bookinfo-gateway",
        )
        for request in ("GET /", "GET /nope", "GET /login/x", "GET /productpages", "GET /staticx")
    ),
]


@pytest.mark.parametrize("case", READERS, ids=lambda case: case.name)
def test_bookinfo(case):
    check(judge(snapshot_of(BOOKINFO, case.objects), case.flow, case.request), case)


# ---- Kubeflow's gateway: an external authorizer, tokens, and nothing allowed by default

KUBEFLOW = "kubeflow/manifests: ambient demo"
INGRESS = {"app": "ambient-ingressgateway"}
AT_GATE = [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "ambient-ingressgateway"}]
PAST_LOGIN = ["/dex/*", "/dex/**", "/oauth2/*"]
INGRESS_ID = "cluster.local/ns/istio-system/sa/ambient-ingressgateway-istio"


def guard(name, where="kubeflow", **spec):
    return thing("AuthorizationPolicy", f"{where}/{name}", spec)


def routed(name, where, path, port, **more):
    rule = {"matches": of_paths(("PathPrefix", path)), "backendRefs": [{"name": name, "port": port}]} | more
    parent = {"name": "ambient-ingressgateway", "namespace": "istio-system"}
    return thing("HTTPRoute", f"{where}/{name}", {"parentRefs": [parent], "rules": [rule]})


def l4(name, caller, **labels):
    rules = [{"from": [{"source": {"principals": [caller]}}]}]
    return guard(name, action="ALLOW", rules=rules, selector={"matchLabels": labels})


HTTP = {"name": "default", "port": 80, "protocol": "HTTP", "allowedRoutes": {"namespaces": {"from": "All"}}}
REWRITE = {"type": "URLRewrite", "urlRewrite": {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}}}
FLOW = [
    space("istio-system"),
    *(space(name, ambient=True) for name in ("kubeflow", "auth")),
    thing("Gateway", "istio-system/ambient-ingressgateway", {"gatewayClassName": "istio", "listeners": [HTTP]}, INGRESS),
    pod("kubeflow/dashboard", "10.1.0.1", [("http", 8082)], {"app": "centraldashboard"}, "centraldashboard"),
    pod("kubeflow/jupyter", "10.1.0.2", [("http", 5000)], {"app": "jupyter-web-app"}, "jupyter-web-app"),
    pod("kubeflow/profiles", "10.1.0.3", [("http", 8081)], {"kustomize.component": "profiles"}, "profiles"),
    pod("auth/dex", "10.2.0.1", [("http", 5556)], {"app": "dex"}, "dex"),
    service("kubeflow/centraldashboard", [("http", 80, 8082)], {"app": "centraldashboard"}),
    service("kubeflow/jupyter-web-app-service", [("http", 80, 5000)], {"app": "jupyter-web-app"}),
    service("kubeflow/profiles-kfam", [("http", 8081, 8081)], {"kustomize.component": "profiles"}),
    service("auth/dex", [("http", 5556, 5556)], {"app": "dex"}),
    routed("centraldashboard", "kubeflow", "/", 80),
    routed("jupyter-web-app-service", "kubeflow", "/jupyter/", 80, filters=[REWRITE]),
    routed("dex", "auth", "/dex/", 5556),
    guard("global-allow-nothing", "istio-system"),
    guard("ambient-ingressgateway", "istio-system", action="ALLOW", rules=[{}], selector={"matchLabels": INGRESS}),
    guard(
        "oauth2-proxy",
        "istio-system",
        action="CUSTOM",
        provider={"name": "oauth2-proxy"},
        targetRefs=AT_GATE,
        rules=[
            {
                "to": [{"operation": {"notPaths": PAST_LOGIN}}],
                "when": [{"key": "request.headers[authorization]", "notValues": ["*"]}],
            }
        ],
    ),
    guard(
        "require-jwt",
        "istio-system",
        action="DENY",
        targetRefs=AT_GATE,
        rules=[{"from": [{"source": {"notRequestPrincipals": ["*"]}}], "to": [{"operation": {"notPaths": PAST_LOGIN}}]}],
    ),
    thing("RequestAuthentication", "istio-system/dex-jwt", {"targetRefs": AT_GATE, "jwtRules": [{"issuer": "http://dex"}]}),
    l4("dashboard-l4", INGRESS_ID, app="centraldashboard"),
    l4("jupyter-l4", INGRESS_ID, app="jupyter-web-app"),
    l4("profiles-l4", "cluster.local/ns/kubeflow/sa/centraldashboard", **{"kustomize.component": "profiles"}),
]
HOME, NOTEBOOKS = "external > kubeflow/svc/centraldashboard:80", "external > kubeflow/svc/jupyter-web-app-service:80"
USER, TOKEN = Jwt("http://dex", "u"), (("authorization", "Bearer a.b.c"),)
NOTHING = "AuthorizationPolicy istio-system/global-allow-nothing"
VISITORS = [
    Case("nobody is logged in", KUBEFLOW, [], HOME, "GET /", "unknown", says="oauth2-proxy"),
    Case(
        "… and only says so",
        KUBEFLOW,
        [],
        NOTEBOOKS,
        "GET /jupyter/",
        "deny gateway http_401",
        headers=(("authorization", "Bearer x"),),
    ),
    Case(
        "a user's dashboard",
        KUBEFLOW,
        [],
        HOME,
        "GET /",
        "allow",
        "AuthorizationPolicy kubeflow/dashboard-l4 rules[0]",
        jwt=USER,
        headers=TOKEN,
    ),
    Case(
        "a user's notebooks",
        KUBEFLOW,
        [],
        NOTEBOOKS,
        "GET /jupyter/",
        "allow",
        "AuthorizationPolicy kubeflow/jupyter-l4 rules[0]",
        jwt=USER,
        headers=TOKEN,
    ),
    Case(
        "another issuer's token", KUBEFLOW, [], HOME, "GET /", "deny gateway http_401", jwt=Jwt("http://evil", "u"), headers=TOKEN
    ),
    Case(
        "the login page, which no rule opens",
        KUBEFLOW,
        [],
        "external > auth/svc/dex:5556",
        "GET /dex/auth",
        "deny ztunnel http_503",
        NOTHING,
    ),
    Case(
        "the dashboard asks for profiles",
        KUBEFLOW,
        [],
        "kubeflow/dashboard > kubeflow/svc/profiles-kfam:8081",
        "",
        "allow",
        "AuthorizationPolicy kubeflow/profiles-l4 rules[0]",
    ),
    Case("notebooks don't", KUBEFLOW, [], "kubeflow/jupyter > kubeflow/svc/profiles-kfam:8081", "", "deny ztunnel closed"),
    Case(
        "… nor call the dashboard", KUBEFLOW, [], "kubeflow/jupyter > kubeflow/svc/centraldashboard:80", "", "deny ztunnel closed"
    ),
    Case("past the gateway", KUBEFLOW, [], "kubeflow/dashboard > auth/svc/dex:5556", "", "deny ztunnel closed", NOTHING),
]


@pytest.mark.parametrize("case", VISITORS, ids=lambda case: case.name)
def test_kubeflow(case):
    check(judge(snapshot_of(FLOW, case.objects), case.flow, case.request, case.jwt, case.headers), case)


# ---- the commands on the same manifests


def written(folder, *lists):
    folder.joinpath("all.yaml").write_text("\n---\n".join(json.dumps(each) for objects in lists for each in objects))
    return str(folder)


def test_the_matrix_says_the_same_of_all_pairs(tmp_path, capsys):
    folder = written(tmp_path, [namespace("shop")], pods("shop", "app", SHOPPERS), SHOP)
    assert run(["matrix", "-f", folder, "--cni", "reference", "-o", "csv"]) == 0
    rows = {(row["from"], row["to"]): row for row in csv.DictReader(io.StringIO(capsys.readouterr().out))}
    assert len(rows) == len(SHOPPERS) * (len(SHOPPERS) - 1)
    for caller, app, port, by in BOUTIQUE_FLOWS:
        row = rows[f"shop/Pod/{caller}", f"shop/Pod/{app}"]
        opened = "all" if app == "frontend" else f"TCP {port}"
        assert (row["allowed"], row["allowed_by"]) == ((opened, f"ingress_policy {by}") if by else ("", "")), (caller, app)


@pytest.mark.parametrize(
    "objects",
    [FLOW, BOOKINFO, [namespace("shop"), *pods("shop", "app", SHOPPERS), *SHOP]],
    ids=["kubeflow", "bookinfo", "boutique"],
)
def test_every_finding_is_about_something_that_is_there(tmp_path, capsys, objects):
    assert run(["check", "-f", written(tmp_path, objects), "-o", "json"]) in {0, 1}
    names = {(each["kind"], each["metadata"]["name"]) for each in objects}
    for finding in json.loads(capsys.readouterr().out)["findings"]:
        assert any((each["kind"], each["name"]) in names or each["kind"] == "ServiceAccount" for each in finding["objects"]), (
            finding
        )


def test_that_many_verdicts_were_derived():
    opened = [flow for flow in BOUTIQUE_FLOWS if flow[3]]
    assert len(list(itertools.chain(BOUTIQUE_FLOWS, opened, ARGO_FLOWS, MONITORED, READERS, VISITORS))) > 300
