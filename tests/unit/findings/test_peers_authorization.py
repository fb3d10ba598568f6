"""What other checkers report of mesh policies and identities: each where it must be found, and where it must not."""

from dataclasses import replace

import pytest

from meshtui.findings import evaluate
from meshtui.model.finding import Severity
from tests.fakes.requests import thing
from tests.fakes.snapshots import ambient, namespace, pod, policy, snapshot_of
from tests.unit.findings.test_rules import (
    API,
    CONFIG,
    DB,
    GATEWAY_POD,
    MATCH,
    METHODS,
    SHOP,
    WAYPOINT,
    WEB,
    WEB_ID,
    allow,
    authz,
    deployment,
    gateway,
    net,
    peer,
    service,
)

TELLS = {"MT220", "MT221", "MT222", "MT226", "MT227", "MT228"}

ERROR, WARNING, INFO = Severity.ERROR, Severity.WARNING, Severity.INFO
ID = "cluster.local/ns/shop/sa/"
MESH = [SHOP, WEB, API]
ROOT = namespace("istio-system")
OUTSIDE = pod("bare/job", "10.0.8.1", [80], account="job")
AT_API = [{"kind": "Service", "group": "", "name": "api"}]
AT_WP = [{"kind": "Gateway", "group": "gateway.networking.k8s.io", "name": "wp"}]
HTTP_API = service("shop/api", "api", 80, WAYPOINT) | {
    "spec": {"selector": {"app": "api"}, "ports": [{"port": 80, "name": "http", "targetPort": 9000}]}
}
TCP_API = service("shop/api", "api", 5000, WAYPOINT) | {
    "spec": {"selector": {"app": "api"}, "ports": [{"port": 5000, "name": "tcp", "targetPort": 9000}]}
}
BEHIND = [*MESH, HTTP_API, gateway("shop/wp")]
BEHIND_TCP = [*MESH, TCP_API, gateway("shop/wp")]
WP_POD = pod("shop/wp-1", labels={"gateway.networking.k8s.io/gateway-name": "wp", "tier": "proxy"}, account="wp")
SERVED = service("shop/api", "api", 80) | {
    "spec": {"selector": {"app": "api"}, "ports": [{"port": 80, "name": "http", "targetPort": 9000}]}
}
METRICS = service("shop/metrics", "api", 8080) | {
    "spec": {"selector": {"app": "api"}, "ports": [{"port": 8080, "name": "http", "targetPort": 80}]}
}
CUSTOM = {"action": "CUSTOM", "provider": {"name": "opa"}}


def source(**fields):
    return {"from": [{"source": fields}]}


def operation(**fields):
    return {"to": [{"operation": fields}]}


def when(key, *values, **more):
    return {"when": [{"key": key, **({"values": list(values)} if values else {}), **more}]}


def at(target, *rules, action="ALLOW"):
    return authz({"targetRefs": target, "action": action, "rules": list(rules)})


def on_api(*rules, action="ALLOW", key="shop/p", **more):
    return authz({**MATCH, "action": action, "rules": list(rules), **more}, key)


def jwt(key="shop/jwt", selector=None, rules=({"issuer": "https://id.example"},), **more):
    chosen = {} if selector is None else {"selector": {"matchLabels": selector}}
    return policy(key, {**chosen, "jwtRules": list(rules), **more}, "RequestAuthentication")


def token(**more):
    return jwt(targetRefs=AT_API, rules=[{"issuer": "https://id.example", **more}])


def pa(key, mode, app=None, created=None, **more):
    chosen = {} if app is None else {"selector": {"matchLabels": {"app": app} if app else {}}}
    return policy(key, {**chosen, "mtls": {"mode": mode}, **more}, "PeerAuthentication", created=created)


def entry(*hosts, key="shop/out"):
    spec = {"hosts": list(hosts), "ports": [{"number": 80, "name": "http", "protocol": "HTTP"}], "resolution": "DNS"}
    return thing("ServiceEntry", key, spec)


def route(*hosts):
    spec = {"parentRefs": [{"name": "gw"}], "hostnames": list(hosts), "rules": [{"backendRefs": [{"name": "api", "port": 80}]}]}
    return thing("HTTPRoute", "shop/route", spec)


