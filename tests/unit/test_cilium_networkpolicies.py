"""What Cilium reads otherwise in NetworkPolicies is unknown, in one flow and in all pairs."""

import pytest

from meshtui.cni import named
from meshtui.engine.explain.wording import in_words as said
from meshtui.engine.matrix.matrix import Matrix
from meshtui.model.cni import REFERENCE_CNI
from tests.fakes.snapshots import judge, namespace, pod, policy, snapshot_of

CILIUM = named("cilium")
HASHED = {"pod-template-hash": "abc", "app": "web"}
WORLD = [
    namespace("a", **{"beta.kubernetes.io/t": "x", "team": "x"}),
    pod("a/web", "10.0.0.1", labels=HASHED),
    pod("a/db", "10.0.0.2", [80], {"app": "db", "statefulset.kubernetes.io/pod-name": "db"}),
    pod("a/other", "10.0.0.3", [80], {"app": "other"}),
]
FROM_WEB = [{"podSelector": {"matchLabels": {"pod-template-hash": "abc"}}}]


def np(selector, *peers, **more):
    return policy("a/p", {"podSelector": selector, "ingress": [{"from": list(peers)}] if peers else [], **more})


DB = {"matchLabels": {"app": "db"}}


@pytest.mark.parametrize(
    ("written", "of_db", "of_other"),
    [
        (np(DB, *FROM_WEB), "unknown", "allow"),
        (np(DB, {"namespaceSelector": {"matchLabels": {"beta.kubernetes.io/t": "x"}}}), "unknown", "allow"),
        (np(DB, {"namespaceSelector": {"matchLabels": {"team": "x"}}}), "allow", "allow"),
        (np(DB, {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "a"}}}), "allow", "allow"),
        (np({"matchLabels": {"statefulset.kubernetes.io/pod-name": "db"}}), "unknown", "unknown"),
        (np({"matchLabels": {"io.cilium.k8s.policy.serviceaccount": "default"}}), "unknown", "unknown"),
        (np(DB, {"podSelector": {"matchLabels": {"app": "zz"}}}, policyTypes=["Egress"], egress=[{}]), "unknown", "allow"),
        (np(DB, {"podSelector": {"matchLabels": {"app": "zz"}}}), "deny", "allow"),
    ],
)
def test_networkpolicies_as_cilium_reads_them(written, of_db, of_other):
    snapshot = snapshot_of(WORLD, [written], cni=CILIUM)
    matrix = Matrix(snapshot)
    for name, expect in (("db", of_db), ("other", of_other)):
        verdict = judge(snapshot, f"a/web > a/{name}:80")
        assert verdict.decision.value == expect, [said(step.reason) for step in verdict.steps]
        assert matrix.judge("a/web", f"a/{name}", 80).decision is verdict.decision
        if expect == "unknown":
            assert "Cilium reads NetworkPolicy a/p otherwise than the API says" in said(verdict.reason)
    assert judge(snapshot_of(WORLD, [written], cni=REFERENCE_CNI), "a/web > a/db:80").decision.value != "unknown"


def test_a_policy_of_nodes_decides_for_their_addresses():
    node = {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": "n1"},
        "status": {"addresses": [{"type": "InternalIP", "address": "192.168.0.1"}]},
    }
    of_nodes = {
        "apiVersion": "cilium.io/v2",
        "kind": "CiliumClusterwideNetworkPolicy",
        "metadata": {"name": "c"},
        "spec": {"nodeSelector": {}, "ingress": [{"fromEntities": ["cluster"]}]},
    }
    snapshot = snapshot_of(WORLD, [node, of_nodes], cni=CILIUM)
    assert judge(snapshot, "203.0.113.7 > 192.168.0.1:22").decision.value == "unknown"
    assert judge(snapshot, "a/web > 203.0.113.7:22").decision.value == "allow"
