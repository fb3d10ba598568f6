"""What the peers check of NetworkPolicies, each where it must be said, and where it must not."""

import pytest

from meshtui.findings import look
from meshtui.findings import redundant as redundancy
from meshtui.findings.redundant import redundant
from meshtui.model.cni import REFERENCE_CNI, UNKNOWN_CNI
from meshtui.model.finding import Severity
from tests.fakes.healing import assert_it_heals
from tests.fakes.snapshots import ambient, namespace, pod, policy, snapshot_of

TELLS = {"MT314", "MT315", "MT316"}
SHOP, BARE = namespace("shop"), namespace("bare")
MESH = ambient("shop")
WEB = pod("shop/web", "10.0.0.2", [("http", 8080)], account="web")
API = pod("shop/api", "10.0.0.3", [("http", 9000)], account="api")
DB = pod("shop/db", "10.0.0.4", [("sql", 5432)], account="db")
PODS = [SHOP, WEB, API, DB]


def app(name):
    return {"podSelector": {"matchLabels": {"app": name}}}


def space(name):
    return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}


def block(cidr, *cut):
    return {"ipBlock": {"cidr": cidr, "except": list(cut)}}


def port(number, protocol="TCP", end=None):
    return {"port": number, "protocol": protocol} | ({"endPort": end} if end else {})


def let_in(*peers, ports=()):
    return ({"from": list(peers)} if peers else {}) | ({"ports": list(ports)} if ports else {})


def let_out(*peers, ports=()):
    return ({"to": list(peers)} if peers else {}) | ({"ports": list(ports)} if ports else {})


def ingress(name, *rules, of=None, **more):
    return policy(
        f"shop/{name}", {**(app(of) if of else {"podSelector": {}}), "policyTypes": ["Ingress"], "ingress": list(rules)} | more
    )


def egress(name, *rules, of=None):
    return policy(f"shop/{name}", {**(app(of) if of else {"podSelector": {}}), "policyTypes": ["Egress"], "egress": list(rules)})


def admin(*rules, tier="Baseline", subject=None, side="ingress"):
    made = policy("/default", {"subject": subject or {"namespaces": {}}, side: list(rules)}, f"{tier}AdminNetworkPolicy")
    made["apiVersion"] = "policy.networking.k8s.io/v1alpha1"
    made["metadata"] = {"name": "default"}
    return made


DENY_ALL = {"action": "Deny", "from": [{"namespaces": {}}]}
CLOSED = ingress("deny")


def found(rule, objects, **more):
    return [finding for finding in look(snapshot_of(objects, **more)).findings if finding.rule == rule]


