"""Profiles of CNIs: every reading has its source, the right one is recognised, and verdicts follow it."""

from dataclasses import fields, replace

import pytest

from meshtui.cli.main import run
from meshtui.cni import detect, named, of_snapshot, profiles, settings_of
from meshtui.engine.explain.wording import in_words as said
from meshtui.engine.matrix.matrix import Matrix
from meshtui.model.cni import REFERENCE_CNI, UNKNOWN_CNI, Cni, HostPods
from meshtui.model.errors import ConfigError
from meshtui.model.ids import Uid
from meshtui.model.meta import Meta
from meshtui.model.policy import Enforcer, ForeignPolicy
from meshtui.model.verdict import Decision
from tests.fakes.snapshots import decider, judge, namespace, pod, policy, snapshot_of

CNIS = {
    "calico", "cilium", "ovn-kubernetes", "antrea", "kindnet", "aws-vpc-cni", "azure", "gke-dataplane-v2", "flannel",
    "kube-router", "reference",
}  # fmt: skip
READINGS = {field.name for field in fields(Cni)} - {"name", "title", "why", "unread", "leaves_open"}


def test_there_is_a_profile_of_each():
    assert set(profiles()) == CNIS


@pytest.mark.parametrize("name", sorted(CNIS - {"reference"}))
def test_every_reading_has_its_source(name):
    profile = profiles()[name]
    sources = dict(profile.sources)
    assert all(sources.values())
    known = {reading for reading in READINGS if getattr(profile.cni, reading) not in {None, HostPods.UNKNOWN}}
    assert known <= sources.keys()
    assert profile.images


@pytest.mark.parametrize("name", sorted(CNIS))
def test_every_setting_changes_a_reading_and_has_its_source(name):
    for setting in profiles()[name].settings:
        assert setting.source
        assert {reading for reading, _ in setting.readings} <= READINGS | {"leaves_open"}


def test_an_unknown_name_is_refused(tmp_path, capsys):
    with pytest.raises(ConfigError, match="'calcio' has no profile"):
        named("calcio")
    assert run(["check", "--cni", "calcio", "-f", str(tmp_path)]) == 2
    assert run(["--cni", "calcio", "predict", "-f", "x"]) == 2
    assert named("calico").why == "setting"
    capsys.readouterr()


def daemon_set(image, name="net", namespace="kube-system"):
    template = {
        "metadata": {"labels": {"app": name}},
        "spec": {"hostNetwork": True, "containers": [{"name": "c", "image": image}]},
    }
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": metadata, "spec": {"template": template}}


@pytest.mark.parametrize(
    ("images", "name"),
    [
        (["docker.io/calico/node:v3.29.1"], "calico"),
        (["quay.io/cilium/cilium:v1.16.4@sha256:0"], "cilium"),
        (["quay.io/cilium/cilium-envoy:v1.30", "quay.io/cilium/cilium:v1.16"], "cilium"),
        (["gke.gcr.io/cilium/cilium:v1.14-gke.1"], "gke-dataplane-v2"),
        (["docker.io/kindest/kindnetd:v20241108"], "kindnet"),
        (["602401143452.dkr.ecr.eu-west-1.amazonaws.com/amazon-k8s-cni:v1.19"], "aws-vpc-cni"),
        (["602401143452.dkr.ecr.eu-west-1.amazonaws.com/amazon-k8s-cni:v1.19", "calico/node:v3"], "calico"),
        (["mcr.microsoft.com/containernetworking/azure-npm:v1.5"], "azure"),
        (["antrea/antrea-agent-ubuntu:v2.2.0"], "antrea"),
        (["ghcr.io/ovn-kubernetes/ovn-kubernetes/ovn-kube-ubuntu:master"], "ovn-kubernetes"),
        (["docker.io/cloudnativelabs/kube-router:v2.4"], "kube-router"),
        (["ghcr.io/flannel-io/flannel:v0.26"], "flannel"),
        (["ghcr.io/flannel-io/flannel:v0.26", "calico/node:v3"], "calico"),
        (["quay.io/cilium/cilium:v1.16", "calico/node:v3"], ""),
        (["registry.k8s.io/kube-proxy:v1.31", "quay.io/prometheus/node-exporter:v1"], ""),
        (["example.org/mycalico/nodes:1"], ""),
    ],
)
def test_it_is_recognised_by_its_images(images, name):
    found = snapshot_of([daemon_set(image, f"n{number}") for number, image in enumerate(images)])
    cni = detect(found.controllers.values(), ())
    assert cni.name == name
    assert cni.why.startswith("image" if name else ("several" if len(images) == 2 and "calico/node:v3" in images else ""))


