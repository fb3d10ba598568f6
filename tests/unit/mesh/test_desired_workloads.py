"""The workloads, Services and waypoints that istiod makes of pods, Services and Gateways."""

import pytest

from meshtui.mesh.desired import Desired, services, workloads
from meshtui.model.selectors import LabelSelector
from meshtui.model.snapshot import KindState, KindStatus, MeshConfig
from tests.fakes.dumps import plain
from tests.fakes.snapshots import namespace, pod, snapshot_of

UID = "Kubernetes//Pod/shop/web"
HOST = "shop/web.shop.svc.cluster.local"
USE = "istio.io/use-waypoint"
AT_WAYPOINT = {"destination": "shop/waypoint.shop.svc.cluster.local", "hboneMtlsPort": 15008}


def live(*objects, **more):
    return snapshot_of([*objects], live=True, **more)


def service(key="shop/web", ports=((80, 8080),), labels=None, **spec):
    space, _, name = key.partition("/")
    written = [{"port": p[0], "targetPort": p[1]} | ({"protocol": p[2], "name": p[2]} if len(p) > 2 else {}) for p in ports]
    body = {"selector": {"app": "web"}, "clusterIP": "10.9.0.1", "ports": written} | spec
    metadata = {"name": name, "namespace": space, "labels": labels or {}}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {k: v for k, v in body.items() if v is not None}}


def gateway(key="shop/waypoint", address="waypoint.shop.svc.cluster.local", labels=None, allowed=None, annotations=None, **more):
    space, _, name = key.partition("/")
    listener = {"name": "mesh", "port": 15008, "protocol": "HBONE"} | ({"allowedRoutes": allowed} if allowed else {})
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {"name": name, "namespace": space, "labels": labels or {}, "annotations": annotations or {}},
        "spec": {"gatewayClassName": more.get("of", "istio-waypoint"), "listeners": [listener, *more.get("listeners", [])]},
        "status": {"addresses": [{"type": more.get("type", "Hostname"), "value": address}] if address else []},
    }


# ---- pods


def test_a_workload():
    made = pod("shop/web", "10.0.0.1 fd00::1", account="web", node="worker")
    assert plain(workloads(live(made))[UID]) == {
        "uid": UID,
        "name": "web",
        "namespace": "shop",
        "workloadIps": ["10.0.0.1", "fd00::1"],
        "serviceAccount": "web",
        "trustDomain": "cluster.local",
        "node": "worker",
        "clusterId": "Kubernetes",
    }


def test_another_cluster_and_trust_domain():
    (found,) = workloads(live(pod("shop/web", "10.0.0.1"), mesh=MeshConfig(trust_domain="td")), "east").items()
    assert (found[0], found[1].trust_domain, found[1].cluster_id) == ("east//Pod/shop/web", "td", "east")


STATUS = {
    "running": ({}, "Healthy"),
    "ready": ({"conditions": [{"type": "Ready", "status": "True"}]}, "Healthy"),
    "not ready": ({"conditions": [{"type": "Ready", "status": "False"}]}, "Unhealthy"),
    "pending with an address": ({"phase": "Pending"}, "Unhealthy"),
    "ended": ({"phase": "Succeeded"}, None),
    "failed": ({"phase": "Failed"}, None),
    "without an address": ({"podIPs": []}, None),
    "with a strange address": ({"podIPs": [{"ip": "nonsense"}]}, None),
}


@pytest.mark.parametrize("case", STATUS)
def test_which_pods_are_sent_and_how_they_are(case):
    status, expected = STATUS[case]
    found = workloads(live(pod("shop/web", "10.0.0.1", status=status)))
    assert [each.status for each in found.values()] == ([expected] if expected else [])


def test_a_pod_that_is_being_deleted_is_not_healthy():
    going = {"deletionTimestamp": "2026-01-01T00:00:00Z", "deletionGracePeriodSeconds": 30}
    (found,) = workloads(live(pod("shop/web", "10.0.0.1", metadata=going))).values()
    assert found.status == "Unhealthy"


def test_pods_on_the_host_network_are_sent():
    (found,) = workloads(live(pod("shop/web", "10.0.0.1", spec={"hostNetwork": True}))).values()
    assert found.network_mode == "HostNetwork"


def test_pods_of_namespaces_into_which_istiod_does_not_look_are_not_sent():
    mesh = MeshConfig(discovery=(LabelSelector((("team", "x"),)),))
    objects = [namespace("shop", team="x"), namespace("other"), pod("shop/web", "10.0.0.1"), pod("other/web", "10.0.0.2")]
    objects += [service("shop/web"), service("other/web")]
    assert set(workloads(live(*objects, mesh=mesh))) == {UID}
    assert set(services(live(*objects, mesh=mesh))) == {HOST}


# ---- Services


