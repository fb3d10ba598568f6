"""Findings about policies of Calico's and Cilium's own kinds, beside what the engine says of the same flows."""

import pytest
import yaml

from meshtui.cni import named
from meshtui.engine import Engine
from meshtui.engine.path.references import parse_flow
from meshtui.findings import look
from meshtui.model.cni import UNKNOWN_CNI
from meshtui.model.verdict import Decision
from tests.fakes.cilium import ccnp, cnp
from tests.fakes.snapshots import ambient, pod, policy, snapshot_of

TELLS = {"MT312"}
"""Rules that are told here alone (test_rules)."""
CAPTURED = {"annotations": {"ambient.istio.io/redirection": "enabled"}}


def captured(key, ip, port, **labels):
    made = pod(key, ip, [port], labels, account=key.partition("/")[2])
    made["metadata"] |= CAPTURED
    return made


PODS = [ambient("shop"), captured("shop/web", "10.0.1.1", 8080, app="web"), captured("shop/db", "10.0.2.1", 5432, app="db")]


def calico(kind, name, spec, space=""):
    metadata = {"name": name, **({"namespace": space} if space else {})}
    return {"apiVersion": "projectcalico.org/v3", "kind": kind, "metadata": metadata, "spec": yaml.safe_load(spec)}


def gnp(spec, name="default.p"):
    return calico("GlobalNetworkPolicy", name, spec)


def deployment(app, replicas=0):
    labels = {"app": app}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": app, "namespace": "shop"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i"}]}},
        },
    }


def found(rule, cni, *objects, pods=PODS):
    """The messages of one rule."""
    snapshot = snapshot_of([*pods, *objects], cni=named(cni) if cni else UNKNOWN_CNI)
    return [finding.message for finding in look(snapshot).findings if finding.rule == rule]


NOTHING = [
    ("calico", gnp("{selector: app == 'wbe', ingress: [{action: Deny}]}"), "app == 'wbe'"),
    ("calico", calico("NetworkPolicy", "default.p", "{selector: app == 'wbe'}", "shop"), "app == 'wbe'"),
    ("cilium", cnp("{endpointSelector: {matchLabels: {app: wbe}}, ingress: [{}]}", "shop/p"), "app=wbe"),
    ("cilium", ccnp("{endpointSelector: {matchLabels: {app: wbe}}, ingress: [{}]}"), "app=wbe"),
]


@pytest.mark.parametrize(("cni", "written", "said"), NOTHING, ids=[f"{c} {o['kind']}" for c, o, _ in NOTHING])
def test_a_policy_that_selects_nobody(cni, written, said):
    (message,) = found("MT308", cni, written)
    assert said in message
    assert found("MT308", cni, written, deployment("wbe", 1)) == [], "its pods are coming"


