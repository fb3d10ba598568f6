"""VirtualServices at gateways: the route of a request, and what is judged behind it. Every row says where its rule is written."""

import pytest

from meshtui.engine.whatif.requests import compare_requests
from meshtui.model.flow import Jwt
from meshtui.model.snapshot import KindState, KindStatus, MeshConfig
from meshtui.sources.slim import slim
from tests.fakes.istio_routes import (
    API,
    ATTACH,
    EDGE,
    ELSEWHERE,
    FORBIDDEN,
    FRONT,
    GATE,
    HOSTS,
    IDENTITY,
    NAMES,
    NOT_FOUND,
    OPEN,
    PAGE,
    ROUTE,
    SELECT,
    SERVERS,
    WORLD,
    destination,
    exact,
    gateway,
    paths,
    prefix,
    regex,
    to,
    virtual,
)
from tests.fakes.requests import Case, by, check, deployment, judge, policy, router, service, thing
from tests.fakes.snapshots import snapshot_of


def matched(match, request, expect="allow", source=ROUTE, **more):
    """A row about one match, beside which there is no other."""
    name = f"{match} {request} {more.get('headers', '')}"
    return Case(name, source, [GATE, virtual("back/r", to("api", match))], API, request, expect, **more)


CASES = [
    Case("a route leads there", ROUTE, [GATE, OPEN], API, "GET /a/x", "allow", "VirtualService back/r http[0]"),
    Case("no rule takes the path", ROUTE, [GATE, OPEN], API, "GET /other", NOT_FOUND, "Gateway.networking.istio.io ingress/gw"),
    Case("no rule leads to the Service", ROUTE, [GATE, OPEN], PAGE, "GET /a", NOT_FOUND),
    Case("the kinds alone don't make a route", ROUTE, [GATE], API, "GET /a", NOT_FOUND),
    Case("a prefix is one of the text", ROUTE, [GATE, OPEN], API, "GET /ab", "allow"),
    Case(
        "the first match wins over a more specific one",
        ROUTE,
        [GATE, virtual("back/r", to("api", prefix("/")), to("page", exact("/a")))],
        PAGE,
        "GET /a",
        ELSEWHERE,
        "VirtualService back/r http[0]",
    ),
    Case(
        "… the other way round",
        ROUTE,
        [GATE, virtual("back/r", to("page", exact("/a")), to("api", prefix("/")))],
        API,
        "GET /a",
        ELSEWHERE,
        "VirtualService back/r http[0]",
    ),
    Case(
        "… and not the longest prefix",
        ROUTE,
        [GATE, virtual("back/r", to("api", prefix("/a")), to("page", prefix("/a/b")))],
        PAGE,
        "GET /a/b",
        ELSEWHERE,
    ),
    Case("no match takes everything", ROUTE, [GATE, virtual("back/r", to("api"))], API, "DELETE /x", "allow"),
    Case("the older versions too", ROUTE, [GATE, virtual("back/r", to("api"), version="v1alpha3")], API, "GET /", "allow"),
    # matches
    matched(exact("/a"), "GET /a"),
    matched(exact("/a"), "GET /a/", NOT_FOUND),
    matched(regex("/v[0-9]/.*"), "GET /v1/x"),
    matched(regex("/v[0-9]"), "GET /v1/x", NOT_FOUND),
    matched(regex("("), "GET /v1", "unknown", says="can't be read"),
    matched(prefix("/A", ignoreUriCase=True), "GET /aB"),
    matched(prefix("/A"), "GET /ab", NOT_FOUND),
    matched(regex("/A", ignoreUriCase=True), "GET /a", NOT_FOUND),
    matched({"method": {"exact": "GET"}}, "GET /"),
    matched({"method": {"exact": "GET"}}, "POST /", NOT_FOUND),
    matched({"method": {"regex": "GET|HEAD"}}, "HEAD /"),
    matched({"headers": {"x-team": {"exact": "ops"}}}, "GET /", headers=(("X-Team", "ops"),)),
    matched({"headers": {"x-team": {"exact": "ops"}}}, "GET /", NOT_FOUND),
    matched({"headers": {"x-team": {"prefix": "o"}}}, "GET /", headers=(("X-Team", "ops"),)),
    matched({"headers": {"x-team": {}}}, "GET /", headers=(("X-Team", "any"),)),
    matched({"headers": {"x-team": {"regex": "*"}}}, "GET /", NOT_FOUND),
    matched({"withoutHeaders": {"x-team": {"exact": "ops"}}}, "GET /"),
    matched({"withoutHeaders": {"x-team": {"exact": "ops"}}}, "GET /", NOT_FOUND, headers=(("X-Team", "ops"),)),
    matched({"withoutHeaders": {"x-team": {}}}, "GET /", NOT_FOUND, headers=(("X-Team", "ops"),)),
    matched({"queryParams": {"v": {"exact": "1"}}}, "GET /?v=1"),
    matched({"queryParams": {"v": {"exact": "1"}}}, "GET /?v=2", NOT_FOUND),
    matched({"authority": {"exact": "a.x"}}, "GET / a.x"),
    matched({"authority": {"exact": "a.x"}}, "GET / b.x", NOT_FOUND),
    matched({"authority": {"exact": "a.x"}}, "GET /", "unknown", says="authority"),
    matched({"scheme": {"exact": "https"}}, "GET /", "unknown", says="scheme"),
    matched({"scheme": {"exact": "https"}} | prefix("/a"), "GET /b", NOT_FOUND),
    matched({"headers": {"@request.auth.claims.group": {"exact": "a"}}}, "GET /", "unknown", says="claims"),
    matched({"port": 80}, "GET /"),
    matched({"port": 8080}, "GET /", NOT_FOUND),
    matched({"sourceLabels": EDGE}, "GET /"),
    matched({"sourceLabels": {"istio": "other"}}, "GET /", NOT_FOUND),
    matched({"sourceNamespace": "back"}, "GET /", NOT_FOUND),
    matched({"gateways": ["ingress/gw"], "sourceLabels": {"istio": "other"}}, "GET /"),
    matched({"gateways": ["mesh"]}, "GET /", NOT_FOUND),
    # destinations
    Case(
        "weight 0 gets nothing",
        ROUTE,
        [
            GATE,
            virtual("back/r", {"route": [destination("api", weight=100), destination("page", weight=0)]}),
            policy([], "back/no", selector={"matchLabels": {"app": "api"}}),
        ],
        FRONT,
        "GET /",
        "deny sidecar http_403",
    ),
    Case(
        "no weight beside others is 0",
        ROUTE,
        [
            GATE,
            virtual("back/r", {"route": [destination("api", weight=100), destination("page")]}),
            policy([], "back/no", selector={"matchLabels": {"app": "page"}}),
        ],
        FRONT,
        "GET /",
        "allow",
    ),
    Case(
        "several destinations are several paths",
        ROUTE,
        [
            GATE,
            virtual("back/r", {"route": [destination("api", weight=90), destination("page", weight=10)]}),
            policy([], "back/no", selector={"matchLabels": {"app": "page"}}),
        ],
        FRONT,
        "GET /",
        "mixed",
    ),
    Case("a short name", NAMES, [GATE, virtual("back/r", {"route": [destination("api")]})], API, "GET /", "allow"),
    Case(
        "… is relative to the VirtualService",
        NAMES,
        [GATE, virtual("ingress/r", {"route": [destination("api")]})],
        FRONT,
        "GET /",
        "deny gateway http_503",
    ),
    Case(
        "a name with a dot gets no domain",
        NAMES,
        [GATE, virtual("ingress/r", {"route": [destination("api.back")]})],
        FRONT,
        "GET /",
        "unknown",
        says="Host api.back",
    ),
    Case(
        "… nor is another domain known to be the cluster's",
        NAMES,
        [GATE, virtual("back/r", {"route": [destination("api.back.svc.other.org")]})],
        API,
        "GET /",
        "unknown",
        says="Host api.back.svc.other.org",
    ),
    Case("any namespace's Service", NAMES, [GATE, virtual("ingress/r", to("api"))], API, "GET /", "allow"),
    Case("the Service's only port", ROUTE, [GATE, virtual("back/r", to("api", port=None))], API, "GET /", "allow"),
    Case(
        "a port that isn't there", ROUTE, [GATE, virtual("back/r", to("api", port=81))], FRONT, "GET /", "deny gateway http_503"
    ),
    Case(
        "a Service without pods",
        ROUTE,
        [GATE, virtual("back/r", to("empty")), service("back/empty", [("http", 80, 80)])],
        FRONT,
        "GET /",
        "deny gateway http_503",
    ),
    Case(
        "a subset",
        ROUTE,
        [GATE, virtual("back/r", {"route": [{"destination": {"host": "api", "subset": "v1"}}]})],
        API,
        "GET /",
        "unknown",
        says="route[0].destination.subset",
    ),
    Case(
        "an alias",
        ROUTE,
        [GATE, virtual("back/r", to("away")), service("back/away", [("http", 80, 80)], {}, externalName="a.example")],
        FRONT,
        "GET /",
        "unknown",
        says="ExternalName",
    ),
    # other fields
    Case("a redirect", ROUTE, [GATE, virtual("back/r", {"redirect": {"uri": "/b"}})], FRONT, "GET /", "deny gateway http_301"),
    Case(
        "… with a code",
        ROUTE,
        [GATE, virtual("back/r", {"redirect": {"uri": "/b", "redirectCode": 302}})],
        FRONT,
        "GET /",
        "deny gateway http_302",
    ),
    Case(
        "a direct response",
        ROUTE,
        [GATE, virtual("back/r", {"directResponse": {"status": 418}, "match": [exact("/t")]}, to("api"))],
        API,
        "GET /t",
        "deny gateway http_418",
        "VirtualService back/r http[0]",
    ),
    Case(
        "a delegate",
        "istio/istio pilot/pkg/model/virtualservice.go (MergeHTTPRoutes)",
        [GATE, virtual("back/r", {"delegate": {"name": "d"}, "match": [prefix("/a")]})],
        API,
        "GET /a",
        "unknown",
        says="delegate",
    ),
    Case(
        "… of other requests",
        ROUTE,
        [GATE, virtual("back/r", {"delegate": {"name": "d"}, "match": [prefix("/a")]})],
        API,
        "GET /b",
        NOT_FOUND,
    ),
    Case(
        "a fault that aborts",
        ROUTE,
        [GATE, virtual("back/r", to("api", fault={"abort": {"httpStatus": 500, "percentage": {"value": 50}}}))],
        API,
        "GET /",
        "unknown",
        says="fault.abort",
    ),
    Case(
        "… that delays", ROUTE, [GATE, virtual("back/r", to("api", fault={"delay": {"fixedDelay": "5s"}}))], API, "GET /", "allow"
    ),
    Case("a mirror", ROUTE, [GATE, virtual("back/r", to("api", mirror={"host": "page"}))], API, "GET /", "allow"),
    Case(
        "… gets no request of its own",
        ROUTE,
        [GATE, virtual("back/r", to("api", mirror={"host": "page"}))],
        PAGE,
        "GET /",
        NOT_FOUND,
    ),
    Case(
        "timeouts change nothing",
        ROUTE,
        [GATE, virtual("back/r", to("api", timeout="3s", retries={"attempts": 3}))],
        API,
        "GET /",
        "allow",
    ),
    Case("CORS", ROUTE, [GATE, virtual("back/r", to("api", corsPolicy={"allowOrigins": []}))], API, "GET /", "allow"),
    Case(
        "… may answer OPTIONS",
        ROUTE,
        [GATE, virtual("back/r", to("api", corsPolicy={"allowOrigins": []}))],
        API,
        "OPTIONS /",
        "unknown",
    ),
    Case("a field that isn't known", ROUTE, [GATE, virtual("back/r", to("api", odd=1))], API, "GET /", "unknown", says="odd"),
    Case("… of the whole object", ROUTE, [GATE, virtual("back/r", to("api"), odd=1)], API, "GET /", "unknown", says="spec.odd"),
    Case("no destination", ROUTE, [GATE, virtual("back/r", {"match": [prefix("/")]})], FRONT, "GET /", "unknown", says="route"),
    # rewrites: what the policy behind sees
    *(
        Case(
            f"a rewrite: {name}",
            ROUTE,
            [GATE, virtual("back/r", to("api", match, **change)), policy(paths(seen), "back/p")],
            API,
            request,
            "allow",
        )
        for name, match, change, request, seen in [
            ("no change", prefix("/a/"), {}, "GET /a/x", "/a/x"),
            ("the prefix", prefix("/a/"), {"rewrite": {"uri": "/"}}, "GET /a/x?q=1", "/x"),
            ("an exact path", exact("/a/x"), {"rewrite": {"uri": "/b"}}, "GET /a/x", "/b"),
            ("an expression", regex("/a/.*"), {"rewrite": {"uri": "/b"}}, "GET /a/x", "/b"),
            ("without a path", {"method": {"exact": "GET"}}, {"rewrite": {"uri": "/b/"}}, "GET /x", "/b/x"),
        ]
    ),
    Case(
        "… and not what the client sent",
        ROUTE,
        [GATE, virtual("back/r", to("api", prefix("/a/"), rewrite={"uri": "/"})), policy(paths("/a/*"), "back/p")],
        API,
        "GET /a/x",
        "deny sidecar http_403",
    ),
    Case(
        "… while the gateway sees the original",
        ROUTE,
        [GATE, virtual("back/r", to("api", prefix("/a/"), rewrite={"uri": "/"})), policy(paths("/a/*"), "ingress/p")],
        API,
        "GET /a/x",
        "allow",
    ),
    Case(
        "a rewrite by an expression",
        ROUTE,
        [
            GATE,
            virtual("back/r", to("api", rewrite={"uriRegexRewrite": {"match": "a", "rewrite": "b"}})),
            policy(paths("/b"), "back/p"),
        ],
        API,
        "GET /a",
        "unknown",
    ),
    Case(
        "the host",
        ROUTE,
        [
            GATE,
            virtual("back/r", to("api", rewrite={"authority": "in.x"})),
            policy([{"to": [{"operation": {"hosts": ["in.x"]}}]}], "back/p"),
        ],
        API,
        "GET / out.x",
        "allow",
    ),
    *(
        Case(
            f"headers that are {name}",
            ROUTE,
            [
                GATE,
                virtual("back/r", to("api", headers={"request": change})),
                policy([{"when": [{"key": "request.headers[x-a]", "values": ["1"]}]}], "back/p"),
            ],
            API,
            "GET /",
            expect,
            headers=(("X-A", "2"),) if name != "added" else (),
        )
        for name, change, expect in [
            ("set", {"set": {"x-a": "1"}}, "allow"),
            ("added", {"add": {"x-a": "1"}}, "allow"),
            ("removed", {"remove": ["x-a"]}, "deny sidecar http_403"),
            (
                "set to a variable",
                {"set": {"x-a": "%REQ(x-b)%"}},
                "unknown",
            ),
        ]
    ),
    # several VirtualServices
    Case(
        "two for one request: no order",
        HOSTS,
        [GATE, OPEN, virtual("back/s", to("page", prefix("/a")))],
        API,
        "GET /a",
        "unknown",
        says="the order between VirtualServices isn't defined",
    ),
    Case(
        "… for one that only one takes", HOSTS, [GATE, OPEN, virtual("back/s", to("page", prefix("/p")))], PAGE, "GET /p", "allow"
    ),
    Case(
        "a match of everything is last",
        f"{ROUTE} (SortVHostRoutes)",
        [GATE, OPEN, virtual("back/s", to("page"))],
        API,
        "GET /a",
        "allow",
    ),
    Case(
        "… and takes the rest", f"{ROUTE} (SortVHostRoutes)", [GATE, OPEN, virtual("back/s", to("page"))], PAGE, "GET /p", "allow"
    ),
    Case(
        "Gateways of one port have their routes together",
        SERVERS,
        [GATE, gateway(key="back/gw"), OPEN, virtual("back/s", to("page"), gateways=["back/gw"])],
        PAGE,
        "GET /p",
        "allow",
    ),
    # policies
    Case(
        "the gateway's ALLOW policy by selector",
        ATTACH,
        [GATE, OPEN, policy(paths("/x"), "ingress/p", selector={"matchLabels": EDGE})],
        API,
        "GET /a",
        FORBIDDEN,
        "AuthorizationPolicy ingress/p",
    ),
    Case(
        "… that allows",
        ATTACH,
        [GATE, OPEN, policy(paths("/a*"), "ingress/p", selector={"matchLabels": EDGE})],
        API,
        "GET /a",
        "allow",
    ),
    Case(
        "… for other pods",
        ATTACH,
        [GATE, OPEN, policy([], "ingress/p", selector={"matchLabels": {"istio": "x"}})],
        API,
        "GET /a",
        "allow",
    ),
    Case(
        "… its port is the pod's",
        ATTACH,
        [GATE, OPEN, policy([{"to": [{"operation": {"ports": ["8080"]}}]}], "ingress/p")],
        API,
        "GET /a",
        "allow",
    ),
    Case(
        "the backend's policy that names the gateway",
        ATTACH,
        [GATE, OPEN, policy(by(IDENTITY), "back/p")],
        API,
        "GET /a",
        "allow",
        "AuthorizationPolicy back/p rules[0]",
    ),
    Case(
        "… or somebody else",
        ATTACH,
        [GATE, OPEN, policy(by("cluster.local/ns/x/sa/y"), "back/p")],
        API,
        "GET /a",
        "deny sidecar http_403",
    ),
    Case(
        "an EnvoyFilter",
        ATTACH,
        [GATE, OPEN, thing("EnvoyFilter", "ingress/f", {})],
        API,
        "GET /a",
        "unknown",
        says="EnvoyFilter ingress/f",
    ),
    Case(
        "a hop that is shut",
        ATTACH,
        [GATE, OPEN, thing("NetworkPolicy", "back/n", {"podSelector": {}})],
        API,
        "GET /a",
        "deny ingress_policy http_503",
    ),
    # without a request
    Case("no request", ROUTE, [GATE, OPEN], API, "", "unknown", says="any method /a…"),
    Case("… and the hop behind is shut", ROUTE, [GATE, OPEN, policy([], "back/p")], API, "", "deny sidecar http_403"),
    Case("… no route", ROUTE, [GATE, OPEN], PAGE, "", NOT_FOUND),
    # from inside
    Case(
        "a pod through the gateway",
        ROUTE,
        [GATE, OPEN],
        "back/page > ingress/svc/gate:80",
        "GET /a",
        "allow",
        "VirtualService back/r http[0]",
    ),
    Case("… without a route", ROUTE, [GATE, OPEN], "back/page > ingress/svc/gate:80", "GET /b", NOT_FOUND),
    Case("… on a port that no server has", ROUTE, [GATE, OPEN], "back/page > ingress/gate:9999", "GET /a", "allow"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_request_through_istios_own_gateway(case):
    check(judge(snapshot_of(WORLD, case.objects), case.flow, case.request, headers=case.headers), case)


def test_a_token_that_the_route_takes_away():
    idp = thing("RequestAuthentication", "back/idp", {"jwtRules": [{"issuer": "https://idp"}]})
    needs = policy([{"from": [{"source": {"requestPrincipals": ["*"]}}]}], "back/t")
    for change, expect in (({}, "allow"), ({"remove": ["Authorization"]}, "unknown")):
        route = virtual("back/r", to("api", headers={"request": change}))
        verdict = judge(snapshot_of(WORLD, [GATE, route, idp, needs]), API, "GET /", Jwt("https://idp", "x"))
        assert verdict.decision.value == expect


def test_a_token_at_the_gateway():
    idp = thing("RequestAuthentication", "ingress/idp", {"jwtRules": [{"issuer": "https://idp"}]})
    needs = policy([{"from": [{"source": {"notRequestPrincipals": ["*"]}}]}], "ingress/t", "DENY", selector={"matchLabels": EDGE})
    snapshot = snapshot_of(WORLD, [GATE, OPEN, idp, needs])
    assert judge(snapshot, API, "GET /a").outcome == "http_403"
    assert judge(snapshot, API, "GET /a", Jwt("https://other", "x")).outcome == "http_401"
    assert judge(snapshot, API, "GET /a", Jwt("https://idp", "x")).decision.value == "allow"


@pytest.mark.parametrize("kind", ["VirtualService", "Gateway.networking.istio.io"])
def test_a_kind_that_may_not_be_listed_makes_requests_unknown(kind):
    hidden = {kind: KindState(KindStatus.FORBIDDEN, "no")}
    verdict = judge(snapshot_of(WORLD, [GATE, OPEN], kinds=hidden), API, "GET /a")
    assert verdict.decision.value == "unknown"


def test_the_meshs_default_for_export():
    snapshot = snapshot_of(WORLD, [GATE, OPEN], mesh=MeshConfig(virtual_service_export_to=(".",)))
    assert judge(snapshot, API, "GET /a").outcome == "http_404"


def test_a_completed_gateway_pod_serves_nothing():
    done = router("ingress/gate", "10.0.9.1", labels=EDGE)
    done["status"]["phase"] = "Succeeded"
    rest = [each for each in WORLD if each["metadata"]["name"] != "gate"]
    assert judge(snapshot_of(rest, [done, GATE, OPEN]), API, "GET /a").decision.value == "unknown"


def test_replicas_that_differ_are_mixed():
    second = router("ingress/second", "10.0.9.2", labels=EDGE | {"shut": "yes"})
    shut = thing("NetworkPolicy", "ingress/n", {"podSelector": {"matchLabels": {"shut": "yes"}}, "ingress": []})
    assert judge(snapshot_of(WORLD, [second, shut, GATE, OPEN]), API, "GET /a").decision.value == "mixed"


def test_a_virtual_service_that_cant_be_read_makes_requests_unknown():
    broken = virtual("back/broken", to("page"))
    broken["spec"]["hosts"] = 5
    assert judge(snapshot_of(WORLD, [GATE, OPEN, broken]), API, "GET /a").decision.value == "unknown"


def test_a_report_keeps_what_decides():
    scoped = [{"name": "discovery", "env": [{"name": "PILOT_SCOPE_GATEWAY_TO_NAMESPACE", "value": "true"}]}]
    objects = [gateway(key="back/gw"), virtual("back/r", to("api"), gateways=["gw"])]
    for more, expect in (([], "allow"), ([deployment("istio-system/istiod", {"app": "istiod"}, scoped)], "unknown")):
        written = [slim(each) for each in (*WORLD, *objects, *more)]
        assert judge(snapshot_of(written), API, "GET /").decision.value == expect


def test_a_change_of_routes_is_compared():
    before, after = snapshot_of(WORLD, [GATE]), snapshot_of(WORLD, [GATE, OPEN, virtual("back/s", to("page", regex("/z.*")))])
    found = compare_requests(before, after)
    assert [(shift.what.value, shift.destination) for shift in found.shifts] == [("opened", "back/Service/api")]
    assert found.covered == ("1 requests from outside, one for each match of the HTTPRoutes and VirtualServices",)
    assert found.left_out == ("1 matches of HTTPRoutes and VirtualServices by expressions, for which no request is known",)


def test_nothing_changes_without_these_kinds():
    check(
        judge(snapshot_of(WORLD), API, "GET /a"),
        Case("no gateway", SELECT, [], API, "GET /a", "unknown", says="no Gateway is known"),
    )
