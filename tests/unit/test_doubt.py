"""What isn't modelled makes a verdict unknown, and is named; what decides all the same still decides."""

import json

import pytest

from meshtui.engine import Engine
from meshtui.engine.matrix import Matrix
from meshtui.model.flow import EndpointKind, Flow, FlowEndpoint
from meshtui.sources.manifests import load_manifests

NETWORK, ADMIN = "networking.k8s.io/v1", "policy.networking.k8s.io/v1alpha1"


def pod(name, address, **labels):
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "a", "labels": labels},
        "spec": {"containers": [{"name": "c", "ports": [{"containerPort": 80}]}]},
        "status": {"podIP": address, "phase": "Running"},
    }


def policy(version, kind, spec, name="odd", **metadata):
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, **metadata}, "spec": spec}


def network_policy(spec, name="odd"):
    return policy(NETWORK, "NetworkPolicy", spec, name, namespace="a")


EVERYBODY = {"namespaces": {}}
NOBODY_IN = network_policy({"podSelector": {"matchLabels": {"app": "q"}}, "policyTypes": ["Ingress"]}, "closed")
CASES = {
    "a field of a NetworkPolicy's peer": (
        [network_policy({"podSelector": {}, "ingress": [{"from": [{"podSelector": {}, "sorcery": 1}]}]})],
        "unknown",
        "sorcery",
    ),
    "a NetworkPolicy that denies says nothing for sure beside one with such a field": (
        [NOBODY_IN, network_policy({"podSelector": {}, "ingress": [], "sorcery": 1})],
        "unknown",
        "sorcery",
    ),
    "a field of an admin policy": (
        [policy(ADMIN, "AdminNetworkPolicy", {"priority": 1, "subject": EVERYBODY, "sorcery": 3})],
        "unknown",
        "sorcery",
    ),
    "an admin policy with such a field about other pods": (
        [
            policy(
                ADMIN,
                "AdminNetworkPolicy",
                {"priority": 1, "subject": {"namespaces": {"matchLabels": {"team": "x"}}}, "sorcery": 3},
            )
        ],
        "allow",
        "",
    ),
    "a Cilium policy beside a NetworkPolicy that denies": (
        [
            NOBODY_IN,
            policy("cilium.io/v2", "CiliumNetworkPolicy", {"endpointSelector": {}, "ingress": [{}]}, namespace="a"),
        ],
        "unknown",
        "CiliumNetworkPolicy",
    ),
    "an admin's Deny decides, whatever else there is": (
        [
            policy("cilium.io/v2", "CiliumNetworkPolicy", {"endpointSelector": {}, "ingress": [{}]}, namespace="a"),
            policy(
                ADMIN,
                "AdminNetworkPolicy",
                {
                    "priority": 1,
                    "subject": EVERYBODY,
                    "ingress": [{"name": "no", "action": "Deny", "from": [{"namespaces": {}}]}],
                },
                "wall",
            ),
        ],
        "deny",
        "CiliumNetworkPolicy",
    ),
    "nothing odd": ([NOBODY_IN], "deny", ""),
}


@pytest.mark.parametrize(("objects", "decision", "named"), CASES.values(), ids=CASES)
def test_what_is_not_modelled_is_unknown_with_its_name(objects, decision, named, tmp_path):
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a"}}
    everything = [namespace, pod("p", "10.0.0.1", app="p"), pod("q", "10.0.0.2", app="q"), *objects]
    (tmp_path / "all.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": everything}))
    snapshot = load_manifests([str(tmp_path)])
    ends = [FlowEndpoint(EndpointKind.POD, "a", name) for name in "pq"]
    verdict = Engine(snapshot).judge(Flow(*ends, 80, "TCP"))
    assert verdict.decision.value == decision
    assert named in " ".join(step.reason for step in verdict.steps)
    assert Matrix(snapshot).judge("a/p", "a/q", 80).decision.value == decision
