"""What rules claim of NetworkPolicies is what the engine says, flow by flow. On random clusters."""

import itertools
import json
import random
import re

import pytest

from meshtui.engine import Engine
from meshtui.engine.policy.networkpolicy import Direction, NetworkPolicies, peer_matches
from meshtui.findings.context import Context
from meshtui.findings.redundant import redundant
from meshtui.findings.rules import (
    mt301_hbone_closed,
    mt303_egress_missing,
    mt304_ingress_missing,
    mt308_selects_nothing,
    mt309_peer_matches_nothing,
)
from meshtui.model.constants import NETWORK_LAYERS
from meshtui.model.verdict import Decision, Layer
from tests.property.test_matrix import CNIS, snapshot_of, verdict
from tests.reference.clusters import PORTS, Cluster

CLUSTERS = 60
FLOWS = {
    "MT301": (mt301_hbone_closed.RULE, NETWORK_LAYERS),
    "MT303": (mt303_egress_missing.RULE, {Layer.EGRESS_POLICY}),
    "MT304": (mt304_ingress_missing.RULE, {Layer.INGRESS_POLICY}),
}
PLACE = re.compile(r"(ingress|egress)\[(\d+)\]\.(?:from|to)\[(\d+)\]")


def crowded(rng):
    """A cluster with pods that declare the ports that rules name, and with more NetworkPolicies."""
    cluster = Cluster(rng)
    cluster.objects += [cluster.network_policy() for _ in range(5)]
    return cluster


def clusters(start, number):
    for seed in range(start, start + number):
        rng = random.Random(seed)
        yield seed, rng, crowded(rng).objects


@pytest.mark.parametrize("rule", FLOWS)
def test_the_flows_of_a_finding_are_denied_where_it_says(rule, monkeypatch):
    looking, layers = FLOWS[rule]
    counted = []
    count = Context.count
    monkeypatch.setattr(Context, "count", lambda self, flows: count(self, counted.append(list(flows)) or counted[-1]))
    asked = 0
    for seed, rng, objects in clusters(0, CLUSTERS * 8):
        context = Context(snapshot_of(objects, rng.choice(CNIS)))
        counted.clear()
        findings = looking.findings(context)
        assert sum(finding.flows for finding in findings) == sum(count(context, flows) for flows in counted)
        for source, target, port in set(itertools.chain(*counted)):
            for one, other in itertools.product(source.pods, target.pods):
                if one != other:
                    decision, _, layer, *_ = verdict(context.engine, one, other, port, "TCP")
                    assert (decision, layer in layers) == (Decision.DENY, True), (seed, one, other, port)
                    asked += 1
    assert asked > 50


def test_nobody_is_selected_or_named_where_a_finding_says_so():
    told = 0
    for seed, rng, objects in clusters(5000, CLUSTERS * 2):
        snapshot = snapshot_of(objects, rng.choice(CNIS))
        context = Context(snapshot)
        policies = {policy.meta.ref: policy for policy in snapshot.network_policies.values()}
        ends = [context.endpoint(pod) for pod in snapshot.pods.values()]
        network = NetworkPolicies(snapshot)
        for finding in mt308_selects_nothing.RULE.findings(context):
            if finding.objects[0] in policies:
                selecting = (network.selecting(end, direction) for end in ends for direction in Direction)
                assert policies[finding.objects[0]] not in itertools.chain(*selecting), seed
                told += 1
        for finding in mt309_peer_matches_nothing.RULE.findings(context):
            if finding.objects[0] not in policies:  # an admin policy
                continue
            policy = policies[finding.objects[0]]
            direction, rule, peer = PLACE.search(finding.message).groups()
            entry = getattr(policy, direction)[int(rule)].peers[int(peer)]
            assert not any(peer_matches(entry, end, policy.meta.namespace) for end in ends), seed
            told += 1
    assert told > 50


def narrowed(rng, policy, name):
    """A policy with a part of what another one allows, under another name."""
    copy = json.loads(json.dumps(policy))
    copy["metadata"]["name"] = name
    for side in {"ingress", "egress"} & copy["spec"].keys():
        copy["spec"][side] = [rule for rule in copy["spec"][side] if rng.random() < 0.8]
        for rule in copy["spec"][side]:
            if rng.random() < 0.5:
                rule.setdefault("ports", []).append({"port": rng.choice(PORTS)})
    if rng.random() < 0.5:
        copy["spec"]["podSelector"].setdefault("matchLabels", {})["tier"] = rng.choice(["front", "back"])
    return copy


def without(objects, found):
    """The objects without the rules and policies that are redundant."""
    left = []
    by_name = {str(each.policy.meta.ref): each for each in found}
    for made in json.loads(json.dumps(objects)):
        each = by_name.get(f"NetworkPolicy {made['metadata'].get('namespace')}/{made['metadata']['name']}")
        if made["kind"] != "NetworkPolicy" or each is None:
            left.append(made)
            continue
        if not each.places:
            continue
        directions = {each.value.capitalize() for each in Direction if applies_to(made["spec"], each)}
        made["spec"]["policyTypes"] = sorted(directions)
        for direction, index in sorted(each.places, key=lambda place: -place[1]):
            del made["spec"][direction.value][index]
        left.append(made)
    return left


def applies_to(spec, direction):
    default = ["Ingress", *(["Egress"] if spec.get("egress") else [])]
    return direction.value.capitalize() in spec.get("policyTypes", default)


def test_no_verdict_changes_without_what_is_redundant():
    policies, rules, asked = 0, 0, 0
    for seed, rng, objects in clusters(9000, CLUSTERS * 4):
        written = [each for each in objects if each["kind"] == "NetworkPolicy"]
        objects += [narrowed(rng, each, f"copy-{number}") for number, each in enumerate(written)]
        before = snapshot_of(objects, rng.choice(CNIS))
        found = list(redundant(before.network_policies.values(), before.namespace_by_name, before.cni))
        if not found:
            continue
        policies += sum(not each.places for each in found)
        rules += sum(len(each.places) for each in found)
        after = snapshot_of(without(objects, found), before.cni)
        keys = sorted(pod.key for pod in before.pods.values())
        one, other = Engine(before), Engine(after)
        every = list(itertools.product(keys, keys, PORTS, ["TCP", "UDP", "SCTP"]))
        for flow in rng.sample(every, 60):
            assert verdict(one, *flow)[0] == verdict(other, *flow)[0], (seed, flow)
            asked += 1
    assert min(policies, rules) > 50
    assert asked > 5000