def test_a_service():
    found = services(live(pod("shop/web", "10.0.0.1"), service()))
    assert plain(found[HOST]) == {
        "name": "web",
        "namespace": "shop",
        "hostname": "web.shop.svc.cluster.local",
        "vips": ["/10.9.0.1"],
        "ports": {"80": 8080},
        "endpoints": {UID: {"workloadUid": UID, "port": {"80": 8080}}},
    }


SERVICES = {
    # the Service, its vips, ports, and the pod's ports
    "without an address": (service(clusterIP="None"), [], {"80": 8080}, {"80": 8080}),
    "two families": (service(clusterIPs=["10.9.0.1", "fd00::9"]), ["/10.9.0.1", "/fd00::9"], {"80": 8080}, {"80": 8080}),
    "a named port": (service(ports=((80, "http"),)), ["/10.9.0.1"], {"80": 0}, {"80": 8081}),
    "a name that the pod doesn't have": (service(ports=((80, "gone"),)), ["/10.9.0.1"], {"80": 0}, {}),
    "a name of UDP only": (service(ports=((53, "dns"),)), ["/10.9.0.1"], {"53": 0}, {}),
    "two protocols": (service(ports=((53, 1, "UDP"), (53, 2, "TCP"))), ["/10.9.0.1"], {"53": 2}, {"53": 2}),
    "not for the pod": (service(selector={"app": "db"}), ["/10.9.0.1"], {"80": 8080}, None),
    "without a selector": (service(selector=None), ["/10.9.0.1"], {"80": 8080}, None),
}


@pytest.mark.parametrize("case", SERVICES)
def test_services_and_their_endpoints(case):
    made, vips, ports, of_pod = SERVICES[case]
    found = services(live(pod("shop/web", "10.0.0.1", ports=[("http", 8081), ("dns", 53, "UDP")]), made))[HOST]
    assert (list(found.vips), dict(found.ports)) == (vips, ports)
    assert [dict(each.port) for each in found.endpoints.values()] == ([] if of_pod is None else [of_pod])


def test_a_service_that_names_another_host_is_not_sent():
    assert not services(live(service(type="ExternalName", externalName="example.org")))


@pytest.mark.parametrize(("publishes", "expected"), [(False, []), (True, ["Unhealthy"])])
def test_endpoints_that_are_not_ready(publishes, expected):
    down = pod("shop/web", "10.0.0.1", status={"conditions": [{"type": "Ready", "status": "False"}]})
    found = services(live(down, service(publishNotReadyAddresses=publishes)))[HOST]
    assert [each.status for each in found.endpoints.values()] == expected


def slice_of(pod_name, service_name="web"):
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": f"of-{service_name}", "namespace": "shop", "labels": {"kubernetes.io/service-name": service_name}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["10.0.0.1"], "targetRef": {"kind": "Pod", "name": pod_name}}],
        "ports": [{"port": 8080}],
    }


def test_a_slice_adds_a_pod_to_a_service():
    snapshot = live(pod("shop/web", "10.0.0.1"), service(selector=None), slice_of("web"), slice_of("web", "gone"))
    assert set(services(snapshot)[HOST].endpoints) == {UID}
    assert workloads(snapshot)[UID].services == (HOST,)


def test_without_slices_the_endpoints_of_a_service_without_a_selector_are_not_known():
    kinds = {"EndpointSlice": KindState(KindStatus.FORBIDDEN)}
    found = Desired(live(service("shop/a", selector=None), service("shop/b"), kinds=kinds)).services
    assert {key.partition(".")[0]: each.tells_endpoints for key, each in found.items()} == {"shop/a": False, "shop/b": True}


# ---- waypoints

ON_SERVICE = {USE: "waypoint"}
ALL = {"istio.io/waypoint-for": "all"}
CLASS = {
    "apiVersion": "gateway.networking.k8s.io/v1",
    "kind": "GatewayClass",
    "metadata": {"name": "istio-waypoint", "labels": ALL},
    "spec": {"controllerName": "istio.io/mesh-controller"},
}
BINDINGS = {
    # objects, labels of the Service, labels of the pod: bound are the Service, the pod
    "by its own label": ([gateway()], ON_SERVICE, {}, (True, False)),
    "by the namespace's": ([namespace("shop", **ON_SERVICE), gateway()], {}, {}, (True, False)),
    "none of its own": ([namespace("shop", **ON_SERVICE), gateway()], {USE: "none"}, {}, (False, False)),
    "none at all": ([gateway()], {}, {}, (False, False)),
    "for everything": ([namespace("shop", **ON_SERVICE), gateway(labels=ALL)], {}, {}, (True, True)),
    "for everything by its class": ([namespace("shop", **ON_SERVICE), gateway(), CLASS], {}, {}, (True, True)),
    "for workloads": (
        [namespace("shop", **ON_SERVICE), gateway(labels={"istio.io/waypoint-for": "workload"})],
        {},
        {},
        (False, True),
    ),
    "for nothing": ([gateway(labels={"istio.io/waypoint-for": "none"})], ON_SERVICE, ON_SERVICE, (False, False)),
    "without an address yet": ([gateway(address="")], ON_SERVICE, {}, (False, False)),
    "no Gateway": ([], ON_SERVICE, {}, (False, False)),
    "a Gateway of another class counts": ([gateway(of="istio")], ON_SERVICE, {}, (True, False)),
    "the waypoint's own Service": (
        [gateway()],
        {**ON_SERVICE, "gateway.istio.io/managed": "istio.io-mesh-controller"},
        {},
        (False, False),
    ),
    "the waypoint's own pod": (
        [namespace("shop", **ON_SERVICE), gateway(labels=ALL)],
        {},
        {"gateway.networking.k8s.io/gateway-name": "waypoint"},
        (True, False),
    ),
}


