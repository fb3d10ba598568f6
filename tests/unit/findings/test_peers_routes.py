"""What the peers' checks find about routes and gateways, each where a rule must find it, and where it must not."""

import pytest

from meshtui.findings import look
from meshtui.model.finding import Severity
from tests.fakes.requests import thing as made
from tests.fakes.snapshots import ambient, namespace, pod, policy, snapshot_of
from tests.unit.findings.cases import assert_found

TELLS = {f"MT60{number}" for number in range(1, 10)}
GATEWAY_API = "gateway.networking.k8s.io"
VERSIONS = {"GRPCRoute": "v1", "TCPRoute": "v1alpha2", "TLSRoute": "v1alpha3", "ReferenceGrant": "v1beta1"}
ERROR, WARNING, INFO = Severity.ERROR, Severity.WARNING, Severity.INFO


def thing(kind, key, spec, labels=None):
    if kind not in VERSIONS:
        return made(kind, key, spec, labels)
    space, _, name = key.partition("/")
    metadata = {"name": name, "namespace": space}
    return {"apiVersion": f"{GATEWAY_API}/{VERSIONS[kind]}", "kind": kind, "metadata": metadata, "spec": spec}


def service(key="store/cart", ports=(80,), app="cart"):
    return thing("Service", key, {"selector": {"app": app}, "ports": [{"port": port, "targetPort": 8080} for port in ports]})


def listener(name="web", port=80, protocol="HTTP", host="", allowed=None, **more):
    found = {"name": name, "port": port, "protocol": protocol} | ({"hostname": host} if host else {}) | more
    return found | ({"allowedRoutes": {"namespaces": {"from": allowed}}} if allowed else {})


def gate(*listeners, key="store/front", name="istio", **spec):
    return thing("Gateway", key, {"gatewayClassName": name, "listeners": list(listeners) or [listener()]} | spec)


def route(to="cart", port=80, key="store/cart", kind="HTTPRoute", parent=None, hosts=(), space=None, **backend):
    ref = {"name": to, "port": port} | ({"namespace": space} if space else {}) | backend
    ref = {name: value for name, value in ref.items() if value is not None}
    spec = {"parentRefs": [parent or {"name": "front"}], "rules": [{"backendRefs": [ref]}]}
    return thing(kind, key, spec | ({"hostnames": list(hosts)} if hosts else {}))


def grant(source="store", key="stock/g", kind="HTTPRoute", name=None):
    to = {"group": "", "kind": "Service"} | ({"name": name} if name else {})
    return thing("ReferenceGrant", key, {"from": [{"group": GATEWAY_API, "kind": kind, "namespace": source}], "to": [to]})


def authz(spec, key="store/p"):
    return policy(key, spec, "AuthorizationPolicy")


CART = pod("store/cart", "10.1.0.1", [8080], account="cart")
STORE = [ambient("store"), CART, service()]
STOCK = [ambient("stock"), pod("stock/list", "10.1.2.1", [8080]), service("stock/list", app="list")]
BOTH = [*STORE, *STOCK, gate()]
MESH = {"kind": "Service", "group": "", "name": "cart"}
FAR = {"name": "front", "namespace": "doors"}
TO_LIST = route("list", space="stock")
TLS = {"tls": {"certificateRefs": [{"name": "c"}]}}
FROM_ALL = {"from": [{"source": {"ipBlocks": ["0.0.0.0/0"]}}]}
WITH_TOKEN = {"from": [{"source": {"requestPrincipals": ["*"]}}]}
CHECKED = policy(
    "store/jwt",
    {"targetRefs": [{"kind": "Gateway", "group": GATEWAY_API, "name": "front"}], "jwtRules": [{"issuer": "x", "jwks": "{}"}]},
    "RequestAuthentication",
)
AT_FRONT = {"targetRefs": [{"kind": "Gateway", "group": GATEWAY_API, "name": "front"}]}
ONLY_CART = {"podSelector": {"matchLabels": {"app": "cart"}}, "ingress": [{"from": [{"podSelector": {}}]}]}
LOCKED = {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "x"}}}]}]}