def test_it_is_recognised_by_its_policies():
    def of(*versions):
        base = Meta("X", "a", "x", Uid("x"))
        return [ForeignPolicy(base, version, None, Enforcer.CNI) for version in versions]

    assert detect((), of("cilium.io/v2")).name == "cilium"
    assert detect((), of("projectcalico.org/v3", "crd.projectcalico.org/v1")).name == "calico"
    assert detect((), of("cilium.io/v2", "projectcalico.org/v3")) == replace(UNKNOWN_CNI, why="several: calico, cilium")
    assert detect((), of("example.org/v1")) == UNKNOWN_CNI


def config_map(name, namespace="kube-system", **data):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}, "data": data}


@pytest.mark.parametrize(
    ("name", "cni"),
    [
        ("cilium-config", "cilium"),
        ("calico-config", "calico"),
        ("canal-config", "calico"),
        ("antrea-config", "antrea"),
        ("amazon-vpc-cni", "aws-vpc-cni"),
        ("azure-npm-config", "azure"),
        ("kube-router-cfg", "kube-router"),
        ("kube-flannel-cfg", "flannel"),
        ("coredns", ""),
    ],
)
def test_it_is_recognised_by_its_config_map(name, cni):
    found = of_snapshot(snapshot_of(WORLD, [config_map(name)]))
    assert found.name == cni
    assert found.why == (f"ConfigMap {name}" if cni else "")


@pytest.mark.parametrize(
    ("data", "readings"),
    [
        ({}, {"enforces": True, "leaves_open": True, "blocks_match_nodes": False, "blocks_match_pods": False, "sctp": True}),
        ({"enable-policy": "default"}, {"enforces": True, "leaves_open": True}),
        ({"enable-policy": "always"}, {"enforces": True, "leaves_open": False}),
        ({"enable-policy": "never"}, {"enforces": False}),
        ({"enable-k8s-networkpolicy": "false"}, {"enforces": False}),
        ({"policy-audit-mode": "true"}, {"enforces": None}),
        ({"policy-cidr-match-mode": "nodes"}, {"blocks_match_nodes": None, "blocks_match_pods": False}),
        ({"policy-cidr-match-mode": "nodes pods"}, {"blocks_match_nodes": None, "blocks_match_pods": None}),
        ({"enable-sctp": "true"}, {"sctp": True}),
        ({"enable-sctp": "false"}, {"sctp": None}),
    ],
)
@pytest.mark.parametrize("said", ["", "cilium"])
def test_cilium_follows_its_settings(data, readings, said):
    found = of_snapshot(snapshot_of(WORLD, [config_map("cilium-config", **data)]), said)
    assert {name: getattr(found, name) for name in readings} == readings


def test_a_config_map_counts_where_the_cni_runs_and_nowhere_else():
    def of_cilium(*namespaces, daemons=()):
        made = [config_map("cilium-config", each, **{"enable-policy": "never"}) for each in namespaces]
        found = of_snapshot(snapshot_of(WORLD, [*made, *(daemon_set("quay.io/cilium/cilium:v1.16.4", "c", d) for d in daemons)]))
        return found.name, found.enforces

    assert of_cilium("shop") == (UNKNOWN_CNI.name, UNKNOWN_CNI.enforces)
    assert of_cilium("shop", daemons=["kube-system"]) == ("cilium", True)
    assert of_cilium("net", daemons=["net"]) == ("cilium", False)
    strict = config_map("cilium-config", **{"enable-policy": "always"})
    spoof = [config_map("cilium-config", "shop", **{"enable-policy": "never"}), daemon_set("cilium/cilium:v1", "x", "shop")]
    found = of_snapshot(snapshot_of(WORLD, [daemon_set("quay.io/cilium/cilium:v1.16.4"), *spoof, strict]))
    assert (found.enforces, found.leaves_open) == (True, False)


