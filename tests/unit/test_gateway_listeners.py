"""Listeners of the Gateway API, and what isn't evaluated but says where traffic goes."""

import pytest

from meshtui.engine.matrix.matrix import Matrix
from meshtui.engine.matrix.proxied import Proxied
from meshtui.model.snapshot import KindState, KindStatus
from meshtui.model.verdict import Decision
from tests.fakes.gateway_routes import (
    BACKENDS,
    COLLECT,
    CONVERT,
    GATEWAY,
    INSIDE,
    LISTENER,
    NOT_FOUND,
    ON_SERVICE,
    OUTSIDE,
    SIDE,
    TO_GATE,
    WORLD,
    backend,
    gateway,
    listener,
    route,
    secure,
    written,
)
from tests.fakes.requests import Case, check, judge, space
from tests.fakes.snapshots import pod, snapshot_of

LISTENERS = [
    Case(
        "a kind that isn't allowed",
        "gatewaycommon/conversion.go (GenerateGatewaySupportedKinds)",
        [gateway(listener(allowedRoutes={"kinds": [{"kind": "GRPCRoute"}]})), route()],
        OUTSIDE,
        "GET /",
        NOT_FOUND,
    ),
    Case(
        "… of another group",
        "gatewaycommon/conversion.go (RouteGroupKindEqual)",
        [gateway(listener(allowedRoutes={"kinds": [{"group": "x.y", "kind": "HTTPRoute"}]})), route()],
        OUTSIDE,
        "GET /",
        NOT_FOUND,
    ),
    Case(
        "a kind that is",
        "gatewaycommon/conversion.go (GenerateGatewaySupportedKinds)",
        [gateway(listener(allowedRoutes={"kinds": [{"kind": "HTTPRoute"}]})), route()],
        OUTSIDE,
        "GET /",
        "allow",
    ),
    Case("TLS", LISTENER, [gateway(secure()), route()], OUTSIDE, "GET /", "allow"),
    *(
        Case(
            f"TLS mode {mode}",
            LISTENER,
            [gateway(secure(options={"gateway.istio.io/tls-terminate-mode": mode})), route()],
            OUTSIDE,
            "GET /",
            expect,
            says=says,
        )
        for mode, expect, says in (
            ("MUTUAL", "unknown", "the listener https of Gateway back/gw demands a certificate"),
            ("ISTIO_MUTUAL", "unknown", "demands a certificate"),
            ("OPTIONAL_MUTUAL", "allow", ""),
            ("SIMPLE", "allow", ""),
            ("LATER", "unknown", "tls-terminate-mode"),
        )
    ),
    Case(
        "… at one of two listeners",
        LISTENER,
        [gateway(listener(), secure(options={"gateway.istio.io/tls-terminate-mode": "MUTUAL"})), route()],
        OUTSIDE,
        "GET /",
        "allow",
    ),
    Case(
        "certificates are validated",
        f"{CONVERT} (resolveGatewayTLS)",
        [gateway(secure(), tls={"frontend": {"default": {"validation": {"caCertificateRefs": [{"name": "ca"}]}}}}), route()],
        OUTSIDE,
        "GET /",
        "unknown",
        says="demands a certificate",
    ),
    Case(
        "… on this port",
        f"{CONVERT} (resolveGatewayTLS)",
        [
            gateway(secure(), tls={"frontend": {"perPort": [{"port": 443, "tls": {"validation": {"mode": "AllowValidOnly"}}}]}}),
            route(),
        ],
        OUTSIDE,
        "GET /",
        "unknown",
        says="demands a certificate",
    ),
    Case(
        "… on another",
        f"{CONVERT} (resolveGatewayTLS)",
        [gateway(secure(), tls={"frontend": {"perPort": [{"port": 444, "tls": {"validation": {}}}]}}), route()],
        OUTSIDE,
        "GET /",
        "allow",
    ),
    Case(
        "… or not",
        f"{CONVERT} (buildTLS)",
        [gateway(secure(), tls={"frontend": {"default": {"validation": {"mode": "AllowInsecureFallback"}}}}), route()],
        OUTSIDE,
        "GET /",
        "allow",
    ),
    Case(
        "… by an older field",
        "kubernetes-sigs/gateway-api v1.3 (GatewayTLSConfig.frontendValidation)",
        [gateway(secure(frontendValidation={"caCertificateRefs": [{"name": "ca"}]})), route()],
        OUTSIDE,
        "GET /",
        "unknown",
        says="demands a certificate",
    ),
    Case(
        "an option that isn't known",
        LISTENER,
        [gateway(secure(options={"example.com/x": "y"})), route()],
        OUTSIDE,
        "GET /",
        "unknown",
        says="tls.options[example.com/x]",
    ),
    Case(
        "HTTPS that isn't ended",
        LISTENER,
        [gateway(secure(mode="Passthrough")), route()],
        OUTSIDE,
        "GET /",
        "unknown",
        says="tls.mode Passthrough",
    ),
    Case(
        "HTTPS without TLS",
        LISTENER,
        [gateway(listener(protocol="HTTPS")), route()],
        OUTSIDE,
        "GET /",
        "unknown",
        says="tls (missing)",
    ),
    Case(
        "a certificate of its own namespace, by name",
        LISTENER,
        [gateway(secure(certificateRefs=[{"name": "c", "namespace": "back"}])), route()],
        OUTSIDE,
        "GET /",
        "allow",
    ),
    Case(
        "a host of another listener that passes TLS on",
        LISTENER,
        [gateway(secure(), secure(mode="Passthrough") | {"name": "raw", "protocol": "TLS", "hostname": "b.x"}), route()],
        OUTSIDE,
        "GET / b.x",
        "unknown",
        says="another listener of this port is for b.x",
    ),
    Case(
        "… another host",
        LISTENER,
        [gateway(secure(), secure(mode="Passthrough") | {"name": "raw", "protocol": "TLS", "hostname": "b.x"}), route()],
        OUTSIDE,
        "GET / a.x",
        "allow",
    ),
    Case(
        "a host of another listener without a route",
        LISTENER,
        [gateway(secure(), secure() | {"name": "b", "hostname": "*.x"}), route(parent={"name": "gw", "sectionName": "https"})],
        OUTSIDE,
        "GET / b.x",
        "unknown",
        says="another listener of this port is for b.x",
    ),
    Case(
        "… which the route is for, too",
        LISTENER,
        [gateway(secure(), secure() | {"name": "b", "hostname": "*.x"}), route()],
        OUTSIDE,
        "GET / b.x",
        "allow",
    ),
    Case(
        "a certificate of another namespace",
        LISTENER,
        [gateway(secure(certificateRefs=[{"name": "c", "namespace": "x"}])), route()],
        OUTSIDE,
        "GET /",
        "unknown",
        says="tls.certificateRefs[0].namespace",
    ),
    Case(
        "a field of a listener that isn't known",
        LISTENER,
        [gateway(listener(later=True)), route()],
        OUTSIDE,
        "GET /",
        "unknown",
        says="aren't modelled: later",
    ),
    Case("… of the Gateway", LISTENER, [gateway(later=True), route()], OUTSIDE, "GET /", "unknown", says="spec.later"),
]

