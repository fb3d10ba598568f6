"""What isn't modelled makes a verdict unknown, and is named; what decides all the same still decides."""

import json

import pytest

from meshtui.engine import Engine
from meshtui.engine.explain.wording import in_words as said
from meshtui.engine.matrix.matrix import Matrix
from meshtui.engine.path.references import parse_flow
from meshtui.model.errors import UsageError
from meshtui.model.flow import EndpointKind, Flow, FlowEndpoint
from meshtui.sources.manifests import load_manifests, read_documents

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
    assert named in " ".join(said(step.reason) for step in verdict.steps)
    assert Matrix(snapshot).judge("a/p", "a/q", 80).decision.value == decision


def named(first, then):
    https = [{"portNumber": {"port": 443}}]
    rules = [
        *({"name": "by name", "action": a, "to": [{"domainNames": ["*.example.com"]}], "ports": https} for a in first.split()),
        {"name": "the rest", "action": then, "to": [{"networks": ["0.0.0.0/0"]}]},
    ]
    return policy(ADMIN, "AdminNetworkPolicy", {"priority": 1, "subject": EVERYBODY, "egress": rules}, "names")


@pytest.mark.parametrize(
    ("first", "then", "port", "decision"),
    [
        ("Allow", "Deny", 443, "unknown"),
        ("Deny", "Allow", 443, "unknown"),
        ("Deny", "Deny", 443, "deny"),
        ("Allow", "Allow", 443, "allow"),
        ("Allow Deny", "Allow", 443, "unknown"),
        ("Allow", "Deny", 80, "deny"),
    ],
)
def test_whether_an_address_has_a_name_only_the_cni_knows(first, then, port, decision):
    """network-policy-api, AdminNetworkPolicyEgressPeer.domainNames: a rule that may come first and says something else."""
    engine = Engine(read_documents([pod("p", "10.0.0.1"), named(first, then)], "test"))
    verdict = engine.judge(parse_flow("a/p", f"203.0.113.9:{port}"))
    assert verdict.decision.value == decision
    if decision == "unknown":
        assert any("*.example.com" in said(step.reason) for step in verdict.steps)
    inside = Engine(read_documents([pod("p", "10.0.0.1"), pod("q", "10.0.0.2"), named(first, then)], "test"))
    assert inside.judge(parse_flow("a/p", "a/q:443")).decision.value == then.lower(), "a pod is no name outside"


@pytest.mark.parametrize("kind", ["Pod", "Deployment"])
def test_a_workload_that_is_not_there_is_an_error_of_its_flow(kind):
    engine = Engine(read_documents([pod("p", "10.0.0.1")], "test"))
    there, gone = FlowEndpoint(EndpointKind.POD, "a", "p"), FlowEndpoint(EndpointKind.WORKLOAD, "a", "nope", kind)
    for ends in ((there, gone), (gone, there)):
        with pytest.raises(UsageError, match=f"no {kind} a/nope|no Deployment a/nope"):
            engine.judge(Flow(*ends, 80, "TCP"))
