"""A small mesh with ServiceEntries and egress NetworkPolicies, and the sources of the rules that its tables test."""

from meshtui.model.snapshot import MeshConfig
from tests.fakes.requests import space, thing
from tests.fakes.snapshots import pod

ENTRY = "istio/api networking/v1alpha3/service_entry.proto"
AMBIENT = "istio/istio pilot/pkg/serviceregistry/ambient/services.go"
WORKLOADS = "istio/istio pilot/pkg/serviceregistry/ambient/workloads.go"
ALLOCATION = "istio/istio pilot/pkg/networking/serviceentry/ip_autoallocation.go"
ZTUNNEL = "istio/ztunnel src/proxy/outbound.rs"
SIDECAR = "istio/istio pilot/pkg/networking/core/listener.go (outboundTrafficPolicy)"
ATTACH = "istio/istio pilot/pkg/model/policyattachment.go"
POINTS = "istio/istio pilot/pkg/serviceregistry/ambient/waypoints.go"
NETPOL = "networking.k8s.io/v1 reference, NetworkPolicyPeer"
TABLE = "docs/guide/verdicts.md, Hosts"
WEB = "cluster.local/ns/shop/sa/web"

INJECTED = {"metadata": {"labels": {"app": "car", "sidecar.istio.io/inject": "true"}}}
BASE = [
    space("shop", ambient=True),
    space("cars"),
    space("bare"),
    space("egress"),
    space("istio-system"),
    pod("shop/web", "10.0.1.1", [80], account="web"),
    pod("shop/db", "10.0.1.2", [5432], {"app": "db"}, account="db"),
    pod("cars/car", "10.0.4.1", [80], account="car", metadata={"name": "car", "namespace": "cars", **INJECTED["metadata"]}),
    pod("bare/plain", "10.0.3.1", [80], account="plain"),
]
HTTPS = {"number": 443, "name": "https", "protocol": "TLS"}
HTTP = {"number": 80, "name": "http", "protocol": "HTTP"}
HOST = "api.example.com"
STAR = "*.example.com"
REGISTRY = MeshConfig(found=True, registry_only=True)
FLOW = f"shop/web > {HOST}:443"
CAR = f"cars/car > {HOST}:443"
BARE = f"bare/plain > {HOST}:443"


def entry(key="shop/ext", hosts=(HOST,), ports=(HTTPS,), labels=None, **spec):
    return thing("ServiceEntry", key, {"hosts": list(hosts), "ports": list(ports), "resolution": "DNS"} | spec, labels)


def static(*addresses, key="shop/ext", **more):
    return entry(key, resolution="STATIC", endpoints=[{"address": a} for a in addresses], **more)


def egress(*to, key="shop/out", selector=None, ports=None):
    rules = [{"to": list(to)} | ({"ports": ports} if ports else {})] if to else []
    return thing("NetworkPolicy", key, {"podSelector": selector or {}, "policyTypes": ["Egress"], "egress": rules})


def block(cidr, *cut):
    return {"ipBlock": {"cidr": cidr} | ({"except": list(cut)} if cut else {})}


def everywhere(*to):
    return [egress(*to, key=f"{home}/out") for home in ("shop", "cars", "bare")]


ALL = thing("NetworkPolicy", "shop/out", {"podSelector": {}, "policyTypes": ["Egress"], "egress": [{}]})
PODS = {"podSelector": {}}
NOT_KNOWN = f"the address of {HOST} isn't known"
TWO = "203.0.113.7"
WITHIN, WITHOUT = block("203.0.113.0/24"), block("198.51.100.0/24")
DENIED = "deny egress_policy timeout"


USES = {"istio.io/use-waypoint": "wp", "istio.io/use-waypoint-namespace": "egress"}
LISTENER = {"name": "mesh", "port": 15008, "protocol": "HBONE", "allowedRoutes": {"namespaces": {"from": "All"}}}
GATEWAY = thing("Gateway", "egress/wp", {"gatewayClassName": "istio-waypoint", "listeners": [LISTENER]})
WP_POD = pod("egress/wp-1", "10.0.9.9", [15008], {"gateway.networking.k8s.io/gateway-name": "wp"}, account="wp")
THROUGH = [GATEWAY, WP_POD, entry(labels=USES, ports=[HTTP, HTTPS])]
REF = {"group": "networking.istio.io", "kind": "ServiceEntry", "name": "ext"}
GATEWAY_REF = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "wp"}


def authz(rules, where="shop/p", ref=REF, action="ALLOW"):
    return thing("AuthorizationPolicy", where, {"action": action, "rules": rules, "targetRefs": [ref]})
