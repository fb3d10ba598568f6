"""Flows to hosts and their addresses through proxies: REGISTRY_ONLY and egress waypoints. Rows name their sources."""

import pytest

from meshtui.model.snapshot import MeshConfig
from tests.fakes.egress import (
    AMBIENT,
    ATTACH,
    BARE,
    BASE,
    CAR,
    DENIED,
    ENTRY,
    FLOW,
    GATEWAY,
    GATEWAY_REF,
    HOST,
    HTTP,
    INJECTED,
    NOT_KNOWN,
    PODS,
    POINTS,
    REF,
    REGISTRY,
    SIDECAR,
    STAR,
    TABLE,
    THROUGH,
    TWO,
    USES,
    WITHIN,
    WITHOUT,
    WORKLOADS,
    WP_POD,
    ZTUNNEL,
    authz,
    block,
    egress,
    entry,
    everywhere,
    static,
)
from tests.fakes.requests import Case, check, judge, space, thing
from tests.fakes.snapshots import judge as tcp_or_udp
from tests.fakes.snapshots import pod, snapshot_of

REFUSED = "deny sidecar closed"
ONLY_REGISTERED = [
    Case("an unregistered host at a sidecar", SIDECAR, [], CAR, "", REFUSED, says="REGISTRY_ONLY"),
    Case(
        "an unregistered request",
        SIDECAR,
        [entry("cars/other", ["x.example"], [HTTP])],
        f"cars/car > {HOST}:80",
        "GET /",
        "deny sidecar http_502",
    ),
    Case("a registered host", SIDECAR, [entry("cars/ext")], CAR, "", "allow"),
    Case("one that isn't exported", SIDECAR, [entry("egress/ext", exportTo=["."])], CAR, "", REFUSED),
    Case("another port", SIDECAR, [entry("cars/ext")], f"cars/car > {HOST}:8443", "", REFUSED),
    Case("ztunnel doesn't read it", ZTUNNEL, [], FLOW, "", "allow"),
    Case("nor does a pod outside", ZTUNNEL, [], BARE, "", "allow"),
    Case("an unregistered address", SIDECAR, [], f"cars/car > {TWO}:443", "", REFUSED),
    Case("a registered address", SIDECAR, [static(TWO, key="cars/ext")], f"cars/car > {TWO}:443", "", "allow"),
    Case("an address that may be", SIDECAR, [entry("cars/ext")], f"cars/car > {TWO}:443", "", "unknown"),
    Case("an address from ambient", ZTUNNEL, [], f"shop/web > {TWO}:443", "", "allow"),
    Case("UDP isn't captured", SIDECAR, [], f"{CAR}/UDP", "", "allow"),
]


@pytest.mark.parametrize("case", ONLY_REGISTERED, ids=lambda case: case.name)
def test_registry_only(case):
    there = snapshot_of(BASE, case.objects, mesh=REGISTRY)
    verdict = tcp_or_udp(there, case.flow) if case.flow.endswith("UDP") else judge(there, case.flow, case.request)
    check(verdict, case)


def test_ports_that_leave_past_the_sidecar_are_not_blocked():
    annotated = pod("cars/free", "10.0.4.2", [80], metadata={"name": "free", "namespace": "cars", **INJECTED["metadata"]})
    annotated["metadata"]["annotations"] = {"traffic.sidecar.istio.io/excludeOutboundPorts": "443"}
    ranged = pod("cars/part", "10.0.4.3", [80], metadata={"name": "part", "namespace": "cars", **INJECTED["metadata"]})
    ranged["metadata"]["annotations"] = {"traffic.sidecar.istio.io/includeOutboundIPRanges": "10.0.0.0/8"}
    there = snapshot_of(BASE, [annotated, ranged], mesh=REGISTRY)
    assert judge(there, f"cars/free > {HOST}:443").decision.value == "allow"
    assert judge(there, f"cars/part > {HOST}:443").decision.value == "unknown"


