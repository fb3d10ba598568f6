"""Calico's policies, fact by fact; each with the part of projectcalico/calico that shows it."""

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meshtui.cni import named
from meshtui.engine.explain.wording import in_words as said
from meshtui.engine.policy.calico.selectors import SelectorError, parse
from meshtui.engine.policy.own import own_policies
from tests.fakes.snapshots import judge, namespace, pod, policy, snapshot_of

CALICO = named("calico")
V3, CRD = "projectcalico.org/v3", "crd.projectcalico.org/v1"
UPDATES = "libcalico-go/lib/backend/syncersv1/updateprocessors"
SORTED = "felix/calc/policy_sorter.go"


def account(key, **labels):
    space, name = key.split("/")
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": space, "labels": labels}}


WORLD = [
    namespace("shop", team="x"),
    namespace("bank", team="y"),
    account("shop/web", trust="high"),
    account("bank/db", trust="low"),
    pod("shop/web", "10.0.0.1", [("http", 8080)], {"app": "web", "ver": "v1.2"}, "web"),
    pod("shop/cart", "10.0.0.2", [("http", 9090)], {"app": "cart"}),
    pod("bank/db", "10.0.1.1", [("sql", 5432)], {"app": "db", "tier": "data"}, "db"),
    pod("bank/host", "192.168.0.9", [80], {"app": "web"}, spec={"hostNetwork": True}),
]
WEB, CART, OUTSIDE = "shop/web > bank/db:5432", "shop/cart > bank/db:5432", "203.0.113.7 > bank/db:5432"
DB = "app == 'db'"


def thing(kind, name, version=V3, space="", labels=None, **spec):
    metadata = {"name": name, "labels": labels or {}, **({"namespace": space} if space else {})}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}


def gnp(name="default.g", version=V3, **spec):
    return thing("GlobalNetworkPolicy", name, version, **{"selector": DB, "types": ["Ingress"], **spec})


def np(name="default.n", space="bank", **spec):
    return thing("NetworkPolicy", name, space=space, **{"selector": DB, "types": ["Ingress"], **spec})


def rule(action="Allow", source=None, destination=None, **more):
    return {"action": action, "source": source or {}, "destination": destination or {}, **more}


def tier(name, order=None, end=None):
    spec = ({} if order is None else {"order": order}) | ({} if end is None else {"defaultAction": end})
    return thing("Tier", name, **spec)


def allows(source=None, destination=None, **more):
    return gnp(ingress=[rule("Allow", source, destination, **more)])


def tiered(name, order, *rules, in_tier="t", **more):
    return gnp(f"{in_tier}.{name}", tier=in_tier, order=order, ingress=list(rules), **more)


ALLOW, DENY, PASS = rule("Allow"), rule("Deny"), rule("Pass")
KUBERNETES = policy("bank/k", {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{}]})
LAN = {"nets": ["10.0.0.0/24"]}
GROUP = thing("GlobalNetworkSet", "lan", labels={"zone": "lan"}, nets=["10.0.0.0/24", "203.0.113.0/24"])
OWN_SET = thing("NetworkSet", "lan", space="bank", labels={"zone": "lan"}, nets=["203.0.113.0/24"])

HOST = thing("HostEndpoint", "n1", labels={"role": "worker"}, node="n1", expectedIPs=["203.0.113.7"])
ADMIN = {
    "apiVersion": "policy.networking.k8s.io/v1alpha2",
    "kind": "ClusterNetworkPolicy",
    "metadata": {"name": "adm"},
    "spec": {
        "tier": "Admin",
        "priority": 1,
        "subject": {"namespaces": {}},
        "ingress": [{"action": "Accept", "from": [{"namespaces": {}}]}],
    },
}


def slices(name, space, address, number):
    metadata = {"name": f"{name}-1", "namespace": space, "labels": {"kubernetes.io/service-name": name}}
    ports = [{"name": "", "protocol": "TCP", **({} if number is None else {"port": number})}]
    endpoints = [{"addresses": [address], "conditions": {"ready": True}}]
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": metadata,
        "addressType": "IPv4",
        "endpoints": endpoints,
        "ports": ports,
    }


