"""What findings claim, on random clusters, beside the engine: what selects nothing decides nothing; flows are counted rightly."""

import random
from collections import defaultdict

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meshtui.engine import Engine
from meshtui.engine.matrix.matrix import Matrix
from meshtui.findings import look
from meshtui.model.verdict import Decision
from tests.property.test_matrix import answer, flows, snapshot_of, verdict
from tests.reference.clusters import Cluster, pod_keys

RELAXED = settings(deadline=None, suppress_health_check=list(HealthCheck))
SEEDS = st.integers(0, 2**40)
WITHOUT_EFFECT = {"MT203", "MT308"}
"""Rules that say of their first object that it selects nothing."""


def without(objects, ref):
    kind = ref.kind.partition(".")[0]
    found = [o for o in objects if (o["kind"], o["metadata"]["name"]) == (kind, ref.name)]
    assert len(found) == 1
    return [o for o in objects if o is not found[0]]


@given(SEEDS, st.booleans())
@settings(RELAXED, max_examples=40)
def test_a_policy_that_selects_nothing_can_go_and_nothing_changes(seed, proxies):
    rng = random.Random(seed)
    objects = Cluster(rng, strange=rng.random() < 0.5, proxies=proxies).objects
    snapshot = snapshot_of(objects)
    gone = {f.objects[0] for f in look(snapshot).findings if f.rule in WITHOUT_EFFECT}
    before, asked = Engine(snapshot), flows(rng, pod_keys(objects), 60)
    for ref in gone:
        after = Engine(snapshot_of(without(objects, ref)))
        for flow in asked:
            assert verdict(before, *flow)[:2] == verdict(after, *flow)[:2], (ref, flow)


def test_policies_that_select_nothing_are_met():
    found = defaultdict(int)
    for seed in range(60):
        for finding in look(snapshot_of(Cluster(random.Random(seed)).objects)).findings:
            found[finding.rule] += 1
    assert all(found[rule] > 5 for rule in WITHOUT_EFFECT), dict(found)


@given(SEEDS)
@settings(RELAXED, max_examples=30)
def test_an_open_database_is_reached_by_as_many_workloads_as_it_says(seed):
    rng = random.Random(seed)
    objects = Cluster(rng).objects
    for each in objects:
        if each["kind"] == "Pod" and rng.random() < 0.5:
            each["spec"]["containers"][0]["ports"] = [{"containerPort": 5432}]
    snapshot = snapshot_of(objects)
    matrix = Matrix(snapshot)
    for finding in look(snapshot).findings:
        if finding.rule != "MT208":
            continue
        target = snapshot.workloads[finding.objects[0]].pods
        counts = set()
        for pod in target:
            reaching = [
                source
                for source in snapshot.pods.values()
                if not source.completed and answer(matrix, source.key, pod.key, 5432, "TCP")[0] is Decision.ALLOW
            ]
            counts.add(len({snapshot.owner_of(source) for source in reaching} - {finding.objects[0]}))
        assert finding.flows in counts, finding
