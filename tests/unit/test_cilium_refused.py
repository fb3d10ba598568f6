"""Cilium's own policies: those that its agent refuses, those that releases read differently, and its settings."""

from dataclasses import replace

import pytest

from meshtui.cni import profiles, settings_of
from meshtui.engine.policy.cilium.world import _ASSUMED as ASSUMED
from meshtui.engine.policy.own import own_policies
from meshtui.model.verdict import Decision
from tests.fakes.cilium import (
    CILIUM,
    OUTSIDE,
    TO_CRAB,
    WORLD,
    cnp,
    crab,
)
from tests.fakes.snapshots import judge, pod, snapshot_of

REFUSED = [
    "ingress: [], egress: []",
    "ingress: [{fromEndpoints: [{}], fromEntities: [world]}]",
    "egress: [{toCIDR: [10.0.0.0/8], toServices: [{k8sService: {serviceName: a}}]}]",
    "ingress: [{fromCIDR: [10.0.0.0/33]}]",
    "ingress: [{fromCIDRSet: [{cidr: 10.0.0.1}]}]",
    "ingress: [{fromCIDRSet: [{cidr: 10.0.0.0/8, except: [11.0.0.0/9]}]}]",
    "ingress: [{fromCIDRSet: [{}]}]",
    "ingress: [{fromEntities: [moon]}]",
    "ingress: [{fromNodes: [{}]}]",
    "ingress: [{icmps: [{fields: [{type: 8}]}], toPorts: [{ports: [{port: '1'}]}]}]",
    "ingress: [{icmps: [{fields: [{type: 8, family: IPv5}]}]}]",
    "ingress: [{toPorts: [{ports: [{port: '70000'}]}]}]",
    "ingress: [{toPorts: [{ports: [{port: ''}]}]}]",
    "ingress: [{toPorts: [{ports: [{port: a--b}]}]}]",
    "ingress: [{toPorts: [{ports: [{port: '1', protocol: QUIC}]}]}]",
    "ingress: [{toPorts: [{ports: [{port: '53'}], rules: {dns: [{matchPattern: '*'}]}}]}]",
    "ingress: [{toPorts: [{ports: [{port: '1'}], rules: {http: [{}]}}]}]",
    "egress: [{toPorts: [{ports: [{port: '0', protocol: TCP}], rules: {http: [{}]}}]}]",
    "egress: [{toFQDNs: [{matchName: a.b, matchPattern: '*'}]}]",
    "egress: [{toPorts: [{ports: [{port: '1'}], serverNames: ['']}]}]",
    "ingress: [{fromEndpoints: [{matchLabels: {'a b': c}}]}]",
    "ingress: [{fromEndpoints: [{matchExpressions: [{key: a, operator: In}]}]}]",
    "ingress: [{fromEndpoints: [{matchExpressions: [{key: a, operator: Like, values: [b]}]}]}]",
    "nodeSelector: {}, ingress: [{}]",
]


@pytest.mark.parametrize("text", REFUSED)
def test_what_the_agent_refuses_has_no_effect(text):
    """Source: cilium/cilium pkg/policy/api/rule_validation.go."""
    snapshot = snapshot_of(WORLD, [crab(text)], cni=CILIUM)
    assert len(own_policies(snapshot).judged) == 1
    for flow in (TO_CRAB, OUTSIDE, "sea/crab > land/fox:1"):
        assert judge(snapshot, flow).decision is Decision.ALLOW


def test_one_refused_spec_is_enough():
    good, bad = ({"endpointSelector": {}, "ingress": [{"fromEntities": [name]}]} for name in ("world", "moon"))
    for specs, expect in (([good], "deny"), ([good, bad], "allow")):
        assert judge(snapshot_of(WORLD, [cnp(None, specs=specs)], cni=CILIUM), TO_CRAB).decision.value == expect


@pytest.mark.parametrize(
    "text",
    [
        "ingress: [{fromCIDRSet: [{cidr: 10.0.0.0/8, except: [10.0.0.0/7]}]}]",
        "ingress: [{fromEntities: [cluster-mesh]}]",
        "ingress: [{toPorts: [{ports: [{port: '0', protocol: VRRP}]}]}]",
        "ingress: [{toPorts: [{ports: [{port: shell, endPort: 9}]}]}]",
        "ingress: [{toPorts: [{ports: [{port: '1', protocol: TCP}], rules: {http: [{path: '('}]}}]}]",
        "ingress: 3",
        "ingress: [{toPorts: [{ports: [{port: 80}]}]}]",
    ],
)
def test_what_releases_take_differently_or_is_no_policy_is_unknown(text):
    snapshot = snapshot_of(WORLD, [crab(text)], cni=CILIUM)
    assert not own_policies(snapshot) or not own_policies(snapshot).judged
    assert judge(snapshot, TO_CRAB).decision is Decision.UNKNOWN


def test_settings_that_change_what_policies_mean_make_them_unknown():
    """With a cluster's own name, labels of the cluster are compared with that."""
    made = snapshot_of(WORLD, [crab("ingress: [{fromEndpoints: [{}]}]")], cni=CILIUM)

    def with_settings(**data):
        return replace(made, cni_config={"cilium-config": {name.replace("_", "-"): value for name, value in data.items()}})

    assert judge(with_settings(allow_localhost="auto", labels=""), TO_CRAB).decision is Decision.ALLOW
    assert judge(with_settings(allow_localhost="policy"), TO_CRAB).decision is Decision.UNKNOWN
    assert judge(with_settings(labels="k8s:app"), TO_CRAB).decision is Decision.UNKNOWN
    assert judge(with_settings(label_prefix_file="/etc/labels"), TO_CRAB).decision is Decision.UNKNOWN
    here = snapshot_of(
        WORLD, [crab("ingress: [{fromEndpoints: [{matchLabels: {io.cilium.k8s.policy.cluster: me}}]}]")], cni=CILIUM
    )
    config = {"cilium-config": {"cluster-name": "me", "enable-ipv4": "true", "unrelated": "1"}}
    here = replace(here, cni_config=config)
    assert judge(here, TO_CRAB).decision is Decision.ALLOW
    assert [each["data"] for each in settings_of(here)] == [{"cluster-name": "me", "enable-ipv4": "true"}]
    assert {*ASSUMED, "cluster-name", "enable-ipv4", "enable-ipv6"} == profiles()["cilium"].of_policies


def test_in_a_dual_stack_cluster_the_world_has_two_labels():
    """cilium/cilium pkg/labels: AddWorldLabel."""
    made = snapshot_of(WORLD, [crab("ingress: [{fromEndpoints: [{matchLabels: {'reserved:world-ipv4': ''}}]}]")], cni=CILIUM)
    found = []
    for six in ("true", "false"):
        config = {"cilium-config": {"enable-ipv4": "true", "enable-ipv6": six}}
        found.append(judge(replace(made, cni_config=config), OUTSIDE).decision.value)
    assert found == ["allow", "deny"]


def test_a_pod_without_a_known_node_is_perhaps_on_the_node_that_asks():
    extra = [pod("sea/new", "10.2.0.9"), cnp("{endpointSelector: {matchLabels: {app: new}}, ingress: [{}]}")]
    snapshot = snapshot_of(WORLD, extra, cni=CILIUM)
    assert judge(snapshot, "172.20.0.1 > sea/new:1").decision is Decision.UNKNOWN
    assert judge(snapshot, "sea/eel > sea/new:1").decision is Decision.DENY