def test_an_admin_policy_that_selects_nobody():
    spec = {"priority": 1, "subject": {"pods": {"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "wbe"}}}}}
    admin = {
        "apiVersion": "policy.networking.k8s.io/v1alpha1",
        "kind": "AdminNetworkPolicy",
        "metadata": {"name": "a"},
        "spec": spec,
    }
    assert len(found("MT308", "calico", admin)) == 1
    spec["subject"]["pods"]["podSelector"] = {"matchLabels": {"app": "web"}}
    assert found("MT308", "calico", admin) == []


def test_policies_that_select_somebody_and_those_that_are_not_evaluated_are_no_finding():
    assert found("MT308", "calico", gnp("{selector: app == 'web', ingress: [{action: Deny}]}")) == []
    assert found("MT308", "calico", gnp("{selector: app == 'wbe', preDNAT: true, ingress: [{action: Deny}]}")) == []
    assert found("MT308", "", gnp("{selector: app == 'wbe', ingress: [{action: Deny}]}")) == [], "it isn't known whose CNI it is"


ALLOW_WEB = "action: Allow, protocol: TCP, source: {selector: app == 'web'}"
CLOSED = [
    ("calico", gnp(f"{{selector: app == 'db', ingress: [{{{ALLOW_WEB}, destination: {{ports: [5432]}}}}]}}"), "ingress[0]"),
    (
        "calico",
        gnp("{selector: app == 'web', egress: [{action: Allow, protocol: TCP, destination: {ports: [5432]}}]}"),
        "egress[0]",
    ),
    (
        "cilium",
        cnp(
            "{endpointSelector: {matchLabels: {app: db}}, ingress: [{fromEndpoints: [{matchLabels: {app: web}}], "
            "toPorts: [{ports: [{port: '5432', protocol: TCP}]}]}]}",
            "shop/p",
        ),
        "ingress[0]",
    ),
]
OPEN = [
    ("calico", gnp(f"{{selector: app == 'db', ingress: [{{{ALLOW_WEB}, destination: {{ports: [5432, 15008]}}}}]}}")),
    ("calico", gnp(f"{{selector: app == 'db', ingress: [{{{ALLOW_WEB}}}]}}")),
    (
        "calico",
        gnp(f"{{selector: app == 'db', ingress: [{{{ALLOW_WEB}, destination: {{ports: [5432]}}}}, {{action: Allow}}]}}"),
    ),
    (
        "cilium",
        cnp(
            "{endpointSelector: {matchLabels: {app: db}}, enableDefaultDeny: {ingress: false}, ingress: [{fromEndpoints: "
            "[{matchLabels: {app: web}}], toPorts: [{ports: [{port: '5432', protocol: TCP}]}]}]}",
            "shop/p",
        ),
    ),
]


@pytest.mark.parametrize(("cni", "written", "place"), CLOSED, ids=[f"{c} {p}" for c, _, p in CLOSED])
def test_a_rule_that_names_the_applications_port_and_not_the_tunnels(cni, written, place):
    (message,) = found("MT301", cni, written)
    assert message.endswith(place)
    said = Engine(snapshot_of([*PODS, written], cni=named(cni))).judge(parse_flow("shop/web", "shop/db:5432"))
    assert said.decision is Decision.DENY


@pytest.mark.parametrize(("cni", "written"), OPEN)
def test_where_the_tunnel_is_open_there_is_nothing_to_say(cni, written):
    assert found("MT301", cni, written) == []
    said = Engine(snapshot_of([*PODS, written], cni=named(cni))).judge(parse_flow("shop/web", "shop/db:5432"))
    assert said.decision is Decision.ALLOW


WEB_TO = "{selector: app == 'web', egress: [{action: Allow, protocol: TCP, destination: {ports: [5432, 15008]}}%s]}"
DNS_TO = ", {action: Allow, protocol: UDP, destination: {ports: [53]}}"
OWN_TO = "{endpointSelector: {matchLabels: {app: web}}, egress: [{toPorts: [{ports: [{port: '5432', protocol: TCP}]}]}%s]}"
OWN_DNS = ", {toPorts: [{ports: [{port: '53', protocol: ANY}]}]}"


def test_egress_without_names():
    for cni, made in (("calico", lambda more: gnp(WEB_TO % more[0])), ("cilium", lambda more: cnp(OWN_TO % more[1], "shop/p"))):
        (message,) = found("MT305", cni, made(("", "")))
        assert "Pod shop/web" in message
        assert found("MT305", cni, made((DNS_TO, OWN_DNS))) == []
    assert found("MT305", "calico", gnp("{selector: app == 'web', types: [Egress]}")) == [], "nothing is allowed at all"


DENY_ALL = "{selector: all(), order: 1, types: [Ingress], ingress: [{action: Deny}]}"
LATER = "{selector: app == 'db', order: 5, ingress: [{action: Allow, protocol: TCP}, {action: Allow, protocol: UDP}]}"
TIER = calico("Tier", "early", "{order: 5}")


def test_rules_after_one_for_everybody():
    (message,) = found("MT312", "calico", gnp(DENY_ALL), gnp(LATER, "default.q"))
    assert "default.q ingress[0], ingress[1]: never asked" in message
    assert "default.p ingress[0] decides" in message


def test_rules_after_the_end_of_a_tier():
    early = gnp("{tier: early, selector: app == 'db', ingress: [{action: Allow, protocol: TCP}]}", "early.p")
    network = policy("shop/db", "{podSelector: {matchLabels: {app: db}}, ingress: [{}]}")
    (message,) = found("MT312", "calico", TIER, early, network)
    assert message.startswith("NetworkPolicy shop/db ingress[0]: never asked, as the end of the tier of ")
    one = early["spec"] | {"ingress": [{"action": "Pass", "protocol": "UDP"}, *early["spec"]["ingress"]]}
    assert found("MT312", "calico", TIER, {**early, "spec": one}, network) == [], "some of it is passed on"
    passing = {**TIER, "spec": {"order": 5, "defaultAction": "Pass"}}
    assert found("MT312", "calico", passing, early, network) == []


def test_a_denial_of_everything_before_ciliums_rules():
    written = cnp("{endpointSelector: {}, ingressDeny: [{fromEntities: [all]}], ingress: [{fromEntities: [cluster]}]}", "shop/p")
    (message,) = found("MT312", "cilium", written)
    assert "ingress[0]: never asked" in message


def test_what_another_pod_still_asks_is_no_finding():
    assert (
        found("MT312", "calico", gnp(DENY_ALL.replace("all()", "app == 'db'")), gnp(LATER.replace("app == 'db'", "all()"), "q"))
        == []
    )
    assert found("MT312", "calico", gnp(DENY_ALL.replace("action: Deny", "action: Deny, protocol: TCP")), gnp(LATER, "q")) == []


def test_the_world_without_own_policies_has_none_of_them():
    network = policy("shop/db", "{podSelector: {matchLabels: {app: db}}, ingress: [{}]}")
    assert found("MT312", "calico", network) == found("MT308", "calico", network) == []


def calling(target):
    """A caller that is configured to call a Service."""
    made = captured("shop/web", "10.0.1.1", 8080, app="web")
    made["spec"]["containers"][0]["env"] = [{"name": "DATABASE_URL", "value": f"postgresql://{target}:5432/shop"}]
    return made


SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "db", "namespace": "shop"},
    "spec": {"selector": {"app": "db"}, "ports": [{"port": 5432}]},
}
CALLS = [PODS[0], calling("db.shop"), PODS[2], SERVICE]
BLOCKED = [
    ("MT304", "calico", gnp("{selector: app == 'db', types: [Ingress]}"), "has no ingress rule for Pod shop/web on 5432"),
    ("MT304", "calico", gnp("{selector: app == 'db', ingress: [{action: Deny}]}"), "ingress[0] denies Pod shop/web on 5432"),
    ("MT303", "calico", gnp("{selector: app == 'web', types: [Egress]}"), "has no egress rule to Pod shop/db:5432"),
    ("MT303", "cilium", cnp("{endpointSelector: {matchLabels: {app: web}}, egressDeny: [{toEntities: [all]}]}", "shop/p"),
     "egressDeny[0] denies Pod shop/db:5432"),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "cni", "written", "said"), BLOCKED)