def to_service(protocol):
    destination = {"services": {"name": "db", "namespace": "bank"}}
    return gnp(selector="app == 'web'", types=["Egress"], egress=[rule("Allow", None, destination, protocol=protocol)])


SERVED = {
    "apiVersion": "v1",
    "kind": "List",
    "items": [slices("clients", "shop", "10.0.0.1", 8080), slices("db", "bank", "10.0.1.1", 5432)],
}


def to_lan(ports, selector="zone == 'lan'", which="ports"):
    return gnp(types=["Egress"], egress=[rule("Allow", None, {"selector": selector, which: ports}, protocol="TCP")])


FACTS = [
    # (what holds, objects, flow, verdict, source)
    ("a policy without a rule that matches denies", [gnp(ingress=[])], WEB, "deny", SORTED),
    ("… those whom it selects", [gnp(ingress=[])], "shop/web > shop/cart:9090", "allow", SORTED),
    ("the first rule that matches decides", [gnp(ingress=[DENY, ALLOW])], WEB, "deny", SORTED),
    ("… whatever it does", [gnp(ingress=[ALLOW, DENY])], WEB, "allow", SORTED),
    ("Log goes on", [gnp(ingress=[rule("Log"), ALLOW])], WEB, "allow", SORTED),
    ("lower orders come first", [gnp("default.a", order=2, ingress=[DENY]), gnp("default.b", order=1, ingress=[ALLOW])], WEB, "allow", SORTED),
    ("… fractions and negative ones too", [gnp("default.a", order=-1.5, ingress=[DENY]), gnp("default.b", order=-1, ingress=[ALLOW])], WEB, "deny", SORTED),
    ("a missing order is last", [gnp("default.a", ingress=[DENY]), gnp("default.b", order=9e9, ingress=[ALLOW])], WEB, "allow", SORTED),
    ("equal orders go by name", [gnp("default.b", order=1, ingress=[DENY]), gnp("default.a", order=1, ingress=[ALLOW])], WEB, "allow", SORTED),
    ("… but not among different kinds", [gnp("default.b", order=1, ingress=[DENY]), np("default.a", order=1, ingress=[ALLOW])], WEB, "unknown", SORTED),
    ("… unless both say the same", [gnp("default.b", order=1, ingress=[DENY]), np("default.a", order=1, ingress=[DENY])], WEB, "deny", SORTED),
    ("NetworkPolicies have the order 1000", [gnp(order=999, ingress=[DENY]), KUBERNETES], WEB, "deny", "libcalico-go/lib/backend/k8s/conversion/conversion.go: defaultOrder"),
    ("… in the default tier", [gnp(order=1001, ingress=[DENY]), KUBERNETES], WEB, "allow", "the same"),
    # tiers
    ("tiers go by order", [tier("t", 5), tier("u", 6), tiered("a", 1, DENY), tiered("a", 1, ALLOW, in_tier="u")], WEB, "deny", SORTED),
    ("Pass leaves a tier", [tier("t", 5), tiered("a", 1, PASS), tiered("b", 2, DENY)], WEB, "allow", "api/pkg/apis/projectcalico/v3: Pass"),
    ("… for the next", [tier("t", 5), tiered("a", 1, PASS), gnp(ingress=[])], WEB, "deny", "the same"),
    ("a tier denies at its end", [tier("t", 5), tiered("a", 1)], WEB, "deny", "felix/rules: endpoint chains"),
    ("… unless it passes", [tier("t", 5, "Pass"), tiered("a", 1)], WEB, "allow", "api/pkg/apis/projectcalico/v3/tier.go: defaultAction"),
    ("… or selects others", [tier("t", 5), tiered("a", 1, selector="app == 'x'")], WEB, "allow", "felix/calc/policy_resolver.go"),
    ("a tier after the default one isn't asked", [tier("t", 2_000_000), gnp(ingress=[ALLOW]), tiered("a", 1, DENY)], WEB, "allow", SORTED),
    ("a tier that isn't there leaves it open what its policies do", [tiered("a", 1, DENY)], WEB, "unknown", "felix/calc/policy_resolver.go: invalid tiers are skipped"),
    # types
    ("without types, only egress rules make a policy of egress", [gnp(types=None, egress=[DENY])], WEB, "allow", "libcalico-go/lib/clientv3: defaultPolicyTypesField"),
    ("… nothing one of ingress", [gnp(types=None)], WEB, "deny", "the same"),
    ("objects of the other group have both", [gnp(version=CRD, types=None, egress=[ALLOW])], WEB, "deny", SORTED),
    ("rules of other types do nothing", [gnp(types=["Egress"], ingress=[DENY])], WEB, "allow", SORTED),
    ("staged policies enforce nothing", [thing("StagedGlobalNetworkPolicy", "default.s", selector="all()", types=["Ingress"])], WEB, "allow", "api/pkg/apis/projectcalico/v3"),
    # subjects
    ("no selector selects everything", [gnp(selector="")], "shop/web > shop/cart:9090", "deny", UPDATES),
    ("a namespaceSelector reads labels of namespaces", [gnp(selector="", namespaceSelector="team == 'y'")], WEB, "deny", UPDATES),
    ("… of no others", [gnp(selector="", namespaceSelector="team == 'y'")], "bank/db > shop/cart:9090", "allow", UPDATES),
    ("a serviceAccountSelector reads labels of accounts", [gnp(selector="", serviceAccountSelector="trust == 'low'")], WEB, "deny", UPDATES),
    ("pods have labels of their namespace", [gnp(selector="pcns.team == 'y'")], WEB, "deny", "felix/labelindex, profiles kns and ksa"),
    ("… and of their account", [gnp(selector="pcsa.trust == 'low'")], WEB, "deny", "the same"),
    ("… and Calico's own", [gnp(selector="projectcalico.org/namespace == 'bank' && projectcalico.org/serviceaccount == 'db'")], WEB, "deny", "libcalico-go/lib/backend/k8s/conversion/workload_endpoint_default.go"),
    ("a NetworkPolicy selects in its namespace", [np(space="shop", selector="all()")], WEB, "allow", UPDATES),
    # sources
    ("a selector in a NetworkPolicy means its namespace", [np(ingress=[rule("Allow", {"selector": "app == 'web'"})])], WEB, "deny", UPDATES + "/rules.go"),
    ("… unless it has a namespaceSelector", [np(ingress=[rule("Allow", {"selector": "app == 'web'", "namespaceSelector": "team == 'x'"})])], WEB, "allow", UPDATES + "/rules.go"),
    ("in a GlobalNetworkPolicy it means all", [allows({"selector": "app == 'web'"})], WEB, "allow", UPDATES + "/rules.go"),
    ("all() is no address outside", [allows({"selector": "all()"})], OUTSIDE, "deny", UPDATES + "/rules.go"),
    ("nothing is everybody", [allows()], OUTSIDE, "allow", UPDATES + "/rules.go"),
    ("namespaceSelector all() is what has a namespace", [allows({"namespaceSelector": "all()"})], WEB, "allow", UPDATES + "/rules.go"),
    ("… global() what has none", [allows({"namespaceSelector": "global()"})], WEB, "deny", UPDATES + "/rules.go"),
    ("notSelector alone is everybody else", [allows({"notSelector": "app == 'web'"})], OUTSIDE, "allow", UPDATES + "/rules.go"),
    ("… in a NetworkPolicy those of its namespace", [np(ingress=[rule("Allow", {"notSelector": "app == 'web'"})])], OUTSIDE, "deny", UPDATES + "/rules.go"),
    ("!= takes what has no such label", [allows({"selector": "tier != 'data'"})], WEB, "allow", "libcalico-go/lib/selector/parser"),
    ("accounts by name", [allows({"serviceAccounts": {"names": ["web"]}})], WEB, "allow", UPDATES + "/rules.go"),
    ("… and by label", [allows({"serviceAccounts": {"selector": "trust == 'high'"}})], CART, "deny", UPDATES + "/rules.go"),
    ("starts with, of a whole value", [allows({"selector": "ver starts with 'v1'"})], WEB, "allow", "libcalico-go/lib/selector/parser"),
    ("contains", [allows({"selector": "app contains 'ar'"})], CART, "allow", "libcalico-go/lib/selector/parser"),
    ("a pod on the host network has no labels", [allows({"selector": "app == 'web'"})], "bank/host > bank/db:5432", "deny", "libcalico-go/lib/backend/k8s/conversion/conversion.go: IsValidCalicoWorkloadEndpoint"),
    # addresses
    ("nets match pods", [allows(LAN)], WEB, "allow", "felix/rules: ipsets of nets"),
    ("… others don't", [allows({"nets": ["10.9.0.0/16"]})], WEB, "deny", "the same"),
    ("notNets too", [allows({"notNets": ["10.0.0.0/24"]})], WEB, "deny", "the same"),
    ("an ipBlock matches pods", [policy("bank/k", {"podSelector": {}, "ingress": [{"from": [{"ipBlock": {"cidr": "10.0.0.0/24"}}]}]}), np("default.z", "shop")], WEB, "allow", "libcalico-go/lib/backend/k8s/conversion/conversion.go"),
    ("a selector takes network sets", [GROUP, allows({"selector": "zone == 'lan'"})], OUTSIDE, "allow", "felix/calc: IP sets"),
    ("… and pods inside them", [GROUP, allows({"selector": "zone == 'lan'"})], WEB, "allow", "felix/calc: IP sets"),
    ("NetworkSets have a namespace", [OWN_SET, allows({"selector": "zone == 'lan'", "namespaceSelector": "team == 'y'"})], OUTSIDE, "allow", UPDATES + "/networksetprocessor.go"),
    ("… which global ones haven't", [GROUP, allows({"selector": "zone == 'lan'", "namespaceSelector": "team == 'y'"})], OUTSIDE, "deny", "the same"),
    ("… so that a negative one takes them", [GROUP, allows({"selector": "zone == 'lan'", "namespaceSelector": "team != 'y'"})], OUTSIDE, "allow", "the same"),
    # ports and protocols
    ("ports", [allows(None, {"ports": [5432]}, protocol="TCP")], WEB, "allow", "api/pkg/lib/numorstring/port.go"),
    ("… with both ends of a range", [allows(None, {"ports": ["5000:5432"]}, protocol="TCP")], WEB, "allow", "the same"),
    ("… and names of the destination", [allows(None, {"ports": ["sql"]}, protocol="TCP")], WEB, "allow", "felix/calc/rule_scanner.go: NamedPort"),
    ("… of the rule's protocol", [allows(None, {"ports": ["sql"]}, protocol="UDP")], WEB, "deny", "the same"),
    ("notPorts", [allows(None, {"notPorts": [5432]}, protocol="TCP")], WEB, "deny", "the same"),
    ("a protocol by its number", [allows(protocol=6)], WEB, "allow", "api/pkg/lib/numorstring/protocol.go"),
    ("… another", [allows(protocol=17)], WEB, "deny", "the same"),
    ("notProtocol", [allows(notProtocol="TCP")], WEB, "deny", "the same"),
    ("ICMP is none of them", [allows(protocol="ICMP")], WEB, "deny", "the same"),
    ("ipVersion", [allows(ipVersion=6)], WEB, "deny", "api/pkg/apis/projectcalico/v3: Rule"),
    ("both ends in one rule", [allows({"selector": "app == 'web'"}, {"selector": "app == 'x'"})], WEB, "deny", "felix/rules: rule_defs"),
    # what isn't evaluated
    ("an http rule may decide", [allows(http={"methods": ["GET"]})], WEB, "unknown", "app-policy"),
    ("… where it matches", [allows({"selector": "app == 'x'"}, http={"methods": ["GET"]})], WEB, "deny", "app-policy"),
    ("… unless it makes no difference", [gnp(ingress=[rule("Deny", http={"methods": ["GET"]}), DENY])], WEB, "deny", "app-policy"),
    ("a port of the source", [allows({"ports": [1024]}, protocol="TCP")], WEB, "unknown", "felix/rules: rule_defs"),
    ("a policy of hosts", [gnp(preDNAT=True, applyOnForward=True, ingress=[DENY])], WEB, "unknown", "api/pkg/apis/projectcalico/v3: preDNAT"),
    ("a field that isn't known", [gnp(invented=1, ingress=[ALLOW])], WEB, "unknown", "a later release"),
    ("a selector that is none", [gnp(selector="app = 'db'", ingress=[ALLOW])], WEB, "unknown", "libcalico-go/lib/selector"),
    ("a service without its slices", [gnp(types=["Egress"], selector="app == 'web'", egress=[rule("Allow", None, {"services": {"name": "s", "namespace": "bank"}})])], WEB, "unknown", UPDATES + "/rules.go"),
    # what an attack found
    ("a Service as a source keeps the rule's ports", [SERVED, allows({"services": {"name": "clients", "namespace": "shop"}}, {"ports": [22]}, protocol="TCP")], WEB, "deny", "felix/calc/rule_scanner.go: ruleToParsedRule"),
    ("… and lets in through them", [SERVED, allows({"services": {"name": "clients", "namespace": "shop"}}, {"ports": [5432]}, protocol="TCP")], WEB, "allow", "the same"),
    ("a Service as a destination keeps the protocol", [SERVED, to_service("UDP")], WEB, "deny", "the same"),
    ("… of which it has ports", [SERVED, to_service("TCP")], WEB, "allow", "the same"),
    ("a port of a slice without a number is none", [slices("db", "bank", "10.0.1.1", None), to_service("TCP")], WEB, "deny", "felix/serviceindex/serviceindex.go: membersFromEndpointSlice"),
    ("a namespaceSelector has no labels of pods", [allows({"namespaceSelector": "projectcalico.org/namespace == 'shop'"})], WEB, "deny", "libcalico-go/lib/selector/parser/ast.go: PrefixVisitor"),
    ("excluded networks of another family leave a rule out", [allows({"notNets": ["fd00::/8"]})], WEB, "deny", "felix/rules/policy.go: FilterRuleToIPVersion"),
    ("names that continue each other have no order", [np("web", order=1, ingress=[ALLOW]), np("web-deny", order=1, ingress=[DENY])], WEB, "unknown", "felix/calc/policy_sorter.go: PolKVLess"),
    ("… nor has one with its tier before it", [gnp("default.b", order=1, ingress=[ALLOW]), gnp("c", order=1, ingress=[DENY])], WEB, "unknown", "the same"),
    ("a tier with the name of the admin tier", [tier("adminnetworkpolicy", 1000, "Pass"), tiered("p", 1, DENY, in_tier="adminnetworkpolicy")], WEB, "unknown", "libcalico-go/lib/names/policy.go"),
    ("… and one with its order beside it", [ADMIN, tier("foo", 1000), tiered("p", 1, DENY, in_tier="foo")], WEB, "unknown", "libcalico-go/lib/backend/k8s/conversion/clusternetworkpolicy.go"),
    ("a name of a port is not one of a network set", [GROUP, to_lan(["http"])], "bank/db > shop/web:8080", "deny", "felix/labelindex/named_port_index.go: CalculateEndpointContribution"),
    ("… but of the pods that a selector selects", [GROUP, to_lan(["http"], "zone == 'lan' || app == 'web'")], "bank/db > shop/web:8080", "allow", "the same"),
    ("… beside numbers", [GROUP, to_lan(["http", 9090])], "bank/db > shop/cart:9090", "allow", "the same"),
    ("… and is excluded for those alone", [GROUP, to_lan(["http"], which="notPorts")], "bank/db > shop/web:8080", "allow", "the same"),
    ("… though they are in the set too", [GROUP, to_lan(["http"], "zone == 'lan' || app == 'web'", "notPorts")], "bank/db > shop/web:8080", "deny", "the same"),
    ("addresses of a HostEndpoint have its labels", [HOST, gnp(ingress=[rule("Deny", {"selector": "role == 'worker'"}), ALLOW])], OUTSIDE, "deny", "felix/labelindex/named_port_index.go: extractCIDRsFromHostEndpoint"),
    ("two names of one group are two policies", [gnp("default.p", order=20, ingress=[ALLOW]), gnp("p", order=10, ingress=[DENY])], WEB, "deny", SORTED),
    ("a tier of the API server's group counts", [thing("Tier", "t", CRD, order=5, defaultAction="Pass"), tier("t", 5, "Deny"), tiered("a", 1)], WEB, "deny", "api/pkg/apis/projectcalico/v3/tier.go"),
    ("a pod's own label comes before its namespace's", [pod("shop/spoof", "10.0.0.8", labels={"pcns.team": "y"}), gnp(ingress=[rule("Deny", {"namespaceSelector": "team == 'y'"}), ALLOW])], "shop/spoof > bank/db:5432", "deny", "felix/labelindex/named_port_index.go: GetHandle"),
    ("global() is for namespaces alone", [gnp(selector="global()", version=CRD, ingress=[ALLOW])], WEB, "unknown", "libcalico-go/lib/selector/parser: GlobalNode"),
    ("ports without a protocol", [allows(None, {"ports": [5432]})], WEB, "unknown", "libcalico-go/lib/validator"),
    ("an order that is no number", [gnp(version=CRD, order=float("nan"), ingress=[ALLOW])], WEB, "unknown", "not known"),
    ("a port of thousands of digits", [allows(None, {"ports": ["1" * 5000]}, protocol="TCP")], WEB, "deny", "api/pkg/lib/numorstring/port.go"),
]  # fmt: skip


