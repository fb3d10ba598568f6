"""How a sidecar connects to others: to Services with its identity, to addresses in plaintext, and what may change that."""

import pytest

from meshtui.model.snapshot import KindState, KindStatus, MeshConfig
from tests.fakes.pairs import decisions
from tests.fakes.requests import Case, beside, check, judge, service, space, thing
from tests.fakes.snapshots import pod, snapshot_of

CLUSTERS = "istio/istio pilot/pkg/networking/core/cluster.go, buildDefaultPassthroughCluster: no TLS to an original destination"
AUTO = "istio/istio pilot/pkg/networking/core/cluster_tls.go: automatic mutual TLS is a property of a Service's cluster"
CAPTURE = "istio.io: resource annotations"
RULES = "istio/api networking/v1alpha3/destination_rule.proto"
EXPORTS = "istio/istio pilot/pkg/model/push_context.go, IsServiceVisible"
SCOPES = "istio/api networking/v1alpha3/sidecar.proto"
CLOSED = "deny sidecar closed"


def client(**annotations):
    made = beside("shop/web", "10.0.1.1", [80], "web")
    made["metadata"]["annotations"] = {name.replace("__", "/").replace("_", "."): value for name, value in annotations.items()}
    return made


def peer(mode, where="back/s"):
    return thing("PeerAuthentication", where, {"mtls": {"mode": mode}})


def rule(spec, where="back/r", host="api.back.svc.cluster.local"):
    return thing("DestinationRule", where, {"host": host} | spec)


def off(**more):
    return {"trafficPolicy": {"tls": {"mode": "DISABLE"}}} | more


API = beside("back/api", "10.0.2.1", [("http", 8080), ("odd", 9000)], "api")
REST = [space("shop"), space("back"), space("amb", ambient=True), space("istio-system"), API]
SERVICE = service("back/api", [("http", 80, 8080)])


def scope(*hosts, where="shop/d", **more):
    return thing("Sidecar", where, {"egress": [{"hosts": list(hosts)}]} | more)


ONE = scope("*/*", where="shop/one", workloadSelector={"labels": {"app": "web"}})


def exported(to):
    return service("back/api", [("http", 80, 8080)]) | {
        "metadata": {"name": "api", "namespace": "back", "annotations": {"networking.istio.io/exportTo": to}}
    }