FROM_WEB = let_in(app("web"), ports=[port(9000)])
REDUNDANT = [
    ("equal duplicates", [ingress("a", FROM_WEB, of="api"), ingress("b", FROM_WEB, of="api")], "b is redundant"),
    ("a rule twice", [ingress("a", FROM_WEB, FROM_WEB, of="api")], "a ingress[1] is redundant"),
    ("fewer ports", [ingress("a", FROM_WEB, let_in(app("web")), of="api")], "a ingress[0] is redundant"),
    (
        "a number in a range",
        [ingress("a", FROM_WEB, let_in(app("web"), ports=[port(8000, end=9100)]), of="api")],
        "a ingress[0] is redundant",
    ),
    (
        "ranges together",
        [
            ingress(
                "a",
                let_in(app("web"), ports=[port(10, end=90)]),
                let_in(app("web"), ports=[port(1, end=50)]),
                let_in(app("web"), ports=[port(51, end=100)]),
            )
        ],
        "a ingress[0] is redundant",
    ),
    (
        "ranges with a gap",
        [
            ingress(
                "a",
                let_in(app("web"), ports=[port(10, end=90)]),
                let_in(app("web"), ports=[port(1, end=50)]),
                let_in(app("web"), ports=[port(52, end=100)]),
            )
        ],
        "",
    ),
    ("another protocol", [ingress("a", FROM_WEB, let_in(app("web"), ports=[port(9000, "UDP")]), of="api")], ""),
    ("a name isn't a number", [ingress("a", FROM_WEB, let_in(app("web"), ports=[port("http")]), of="api")], ""),
    (
        "a name in all ports of its protocol",
        [ingress("a", let_in(app("web"), ports=[port("http")]), let_in(app("web"), ports=[{"protocol": "TCP"}]))],
        "a ingress[0] is redundant",
    ),
    (
        "a wider policy of the namespace",
        [ingress("a", FROM_WEB, of="api"), ingress("wide", let_in(app("web")))],
        "a is redundant",
    ),
    ("a wider policy for others", [ingress("a", FROM_WEB, of="api"), ingress("b", let_in(app("web")), of="db")], ""),
    (
        "the namespace's own pods, of whatever app",
        [ingress("a", FROM_WEB, let_in({"podSelector": {}}), of="api")],
        "a ingress[0] is redundant",
    ),
    (
        "the namespace by its name",
        [ingress("a", let_in({"podSelector": {}}, ports=[port(1)]), let_in(space("shop")), of="api")],
        "a ingress[0] is redundant",
    ),
    (
        "by its name, and own pods",
        [ingress("a", let_in(space("shop"), ports=[port(1)]), let_in({"podSelector": {}}), of="api")],
        "a ingress[0] is redundant",
    ),
    ("another namespace", [ingress("a", let_in(space("bare"), ports=[port(1)]), let_in({"podSelector": {}}), of="api")], ""),
    (
        "one namespace of all",
        [ingress("a", let_in(space("bare"), ports=[port(1)]), let_in({"namespaceSelector": {}}), of="api")],
        "a ingress[0] is redundant",
    ),
    (
        "another namespace by its name, and by a label that it has",
        [
            ingress(
                "a", let_in(space("team"), ports=[port(1)]), let_in({"namespaceSelector": {"matchLabels": {"x": "y"}}}), of="api"
            )
        ],
        "a ingress[0] is redundant",
    ),
    (
        "another namespace by its name, and by a label that it hasn't",
        [
            ingress(
                "a", let_in(space("bare"), ports=[port(1)]), let_in({"namespaceSelector": {"matchLabels": {"x": "y"}}}), of="api"
            )
        ],
        "",
    ),
    (
        "one of several values",
        [
            ingress(
                "a",
                FROM_WEB,
                let_in({"podSelector": {"matchExpressions": [{"key": "app", "operator": "In", "values": ["web", "api"]}]}}),
                of="db",
            )
        ],
        "a ingress[0] is redundant",
    ),
    (
        "only today the same pods",
        [ingress("a", FROM_WEB, let_in({"podSelector": {"matchLabels": {"team": "x"}}}), of="db")],
        "",
    ),
    (
        "a block in a block",
        [egress("a", let_out(block("10.1.0.0/16")), let_out(block("10.0.0.0/8")))],
        "a egress[0] is redundant",
    ),
    (
        "a block in what is cut out",
        [egress("a", let_out(block("10.1.0.0/16")), let_out(block("10.0.0.0/8", "10.1.4.0/24")))],
        "",
    ),
    (
        "a block with the same cut",
        [egress("a", let_out(block("10.1.0.0/16", "10.1.4.0/23")), let_out(block("10.0.0.0/8", "10.1.4.0/24")))],
        "a egress[0] is redundant",
    ),
    ("a block isn't pods", [egress("a", let_out(app("db")), let_out(block("0.0.0.0/0")))], ""),
    ("everybody", [egress("a", let_out(app("db"), ports=[port(5432)]), let_out())], "a egress[0] is redundant"),
    (
        "all ports of one protocol aren't all",
        [egress("a", let_out(app("db")), let_out(app("db"), ports=[{"protocol": "TCP"}]))],
        "a egress[1] is redundant",
    ),
    (
        "peers, each in another rule",
        [ingress("a", let_in(app("web"), app("api")), let_in(app("web")), let_in(app("api")), of="db")],
        "a ingress[1], ingress[2] are redundant",
    ),
    ("two denials", [ingress("a"), ingress("b")], "b is redundant"),
    ("a denial for one beside that for all", [ingress("a"), ingress("b", of="api")], "b is redundant"),
    ("a denial in another direction", [ingress("a"), egress("b")], ""),
    (
        "it isolates in a direction in which nothing else does",
        [
            ingress("a", FROM_WEB, of="api"),
            policy("shop/b", {**app("api"), "policyTypes": ["Ingress", "Egress"], "ingress": [FROM_WEB]}),
        ],
        "a is redundant",
    ),
    ("a default-deny and what it leaves open", [CLOSED, ingress("a", FROM_WEB, of="api")], ""),
    (
        "egress rules that policyTypes leave out",
        [policy("shop/a", {**app("api"), "policyTypes": ["Ingress"], "egress": [let_out(), let_out()]})],
        "",
    ),
    ("what isn't read may do more", [ingress("a", FROM_WEB, of="api"), ingress("b", FROM_WEB, of="api", magic=True)], ""),
    ("of nobody", [ingress("a", FROM_WEB, of="gone"), ingress("b", FROM_WEB, of="gone")], ""),
]