def test_amazons_cni_enforces_policies_once_that_is_enabled():
    daemons = daemon_set("602401143452.dkr.ecr.eu-west-1.amazonaws.com/amazon-k8s-cni:v1.19")
    found = [
        of_snapshot(snapshot_of(WORLD, [daemons, *more]), said).enforces
        for more, said in [
            ([], ""),
            ([config_map("amazon-vpc-cni", **{"enable-network-policy-controller": "false"})], ""),
            ([config_map("amazon-vpc-cni", **{"enable-network-policy-controller": "true"})], ""),
            ([], "aws-vpc-cni"),
        ]
    ]
    assert found == [None, None, True, True]


def test_settings_that_cannot_be_read_are_an_assumption():
    unread = of_snapshot(snapshot_of(WORLD), "cilium", unread={"cilium-config": "configmaps is forbidden"})
    verdict = judge(snapshot_of(WORLD, cni=unread), PODS)
    assert verdict.decision is Decision.ALLOW
    assert [*map(said, verdict.assumptions)] == [
        "Cilium with its default settings: its ConfigMap can't be read (configmaps is forbidden)"
    ]
    assert of_snapshot(snapshot_of(WORLD), "aws-vpc-cni", unread={"cilium-config": "configmaps is forbidden"}).unread == ""


@pytest.mark.parametrize(
    "objects", [[], [config_map("cilium-config", **{"enable-policy": "always", "kube-proxy-replacement": "x"})]]
)
def test_settings_go_with_an_excerpt_and_nothing_else_of_the_config_map(objects):
    snapshot = snapshot_of(WORLD, objects)
    of_it = settings_of(replace(snapshot, cni=of_snapshot(snapshot, "cilium")))
    assert [each["data"] for each in of_it] == [{"enable-policy": "always"} for _ in objects]


# ---- what follows from it

BLOCK = {"ipBlock": {"cidr": "10.0.0.0/8"}}
ALL = {"ipBlock": {"cidr": "0.0.0.0/0"}}
ANYONE = {"namespaceSelector": {}}


def allows(*peers, direction="ingress"):
    end = "from" if direction == "ingress" else "to"
    return policy(
        "b/p" if direction == "ingress" else "a/p",
        {"podSelector": {}, "policyTypes": [direction.title()], direction: [{end: list(peers)}]},
    )


WORLD = [
    namespace("a"),
    namespace("b"),
    pod("a/web", "10.0.0.1", [80], node="n1"),
    pod("b/db", "10.0.0.2", [("p80", 80)], node="n1"),
    pod("a/host", "192.168.0.1", [80], node="n1", spec={"hostNetwork": True}),
    pod("b/far", "192.168.0.2", [("far80", 80)], node="n2", spec={"hostNetwork": True}),
]  # fmt: skip
PODS, HOST, TO_HOST = "a/web > b/db:80", "a/host > b/db:80", "a/web > b/far:80"
CALICO, CILIUM, OVN = named("calico"), named("cilium"), named("ovn-kubernetes")
FLANNEL = named("flannel")
ALWAYS = replace(CILIUM, leaves_open=False)
CLOSED = policy("b/p", {"podSelector": {}, "policyTypes": ["Ingress"]})


def opens(*ports, direction="ingress"):
    """A policy that opens ports to everybody."""
    return policy(
        "b/p" if direction == "ingress" else "a/p",
        {"podSelector": {}, "policyTypes": [direction.title()], direction: [{"ports": list(ports)}]},
    )


RANGE = {"port": 80, "endPort": 90}
SEEN = replace(FLANNEL, enforces=None)


def admin_name(action):
    """An admin policy about a named port of nodes."""
    peers, ports = [{"networks": ["192.168.0.0/16"]}], [{"namedPort": "far80"}]
    spec = {"priority": 1, "subject": {"namespaces": {}}, "egress": [{"action": action, "to": peers, "ports": ports}]}
    version = "policy.networking.k8s.io/v1alpha1"
    return {"apiVersion": version, "kind": "AdminNetworkPolicy", "metadata": {"name": "all"}, "spec": spec}