@pytest.mark.parametrize(("objects", "flow", "expect"), [row[1:4] for row in FACTS], ids=[row[0] for row in FACTS])
def test_calico(objects, flow, expect):
    verdict = judge(snapshot_of(WORLD, objects, cni=CALICO), flow)
    assert verdict.decision.value == expect, [said(step.reason) for step in verdict.steps]


def test_a_denial_names_policy_rule_tier_and_order():
    verdict = judge(snapshot_of(WORLD, [tier("t", 100), tiered("guard", 1, ALLOW | {"protocol": "UDP"}, DENY)], cni=CALICO), WEB)
    assert said(verdict.reason) == (
        "GlobalNetworkPolicy.projectcalico.org t.guard ingress[1] in tier t, order 100 denies TCP 5432; nothing after it is asked"
    )


def test_objects_that_both_groups_list_count_once():
    twice = [gnp("g", ingress=[ALLOW]), gnp("default.g", CRD, types=None, ingress=[ALLOW])]
    verdict = judge(snapshot_of(WORLD, twice, cni=CALICO), "bank/db > shop/web:8080")
    assert verdict.decision.value == "allow"  # the second one alone would close egress
    assert len(own_policies(snapshot_of(WORLD, twice, cni=CALICO)).judged) == 2


def test_another_cni_leaves_them_open():
    assert judge(snapshot_of(WORLD, [gnp(ingress=[ALLOW])], cni=named("antrea")), WEB).decision.value == "unknown"


