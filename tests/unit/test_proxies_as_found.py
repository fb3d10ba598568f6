"""Proxies as clusters have them: classic gateways, labels that Istio adds, external authorizers, capture, istiod's switches."""

from dataclasses import replace

import pytest

from meshtui.engine.matrix.matrix import Matrix
from meshtui.engine.matrix.proxied import Proxied
from meshtui.model.flow import Jwt
from meshtui.model.snapshot import MeshConfig
from meshtui.model.workload import MeshMode
from meshtui.sources.slim import slim
from tests.fakes.requests import Case, beside, by, check, deployment, judge, policy, router, service, space, thing
from tests.fakes.snapshots import pod, snapshot_of

CLASSIC = "istio/istio manifests/charts/gateways"
DEPLOYED = "istio/istio pilot/pkg/config/kube/gateway/deploymentcontroller.go"
FILTERS = "istio/istio pilot/pkg/networking/core/listener_builder.go"
INJECTED = "istio/istio manifests/charts/istio-control/istio-discovery/files/injection-template.yaml"
CAPTURE = "istio/istio tools/istio-iptables"
IDENTITY = "cluster.local/ns/istio-system/sa/gate"


def injected(name):
    made = space(name)
    made["metadata"]["labels"]["istio-injection"] = "enabled"
    return made


WORLD = [
    space("istio-system"),
    space("back"),
    space("amb", ambient=True),
    router("istio-system/gate", "10.0.0.1"),
    beside("back/api", "10.0.2.1", [("http", 8080)], "api"),
    pod("amb/app", "10.0.3.1", [("http", 80)], account="app"),
    service("back/api", [("http", 80, 8080)]),
    service("istio-system/gate", [("http", 80, 8080)]),
]
TO_API, TO_AMBIENT = "istio-system/gate > back/svc/api:80", "istio-system/gate > amb/app:80"
STRICT = thing("PeerAuthentication", "back/s", {"mtls": {"mode": "STRICT"}})

CLASSICS = [
    Case(
        "its ServiceAccount is its identity",
        CLASSIC,
        [policy(by(IDENTITY))],
        TO_API,
        "GET /",
        "allow",
        "AuthorizationPolicy back/p rules[0]",
    ),
    Case("… and no other", CLASSIC, [policy(by("cluster.local/ns/x/sa/y"))], TO_API, "GET /", "deny sidecar http_403"),
    Case("it speaks mutual TLS", CLASSIC, [STRICT], TO_API, "GET /", "allow"),
    Case("to ambient pods, the mesh's configuration decides", CLASSIC, [], TO_AMBIENT, "", "unknown", says="HBONE"),
    Case(
        "its own policies guard it",
        CLASSIC,
        [policy([], "istio-system/p")],
        "back/api > istio-system/gate:8080",
        "",
        "deny gateway http_403",
    ),
    Case(
        "… by its labels",
        CLASSIC,
        [policy([], "istio-system/p", selector={"matchLabels": {"app": "x"}})],
        "back/api > istio-system/gate:8080",
        "",
        "allow",
    ),
    Case(
        "… and may depend on the request",
        CLASSIC,
        [policy([{"to": [{"operation": {"paths": ["/a"]}}]}], "istio-system/p")],
        "back/api > istio-system/gate:8080",
        "",
        "unknown",
    ),
    Case(
        "… which is then judged",
        CLASSIC,
        [policy([{"to": [{"operation": {"paths": ["/a"]}}]}], "istio-system/p")],
        "back/api > istio-system/gate:8080",
        "GET /b",
        "deny gateway http_403",
    ),
]


@pytest.mark.parametrize("case", CLASSICS, ids=lambda case: case.name)
def test_a_classic_gateway(case):
    check(judge(snapshot_of(WORLD, case.objects), case.flow, case.request), case)


def test_a_classic_gateway_uses_hbone_where_the_mesh_says_so():
    shut = thing("NetworkPolicy", "amb/n", {"podSelector": {}, "ingress": [{"ports": [{"port": 15008}]}]})
    snapshot = snapshot_of(WORLD, [shut, policy(by(IDENTITY), "amb/p")], mesh=MeshConfig(sidecars_send_hbone=True))
    assert judge(snapshot, TO_AMBIENT).decision.value == "allow"