@pytest.mark.parametrize(("name", "policies", "says"), REDUNDANT, ids=[f"NCA redundant: {row[0]}" for row in REDUNDANT])
def test_a_rule_that_others_cover(name, policies, says):
    messages = [
        finding.message.partition(":")[0] for finding in found("MT314", [*PODS, BARE, namespace("team", x="y"), *policies])
    ]
    assert messages == ([f"NetworkPolicy shop/{says}"] if says else [])


@pytest.mark.parametrize("policies", [row[1] for row in REDUNDANT], ids=[f"NCA redundant: {row[0]}" for row in REDUNDANT])
def test_without_what_others_cover_nothing_changes(policies):
    objects = [*PODS, BARE, namespace("team", x="y"), *policies]
    for finding in found("MT314", objects):
        if finding.fix is not None:
            assert_it_heals(objects, finding)


def test_rules_of_which_none_would_be_left_have_no_patch():
    several = [finding for row in REDUNDANT for finding in found("MT314", [*PODS, BARE, namespace("team", x="y"), *row[1]])]
    assert {finding.fix is None for finding in several} == {True, False}
    assert all(finding.fix is None for finding in several if "[" not in finding.message.partition(":")[0])


def test_a_range_that_the_cni_may_not_read_covers_nothing():
    written = [ingress("a", FROM_WEB, let_in(app("web"), ports=[port(8000, end=9100)]), of="api")]
    policies = snapshot_of([*PODS, *written]).network_policies.values()
    assert [each.places for each in redundant(policies, {}, REFERENCE_CNI)]
    assert not list(redundant(policies, {}, UNKNOWN_CNI))


def test_policies_are_compared_only_with_those_that_may_cover_them(monkeypatch):
    asked = []
    implies = redundancy._Selector.implies
    monkeypatch.setattr(redundancy._Selector, "implies", lambda one, other: asked.append(1) or implies(one, other))
    written = [ingress(f"p{n}", let_in(app(f"a{n}"), ports=[port(n + 1)]), FROM_WEB, of=f"a{n}") for n in range(1000)]
    policies = snapshot_of([SHOP, *written]).network_policies.values()
    assert list(redundant(policies, {}, REFERENCE_CNI)) == []
    assert len(asked) < 20 * len(written)


