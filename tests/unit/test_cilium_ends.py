"""Cilium's own policies: addresses, entities and ports."""

import pytest

from tests.fakes.cilium import (
    ENTITIES,
    GROUPS,
    OUTSIDE,
    REPOSITORY,
    RULES,
    SELECTORS,
    TO_CRAB,
    api_server,
    between_pods,
    crab,
    facts,
    holds_for_a_flow,
    holds_for_all_pairs,
    name_of,
)
from tests.fakes.snapshots import policy

FACTS = [
    # ---- addresses and entities
    *facts(
        SELECTORS,
        [crab("ingress: [{fromCIDR: [198.18.0.0/24, 10.2.0.0/16, 172.20.0.2/32]}]")],
        (OUTSIDE, "allow"),
        (TO_CRAB, "deny"),
        ("172.20.0.2 > sea/crab:7000", "deny"),
    ),
    *facts(
        SELECTORS,
        [crab("egress: [{toCIDRSet: [{cidr: 198.18.0.0/23, except: [198.18.0.0/25]}]}, {toCIDR: [198.18.0.9]}]")],
        ("sea/crab > 198.18.0.200:1", "allow"),
        ("sea/crab > 198.18.0.7:1", "deny"),
        ("sea/crab > 198.18.0.9:1", "allow"),
    ),
    *facts(
        "cilium/cilium pkg/policy/mapstate.go",
        [crab("egress: [{toCIDR: [198.18.0.7/32]}, {toEntities: [world]}], egressDeny: [{toCIDR: [198.18.0.0/16]}]")],
        ("sea/crab > 198.18.0.7:1", "deny"),
        ("sea/crab > 203.0.113.9:1", "allow"),
    ),
    *facts(
        SELECTORS,
        [*GROUPS, crab("ingress: [{fromCIDRSet: [{cidrGroupRef: reef, except: [198.18.0.9/32]}, {cidrGroupRef: none}]}]")],
        (OUTSIDE, "allow"),
        ("198.18.0.9 > sea/crab:7000", "deny"),
        ("198.18.1.1 > sea/crab:7000", "deny"),
    ),
    *facts(
        SELECTORS,
        [*GROUPS, crab("ingress: [{fromCIDRSet: [{cidrGroupSelector: {matchLabels: {salt: 'no'}}}]}]")],
        ("198.18.1.1 > sea/crab:7000", "allow"),
        (OUTSIDE, "deny"),
        (TO_CRAB, "deny"),
    ),
    *facts(
        ENTITIES,
        [crab("ingress: [{fromEntities: [cluster]}]")],
        ("land/fox > sea/crab:7000", "allow"),
        ("172.20.0.2 > sea/crab:7000", "allow"),
        (OUTSIDE, "deny"),
    ),
    *facts(
        ENTITIES,
        [crab("ingress: [{fromEntities: [none, init, health, unmanaged, ingress]}]")],
        (TO_CRAB, "deny"),
        (OUTSIDE, "deny"),
    ),
    *facts(
        REPOSITORY,
        [crab("ingress: [{}], egress: [{}]")],
        ("172.20.0.1 > sea/crab:7000", "allow"),
        ("land/host > sea/crab:7000", "allow"),
        ("172.20.0.2 > sea/crab:7000", "deny"),
        ("sea/crab > 172.20.0.1:7000", "deny"),
    ),
    *facts(
        REPOSITORY,
        [crab("ingressDeny: [{fromEntities: [host], toPorts: [{ports: [{port: '7000'}]}]}]")],
        ("172.20.0.1 > sea/crab:7000", "deny"),
        ("172.20.0.1 > sea/crab:7001", "allow"),
    ),
    *facts(
        ENTITIES,
        [crab("egress: [{toEntities: [remote-node]}]")],
        ("sea/crab > 172.20.0.2:1", "allow"),
        ("sea/crab > 172.20.0.1:1", "deny"),
        ("sea/crab > land/host:1", "deny"),
    ),
    *facts(
        "cilium/cilium Documentation/network/kubernetes/policy.rst",
        [crab("egress: [{toEndpoints: [{matchLabels: {app: host, io.kubernetes.pod.namespace: land}}]}]")],
        ("sea/crab > land/host:1", "deny"),
    ),
    *facts(
        "cilium/cilium pkg/ipcache/metadata.go",
        [*api_server("172.20.0.2"), crab("egress: [{toEntities: [kube-apiserver]}]")],
        ("sea/crab > 172.20.0.2:6443", "allow"),
        ("sea/crab > 172.20.0.1:6443", "deny"),
        ("sea/crab > 198.18.0.7:6443", "deny"),
    ),
    *facts(
        "cilium/cilium pkg/ipcache/metadata.go",
        [*api_server("198.18.0.7"), crab("egress: [{toEntities: [cluster]}], egressDeny: [{toCIDR: [198.18.0.0/25]}]")],
        ("sea/crab > 198.18.0.7:6443", "deny"),
    ),
    *facts(
        ENTITIES, [*api_server("198.18.0.7"), crab("egress: [{toEntities: [cluster]}]")], ("sea/crab > 198.18.0.7:6443", "allow")
    ),
    *facts(ENTITIES, [crab("egress: [{toEntities: [kube-apiserver]}]")], ("sea/crab > 198.18.0.7:6443", "unknown")),
    # ---- ports
    *facts(
        RULES,
        [
            crab(
                "ingress: [{toPorts: [{ports: [{port: '7000'}, {port: '0', protocol: UDP},"
                " {port: '80', endPort: 90, protocol: TCP}]}]}]"
            )
        ],
        ("sea/eel > sea/crab:7000/UDP", "allow"),
        ("sea/eel > sea/crab:9/UDP", "allow"),
        ("sea/eel > sea/crab:7000/SCTP", "allow"),
        ("sea/eel > sea/crab:9/SCTP", "deny"),
        ("sea/eel > sea/crab:90", "allow"),
        ("sea/eel > sea/crab:91", "deny"),
    ),
    *facts(
        RULES,
        [crab("ingress: [{toPorts: [{ports: [{port: '80', endPort: 70, protocol: TCP}]}]}]")],
        ("sea/eel > sea/crab:80", "allow"),
    ),
    *facts(
        "cilium/cilium pkg/policy/l4.go: toMapState",
        [crab("ingress: [{toPorts: [{ports: [{port: shell}, {port: nothing}]}]}]")],
        (TO_CRAB, "allow"),
        ("sea/eel > sea/crab:7001", "deny"),
        ("sea/eel > sea/crab:7000/UDP", "deny"),
    ),
    *facts(
        "cilium/cilium pkg/policy/l4.go: GetEgressNamedPorts, since 1.20; before pkg/types/portmap.go",
        [crab("egress: [{toPorts: [{ports: [{port: den}]}]}]")],
        ("sea/crab > land/fox:7000", "allow"),
        ("sea/crab > land/eel:7000", "unknown"),
        ("sea/crab > land/eel:7001", "deny"),
    ),
    *facts(
        "cilium/cilium pkg/policy/l4.go: GetEgressNamedPorts, since 1.20; before pkg/types/portmap.go",
        [crab("egress: [{toPorts: [{ports: [{port: shell}]}]}]")],
        ("sea/crab > sea/eel:7001", "unknown"),
        ("sea/crab > sea/eel:7000", "deny"),
    ),
    *facts(
        "cilium/cilium pkg/k8s/network_policy.go",
        [policy("land/np", "{podSelector: {}, policyTypes: [Egress], egress: [{ports: [{port: den}]}]}"), crab("ingress: [{}]")],
        ("land/eel > land/fox:7000", "allow"),
        ("land/fox > sea/eel:7000", "unknown"),
        ("land/eel > land/fox:7001", "deny", "NetworkPolicy land/np"),
    ),
]


@pytest.mark.parametrize("fact", FACTS, ids=name_of)
def test_a_flow(fact):
    holds_for_a_flow(fact)


@pytest.mark.parametrize("fact", between_pods(FACTS), ids=name_of)
def test_all_pairs_say_the_same(fact):
    holds_for_all_pairs(fact)
