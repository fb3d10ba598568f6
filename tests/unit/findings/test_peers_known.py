"""What other checkers report and the first rules found, too: each where it must be found, and where it must not."""

import pytest

from meshtui.engine import Engine
from meshtui.engine.path.references import parse_flow
from meshtui.findings import evaluate
from meshtui.model.verdict import Decision
from tests.fakes.snapshots import ambient, namespace, pod, snapshot_of
from tests.unit.findings.test_rules import (
    API,
    CONFIG,
    DB,
    FROM_WEB,
    GATEWAY_POD,
    ISOLATED,
    METHODS,
    OUT,
    SHOP,
    WAYPOINT,
    WEB,
    WEB_ID,
    account,
    allow,
    authz,
    deployment,
    gateway,
    net,
    peer,
    probed,
    service,
)

MESH = [SHOP, WEB, API]
BEHIND = [*MESH, service("shop/api", "api", 9000, WAYPOINT), gateway("shop/wp")]
ONLY_WP = {"from": [{"source": {"principals": ["cluster.local/ns/shop/sa/wp"]}}]}
TO_9000 = {"podSelector": {"matchLabels": {"app": "api"}}, "ingress": [{**FROM_WEB, "ports": [{"port": 9000}]}]}
PORTS = {"podSelector": {"matchLabels": {"app": "api"}}, "ingress": [{**FROM_WEB, "ports": [{"port": "htpp"}]}]}
NAMED = {**PORTS, "ingress": [{**FROM_WEB, "ports": [{"port": "http"}, {"port": 15008}]}]}
KUBELET = {"from": [{"ipBlock": {"cidr": "169.254.7.127/32"}}]}
DENY_WEB = {"action": "DENY", "selector": {"matchLabels": {"app": "api"}}, "rules": [
    {"from": [{"source": {"principals": [WEB_ID]}}]}]}  # fmt: skip
AT_API = {"targetRefs": [{"kind": "Service", "group": "", "name": "api"}], "action": "DENY", "rules": DENY_WEB["rules"]}