C0230 = [
    ("C-0230 nothing at all", "MT315", PODS, ["Namespace shop"]),
    ("C-0230 a policy", "MT315", [*PODS, CLOSED], []),
    ("C-0230 a policy that selects one pod", "MT315", [*PODS, ingress("a", of="api")], []),
    ("C-0230 a policy of another namespace", "MT315", [*PODS, policy("bare/a", {"podSelector": {}})], ["Namespace shop"]),
    ("C-0230 a policy that selects nobody", "MT315", [*PODS, ingress("a", of="gone")], ["Namespace shop"]),
    ("C-0230 a policy of the whole cluster", "MT315", [*PODS, admin(DENY_ALL)], []),
    (
        "C-0230 a policy of the whole cluster for others",
        "MT315",
        [*PODS, admin(DENY_ALL, subject={"namespaces": {"matchLabels": {"x": "y"}}})],
        ["Namespace shop"],
    ),
    ("C-0230 no pods", "MT315", [SHOP], []),
    ("C-0230 a part of the cluster", "MT315", [pod("kube-system/dns", "10.0.0.9")], []),
    ("C-0230 pods on their nodes' network", "MT315", [SHOP, pod("shop/agent", "10.9.0.1", spec={"hostNetwork": True})], []),
    ("C-0030 ingress alone", "MT316", [*PODS, CLOSED], ["Namespace shop", "Pod shop/api", "Pod shop/db", "Pod shop/web"]),
    ("C-0030 ingress of one", "MT316", [*PODS, ingress("a", of="api")], ["Namespace shop", "Pod shop/api"]),
    ("C-0030 egress, too", "MT316", [*PODS, CLOSED, egress("e", let_out(app("db")), of="api")], []),
    ("C-0030 egress that is meant to be open", "MT316", [*PODS, CLOSED, egress("e", {})], []),
    (
        "C-0030 egress by a policy of the cluster",
        "MT316",
        [*PODS, CLOSED, admin({"action": "Deny", "to": [{"namespaces": {}}]}, side="egress")],
        [],
    ),
    ("C-0030 nothing at all", "MT316", PODS, []),
]


@pytest.mark.parametrize(("name", "rule", "objects", "told"), C0230, ids=[row[0] for row in C0230])
def test_what_nothing_restricts(name, rule, objects, told):
    findings = found(rule, objects)
    assert [str(ref) for finding in findings for ref in finding.objects] == [
        each.replace("Namespace ", "Namespace ") for each in told
    ]
    assert all(finding.severity is Severity.INFO for finding in findings)


# ---- MT305: who answers, where, and by which name

TO_API = let_out(app("api"), ports=[port(9000)])
KUBE_DNS = pod("kube-system/dns", "10.0.8.1", [("dns", 53, "UDP")], labels={"k8s-app": "kube-dns"})
TO_DNS = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}}
DNS = [
    ("no rule", [TO_API], True),
    ("its number", [TO_API, let_out(ports=[port(53, "UDP")])], False),
    ("its number over TCP alone", [TO_API, let_out(ports=[port(53)])], True),
    ("to kube-system", [TO_API, let_out(TO_DNS, ports=[port(53, "UDP")])], False),
    ("all ports to kube-system", [TO_API, let_out(TO_DNS)], False),
    ("all ports to everybody", [TO_API, let_out()], False),
    ("all ports to every pod", [TO_API, let_out({"namespaceSelector": {}})], False),
    ("all ports to the own namespace, which has no DNS", [let_out({"podSelector": {}})], True),
    ("a server of the own namespace", [TO_API, let_out(app("dns"), ports=[port(53, "UDP")])], False),
    (
        "the cluster's server, sought in the own namespace",
        [TO_API, let_out({"podSelector": {"matchLabels": {"k8s-app": "kube-dns"}}}, ports=[port(53, "UDP")])],
        True,
    ),
    ("a port named dns", [TO_API, let_out(TO_DNS, ports=[port("dns", "UDP")])], False),
    ("a port with another name", [TO_API, let_out(TO_DNS, ports=[port("metrics", "UDP")])], True),
    ("OpenShift's port", [TO_API, let_out(space("openshift-dns"), ports=[port(5353, "UDP")])], False),
    ("a range", [TO_API, let_out(TO_DNS, ports=[port(1, "UDP", 100)])], False),
    ("one address outside the cluster", [TO_API, let_out(block("8.8.8.8/32"), ports=[port(53, "UDP")])], True),
    ("a cache on the node", [TO_API, let_out(block("169.254.20.10/32"), ports=[port(53, "UDP")])], False),
    ("a Service's address", [TO_API, let_out(block("10.96.0.10/32"), ports=[port(53, "UDP")])], False),
    ("every address", [TO_API, let_out(block("0.0.0.0/0"), ports=[port(53, "UDP")])], False),
]