ASK = f"shop/web > {HOST}:80"


GETS = [{"to": [{"operation": {"methods": ["GET"]}}]}]
FROM_DB = [{"from": [{"source": {"principals": ["cluster.local/ns/shop/sa/db"]}}]}]
WAYPOINT = [
    Case("through the waypoint", POINTS, THROUGH, ASK, "GET /", "allow"),
    Case(
        "a method that is allowed", ATTACH, [*THROUGH, authz(GETS)], ASK, "GET /", "allow", "AuthorizationPolicy shop/p rules[0]"
    ),
    Case("a method that isn't", ATTACH, [*THROUGH, authz(GETS)], ASK, "POST /", "deny waypoint http_403"),
    Case("another identity", ATTACH, [*THROUGH, authz(FROM_DB)], FLOW, "", "deny waypoint closed"),
    Case(
        "a policy for the Gateway", ATTACH, [*THROUGH, authz(FROM_DB, "egress/g", GATEWAY_REF)], FLOW, "", "deny waypoint closed"
    ),
    Case("the ServiceEntry of another namespace", ATTACH, [*THROUGH, authz(FROM_DB, "egress/p")], FLOW, "", "allow"),
    Case(
        "a Service of the same name",
        ATTACH,
        [*THROUGH, authz(FROM_DB, ref={"kind": "Service", "group": "", "name": "ext"})],
        FLOW,
        "",
        "allow",
    ),
    Case(
        "the host as the request's",
        "istio/api security/v1beta1/authorization_policy.proto",
        [*THROUGH, authz([{"to": [{"operation": {"hosts": [HOST]}}]}])],
        ASK,
        "GET /",
        "allow",
    ),
    Case(
        "the source reaches the waypoint only",
        POINTS,
        [
            *THROUGH,
            egress({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "egress"}}}, ports=[{"port": 15008}]),
        ],
        FLOW,
        "",
        "allow",
    ),
    Case("the source may not reach the waypoint", POINTS, [*THROUGH, egress(PODS)], FLOW, "", DENIED, "NetworkPolicy shop/out"),
    Case(
        "the waypoint may not go out",
        POINTS,
        [*THROUGH, egress(PODS, key="egress/out")],
        FLOW,
        "",
        "deny egress_policy closed",
        "NetworkPolicy egress/out",
    ),
    Case("the waypoint's blocks", POINTS, [*THROUGH, egress(WITHIN, key="egress/out")], FLOW, "", "unknown", says=NOT_KNOWN),
    Case(
        "the namespace's label",
        POINTS,
        [space("egress", waypoint="wp"), GATEWAY, WP_POD, entry("egress/ext"), authz(FROM_DB, "egress/p")],
        FLOW,
        "",
        "deny waypoint closed",
    ),
    Case("outside the mesh, past the waypoint", POINTS, [*THROUGH, authz(FROM_DB)], BARE, "", "allow"),
    Case(
        "a host that ztunnel can't recognise",
        AMBIENT,
        [GATEWAY, WP_POD, entry(labels=USES, resolution="NONE"), authz(FROM_DB)],
        FLOW,
        "",
        "allow",
        says="",
    ),
    Case(
        "DYNAMIC_DNS through its waypoint",
        AMBIENT,
        [GATEWAY, WP_POD, entry(labels=USES, hosts=[STAR], resolution="DYNAMIC_DNS"), authz(FROM_DB)],
        FLOW,
        "",
        "deny waypoint closed",
    ),
    Case("a missing waypoint", POINTS, [entry(labels=USES)], FLOW, "", "unknown"),
    Case("how sidecars use it", POINTS, THROUGH, CAR, "", "unknown"),
    Case(
        "an HTTPRoute of the ServiceEntry",
        "gateway-api GEP-1426",
        [*THROUGH, thing("HTTPRoute", "shop/r", {"parentRefs": [REF], "rules": []})],
        ASK,
        "GET /",
        "unknown",
    ),
]


