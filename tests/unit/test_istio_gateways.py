"""Istio's own Gateways: their hosts, VirtualServices, pods, ports and TLS. Every row says where its rule is written."""

import pytest

from tests.fakes.istio_routes import (
    API,
    EDGE,
    EXPORT,
    FROM_PUBLISHED,
    GATE,
    HOSTS,
    NAMES,
    NOT_FOUND,
    OPEN,
    PAGE,
    PASSED_ON,
    PUBLISHED,
    SECURE,
    SELECT,
    SERVERS,
    TLS_ROUTE,
    WORLD,
    destination,
    gateway,
    prefix,
    server,
    to,
    virtual,
)
from tests.fakes.requests import Case, check, deployment, judge, service, thing
from tests.fakes.snapshots import snapshot_of

CASES = [
    # hosts
    Case("a host mismatch", HOSTS, [GATE, virtual("back/r", to("api"), hosts=["a.x"])], API, "GET / b.x", NOT_FOUND),
    Case(
        "… a match, whatever the port", HOSTS, [GATE, virtual("back/r", to("api"), hosts=["a.x"])], API, "GET / A.X:80", "allow"
    ),
    Case("a server's host", HOSTS, [gateway(server("a.x")), virtual("back/r", to("api"))], API, "GET / b.x", NOT_FOUND),
    Case(
        "… narrower than the VirtualService's",
        HOSTS,
        [gateway(server("a.x")), virtual("back/r", to("api"), hosts=["*.x"])],
        API,
        "GET / a.x",
        "allow",
    ),
    Case("… wider", HOSTS, [gateway(server("*.x")), virtual("back/r", to("api"), hosts=["a.x"])], API, "GET / a.x", "allow"),
    Case("… apart", HOSTS, [gateway(server("*.y")), virtual("back/r", to("api"), hosts=["a.x"])], API, "GET / a.x", NOT_FOUND),
    Case(
        "a host that isn't said",
        HOSTS,
        [GATE, virtual("back/r", to("api"), hosts=["a.x"])],
        API,
        "GET /",
        "allow",
        says="a host that the route takes",
    ),
    Case(
        "the most specific host decides alone",
        HOSTS,
        [GATE, virtual("back/r", to("api", prefix("/a")), hosts=["a.x"]), virtual("back/s", to("page"), hosts=["*.x"])],
        PAGE,
        "GET /b a.x",
        NOT_FOUND,
    ),
    *(
        Case(
            f"hosts of namespaces: {host}", HOSTS, [gateway(server(host)), virtual("back/r", to("api"))], API, "GET / a.x", expect
        )
        for host, expect in [
            ("back/a.x", "allow"),
            ("*/a.x", "allow"),
            ("*/*", "allow"),
            ("./a.x", NOT_FOUND),
            ("other/*", NOT_FOUND),
        ]
    ),
    Case("the Gateway's own namespace", HOSTS, [gateway(server("./*")), virtual("ingress/r", to("api"))], API, "GET /", "allow"),
    Case(
        "a short host",
        NAMES,
        [GATE, virtual("back/r", to("api"), hosts=["api"])],
        API,
        "GET / api.back.svc.cluster.local",
        "allow",
    ),
    # which gateways
    Case("another gateway's", NAMES, [GATE, virtual("back/r", to("api"), gateways=["back/gw"])], API, "GET /", NOT_FOUND),
    Case("a gateway's short name", NAMES, [GATE, virtual("ingress/r", to("api"), gateways=["gw"])], API, "GET /", "allow"),
    Case("… of another namespace", NAMES, [GATE, virtual("back/r", to("api"), gateways=["gw"])], API, "GET /", NOT_FOUND),
    Case(
        "its former name",
        NAMES,
        [GATE, virtual("back/r", to("api"), gateways=["gw.ingress.svc.cluster.local"])],
        API,
        "GET /",
        "allow",
    ),
    Case("only for the mesh", NAMES, [GATE, virtual("back/r", to("api"), gateways=())], API, "GET /", NOT_FOUND),
    Case("exported to nobody else", EXPORT, [GATE, virtual("back/r", to("api"), exportTo=["."])], API, "GET /", NOT_FOUND),
    Case(
        "… to the gateway's namespace",
        EXPORT,
        [GATE, virtual("back/r", to("api"), exportTo=[".", "ingress"])],
        API,
        "GET /",
        "allow",
    ),
    Case("… to nobody at all", EXPORT, [GATE, virtual("back/r", to("api"), exportTo=["~"])], API, "GET /", NOT_FOUND),
    # which pods, and their ports
    Case("other pods", SELECT, [gateway(selector={"istio": "x"}), OPEN], API, "GET /a", "unknown", says="has no pods"),
    Case("… without a route", SELECT, [gateway(selector={"istio": "x"})], API, "GET /a", NOT_FOUND),
    Case("without a selector: all gateways", SELECT, [gateway(selector=None), OPEN], API, "GET /a", "allow"),
    Case("not sidecars", SELECT, [gateway(selector={"app": "api"}), OPEN], API, "GET /a", "unknown", says="has no pods"),
    Case(
        "of any namespace", SELECT, [gateway(key="back/gw"), virtual("back/r", to("api"), gateways=["gw"])], API, "GET /", "allow"
    ),
    Case(
        "… or of its own only",
        SELECT,
        [
            gateway(key="back/gw"),
            virtual("back/r", to("api"), gateways=["gw"]),
            deployment(
                "istio-system/istiod",
                {"app": "istiod"},
                [{"name": "discovery", "env": [{"name": "PILOT_SCOPE_GATEWAY_TO_NAMESPACE", "value": "true"}]}],
            ),
        ],
        API,
        "GET /",
        "unknown",
        says="has no pods",
    ),
    Case(
        "the pod's port is that of its Service",
        f"{SERVERS} (resolvePorts)",
        [GATE, OPEN, thing("NetworkPolicy", "ingress/n", {"podSelector": {}, "ingress": [{"ports": [{"port": 8080}]}]})],
        API,
        "GET /a",
        "allow",
    ),
    Case(
        "… else the server's",
        f"{SERVERS} (resolvePorts)",
        [
            gateway(server(port=8081)),
            OPEN,
            thing("NetworkPolicy", "ingress/n", {"podSelector": {}, "ingress": [{"ports": [{"port": 8080}]}]}),
        ],
        API,
        "GET /a",
        "deny ingress_policy timeout",
    ),
    Case(
        "… Services that differ",
        f"{SERVERS} (resolvePorts)",
        [GATE, OPEN, service("ingress/second", [("http", 80, 9090)], EDGE)],
        API,
        "GET /a",
        "unknown",
        says="translate differently",
    ),
    # TLS
    Case("TLS that ends here", SERVERS, [gateway(SECURE), OPEN], API, "GET /a", "allow"),
    Case(
        "… with a certificate of the client",
        SERVERS,
        [gateway(SECURE | {"tls": {"mode": "MUTUAL"}}), OPEN],
        API,
        "GET /a",
        "allow",
        says="the client has a certificate",
    ),
    Case("a mode of TLS that isn't known", SERVERS, [gateway(SECURE | {"tls": {"mode": "NEW"}}), OPEN], API, "GET /a", "unknown"),
    Case("a protocol that isn't known", SERVERS, [gateway(server(protocol="NEW")), OPEN], API, "GET /a", "unknown", says="NEW"),
    Case("… on its own port", SERVERS, [gateway(SECURE), OPEN], "external > ingress/svc/gate:443", "GET /a", "allow"),
    Case(
        "PASSTHROUGH",
        SERVERS,
        [gateway(PASSED_ON), virtual("back/r", tls=TLS_ROUTE)],
        API,
        "GET /",
        "unknown",
        says="TLS mode PASSTHROUGH",
    ),
    Case(
        "… beside HTTP",
        SERVERS,
        [gateway(server(), PASSED_ON), virtual("back/r", to("api"), tls=TLS_ROUTE)],
        API,
        "GET /",
        "allow",
    ),
    Case(
        "… that leads elsewhere",
        SERVERS,
        [gateway(server(), PASSED_ON), virtual("back/r", tls=TLS_ROUTE)],
        PAGE,
        "GET /",
        NOT_FOUND,
    ),
    Case(
        "AUTO_PASSTHROUGH leads anywhere",
        SERVERS,
        [gateway(PASSED_ON | {"tls": {"mode": "AUTO_PASSTHROUGH"}})],
        PAGE,
        "GET /",
        "unknown",
        says="AUTO_PASSTHROUGH",
    ),
    Case("… without routes", SERVERS, [gateway(PASSED_ON), OPEN], API, "GET /a", "unknown", says="no Gateway"),
    Case(
        "TCP",
        SERVERS,
        [gateway(server(port=31400, protocol="TCP")), virtual("back/r", tcp=[{"route": [destination("api")]}])],
        API,
        "",
        "unknown",
        says="TCP",
    ),
    Case(
        "a redirect to TLS",
        HOSTS,
        [gateway(server(tls={"httpsRedirect": True})), OPEN],
        API,
        "GET /a",
        "deny gateway http_301",
        "Gateway.networking.istio.io ingress/gw servers[0]",
    ),
    Case(
        "… where the same is open with TLS",
        HOSTS,
        [gateway(server(tls={"httpsRedirect": True}), SECURE), OPEN],
        API,
        "GET /a",
        "allow",
    ),
    Case(
        "… where the answer with TLS is another",
        HOSTS,
        [gateway(server(tls={"httpsRedirect": True}), SECURE), OPEN],
        API,
        "GET /b",
        NOT_FOUND,
    ),
    Case(
        "the most specific server name",
        SERVERS,
        [
            gateway(SECURE, key="ingress/all"),
            gateway(SECURE | {"hosts": ["a.x"]}),
            virtual("back/r", to("api"), gateways=["ingress/all"]),
        ],
        API,
        "GET / a.x",
        NOT_FOUND,
    ),
    Case(
        "two servers with one host",
        f"{SERVERS} (CheckDuplicates)",
        [gateway(SECURE), gateway(SECURE, key="ingress/second"), OPEN],
        API,
        "GET /a",
        "unknown",
        says="another server of the port has the host *",
    ),
    Case(
        "a gateway for the cluster only, alone",
        "kubernetes.io: Service, publishing",
        [GATE, OPEN],
        API,
        "GET /a",
        "allow",
        says="something forwards to its Services of type ClusterIP",
    ),
    Case(
        "… beside one that is published", "kubernetes.io: Service, publishing", [GATE, OPEN, *PUBLISHED], API, "GET /a", "unknown"
    ),
    Case(
        "… which leads there",
        "kubernetes.io: Service, publishing",
        [GATE, OPEN, *PUBLISHED, FROM_PUBLISHED],
        API,
        "GET /b",
        "allow",
    ),
    Case("bind", SERVERS, [gateway(server(bind="10.0.0.1")), OPEN], API, "GET /a", "unknown", says="bind"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_istios_own_gateway_serves(case):
    check(judge(snapshot_of(WORLD, case.objects), case.flow, case.request, headers=case.headers), case)
