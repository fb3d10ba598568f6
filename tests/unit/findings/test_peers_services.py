"""What the peers' checks find about Services and who is behind them, each where a rule must find it, and where it must not."""

import pytest

from meshtui.findings import look
from meshtui.model.finding import Severity
from tests.fakes.requests import thing
from tests.fakes.snapshots import ambient, namespace, pod, policy, snapshot_of
from tests.unit.findings.cases import assert_found

TELLS = {"MT621", "MT622", "MT623", "MT624"}
ERROR, WARNING, INFO = Severity.ERROR, Severity.WARNING, Severity.INFO
GATEWAY_NAME = "gateway.networking.k8s.io/gateway-name"
STORE = ambient("store")
CART = pod("store/cart", "10.1.0.1", [("http", 8080), ("dns", 5353, "UDP")], account="cart")
SILENT = pod("store/cart", "10.1.0.1", account="cart")


def service(key="store/cart", target=8080, app="cart", port=80, selector=None, **more):
    ports = [{"port": port} | ({"targetPort": target} if target is not None else {})]
    return thing("Service", key, {"selector": selector or {"app": app}, "ports": ports} | more)


def workload(key, kind="Deployment", replicas=1, url="", port=8080, labels=None):
    space, _, name = key.partition("/")
    container = {"name": "c", "image": "x:1", "ports": [{"containerPort": port}]}
    container |= {"env": [{"name": "BACKEND_URL", "value": url}]} if url else {}
    template = {"metadata": {"labels": labels or {"app": name}}, "spec": {"containers": [container]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels or {"app": name}}, "template": template}
    version = "apps/v1"
    if kind == "CronJob":
        spec, version = {"schedule": "@daily", "jobTemplate": {"spec": {"template": template}}}, "batch/v1"
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": space}, "spec": spec}


def calling(url):
    return workload("store/till", url=url)


def gate(key="store/front"):
    listeners = [{"name": "web", "port": 80, "protocol": "HTTP"}]
    return thing("Gateway", key, {"gatewayClassName": "istio", "listeners": listeners})


def slice_of(name, *addresses):
    metadata = {"name": f"{name}-1", "namespace": "store", "labels": {"kubernetes.io/service-name": name}}
    ends = [{"addresses": [address]} for address in addresses]
    made = {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": metadata, "addressType": "IPv4"}
    return made | {"endpoints": ends, "ports": [{"port": 8080}]}


ROUTE = thing(
    "HTTPRoute", "store/cart", {"parentRefs": [{"name": "front"}], "rules": [{"backendRefs": [{"name": "cart", "port": 80}]}]}
)
OTHER = workload("store/other")
RELEASE = {
    "apiVersion": "helm.toolkit.fluxcd.io/v2",
    "kind": "HelmRelease",
    "metadata": {"name": "r", "namespace": "flux"},
    "spec": {},
}
VM = thing("WorkloadEntry", "store/vm", {"address": "10.3.0.1", "labels": {"app": "cart"}})


def opening(**port):
    spec = {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{"ports": [{"protocol": "TCP"} | port]}]}
    return policy(f"store/{'-'.join(map(str, port.values())).lower() or 'all'}", spec)