@pytest.mark.parametrize("case", BINDINGS)
def test_waypoints_of_services_and_pods(case):
    objects, of_service, of_pod, expected = BINDINGS[case]
    spaces = [] if any(each["kind"] == "Namespace" for each in objects) else [namespace("shop")]
    made = [*spaces, *objects, service(labels=of_service), pod("shop/web", "10.0.0.1", labels={"app": "web", **of_pod})]
    desired = Desired(live(*made))
    found = desired.services[HOST], desired.workloads[UID]
    assert all(each.binding.known for each in found)
    entries = plain(found[0].entry), plain(found[1].workload)
    assert tuple(each.get("waypoint") == AT_WAYPOINT for each in entries) == expected
    assert tuple("waypoint" in each for each in entries) == expected


ELSEWHERE = {USE: "waypoint", "istio.io/use-waypoint-namespace": "ops"}
FROM_TEAM = {"namespaces": {"from": "Selector", "selector": {"matchLabels": {"team": "x"}}}}
ALLOWED = {
    "not by default": (gateway("ops/waypoint"), False),
    "from all": (gateway("ops/waypoint", allowed={"namespaces": {"from": "All"}}), True),
    "from the same": (gateway("ops/waypoint", allowed={"namespaces": {"from": "Same"}}), False),
    "from the namespace's labels": (gateway("ops/waypoint", allowed=FROM_TEAM), True),
    "from others": (
        gateway("ops/waypoint", allowed={"namespaces": {"from": "Selector", "selector": {"matchLabels": {"team": "y"}}}}),
        False,
    ),
    "by the listener that an annotation names": (
        gateway(
            "ops/waypoint",
            annotations={"ambient.istio.io/waypoint-inbound-binding": "PROXY/15088"},
            listeners=[{"name": "p", "port": 15088, "protocol": "x/y", "allowedRoutes": {"namespaces": {"from": "All"}}}],
        ),
        True,
    ),
    "by the listener of that protocol": (
        gateway(
            "ops/waypoint",
            annotations={"ambient.istio.io/waypoint-inbound-binding": "PROXY"},
            listeners=[{"name": "p", "port": 1, "protocol": "istio.io/PROXY", "allowedRoutes": {"namespaces": {"from": "All"}}}],
        ),
        True,
    ),
}


@pytest.mark.parametrize("case", ALLOWED)
def test_a_waypoint_of_another_namespace(case):
    made, expected = ALLOWED[case]
    found = services(live(namespace("shop", team="x"), made, service(labels=ELSEWHERE)))[HOST]
    assert (found.waypoint is not None) == expected


def test_a_waypoint_with_an_address():
    found = services(live(namespace("shop"), gateway(address="10.9.0.7", type="IPAddress"), service(labels=ON_SERVICE)))[HOST]
    assert plain(found.waypoint) == {"destination": "/10.9.0.7", "hboneMtlsPort": 15008}


UNKNOWN = {
    "labels of the namespace": ([gateway()], {}, {}),
    "hidden Gateways": ([namespace("shop")], ON_SERVICE, {"Gateway": KindState(KindStatus.FORBIDDEN)}),
    "Gateways of some namespaces": ([namespace("shop")], ON_SERVICE, {"Gateway": KindState(KindStatus.SYNCED, scope="shop")}),
    "hidden classes": ([namespace("shop"), gateway()], ON_SERVICE, {"GatewayClass": KindState(KindStatus.FORBIDDEN)}),
}


@pytest.mark.parametrize("case", UNKNOWN)
def test_waypoints_that_are_not_known(case):
    objects, labels, kinds = UNKNOWN[case]
    assert not Desired(live(*objects, service(labels=labels), kinds=kinds)).services[HOST].binding.known


def test_in_files_a_gateway_without_a_status_may_be_ready():
    snapshot = snapshot_of([namespace("shop"), gateway(address=""), service(labels=ON_SERVICE)])
    assert not Desired(snapshot).services[HOST].binding.known
