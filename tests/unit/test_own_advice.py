"""Advice on denials by policies of Calico's and Cilium's own kinds: a policy of the namespace's kind, or whose decision it is."""

import pytest

from meshtui.cni import named
from meshtui.engine import Engine
from meshtui.engine.explain.effect import proposed
from meshtui.engine.explain.wording import in_words
from meshtui.engine.path.references import parse_flow
from meshtui.model.verdict import Decision
from tests.fakes.cilium import ccnp, cnp
from tests.fakes.snapshots import ambient, namespace, pod, policy, snapshot_of
from tests.unit.findings.test_own_policies import CAPTURED, calico, gnp

PODS = [
    namespace("shop"),
    namespace("front"),
    pod("front/web", "10.0.1.1", [8080], {"app": "web"}),
    pod("shop/api", "10.0.1.2", [8080], {"app": "api"}),
    pod("shop/db", "10.0.2.1", [5432], {"app": "db"}),
]
MESHED = [
    ambient("shop"),
    ambient("front"),
    *({**each, "metadata": {**each["metadata"], **CAPTURED}} for each in PODS[2:]),
]
CLOSED = calico("NetworkPolicy", "default.db", "{selector: app == 'db', types: [Ingress]}", "shop")
CLOSED_OUT = calico("NetworkPolicy", "default.web", "{selector: app == 'web', types: [Egress]}", "front")
OF_CILIUM = cnp("{endpointSelector: {matchLabels: {app: db}}, ingress: [{fromEndpoints: [{matchLabels: {app: x}}]}]}", "shop/db")
ALL_CLOSED = gnp("{selector: all(), types: [Ingress, Egress]}", "default.deny-all")
EVERYWHERE = ccnp("{endpointSelector: {}, ingress: [{fromEntities: [none]}], egress: [{toEntities: [none]}]}")


def advised(cni, objects, flow, pods=PODS):
    """The changes and their effect."""
    engine = Engine(snapshot_of([*pods, *objects], cni=named(cni)))
    asked = parse_flow(*flow)
    verdict = engine.judge(asked)
    assert verdict.decision is Decision.DENY
    return proposed(engine, asked, verdict)


KINDS = [
    ("calico", [CLOSED], ("front/web", "shop/db:5432"), ["NetworkPolicy.projectcalico.org"]),
    ("calico", [CLOSED], ("shop/api", "shop/db:5432"), ["NetworkPolicy.projectcalico.org"]),
    ("calico", [CLOSED, CLOSED_OUT], ("front/web", "shop/db:5432"), ["NetworkPolicy.projectcalico.org"] * 2),
    ("calico", [ALL_CLOSED], ("front/web", "shop/db:5432"), ["NetworkPolicy"] * 2),
    ("calico", [ALL_CLOSED, CLOSED], ("front/web", "shop/db:5432"), ["NetworkPolicy", "NetworkPolicy.projectcalico.org"]),
    ("cilium", [OF_CILIUM], ("front/web", "shop/db:5432"), ["CiliumNetworkPolicy"]),
    ("cilium", [OF_CILIUM], ("shop/api", "shop/db:5432"), ["CiliumNetworkPolicy"]),
    ("cilium", [EVERYWHERE], ("front/web", "shop/db:5432"), ["NetworkPolicy"] * 2),
    ("cilium", [OF_CILIUM, EVERYWHERE], ("front/web", "shop/db:5432"), ["NetworkPolicy", "CiliumNetworkPolicy"]),
    ("calico", [policy("shop/db", "podSelector: {}"), CLOSED_OUT], ("front/web", "shop/db:5432"),
     ["NetworkPolicy.projectcalico.org", "NetworkPolicy"]),
]  # fmt: skip


@pytest.mark.parametrize("pods", [PODS, MESHED], ids=["plain", "ambient"])
@pytest.mark.parametrize(("cni", "objects", "flow", "kinds"), KINDS)
def test_it_is_written_in_the_kind_that_the_namespace_has_and_is_enough(cni, objects, flow, kinds, pods):
    changes, effect = advised(cni, objects, flow, pods)
    assert [change.edit.ref.kind for change in changes] == kinds
    assert effect.enough
    assert effect.closes == ()


def test_it_opens_nothing_else():
    _, effect = advised("calico", [CLOSED, CLOSED_OUT], ("front/web", "shop/db:5432"))
    assert effect.opens == ()


def test_the_manifest_of_a_pod_of_another_namespace():
    (change,), _ = advised("calico", [CLOSED], ("front/web", "shop/db:5432"))
    assert change.edit.create["apiVersion"] == "projectcalico.org/v3"
    assert change.edit.create["spec"] == {
        "selector": "app == 'db'",
        "types": ["Ingress"],
        "ingress": [
            {
                "action": "Allow",
                "protocol": "TCP",
                "source": {"selector": "app == 'web'", "namespaceSelector": "projectcalico.org/name == 'front'"},
                "destination": {"ports": [5432]},
            }
        ],
    }


def test_an_object_behind_calicos_api_is_no_example():
    crd = {**CLOSED, "apiVersion": "crd.projectcalico.org/v1"}
    changes, effect = advised("calico", [crd], ("front/web", "shop/db:5432"))
    assert [change.edit.ref.kind for change in changes] == ["NetworkPolicy"]
    assert effect.enough


def test_labels_that_would_say_something_else_in_an_expression_get_a_networkpolicy():
    odd = pod("front/web", "10.0.1.1", [8080], {"app": "web' || all() || app == '"})
    changes, effect = advised("calico", [CLOSED], ("front/web", "shop/db:5432"), [*PODS[:2], odd, *PODS[3:]])
    assert [change.edit.ref.kind for change in changes] == ["NetworkPolicy"]
    assert effect.enough
    assert effect.opens == ()


TIER = calico("Tier", "platform", "{order: 100}")
OTHERS = [
    ("calico", [gnp("{selector: app == 'db', ingress: [{action: Deny}]}", "default.no")], "is for the whole cluster"),
    (
        "calico",
        [TIER, gnp("{tier: platform, selector: app == 'db', types: [Ingress]}", "platform.no")],
        "is for the whole cluster",
    ),
    (
        "calico",
        [calico("NetworkPolicy", "default.no", "{selector: app == 'db', ingress: [{action: Deny}]}", "shop")],
        "default.no decides for others too",
    ),
    ("cilium", [ccnp("{endpointSelector: {matchLabels: {app: db}}, ingressDeny: [{fromEntities: [all]}]}")], "whole cluster"),
    ("cilium", [cnp("{endpointSelector: {matchLabels: {app: db}}, ingressDeny: [{fromEntities: [all]}]}", "shop/no")], "shop/no"),
]


@pytest.mark.parametrize(("cni", "objects", "said"), OTHERS)
def test_what_denies_on_purpose_is_named_and_nothing_useless_is_proposed(cni, objects, said):
    changes, effect = advised(cni, objects, ("front/web", "shop/db:5432"))
    (change,) = changes
    assert change.edit is None
    assert effect is None
    assert said in in_words(change.why)
