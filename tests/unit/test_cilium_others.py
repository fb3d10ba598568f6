"""Cilium's own policies with NetworkPolicies and Services, and what depends on more than a flow."""

import pytest

from tests.fakes.cilium import (
    API,
    OUTSIDE,
    REPOSITORY,
    SERVICES,
    TO_CRAB,
    between_pods,
    crab,
    facts,
    holds_for_a_flow,
    holds_for_all_pairs,
    name_of,
)
from tests.fakes.snapshots import policy

FACTS = [
    # ---- with NetworkPolicies and Services
    *facts(
        REPOSITORY,
        [
            policy("sea/np", "{podSelector: {matchLabels: {app: crab}}, ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/0}}]}]}"),
            crab("ingress: [{fromEndpoints: [{matchLabels: {app: eel}}]}]"),
        ],
        (OUTSIDE, "allow", "NetworkPolicy sea/np ingress[0]"),
        (TO_CRAB, "allow"),
        ("sea/tern > sea/crab:7000", "deny"),
    ),
    *facts(
        "cilium/cilium pkg/policy/k8s/service.go",
        [
            *SERVICES,
            crab(
                "egress: [{toServices: [{k8sService: {serviceName: holes, namespace: land}}, {k8sService: {serviceName: away}}]}]"
            ),
        ],
        ("sea/crab > land/fox:9", "allow"),
        ("sea/crab > 198.18.0.7:9", "allow"),
        ("sea/crab > land/eel:9", "deny"),
        ("sea/crab > 198.18.0.8:9", "deny"),
    ),
    *facts(
        "cilium/cilium pkg/policy/k8s/service.go",
        [
            *SERVICES,
            crab(
                "egress: [{toServices: [{k8sServiceSelector: {selector: {matchLabels: {dug: 'yes'}}}}],"
                " toPorts: [{ports: [{port: '7000'}]}]}]"
            ),
        ],
        ("sea/crab > land/fox:7000", "allow"),
        ("sea/crab > land/fox:9", "deny"),
    ),
    *facts(
        "cilium/cilium pkg/policy/k8s/service.go",
        [crab("egress: [{toServices: [{k8sService: {serviceName: gone, namespace: land}}]}]")],
        ("sea/crab > land/fox:7000", "deny"),
    ),
    *facts(
        "cilium/cilium pkg/policy/k8s/service.go; a rule that is left without peers is about everybody",
        [
            crab(
                "egress: [{toServices: [{k8sService: {serviceName: gone, namespace: land}}],"
                " toPorts: [{ports: [{port: '7000'}]}]}]"
            )
        ],
        ("sea/crab > land/fox:7000", "unknown"),
        ("sea/crab > land/fox:9", "deny"),
    ),
    # ---- what depends on more than the flow
    *facts(
        f"{API}/l4.go",
        [
            crab(
                "ingress: [{fromEndpoints: [{matchLabels: {app: eel}}], toPorts: [{ports: [{port: '7000', protocol: TCP}],"
                " rules: {http: [{method: GET}]}}]}]"
            )
        ],
        (TO_CRAB, "unknown"),
        ("sea/eel > sea/crab:7001", "deny"),
        ("sea/tern > sea/crab:7000", "deny"),
    ),
    *facts(
        "cilium/cilium pkg/policy/l4.go: a proxy also looks at what another rule allows",
        [
            crab(
                "ingress: [{fromEndpoints: [{}]}, {fromEndpoints: [{matchLabels: {app: eel}}],"
                " toPorts: [{ports: [{port: '7000', protocol: TCP}], rules: {http: [{path: /x}]}}]}]"
            )
        ],
        (TO_CRAB, "unknown"),
        ("sea/tern > sea/crab:7000", "allow"),
    ),
    *facts(f"{API}/rule.go", [crab("ingress: [{fromEndpoints: [{}], authentication: {mode: required}}]")], (TO_CRAB, "unknown")),
    *facts(f"{API}/rule.go", [crab("ingress: [{fromEndpoints: [{}], authentication: {mode: disabled}}]")], (TO_CRAB, "allow")),
    *facts(
        f"{API}/fqdn.go",
        [crab("egress: [{toFQDNs: [{matchName: sea.example}], toPorts: [{ports: [{port: '1'}]}]}]")],
        ("sea/crab > land/fox:1", "deny"),
        ("sea/crab > 198.18.0.7:1", "unknown"),
        ("sea/crab > 198.18.0.7:2", "deny"),
        ("sea/crab > 172.20.0.2:1", "deny"),
    ),
    *facts(
        f"{API}/groups.go",
        [crab("egress: [{toGroups: [{aws: {securityGroupsIds: [sg-1]}}]}]")],
        ("sea/crab > 198.18.0.7:1", "unknown"),
        ("sea/crab > land/fox:1", "deny"),
    ),
    *facts(f"{API}/icmp.go", [crab("ingress: [{icmps: [{fields: [{type: 8}]}], fromEndpoints: [{}]}]")], (TO_CRAB, "deny")),
    *facts(f"{API}/ingress.go", [crab("ingress: [{fromRequires: [{matchLabels: {a: b}}]}]")], (TO_CRAB, "unknown")),
    *facts(f"{API}/ingress.go", [crab("ingress: [{fromEndpoints: [{}], newField: 1}]")], (TO_CRAB, "unknown")),
    *facts(
        "cilium/cilium pkg/policy/k8s/watcher.go",
        [
            crab("ingress: [{fromEndpoints: [{}]}]"),
            {
                "apiVersion": "policy.networking.k8s.io/v1alpha1",
                "kind": "AdminNetworkPolicy",
                "metadata": {"name": "top"},
                "spec": {
                    "priority": 1,
                    "subject": {"namespaces": {}},
                    "ingress": [
                        {
                            "action": "Deny",
                            "from": [{"pods": {"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "eel"}}}}],
                        }
                    ],
                },
            },
        ],
        (TO_CRAB, "unknown"),
        ("sea/tern > sea/crab:7000", "allow"),
    ),
]


@pytest.mark.parametrize("fact", FACTS, ids=name_of)
def test_a_flow(fact):
    holds_for_a_flow(fact)


@pytest.mark.parametrize("fact", between_pods(FACTS), ids=name_of)
def test_all_pairs_say_the_same(fact):
    holds_for_all_pairs(fact)