@pytest.mark.parametrize(
    ("made", "mode"),
    [
        (
            deployment(
                "back/g", {"app": "g"}, [{"name": "istio-proxy", "image": "auto"}], {"inject.istio.io/templates": "gateway"}
            ),
            "gateway",
        ),
        (deployment("back/g", {"app": "g"}, [{"name": "istio-proxy", "args": ["proxy", "router"]}]), "gateway"),
        (deployment("back/g", {"app": "g"}, [{"name": "istio-proxy", "args": ["proxy", "ztunnel"]}]), "none"),
        (deployment("back/g", {"app": "g"}, [{"name": "istio-proxy", "args": ["proxy", "router"]}, {"name": "app"}]), "sidecar"),
    ],
)
def test_which_pods_are_gateways(made, mode):
    for written in (made, slim(made) | {"metadata": made["metadata"]}):
        snapshot = snapshot_of(space("back"), [written])
        (found,) = snapshot.mesh_modes.values()
        assert found.value == mode or "inject.istio.io/templates" in str(made)


EVERYBODY = {"namespaces": {"from": "All"}}
LABELLED = {"app": "edge"}
ROUTE = thing(
    "HTTPRoute",
    "back/r",
    {"parentRefs": [{"name": "gw", "namespace": "istio-system"}], "rules": [{"backendRefs": [{"name": "web", "port": 80}]}]},
)
ROUTED = [space("istio-system"), space("back"), pod("back/web", "10.0.2.2", [80]), service("back/web", [("http", 80, 80)]), ROUTE]
OUTSIDE = "external > back/svc/web:80"
IN_FRONT = [policy([], "istio-system/all"), policy([{}], "istio-system/edge", selector={"matchLabels": LABELLED})]


def gateway(labels=None, annotations=None, **spec):
    listeners = [{"name": "http", "port": 80, "protocol": "HTTP", "allowedRoutes": EVERYBODY}]
    return thing("Gateway", "istio-system/gw", {"gatewayClassName": "istio", "listeners": listeners} | spec, labels, annotations)


DEPLOYMENTS = [
    Case("the Gateway's labels are on its pods", DEPLOYED, [gateway(LABELLED)], OUTSIDE, "GET /", "allow"),
    Case(
        "… those of its infrastructure instead",
        DEPLOYED,
        [gateway(LABELLED, infrastructure={"labels": {"app": "other"}})],
        OUTSIDE,
        "GET /",
        "deny gateway http_403",
    ),
    Case("… which may be the ones", DEPLOYED, [gateway({}, infrastructure={"labels": LABELLED})], OUTSIDE, "GET /", "allow"),
    Case("without labels", DEPLOYED, [gateway()], OUTSIDE, "GET /", "deny gateway http_403"),
    Case(
        "deployed by hand, for a Service",
        DEPLOYED,
        [
            gateway(addresses=[{"type": "Hostname", "value": "gate.istio-system.svc.cluster.local"}]),
            router("istio-system/gate", "10.0.0.1", labels={"app": "gate"} | {}),
            service("istio-system/gate", [("http", 80, 8080)]),
        ],
        OUTSIDE,
        "GET /",
        "deny gateway http_403",
    ),
    Case(
        "… selected by its own labels",
        DEPLOYED,
        [
            gateway(addresses=[{"type": "Hostname", "value": "gate"}]),
            router("istio-system/gate", "10.0.0.1", labels=LABELLED),
            service("istio-system/gate", [("http", 80, 8080)], LABELLED),
        ],
        OUTSIDE,
        "GET /",
        "allow",
    ),
    Case(
        "… by a Service that isn't there",
        DEPLOYED,
        [gateway(addresses=[{"type": "Hostname", "value": "gone"}])],
        OUTSIDE,
        "GET /",
        "unknown",
    ),
]


@pytest.mark.parametrize("case", DEPLOYMENTS, ids=lambda case: case.name)
def test_the_pods_of_a_gateway(case):
    check(judge(snapshot_of(ROUTED, IN_FRONT, case.objects), case.flow, case.request), case)


def test_targets_are_known_by_the_pods_label():
    """istiod finds a Gateway's policies by a label of the pod, which pods deployed by hand don't have."""
    by_hand = [
        gateway(addresses=[{"type": "Hostname", "value": "gate"}]),
        router("istio-system/gate", "10.0.0.1"),
        service("istio-system/gate", [("http", 80, 8080)]),
    ]
    target = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "gw"}
    shut = policy([], "istio-system/all", targetRefs=[target])
    assert judge(snapshot_of(ROUTED, by_hand, [shut]), OUTSIDE, "GET /").decision.value == "allow"
    assert judge(snapshot_of(ROUTED, [gateway(), shut]), OUTSIDE, "GET /").decision.value == "deny"


