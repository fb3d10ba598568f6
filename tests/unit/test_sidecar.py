"""Pods with sidecars: mutual TLS by level, policies with all their fields, and what plain TCP leaves of them."""

import pytest

from meshtui.model.snapshot import MeshConfig
from tests.fakes.requests import Case, beside, check, judge, policy, service, space, thing
from tests.fakes.snapshots import pod, snapshot_of

PEER = "istio/api security/v1beta1/peer_authentication.proto"
AUTHZ = "istio/istio pilot/pkg/security/authz/model/model.go"
ATTACH = "istio/istio pilot/pkg/model/policyattachment.go"
PROTOCOLS = "istio.io: protocol selection"
TUNNELS = "istio/istio pilot/pkg/xds/endpoints/endpoint_builder.go"


WORLD = [
    space("shop"),
    space("back"),
    space("amb", ambient=True),
    space("istio-system"),
    beside("shop/web", "10.0.1.1", [80], "web"),
    beside("back/api", "10.0.2.1", [("http", 8080), ("db", 5432), ("odd", 9000)], "api"),
    pod("shop/plain", "10.0.1.2", [80], account="plain"),
    pod("amb/app", "10.0.3.1", [("http", 80)], account="app"),
    service("back/api", [("http", 80, 8080), ("tcp-db", 5432, 5432), ("odd", 9000, 9000)]),
]
WEB = "shop/web > back/svc/api:80"
PLAIN = "shop/plain > back/svc/api:80"
DB = "shop/web > back/svc/api:5432"
ODD = "shop/web > back/svc/api:9000"
DENIED, CLOSED = "deny sidecar http_403", "deny sidecar closed"
FROM_WEB = [{"from": [{"source": {"principals": ["cluster.local/ns/shop/sa/web"]}}]}]
GET = [{"to": [{"operation": {"methods": ["GET"]}}]}]


def peer(mode, where="back/s", **spec):
    return thing("PeerAuthentication", where, ({"mtls": {"mode": mode}} if mode else {}) | spec)


