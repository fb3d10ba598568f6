"""Waypoints: who goes through one, what it decides, and whom the destination sees. Every row says where its rule is written."""

import pytest

from meshtui.model.flow import Jwt
from meshtui.model.snapshot import MeshConfig
from tests.fakes.requests import Case, check, judge, service, space, thing
from tests.fakes.snapshots import judge as tcp_or_udp
from tests.fakes.snapshots import pod, snapshot_of

POINTS = "istio/istio pilot/pkg/serviceregistry/ambient/waypoints.go"
LISTENER = "istio/istio pilot/pkg/networking/core/listener_waypoint.go"
ATTACH = "istio/istio pilot/pkg/model/policyattachment.go"
PROTO = "istio/api security/v1beta1/authorization_policy.proto"
DOCS = "istio.io: ambient, configure waypoint proxies"
WEB = "cluster.local/ns/shop/sa/web"
WP = "cluster.local/ns/back/sa/wp"


def gateway(key="back/wp", name="istio-waypoint", traffic=None, allowed=None, **more):
    listener = {"name": "mesh", "port": 15008, "protocol": "HBONE"}
    if allowed:
        listener["allowedRoutes"] = {"namespaces": allowed}
    labels = {"istio.io/waypoint-for": traffic} if traffic else {}
    return thing("Gateway", key, {"gatewayClassName": name, "listeners": [listener]}, labels, **more)


def wp_pod(number=1, ip="10.0.2.9", labels=None):
    found = {"gateway.networking.k8s.io/gateway-name": "wp"} | (labels or {})
    return pod(f"back/wp-{number}", ip, [15008], found, account="wp")


BASE = [
    space("shop", ambient=True),
    space("bare"),
    space("istio-system"),
    pod("shop/web", "10.0.1.1", [80], account="web"),
    pod("back/api", "10.0.2.1", [("http", 8080)], account="api"),
    pod("bare/plain", "10.0.3.1", [80], account="plain"),
]
USES = {"istio.io/use-waypoint": "wp"}
API = service("back/api", [("http", 80, 8080)], labels=USES)
RAW = service("back/api", [("tcp-raw", 80, 8080)], labels=USES)
NAMELESS = service("back/api", [("api", 80, 8080)], labels=USES)
WORLD = [*BASE, space("back", ambient=True), API, gateway(), wp_pod()]
FLOW = "shop/web > back/svc/api:80"
PLAIN = "bare/plain > back/svc/api:80"


def policy(rules, action="ALLOW", where="back/p", ref=None, **spec):
    ref = {"kind": "Service", "group": "", "name": "api"} if ref is None else ref
    refs = {"targetRefs": [ref]} if ref else {}
    return thing("AuthorizationPolicy", where, {"action": action, "rules": rules} | refs | spec)


def methods(*values):
    return [{"to": [{"operation": {"methods": list(values)}}]}]


def netpol(key, spec):
    return thing("NetworkPolicy", key, spec)


GATEWAY_REF = {"kind": "Gateway", "group": "gateway.networking.k8s.io", "name": "wp"}
CLASS_REF = {"kind": "GatewayClass", "group": "gateway.networking.k8s.io", "name": "istio-waypoint"}
FROM_WEB = [{"from": [{"source": {"principals": [WEB]}}]}]
FROM_WP = [{"from": [{"source": {"principals": [WP]}}]}]
ONLY_WP = thing("AuthorizationPolicy", "back/l4", {"rules": FROM_WP})
ONLY_WEB = thing("AuthorizationPolicy", "back/l4", {"rules": FROM_WEB})
DENIED = "deny waypoint http_403"
SERVICE_REF = {"kind": "Service", "group": "", "name": "api"}
TOKENS = thing("RequestAuthentication", "back/jwt", {"targetRefs": [SERVICE_REF], "jwtRules": [{"issuer": "https://idp"}]})

