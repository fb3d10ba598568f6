"""What the peers' checks find about waypoints, each where a rule must find it, and where it must not."""

import pytest

from meshtui.findings import look
from meshtui.model.finding import Severity
from tests.fakes.egress import entry
from tests.fakes.requests import thing
from tests.fakes.snapshots import ambient, namespace, pod, policy, snapshot_of
from tests.unit.findings.cases import assert_found

TELLS = {"MT240", "MT241", "MT242", "MT243"}
GATEWAY_API = "gateway.networking.k8s.io"
USES = {"istio.io/use-waypoint": "gate"}
FAR = {**USES, "istio.io/use-waypoint-namespace": "edge"}
CART = pod("store/cart", "10.1.0.1", [("http", 8080)], account="cart")
TILL = pod("store/till", "10.1.0.2", [("http", 8080)], account="till")
OTHER = pod("store/other", "10.1.0.7", [("http", 8080)], account="other")
PLAIN, BARE = namespace("plain"), pod("plain/cron", "10.1.9.1", [80], account="cron")
WP_POD = pod("store/gate-x", "10.1.0.9", [15008], labels={f"{GATEWAY_API}/gateway-name": "gate"}, account="gate")


def service(key="store/cart", labels=None, app="cart", **more):
    spec = {"selector": {"app": app}, "ports": [{"name": "http", "port": 80, "targetPort": 8080}]} | more
    return thing("Service", key, spec, labels)


def waypoint(key="store/gate", labels=None, allowed=None, name="istio-waypoint"):
    listener = {"name": "mesh", "port": 15008, "protocol": "HBONE"} | (
        {"allowedRoutes": {"namespaces": allowed}} if allowed else {}
    )
    return thing("Gateway", key, {"gatewayClassName": name, "listeners": [listener]}, labels)


def authz(target, action="DENY", key="store/guard", rules=({},)):
    return policy(key, {"targetRefs": [target], "action": action, "rules": list(rules)}, "AuthorizationPolicy")


def to(kind, name, group=""):
    return {"kind": kind, "name": name, "group": group}


def classic(kind, key, spec):
    space, _, name = key.partition("/")
    return {"apiVersion": "networking.istio.io/v1", "kind": kind, "metadata": {"name": name, "namespace": space}, "spec": spec}


SERVER = {"port": {"number": 80, "name": "http", "protocol": "HTTP"}, "hosts": ["*"]}
PROXY = {
    "containers": [{"name": "istio-proxy", "image": "proxy:1", "args": ["proxy", "router"], "ports": [{"containerPort": 80}]}]
}
AT_CART, AT_GATE = to("Service", "cart"), to("Gateway", "gate", GATEWAY_API)
FROM_TILL = {"from": [{"source": {"principals": ["cluster.local/ns/store/sa/till"]}}]}
FROM_WP = {"from": [{"source": {"principals": ["cluster.local/ns/store/sa/gate"]}}]}
GETS = {"to": [{"operation": {"methods": ["GET"]}}]}
JWT = policy("store/jwt", {"targetRefs": [AT_CART], "jwtRules": [{"issuer": "x", "jwks": "{}"}]}, "RequestAuthentication")
BASE = [ambient("store"), CART, TILL]
EDGE = [namespace("edge"), waypoint("edge/gate")]
OPEN = waypoint("edge/gate", allowed={"from": "All"})
CHOSEN = {"from": "Selector", "selector": {"matchLabels": {"team": "red"}}}
INGRESS = thing(
    "Gateway",
    "doors/front",
    {
        "gatewayClassName": "istio",
        "listeners": [{"name": "web", "port": 80, "protocol": "HTTP", "allowedRoutes": {"namespaces": {"from": "All"}}}],
    },
)
ROUTE = thing(
    "HTTPRoute",
    "store/cart",
    {"parentRefs": [{"name": "front", "namespace": "doors"}], "rules": [{"backendRefs": [{"name": "cart", "port": 80}]}]},
)
ENTERS = [*BASE, namespace("doors"), INGRESS, ROUTE, waypoint()]
ONLY_GATE = policy("store/only", {"selector": {"matchLabels": {"app": "cart"}}, "rules": [FROM_WP]}, "AuthorizationPolicy")
ONLY_TILL = policy("store/till", {"selector": {"matchLabels": {"app": "cart"}}, "rules": [FROM_TILL]}, "AuthorizationPolicy")
LETS_DOORS_IN = policy(
    "store/doors",
    {
        "selector": {"matchLabels": {"app": "cart"}},
        "rules": [FROM_WP, {"from": [{"source": {"principals": ["cluster.local/ns/doors/sa/front-istio"]}}]}],
    },
    "AuthorizationPolicy",
)
STRICT = policy("store/strict", {"mtls": {"mode": "STRICT"}}, "PeerAuthentication")
CLASSIC = [
    *BASE,
    namespace("doors"),
    pod("doors/old", "10.1.5.1", [80], labels={"app": "old", "istio": "ingressgateway"}, account="old", spec=PROXY),
    classic("Gateway", "doors/old", {"selector": {"istio": "ingressgateway"}, "servers": [SERVER]}),
    classic(
        "VirtualService",
        "doors/cart",
        {
            "hosts": ["*"],
            "gateways": ["old"],
            "http": [{"route": [{"destination": {"host": "cart.store.svc.cluster.local", "port": {"number": 80}}}]}],
        },
    ),
    waypoint(),
]
ERROR, WARNING, INFO = Severity.ERROR, Severity.WARNING, Severity.INFO

