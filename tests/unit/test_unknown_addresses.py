"""Pods without an address, as manifests declare them: a rule about addresses is unknown where it decides, and nowhere else."""

import json

import pytest
import yaml

from meshtui.cli.main import run
from meshtui.engine.explain.wording import in_words as said
from meshtui.engine.matrix.matrix import Matrix
from meshtui.model.cni import REFERENCE_CNI, UNKNOWN_CNI
from tests.fakes.snapshots import ambient, judge, namespace, snapshot_of


def stateful_set(key, port):
    space, _, name = key.partition("/")
    container = {"name": "c", "image": "demo:1", "ports": [{"containerPort": port}]}
    template = {"metadata": {"labels": {"app": name}}, "spec": {"serviceAccountName": name, "containers": [container]}}
    spec = {"replicas": 1, "serviceName": name, "selector": {"matchLabels": {"app": name}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": name, "namespace": space}, "spec": spec}


WORLD = [namespace("a"), namespace("b"), stateful_set("a/web", 80), stateful_set("b/db", 5432)]
ANYWHERE = ["0.0.0.0/0", "::/0"]


def admin(*rules):
    spec = {"priority": 1, "subject": {"namespaces": {}}, "egress": list(rules)}
    return {
        "apiVersion": "policy.networking.k8s.io/v1alpha1",
        "kind": "AdminNetworkPolicy",
        "metadata": {"name": "p"},
        "spec": spec,
    }


def network_policy(*peers, direction="ingress"):
    end = "from" if direction == "ingress" else "to"
    spec = {"podSelector": {}, "policyTypes": [direction.title()], direction: [{end: list(peers)}]}
    metadata = {"name": "p", "namespace": "b" if direction == "ingress" else "a"}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec}


def authorization(action, **source):
    spec = {"action": action, "rules": [{"from": [{"source": source}]}]}
    return {
        "apiVersion": "security.istio.io/v1",
        "kind": "AuthorizationPolicy",
        "metadata": {"name": "p", "namespace": "b"},
        "spec": spec,
    }


def deny(networks):
    return {"action": "Deny", "to": [{"networks": networks}]}


EVERY_POD = {"action": "Allow", "to": [{"namespaces": {}}]}
CASES = {
    "an admin tier that denies every address": (admin(deny(ANYWHERE)), "deny"),  # whichever it gets
    "… every IPv4 address": (admin(deny(["0.0.0.0/0"])), "deny"),
    "… one network": (admin(deny(["10.0.0.0/8"])), "unknown"),
    "… after a rule that surely allows": (admin(EVERY_POD, deny(ANYWHERE)), "allow"),
    "… before one": (admin(deny(["10.0.0.0/8"]), EVERY_POD), "unknown"),
    "… where what follows denies as well": (admin(deny(["10.0.0.0/8"]), {"action": "Deny", "to": [{"namespaces": {}}]}), "deny"),
    "a NetworkPolicy that allows a block": (network_policy({"ipBlock": {"cidr": "10.0.0.0/8"}}), "unknown"),
    "… a block but for a part": (network_policy({"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}), "unknown"),
    "… to a block": (network_policy({"ipBlock": {"cidr": "10.0.0.0/8"}}, direction="egress"), "unknown"),
    "… or every pod": (network_policy({"ipBlock": {"cidr": "10.0.0.0/8"}}, {"namespaceSelector": {}}), "allow"),
    "… other pods only": (network_policy({"podSelector": {"matchLabels": {"app": "x"}}}), "deny"),
}
IN_THE_MESH = {
    "an ALLOW for a block": (authorization("ALLOW", ipBlocks=["10.0.0.0/8"]), "unknown"),
    "a DENY for a block": (authorization("DENY", ipBlocks=["10.0.0.0/8"]), "unknown"),
    "an ALLOW for a block and an identity that isn't the caller's": (
        authorization("ALLOW", ipBlocks=["10.0.0.0/8"], namespaces=["c"]),
        "deny",
    ),
}


@pytest.mark.parametrize(("written", "expected"), CASES.values(), ids=CASES)
def test_a_rule_about_addresses_is_unknown_where_it_decides(written, expected):
    _both_say(snapshot_of(WORLD, [written], cni=UNKNOWN_CNI), expected)


@pytest.mark.parametrize(("written", "expected"), IN_THE_MESH.values(), ids=IN_THE_MESH)
def test_so_is_an_authorization_policy(written, expected):
    meshed = [ambient("a"), ambient("b"), *WORLD[2:]]
    _both_say(snapshot_of(meshed, [written], cni=UNKNOWN_CNI), expected)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (admin(deny(["10.0.0.0/8"])), "allow"),
        (admin(deny(["0.0.0.0/0"])), "deny"),
        (network_policy({"ipBlock": {"cidr": "10.0.0.0/8"}}), "deny"),
        (network_policy({"ipBlock": {"cidr": "0.0.0.0/0"}}), "allow"),
    ],
)
def test_read_literally_it_is_in_no_smaller_block(written, expected):
    _both_say(snapshot_of(WORLD, [written], cni=REFERENCE_CNI), expected)


def test_the_setting_chooses_the_reading(tmp_path, monkeypatch, capsys):
    file = tmp_path / "all.yaml"
    file.write_text(yaml.safe_dump_all([*WORLD, admin(deny(["10.0.0.0/8"]))]))
    for value, expected in (("", "unknown"), ("reference", "allow"), ("calico", "unknown")):
        monkeypatch.setenv("MESHTUI_CNI", value)
        assert run(["explain", "-f", str(file), "a/web-0", "b/db-0:5432", "-o", "json"]) == 0
        assert json.loads(capsys.readouterr().out)["verdict"] == expected


@pytest.mark.parametrize(
    ("cidrs", "block", "expected"),
    [
        ((), "10.0.0.0/8", "unknown"),
        (("10.244.0.0/16",), "10.0.0.0/8", "allow"),
        (("10.244.0.0/16",), "192.168.0.0/16", "deny"),
        (("10.244.0.0/16",), "10.244.1.0/24", "unknown"),
        (("10.244.0.0/16", "fd00::/64"), "10.0.0.0/8", "unknown"),
    ],
)
def test_the_networks_of_pods_settle_what_they_can(cidrs, block, expected, tmp_path, capsys):
    (tmp_path / "all.yaml").write_text(yaml.safe_dump_all([*WORLD, network_policy({"ipBlock": {"cidr": block}})]))
    given = [word for cidr in cidrs for word in ("--pod-cidr", cidr)]
    words = ["explain", "-f", str(tmp_path), "--cni", "calico", *given, "a/web-0", "b/db-0:5432", "-o", "json"]
    assert run(words) == 0
    assert json.loads(capsys.readouterr().out)["verdict"] == expected
    assert run(["matrix", "-f", str(tmp_path), "--cni", "calico", *given, "--by", "pod", "-o", "json"]) == 0
    (pair,) = [each for each in json.loads(capsys.readouterr().out) if (each["from"], each["to"]) == ("a/web-0", "b/db-0")]
    assert {answer["verdict"] for answer in pair["answers"]} == {expected}


def test_what_is_no_cidr_is_said(tmp_path, capsys):
    (tmp_path / "all.yaml").write_text(yaml.safe_dump_all(WORLD))
    assert run(["matrix", "-f", str(tmp_path), "--pod-cidr", "10.244"]) == 2
    assert "'10.244' is no CIDR" in capsys.readouterr().err


def _both_say(snapshot, expected):
    """One flow and all pairs; an unknown one names the policy and says that the address is missing."""
    verdict = judge(snapshot, "a/web-0 > b/db-0:5432")
    assert verdict.decision.value == expected
    assert Matrix(snapshot).judge("a/web-0", "b/db-0", 5432).decision.value == expected
    if expected == "unknown":
        assert any(decider.ref.name == "p" for step in verdict.steps for decider in step.objects)
        assert "address" in said(verdict.reason)
