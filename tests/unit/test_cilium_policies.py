"""Cilium's own policies: which pods they close, and what labels mean."""

import pytest

from tests.fakes.cilium import (
    API,
    OUTSIDE,
    REPOSITORY,
    RULES,
    TO_CRAB,
    UTILS,
    between_pods,
    ccnp,
    cnp,
    crab,
    facts,
    holds_for_a_flow,
    holds_for_all_pairs,
    name_of,
)

FACTS = [
    # ---- what closes
    *facts(
        REPOSITORY,
        [crab("ingress: [{fromEndpoints: [{matchLabels: {app: eel}}]}]")],
        (TO_CRAB, "allow", "CiliumNetworkPolicy sea/p ingress[0]"),
        ("sea/tern > sea/crab:7000", "deny", "CiliumNetworkPolicy sea/p"),
        ("land/eel > sea/crab:7000", "deny"),
        ("sea/crab > land/eel:7000", "allow"),
        ("sea/eel > sea/tern:7000", "allow"),
    ),
    *facts(RULES, [crab("ingress: [{}]")], (TO_CRAB, "deny"), (OUTSIDE, "deny")),
    *facts(
        RULES,
        [crab("ingress: [{toPorts: [{ports: [{port: '7000'}]}]}]")],
        (OUTSIDE, "allow"),
        ("sea/eel > sea/crab:7001", "deny"),
    ),
    *facts(RULES, [crab("ingress: [{fromEndpoints: [], toPorts: [{ports: [{port: '7000'}]}]}]")], (TO_CRAB, "deny")),
    *facts(RULES, [crab("ingress: [{fromEntities: []}, {fromCIDR: []}]")], (TO_CRAB, "deny"), (OUTSIDE, "deny")),
    *facts(RULES, [crab("ingress: [{fromEndpoints: [{}], toPorts: []}]")], (TO_CRAB, "allow")),
    *facts(RULES, [crab("ingress: [{fromEndpoints: [{}], toPorts: [{ports: []}]}]")], (TO_CRAB, "deny")),
    *facts(
        RULES,
        [crab("ingressDeny: [{}], ingress: [{fromEndpoints: [{}]}]")],
        (TO_CRAB, "allow"),
        ("land/fox > sea/crab:1", "deny"),
    ),
    *facts(
        RULES,
        [crab("ingressDeny: [{toPorts: [{ports: [{port: '7000'}]}]}], ingress: [{fromEntities: [all]}]")],
        (TO_CRAB, "deny", "CiliumNetworkPolicy sea/p ingressDeny[0]"),
        ("sea/eel > sea/crab:7001", "allow"),
    ),
    *facts(REPOSITORY, [crab("ingressDeny: [{fromEndpoints: [{matchLabels: {app: eel}}]}]")], ("sea/tern > sea/crab:1", "deny")),
    *facts(
        REPOSITORY,
        [crab("enableDefaultDeny: {ingress: false}, ingressDeny: [{fromEndpoints: [{matchLabels: {app: eel}}]}]")],
        (TO_CRAB, "deny"),
        ("sea/tern > sea/crab:7000", "allow"),
    ),
    *facts(
        REPOSITORY,
        [
            crab("enableDefaultDeny: {ingress: false}, ingress: [{fromEndpoints: [{matchLabels: {app: eel}}]}]"),
            cnp("{endpointSelector: {}, ingress: [{}]}", "sea/shut"),
        ],
        (TO_CRAB, "allow"),
        ("sea/tern > sea/crab:7000", "deny", "CiliumNetworkPolicy sea/shut"),
    ),
    *facts(
        REPOSITORY,
        [crab("enableDefaultDeny: {egress: true}, ingress: [{fromEndpoints: [{}]}]")],
        ("sea/crab > land/fox:1", "allow"),
    ),
    # ---- labels
    *facts(
        UTILS,
        [crab("ingress: [{fromEndpoints: [{matchLabels: {'k8s:io.kubernetes.pod.namespace': land, 'any:app': eel}}]}]")],
        ("land/eel > sea/crab:7000", "allow"),
        (TO_CRAB, "deny"),
    ),
    *facts(UTILS, [crab("ingress: [{fromEndpoints: [{matchLabels: {'docker:app': eel}}]}]")], (TO_CRAB, "deny")),
    *facts(
        UTILS,
        [
            crab(
                "ingress: [{fromEndpoints: [{matchExpressions: [{key: io.kubernetes.pod.namespace,"
                " operator: NotIn, values: [sea]}]}]}]"
            )
        ],
        ("land/fox > sea/crab:7000", "allow"),
        (TO_CRAB, "deny"),
        (OUTSIDE, "unknown"),
    ),
    *facts(
        UTILS,
        [crab("ingress: [{fromEndpoints: [{matchLabels: {io.cilium.k8s.namespace.labels.team: fur}}]}]")],
        ("land/fox > sea/crab:7000", "allow"),
        (TO_CRAB, "deny"),
        (OUTSIDE, "deny"),
    ),
    *facts(
        UTILS,
        [crab("ingress: [{fromEndpoints: [{matchLabels: {io.cilium.k8s.policy.serviceaccount: slick}}]}]")],
        (TO_CRAB, "allow"),
        ("sea/tern > sea/crab:7000", "deny"),
    ),
    *facts(
        UTILS,
        [crab("ingress: [{fromEndpoints: [{matchLabels: {io.cilium.k8s.policy.cluster: other}}]}]")],
        (TO_CRAB, "deny"),
    ),
    *facts(
        UTILS,
        [cnp("{endpointSelector: {matchLabels: {'k8s:io.kubernetes.pod.namespace': land, app: crab}}, ingress: [{}]}")],
        (TO_CRAB, "deny"),
    ),
    *facts(
        "cilium/cilium pkg/labelsfilter/filter.go",
        [cnp("{endpointSelector: {matchLabels: {pod-template-hash: x}}, ingress: [{}]}")],
        (TO_CRAB, "allow"),
    ),
    *facts(
        f"{API}/selector.go",
        [crab("ingress: [{fromEndpoints: [{matchExpressions: [{key: app, operator: NotIn, values: [eel]}]}]}]")],
        ("sea/tern > sea/crab:7000", "allow"),
        (TO_CRAB, "deny"),
    ),
    *facts(
        f"{API}/selector.go",
        [crab("ingress: [{fromEndpoints: [{matchLabels: {'reserved:world': ''}}]}]")],
        (OUTSIDE, "allow"),
        (TO_CRAB, "deny"),
    ),
    *facts(
        f"{API}/selector.go",
        [crab("ingress: [{fromEndpoints: [{matchExpressions: [{key: 'reserved:world', operator: DoesNotExist}]}]}]")],
        ("land/fox > sea/crab:7000", "allow"),
        ("172.20.0.2 > sea/crab:7000", "allow"),
        (OUTSIDE, "deny"),
    ),
    # ---- the whole cluster
    *facts(
        UTILS,
        [ccnp("{endpointSelector: {matchLabels: {app: crab}}, ingress: [{fromEndpoints: [{}]}]}")],
        ("land/fox > sea/crab:7000", "allow"),
        (OUTSIDE, "deny"),
        ("172.20.0.2 > sea/crab:7000", "deny"),
    ),
    *facts(
        UTILS,
        [ccnp("{endpointSelector: {}, egress: [{toEndpoints: [{matchLabels: {app: eel}}]}]}")],
        ("sea/crab > land/eel:1", "allow"),
        ("sea/crab > land/fox:1", "deny"),
        ("land/fox > 198.18.0.7:1", "deny"),
    ),
    *facts(UTILS, [ccnp("{nodeSelector: {}, ingress: [{}]}")], (TO_CRAB, "allow")),
    *facts(
        "cilium/cilium pkg/policy/mapstate.go",
        [
            crab("ingress: [{fromEndpoints: [{matchLabels: {app: eel}}], toPorts: [{ports: [{port: '7000', protocol: TCP}]}]}]"),
            ccnp("{endpointSelector: {}, enableDefaultDeny: {ingress: false}, ingressDeny: [{fromEntities: [cluster]}]}"),
        ],
        (TO_CRAB, "deny", "CiliumClusterwideNetworkPolicy w ingressDeny[0]"),
        ("198.18.0.7 > sea/eel:1", "allow"),
    ),
    *facts(
        "cilium/cilium pkg/k8s/apis/cilium.io/v2/cnp_types.go: Parse",
        [
            cnp(
                None,
                specs=[
                    {"endpointSelector": {"matchLabels": {"app": "eel"}}, "ingress": [{}]},
                    {"endpointSelector": {"matchLabels": {"app": "crab"}}, "ingress": [{"fromEntities": ["world"]}]},
                ],
            )
        ],
        (OUTSIDE, "allow", "CiliumNetworkPolicy sea/p specs[1].ingress[0]"),
        ("198.18.0.7 > sea/eel:7000", "deny"),
    ),
]


@pytest.mark.parametrize("fact", FACTS, ids=name_of)
def test_a_flow(fact):
    holds_for_a_flow(fact)


@pytest.mark.parametrize("fact", between_pods(FACTS), ids=name_of)
def test_all_pairs_say_the_same(fact):
    holds_for_all_pairs(fact)