CASES = [
    Case("a method that is allowed", PROTO, [policy(methods("GET"))], FLOW, "GET /", "allow"),
    Case("a method that isn't", PROTO, [policy(methods("GET"))], FLOW, "POST /", DENIED, "AuthorizationPolicy back/p"),
    Case(
        "a DENY by path",
        PROTO,
        [policy([{"to": [{"operation": {"paths": ["/admin*"]}}]}], "DENY")],
        FLOW,
        "GET /admin/x",
        DENIED,
        "AuthorizationPolicy back/p rules[0]",
    ),
    Case(
        "DENY before ALLOW",
        PROTO,
        [policy(methods("GET")), policy(methods("GET"), "DENY", "back/q")],
        FLOW,
        "GET /",
        DENIED,
        "AuthorizationPolicy back/q rules[0]",
    ),
    Case("no request: it depends", PROTO, [policy(methods("GET"))], FLOW, "", "unknown", says="depends on the request"),
    Case("no request: what passes is listed", PROTO, [policy(methods("GET"))], FLOW, "", "unknown", says="methods GET"),
    Case("no request, but nobody may", PROTO, [policy([])], FLOW, "", DENIED),
    Case(
        "no request, but the peer never may",
        PROTO,
        [policy([{"from": [{"source": {"namespaces": ["x"]}}], "to": [{"operation": {"methods": ["GET"]}}]}])],
        FLOW,
        "",
        DENIED,
    ),
    Case(
        "CUSTOM isn't modelled", PROTO, [policy([{}], "CUSTOM", provider={"name": "opa"})], FLOW, "GET /", "unknown", says="'opa'"
    ),
    Case(
        "CUSTOM that doesn't match is nothing",
        PROTO,
        [policy(methods("PUT"), "CUSTOM", provider={"name": "opa"})],
        FLOW,
        "GET /",
        "allow",
    ),
    Case(
        "a denial stands beside CUSTOM",
        PROTO,
        [policy([{}], "CUSTOM", provider={"name": "opa"}), policy([{}], "DENY", "back/q")],
        FLOW,
        "GET /",
        DENIED,
    ),
    Case("AUDIT decides nothing", PROTO, [policy([{}], "AUDIT")], FLOW, "GET /", "allow"),
    Case(
        "targetRefs to another Service",
        ATTACH,
        [policy([], ref={"kind": "Service", "group": "", "name": "x"})],
        FLOW,
        "GET /",
        "allow",
    ),
    Case("targetRefs to the Gateway", ATTACH, [policy([], ref=GATEWAY_REF)], FLOW, "GET /", DENIED),
    Case("… only from its own namespace", ATTACH, [policy([], where="shop/p", ref=GATEWAY_REF)], FLOW, "GET /", "allow"),
    Case(
        "targetRefs to the class, in the root namespace",
        ATTACH,
        [policy([], where="istio-system/p", ref=CLASS_REF)],
        FLOW,
        "GET /",
        DENIED,
    ),
    Case("… and nowhere else", ATTACH, [policy([], where="back/p", ref=CLASS_REF)], FLOW, "GET /", "allow"),
    Case(
        "a selector never attaches",
        ATTACH,
        [thing("AuthorizationPolicy", "back/p", {"selector": {"matchLabels": {"gateway.networking.k8s.io/gateway-name": "wp"}}})],
        FLOW,
        "GET /",
        "allow",
    ),
    Case("the waypoint sees the original client", PROTO, [policy(FROM_WEB)], FLOW, "GET /", "allow"),
    Case(
        "the destination sees the waypoint", LISTENER, [ONLY_WP], FLOW, "GET /", "allow", "AuthorizationPolicy back/l4 rules[0]"
    ),
    Case("… and not the client", LISTENER, [ONLY_WEB], FLOW, "GET /", "deny ztunnel http_503", "AuthorizationPolicy back/l4"),
    Case(
        "STRICT at the destination is met",
        LISTENER,
        [thing("PeerAuthentication", "back/s", {"mtls": {"mode": "STRICT"}})],
        FLOW,
        "GET /",
        "allow",
    ),
    Case(
        "ports at the waypoint are the Service's",
        LISTENER,
        [policy([{"to": [{"operation": {"ports": ["80"]}}]}])],
        FLOW,
        "GET /",
        "allow",
    ),
    Case("… not the pod's", LISTENER, [policy([{"to": [{"operation": {"ports": ["8080"]}}]}])], FLOW, "GET /", DENIED),
    Case("an un-meshed client goes past it", DOCS, [policy([])], PLAIN, "GET /", "allow", says="isn't in the mesh"),
    Case("… and meets the destination's ztunnel", DOCS, [ONLY_WP], PLAIN, "GET /", "deny ztunnel closed"),
    Case(
        "the first hop needs 15008 out",
        LISTENER,
        [netpol("shop/n", "{podSelector: {}, policyTypes: [Egress], egress: [{ports: [{port: 80}]}]}")],
        FLOW,
        "GET /",
        "deny egress_policy timeout",
    ),
    Case(
        "the first hop's policy is about the waypoint's pods",
        LISTENER,
        [
            netpol(
                "shop/n",
                "{podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 10.0.2.9/32}}], "
                "ports: [{port: 15008}]}]}",
            )
        ],
        FLOW,
        "GET /",
        "allow",
    ),
    Case(
        "the waypoint's own ingress",
        LISTENER,
        [netpol("back/n", "{podSelector: {matchLabels: {gateway.networking.k8s.io/gateway-name: wp}}, ingress: []}")],
        FLOW,
        "GET /",
        "deny ingress_policy timeout",
        "NetworkPolicy back/n",
    ),
    Case(
        "the second hop: the destination lets nobody in",
        LISTENER,
        [netpol("back/n", "{podSelector: {matchLabels: {app: api}}, ingress: []}")],
        FLOW,
        "GET /",
        "deny ingress_policy http_503",
    ),
    Case(
        "the second hop comes from the waypoint, on 15008",
        LISTENER,
        [
            netpol(
                "back/n",
                "{podSelector: {matchLabels: {app: api}}, ingress: [{from: [{podSelector: "
                "{matchLabels: {gateway.networking.k8s.io/gateway-name: wp}}}], ports: [{port: 15008}]}]}",
            )
        ],
        FLOW,
        "GET /",
        "allow",
    ),
    Case(
        "an EnvoyFilter of the waypoint's namespace",
        "istio.io: EnvoyFilter",
        [thing("EnvoyFilter", "back/f", {})],
        FLOW,
        "GET /",
        "unknown",
        says="EnvoyFilter back/f",
    ),
    Case("an EnvoyFilter elsewhere", "istio.io: EnvoyFilter", [thing("EnvoyFilter", "shop/f", {})], FLOW, "GET /", "allow"),
    Case(
        "an HTTPRoute of the Service",
        "gateway-api: GAMMA",
        [thing("HTTPRoute", "back/r", {"parentRefs": [{"kind": "Service", "group": "", "name": "api"}], "rules": [{}]})],
        FLOW,
        "GET /",
        "unknown",
        says="HTTPRoute back/r",
    ),
    Case(
        "a token of an unknown issuer",
        "istio/api request_authentication.proto",
        [TOKENS],
        FLOW,
        "GET /",
        "deny waypoint http_401",
        "RequestAuthentication back/jwt",
        jwt=Jwt("https://evil", "eve"),
    ),
    Case(
        "a token that is asked for nowhere",
        "istio/api request_authentication.proto",
        [],
        FLOW,
        "GET /",
        "allow",
        jwt=Jwt("https://evil", "eve"),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_waypoint(case):
    check(judge(snapshot_of(WORLD, case.objects), case.flow, case.request, case.jwt), case)


def world(*extra, back=None, api=API, gate=None, pods=None):
    return [*BASE, back or space("back", ambient=True), api, gate or gateway(), *(pods or [wp_pod()]), *extra]


CLOSED = policy([])  # whoever goes through the waypoint is denied
PODS = "shop/web > back/api:8080"
OWN_NONE = service("back/api", [("http", 80, 8080)], labels={"istio.io/use-waypoint": "none"})
PLAIN_API = service("back/api", [("http", 80, 8080)])
NS_WP = space("back", ambient=True, waypoint="wp")
ELSEWHERE = service("back/api", [("http", 80, 8080)], labels=USES | {"istio.io/use-waypoint-namespace": "infra"})
IN_INFRA = {"gateway.networking.k8s.io/gateway-name": "wp"}
GATED = policy([], ref=GATEWAY_REF)
ATTACHED = [
    Case("the Service's label", POINTS, world(CLOSED), FLOW, "GET /", DENIED),
    Case("the namespace's label", POINTS, world(CLOSED, back=NS_WP, api=PLAIN_API), FLOW, "GET /", DENIED),
    Case("none on the Service opts out", POINTS, world(CLOSED, back=NS_WP, api=OWN_NONE), FLOW, "GET /", "allow"),
    Case("no label, no waypoint", POINTS, world(CLOSED, api=PLAIN_API), FLOW, "GET /", "allow"),
    Case(
        "a waypoint of another namespace that lets all attach",
        POINTS,
        world(
            CLOSED,
            api=ELSEWHERE,
            gate=gateway("infra/wp", allowed={"from": "All"}),
            pods=[space("infra"), pod("infra/wp-1", "10.0.5.1", [15008], IN_INFRA, account="wp")],
        ),
        FLOW,
        "GET /",
        DENIED,
    ),
    Case(
        "… that doesn't",
        POINTS,
        world(
            CLOSED, api=ELSEWHERE, gate=gateway("infra/wp"), pods=[space("infra"), pod("infra/wp-1", "10.0.5.1", labels=IN_INFRA)]
        ),
        FLOW,
        "GET /",
        "allow",
        says="allowedRoutes",
    ),
    Case(
        "… that lets chosen namespaces attach",
        POINTS,
        world(
            CLOSED,
            api=ELSEWHERE,
            pods=[space("infra"), pod("infra/wp-1", "10.0.5.1", [15008], IN_INFRA)],
            gate=gateway(
                "infra/wp", allowed={"from": "Selector", "selector": {"matchLabels": {"kubernetes.io/metadata.name": "back"}}}
            ),
        ),
        FLOW,
        "GET /",
        DENIED,
    ),
    Case(
        "waypoint-for: workload leaves Services alone",
        POINTS,
        world(CLOSED, gate=gateway(traffic="workload")),
        FLOW,
        "GET /",
        "allow",
        says="workload traffic",
    ),
    Case("waypoint-for: all takes Services", POINTS, world(CLOSED, gate=gateway(traffic="all")), FLOW, "GET /", DENIED),
    Case("waypoint-for: none takes nothing", POINTS, world(CLOSED, gate=gateway(traffic="none")), FLOW, "GET /", "allow"),
    Case(
        "waypoint-for on the class",
        POINTS,
        world(CLOSED, thing("GatewayClass", "istio-waypoint", {}, {"istio.io/waypoint-for": "workload"})),
        FLOW,
        "GET /",
        "allow",
    ),
    Case("pod addresses go past a waypoint for Services", POINTS, world(GATED, back=NS_WP), PODS, "GET /", "allow"),
    Case(
        "pod addresses use a waypoint for workloads",
        POINTS,
        world(GATED, back=NS_WP, gate=gateway(traffic="workload")),
        PODS,
        "GET /",
        DENIED,
    ),
    Case(
        "a policy of a Service isn't about pod addresses",
        POINTS,
        world(CLOSED, back=NS_WP, gate=gateway(traffic="workload")),
        PODS,
        "GET /",
        "allow",
    ),
    Case(
        "a headless Service",
        POINTS,
        world(CLOSED, api=service("back/api", [("http", 80, 8080)], labels=USES, clusterIP="None")),
        FLOW,
        "GET /",
        "unknown",
        says="headless",
    ),
    Case(
        "no such Gateway", POINTS, [*BASE, space("back", ambient=True), API], FLOW, "GET /", "unknown", says="no Gateway back/wp"
    ),
    Case("a Gateway of another class", POINTS, world(gate=gateway(name="istio")), FLOW, "GET /", "unknown", says="class istio"),
    Case(
        "manifests without its pods: as Istio deploys it",
        POINTS,
        [*BASE, space("back", ambient=True), API, gateway(), ONLY_WP],
        FLOW,
        "GET /",
        "allow",
        says="as Istio deploys it",
    ),
    Case(
        "an ingress gateway goes past it",
        DOCS,
        world(CLOSED, pod("bare/gw", "10.0.3.9", labels={"gateway.networking.k8s.io/gateway-name": "gw"})),
        "bare/gw > back/svc/api:80",
        "GET /",
        "allow",
        says="ingress-use-waypoint",
    ),
    Case(
        "… unless the Service says otherwise",
        DOCS,
        world(
            CLOSED,
            pod("bare/gw", "10.0.3.9", labels={"gateway.networking.k8s.io/gateway-name": "gw"}),
            api=service("back/api", [("http", 80, 8080)], labels=USES | {"istio.io/ingress-use-waypoint": "true"}),
        ),
        "bare/gw > back/svc/api:80",
        "GET /",
        DENIED,
    ),
    Case(
        "a plain TCP port: an ALLOW rule with HTTP is dropped",
        LISTENER,
        world(policy(methods("GET")), api=RAW),
        FLOW,
        "",
        "deny waypoint closed",
        says="need HTTP",
    ),
    Case(
        "… a DENY rule with HTTP widens",
        LISTENER,
        world(policy(methods("PUT"), "DENY"), api=RAW),
        FLOW,
        "",
        "deny waypoint closed",
    ),
    Case("an undeclared port is looked at: HTTP", LISTENER, world(policy(methods("GET")), api=NAMELESS), FLOW, "GET /", "allow"),
    Case("… or nobody knows", LISTENER, world(policy(methods("GET")), api=NAMELESS), FLOW, "", "unknown", says="isn't declared"),
    Case(
        "an un-meshed destination gets plaintext from the waypoint",
        POINTS,
        [
            *BASE,
            space("back"),
            API,
            gateway(),
            wp_pod(),
            netpol(
                "back/n",
                "{podSelector: {matchLabels: {app: api}}, ingress: "
                "[{from: [{podSelector: {matchLabels: {gateway.networking.k8s.io/gateway-name: wp}}}], ports: [{port: 8080}]}]}",
            ),
        ],
        FLOW,
        "GET /",
        "allow",
    ),
]


@pytest.mark.parametrize("case", ATTACHED, ids=lambda case: case.name)
def test_who_goes_through_a_waypoint(case):
    check(judge(snapshot_of(case.objects), case.flow, case.request), case)


def test_a_waypoint_that_is_not_ready_is_gone_past():
    """istio/istio waypoints.go: only a Gateway with an address in its status is a waypoint."""
    captured = {"annotations": {"ambient.istio.io/redirection": "enabled"}}
    pods = [pod("shop/web", "10.0.1.1", [80], account="web", metadata=captured), pod("back/api", "10.0.2.1", metadata=captured)]
    rest = [space("shop", ambient=True), space("back", ambient=True), API, wp_pod(), CLOSED, *pods]
    ready = gateway(status={"addresses": [{"value": "wp.back.svc.cluster.local"}]})
    assert judge(snapshot_of([*rest, gateway()], live=True), FLOW, "GET /").decision.value == "allow"
    assert judge(snapshot_of([*rest, ready], live=True), FLOW, "GET /").outcome == "http_403"


def test_the_pods_of_a_waypoint_may_differ():
    """Replicas of one workload may have different labels: one of them is shut off by a NetworkPolicy."""
    shut = netpol("back/n", "{podSelector: {matchLabels: {version: new}}, ingress: []}")
    objects = world(shut, pods=[wp_pod(1), wp_pod(2, "10.0.2.8", {"version": "new"})])
    assert judge(snapshot_of(objects), FLOW, "GET /").decision.value == "mixed"


def test_udp_goes_past_every_waypoint():
    ports = [{"name": "dns", "port": 53, "protocol": "UDP"}]
    udp = thing("Service", "back/api", {"selector": {"app": "api"}, "ports": ports}, USES)
    verdict = tcp_or_udp(snapshot_of(world(CLOSED, api=udp)), "shop/web > back/svc/api:53/UDP")
    assert verdict.decision.value == "allow"
    assert all(step.layer.value != "waypoint" for step in verdict.steps)


def test_the_root_namespace_is_the_meshes():
    snapshot = snapshot_of(WORLD, [policy([], where="mesh/p", ref=CLASS_REF)], mesh=MeshConfig(root_namespace="mesh"))
    assert judge(snapshot, FLOW, "GET /").outcome == "http_403"