def test_the_account_and_name_of_a_deployed_gateway():
    named = gateway(annotations={"gateway.istio.io/service-account": "mine", "gateway.istio.io/name-override": "edge"})
    meshed = beside("back/web", "10.0.2.2", [80])
    verdict = judge(
        snapshot_of(ROUTED[:2], ROUTED[3:], [meshed, named, policy(by("cluster.local/ns/istio-system/sa/mine"))]),
        OUTSIDE,
        "GET /",
    )
    assert verdict.decision.value == "allow"


OPA = {"provider": {"name": "opa"}}
ASKED = policy([{"to": [{"operation": {"notPaths": ["/open"]}}]}], "istio-system/ask", "CUSTOM", **OPA)
NEEDS_TOKEN = policy([{"from": [{"source": {"notRequestPrincipals": ["*"]}}]}], "istio-system/token", "DENY")
IDP = thing("RequestAuthentication", "istio-system/idp", {"jwtRules": [{"issuer": "https://idp"}]})
ALICE = Jwt("https://idp", "alice")
AUTHORIZERS = [
    Case("its answer isn't known", FILTERS, [ASKED], OUTSIDE, "GET /", "unknown", says="'opa'"),
    Case("a rule that doesn't match asks nobody", FILTERS, [ASKED], OUTSIDE, "GET /open", "allow"),
    Case(
        "it may add what a later rule wants",
        FILTERS,
        [ASKED, IDP, NEEDS_TOKEN],
        OUTSIDE,
        "GET /",
        "unknown",
        says="headers that it sets",
    ),
    Case("… where it is asked", FILTERS, [ASKED, IDP, NEEDS_TOKEN], OUTSIDE, "GET /open", "deny gateway http_403"),
    Case("it may replace a token", FILTERS, [ASKED, IDP, NEEDS_TOKEN], OUTSIDE, "GET /", "unknown", jwt=ALICE),
    Case(
        "a token that will be refused may be replaced",
        FILTERS,
        [ASKED, IDP],
        OUTSIDE,
        "GET /",
        "unknown",
        jwt=Jwt("https://evil", "x"),
    ),
    Case(
        "nothing that it can change helps against a rule about ports",
        FILTERS,
        [ASKED, policy([{"to": [{"operation": {"ports": ["80"]}}]}], "istio-system/no", "DENY")],
        OUTSIDE,
        "GET /",
        "deny gateway http_403",
    ),
    Case(
        "… or where no rule allows anybody",
        FILTERS,
        [ASKED, policy([], "istio-system/nobody")],
        OUTSIDE,
        "GET /",
        "deny gateway http_403",
    ),
    Case(
        "a dry run of it asks nobody",
        FILTERS,
        [ASKED | {"metadata": ASKED["metadata"] | {"annotations": {"istio.io/dry-run": "true"}}}],
        OUTSIDE,
        "GET /",
        "allow",
    ),
]


@pytest.mark.parametrize("case", AUTHORIZERS, ids=lambda case: case.name)
def test_an_external_authorizer(case):
    verdict = judge(snapshot_of(ROUTED, [gateway()], case.objects), case.flow, case.request, case.jwt)
    check(verdict, case)
    if "asks nobody" not in case.name and "where it is asked" not in case.name:
        assert any(str(o.ref) == "AuthorizationPolicy istio-system/ask" for step in verdict.steps for o in step.objects)


@pytest.mark.parametrize(("token", "expect"), [("x", "deny"), ("a.b.c", "unknown"), ("a.b", "deny")])
def test_a_token_that_is_no_token_is_refused(token, expect):
    """Envoy's jwt_authn: what isn't of three parts is malformed, and a 401."""
    snapshot = snapshot_of(ROUTED, [gateway(), IDP, NEEDS_TOKEN])
    verdict = judge(snapshot, OUTSIDE, "GET /", headers=(("Authorization", f"Bearer {token}"),))
    assert verdict.decision.value == expect
    assert verdict.outcome == ("http_401" if expect == "deny" else "unknown")


# ---- labels and capture


def np_by(labels, space_="inj"):
    return thing("NetworkPolicy", f"{space_}/n", {"podSelector": {"matchLabels": labels}, "ingress": []})