ROWS = [
    # name, rule, objects, severities expected
    (
        "AttachmentDenied: a waypoint of another namespace, and a DENY",
        "MT240",
        [*BASE, *EDGE, service(labels=FAR), authz(AT_CART)],
        [ERROR],
    ),
    ("AttachmentDenied: without a policy", "MT240", [*BASE, *EDGE, service(labels=FAR)], [WARNING]),
    ("AttachmentDenied: RequestAuthentication", "MT240", [*BASE, *EDGE, service(labels=FAR), JWT], [ERROR]),
    (
        "AttachmentDenied: the listener lets all in",
        "MT240",
        [*BASE, namespace("edge"), OPEN, service(labels=FAR), authz(AT_CART)],
        [],
    ),
    ("AttachmentDenied: a waypoint of the own namespace", "MT240", [*BASE, waypoint(), service(labels=USES), authz(AT_CART)], []),
    (
        "AttachmentDenied: a selector that doesn't match",
        "MT240",
        [*BASE, namespace("edge"), waypoint("edge/gate", allowed=CHOSEN), service(labels=FAR), authz(AT_CART)],
        [ERROR],
    ),
    (
        "AttachmentDenied: a selector, and labels of the namespace that nobody knows",
        "MT240",
        [CART, namespace("edge"), waypoint("edge/gate", allowed=CHOSEN), service(labels=FAR), authz(AT_CART)],
        [],
    ),
    (
        "AttachmentDenied: a ServiceEntry",
        "MT240",
        [*BASE, *EDGE, entry("store/ext", labels=FAR), authz(to("ServiceEntry", "ext", "networking.istio.io"))],
        [ERROR],
    ),
    (
        "UnsupportedTrafficType: waypoint-for workload, and a policy of the Service",
        "MT240",
        [*BASE, waypoint(labels={"istio.io/waypoint-for": "workload"}), service(labels=USES), authz(AT_CART)],
        [ERROR],
    ),
    (
        "UnsupportedTrafficType: waypoint-for none, and a policy of the Gateway",
        "MT240",
        [*BASE, waypoint(labels={"istio.io/waypoint-for": "none"}), service(labels=USES), authz(AT_GATE)],
        [ERROR],
    ),
    (
        "UnsupportedTrafficType: a pod's label, and a waypoint for Services",
        "MT240",
        [ambient("store"), pod("store/cart", "10.1.0.1", [8080], labels={"app": "cart", **USES}), waypoint()],
        [WARNING],
    ),
    (
        "UnsupportedTrafficType: waypoint-for all",
        "MT240",
        [*BASE, waypoint(labels={"istio.io/waypoint-for": "all"}), service(labels=USES), authz(AT_CART)],
        [],
    ),
    (
        "UnsupportedTrafficType: a namespace's label, and a waypoint for Services",
        "MT240",
        [namespace("store", **{"istio.io/dataplane-mode": "ambient", **USES}), CART, waypoint(), service(), authz(AT_CART)],
        [],
    ),
    (
        "AttachmentDenied: the pods needn't let a waypoint in that refuses them",
        "MT206",
        [*BASE, *EDGE, service(labels=FAR), ONLY_TILL],
        [],
    ),
    (
        "istio#51214 a gateway that the waypoint would deny",
        "MT241",
        [*ENTERS, service(labels=USES), authz(AT_CART, "ALLOW", rules=[FROM_TILL])],
        [ERROR],
    ),
    (
        "istio#51214 a gateway whose requests it may deny",
        "MT241",
        [*ENTERS, service(labels=USES), authz(AT_CART, "ALLOW", rules=[GETS])],
        [WARNING],
    ),
    (
        "istio#51214 a policy on the pods lets the gateway in by its name",
        "MT241",
        [*ENTERS, service(labels=USES), authz(AT_CART, "ALLOW", rules=[FROM_TILL]), LETS_DOORS_IN],
        [INFO],
    ),
    (
        "istio#51214 the Service has ingress-use-waypoint",
        "MT241",
        [*ENTERS, service(labels=USES | {"istio.io/ingress-use-waypoint": "true"}), authz(AT_CART, "ALLOW", rules=[GETS])],
        [],
    ),
    (
        "istio#51214 the namespace isn't given, whose label may say so",
        "MT241",
        [*ENTERS[1:], service(labels=USES), authz(AT_CART, "ALLOW", rules=[FROM_TILL])],
        [INFO],
    ),
    (
        "istio#51214 a classic gateway",
        "MT241",
        [*CLASSIC, service(labels=USES), authz(AT_CART, "ALLOW", rules=[GETS])],
        [WARNING],
    ),
    (
        "istio#51214 a classic gateway, and the Service has ingress-use-waypoint",
        "MT241",
        [*CLASSIC, service(labels=USES | {"istio.io/ingress-use-waypoint": "true"}), authz(AT_CART, "ALLOW", rules=[GETS])],
        [],
    ),
    ("a call of a classic gateway that is denied", "MT217", [*CLASSIC, service(), ONLY_TILL], [ERROR]),
    ("a call of a classic gateway that is allowed", "MT217", [*CLASSIC, service()], []),
    ("istio#51214 nothing is enforced at the waypoint", "MT241", [*ENTERS, service(labels=USES)], []),
    ("istio#51214 a DENY for somebody else", "MT241", [*ENTERS, service(labels=USES), authz(AT_CART, rules=[FROM_TILL])], []),
    (
        "istio#51214 the pods let in the waypoint only",
        "MT241",
        [*ENTERS, service(labels=USES), authz(AT_CART, "ALLOW", rules=[GETS]), ONLY_GATE],
        [],
    ),
    (
        "goes around: a caller outside the mesh",
        "MT242",
        [*BASE, PLAIN, BARE, waypoint(), service(labels=USES), authz(AT_CART, "ALLOW", rules=[FROM_TILL])],
        [WARNING],
    ),
    (
        "goes around: a caller in the mesh, by the pod's address",
        "MT242",
        [*BASE, waypoint(), service(labels=USES), authz(AT_CART, rules=[FROM_TILL])],
        [WARNING],
    ),
    (
        "goes around: a caller in the mesh whom no rule lets in, by the pod's address",
        "MT242",
        [*BASE, STRICT, waypoint(), service(labels=USES), authz(AT_CART, "ALLOW", rules=[FROM_TILL]), OTHER],
        [INFO],
    ),
    (
        "goes around: what the waypoint asks depends on the request",
        "MT242",
        [*BASE, STRICT, waypoint(), service(labels=USES), authz(AT_CART, "ALLOW", rules=[GETS])],
        [INFO],
    ),
    (
        "goes around: the pods let in the waypoint only",
        "MT242",
        [*BASE, PLAIN, BARE, waypoint(), service(labels=USES), authz(AT_CART, "ALLOW", rules=[FROM_TILL]), ONLY_GATE],
        [],
    ),
    (
        "goes around: a NetworkPolicy is before the pods",
        "MT242",
        [
            *BASE,
            PLAIN,
            BARE,
            waypoint(),
            service(labels=USES),
            authz(AT_CART, "ALLOW", rules=[FROM_TILL]),
            policy("store/n", {"podSelector": {}, "ingress": [{"from": [{"podSelector": {}}]}]}),
        ],
        [],
    ),
    ("goes around: nothing is enforced at the waypoint", "MT242", [*BASE, PLAIN, BARE, waypoint(), service(labels=USES)], []),
    (
        "goes around: the waypoint is for addresses, too",
        "MT242",
        [
            namespace("store", **{"istio.io/dataplane-mode": "ambient", **USES}),
            CART,
            TILL,
            STRICT,
            waypoint(labels={"istio.io/waypoint-for": "all"}),
            service(),
            authz(AT_GATE, "ALLOW", rules=[GETS]),
        ],
        [],
    ),
    (
        "KIA1312 a pod's label outside ambient",
        "MT243",
        [namespace("store"), pod("store/cart", "10.1.0.1", [8080], labels={"app": "cart", **USES}), waypoint()],
        [WARNING],
    ),
    (
        "KIA1312 a Service's label, pods outside ambient, and a policy",
        "MT243",
        [namespace("store"), CART, waypoint(), service(labels=USES), authz(AT_CART)],
        [WARNING],
    ),
    ("KIA1312 a namespace's label outside ambient", "MT243", [namespace("store", **USES), CART, waypoint(), service()], [INFO]),
    ("KIA1312 inside ambient", "MT243", [*BASE, waypoint(), service(labels=USES), authz(AT_CART)], []),
    ("KIA1312 a namespace whose labels nobody knows", "MT243", [CART, waypoint(), service(labels=USES), authz(AT_CART)], []),
    (
        "KIA1313 a pod's label names what isn't there",
        "MT219",
        [ambient("store"), pod("store/cart", "10.1.0.1", [8080], labels={"app": "cart", **USES})],
        [WARNING],
    ),
    (
        "KIA1313 a pod's label names what is there",
        "MT219",
        [ambient("store"), pod("store/cart", "10.1.0.1", [8080], labels={"app": "cart", **USES}), waypoint()],
        [],
    ),
    ("KIA1313 a namespace's label, and no Service", "MT219", [namespace("store", **USES), CART], [WARNING]),
    ("KIA1313 a namespace's label, and nothing runs there", "MT219", [namespace("store", **USES)], []),
    ("KIA1313 and a DENY is lost", "MT219", [*BASE, service(labels=USES), authz(AT_CART)], [ERROR]),
    ("KIA1313 and an ALLOW is lost", "MT219", [*BASE, service(labels=USES), authz(AT_CART, "ALLOW")], [WARNING]),
    ("KIA1313 nothing else of the waypoint's namespace is given", "MT219", [*BASE, service(labels=FAR), authz(AT_CART)], []),
    (
        "KIA1313 the class isn't a waypoint's, and a DENY is lost",
        "MT219",
        [*BASE, waypoint(name="istio"), service(labels=USES), authz(AT_CART)],
        [ERROR],
    ),
    (
        "KIA1313 another controller's waypoint",
        "MT219",
        [*BASE, waypoint(name="kgateway-waypoint"), service(labels=USES), authz(AT_CART)],
        [],
    ),
    ("KIA0109 a DENY for a Service that isn't there", "MT207", [*BASE, authz(AT_CART)], [ERROR]),
    ("KIA0109 an ALLOW for a Service that isn't there", "MT207", [*BASE, authz(AT_CART, "ALLOW")], [WARNING]),
    ("KIA0109 only policies are given", "MT207", [authz(AT_CART)], []),
    ("KIA0109 a Gateway that isn't there, only policies are given", "MT207", [authz(AT_GATE)], []),
    (
        "GatewayClass istio as a target",
        "MT207",
        [*BASE, namespace("istio-system"), authz(to("GatewayClass", "istio", GATEWAY_API), key="istio-system/p")],
        [ERROR],
    ),
    (
        "GatewayClass istio-waypoint as a target",
        "MT207",
        [*BASE, namespace("istio-system"), authz(to("GatewayClass", "istio-waypoint", GATEWAY_API), key="istio-system/p")],
        [],
    ),
]


@pytest.mark.parametrize(("name", "rule", "objects", "expected"), ROWS, ids=[f"{row[1]} {row[0]}" for row in ROWS])
def test_what_is_found(name, rule, objects, expected):
    assert_found(rule, objects, expected)


def test_what_the_finding_of_a_refusing_waypoint_says():
    (found,) = [f for f in look(snapshot_of(BASE, [*EDGE, service(labels=FAR), authz(AT_CART)])).findings if f.rule == "MT240"]
    assert found.message == "Service store/cart: the waypoint edge/gate doesn't let namespace store attach (allowedRoutes)"
    assert found.why == "traffic goes past the waypoint: nobody enforces AuthorizationPolicy store/guard there"
    assert [str(ref) for ref in found.objects] == ["AuthorizationPolicy store/guard", "Service store/cart", "Gateway edge/gate"]
