"""A gateway of the Gateway API before a Service with a waypoint, and short ways to write its listeners, routes and filters."""

from tests.fakes.requests import beside, policy, service, space, thing
from tests.fakes.snapshots import pod

CONVERT = "istio/istio pilot/pkg/config/kube/gateway/conversion.go"
LISTENER = f"{CONVERT} (buildListener, buildTLS)"
COLLECT = "istio/istio pilot/pkg/config/kube/gateway/route_collections.go"
BACKENDS = "istio/istio pilot/pkg/config/kube/gateway/backend_policies.go"
GATEWAY = "gateway.networking.k8s.io"
OUTSIDE, INSIDE, SIDE = "external > back/svc/web:80", "front/client > back/svc/web:80", "side/client > back/svc/web:80"
TO_GATE = "front/client > back/gw-istio:80"
NOT_FOUND, FORBIDDEN = "deny gateway http_404", "deny waypoint http_403"


def written(kind, name, spec, version="v1", group=GATEWAY):
    return thing(kind, name, spec, apiVersion=f"{group}/{version}")


def listener(**more):
    return {"name": "http", "port": 80, "protocol": "HTTP"} | more


def gateway(*listeners, **spec):
    return written("Gateway", "back/gw", {"gatewayClassName": "istio", "listeners": list(listeners) or [listener()]} | spec)


def backend(name="web", **more):
    return {"name": name, "port": 80} | more


def route(*filters, kind="HTTPRoute", name="back/r", parent=None, to=None, version="v1", hostnames=(), **rule):
    one = {"backendRefs": [backend()] if to is None else to, "filters": list(filters)} | rule
    hosts = {"hostnames": list(hostnames)} if hostnames else {}
    return written(kind, name, {"parentRefs": [parent or {"name": "gw"}], "rules": [one]} | hosts, version)


def headers(**changes):
    return {"type": "RequestHeaderModifier", "requestHeaderModifier": changes}


def url(**changes):
    return {"type": "URLRewrite", "urlRewrite": changes}


def prefix(value):
    return {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": value}}


def secure(**tls):
    return listener(name="https", port=443, protocol="HTTPS", tls={"certificateRefs": [{"name": "c"}]} | tls)


WEB = service("back/web", [("http", 80, 80)], labels={"istio.io/ingress-use-waypoint": "true"})
WORLD = [
    space("back", ambient=True, waypoint="wp"),
    space("front", ambient=True),
    space("side"),
    pod("front/client", "10.0.1.1"),
    beside("side/client", "10.0.1.2", []),
    pod("back/web", "10.0.2.1", [("http", 80)]),
    pod("back/other", "10.0.2.2", [("http", 80)]),
    WEB,
    service("back/other", [("http", 80, 80)]),
    written("Gateway", "back/wp", {"gatewayClassName": "istio-waypoint", "listeners": [listener(protocol="HBONE", port=15008)]}),
]
AT_WEB = {"targetRefs": [{"kind": "Service", "group": "", "name": "web"}]}
ON_SERVICE = {"kind": "Service", "group": "", "name": "web"}


def only(**operation):
    return policy([{"to": [{"operation": operation}]}], **AT_WEB)


def when(header, *values):
    return policy([{"when": [{"key": f"request.headers[{header}]", "values": list(values)}]}], **AT_WEB)


A = ({"path": {"value": "/a"}},)
