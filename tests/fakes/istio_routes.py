"""A mesh with an ingress gateway of Istio's own API in front of two workloads, and short ways to write its routes."""

from tests.fakes.requests import beside, router, service, space, thing

SELECT = "istio/istio pilot/pkg/model/push_context.go (mergeGateways)"
SERVERS = "istio/istio pilot/pkg/model/gateway.go (mergeGateways)"
HOSTS = "istio/istio pilot/pkg/networking/core/gateway.go (buildGatewayHTTPRouteConfig)"
ROUTE = "istio/istio pilot/pkg/networking/core/route/route.go"
NAMES = "istio/istio pilot/pkg/model/virtualservice.go (ResolveVirtualServiceShortnames)"
EXPORT = "istio/istio pilot/pkg/model/push_context.go (initVirtualServices)"
ATTACH = "istio/istio pilot/pkg/model/policyattachment.go"
ISTIO = {"apiVersion": "networking.istio.io/v1"}
EDGE = {"istio": "edge"}
IDENTITY = "cluster.local/ns/ingress/sa/gate"


def server(*hosts, port=80, protocol="HTTP", **more):
    return {"port": {"number": port, "protocol": protocol, "name": f"p{port}"}, "hosts": list(hosts) or ["*"]} | more


def gateway(*servers, key="ingress/gw", selector=EDGE):
    return thing("Gateway", key, {"selector": selector, "servers": list(servers) or [server()]}, **ISTIO)


def virtual(key, *rules, hosts=("*",), gateways=("ingress/gw",), version="v1", **spec):
    body = {"hosts": list(hosts), "http": list(rules)} | ({"gateways": list(gateways)} if gateways else {}) | spec
    return thing("VirtualService", key, body, apiVersion=f"networking.istio.io/{version}")


def destination(host, port=80, **more):
    to = {"host": host} | ({"port": {"number": port}} if port else {})
    return {"destination": to} | more


def to(name, *matches, port=80, **more):
    found = {"route": [destination(f"{name}.back.svc.cluster.local", port)]} | more
    return found | ({"match": list(matches)} if matches else {})


def prefix(value, **more):
    return {"uri": {"prefix": value}} | more


def exact(value, **more):
    return {"uri": {"exact": value}} | more


def regex(value, **more):
    return {"uri": {"regex": value}} | more


def paths(*values):
    return [{"to": [{"operation": {"paths": list(values)}}]}]


WORLD = [
    space("istio-system"),
    space("ingress"),
    space("back"),
    router("ingress/gate", "10.0.9.1", labels=EDGE),
    service("ingress/gate", [("http", 80, 8080), ("https", 443, 8443)], EDGE),
    beside("back/api", "10.0.2.1", [("http", 8080)], "api"),
    beside("back/page", "10.0.2.2", [("http", 3000)], "page"),
    service("back/api", [("http", 80, 8080)]),
    service("back/page", [("http", 80, 3000)]),
]
API, PAGE, FRONT = "external > back/svc/api:80", "external > back/svc/page:80", "external > ingress/svc/gate:80"
NOT_FOUND, FORBIDDEN, ELSEWHERE = "deny gateway http_404", "deny gateway http_403", "deny gateway unknown"
OPEN = virtual("back/r", to("api", prefix("/a")))
GATE = gateway()
PASSED_ON = server(port=443, protocol="TLS", tls={"mode": "PASSTHROUGH"})
TLS_ROUTE = [{"match": [{"sniHosts": ["a.x"]}], "route": [destination("api.back.svc.cluster.local")]}]
PUBLISHED = [
    router("ingress/front", "10.0.9.3", "front", {"istio": "front"}),
    service("ingress/front", [("http", 80, 8080)], {"istio": "front"}, type="LoadBalancer"),
    gateway(key="ingress/front", selector={"istio": "front"}),
]
FROM_PUBLISHED = virtual("back/front", to("api", prefix("/b")), gateways=["ingress/front"])
SECURE = server(port=443, protocol="HTTPS", tls={"mode": "SIMPLE", "credentialName": "c"})