def scaled(made, replicas):
    return {**made, "spec": {**made["spec"], "replicas": replicas}}


def vm(key, account):
    spec = {"address": "192.0.2.7", "serviceAccount": account, "labels": {"app": "vm"}}
    return thing("WorkloadEntry", key, spec)


WHERE = "istio.io/use-waypoint-namespace"
OLD, NEW = "2024-01-01T00:00:00Z", "2025-01-01T00:00:00Z"
FOREIGN_MESH = {**CONFIG, "data": {"mesh": "trustDomain: corp.example\ntrustDomainAliases: [old.example]\n"}}
CLOSED_TIER = thing(
    "BaselineAdminNetworkPolicy",
    "default",
    {"subject": {"namespaces": {}}, "ingress": [{"action": "Deny", "from": [{"namespaces": {}}]}]},
)
CLOSED_TIER["apiVersion"] = "policy.networking.k8s.io/v1alpha1"

ROWS = [
    # ---- IST0101: namespaces
    ("IST0101 a pattern that ends a name", "MT218", [*MESH, allow({"namespaces": ["*-gone"]})], INFO),
    ("IST0101 a pattern that starts a name", "MT218", [*MESH, allow({"namespaces": ["gone-*"]})], INFO),
    ("IST0101 a pattern with the star within", "MT218", [*MESH, allow({"namespaces": ["sh*p"]})], INFO),
    ("IST0101 a pattern of a namespace that is there", "MT218", [*MESH, allow({"namespaces": ["sh*", "*op", "*"]})], None),
    ("IST0101 notNamespaces", "MT218", [*MESH, on_api(source(notNamespaces=["gone"]), action="DENY")], INFO),
    ("IST0101 notNamespaces that are there", "MT218", [*MESH, on_api(source(notNamespaces=["shop"]), action="DENY")], None),
    ("IST0101 a condition", "MT218", [*MESH, on_api(when("source.namespace", notValues=["gone"]), action="DENY")], INFO),
    (
        "IST0101 a sibling of a namespace that is given",
        "MT218",
        [ambient("team-a"), pod("team-a/web"), allow({"namespaces": ["team-b", "team-a1"]})],
        INFO,
    ),
    ("IST0101 a typo of a namespace that is given", "MT218", [*MESH, allow({"namespaces": ["shopp"]})], WARNING),
    (
        "IST0101 all Namespaces are given",
        "MT218",
        [namespace("kube-system"), *MESH, allow({"namespaces": ["elsewhere"]})],
        WARNING,
    ),
    ("IST0106 … but matches nothing", "MT215", [*MESH, on_api(operation(ports=["0"]))], WARNING),
    ("IST0106 a wrong word isn't called without effect", "MT210", [*MESH, on_api({}, action="Allow")], None),
    ("IST0106 a value that is refused isn't also dropped", "MT215", [*MESH, on_api(operation(ports=["http"]))], None),
    ("IST0106 … aren't an empty selector", "MT203", [*MESH, authz({"selector": {"name": "api"}, "rules": [{}]})], None),
    ("IST0106 an empty selector", "MT203", [*MESH, authz({"selector": {}, "rules": [{}]})], WARNING),
    # ---- IST0127: nobody to protect
    ("IST0127 a namespace without pods", "MT228", [*MESH, ambient("new"), authz({"rules": [{}]}, "new/p")], INFO),
    ("IST0127 a namespace with pods", "MT228", [*MESH, authz({"rules": [{}]})], None),
    ("IST0127 only policies are given", "MT228", [ambient("new"), authz({"rules": [{}]}, "new/p")], None),
    (
        "IST0127 a workload that is a virtual machine",
        "MT228",
        [*MESH, ambient("new"), vm("new/vm", "vm"), authz({"rules": [{}]}, "new/p")],
        None,
    ),
    # ---- IST0133: a DENY of TCP
    ("IST0133 methods on a TCP port", "MT221", [*BEHIND_TCP, at(AT_API, operation(methods=["GET"]), action="DENY")], WARNING),
    ("IST0133 a JWT on a TCP port", "MT221", [*BEHIND_TCP, at(AT_API, source(requestPrincipals=["*"]), action="DENY")], WARNING),
    (
        "IST0133 methods of one caller on a TCP port",
        "MT221",
        [*BEHIND_TCP, at(AT_API, {**source(principals=[WEB_ID]), **operation(methods=["GET"])}, action="DENY")],
        WARNING,
    ),
    (
        "IST0133 methods on a port without a protocol",
        "MT221",
        [*MESH, service("shop/api", "api", 9000, WAYPOINT), gateway("shop/wp"), at(AT_API, METHODS, action="DENY")],
        INFO,
    ),
    ("IST0133 methods on an HTTP port", "MT221", [*BEHIND, at(AT_API, operation(methods=["GET"]), action="DENY")], None),
    (
        "IST0133 methods, with a port",
        "MT221",
        [*BEHIND_TCP, at(AT_API, operation(methods=["GET"], ports=["80"]), action="DENY")],
        None,
    ),
    ("IST0133 an ALLOW", "MT221", [*BEHIND_TCP, at(AT_API, operation(methods=["GET"]))], None),
    ("IST0133 at ztunnel nothing is denied", "MT201", [*MESH, on_api(METHODS, action="DENY")], ERROR),
    # ---- IST0166: the pods of a waypoint
    (
        "IST0166 a selector on a waypoint",
        "MT222",
        [*BEHIND, WP_POD, authz({"selector": {"matchLabels": {"tier": "proxy"}}, "rules": [{}]})],
        ERROR,
    ),
    (
        "IST0166 a selector on a waypoint that isn't deployed yet",
        "MT222",
        [*BEHIND, authz({"selector": {"matchLabels": {"gateway.networking.k8s.io/gateway-name": "wp"}}, "rules": [{}]})],
        ERROR,
    ),
    ("IST0166 a JWT policy", "MT222", [*BEHIND, WP_POD, jwt(selector={"tier": "proxy"})], ERROR),
    ("IST0166 targetRefs on a waypoint", "MT222", [*BEHIND, WP_POD, at(AT_WP, {})], None),
    (
        "IST0166 a selector on an ingress gateway",
        "MT222",
        [
            *BEHIND,
            GATEWAY_POD,
            gateway("infra/gw", "istio"),
            authz({"selector": {"matchLabels": {"gateway.networking.k8s.io/gateway-name": "gw"}}, "rules": [{}]}, "infra/p"),
        ],
        None,
    ),
    # ---- KIA0102, KIA0104: methods and hosts
    ("KIA0102 a method that is none", "MT220", [*BEHIND, at(AT_API, operation(methods=["FETCH"]))], WARNING),
    (
        "KIA0102 a method in small letters, denied",
        "MT220",
        [*BEHIND, at(AT_API, operation(methods=["delete"]), action="DENY")],
        ERROR,
    ),
    ("KIA0102 one of two methods", "MT220", [*BEHIND, at(AT_API, operation(methods=["GET", "FETCH"]), action="DENY")], WARNING),
    ("KIA0102 methods and patterns", "MT220", [*BEHIND, at(AT_API, operation(methods=["GET", "P*", "*", "PROPFIND"]))], None),
    ("KIA0102 a method at ztunnel, which reads none", "MT220", [*MESH, on_api(operation(methods=["FETCH"]))], None),
    ("KIA0104 a host that is none", "MT220", [*BEHIND, at(AT_API, operation(hosts=["apy.shop.svc.cluster.local"]))], WARNING),
    ("KIA0104 a short name that is none", "MT220", [*BEHIND, at(AT_API, operation(hosts=["apy"]))], WARNING),
    ("KIA0104 a host outside that nothing names", "MT220", [*BEHIND, at(AT_API, operation(hosts=["shop.example"]))], INFO),
    ("KIA0104 a pattern of hosts", "MT220", [*BEHIND, at(AT_API, operation(notHosts=["*.shop.svc.cluster.locale"]))], WARNING),
    (
        "KIA0104 the names of a Service",
        "MT220",
        [
            *BEHIND,
            at(AT_API, operation(hosts=["api", "API.shop", "api.shop.svc", "api.shop.svc.cluster.local:80", "api.*", "*"])),
        ],
        None,
    ),
    (
        "KIA0104 the host of a ServiceEntry",
        "MT220",
        [*BEHIND, entry("pay.example", "*.ads.example"), at(AT_API, operation(hosts=["pay.example", "a.ads.example"]))],
        None,
    ),
    (
        "KIA0104 the host of a route",
        "MT220",
        [*BEHIND, route("shop.example"), at(AT_API, operation(hosts=["shop.example", "shop.example:*"]))],
        None,
    ),
    (
        "KIA0104 a Service of a namespace that isn't given",
        "MT220",
        [*BEHIND, at(AT_API, operation(hosts=["db.data.svc.cluster.local"]))],
        None,
    ),
    ("KIA0104 an address", "MT220", [*BEHIND, at(AT_API, operation(hosts=["10.0.0.9:80"]))], None),
    # ---- KIA0106: patterns of identities, and spiffe:// in conditions
    ("KIA0106 a pattern of a namespace's accounts", "MT227", [*MESH, allow({"principals": [f"{ID}wob*"]})], WARNING),
    ("KIA0106 a pattern that ends an identity", "MT227", [*MESH, allow({"principals": ["*/sa/gone"]})], INFO),
    ("KIA0106 a star within", "MT227", [*MESH, allow({"principals": ["cluster.local/ns/*/sa/web"]})], WARNING),
    ("KIA0106 a pattern in a condition", "MT227", [*MESH, on_api(when("source.principal", f"{ID}wob*"))], WARNING),
    (
        "KIA0106 patterns that somebody matches",
        "MT227",
        [*MESH, allow({"principals": ["*", "*/sa/web", f"{ID}*", f"{ID}w*"]})],
        None,
    ),
    ("KIA0106 a namespace that isn't given", "MT227", [*MESH, allow({"principals": ["cluster.local/ns/jobs/*"]})], None),
    ("KIA0106 spiffe:// in a condition", "MT104", [*MESH, on_api(when("source.principal", f"spiffe://{WEB_ID}"))], WARNING),
    ("KIA0106 a condition without it", "MT104", [*MESH, on_api(when("source.principal", WEB_ID))], None),
    # ---- ports are those of the pods
    ("a port of the Service", "MT215", [*MESH, SERVED, on_api(operation(ports=["80"]), action="DENY")], WARNING),
    ("a port of the Service in a condition", "MT215", [*MESH, SERVED, on_api(when("destination.port", "80"))], WARNING),
    (
        "a port of the Service that is excepted",
        "MT215",
        [*MESH, SERVED, on_api(operation(notPorts=["80"]), action="DENY")],
        WARNING,
    ),
    ("a port of the pods", "MT215", [*MESH, SERVED, on_api(operation(ports=["9000"]))], None),
    ("both ports", "MT215", [*MESH, SERVED, on_api(operation(ports=["80", "9000"]))], None),
    ("a port that another Service leads to", "MT215", [*MESH, SERVED, METRICS, on_api(operation(ports=["80"]))], None),
    ("a port of the pods at the waypoint", "MT215", [*BEHIND, at(AT_API, operation(ports=["9000"]))], WARNING),
    ("… of the waypoint itself", "MT215", [*BEHIND, at(AT_WP, operation(ports=["9000"]))], None),
    ("… beside the Service's", "MT215", [*BEHIND, at(AT_API, operation(ports=["80", "9000"]))], None),
    ("a port that nobody has at the waypoint", "MT215", [*BEHIND, at(AT_API, operation(ports=["7000"]))], None),
    ("a port of the Service at its waypoint", "MT215", [*BEHIND, at(AT_API, operation(ports=["80"]))], None),
    # ---- ALLOW by what isn't
    ("best practice an ALLOW of all but one", "MT226", [*MESH, on_api(source(notPrincipals=[WEB_ID]))], WARNING),
    (
        "best practice … where plaintext is refused",
        "MT226",
        [*MESH, peer("STRICT"), on_api(source(notPrincipals=[WEB_ID]))],
        INFO,
    ),
    ("best practice an ALLOW of all paths but one", "MT226", [*BEHIND, at(AT_API, operation(notPaths=["/admin"]))], INFO),
    (
        "best practice an ALLOW that also says who",
        "MT226",
        [*MESH, on_api(source(namespaces=["shop"], notPrincipals=[WEB_ID]))],
        None,
    ),
    ("best practice an ALLOW of callers without an identity", "MT226", [*MESH, on_api(source(notPrincipals=["*"]))], None),
    ("best practice a DENY of all but one", "MT226", [*MESH, on_api(source(notPrincipals=[WEB_ID]), action="DENY")], None),
    # ---- what was said wrongly
    ("MT219 a waypoint's namespace alone", "MT219", [*MESH, namespace("x", **{WHERE: "infra"})], WARNING),
    ("MT219 … of a Service", "MT219", [*MESH, service("shop/api", "api", 80, {WHERE: "infra"})], WARNING),
    (
        "MT205 a DENY of all but the waypoint",
        "MT205",
        [*BEHIND, WP_POD, on_api(source(notPrincipals=[f"{ID}wp"]), action="DENY")],
        None,
    ),
    ("MT205 … by its account", "MT205", [*BEHIND, WP_POD, on_api(source(notServiceAccounts=["wp"]), action="DENY")], None),
    (
        "MT205 a DENY of all but another",
        "MT205",
        [*BEHIND, WP_POD, on_api(source(notPrincipals=[WEB_ID]), action="DENY")],
        WARNING,
    ),
    (
        "MT214 a waypoint isn't a gateway",
        "MT214",
        [*BEHIND, WP_POD, allow({"principals": ["cluster.local/ns/other/sa/wp"]})],
        None,
    ),
    (
        "MT203 a gateway that isn't deployed yet",
        "MT203",
        [
            *MESH,
            gateway("shop/gw", "istio"),
            authz({"selector": {"matchLabels": {"gateway.networking.k8s.io/gateway-name": "gw"}}, "rules": [{}]}),
        ],
        None,
    ),
    ("MT203 a virtual machine", "MT203", [*MESH, vm("shop/vm", "vm"), allow({}, app="vm")], None),
    (
        "MT203 only policies are given",
        "MT203",
        [authz({"selector": {"matchLabels": {"app": "gone"}}, "rules": [{}]}, "istio-system/p")],
        None,
    ),
    (
        "MT203 a selector for all namespaces",
        "MT203",
        [*MESH, authz({"selector": {"matchLabels": {"app": "gone"}}, "rules": [{}]}, "istio-system/p")],
        WARNING,
    ),
    ("MT103 a waypoint that isn't deployed yet", "MT103", [*BEHIND, allow({"principals": [f"{ID}wp"]})], None),
    (
        "MT103 a Gateway's name in place of its account",
        "MT103",
        [*MESH, gateway("edge/gw", "istio"), allow({"principals": ["cluster.local/ns/edge/sa/gw"]})],
        WARNING,
    ),
    (
        "MT103 an account beside a Gateway",
        "MT103",
        [*MESH, gateway("edge/gw", "istio"), allow({"principals": ["cluster.local/ns/edge/sa/other"]})],
        None,
    ),
    (
        "MT103 a gateway that isn't deployed yet",
        "MT103",
        [*MESH, gateway("shop/gw", "istio"), allow({"principals": [f"{ID}gw-istio"]})],
        None,
    ),
    ("MT103 a virtual machine", "MT103", [*MESH, vm("shop/vm", "vm"), allow({"principals": [f"{ID}vm"]})], None),
    ("MT103 a typo of a namespace", "MT103", [*MESH, allow({"principals": ["cluster.local/ns/shpo/sa/web"]})], WARNING),
    (
        "MT103 cluster.local at the waypoint of another trust domain",
        "MT103",
        [FOREIGN_MESH, *BEHIND, at(AT_API, source(principals=[WEB_ID]))],
        None,
    ),
    (
        "MT103 cluster.local at a ztunnel of another trust domain",
        "MT103",
        [FOREIGN_MESH, *MESH, allow({"principals": [WEB_ID]})],
        WARNING,
    ),
    ("MT103 an empty principal", "MT103", [*MESH, allow({"principals": [""]})], None),
    (
        "MT103 a Deployment without replicas",
        "MT103",
        [*MESH, scaled(deployment("shop/idle", "idle"), 0), allow({"principals": [f"{ID}idle"]})],
        INFO,
    ),
    (
        "MT103 a Deployment with replicas",
        "MT103",
        [*MESH, deployment("shop/busy", "busy"), allow({"principals": [f"{ID}busy"]})],
        None,
    ),
    ("MT104 an alias at ztunnel", "MT104", [FOREIGN_MESH, *MESH, allow({"principals": ["old.example/ns/shop/sa/web"]})], WARNING),
    (
        "MT104 an alias at a waypoint",
        "MT104",
        [FOREIGN_MESH, *BEHIND, at(AT_API, source(principals=["old.example/ns/shop/sa/web"]))],
        None,
    ),
    ("MT207 a Service, and no Service is given", "MT207", [ambient("shop"), at(AT_API, {})], None),
    ("MT207 a Gateway, and no object of its namespace is given", "MT207", [ambient("shop"), at(AT_WP, {})], None),
    (
        "MT207 a namespace that isn't given may have the label",
        "MT207",
        [WEB, API, service("shop/api", "api", 9000), at(AT_API, {})],
        None,
    ),
    ("MT207 a DENY that is lost", "MT207", [*MESH, service("shop/api", "api", 9000), at(AT_API, {}, action="DENY")], ERROR),
    ("MT207 an ALLOW that is lost", "MT207", [*MESH, service("shop/api", "api", 9000), at(AT_API, {})], WARNING),
    (
        "MT207 a class of ingress gateways",
        "MT207",
        [
            *MESH,
            authz(
                {"targetRefs": [{"group": "gateway.networking.k8s.io", "kind": "GatewayClass", "name": "istio"}], "rules": [{}]},
                "istio-system/p",
            ),
        ],
        WARNING,
    ),
    (
        "MT207 the class of waypoints",
        "MT207",
        [
            *MESH,
            authz(
                {
                    "targetRefs": [{"group": "gateway.networking.k8s.io", "kind": "GatewayClass", "name": "istio-waypoint"}],
                    "rules": [{}],
                },
                "istio-system/p",
            ),
        ],
        None,
    ),
    (
        "MT219 a waypoint of a namespace that isn't given",
        "MT219",
        [*MESH, service("shop/api", "api", 9000, {**WAYPOINT, "istio.io/use-waypoint-namespace": "infra"})],
        None,
    ),
    (
        "MT208 a DENY of all but one",
        "MT208",
        [SHOP, WEB, DB, authz({"action": "DENY", "rules": [source(notPrincipals=[WEB_ID])]})],
        None,
    ),
    (
        "MT208 a DENY of all other namespaces",
        "MT208",
        [SHOP, WEB, DB, authz({"action": "DENY", "rules": [source(notNamespaces=["shop"])]})],
        None,
    ),
    (
        "MT208 a DENY of one",
        "MT208",
        [SHOP, WEB, API, DB, authz({"action": "DENY", "rules": [source(principals=[WEB_ID])]})],
        ERROR,
    ),
    (
        "MT208 a DENY of plaintext alone",
        "MT208",
        [SHOP, WEB, DB, authz({"action": "DENY", "rules": [source(notPrincipals=["*"])]})],
        ERROR,
    ),
    (
        "MT208 a DENY on another port",
        "MT208",
        [SHOP, WEB, DB, authz({"action": "DENY", "rules": [{**source(notPrincipals=[WEB_ID]), **operation(ports=["80"])}]})],
        ERROR,
    ),
    (
        "MT209 a DENY of all but one",
        "MT209",
        [SHOP, API, authz({"action": "DENY", "rules": [source(notPrincipals=[WEB_ID])]})],
        None,
    ),
    ("MT209 a baseline that is closed", "MT209", [SHOP, API, CLOSED_TIER], None),
    (
        "MT311 a baseline that is closed",
        "MT311",
        [SHOP, API, WEB, CLOSED_TIER, net({"podSelector": {"matchLabels": {"app": "api"}}})],
        None,
    ),
]