ROWS = [
    ("KIA1401 a route to a Gateway that isn't there", "MT601", [*STORE, route()], [ERROR]),
    ("KIA1401 a GRPCRoute to a Gateway that isn't there", "MT601", [*STORE, route(kind="GRPCRoute")], [ERROR]),
    ("KIA1401 a TCPRoute to a Gateway that isn't there", "MT601", [*STORE, route(kind="TCPRoute")], [ERROR]),
    ("KIA1401 a route to a Gateway that is", "MT601", [*STORE, gate(), route()], []),
    ("KIA1401 only routes are given, not the Gateway's namespace", "MT601", [*STORE, route(parent=FAR)], [INFO]),
    ("KIA1401 the Gateway's namespace is given", "MT601", [*STORE, namespace("doors"), route(parent=FAR)], [ERROR]),
    ("KIA1402 a parent Service that isn't there", "MT601", [*STORE, route(parent=MESH | {"name": "gone"})], [ERROR]),
    ("KIA1402 a parent Service's port that isn't there", "MT601", [*STORE, route(parent=MESH | {"port": 81})], [ERROR]),
    ("KIA1402 a parent Service without its group", "MT601", [*STORE, route(parent={"kind": "Service", "name": "cart"})], [ERROR]),
    ("KIA1402 a parent Service that is", "MT601", [*STORE, route(parent=MESH | {"port": 80})], []),
    ("KIA1401 a parent of another kind", "MT601", [*STORE, route(parent={"kind": "XListenerSet", "name": "more"})], []),
    (
        "KIA1401 allowedRoutes refuse the namespace",
        "MT602",
        [*STORE, namespace("doors"), gate(key="doors/front"), route(parent=FAR)],
        [ERROR],
    ),
    (
        "KIA1401 allowedRoutes let all namespaces in",
        "MT602",
        [*STORE, namespace("doors"), gate(listener(allowed="All"), key="doors/front"), route(parent=FAR)],
        [],
    ),
    (
        "KIA1401 a selector over labels that nobody knows",
        "MT602",
        [
            CART,
            service(),
            gate(
                listener(allowedRoutes={"namespaces": {"from": "Selector", "selector": {"matchLabels": {"a": "b"}}}}),
                key="doors/front",
            ),
            route(parent=FAR),
        ],
        [],
    ),
    (
        "KIA1401 a listener that isn't there",
        "MT602",
        [*STORE, gate(), route(parent={"name": "front", "sectionName": "x"})],
        [ERROR],
    ),
    ("KIA1401 a port that no listener has", "MT602", [*STORE, gate(), route(parent={"name": "front", "port": 81})], [ERROR]),
    (
        "KIA1401 a host that no listener has",
        "MT602",
        [*STORE, gate(listener(host="a.example")), route(hosts=["b.example"])],
        [ERROR],
    ),
    ("KIA1401 a host under a listener's", "MT602", [*STORE, gate(listener(host="*.example")), route(hosts=["b.example"])], []),
    ("KIA1401 a protocol that takes no such route", "MT602", [*STORE, gate(listener(protocol="TCP")), route()], [ERROR]),
    (
        "KIA1401 a TLSRoute at a listener with TLS",
        "MT602",
        [*STORE, gate(listener(protocol="TLS", **TLS)), route(kind="TLSRoute")],
        [],
    ),
    (
        "KIA1401 a kind that isn't allowed",
        "MT602",
        [*STORE, gate(listener(allowedRoutes={"kinds": [{"kind": "GRPCRoute"}]})), route()],
        [ERROR],
    ),
    (
        "KIA1401 a set of listeners may have it",
        "MT602",
        [
            *STORE,
            gate(allowedListeners={"namespaces": {"from": "All"}}),
            route(parent={"name": "front", "sectionName": "elsewhere"}),
        ],
        [],
    ),
    ("KIA1402 a backend that isn't there", "MT603", [*STORE, gate(), route("gone")], [ERROR]),
    ("KIA1402 a GRPCRoute's backend that isn't there", "MT603", [*STORE, gate(), route("gone", kind="GRPCRoute")], [ERROR]),
    ("KIA1402 a port that the backend hasn't", "MT603", [*STORE, gate(), route(port=8080)], [ERROR]),
    ("KIA1402 a backend without a port", "MT603", [*STORE, gate(), route(port=None)], [ERROR]),
    ("KIA1402 a backend of weight 0", "MT603", [*STORE, gate(), route("gone", weight=0)], [INFO]),
    ("KIA1402 a backend that is there", "MT603", [*STORE, gate(), route()], []),
    ("KIA1402 a backend that isn't a Service", "MT603", [*STORE, gate(), route("pool", group="x.io", kind_="", port=None)], []),
    ("KIA1402 a backend of a namespace that isn't given", "MT603", [*STORE, gate(), route("list", space="far")], [INFO]),
    ("KIA1402 another namespace, no ReferenceGrant", "MT604", [*BOTH, TO_LIST], [ERROR]),
    ("KIA1402 another namespace, a ReferenceGrant", "MT604", [*BOTH, TO_LIST, grant()], []),
    ("KIA1402 a ReferenceGrant for this Service", "MT604", [*BOTH, TO_LIST, grant(name="list")], []),
    ("KIA1402 a ReferenceGrant for another Service", "MT604", [*BOTH, TO_LIST, grant(name="other")], [ERROR]),
    (
        "KIA1401 a TLSRoute for a host of the listener",
        "MT602",
        [*STORE, gate(listener(protocol="TLS", hostname="*.a.example", **TLS)), route(kind="TLSRoute", hosts=["b.a.example"])],
        [],
    ),
    (
        "KIA1401 a TLSRoute for another host",
        "MT602",
        [*STORE, gate(listener(protocol="TLS", hostname="a.example", **TLS)), route(kind="TLSRoute", hosts=["b.example"])],
        [ERROR],
    ),
    ("KIA1402 a ReferenceGrant for another kind", "MT604", [*BOTH, TO_LIST, grant(kind="TLSRoute")], [ERROR]),
    ("KIA1402 a ReferenceGrant for another namespace", "MT604", [*BOTH, TO_LIST, grant("elsewhere")], [ERROR]),
    (
        "KIA1402 the other namespace isn't given, whose grant may be elsewhere",
        "MT604",
        [*STORE, *STOCK[1:], gate(), TO_LIST],
        [INFO],
    ),
    ("KIA1402 a route for the mesh needs none", "MT604", [*BOTH, route("list", space="stock", parent=MESH)], []),
    ("KIA1402 the own namespace", "MT604", [*BOTH, route()], []),
    ("KIA1601 a namespace that isn't there", "MT605", [*BOTH, grant("ghost")], [INFO]),
    ("KIA1601 a namespace that is nearly there", "MT605", [*BOTH, grant("stores")], [WARNING]),
    ("KIA1601 a namespace that is there", "MT605", [*BOTH, grant()], []),
    ("KIA1601 a Service that isn't there", "MT605", [*BOTH, grant(name="gone")], [WARNING]),
    ("KIA1504 a class that is nearly one of Istio's", "MT606", [gate(name="istio-waypoints")], [WARNING]),
    ("KIA1504 a class that nobody knows", "MT606", [gate(name="bogus")], [INFO]),
    ("KIA1504 a class of Istio's", "MT606", [gate(), gate(key="store/wp", name="istio-waypoint")], []),
    ("KIA1504 a class of another controller", "MT606", [gate(name="nginx")], []),
    (
        "KIA1504 a class that is given",
        "MT606",
        [gate(name="bogus"), made("GatewayClass", "bogus", {"controllerName": "example.com/c"})],
        [],
    ),
    (
        "KIA1503 a listener that is not unique",
        "MT607",
        [gate(listener("a", host="x.example"), listener("b", host="X.example"))],
        [ERROR],
    ),
    ("KIA1503 listeners of one name", "MT607", [gate(listener("a"), listener("a", port=81))], [ERROR]),
    ("KIA1503 two protocols on one port", "MT607", [gate(listener("a"), listener("b", protocol="HTTPS", **TLS))], [ERROR]),
    ("KIA1503 two hosts on one port", "MT607", [gate(listener("a", host="x.example"), listener("b"))], []),
    ("KIA1503 HTTP and HTTPS on their ports", "MT607", [gate(listener("a"), listener("b", 443, "HTTPS", **TLS))], []),
    (
        "KIA1501 two Gateways for one host",
        "MT607",
        [gate(listener(host="x.example")), gate(listener(host="x.example"), key="doors/other")],
        [INFO],
    ),
    ("KIA1501 two Gateways for any host", "MT607", [gate(), gate(key="doors/other")], []),
    (
        "KIA1501 two Gateways for one port of one address",
        "MT607",
        [gate(addresses=[{"value": "10.9.9.9"}]), gate(addresses=[{"value": "10.9.9.9"}], key="doors/other")],
        [WARNING],
    ),
    (
        "KIA1501 two Gateways for two hosts",
        "MT607",
        [gate(listener(host="x.example")), gate(listener(host="y.example"), key="doors/other")],
        [],
    ),
    (
        "KIA1502 two Gateways, same address",
        "MT608",
        [gate(addresses=[{"value": "10.9.9.9"}]), gate(listener(port=81), addresses=[{"value": "10.9.9.9"}], key="doors/other")],
        [WARNING],
    ),
    (
        "KIA1502 two Gateways on the pods of one Service",
        "MT608",
        [
            gate(addresses=[{"type": "Hostname", "value": "gw.doors.svc.cluster.local"}]),
            gate(addresses=[{"type": "Hostname", "value": "gw.doors.svc.cluster.local"}], key="doors/other"),
        ],
        [INFO],
    ),
    (
        "KIA1502 two addresses",
        "MT608",
        [gate(addresses=[{"value": "10.9.9.9"}]), gate(addresses=[{"value": "10.9.9.8"}], key="doors/other")],
        [],
    ),
    ("a default-deny over a Gateway's way", "MT609", [*STORE, gate(), route(), authz({})], [ERROR]),
    ("a default-deny of the mesh over a Gateway's way", "MT609", [*STORE, gate(), route(), authz({}, "istio-system/p")], [ERROR]),
    (
        "a DENY for everybody at a Gateway",
        "MT609",
        [*STORE, gate(), route(), authz(AT_FRONT | {"action": "DENY", "rules": [{}]})],
        [ERROR],
    ),
    (
        "a default-deny, and an ALLOW for the Gateway",
        "MT609",
        [*STORE, gate(), route(), authz({}), authz(AT_FRONT | {"rules": [{}]}, "store/q")],
        [],
    ),
    (
        "an ALLOW for requests with a token",
        "MT609",
        [*STORE, gate(), route(), authz(AT_FRONT | {"rules": [WITH_TOKEN]}), CHECKED],
        [],
    ),
    ("an ALLOW for addresses", "MT609", [*STORE, gate(), route(), authz(AT_FRONT | {"rules": [FROM_ALL]})], []),
    ("a default-deny elsewhere", "MT609", [*STORE, gate(), route(), namespace("far"), authz({}, "far/p")], []),
    ("a default-deny, and a Gateway without routes", "MT609", [*STORE, gate(), authz({})], []),
    ("a NetworkPolicy over an automatic Gateway's way", "MT609", [*STORE, gate(), route(), policy("store/n", LOCKED)], [ERROR]),
    (
        "a NetworkPolicy behind an automatic Gateway",
        "MT609",
        [*STORE, *STOCK, gate(), TO_LIST, grant(), policy("stock/n", LOCKED)],
        [ERROR],
    ),
    ("a NetworkPolicy that lets an automatic Gateway in", "MT609", [*STORE, gate(), route(), policy("store/n", ONLY_CART)], []),
    (
        "a default-deny of ztunnel behind an automatic Gateway",
        "MT217",
        [*STORE, gate(), route(), authz({"selector": {"matchLabels": {"app": "cart"}}})],
        [ERROR],
    ),
]


@pytest.mark.parametrize(("name", "rule", "objects", "expected"), ROWS, ids=[f"{row[1]} {row[0]}" for row in ROWS])
def test_what_is_found(name, rule, objects, expected):
    assert_found(rule, objects, expected)


def test_in_a_cluster_a_missing_class_is_sure():
    (found,) = [f for f in look(snapshot_of([gate(name="bogus")], live=True)).findings if f.rule == "MT606"]
    assert found.severity is ERROR


def test_what_a_closed_gateway_says():
    (found,) = [f for f in look(snapshot_of(STORE, [gate(), route(), authz({})])).findings if f.rule == "MT609"]
    assert found.message == "AuthorizationPolicy store/p denies every request to Gateway store/front on port 80"
    assert "nothing gets to HTTPRoute store/cart" in found.why