@pytest.mark.parametrize(
    ("labels", "name", "version"),
    [
        ({"app": "a"}, "a", "latest"),
        ({"app": "a", "app.kubernetes.io/name": "b", "version": "v1"}, "b", "v1"),
        ({"x": "y", "app.kubernetes.io/version": "2"}, "web", "2"),
        ({"service.istio.io/canonical-name": "own", "app": "a"}, "own", "latest"),
    ],
)
def test_policies_see_the_labels_that_injection_adds(labels, name, version):
    added = {"service.istio.io/canonical-name": name, "service.istio.io/canonical-revision": version}
    client = pod("istio-system/c", "10.0.9.9")
    for selector, expect in ((added, "deny"), ({"service.istio.io/canonical-name": "other"}, "allow")):
        snapshot = snapshot_of([injected("inj"), deployment("inj/web", labels), client, np_by(selector)])
        assert judge(snapshot, "istio-system/c > inj/deploy/web:8080").decision.value == expect
    outside = snapshot_of([space("inj"), deployment("inj/web", labels), client, np_by(added)])
    assert judge(outside, "istio-system/c > inj/deploy/web:8080").decision.value == "allow"


def both(name):
    made = injected(name)
    made["metadata"]["labels"]["istio.io/dataplane-mode"] = "ambient"
    return made


@pytest.mark.parametrize(
    ("namespace", "labels", "annotations", "mode"),
    [
        (both("a"), {}, {}, MeshMode.SIDECAR),
        (both("a"), {"sidecar.istio.io/inject": "false"}, {}, MeshMode.AMBIENT),
        (injected("a"), {"istio.io/dataplane-mode": "ambient"}, {}, MeshMode.SIDECAR),
        (injected("kube-system"), {}, {}, MeshMode.NONE),
        (space("a"), {}, {"ambient.istio.io/redirection": "enabled"}, MeshMode.AMBIENT),
        (both("a"), {}, {"ambient.istio.io/redirection": "enabled"}, MeshMode.AMBIENT),
    ],
)
def test_who_gets_a_sidecar_and_who_is_captured(namespace, labels, annotations, mode):
    made = pod(f"{namespace['metadata']['name']}/p", "10.0.0.1", labels=labels, metadata={"annotations": annotations})
    snapshot = snapshot_of([namespace, made])
    assert list(snapshot.mesh_modes.values()) == [mode]


def annotated(made, **annotations):
    made["metadata"]["annotations"] = {f"traffic.sidecar.istio.io/{k}": v for k, v in annotations.items()}
    return made


def api(**annotations):
    return annotated(beside("back/api", "10.0.2.1", [("http", 8080)], "api"), **annotations)


def web(**annotations):
    return annotated(beside("back/web", "10.0.2.9", [80], "web"), **annotations)


OUT = pod("istio-system/plain", "10.0.9.1")
NOBODY = policy([])
CAPTURES = [
    Case("a captured port", CAPTURE, [api(), web(), STRICT], "istio-system/plain > back/api:8080", "", "deny sidecar closed"),
    Case(
        "an excluded port",
        CAPTURE,
        [api(excludeInboundPorts="9000, 8080"), web(), STRICT, NOBODY],
        "istio-system/plain > back/api:8080",
        "",
        "allow",
        says="excludes port 8080",
    ),
    Case(
        "another excluded port",
        CAPTURE,
        [api(excludeInboundPorts="9000"), web(), STRICT],
        "istio-system/plain > back/api:8080",
        "",
        "deny sidecar closed",
    ),
    Case(
        "included ports",
        CAPTURE,
        [api(includeInboundPorts="9000"), web(), STRICT],
        "istio-system/plain > back/api:8080",
        "",
        "allow",
    ),
    Case(
        "… all",
        CAPTURE,
        [api(includeInboundPorts="*"), web(), STRICT],
        "istio-system/plain > back/api:8080",
        "",
        "deny sidecar closed",
    ),
    Case("… none", CAPTURE, [api(includeInboundPorts=""), web(), STRICT], "istio-system/plain > back/api:8080", "", "allow"),
    Case(
        "a source that goes past its own sidecar",
        CAPTURE,
        [api(), web(excludeOutboundPorts="80"), STRICT],
        "back/web > back/svc/api:80",
        "GET /",
        "deny sidecar closed",
    ),
    Case(
        "… by the port that it connects to",
        CAPTURE,
        [api(), web(excludeOutboundPorts="8080"), STRICT],
        "back/web > back/svc/api:80",
        "GET /",
        "allow",
    ),
]