TLS_ROUTE = route(kind="TLSRoute", version="v1alpha2")
TCP_ROUTE = route(kind="TCPRoute", version="v1alpha2")
SETS = {"allowedListeners": {"namespaces": {"from": "Same"}}}


def listener_set(kind="ListenerSet", group=GATEWAY, version="v1"):
    spec = {"parentRef": {"name": "gw", "kind": "Gateway", "group": GATEWAY}, "listeners": [listener(port=81)]}
    return written(kind, "back/more", spec, version, group)


def backend_tls(name="web"):
    spec = {"targetRefs": [{"group": "", "kind": "Service", "name": name}], "validation": {"hostname": "x"}}
    return written("BackendTLSPolicy", "back/tls", spec)


OTHERS = [
    *(
        Case(
            f"a {each['kind']} of a gateway leads there",
            COLLECT,
            [gateway(listener(name="raw", port=9000, protocol=protocol)), each],
            OUTSIDE,
            "GET /",
            "unknown",
            says=f"{each['kind']} back/r leads there from Gateway back/gw",
        )
        for each, protocol in ((TLS_ROUTE, "TLS"), (TCP_ROUTE, "TCP"))
    ),
    Case(
        "… elsewhere",
        COLLECT,
        [gateway(), route(kind="TLSRoute", version="v1alpha2", to=[backend("other")])],
        OUTSIDE,
        "GET /",
        NOT_FOUND,
    ),
    Case("… beside an HTTPRoute", COLLECT, [gateway(), route(name="back/h"), TLS_ROUTE], OUTSIDE, "GET /", "allow"),
    *(
        Case(
            f"a {kind} of a Service at its waypoint",
            COLLECT,
            [route(kind=kind, parent=ON_SERVICE, to=[backend("other")], version=version)],
            INSIDE,
            "GET /",
            "unknown",
            says=f"{kind} back/r",
        )
        for kind, version in (("HTTPRoute", "v1"), ("GRPCRoute", "v1"), ("TCPRoute", "v1alpha2"), ("TLSRoute", "v1alpha3"))
    ),
    *(
        Case(
            f"a {kind} of a Service at a sidecar",
            COLLECT,
            [route(kind=kind, parent=ON_SERVICE, to=[backend("other")], version=version)],
            SIDE,
            "GET /",
            "unknown",
            says=f"{kind} back/r may send this Service's requests elsewhere",
        )
        for kind, version in (("HTTPRoute", "v1"), ("GRPCRoute", "v1"), ("TCPRoute", "v1alpha2"))
    ),
    Case(
        "a UDPRoute, which Istio doesn't read",
        COLLECT,
        [route(kind="UDPRoute", parent=ON_SERVICE, version="v1alpha2")],
        INSIDE,
        "GET /",
        "allow",
    ),
    Case(
        "a route of another Service",
        COLLECT,
        [route(kind="GRPCRoute", parent=ON_SERVICE | {"name": "other"})],
        INSIDE,
        "GET /",
        "allow",
    ),
    *(
        Case(
            f"a {each['kind']}",
            "istio/istio pilot/pkg/config/kube/gateway/gateway_collection.go",
            [gateway(**SETS), route(), each],
            OUTSIDE,
            "GET /",
            "unknown",
            says=f"{each['kind']} back/more adds listeners to Gateway back/gw",
        )
        for each in (listener_set(), listener_set("XListenerSet", "gateway.networking.x-k8s.io", "v1alpha1"))
    ),
    Case(
        "… for a pod",
        "istio/istio pilot/pkg/config/kube/gateway/gateway_collection.go",
        [gateway(**SETS), route(), listener_set(), pod("back/gw-istio", "10.0.9.1", labels={f"{GATEWAY}/gateway-name": "gw"})],
        TO_GATE,
        "GET /",
        "unknown",
        says="adds listeners",
    ),
    Case(
        "… which the Gateway doesn't allow",
        "kubernetes-sigs/gateway-api (AllowedListeners)",
        [gateway(), route(), listener_set()],
        OUTSIDE,
        "GET /",
        "allow",
    ),
    Case(
        "TLS to a gateway's backend",
        BACKENDS,
        [gateway(), route(), backend_tls()],
        OUTSIDE,
        "GET /",
        "unknown",
        says="BackendTLSPolicy back/tls says how proxies connect to Service back/web",
    ),
    Case("… to a waypoint's", BACKENDS, [backend_tls()], INSIDE, "GET /", "unknown", says="BackendTLSPolicy back/tls"),
    Case("… from a sidecar", BACKENDS, [backend_tls()], SIDE, "GET /", "unknown", says="BackendTLSPolicy back/tls"),
    Case("… to another backend", BACKENDS, [gateway(), route(), backend_tls("other")], OUTSIDE, "GET /", "allow"),
]


