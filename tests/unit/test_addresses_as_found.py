"""Addresses as they are written and used: forms of IPv6, several for one pod, those that lead to pods, and odd EndpointSlices."""

import pytest

from tests.fakes.pairs import decisions
from tests.fakes.requests import Case, beside, check, judge, service, space, thing
from tests.fakes.snapshots import pod, snapshot_of

SLICES = "EndpointSlice v1 reference"
SERVICES = "kubernetes.io: virtual IPs and Service proxies"
MESH = "istio/istio pilot/pkg/serviceregistry/ambient/workloads.go"


def shut(key, rules="[]"):
    return thing("NetworkPolicy", key, f"{{podSelector: {{}}, policyTypes: [Ingress], ingress: {rules}}}")


def only_from(cidr):
    return shut("b/only", f"[{{from: [{{ipBlock: {{cidr: '{cidr}'}}}}]}}]")


def piece(key, of, endpoints, port=8080, name="http"):
    made = thing("Service", key, {}, {"kubernetes.io/service-name": of})
    made |= {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4", "endpoints": endpoints}
    made["ports"] = [{"name": name, "port": port, "protocol": "TCP"}]
    del made["spec"]
    return made


def of_pod(name, *addresses):
    return {"addresses": list(addresses), "targetRef": {"kind": "Pod", "name": name}}


def node(name, ip):
    metadata, status = {"name": name}, {"addresses": [{"type": "InternalIP", "address": ip}]}
    return {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "status": status}


BASE = [space("a"), space("b"), space("amb", ambient=True), pod("a/web", "10.0.0.1", [80], node="n1"), node("n2", "192.0.2.2")]
API = pod("b/api", "10.0.0.2", [("http", 8080)], node="n2")
SIX = pod("b/api", "FD00:0::2", [("http", 8080)])
DUAL_WEB, DUAL = pod("a/web", "10.0.0.1 fd00::1", [80]), pod("b/api", "10.0.0.2 fd00::2", [("http", 8080)])
HOSTED = pod("b/api", "10.0.0.2", [("http", 8080)], node="n2")
HOSTED["spec"]["containers"][0]["ports"][0]["hostPort"] = 8088
TCP = [("http", 80, 8080)]
NODE_PORT = service("b/api", TCP, type="NodePort")
NODE_PORT["spec"]["ports"][0]["nodePort"] = 30080
DENIED = "deny ingress_policy timeout"
CASES = [
    Case("another form of an address", "RFC 5952", [SIX, shut("b/all")], "a/web > [fd00::2]:8080", "", DENIED),
    Case("… as it is written", "RFC 5952", [SIX, shut("b/all")], "a/web > [FD00:0:0::2]:8080", "", DENIED),
    Case("an address of IPv4 in IPv6", "RFC 4291", [API, shut("b/all")], "a/web > [::ffff:10.0.0.2]:8080", "", DENIED),
    Case(
        "a cluster IP in another form",
        "RFC 5952",
        [DUAL_WEB, SIX, service("b/api", TCP, clusterIP="FD00::9"), shut("b/all")],
        "a/web > [fd00:0::9]:80",
        "",
        DENIED,
    ),
    Case("both families in", "NetworkPolicy", [DUAL_WEB, DUAL, shut("b/all", "[{}]")], "a/web > b/api:8080", "", "allow"),
    Case(
        "one family in",
        "NetworkPolicy",
        [DUAL_WEB, DUAL, only_from("10.0.0.0/8")],
        "a/web > b/api:8080",
        "",
        "unknown",
        says="allow with IPv4, deny with IPv6",
    ),
    Case("by IPv4", "NetworkPolicy", [DUAL_WEB, DUAL, only_from("10.0.0.0/8")], "a/web > 10.0.0.2:8080", "", "allow"),
    Case("by IPv6", "NetworkPolicy", [DUAL_WEB, DUAL, only_from("10.0.0.0/8")], "a/web > [fd00::2]:8080", "", DENIED),
    Case("a caller with IPv4 alone", "NetworkPolicy", [DUAL, only_from("10.0.0.0/8")], "a/web > b/api:8080", "", "allow"),
    Case(
        "a Service with IPv6 alone",
        SERVICES,
        [DUAL_WEB, DUAL, only_from("10.0.0.0/8"), service("b/api", TCP, clusterIP="fd00::9")],
        "a/web > b/svc/api:80",
        "",
        DENIED,
    ),
    Case(
        "a Service with IPv6 alone, and a pod with IPv4",
        SERVICES,
        [API, service("b/api", TCP, clusterIP="fd00::9")],
        "a/web > b/svc/api:80",
        "",
        "unknown",
        says="no address family in common",
    ),
    Case(
        "two pods without a family in common",
        SERVICES,
        [DUAL_WEB, SIX, service("b/api", TCP, clusterIP="10.9.0.9")],
        "a/web > b/svc/api:80",
        "",
        "unknown",
        says="no address family in common",
    ),
    Case(
        "an external IP of a Service",
        SERVICES,
        [API, shut("b/all"), service("b/api", TCP, externalIPs=["203.0.113.7"])],
        "a/web > 203.0.113.7:80",
        "",
        "unknown",
        says="an external address, leads to Service b/api",
    ),
    Case(
        "its load balancer",
        SERVICES,
        [API, shut("b/all"), service("b/api", TCP) | {"status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.7"}]}}}],
        "a/web > 203.0.113.7:80",
        "",
        "unknown",
        says="an external address, leads to Service b/api",
    ),
    Case(
        "another port of it",
        SERVICES,
        [API, shut("b/all"), service("b/api", TCP, externalIPs=["203.0.113.7"])],
        "a/web > 203.0.113.7:81",
        "",
        "allow",
    ),
    Case(
        "a node port",
        SERVICES,
        [API, shut("b/all"), NODE_PORT],
        "a/web > 192.0.2.2:30080",
        "",
        "unknown",
        says="leads to Service b/api",
    ),
    Case("a host port", SERVICES, [HOSTED, shut("b/all")], "a/web > 192.0.2.2:8088", "", "unknown", says="leads to b/api"),
    Case("neither", SERVICES, [HOSTED, shut("b/all")], "a/web > 192.0.2.2:8089", "", "allow"),
    Case(
        "a slice's own port",
        SLICES,
        [
            API,
            service("b/api", TCP),
            piece("b/api-1", "api", [of_pod("api", "10.0.0.2")], 9999),
            shut("b/n", "[{ports: [{port: 8080}]}]"),
        ],
        "a/web > b/svc/api:80",
        "",
        DENIED,
    ),
    Case(
        "… seen from the mesh",
        MESH,
        [API, pod("amb/app", "10.0.3.1"), service("b/api", TCP), piece("b/api-1", "api", [of_pod("api", "10.0.0.2")], 9999)],
        "amb/app > b/svc/api:80",
        "",
        "unknown",
        says="port 9999 of b/api",
    ),
    Case(
        "a slice by hand with a pod",
        MESH,
        [API, pod("amb/app", "10.0.3.1"), service("b/api", TCP, {}), piece("b/api-1", "api", [of_pod("api", "10.0.0.2")])],
        "amb/app > b/svc/api:80",
        "",
        "unknown",
        says="whether ztunnel does the same",
    ),
    Case(
        "a pod and another address",
        SLICES,
        [
            API,
            shut("b/all"),
            service("b/api", TCP, {}),
            piece("b/api-1", "api", [of_pod("api", "10.0.0.2"), {"addresses": ["203.0.113.9"]}]),
        ],
        "a/web > b/svc/api:80",
        "",
        "mixed",
    ),
    Case(
        "a WorkloadEntry behind a Service",
        MESH,
        [
            API,
            service("b/api", TCP),
            thing("WorkloadEntry", "b/vm", {"address": "203.0.113.9", "labels": {"app": "api"}}),
            pod("amb/app", "10.0.3.1"),
        ],
        "amb/app > b/svc/api:80",
        "",
        "unknown",
        says="WorkloadEntry b/vm is an endpoint",
    ),
    Case(
        "… is none outside the mesh",
        MESH,
        [API, service("b/api", TCP), thing("WorkloadEntry", "b/vm", {"address": "203.0.113.9", "labels": {"app": "api"}})],
        "a/web > b/svc/api:80",
        "",
        "allow",
    ),
    Case(
        "no endpoint on this node",
        SERVICES,
        [API, service("b/api", TCP, internalTrafficPolicy="Local")],
        "a/web > b/svc/api:80",
        "",
        "unknown",
        says="no endpoint on n1",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_an_address(case):
    seen = {o["metadata"]["name"] for o in case.objects if o["kind"] == "Pod"}
    base = [o for o in BASE if o["kind"] != "Pod" or o["metadata"]["name"] not in seen]
    check(judge(snapshot_of(base, case.objects), case.flow), case)


@pytest.mark.parametrize("cidr", ["10.0.0.0/8", "fd00::/8", "0.0.0.0/0"])
@pytest.mark.parametrize("sidecars", [False, True])
def test_all_pairs_of_pods_with_two_addresses(cidr, sidecars):
    made = beside if sidecars else pod
    pods = [made("a/web", "10.0.0.1 fd00::1", [80]), made("b/api", "10.0.0.2 fd00::2", [80]), made("b/one", "10.0.0.3", [80])]
    snapshot = snapshot_of(BASE[:3], pods, [only_from(cidr)])
    found = decisions(snapshot, (80, "TCP"), (53, "UDP"))
    assert "allow" in {said for (_, _, port, _), said in found.items() if port == 80}