@pytest.mark.parametrize(
    "text", ["has(x", "a = 'b'", "a b", "a ==", "a == b", "(a == 'b'", "a in 'b'", "a in {'b'", "&&", "!", "a starts 'x'", "'a'"]
)
def test_what_is_no_selector(text):
    with pytest.raises(SelectorError):
        parse(text)


def test_a_selector_of_many_parentheses_is_refused_and_takes_no_stack():
    with pytest.raises(SelectorError):
        parse("(" * 100_000 + "all()" + ")" * 100_000)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 70000)
    | st.text("ab.:()=' ", max_size=6)
    | st.sampled_from(["all()", "Allow", "80:90", "10.0.0.0/8"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["action", "source", "nets", "selector", "ports", "order", "x"]), inner, max_size=3)
    ),
    max_leaves=8,
)
FIELDS = ["tier", "order", "selector", "types", "ingress", "egress", "namespaceSelector", "preDNAT"]


@given(st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=4), st.integers(0, 9))
@settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=150)
def test_mutilated_policies_never_raise_and_never_allow_by_accident(spec, seed):
    kind = random.Random(seed).choice(["GlobalNetworkPolicy", "NetworkPolicy"])
    made = thing(kind, "default.m", space="bank" if kind == "NetworkPolicy" else "", **spec)
    verdict = judge(snapshot_of(WORLD, [made, gnp("default.zz", order=9e9, ingress=[])], cni=CALICO), WEB)
    assert verdict.decision.value in {"allow", "deny", "unknown"}
    if verdict.decision.value == "allow":
        assert "Allow" in str(spec.get("ingress")), spec