def found_in(rule, objects, **more):
    return [finding for finding in evaluate(snapshot_of(objects, **more)) if finding.rule == rule]


def assert_first(rule, objects, severity):
    """A rule's first finding has a severity, None for no finding; and all of them have words."""
    found = found_in(rule, objects)
    assert [f.severity for f in found[:1]] == ([] if severity is None else [severity]), [f.message for f in found]
    assert all(f.message and f.why and f.objects for f in found)


@pytest.mark.parametrize(("rule", "objects", "severity"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_a_check_of_a_peer(rule, objects, severity):
    assert_first(rule, objects, severity)


def test_a_workload_that_dropped_its_account_is_the_one_that_is_meant():
    """The ReplicaSet of the release before, scaled to zero, has the account still."""
    before = scaled({**deployment("shop/web-1", "web"), "kind": "ReplicaSet"}, 0)
    now = pod("shop/web", "10.0.0.2", [("http", 8080)], account="default")
    found = found_in("MT103", [SHOP, now, API, before, allow({"principals": [WEB_ID]})])
    assert [f.severity for f in found] == [ERROR]
    assert "shop/web" in found[0].why


WORDS = [
    ("MT214", "denies", [*MESH, GATEWAY_POD, on_api(source(principals=["cluster.local/ns/gws/sa/gw-istio"]), action="DENY")]),
    ("MT207", "no waypoint serves", [*MESH, service("shop/api", "api", 9000), at(AT_API, {})]),
    ("MT207", "opts out", [*MESH, service("shop/api", "api", 9000, {"istio.io/use-waypoint": "none"}), at(AT_API, {})]),
    ("MT201", "no proxy knows", [*MESH, on_api(when("source.ips", "10.0.0.1"))]),
]


@pytest.mark.parametrize(("rule", "words", "objects"), WORDS, ids=[f"{row[0]} {row[1]}" for row in WORDS])
def test_what_is_said(rule, words, objects):
    (finding,) = found_in(rule, objects)
    assert words in f"{finding.message}; {finding.why}"


GATEWAY_DENIED = on_api(source(principals=["cluster.local/ns/gws/sa/gw-istio"]), action="DENY")
SPIFFE_DENIED = on_api(source(principals=[f"spiffe://{WEB_ID}"]), action="DENY")
SPIFFE_MESH = authz({"rules": [source(principals=[f"spiffe://{WEB_ID}"])]}, "istio-system/p")
UNPATCHED = [
    ("MT214", [*MESH, GATEWAY_POD, GATEWAY_DENIED]),
    ("MT104", [*MESH, SPIFFE_DENIED]),
    ("MT104", [*MESH, SPIFFE_MESH]),
]


@pytest.mark.parametrize(("rule", "objects"), UNPATCHED, ids=["MT214 a DENY", "MT104 a DENY", "MT104 the root namespace"])
def test_no_fix_is_written_into_what_denies_or_is_for_all(rule, objects):
    (finding,) = found_in(rule, objects)
    assert finding.fix is None


def test_a_dry_run_that_an_old_ztunnel_enforces_is_called_so():
    rule = authz({**MATCH, "rules": [{}]}, annotations={"istio.io/dry-run": "true"})
    assert [f.severity for f in found_in("MT210", [*MESH, rule])] == [INFO]
    base = snapshot_of([*MESH, rule])
    flag = replace(base.installation, switches=frozenset({"AMBIENT_ENABLE_DRY_RUN_AUTHORIZATION_POLICY"}))
    (perhaps,) = [f for f in evaluate(replace(base, installation=flag)) if f.rule == "MT210"]
    assert "may be enforced" in perhaps.message
    old = deployment("istio-system/ztunnel", "ztunnel") | {"kind": "DaemonSet"}
    old["spec"]["template"]["spec"]["containers"][0]["image"] = "istio/ztunnel:1.27.0"
    old["spec"]["template"]["metadata"]["labels"]["app"] = "ztunnel"
    base = snapshot_of([*MESH, rule, old])
    (surely,) = [f for f in evaluate(replace(base, installation=flag)) if f.rule == "MT210"]
    assert "is enforced" in surely.message
    assert surely.severity is WARNING
    assert surely.fix is None