@pytest.mark.parametrize("case", CAPTURES, ids=lambda case: case.name)
def test_what_a_sidecar_captures(case):
    rest = [o for o in WORLD if o["metadata"]["name"] != "api" or o["kind"] == "Service"]
    check(judge(snapshot_of(rest, [OUT], case.objects), case.flow, case.request), case)


# ---- switches of the control plane


def control_plane(image="ztunnel:1.29.1", **env):
    istiod = deployment(
        "istio-system/istiod",
        {"app": "istiod"},
        [{"name": "discovery", "env": [{"name": k, "value": v} for k, v in env.items()]}],
    )
    ztunnel = deployment(
        "istio-system/ztunnel", {"app": "ztunnel"}, [{"name": "istio-proxy", "image": image, "args": ["proxy", "ztunnel"]}]
    )
    return [istiod, ztunnel | {"kind": "DaemonSet"}]


WAYPOINT = thing(
    "Gateway",
    "amb/wp",
    {"gatewayClassName": "istio-waypoint", "listeners": [{"name": "mesh", "port": 15008, "protocol": "HBONE"}]},
)
AMBIENT = [
    space("istio-system"),
    space("shop", ambient=True),
    space("amb", ambient=True),
    pod("shop/web", "10.0.1.1", account="web"),
    pod("amb/app", "10.0.3.1", [("http", 80)], account="app"),
    pod("amb/other", "10.0.3.2", [("http", 80)], account="other"),
    WAYPOINT,
    service("amb/app", [("http", 80, 80)], labels={"istio.io/use-waypoint": "wp"}),
]
AUTO, DRY = {"PILOT_AUTO_ALLOW_WAYPOINT_POLICY": "true"}, {"AMBIENT_ENABLE_DRY_RUN_AUTHORIZATION_POLICY": "true"}


@pytest.mark.parametrize(
    ("env", "flow", "expect"),
    [
        (AUTO, "shop/web > amb/svc/app:80", "allow"),
        (AUTO, "shop/web > amb/app:80", "deny"),
        (AUTO, "shop/web > amb/other:80", "allow"),
        ({}, "shop/web > amb/app:80", "allow"),
        ({"PILOT_AUTO_ALLOW_WAYPOINT_POLICY": "false"}, "shop/web > amb/app:80", "allow"),
    ],
)
def test_pods_behind_a_waypoint_that_istiod_allows_by_itself(env, flow, expect):
    snapshot = snapshot_of(AMBIENT, control_plane(**env))
    verdict = judge(snapshot, flow)
    assert verdict.decision.value == expect
    if expect == "deny":
        assert str(verdict.decided_by.ref) == "AuthorizationPolicy amb/istio_allow_waypoint_amb_wp"
    matrix = Matrix(snapshot)
    if "svc" not in flow:
        whole = Proxied(matrix)
        ends = [matrix.class_of(key) for key in flow.removesuffix(":80").split(" > ")]
        assert whole.whole(*ends, matrix.cell(*ends)).at(80).decision is verdict.decision


DRY_RUN = thing("AuthorizationPolicy", "amb/dry", {"action": "DENY", "rules": [{}]}, annotations={"istio.io/dry-run": "true"})


@pytest.mark.parametrize(
    ("image", "env", "expect"),
    [
        ("ztunnel:1.28.3-distroless", DRY, "deny"),
        ("ztunnel:1.29.0", DRY, "allow"),
        ("registry.example:5000/istio/ztunnel:v1.30", DRY, "allow"),
        ("ztunnel@sha256:0", DRY, "unknown"),
        ("ztunnel:1.28.3", {}, "allow"),
    ],
)
def test_a_dry_run_is_enforced_by_an_old_ztunnel_that_is_sent_it(image, env, expect):
    assert judge(snapshot_of(AMBIENT, [DRY_RUN], control_plane(image, **env)), "shop/web > amb/other:80").decision.value == expect


def test_the_switches_of_every_revision_count():
    second = deployment(
        "istio-system/istiod-canary",
        {"app": "istiod", "istio.io/rev": "canary"},
        [{"name": "discovery", "env": [{"name": k, "value": v} for k, v in AUTO.items()]}],
    )
    snapshot = snapshot_of(AMBIENT, control_plane(), [second])
    assert judge(snapshot, "shop/web > amb/app:80").decision.value == "deny"
    assert judge(replace(snapshot, controllers={}), "shop/web > amb/app:80").decision.value == "allow"