def admin(action):
    """An admin policy for all pods, about all pods."""
    spec = {"priority": 1, "subject": {"namespaces": {}}, "ingress": [{"action": action, "from": [{"namespaces": {}}]}]}
    version = "policy.networking.k8s.io/v1alpha1"
    return {"apiVersion": version, "kind": "AdminNetworkPolicy", "metadata": {"name": "all"}, "spec": spec}


@pytest.mark.parametrize(
    ("objects", "flow", "cni", "expect"),
    [
        # an ipBlock and a pod's address
        (allows(BLOCK), PODS, REFERENCE_CNI, "allow"),
        (allows(BLOCK), PODS, CALICO, "allow"),
        (allows(BLOCK), PODS, CILIUM, "deny"),
        (allows(BLOCK), PODS, UNKNOWN_CNI, "unknown"),
        (allows(ALL), PODS, CILIUM, "deny"),
        (allows(ALL), PODS, UNKNOWN_CNI, "unknown"),
        (allows(ALL, ANYONE), PODS, UNKNOWN_CNI, "allow"),
        (allows({"ipBlock": {"cidr": "10.9.0.0/16"}}), PODS, UNKNOWN_CNI, "deny"),
        (allows({"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.0.0.1/32"]}}), PODS, UNKNOWN_CNI, "deny"),
        (allows(BLOCK, direction="egress"), PODS, UNKNOWN_CNI, "unknown"),
        (allows(BLOCK), "10.9.9.9 > b/db:80", UNKNOWN_CNI, "allow"),
        (allows(BLOCK), "10.9.9.9 > b/db:80", CILIUM, "allow"),
        # a pod on the host network as a source
        (allows(ANYONE), HOST, REFERENCE_CNI, "allow"),
        (allows(ANYONE), HOST, UNKNOWN_CNI, "unknown"),
        (allows(), HOST, CALICO, "allow"),  # from: [] is everybody
        (policy("b/p", {"podSelector": {}, "policyTypes": ["Ingress"]}), HOST, REFERENCE_CNI, "deny"),
        (policy("b/p", {"podSelector": {}, "policyTypes": ["Ingress"]}), HOST, CALICO, "allow"),  # the pod's own node
        (policy("b/p", {"podSelector": {}, "policyTypes": ["Ingress"]}), HOST, UNKNOWN_CNI, "unknown"),
        (policy("b/p", {"podSelector": {}, "policyTypes": ["Ingress"]}), "b/far > b/db:80", CALICO, "deny"),
        (allows(ANYONE), "b/far > b/db:80", CALICO, "deny"),
        (allows({"ipBlock": {"cidr": "192.168.0.0/16"}}), "b/far > b/db:80", CALICO, "allow"),
        (allows({"ipBlock": {"cidr": "192.168.0.0/16"}}), "b/far > b/db:80", CILIUM, "deny"),
        (policy("a/p", {"podSelector": {}, "policyTypes": ["Egress"]}), HOST, REFERENCE_CNI, "deny"),
        (policy("a/p", {"podSelector": {}, "policyTypes": ["Egress"]}), HOST, CALICO, "allow"),
        (policy("a/p", {"podSelector": {}, "policyTypes": ["Egress"]}), HOST, UNKNOWN_CNI, "unknown"),
        # … and as a destination
        (policy("b/p", {"podSelector": {}, "policyTypes": ["Ingress"]}), TO_HOST, REFERENCE_CNI, "deny"),
        (policy("b/p", {"podSelector": {}, "policyTypes": ["Ingress"]}), TO_HOST, CILIUM, "allow"),
        (policy("b/p", {"podSelector": {}, "policyTypes": ["Ingress"]}), TO_HOST, OVN, "unknown"),
        (allows(ANYONE, direction="egress"), TO_HOST, CALICO, "deny"),
        (allows(ANYONE, direction="egress"), TO_HOST, OVN, "unknown"),
        (allows({"podSelector": {"matchLabels": {"app": "x"}}}, direction="egress"), TO_HOST, OVN, "deny"),
        # the admin tiers never select pods on the host network
        (admin("Deny"), HOST, REFERENCE_CNI, "deny"),
        (admin("Deny"), HOST, CALICO, "allow"),
        (admin("Deny"), HOST, UNKNOWN_CNI, "allow"),
        (admin("Deny"), PODS, UNKNOWN_CNI, "deny"),
        # ranges, SCTP and names of ports
        (opens(RANGE), "a/web > b/db:80", CILIUM, "allow"),
        (opens(RANGE), "a/web > b/db:85", CILIUM, "allow"),
        (opens(RANGE), "a/web > b/db:85", UNKNOWN_CNI, "unknown"),
        (opens(RANGE), "a/web > b/db:85", CALICO, "allow"),
        (opens(RANGE), "a/web > b/db:91", CILIUM, "deny"),
        (opens(RANGE, {"port": 85}), "a/web > b/db:85", CILIUM, "allow"),
        (opens(RANGE, direction="egress"), "a/web > b/db:85", CILIUM, "allow"),
        (opens({"port": "p80"}), "a/web > b/db:80", CALICO, "allow"),
        (opens({"port": "p80"}), "a/web > b/db:80", CILIUM, "allow"),
        (opens({"port": "p80"}), "a/web > b/db:81", CILIUM, "deny"),
        (opens({"port": "p80"}), "a/web > b/db:80", OVN, "unknown"),
        (opens({"port": "p80"}), "a/web > b/db:81", OVN, "unknown"),
        (opens({"port": "none"}), "a/web > b/db:81", OVN, "unknown"),
        (opens({"port": "none"}), "a/web > b/db:81", UNKNOWN_CNI, "unknown"),
        (opens({"port": "p80"}, direction="egress"), "a/web > b/db:80", CILIUM, "unknown"),
        (opens({"port": "p80"}, direction="egress"), "a/web > b/db:80", CALICO, "allow"),
        (opens({"port": "far80"}, direction="egress"), TO_HOST, REFERENCE_CNI, "allow"),
        (opens({"port": "far80"}, direction="egress"), TO_HOST, CALICO, "unknown"),  # names are those of pods
        (opens({"port": "far80"}, direction="egress"), TO_HOST, named("kindnet"), "unknown"),
        (opens({"port": "far80"}, {"port": 80}, direction="egress"), TO_HOST, CALICO, "allow"),
        (opens({"port": "other"}, direction="egress"), TO_HOST, CALICO, "deny"),
        (admin_name("Deny"), TO_HOST, REFERENCE_CNI, "deny"),
        (admin_name("Deny"), TO_HOST, CALICO, "unknown"),
        (admin_name("Allow"), TO_HOST, CALICO, "unknown"),
        (opens({"port": 80}), "a/web > b/db:80", OVN, "allow"),
        # whether pods that nothing selects are open
        ([], PODS, ALWAYS, "unknown"),
        (opens({"port": 80}), PODS, ALWAYS, "unknown"),  # its source
        # whether anything is enforced
        (policy("b/p", {"podSelector": {}, "policyTypes": ["Ingress"]}), PODS, FLANNEL, "allow"),
        (policy("b/p", {"podSelector": {}, "policyTypes": ["Ingress"]}), PODS, SEEN, "unknown"),
        (allows(ANYONE), PODS, SEEN, "allow"),
    ],
)  # fmt: skip
def test_a_verdict_follows_the_profile_and_so_does_the_matrix(objects, flow, cni, expect):
    snapshot = snapshot_of(WORLD, objects if isinstance(objects, list) else [objects], cni=cni)
    verdict = judge(snapshot, flow)
    assert verdict.decision.value == expect, [said(step.reason) for step in verdict.steps]
    if expect == "unknown" and not cni.name:
        assert "--cni" in said(verdict.reason)
    source, _, rest = flow.partition(" > ")
    destination, _, port = rest.partition(":")
    if "." not in source:
        matrix = Matrix(snapshot)
        decided = matrix.judge(source, destination, int(port))
        if decided.decision is not Decision.UNKNOWN or not snapshot.pod_by_key[source].host_network:  # the node isn't known there
            assert decided.decision is verdict.decision
            if not snapshot.pod_by_key[source].host_network:
                assert decided.ruling.decider == verdict.decided_by, decider(verdict)
