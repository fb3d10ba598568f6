"""Gateways: routes, tokens, policies, and the hop behind. Every row says where its rule is written."""

import pytest

from meshtui.engine.explain.wording import in_words as said
from meshtui.model.snapshot import KindState, KindStatus
from tests.fakes.frozen import bookstore
from tests.fakes.requests import Case, check, http, judge, service, space, thing
from tests.fakes.snapshots import pod, snapshot_of

ROUTE = "gateway-api v1: HTTPRouteRule"
LISTENER = "gateway-api v1: Listener"
TOKENS = "istio/api security/v1beta1/request_authentication.proto"
ATTACH = "istio/istio pilot/pkg/model/policyattachment.go"
MESH = "istio.io: ambient, gateways"
GW_LABEL = {"gateway.networking.k8s.io/gateway-name": "gw"}
GW_SA = "cluster.local/ns/infra/sa/gw-istio"

GROUP = "gateway.networking.k8s.io"


def grant(source):
    """A ReferenceGrant of namespace back for the HTTPRoutes of another."""
    spec = {"from": [{"group": GROUP, "kind": "HTTPRoute", "namespace": source}], "to": [{"group": "", "kind": "Service"}]}
    metadata = {"name": "g", "namespace": "back"}
    return {"apiVersion": f"{GROUP}/v1beta1", "kind": "ReferenceGrant", "metadata": metadata, "spec": spec}


def gateway(listeners=None, name="istio", key="infra/gw"):
    everybody = {"namespaces": {"from": "All"}}
    found = listeners or [{"name": "http", "port": 80, "protocol": "HTTP", "allowedRoutes": everybody}]
    return thing("Gateway", key, {"gatewayClassName": name, "listeners": found})


def listener(name="http", port=80, **more):
    return {"name": name, "port": port, "protocol": "HTTP", "allowedRoutes": {"namespaces": {"from": "All"}}} | more


def route(key, *rules, hostnames=(), **parent):
    spec = {"parentRefs": [{"name": "gw", "namespace": "infra"} | parent], "hostnames": list(hostnames), "rules": list(rules)}
    return thing("HTTPRoute", key, spec)


def to(name, *matches, port=80, **more):
    found = {"backendRefs": [{"name": name, "port": port}]} | more
    return found | ({"matches": list(matches)} if matches else {})


def prefix(value, **more):
    return {"path": {"type": "PathPrefix", "value": value}} | more


def exact(value, **more):
    return {"path": {"type": "Exact", "value": value}} | more


WORLD = [
    space("infra"),
    space("istio-system"),
    space("back", ambient=True),
    space("shop", ambient=True),
    pod("infra/gw-1", "10.0.9.1", [("http", 80)], GW_LABEL, account="gw-istio"),
    pod("back/api", "10.0.2.1", [("http", 8080)], account="api"),
    pod("back/page", "10.0.2.2", [("http", 3000)], account="page"),
    pod("shop/web", "10.0.1.1", [80], account="web"),
    service("back/api", [("http", 80, 8080)]),
    service("back/page", [("http", 80, 3000)]),
    service("infra/gw", [("http", 80, 80)], GW_LABEL),
]
GATE = [*WORLD, gateway()]
API, PAGE, FRONT = "external > back/svc/api:80", "external > back/svc/page:80", "external > infra/svc/gw:80"
NOT_FOUND, FORBIDDEN, UNAUTHORIZED = "deny gateway http_404", "deny gateway http_403", "deny gateway http_401"
OPEN = route("back/r", to("api", prefix("/api")))
REF = {"kind": "Gateway", "group": "gateway.networking.k8s.io", "name": "gw"}


def policy(rules, action="ALLOW", where="infra/p", **spec):
    return thing("AuthorizationPolicy", where, {"action": action, "rules": rules} | spec)


def authentication(*rules, where="infra/jwt", **spec):
    return thing("RequestAuthentication", where, {"jwtRules": list(rules), "targetRefs": [REF]} | spec)