APP = [pod("amb/app", "10.0.3.1", [("http", 80)], account="app"), service("amb/app", [("http", 80, 80)])]
STRICT = peer("STRICT")
TO_SERVICE, TO_POD, TO_IP = "shop/web > back/svc/api:80", "shop/web > back/api:8080", "shop/web > 10.0.2.1:8080"
WEB = client()
CASES = [
    Case("through the Service", AUTO, [WEB, SERVICE, STRICT], TO_SERVICE, "", "allow"),
    Case("to the pod", CLUSTERS, [WEB, SERVICE, STRICT], TO_POD, "", "allow", says="connects through Service back/api:80"),
    Case("to its address", CLUSTERS, [WEB, SERVICE, STRICT], TO_IP, "", "unknown", says="plaintext to a pod's address"),
    Case("no Service leads there", CLUSTERS, [WEB, STRICT], TO_POD, "", CLOSED, "PeerAuthentication back/s spec.mtls"),
    Case("nor to this port", CLUSTERS, [WEB, SERVICE, STRICT], "shop/web > back/api:9000", "", CLOSED),
    Case("either way the same", CLUSTERS, [WEB, SERVICE], TO_IP, "", "allow"),
    Case(
        "without automatic mutual TLS",
        "istio/api mesh/v1alpha1/config.proto: enableAutoMtls",
        [WEB, SERVICE, STRICT, MeshConfig(auto_mtls=False)],
        TO_SERVICE,
        "",
        CLOSED,
    ),
    Case(
        "to ambient, no Service",
        CLUSTERS,
        [WEB, APP[0], peer("STRICT", "amb/s")],
        "shop/web > amb/app:80",
        "",
        "deny ztunnel closed",
    ),
    Case(
        "to ambient in a tunnel, no Service",
        CLUSTERS,
        [WEB, APP[0], peer("STRICT", "amb/s"), MeshConfig(sidecars_send_hbone=True)],
        "shop/web > amb/app:80",
        "",
        "deny ztunnel closed",
    ),
    Case(
        "to an ambient pod behind a Service",
        CLUSTERS,
        [WEB, *APP, peer("STRICT", "amb/s"), MeshConfig(sidecars_send_hbone=True)],
        "shop/web > amb/app:80",
        "",
        "allow",
    ),
    Case(
        "to its address",
        CLUSTERS,
        [WEB, *APP, peer("STRICT", "amb/s"), MeshConfig(sidecars_send_hbone=True)],
        "shop/web > 10.0.3.1:80",
        "",
        "unknown",
        says="plaintext to a pod's address",
    ),
    Case(
        "some addresses past the sidecar",
        CAPTURE,
        [client(traffic_sidecar_istio_io__excludeOutboundIPRanges="10.96.0.0/12"), SERVICE, STRICT],
        TO_SERVICE,
        "",
        "unknown",
        says="excludeOutboundIPRanges",
    ),
    Case(
        "only some to the sidecar",
        CAPTURE,
        [client(traffic_sidecar_istio_io__includeOutboundIPRanges="172.16.0.0/12"), SERVICE, STRICT],
        TO_SERVICE,
        "",
        "unknown",
        says="includeOutboundIPRanges",
    ),
    Case(
        "no address excluded",
        CAPTURE,
        [client(traffic_sidecar_istio_io__excludeOutboundIPRanges=""), SERVICE, STRICT],
        TO_SERVICE,
        "",
        "allow",
    ),
    Case(
        "nothing is captured",
        CAPTURE,
        [client(sidecar_istio_io__interceptionMode="NONE"), SERVICE, STRICT],
        TO_SERVICE,
        "",
        CLOSED,
    ),
    Case(
        "all is captured",
        CAPTURE,
        [client(sidecar_istio_io__interceptionMode="TPROXY"), SERVICE, STRICT],
        TO_SERVICE,
        "",
        "allow",
    ),
    Case(
        "a rule without TLS", RULES, [WEB, SERVICE, STRICT, rule(off())], TO_SERVICE, "", "unknown", says="DestinationRule back/r"
    ),
    Case("no mode is DISABLE", RULES, [WEB, SERVICE, STRICT, rule({"trafficPolicy": {"tls": {}}})], TO_SERVICE, "", "unknown"),
    Case(
        "on one port",
        RULES,
        [
            WEB,
            SERVICE,
            STRICT,
            rule({"trafficPolicy": {"portLevelSettings": [{"port": {"number": 80}, "tls": {"mode": "SIMPLE"}}]}}),
        ],
        TO_SERVICE,
        "",
        "unknown",
    ),
    Case("in a subset", RULES, [WEB, SERVICE, STRICT, rule({"subsets": [{"name": "v1"} | off()]})], TO_SERVICE, "", "unknown"),
    Case(
        "Istio's own TLS",
        RULES,
        [WEB, SERVICE, STRICT, rule({"trafficPolicy": {"tls": {"mode": "ISTIO_MUTUAL"}}})],
        TO_SERVICE,
        "",
        "allow",
    ),
    Case(
        "about load",
        RULES,
        [WEB, SERVICE, STRICT, rule({"trafficPolicy": {"loadBalancer": {"simple": "RANDOM"}}})],
        TO_SERVICE,
        "",
        "allow",
    ),
    Case(
        "for another Service",
        RULES,
        [WEB, SERVICE, STRICT, rule(off(), host="web.shop.svc.cluster.local")],
        TO_SERVICE,
        "",
        "allow",
    ),
    Case("by a short name", RULES, [WEB, SERVICE, STRICT, rule(off(), host="api")], TO_SERVICE, "", "unknown"),
    Case("a short name elsewhere", RULES, [WEB, SERVICE, STRICT, rule(off(), "shop/r", "api")], TO_SERVICE, "", "allow"),
    Case("by a wildcard", RULES, [WEB, SERVICE, STRICT, rule(off(), "istio-system/r", "*.local")], TO_SERVICE, "", "unknown"),
    Case("to a pod of its Service", RULES, [WEB, SERVICE, rule(off()), peer("PERMISSIVE")], TO_POD, "", "unknown"),
    Case(
        "a Service that the caller doesn't know",
        EXPORTS,
        [WEB, exported("."), STRICT],
        TO_SERVICE,
        "",
        "unknown",
        says="isn't exported to shop",
    ),
    Case("one that it knows", EXPORTS, [WEB, exported("., shop"), STRICT], TO_SERVICE, "", "allow"),
    Case("one for all", EXPORTS, [WEB, exported("*"), STRICT], TO_SERVICE, "", "allow"),
    Case("from outside the mesh", RULES, [pod("shop/web", "10.0.1.1"), SERVICE, rule(off())], TO_SERVICE, "", "allow"),
    Case(
        "only its own namespace",
        SCOPES,
        [WEB, SERVICE, STRICT, scope("./*")],
        TO_SERVICE,
        "",
        "unknown",
        says="hides Service back/api",
    ),
    Case("another namespace", SCOPES, [WEB, SERVICE, STRICT, scope("./*", "back/*")], TO_SERVICE, "", "allow"),
    Case("one host of it", SCOPES, [WEB, SERVICE, STRICT, scope("*/api.back.svc.cluster.local")], TO_SERVICE, "", "allow"),
    Case("another host", SCOPES, [WEB, SERVICE, STRICT, scope("*/web.back.svc.cluster.local")], TO_SERVICE, "", "unknown"),
    Case("none", SCOPES, [WEB, SERVICE, STRICT, scope("~/*")], TO_SERVICE, "", "unknown"),
    Case("hidden, and it doesn't matter", SCOPES, [WEB, SERVICE, scope("./*")], TO_SERVICE, "", "allow"),
    Case("the pod's own one counts", SCOPES, [WEB, SERVICE, STRICT, scope("./*"), ONE], TO_SERVICE, "", "allow"),
    Case(
        "the namespace's before the mesh's",
        SCOPES,
        [WEB, SERVICE, STRICT, scope("*/*"), scope("./*", where="istio-system/d")],
        TO_SERVICE,
        "",
        "allow",
    ),
    Case("for all namespaces", SCOPES, [WEB, SERVICE, STRICT, scope("./*", where="istio-system/d")], TO_SERVICE, "", "unknown"),
    Case("that says nothing", SCOPES, [WEB, SERVICE, STRICT, thing("Sidecar", "istio-system/d", {})], TO_SERVICE, "", "allow"),
    Case(
        "with more in it",
        SCOPES,
        [WEB, SERVICE, thing("Sidecar", "shop/d", {"outboundTrafficPolicy": {"mode": "REGISTRY_ONLY"}})],
        TO_SERVICE,
        "",
        "unknown",
        says="Sidecar shop/d",
    ),
    Case(
        "hidden, and only what is known may be reached",
        SCOPES,
        [WEB, SERVICE, scope("./*"), MeshConfig(registry_only=True)],
        TO_SERVICE,
        "",
        "unknown",
        says="hides Service back/api",
    ),
    Case(
        "for other pods",
        SCOPES,
        [WEB, SERVICE, thing("Sidecar", "shop/s", {"workloadSelector": {"labels": {"app": "x"}}})],
        TO_SERVICE,
        "",
        "allow",
    ),
    Case(
        "what the server listens on",
        SCOPES,
        [WEB, SERVICE, thing("Sidecar", "back/d", {"ingress": []})],
        TO_SERVICE,
        "",
        "unknown",
    ),
    Case(
        "outside the mesh as well",
        SCOPES,
        [WEB, pod("shop/db", "10.0.1.9", [5432]), thing("Sidecar", "shop/d", {"ingress": []})],
        "shop/web > shop/db:5432",
        "",
        "unknown",
        says="Sidecar shop/d",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_how_a_sidecar_connects(case):
    mesh = next((o for o in case.objects if isinstance(o, MeshConfig)), MeshConfig())
    objects = [o for o in case.objects if not isinstance(o, MeshConfig)]
    check(judge(snapshot_of(REST, objects, mesh=mesh), case.flow), case)


@pytest.mark.parametrize("case", [case for case in CASES if case.flow != TO_IP], ids=lambda case: case.name)
def test_all_pairs_say_what_one_flow_between_workloads_says(case):
    """A cell is about workloads: where a Service leads to a port, its callers go through that."""
    mesh = next((o for o in case.objects if isinstance(o, MeshConfig)), MeshConfig())
    snapshot = snapshot_of(REST, [o for o in case.objects if not isinstance(o, MeshConfig)], mesh=mesh)
    assert decisions(snapshot, *((port, "TCP") for port in (80, 5432, 8080, 9000, 15008)))


@pytest.mark.parametrize("kind", ["DestinationRule", "Sidecar"])
def test_a_kind_that_may_not_be_listed_makes_flows_from_sidecars_unknown(kind):
    states = {kind: KindState(KindStatus.FORBIDDEN, "destinationrules is forbidden")}
    snapshot = snapshot_of(REST, [WEB, SERVICE], kinds=states, live=True)
    verdict = judge(snapshot, TO_SERVICE)
    assert (verdict.decision.value, kind in str(verdict.reason)) == ("unknown", True)