API = {"selector": {"matchLabels": {"app": "api"}}}
CASES = [
    Case("nothing says anything", AUTHZ, [], WEB, "GET /", "allow"),
    Case("plaintext is accepted by default", PEER, [], PLAIN, "GET /", "allow"),
    Case("STRICT refuses plaintext", PEER, [peer("STRICT")], PLAIN, "GET /", CLOSED, "PeerAuthentication back/s spec.mtls"),
    Case("STRICT lets sidecars in", PEER, [peer("STRICT")], WEB, "GET /", "allow"),
    Case("STRICT for the mesh", PEER, [peer("STRICT", "istio-system/s")], PLAIN, "", CLOSED),
    Case("the namespace is over the mesh", PEER, [peer("STRICT", "istio-system/s"), peer("PERMISSIVE")], PLAIN, "", "allow"),
    Case("UNSET inherits", PEER, [peer("STRICT", "istio-system/s"), peer("UNSET")], PLAIN, "", CLOSED),
    Case("the workload is over the namespace", PEER, [peer("STRICT"), peer("PERMISSIVE", "back/w", **API)], PLAIN, "", "allow"),
    Case(
        "a port is over the workload",
        PEER,
        [peer("STRICT", "back/w", **API, portLevelMtls={"8080": {"mode": "PERMISSIVE"}})],
        PLAIN,
        "",
        "allow",
    ),
    Case(
        "… on its own port only",
        PEER,
        [peer("STRICT", "back/w", **API, portLevelMtls={"8081": {"mode": "PERMISSIVE"}})],
        PLAIN,
        "",
        CLOSED,
    ),
    Case(
        "the port is named as the decider",
        PEER,
        [peer("PERMISSIVE", "back/w", **API, portLevelMtls={"8080": {"mode": "STRICT"}})],
        PLAIN,
        "",
        CLOSED,
        "PeerAuthentication back/w spec.portLevelMtls[8080]",
    ),
    Case("DISABLE: sidecars speak plaintext, without identity", PEER, [peer("DISABLE"), policy(FROM_WEB)], WEB, "GET /", DENIED),
    Case("an identity that is allowed", AUTHZ, [policy(FROM_WEB)], WEB, "GET /", "allow", "AuthorizationPolicy back/p rules[0]"),
    Case("plaintext has none", AUTHZ, [policy(FROM_WEB)], PLAIN, "GET /", DENIED),
    Case("a method", AUTHZ, [policy(GET)], WEB, "GET /", "allow"),
    Case("another method", AUTHZ, [policy(GET)], WEB, "PUT /", DENIED),
    Case("no request: it depends", AUTHZ, [policy(GET)], WEB, "", "unknown", says="depends on the request"),
    Case("ALLOW with HTTP on TCP is dropped", AUTHZ, [policy(GET)], DB, "", CLOSED, says="need HTTP"),
    Case("… another rule still counts", AUTHZ, [policy([*GET, *FROM_WEB])], DB, "", "allow"),
    Case("DENY with HTTP on TCP widens", AUTHZ, [policy(GET, action="DENY")], DB, "", CLOSED),
    Case(
        "… within its other fields",
        AUTHZ,
        [policy([{"from": [{"source": {"namespaces": ["x"]}}], "to": [{"operation": {"methods": ["GET"]}}]}], action="DENY")],
        DB,
        "",
        "allow",
    ),
    Case(
        "… and within its ports",
        AUTHZ,
        [policy([{"to": [{"operation": {"methods": ["GET"], "ports": ["80"]}}]}], action="DENY")],
        DB,
        "",
        "allow",
    ),
    Case("HTTP over a port declared TCP is bytes", PROTOCOLS, [policy(GET)], DB, "GET /", CLOSED),
    Case("an undeclared port is looked at", PROTOCOLS, [policy(GET)], ODD, "GET /", "allow"),
    Case("… and unknown without a request", PROTOCOLS, [policy(GET)], ODD, "", "unknown", says="isn't declared"),
    Case("… unless both come to the same", PROTOCOLS, [policy([])], ODD, "", CLOSED),
    Case(
        "a pod's port has the protocol of the Service in front",
        PROTOCOLS,
        [policy(GET)],
        "shop/web > back/api:5432",
        "GET /",
        CLOSED,
    ),
    Case("the port is the pod's", AUTHZ, [policy([{"to": [{"operation": {"ports": ["8080"]}}]}])], WEB, "GET /", "allow"),
    Case(
        "a bad port drops an ALLOW rule",
        AUTHZ,
        [policy([{"to": [{"operation": {"ports": ["8080", "x"]}}]}])],
        WEB,
        "GET /",
        DENIED,
    ),
    Case(
        "… and is ignored in a DENY rule",
        AUTHZ,
        [policy([{"to": [{"operation": {"ports": ["x"]}}]}], action="DENY")],
        WEB,
        "GET /",
        DENIED,
    ),
    Case("a policy of the root namespace", ATTACH, [policy([], where="istio-system/p")], WEB, "GET /", DENIED),
    Case("a policy of another namespace", ATTACH, [policy([], where="shop/p")], WEB, "GET /", "allow"),
    Case("selector: {} selects everything at a sidecar", ATTACH, [policy([], selector={})], WEB, "GET /", DENIED),
    Case("a selector that doesn't match", ATTACH, [policy([], selector={"matchLabels": {"app": "x"}})], WEB, "GET /", "allow"),
    Case(
        "targetRefs don't attach to sidecars",
        ATTACH,
        [policy([], targetRefs=[{"kind": "Service", "group": "", "name": "api"}])],
        WEB,
        "GET /",
        "allow",
    ),
    Case(
        "NetworkPolicy sees the app's port",
        "design",
        [thing("NetworkPolicy", "back/n", "{podSelector: {}, ingress: [{ports: [{port: 8080}]}]}")],
        WEB,
        "GET /",
        "allow",
    ),
    Case(
        "… not the tunnel's",
        "design",
        [thing("NetworkPolicy", "back/n", "{podSelector: {}, ingress: [{ports: [{port: 15008}]}]}")],
        WEB,
        "GET /",
        "deny ingress_policy timeout",
    ),
    Case(
        "an EnvoyFilter that selects it",
        "istio.io: EnvoyFilter",
        [thing("EnvoyFilter", "back/f", {"workloadSelector": {"labels": {"app": "api"}}})],
        WEB,
        "GET /",
        "unknown",
        says="EnvoyFilter back/f",
    ),
    Case(
        "an EnvoyFilter that doesn't",
        "istio.io: EnvoyFilter",
        [thing("EnvoyFilter", "back/f", {"workloadSelector": {"labels": {"app": "x"}}})],
        WEB,
        "GET /",
        "allow",
    ),
    Case(
        "an EnvoyFilter of the root namespace",
        "istio.io: EnvoyFilter",
        [thing("EnvoyFilter", "istio-system/f", {})],
        WEB,
        "GET /",
        "unknown",
        says="EnvoyFilter istio-system/f",
    ),
    Case("ambient to sidecar, both ways the same", TUNNELS, [], "amb/app > back/svc/api:80", "GET /", "allow"),
    Case(
        "ambient to sidecar, and it matters which way",
        TUNNELS,
        [peer("STRICT")],
        "amb/app > back/svc/api:80",
        "GET /",
        "unknown",
        says="takes HBONE",
    ),
    Case(
        "sidecar to ambient isn't known",
        TUNNELS,
        [service("amb/app", [("http", 80, 80)])],
        "shop/web > amb/svc/app:80",
        "",
        "unknown",
        says="ISTIO_META_ENABLE_HBONE",
    ),
    Case(
        "connection.sni names the Service",
        "istio.io: authorization conditions",
        [policy([{"when": [{"key": "connection.sni", "values": ["outbound_.80_._.api.back.svc.cluster.local"]}]}])],
        WEB,
        "GET /",
        "allow",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_sidecar(case):
    check(judge(snapshot_of(WORLD, case.objects), case.flow, case.request, case.jwt), case)


HBONE = MeshConfig(sidecars_send_hbone=True)


@pytest.mark.parametrize(
    ("flow", "port", "expect"),
    [
        ("shop/web > amb/svc/app:80", 15008, "allow"),
        ("shop/web > amb/svc/app:80", 80, "deny"),
        ("amb/app > back/svc/api:80", 15008, "allow"),
        ("amb/app > back/svc/api:80", 8080, "deny"),
    ],
)
def test_where_proxies_use_hbone_network_policies_see_the_tunnel(flow, port, expect):
    """istio/istio endpoint_builder.go, supportTunnel: once ISTIO_META_ENABLE_HBONE is set."""
    shut = [
        thing("NetworkPolicy", f"{n}/n", f"{{podSelector: {{}}, ingress: [{{ports: [{{port: {port}}}]}}]}}")
        for n in ("back", "amb")
    ]
    world = [*WORLD, service("amb/app", [("http", 80, 80)])]
    assert judge(snapshot_of(world, shut, mesh=HBONE), flow).decision.value == expect


def test_live_the_pods_label_says_whether_it_takes_hbone():
    captured = {"annotations": {"ambient.istio.io/redirection": "enabled"}}
    app = pod("amb/app", "10.0.3.1", account="app", metadata=captured)
    rest = [o for o in WORLD if o["metadata"]["name"] not in {"app", "api"}]
    for label, expect in (("http", "allow"), ("", "deny")):
        api = beside("back/api", "10.0.2.1", [("http", 8080)], "api", {"app": "api", "networking.istio.io/tunnel": label})
        snapshot = snapshot_of(rest, [app, api, WORLD[-1], peer("STRICT")], live=True)
        assert judge(snapshot, "amb/app > back/svc/api:80").decision.value == expect