@pytest.mark.parametrize("space", [SHOP, MESH], ids=["outside the mesh", "ambient"])
@pytest.mark.parametrize(("name", "rules", "fires"), DNS, ids=[row[0] for row in DNS])
def test_which_rules_lead_to_dns(name, rules, fires, space):
    assert bool(found("MT305", [space, WEB, API, KUBE_DNS, egress("e", *rules, of="web")])) is fires


def test_openshift_listens_on_another_port():
    spaces = [SHOP, namespace("openshift-dns")]
    (finding,) = found("MT305", [*spaces, WEB, API, egress("e", TO_API, of="web")])
    assert "UDP 5353" in finding.message
    assert "openshift-dns, port 5353" in finding.fix.summary


OFF = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "istio-cni-config", "namespace": "istio-system"},
    "data": {"AMBIENT_DNS_CAPTURE": "false"},
}
ON = {**OFF, "data": {"AMBIENT_DNS_CAPTURE": "true"}}
OUTSIDE = let_out(block("0.0.0.0/0", "10.0.0.0/8"), ports=[port(443)])


def web(**annotations):
    key = "ambient.istio.io/dns-capture"
    return {**WEB, "metadata": {**WEB["metadata"], "annotations": {key: annotations["dns"]} if annotations else {}}}


ANSWERED = [
    ("ztunnel answers", [MESH, WEB, TO_API], Severity.INFO, "ztunnel answers"),
    ("ztunnel answers, as is written", [MESH, ON, WEB, TO_API], Severity.INFO, "ztunnel answers"),
    ("names outside are needed", [MESH, WEB, OUTSIDE], Severity.WARNING, "ztunnel answers"),
    ("the capture is off", [MESH, OFF, WEB, TO_API], Severity.WARNING, "fail before they start"),
    ("the pod's annotation turns it off", [MESH, web(dns="false"), TO_API], Severity.WARNING, "fail before they start"),
    ("the pod's annotation turns it on", [MESH, OFF, web(dns="true"), TO_API], Severity.INFO, "ztunnel answers"),
    ("outside the mesh", [SHOP, WEB, TO_API], Severity.WARNING, "fail before they start"),
]


@pytest.mark.parametrize(("name", "objects", "severity", "why"), ANSWERED, ids=[row[0] for row in ANSWERED])
def test_ztunnel_answers_names_of_services(name, objects, severity, why):
    *objects, rule = objects
    (finding,) = found("MT305", [*objects, API, egress("e", rule, of="web")])
    assert finding.severity is severity
    assert why in finding.why


# ---- MT302: every form in which 15008 is open

GUARD = policy("shop/p", {"rules": [{"from": [{"source": {"namespaces": ["shop"]}}]}]}, "AuthorizationPolicy")
OPEN = [
    ("the number", [port(9000), port(15008)], Severity.WARNING),
    ("a range around it", [port(9000), port(15000, end=15100)], Severity.WARNING),
    ("all ports of TCP", [{"protocol": "TCP"}], Severity.INFO),
    ("all ports of TCP as a range", [port(1, end=65535)], Severity.INFO),
    ("all ports", [], Severity.INFO),
    ("a range beside it", [port(15009, end=15100)], None),
    ("its number over UDP", [port(15008, "UDP")], None),
]


@pytest.mark.parametrize(("name", "ports", "severity"), OPEN, ids=[row[0] for row in OPEN])
def test_hbone_is_open(name, ports, severity):
    several = pod("shop/api", "10.0.0.3", [("http", 9000), ("admin", 9901)], account="api")
    objects = [MESH, WEB, several, ingress("a", let_in(app("web"), ports=ports), of="api")]
    assert [finding.severity for finding in found("MT302", objects)] == ([severity] if severity else [])
    guarded = found("MT302", [*objects, GUARD])
    assert [finding.severity for finding in guarded] == ([Severity.INFO] if severity else [])


