"""VirtualServices for the mesh: flows that a sidecar or a waypoint may send elsewhere. Every row names its rule's source."""

import pytest

from meshtui.engine.whatif.requests import compare_requests
from meshtui.model.snapshot import KindState, KindStatus
from tests.fakes.istio_routes import EXPORT, ROUTE, WORLD, destination, prefix, to, virtual
from tests.fakes.requests import Case, beside, check, judge, policy, service, space, thing
from tests.fakes.snapshots import pod, snapshot_of

MESH_WORLD = [
    *WORLD,
    space("shop"),
    space("amb", ambient=True),
    beside("shop/web", "10.0.1.1", [80], "web"),
    pod("shop/plain", "10.0.1.2", [80]),
    pod("back/bare", "10.0.2.3", [80]),
    service("back/bare", [("http", 80, 80), ("tcp-db", 5432, 80)]),
    pod("amb/app", "10.0.3.1", [80]),
]
WEB, BARE = "shop/web > back/svc/api:80", "shop/web > back/svc/bare:80"
WAYPOINT = [
    space("way", ambient=True, waypoint="wp"),
    thing(
        "Gateway",
        "way/wp",
        {"gatewayClassName": "istio-waypoint", "listeners": [{"name": "mesh", "port": 15008, "protocol": "HBONE"}]},
    ),
    pod("way/api", "10.0.4.1", [("http", 8080)]),
    service("way/api", [("http", 80, 8080)]),
]
THROUGH = "amb/app > way/svc/api:80"


def meshed(*rules, hosts=("api",), key="back/m", **more):
    return virtual(key, *rules, hosts=hosts, gateways=more.pop("gateways", ()), **more)