@pytest.mark.parametrize("case", [*LISTENERS, *OTHERS], ids=lambda case: case.name)
def test_a_gateway_and_what_else_routes(case):
    check(judge(snapshot_of(_there(case.flow), case.objects), case.flow, case.request, headers=case.headers), case)


def _there(flow):
    """The world, for flows from a sidecar without a waypoint."""
    if flow != SIDE:
        return WORLD
    named = [(each["metadata"]["name"], each) for each in WORLD]
    return [space("back") if name == "back" else each for name, each in named if name != "wp"]


@pytest.mark.parametrize("kind", ["HTTPRoute", "GRPCRoute", "TCPRoute", "TLSRoute", "BackendTLSPolicy"])
@pytest.mark.parametrize("flow", [INSIDE, SIDE])
def test_routes_that_cant_be_seen_leave_a_waypoint_and_a_sidecar_in_doubt(kind, flow):
    hidden = {kind: KindState(KindStatus.FORBIDDEN, "may not be listed", "list")}
    assert judge(snapshot_of(WORLD, kinds=hidden), flow, "GET /").decision is Decision.UNKNOWN


@pytest.mark.parametrize(
    "found", [[], [route(kind="GRPCRoute", parent=ON_SERVICE)], [backend_tls()]], ids=["none", "GRPC", "TLS"]
)
def test_all_pairs_know_what_routes_a_service_at_its_waypoint(found):
    matrix = Matrix(snapshot_of(WORLD, found))
    proxied = Proxied(matrix)
    entrance = next(e for e in proxied.entrances() if e.service.meta.name == "web")
    decided = proxied.through(matrix.class_of("front/client"), entrance)
    assert decided.decision is (Decision.UNKNOWN if found else Decision.ALLOW)