HBONE = [
    ("beside the only port", [let_in(app("web"), ports=[port(9000), port(15008)])], Severity.INFO),
    ("in a rule of its own", [let_in(app("web"), ports=[port(9000)]), let_in(app("web"), ports=[port(15008)])], Severity.INFO),
    ("for more callers", [let_in(app("web"), ports=[port(9000)]), let_in(ports=[port(15008)])], Severity.WARNING),
    ("without the port", [let_in(app("web"), ports=[port(15008)])], Severity.WARNING),
]


@pytest.mark.parametrize(("name", "rules", "severity"), HBONE, ids=[row[0] for row in HBONE])
def test_hbone_opens_nothing_more(name, rules, severity):
    found_here = found("MT302", [MESH, WEB, API, DB, ingress("a", *rules, of="api")])
    assert [finding.severity for finding in found_here] == [severity]


# ---- MT308 and MT309: pods that an operator makes


def monitor(**labels):
    metadata = {"name": "k8s", "namespace": "shop"}
    spec = {"podMetadata": {"labels": labels}} if labels else {}
    return {"apiVersion": "monitoring.coreos.com/v1", "kind": "Prometheus", "metadata": metadata, "spec": spec}


@pytest.mark.parametrize(
    ("rule", "written"),
    [("MT308", ingress("a", of="prometheus")), ("MT309", ingress("a", let_in(app("prometheus")), of="api"))],
    ids=["kube-linter dangling-networkpolicy", "kube-linter dangling-networkpolicypeer-podselector"],
)
def test_pods_that_an_operator_makes(rule, written):
    objects = [SHOP, API, written]
    assert len(found(rule, objects)) == 1
    assert [finding.severity for finding in found(rule, [*objects, monitor()])] == [Severity.INFO]
    assert found(rule, [*objects, monitor(app="prometheus")]) == []
    assert [finding.severity for finding in found(rule, [*objects, monitor(app="other")])] == [Severity.INFO]


SERVERS = {"podSelector": {"matchLabels": {"k8s-app": "kube-dns"}}}
AT_FRONT = {"podSelector": {"matchLabels": {"gateway.networking.k8s.io/gateway-name": "front"}}}
FRONT = {
    "apiVersion": "gateway.networking.k8s.io/v1",
    "kind": "Gateway",
    "metadata": {"name": "front", "namespace": "shop"},
    "spec": {"gatewayClassName": "istio", "listeners": [{"name": "http", "port": 80, "protocol": "HTTP"}]},
}
ELSEWHERE = [
    ("the cluster's DNS", [egress("e", let_out({"namespaceSelector": {}} | SERVERS, ports=[port(53, "UDP")]))], 0),
    ("its namespace", [egress("e", let_out(TO_DNS | SERVERS, ports=[port(53, "UDP")]))], 0),
    ("a namespace that is nearly it", [egress("e", let_out(space("kube-sytem"), ports=[port(53, "UDP")]))], 1),
    ("DNS in the own namespace", [egress("e", let_out(SERVERS, ports=[port(53, "UDP")]))], 1),
    ("others of all namespaces", [egress("e", let_out({"namespaceSelector": {}} | app("x"), ports=[port(80)]))], 1),
    ("np-guard a block that is none", [ingress("a", let_in(block("10.0.0.300/24")), of="api")], 1),
    ("np-guard a block with exceptions", [ingress("a", let_in(block("10.0.0.0/8", "10.1.0.0/16")), of="api")], 0),
    ("np-guard a block of IPv6", [ingress("a", let_in(block("fd00::/8")), of="api")], 0),
    ("the pods of a Gateway", [FRONT, ingress("a", let_in(AT_FRONT), of="api")], 0),
    ("those of a Gateway that isn't there", [ingress("a", let_in(AT_FRONT), of="api")], 1),
]


@pytest.mark.parametrize(("name", "objects", "number"), ELSEWHERE, ids=[row[0] for row in ELSEWHERE])
def test_peers_that_manifests_do_not_contain(name, objects, number):
    assert len(found("MT309", [*PODS, *objects])) == number