SPLIT = meshed({"route": [destination("api", weight=90), destination("page", weight=10)]})
SIDECAR = f"{ROUTE} (BuildSidecarVirtualHostWrapper)"
WAYPOINTS = "istio/istio pilot/pkg/networking/core/listener_waypoint.go (getVirtualServiceForWaypoint)"
IN_MESH = [
    Case("a sidecar's request may go elsewhere", SIDECAR, [SPLIT], WEB, "GET /", "unknown", says="VirtualService back/m"),
    Case("… and without a request", SIDECAR, [SPLIT], WEB, "", "unknown"),
    Case("… a denial stays one", SIDECAR, [SPLIT, policy([], "back/p")], WEB, "GET /", "deny sidecar http_403"),
    Case("one destination that is the same", SIDECAR, [meshed({"route": [destination("api")]})], WEB, "GET /", "allow"),
    Case("… with a timeout", SIDECAR, [meshed({"route": [destination("api")], "timeout": "3s"})], WEB, "GET /", "allow"),
    Case(
        "… by its full name",
        SIDECAR,
        [meshed(to("api"), key="shop/m", hosts=["api.back.svc.cluster.local"])],
        WEB,
        "GET /",
        "allow",
    ),
    Case("… without a port", SIDECAR, [meshed({"route": [destination("api", None)]})], WEB, "GET /", "allow"),
    Case("… on another port", SIDECAR, [meshed({"route": [destination("api", 81)]})], WEB, "GET /", "unknown"),
    Case("… with a rewrite", SIDECAR, [meshed(to("api", rewrite={"uri": "/"}))], WEB, "GET /", "unknown"),
    Case("… with headers", SIDECAR, [meshed(to("api", headers={"request": {"set": {"a": "b"}}}))], WEB, "GET /", "unknown"),
    Case(
        "… of a subset", SIDECAR, [meshed({"route": [{"destination": {"host": "api", "subset": "v1"}}]})], WEB, "GET /", "unknown"
    ),
    Case("… for some requests only", SIDECAR, [meshed(to("api", prefix("/a")))], WEB, "GET /", "unknown"),
    Case("… with a fault", SIDECAR, [meshed(to("api", fault={"abort": {"httpStatus": 500}}))], WEB, "GET /", "unknown"),
    Case("… with a field that isn't known", SIDECAR, [meshed(to("api", odd=1))], WEB, "GET /", "unknown"),
    Case("TCP routes", SIDECAR, [meshed(tcp=[{"route": []}])], WEB, "GET /", "unknown"),
    Case("another host", SIDECAR, [meshed(to("page"), hosts=["page"])], WEB, "GET /", "allow"),
    Case("a wildcard", SIDECAR, [meshed(to("page"), hosts=["*.back.svc.cluster.local"])], WEB, "GET /", "unknown"),
    Case("a name with its namespace", SIDECAR, [meshed(to("page"), hosts=["api.back"])], WEB, "GET /", "unknown"),
    Case("named as the mesh", SIDECAR, [meshed(to("page"), gateways=["mesh", "ingress/gw"])], WEB, "GET /", "unknown"),
    Case("only for a gateway", SIDECAR, [meshed(to("page"), gateways=["ingress/gw"])], WEB, "GET /", "allow"),
    Case(
        "matches only for a gateway",
        f"{ROUTE} (sourceMatchHTTP)",
        [meshed(to("page", {"gateways": ["ingress/gw"]}), to("api"), gateways=["mesh", "ingress/gw"])],
        WEB,
        "GET /",
        "allow",
    ),
    Case("to the pod's address", SIDECAR, [SPLIT], "shop/web > back/api:8080", "GET /", "allow"),
    Case("from a pod outside the mesh", SIDECAR, [SPLIT], "shop/plain > back/svc/api:80", "GET /", "allow"),
    Case("to a pod outside the mesh", SIDECAR, [meshed(to("page"), hosts=["bare"])], BARE, "GET /", "unknown"),
    Case(
        "HTTP routes and a TCP port", SIDECAR, [meshed(to("page"), hosts=["bare"])], "shop/web > back/svc/bare:5432", "", "allow"
    ),
    Case("exported elsewhere", EXPORT, [meshed(to("page"), exportTo=["."])], WEB, "GET /", "allow"),
    Case("… to the source's namespace", EXPORT, [meshed(to("page"), exportTo=["shop"])], WEB, "GET /", "unknown"),
    Case("ztunnel knows no VirtualService", WAYPOINTS, [SPLIT], "amb/app > back/svc/bare:80", "GET /", "allow"),
    Case(
        "a waypoint's Service",
        WAYPOINTS,
        [*WAYPOINT, meshed(to("page"), key="way/m")],
        THROUGH,
        "GET /",
        "unknown",
        says="waypoint",
    ),
    Case("… unchanged", WAYPOINTS, [*WAYPOINT, meshed({"route": [destination("api")]}, key="way/m")], THROUGH, "GET /", "allow"),
    Case(
        "… by an object of another namespace",
        WAYPOINTS,
        [*WAYPOINT, meshed(to("page"), hosts=["api.way.svc.cluster.local"])],
        THROUGH,
        "GET /",
        "allow",
    ),
]


@pytest.mark.parametrize("case", IN_MESH, ids=lambda case: case.name)
def test_a_flow_in_the_mesh(case):
    check(judge(snapshot_of(MESH_WORLD, case.objects), case.flow, case.request), case)


@pytest.mark.parametrize(
    ("objects", "flow", "expect"),
    [
        ([], WEB, "unknown"),
        ([], "shop/web > back/api:8080", "allow"),
        ([], "shop/plain > back/svc/api:80", "allow"),
        (WAYPOINT, THROUGH, "unknown"),
    ],
)
def test_virtual_services_that_may_not_be_listed(objects, flow, expect):
    hidden = {"VirtualService": KindState(KindStatus.FORBIDDEN, "no")}
    assert judge(snapshot_of(MESH_WORLD, objects, kinds=hidden), flow, "GET /").decision.value == expect


def test_a_change_of_routes_is_compared():
    found = compare_requests(snapshot_of(MESH_WORLD), snapshot_of(MESH_WORLD, [SPLIT]))
    assert {(shift.source, shift.destination) for shift in found.shifts} >= {("shop/Pod/web", "back/Service/api")}
    assert all(shift.destination == "back/Service/api" for shift in found.shifts)