ROWS = [
    ("KIA0004 a selector that no workload has", "MT203", [*MESH, allow({"principals": [WEB_ID]}, app="apii")], True),
    ("KIA0004 a selector that one has", "MT203", [*MESH, allow({"principals": [WEB_ID]})], False),
    ("KIA0101 IST0101 a namespace that isn't there", "MT218", [*MESH, allow({"namespaces": ["shpo"]})], True),
    ("KIA0101 IST0101 one that is there", "MT218", [*MESH, allow({"namespaces": ["shop"]})], False),
    ("KIA0108 a principal of another trust domain", "MT104",
     [CONFIG, *MESH, allow({"principals": ["other.example/ns/shop/sa/web"]})], True),
    ("KIA0108 one of the mesh's own", "MT104", [*MESH, allow({"principals": [WEB_ID]})], False),
    ("KIA0110 HTTP and a selector, behind a waypoint", "MT201", [*BEHIND, allow({"principals": [WEB_ID]}, **METHODS)], True),
    ("KIA0110 HTTP for the Service at its waypoint", "MT201", [*BEHIND, authz({**AT_API, "rules": [METHODS]})], False),
    ("KIA0110 a DENY on pods that a waypoint takes over", "MT205", [*BEHIND, authz(DENY_WEB)], True),
    ("KIA0110 the DENY for the Service", "MT205", [*BEHIND, authz(AT_API)], False),
    ("KIA1301 C-0260 a workload without any policy", "MT209", MESH, True),
    ("KIA1301 C-0260 workloads with a policy", "MT209", [*MESH, authz({"rules": [ONLY_WP]})], False),
    ("KIA1317 HTTP without a waypoint", "MT201", [*MESH, allow({"principals": [WEB_ID]}, **METHODS)], True),
    ("KIA1317 layer 4 needs none", "MT201", [*MESH, allow({"principals": [WEB_ID]})], False),
    ("KIA1317 a Service that no waypoint serves", "MT207", [*MESH, service("shop/api", "api", 9000), authz(AT_API)], True),
    ("KIA1317 a Service that one serves", "MT207", [*BEHIND, authz(AT_API)], False),
    ("KIA0106 a principal that no pod runs as", "MT103", [*MESH, allow({"principals": [f"{WEB_ID}b"]})], True),
    ("KIA0106 one that a pod runs as", "MT103", [*MESH, allow({"principals": [WEB_ID]})], False),
    ("non-existent-service-account", "MT105", [SHOP, account("shop/other"), deployment("shop/web", "gone")], True),
    ("non-existent-service-account, which exists", "MT105", [SHOP, account("shop/web"), deployment("shop/web", "web")], False),
    ("default-service-account", "MT101", [SHOP, pod("shop/web")], True),
    ("default-service-account: one of its own", "MT101", MESH, False),
    ("np-guard: a policy that selects none", "MT308", [*MESH, net({**ISOLATED, "podSelector": {"matchLabels": {"app": "ap"}}})],
     True),
    ("np-guard: one that selects", "MT308", [*MESH, net({**ISOLATED, "ingress": [FROM_WEB]})], False),
    ("np-guard: a port's name that no container has", "MT310", [*MESH, net(PORTS)], True),
    ("np-guard: a port's name that one has", "MT310", [*MESH, net(NAMED)], False),
    ("istio docs: 15008 in NetworkPolicies", "MT301", [*MESH, net(TO_9000)], True),
    ("istio docs: 15008 beside the application's port", "MT301", [*MESH, net({**ISOLATED, "ingress": [FROM_WEB]})], False),
    ("istio docs: probes from 169.254.7.127", "MT306", [SHOP, WEB, probed(API), net({**ISOLATED, "ingress": [FROM_WEB]})], True),
    ("istio docs: probes that are let in", "MT306", [SHOP, WEB, probed(API), net({**ISOLATED, "ingress": [FROM_WEB, KUBELET]})],
     False),
    ("istio docs: STRICT and plaintext callers", "MT212", [SHOP, API, pod("bare/web", "10.0.9.9", account="web",
     spec={"containers": [{"name": "c", "image": "i", "env": [{"name": "API_URL", "value": "http://api.shop:9000"}]}]}),
     service("shop/api", "api", 9000), peer("STRICT")], True),
    ("istio docs: PERMISSIVE and plaintext callers", "MT212", [SHOP, API, OUT, service("shop/api", "api", 9000)], False),
    ("istio docs: the waypoint's identity at the pod", "MT206", [*BEHIND, allow({"principals": [WEB_ID]})], True),
    ("istio docs: the waypoint is let in", "MT206", [*BEHIND, allow({"principals": ["cluster.local/ns/shop/sa/wp"]})], False),
    ("istio docs: a DENY gone around by a waypoint", "MT205", [*BEHIND, authz(DENY_WEB)], True),
    ("istio docs: the same DENY without one", "MT205", [*MESH, authz(DENY_WEB)], False),
    ("ztunnel#1901 spiffe:// in a principal", "MT104", [*MESH, allow({"principals": [f"spiffe://{WEB_ID}"]})], True),
    ("ztunnel#1901 without it", "MT104", [*MESH, allow({"principals": [WEB_ID]})], False),
    ("ztunnel#1260 cluster.local under another trust domain", "MT103", [CONFIG, *MESH, allow({"principals": [WEB_ID]})], True),
    ("ztunnel#1260 the mesh's own trust domain", "MT103",
     [CONFIG, *MESH, allow({"principals": ["corp.example/ns/shop/sa/web"]})], False),
    ("IST0103 a pod that isn't captured", "MT106", [ambient("shop"), pod("shop/web", "10.0.0.2", account="web",
     metadata={"resourceVersion": "1", "creationTimestamp": "2026-01-01T00:00:00Z", "uid": "u"})], True),
    ("a gateway of another namespace isn't let in", "MT214", [*MESH, namespace("infra"), GATEWAY_POD, DB], False),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "objects", "fires"), [row[1:] for row in ROWS], ids=[f"{row[1]} {row[0]}" for row in ROWS])
def test_a_check_of_a_peer(rule, objects, fires):
    found = {finding.rule for finding in evaluate(snapshot_of(objects))}
    assert (rule in found) is fires, sorted(found)


def test_np_guard_admin_policies_decide_verdicts():
    """np-guard ANP/BANP semantics: the engine judges them; a baseline that denies is known."""
    closed = {
        "apiVersion": "policy.networking.k8s.io/v1alpha1",
        "kind": "BaselineAdminNetworkPolicy",
        "metadata": {"name": "default"},
        "spec": {
            "subject": {"namespaces": {}},
            "ingress": [{"name": "none", "action": "Deny", "from": [{"namespaces": {}}]}],
        },
    }
    said = Engine(snapshot_of([namespace("a"), pod("a/x", "10.0.0.1"), pod("a/y", "10.0.0.2", [80]), closed]))
    assert said.judge(parse_flow("a/x", "a/y:80")).decision is Decision.DENY