def admin_peer(name):
    return {"action": "Deny", "from": [{"pods": {"namespaceSelector": {}} | app(name)}]}


OF_ADMINS = [
    ("MT309", admin_peer("nobody"), 1),
    ("MT309", admin_peer("web"), 0),
    ("MT309", {"action": "Deny", "from": [{"namespaces": {"matchLabels": {"x": "y"}}}]}, 0),
    ("MT310", admin_peer("web") | {"ports": [{"namedPort": "nope"}]}, 1),
    ("MT310", admin_peer("web") | {"ports": [{"namedPort": "http"}]}, 0),
]


@pytest.mark.parametrize(("rule", "written", "number"), OF_ADMINS)
def test_rules_of_admin_policies(rule, written, number):
    several = found(rule, [*PODS, admin(written)])
    assert len(several) == number
    assert all(finding.field.startswith("spec.ingress[0]") for finding in several)


@pytest.mark.parametrize(("objects", "number"), [([FRONT], 0), ([], 1)], ids=["a Gateway's pods", "without the Gateway"])
def test_a_policy_for_the_pods_of_a_gateway(objects, number):
    written = policy("shop/front", AT_FRONT | {"ingress": [{"ports": [port(80)]}]})
    assert len(found("MT308", [*PODS, *objects, written])) == number


# ---- MT311, MT208, MT209: what guards


NEIGHBOURS = [
    ("one policy isolates one pod", [ingress("a", of="api")], Severity.INFO),
    ("most are isolated", [ingress("a", of="api"), ingress("b", of="db")], Severity.WARNING),
    ("all are isolated", [CLOSED], None),
    ("nobody is", [], None),
    ("a baseline closes the others", [ingress("a", of="api"), ingress("b", of="db"), admin(DENY_ALL)], None),
    (
        "a baseline for others",
        [ingress("a", of="api"), ingress("b", of="db"), admin(DENY_ALL, subject={"namespaces": {"matchLabels": {"x": "y"}}})],
        Severity.WARNING,
    ),
]


@pytest.mark.parametrize(
    ("name", "policies", "severity"), NEIGHBOURS, ids=[f"kube-linter non-isolated-pod {r[0]}" for r in NEIGHBOURS]
)
def test_neighbours(name, policies, severity):
    assert [finding.severity for finding in found("MT311", [*PODS, *policies])] == ([severity] if severity else [])


OTHER = pod("bare/caller", "10.0.9.9")
SPACES_BUT_OWN = {"matchExpressions": [{"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["shop"]}]}
OF_SHOP = {"namespaces": {"matchLabels": {"kubernetes.io/metadata.name": "shop"}}}
BASELINES = [
    ("it denies everybody", admin(DENY_ALL), False),
    ("it denies other namespaces", admin({"action": "Deny", "from": [{"namespaces": SPACES_BUT_OWN}]}), False),
    ("it denies one namespace", admin({"action": "Deny", "from": [{"namespaces": {"matchLabels": {"x": "y"}}}]}), True),
    ("it denies one port", admin({**DENY_ALL, "ports": [{"portNumber": {"protocol": "TCP", "port": 1}}]}), True),
    ("it allows", admin({**DENY_ALL, "action": "Allow"}), True),
    ("it is about egress", admin({"action": "Deny", "to": [{"namespaces": {}}]}, subject=OF_SHOP, side="egress"), True),
    ("an AdminNetworkPolicy denies", {**admin(DENY_ALL, tier=""), "kind": "AdminNetworkPolicy"}, False),
]


@pytest.mark.parametrize("rule", ["MT208", "MT209"])
@pytest.mark.parametrize(("name", "written", "fires"), BASELINES, ids=[f"np-guard BANP {row[0]}" for row in BASELINES])
def test_a_baseline_guards(name, written, fires, rule):
    if written["kind"] == "AdminNetworkPolicy":
        written = {**written, "spec": {**written["spec"], "priority": 1}}
    target = DB if rule == "MT208" else API
    assert bool(found(rule, [SHOP, target, BARE, OTHER, written])) is fires