def test_a_configured_call_that_they_deny(rule, cni, written, said):
    (message,) = found(rule, cni, written, pods=CALLS)
    assert message.endswith(said)


def test_a_configured_call_that_only_the_closed_tunnel_stops_is_said_once():
    written = CLOSED[0][1]
    assert len(found("MT301", "calico", written, pods=CALLS)) == 1
    assert found("MT304", "calico", written, pods=CALLS) == []


def rule_of_calico(peer):
    return gnp(f"{{selector: app == 'db', ingress: [{{action: Allow, protocol: TCP, source: {{{peer}}}}}]}}")


def rule_of_cilium(peer, space="shop/p"):
    return cnp(f"{{endpointSelector: {{matchLabels: {{app: db}}}}, ingress: [{{fromEndpoints: [{peer}]}}]}}", space)


NOBODY = [
    ("calico", rule_of_calico("selector: app == 'wbe'"), "ingress[0] names nobody: no pod has selector app == 'wbe'"),
    ("calico", rule_of_calico("selector: app == 'wbe', namespaceSelector: all()"), "app == 'wbe', namespaceSelector all()"),
    ("calico", rule_of_calico("serviceAccounts: {names: [wbe]}"), "no pod has serviceAccounts wbe"),
    ("cilium", rule_of_cilium("{matchLabels: {app: wbe}}"), "ingress[0] names nobody: no pod has app=wbe"),
    ("cilium", rule_of_cilium("{matchLabels: {app: web}}, {matchLabels: {app: wbe}}"), "no pod has app=wbe"),
]
SOMEBODY = [
    ("calico", rule_of_calico("selector: app == 'web'")),
    ("calico", rule_of_calico("selector: app == 'wbe', nets: [10.0.0.0/8]")),
    ("calico", rule_of_calico("selector: role == 'outside'")),
    ("calico", rule_of_calico("namespaceSelector: team == 'x'")),
    ("cilium", rule_of_cilium("{matchLabels: {app: web}}")),
    ("cilium", rule_of_cilium("{}")),
    ("cilium", rule_of_cilium("{matchLabels: {'reserved:world': ''}}")),
    ("cilium", rule_of_cilium("{matchLabels: {app: web, 'k8s:io.kubernetes.pod.namespace': elsewhere}}")),
]
OUTSIDE = {
    "apiVersion": "projectcalico.org/v3",
    "kind": "GlobalNetworkSet",
    "metadata": {"name": "partners", "labels": {"role": "outside"}},
    "spec": {"nets": ["203.0.113.0/24"]},
}


@pytest.mark.parametrize(("cni", "written", "said"), NOBODY)
def test_a_peer_that_is_nobody(cni, written, said):
    (message,) = found("MT309", cni, written)
    assert said in message
    assert found("MT309", cni, written, deployment("wbe")) == [] or "serviceAccounts" in message, "pods will come"


@pytest.mark.parametrize(("cni", "written"), SOMEBODY)
def test_peers_that_are_somebody_or_addresses_or_of_namespaces_that_are_not_here(cni, written):
    assert found("MT309", cni, written, OUTSIDE) == []


NAMED = [
    ("calico", "{selector: app == 'db', ingress: [{action: Allow, protocol: TCP, destination: {ports: [%s]}}]}", gnp),
    (
        "cilium",
        "{endpointSelector: {matchLabels: {app: db}}, ingress: [{toPorts: [{ports: [{port: %s, protocol: TCP}]}]}]}",
        lambda text: cnp(text, "shop/p"),
    ),
]


@pytest.mark.parametrize(("cni", "spec", "made"), NAMED, ids=["calico", "cilium"])
def test_a_port_that_no_container_has(cni, spec, made):
    (message,) = found("MT310", cni, made(spec % "postgers"))
    assert message.endswith("ingress[0] names port postgers, which no container has")
    db = captured("shop/db", "10.0.2.1", 5432, app="db")
    db["spec"]["containers"][0]["ports"] = [{"name": "postgres", "containerPort": 5432}]
    assert found("MT310", cni, made(spec % "postgres"), pods=[*PODS[:2], db]) == []