ROWS = [
    ("KIA0701 a targetPort by a name that nobody has", "MT621", [STORE, CART, service(target="grpc")], [WARNING]),
    ("KIA0701 a targetPort by a name of another protocol", "MT621", [STORE, CART, service(target="dns")], [WARNING]),
    ("KIA0701 a targetPort by its name", "MT621", [STORE, CART, service(target="http")], []),
    ("KIA0701 a number that nobody declares", "MT621", [STORE, CART, service(target=9090)], [INFO]),
    (
        "KIA0701 a number that nobody declares, and that is called",
        "MT621",
        [STORE, CART, service(target=9090), calling("http://cart:80")],
        [WARNING],
    ),
    (
        "KIA0701 a name that nobody has, and that is called",
        "MT621",
        [STORE, CART, service(target="grpc"), calling("http://cart:80")],
        [ERROR],
    ),
    ("KIA0701 a number that somebody declares", "MT621", [STORE, CART, service()], []),
    ("KIA0701 pods that declare no port", "MT621", [STORE, SILENT, service(target=9090)], []),
    ("KIA0701 no targetPort: the port itself", "MT621", [STORE, CART, service(target=None, port=8080)], []),
    ("dangling-service a selector for nobody", "MT622", [STORE, OTHER, service()], [WARNING]),
    ("dangling-service a selector for somebody", "MT622", [STORE, CART, service()], []),
    ("dangling-service only Services are given", "MT622", [STORE, service()], [INFO]),
    (
        "dangling-service a Deployment of the pods is scaled to zero",
        "MT622",
        [STORE, OTHER, workload("store/cart", replicas=0), service()],
        [],
    ),
    ("dangling-service a CronJob makes the pods", "MT622", [STORE, OTHER, workload("store/cart", "CronJob"), service()], []),
    ("dangling-service an operator may make the pods", "MT622", [STORE, OTHER, RELEASE, service()], [INFO]),
    ("dangling-service a WorkloadEntry is behind it", "MT622", [STORE, OTHER, VM, service()], []),
    (
        "dangling-service an automatic gateway's",
        "MT622",
        [STORE, OTHER, gate(), service("store/x", selector={GATEWAY_NAME: "front"})],
        [],
    ),
    ("dangling-service without a selector", "MT622", [STORE, OTHER, thing("Service", "store/x", {"ports": [{"port": 80}]})], []),
    ("dangling-service an ExternalName", "MT622", [STORE, OTHER, service(type="ExternalName", externalName="a.example")], []),
    ("dangling-service addresses in an EndpointSlice", "MT622", [STORE, OTHER, service(), slice_of("cart", "10.7.0.1")], []),
    ("a call to a Service without pods", "MT623", [STORE, service(), calling("http://cart:80/x")], [ERROR]),
    (
        "a call to a Service without pods, by its full name",
        "MT623",
        [STORE, service(), calling("http://cart.store.svc.cluster.local:80")],
        [ERROR],
    ),
    ("a call to a port that the Service hasn't", "MT623", [STORE, CART, service(), calling("http://cart:8080")], [ERROR]),
    ("a URL without a port may be no call", "MT623", [STORE, CART, service(port=8080), calling("http://cart")], [WARNING]),
    (
        "a call to a targetPort that nobody has",
        "MT623",
        [STORE, CART, service(target="grpc"), calling("http://cart:80")],
        [ERROR],
    ),
    ("a call that reaches somebody", "MT623", [STORE, CART, service(), calling("http://cart:80")], []),
    (
        "a call to a workload that is scaled to zero",
        "MT623",
        [STORE, workload("store/cart", replicas=0), service(), calling("http://cart:80")],
        [],
    ),
    ("a call to a WorkloadEntry", "MT623", [STORE, VM, service(), calling("http://cart:80")], []),
    ("a call to what an operator may make", "MT623", [STORE, RELEASE, service(), calling("http://cart:80")], [INFO]),
    (
        "a call to another namespace, whose pods aren't given",
        "MT623",
        [STORE, service("far/cart"), calling("http://cart.far:80")],
        [INFO],
    ),
    ("a call to a Service that isn't there", "MT623", [STORE, CART, service(), calling("http://gone.store.svc:80")], [WARNING]),
    ("a call to a namespace that isn't given", "MT623", [STORE, CART, service(), calling("http://gone.far.svc:80")], [INFO]),
    ("a call to an automatic gateway's Service", "MT623", [STORE, gate(), calling("http://front-istio.store.svc:80")], []),
    ("a call to a host outside", "MT623", [STORE, calling("http://api.example.com:80")], []),
    ("a route's backend without pods", "MT623", [STORE, OTHER, service(), gate(), ROUTE], [ERROR]),
    ("a route's backend with pods", "MT623", [STORE, CART, service(), gate(), ROUTE], []),
    ("invalid-target-ports a number that is too high", "MT624", [STORE, service(target=70000)], [ERROR]),
    ("invalid-target-ports a number in quotes", "MT624", [STORE, service(target="8080")], [ERROR]),
    ("invalid-target-ports a name that is too long", "MT624", [STORE, service(target="a-very-long-port-name")], [ERROR]),
    ("invalid-target-ports a name with capitals", "MT624", [STORE, service(target="HTTP")], [ERROR]),
    ("invalid-target-ports a container's number", "MT624", [STORE, workload("store/cart", port=70000)], [ERROR]),
    ("np-guard a port of a policy that is too high", "MT624", [STORE, opening(port=70000)], [ERROR]),
    ("np-guard a port of a policy in quotes", "MT624", [STORE, opening(port="8080")], [ERROR]),
    ("np-guard a range that ends before it begins", "MT624", [STORE, opening(port=9000, endPort=8000)], [ERROR]),
    ("np-guard a range of a name", "MT624", [STORE, opening(port="http", endPort=8000)], [ERROR]),
    ("np-guard a range without a port", "MT624", [STORE, opening(endPort=8000)], [ERROR]),
    ("np-guard ports that can be", "MT624", [STORE, opening(port=1, endPort=65535), opening(port="http"), opening()], []),
    (
        "invalid-target-ports a number and a name that can be",
        "MT624",
        [STORE, CART, service(), service("store/x", target="http-2")],
        [],
    ),
]


@pytest.mark.parametrize(("name", "rule", "objects", "expected"), ROWS, ids=[f"{row[1]} {row[0]}" for row in ROWS])
def test_what_is_found(name, rule, objects, expected):
    assert_found(rule, objects, expected)


def test_a_workload_that_is_nearly_selected_is_named():
    near = workload("store/kart", labels={"app": "kart", "tier": "back"})
    asked = service(selector={"app": "cart", "tier": "back"})
    (found,) = [f for f in look(snapshot_of([STORE, near, asked])).findings if f.rule == "MT622"]
    assert "Deployment store/kart differs in app" in found.message


def test_in_a_cluster_a_service_without_endpoints_is_sure():
    (found,) = [f for f in look(snapshot_of([namespace("store"), service()], live=True)).findings if f.rule == "MT622"]
    assert found.severity is WARNING