def netpol(key, spec):
    return thing("NetworkPolicy", key, spec)


CASES = [
    Case("a route leads there", ROUTE, [OPEN], API, "GET /api/x", "allow", "HTTPRoute back/r rules[0]"),
    Case("no route takes the path", ROUTE, [OPEN], API, "GET /other", NOT_FOUND, "Gateway infra/gw"),
    Case("no route leads to the Service", ROUTE, [OPEN], PAGE, "", NOT_FOUND, "Gateway infra/gw"),
    Case("a prefix takes whole elements", ROUTE, [OPEN], API, "GET /apix", NOT_FOUND),
    Case("… and itself", ROUTE, [OPEN], API, "GET /api", "allow"),
    Case("… and with a slash at its end", ROUTE, [route("back/r", to("api", prefix("/api/")))], API, "GET /api", "allow"),
    Case("the query isn't the path", ROUTE, [OPEN], API, "GET /api?x=1", "allow"),
    Case("an exact path", ROUTE, [route("back/r", to("api", exact("/api")))], API, "GET /api/x", NOT_FOUND),
    Case(
        "an expression, on the whole path",
        ROUTE,
        [route("back/r", to("api", {"path": {"type": "RegularExpression", "value": "/v[0-9]/.*"}}))],
        API,
        "GET /v1/x",
        "allow",
    ),
    Case(
        "… that doesn't match",
        ROUTE,
        [route("back/r", to("api", {"path": {"type": "RegularExpression", "value": "/v[0-9]"}}))],
        API,
        "GET /v1/x",
        NOT_FOUND,
    ),
    Case(
        "… that can't be read",
        ROUTE,
        [route("back/r", to("api", {"path": {"type": "RegularExpression", "value": "("}}))],
        API,
        "GET /v1",
        "unknown",
        says="can't be read",
    ),
    Case("a method", ROUTE, [route("back/r", to("api", prefix("/api", method="GET")))], API, "POST /api", NOT_FOUND),
    Case(
        "a header",
        ROUTE,
        [route("back/r", to("api", {"headers": [{"name": "X-Team", "value": "ops"}]}))],
        API,
        "GET /",
        "allow",
        headers=(("x-team", "ops"),),
    ),
    Case(
        "… that isn't there",
        ROUTE,
        [route("back/r", to("api", {"headers": [{"name": "X-Team", "value": "ops"}]}))],
        API,
        "GET /",
        NOT_FOUND,
    ),
    Case(
        "a query parameter",
        ROUTE,
        [route("back/r", to("api", {"queryParams": [{"name": "v", "value": "1"}]}))],
        API,
        "GET /?v=1",
        "allow",
    ),
    Case("matches OR", ROUTE, [route("back/r", to("api", prefix("/a"), prefix("/b")))], API, "GET /b", "allow"),
    Case("no matches take everything", ROUTE, [route("back/r", to("api"))], API, "DELETE /x", "allow"),
    Case(
        "an exact path is before a prefix",
        ROUTE,
        [route("back/r", to("api", prefix("/")), to("page", exact("/a")))],
        PAGE,
        "GET /a",
        "allow",
        "HTTPRoute back/r rules[1]",
    ),
    Case(
        "the longest prefix is first",
        ROUTE,
        [route("back/r", to("api", prefix("/a")), to("page", prefix("/a/b")))],
        PAGE,
        "GET /a/b/c",
        "allow",
    ),
    Case(
        "a method is before none",
        ROUTE,
        [route("back/r", to("api", prefix("/a")), to("page", prefix("/a", method="GET")))],
        PAGE,
        "GET /a",
        "allow",
    ),
    Case(
        "a request that goes elsewhere doesn't arrive",
        ROUTE,
        [route("back/r", to("api", prefix("/a")), to("page", prefix("/b")))],
        API,
        "GET /b",
        "deny gateway unknown",
        "HTTPRoute back/r rules[1]",
    ),
    Case("a host", ROUTE, [route("back/r", to("api"), hostnames=["a.x"])], API, "GET / a.x", "allow"),
    Case("… its port doesn't count", ROUTE, [route("back/r", to("api"), hostnames=["a.x"])], API, "GET / A.X:30000", "allow"),
    Case("another host", ROUTE, [route("back/r", to("api"), hostnames=["a.x"])], API, "GET / b.x", NOT_FOUND),
    Case("a wildcard host", ROUTE, [route("back/r", to("api"), hostnames=["*.x"])], API, "GET / b.a.x", "allow"),
    Case("… isn't its own parent", ROUTE, [route("back/r", to("api"), hostnames=["*.x"])], API, "GET / x", NOT_FOUND),
    Case(
        "a host that isn't said is the route's",
        ROUTE,
        [route("back/r", to("api"), hostnames=["a.x"])],
        API,
        "GET /",
        "allow",
        says="a host that the route takes",
    ),
    Case(
        "the more specific host decides alone",
        ROUTE,
        [route("back/r", to("api", prefix("/a")), hostnames=["a.x"]), route("back/s", to("page"), hostnames=["*.x"])],
        PAGE,
        "GET /b a.x",
        NOT_FOUND,
    ),
    Case("another gateway's route", ROUTE, [route("back/r", to("api"), name="other")], API, "GET /", NOT_FOUND),
    Case("a section that isn't there", ROUTE, [route("back/r", to("api"), sectionName="tls")], API, "GET /", NOT_FOUND),
    Case("no backends", ROUTE, [route("back/r", {"matches": [prefix("/")]})], FRONT, "GET /", "deny gateway http_500"),
    Case("a backend that isn't there", ROUTE, [route("back/r", to("ghost"))], FRONT, "GET /", "deny gateway http_500"),
    Case(
        "a Service without pods",
        ROUTE,
        [route("back/r", to("empty")), service("back/empty", [("http", 80, 80)])],
        FRONT,
        "GET /",
        "deny gateway http_503",
    ),
    Case(
        "a backend of another namespace",
        ROUTE,
        [route("infra/r", {"backendRefs": [{"name": "api", "namespace": "back", "port": 80}]})],
        FRONT,
        "GET /",
        "unknown",
        says="ReferenceGrant",
    ),
    Case(
        "… that a ReferenceGrant allows",
        ROUTE,
        [route("infra/r", {"backendRefs": [{"name": "api", "namespace": "back", "port": 80}]}), grant("infra")],
        FRONT,
        "GET /",
        "allow",
    ),
    Case(
        "… and one that a ReferenceGrant allows to others",
        ROUTE,
        [route("infra/r", {"backendRefs": [{"name": "api", "namespace": "back", "port": 80}]}), grant("elsewhere")],
        FRONT,
        "GET /",
        "unknown",
        says="ReferenceGrant",
    ),
    Case(
        "a backend without weight gets nothing",
        ROUTE,
        [route("back/r", {"backendRefs": [{"name": "page", "port": 80}, {"name": "api", "port": 80, "weight": 0}]})],
        FRONT,
        "GET /",
        "allow",
    ),
    Case(
        "a redirect",
        ROUTE,
        [route("back/r", {"filters": [{"type": "RequestRedirect", "requestRedirect": {"statusCode": 301}}]})],
        FRONT,
        "GET /",
        "deny gateway http_301",
    ),
    Case("no request: what would reach it is listed", ROUTE, [OPEN], API, "", "unknown", says="any method /api/…"),
    Case(
        "no request, and the hop behind is shut",
        ROUTE,
        [OPEN, netpol("back/n", "{podSelector: {}}")],
        API,
        "",
        "deny ingress_policy http_503",
    ),
    Case("the gateway's own Service, and on", ROUTE, [OPEN], FRONT, "GET /api", "allow"),
    Case("a pod behind a Service that a route leads to", ROUTE, [OPEN], "external > back/api:8080", "GET /api", "allow"),
    Case("… on a port that no Service has", ROUTE, [OPEN], "external > back/api:9999", "GET /api", "deny gateway http_404"),
    Case(
        "the destination sees the gateway's identity",
        MESH,
        [OPEN, policy([{"from": [{"source": {"principals": [GW_SA]}}]}], where="back/p")],
        API,
        "GET /api",
        "allow",
        "AuthorizationPolicy back/p rules[0]",
    ),
    Case(
        "… and refuses it",
        MESH,
        [OPEN, policy([{"from": [{"source": {"namespaces": ["x"]}}]}], where="back/p")],
        API,
        "GET /api",
        "deny ztunnel http_503",
        "AuthorizationPolicy back/p",
    ),
    Case(
        "… in mutual TLS",
        MESH,
        [OPEN, thing("PeerAuthentication", "back/s", {"mtls": {"mode": "STRICT"}})],
        API,
        "GET /api",
        "allow",
    ),
    Case(
        "the hop behind needs 15008",
        MESH,
        [OPEN, netpol("back/n", "{podSelector: {}, ingress: [{ports: [{port: 8080}]}]}")],
        API,
        "GET /api",
        "deny ingress_policy http_503",
        "NetworkPolicy back/n",
    ),
    Case(
        "the gateway's egress",
        MESH,
        [OPEN, netpol("infra/n", "{podSelector: {}, policyTypes: [Egress]}")],
        API,
        "GET /api",
        "deny egress_policy http_503",
    ),
    Case(
        "the gateway's ingress is shut",
        MESH,
        [OPEN, netpol("infra/n", "{podSelector: {}}")],
        API,
        "GET /api",
        "deny ingress_policy timeout",
        "NetworkPolicy infra/n",
    ),
    Case(
        "… open to everybody",
        MESH,
        [OPEN, netpol("infra/n", "{podSelector: {}, ingress: [{ports: [{port: 80}]}]}")],
        API,
        "GET /api",
        "allow",
    ),
    Case(
        "… open to every address",
        MESH,
        [OPEN, netpol("infra/n", "{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/0}}]}]}")],
        API,
        "GET /api",
        "allow",
        says="an address that isn't known",
    ),
    Case(
        "… open to some addresses",
        MESH,
        [OPEN, netpol("infra/n", "{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8}}]}]}")],
        API,
        "GET /api",
        "unknown",
        says="an address that isn't known",
    ),
    Case("a policy on the Gateway by targetRefs", ATTACH, [OPEN, policy([], targetRefs=[REF])], API, "GET /api", FORBIDDEN),
    Case("… by selector", ATTACH, [OPEN, policy([], selector={"matchLabels": GW_LABEL})], API, "GET /api", FORBIDDEN),
    Case("… of its namespace", ATTACH, [OPEN, policy([])], API, "GET /api", FORBIDDEN),
    Case("… of the root namespace", ATTACH, [OPEN, policy([], where="istio-system/p")], API, "GET /api", FORBIDDEN),
    Case("… to another Gateway", ATTACH, [OPEN, policy([], targetRefs=[REF | {"name": "x"}])], API, "GET /api", "allow"),
    Case("a policy is asked before the routes", ATTACH, [policy([{}], "DENY")], FRONT, "GET /", FORBIDDEN),
    Case(
        "a path that a policy denies",
        ATTACH,
        [OPEN, policy([{"to": [{"operation": {"paths": ["/api/admin*"]}}]}], "DENY")],
        API,
        "GET /api/x/../admin",
        FORBIDDEN,
        "AuthorizationPolicy infra/p rules[0]",
    ),
    Case(
        "mesh identities are nobody's at a gateway",
        ATTACH,
        [OPEN, policy([{"from": [{"source": {"principals": ["*"]}}]}])],
        API,
        "GET /api",
        FORBIDDEN,
    ),
    Case(
        "addresses outside aren't known",
        ATTACH,
        [OPEN, policy([{"from": [{"source": {"ipBlocks": ["1.2.3.4"]}}]}])],
        API,
        "GET /api",
        "unknown",
    ),
    Case(
        "an EnvoyFilter on the gateway",
        "istio.io: EnvoyFilter",
        [OPEN, thing("EnvoyFilter", "infra/f", {})],
        API,
        "GET /api",
        "unknown",
        says="EnvoyFilter infra/f",
    ),
    Case("from a pod in the cluster", MESH, [OPEN], "shop/web > infra/svc/gw:80", "GET /api", "allow"),
    Case(
        "… which must be let out",
        MESH,
        [OPEN, netpol("shop/n", "{podSelector: {}, policyTypes: [Egress]}")],
        "shop/web > infra/svc/gw:80",
        "GET /api",
        "deny egress_policy timeout",
    ),
    Case("… to no route", MESH, [OPEN], "shop/web > infra/svc/gw:80", "GET /x", NOT_FOUND),
    Case("… without a request only the connection is judged", MESH, [OPEN], "shop/web > infra/svc/gw:80", "", "allow"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_gateway(case):
    check(judge(snapshot_of(GATE, case.objects), case.flow, case.request, case.jwt, case.headers), case)


SAME = [route("back/r", to("api"))]
LISTENERS = [
    (
        "routes of other namespaces may not attach by default",
        [{"name": "http", "port": 80, "protocol": "HTTP"}],
        SAME,
        "GET /",
        404,
    ),
    (
        "… unless their namespace is chosen",
        [
            listener(
                allowedRoutes={
                    "namespaces": {"from": "Selector", "selector": {"matchLabels": {"kubernetes.io/metadata.name": "back"}}}
                }
            )
        ],
        SAME,
        "GET /",
        0,
    ),
    ("… or all are", [listener()], SAME, "GET /", 0),
    ("the listener's host", [listener(hostname="a.x")], SAME, "GET / b.x", 404),
    ("… and the route's meet", [listener(hostname="*.x")], [route("back/r", to("api"), hostnames=["a.x"])], "GET / a.x", 0),
    ("… or don't", [listener(hostname="*.y")], [route("back/r", to("api"), hostnames=["a.x"])], "GET / a.x", 404),
    ("a section", [listener(), listener("two", 81)], [route("back/r", to("api"), sectionName="two")], "GET /", 404),
    ("a listener that isn't HTTP", [listener(protocol="TCP")], SAME, "GET /", None),
]


@pytest.mark.parametrize(("name", "listeners", "routes", "request_", "status"), LISTENERS, ids=[row[0] for row in LISTENERS])
def test_a_listener(name, listeners, routes, request_, status):
    """gateway-api v1: Listener, allowedRoutes and hostname."""
    verdict = judge(snapshot_of(WORLD, [gateway(listeners)], routes), FRONT, request_)
    assert verdict.outcome == {None: "unknown", 0: "connected"}.get(status, f"http_{status}")


def test_without_a_gateway_nobody_knows_how_one_gets_in():
    verdict = judge(snapshot_of(WORLD), API, "GET /")
    assert verdict.decision.value == "unknown"
    assert "no Gateway" in said(verdict.reason)


def test_a_gateway_of_another_controller_is_unknown():
    assert "isn't Istio's" in said(judge(snapshot_of(WORLD, [gateway(name="nginx"), OPEN]), API, "GET /api").reason)


@pytest.mark.parametrize("kind", ["HTTPRoute", "Gateway", "RequestAuthentication", "AuthorizationPolicy", "EnvoyFilter"])
def test_what_may_not_be_listed_is_unknown(kind):
    """No route is 404 only where routes can be seen."""
    for objects, request in (([], "GET /"), ([OPEN], "GET /api")):
        seen = snapshot_of(GATE, objects, kinds={kind: KindState(KindStatus.FORBIDDEN)})
        for flow in (API, FRONT):
            if request == "GET /" and kind not in {"HTTPRoute", "Gateway"}:
                continue
            verdict = judge(seen, flow, request)
            assert (verdict.decision.value, verdict.outcome) == ("unknown", "unknown")
            assert kind in said(verdict.reason)


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|a)*(a|a)*(a|a)*(a|a)*", "(.*a){20}", "x" * 2000, "(" * 300])
def test_expressions_that_would_take_long_are_not_tried(pattern):
    slow = route("back/r", to("api", {"path": {"type": "RegularExpression", "value": pattern}}))
    assert judge(snapshot_of(GATE, [slow]), API, f"GET /{'a' * 60}!").decision.value == "unknown"


def test_of_two_gateways_the_one_that_leads_there_counts():
    other = [gateway(key="infra/aa"), pod("infra/aa-1", "10.0.9.2", [80], {"gateway.networking.k8s.io/gateway-name": "aa"})]
    assert judge(snapshot_of(GATE, other, [OPEN]), API, "GET /api").decision.value == "allow"


def test_manifests_without_the_gateways_pod_take_it_as_istio_deploys_it():
    rest = [o for o in GATE if o["metadata"]["name"] != "gw-1"]
    allowed = policy([{"from": [{"source": {"principals": [GW_SA]}}]}], where="back/p")
    assert judge(snapshot_of(rest, [OPEN, allowed]), API, "GET /api").decision.value == "allow"


def test_a_gateway_and_a_waypoint_behind_it():
    """The waypoint sees the gateway as its client, the destination the waypoint."""
    labels = {"istio.io/use-waypoint": "wp", "istio.io/ingress-use-waypoint": "true"}
    waypoint = {"gatewayClassName": "istio-waypoint", "listeners": [{"name": "mesh", "port": 15008, "protocol": "HBONE"}]}
    rest = [o for o in GATE if (o["kind"], o["metadata"]["name"]) != ("Service", "api")]
    behind = [service("back/api", [("http", 80, 8080)], labels=labels), thing("Gateway", "back/wp", waypoint), OPEN]
    target = {"kind": "Service", "group": "", "name": "api"}
    guard = policy(
        [{"from": [{"source": {"principals": [GW_SA]}}], "to": [{"operation": {"methods": ["GET"]}}]}],
        where="back/p",
        targetRefs=[target],
    )
    snapshot = snapshot_of(rest, behind, [guard])
    assert judge(snapshot, API, "GET /api").decision.value == "allow"
    denied = judge(snapshot, API, "POST /api")
    assert (denied.layer.value, denied.outcome) == ("waypoint", "http_403")


def test_a_service_that_no_route_leads_to_is_404_whatever_is_asked():
    assert judge(snapshot_of(GATE, [OPEN]), PAGE, "GET /api").outcome == "http_404"


BOOKSTORE = [
    (
        "POST /inven/stock/reserve has no route",
        "external > inventory/svc/inventory-service:8000",
        "POST /inven/stock/reserve",
        "http_404",
    ),
    ("reading stock", "external > inventory/svc/inventory-service:8000", "GET /inven/stock/42", "connected"),
    ("the books", "external > ecom/svc/ecom-service:8080", "GET /ecom/books", "connected"),
    ("the page", "external > ecom/svc/ui-service:3000", "GET /", "connected"),
    ("a database", "external > ecom/svc/ecom-db:5432", "", "http_404"),
    (
        "the books, through the gateway's Service",
        "external > infra/svc/gateway:80",
        "GET /ecom/books api.service.net:30000",
        "connected",
    ),
    ("another host", "external > infra/svc/gateway:80", "GET /ecom/books example.com", "http_404"),
]


@pytest.mark.parametrize(("name", "flow", "request_", "outcome"), BOOKSTORE, ids=[row[0] for row in BOOKSTORE])
def test_the_bookstore_from_outside(name, flow, request_, outcome):
    assert judge(bookstore(), flow, request_).outcome == outcome


def test_a_request_in_words():
    assert http("GET /x a.b").host == "a.b"
    assert http("") is None
