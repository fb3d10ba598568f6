"""Namespaces that aren't there: what is known holds whatever their labels are, and all pairs at once = one flow at a time."""

import json
import random
import tempfile
from dataclasses import replace
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meshtui.engine import Engine
from meshtui.engine.decision.conclude import decided_of
from meshtui.engine.matrix.matrix import Matrix
from meshtui.engine.matrix.proxied import Proxied
from meshtui.model.cni import REFERENCE_CNI
from meshtui.model.flow import EndpointKind, Flow, FlowEndpoint
from meshtui.model.verdict import Decision
from meshtui.sources.manifests import load_manifests
from tests.reference.clusters import PORTS, Cluster, pod_keys

RELAXED = settings(deadline=None, suppress_health_check=list(HealthCheck))
FOLDER = tempfile.TemporaryDirectory(prefix="meshtui-memberships-")
MESH = ({}, {"istio.io/dataplane-mode": "ambient"}, {"istio-injection": "enabled"}, {"istio-injection": "disabled"})


def snapshot_of(objects):
    Path(FOLDER.name, "all.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))
    return replace(load_manifests([FOLDER.name]), cni=replace(REFERENCE_CNI, name="by address"))


def flows(rng, keys, most):
    found = ((*rng.choices(keys, k=2), rng.choice(PORTS), rng.choice(["TCP", "TCP", "TCP", "UDP"])) for _ in range(most))
    return [flow for flow in found if flow[0] != flow[1]]


def judge(engine, flow):
    ends = [FlowEndpoint(EndpointKind.POD, *key.split("/")) for key in flow[:2]]
    return engine.judge(Flow(*ends, *flow[2:]))


def labelled(rng, name, cluster):
    labels = {**cluster.space_labels(), **rng.choice(MESH)}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


@given(st.integers(0, 2**40))
@settings(RELAXED, max_examples=60)
def test_what_is_known_without_namespaces_holds_for_any_labels(seed):
    rng = random.Random(seed)
    cluster = Cluster(rng, strange=rng.random() < 0.5)
    objects = cluster.objects
    names = sorted(o["metadata"]["name"] for o in objects if o["kind"] == "Namespace")
    gone = {name for name in names if rng.random() < 0.6}
    left = [o for o in objects if o["kind"] != "Namespace" or o["metadata"]["name"] not in gone]
    snapshot = snapshot_of(left)
    engine, matrix = Engine(snapshot), Matrix(snapshot)
    proxied = Proxied(matrix)
    asked = flows(rng, pod_keys(objects), 60)
    known = {}
    for flow in asked:
        verdict = judge(engine, flow)
        one, other = (matrix.class_of(key) for key in flow[:2])
        cell = proxied.whole(one, other, matrix.cell(one, other))
        assert cell.at(*flow[2:]) == decided_of(verdict), flow
        if verdict.decision is not Decision.UNKNOWN:
            known[flow] = verdict.decision
    for _ in range(4):
        whole = Engine(snapshot_of([*left, *(labelled(rng, name, cluster) for name in sorted(gone))]))
        for flow, decision in known.items():
            told = judge(whole, flow).decision
            assert told in {decision, Decision.UNKNOWN} or not snapshot.has_istio, (flow, decision, told)