@pytest.mark.parametrize("case", WAYPOINT, ids=lambda case: case.name)
def test_egress_waypoints(case):
    world = [each for each in BASE if case.objects[0]["kind"] != "Namespace" or each["metadata"]["name"] != "egress"]
    check(judge(snapshot_of(world, case.objects), case.flow, case.request), case)


VM = thing("WorkloadEntry", "shop/vm", {"address": TWO, "labels": {"vm": "db"}})
STRICT = thing("PeerAuthentication", "shop/strict", {"mtls": {"mode": "STRICT"}})
VIP = "240.0.0.9"
AT = f"shop/web > {VIP}:443"
ADDRESSED = [
    Case("an entry's address leads to its endpoints", AMBIENT, [static(TWO, addresses=[VIP]), egress(WITHOUT)], AT, "", DENIED),
    Case(
        "and through its waypoint",
        POINTS,
        [*THROUGH[:2], entry(labels=USES, addresses=[VIP]), authz(FROM_DB)],
        AT,
        "",
        "deny waypoint closed",
    ),
    Case(
        "an entry's network",
        AMBIENT,
        [*THROUGH[:2], entry(labels=USES, resolution="NONE", addresses=["240.0.0.0/24"]), authz(FROM_DB)],
        AT,
        "",
        "deny waypoint closed",
    ),
    Case(
        "NONE passes the address on",
        AMBIENT,
        [entry(resolution="NONE", addresses=[VIP]), egress(block("240.0.0.0/8"))],
        AT,
        "",
        "allow",
    ),
    Case("a port that it doesn't have", AMBIENT, [static(TWO, addresses=[VIP])], f"shop/web > {VIP}:80", "", "unknown"),
    Case(
        "at a sidecar",
        ENTRY,
        [static(TWO, key="cars/ext", addresses=[VIP]), *everywhere(WITHOUT)],
        f"cars/car > {VIP}:443",
        "",
        DENIED,
    ),
    Case("outside the mesh it is an address", TABLE, [static(TWO, addresses=[VIP])], f"bare/plain > {VIP}:443", "", "allow"),
    Case(
        "a machine of the mesh", WORKLOADS, [VM, STRICT], f"shop/web > {TWO}:5432", "", "unknown", says="whose proxy may enforce"
    ),
    Case("inline endpoints inside the mesh", ENTRY, [static(TWO, location="MESH_INTERNAL"), STRICT], FLOW, "", "unknown"),
    Case("inline endpoints outside the mesh", ENTRY, [static(TWO), STRICT], FLOW, "", "allow"),
    Case("an address without an entry", ZTUNNEL, [entry(), egress(WITHIN)], f"shop/web > {TWO}:443", "", "allow"),
]


@pytest.mark.parametrize("case", ADDRESSED, ids=lambda case: case.name)
def test_addresses_of_entries(case):
    check(judge(snapshot_of(BASE, case.objects), case.flow, case.request), case)


def test_the_server_name_of_a_tls_client_isnt_known():
    named = authz([{"when": [{"key": "connection.sni", "values": [HOST]}]}], action="DENY")
    assert judge(snapshot_of(BASE, [*THROUGH, named]), FLOW).decision.value == "unknown"


def test_the_meshs_own_export_and_visibility():
    """istio/api mesh/v1alpha1/config.proto: defaultServiceExportTo is for entries without exportTo."""
    elsewhere = static(TWO, key="egress/ext")
    own = MeshConfig(found=True, registry_only=True, export_to=(".",))
    assert judge(snapshot_of(BASE, [elsewhere], mesh=own), CAR).decision.value == "deny"
    assert judge(snapshot_of(BASE, [elsewhere], mesh=REGISTRY), CAR).decision.value == "allow"
    hidden = MeshConfig(found=True, entries_hidden=True)
    assert judge(snapshot_of(BASE, [static(TWO)], mesh=hidden), FLOW).decision.value == "unknown"
