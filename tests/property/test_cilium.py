"""Cilium's policies on random clusters: all pairs = one flow at a time, kept up to date = from scratch."""

import random
from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meshtui.cni import named
from meshtui.engine import Engine
from meshtui.engine.matrix.matrix import Matrix
from meshtui.engine.policy.own import own_policies
from meshtui.model.cni import HostPods
from meshtui.model.verdict import Decision
from tests.property.test_matrix import answer, answers, flows, snapshot_of, told, verdict
from tests.reference.cilium import Cilium, as_cilium
from tests.reference.clusters import Cluster, pod_keys

RELAXED = settings(deadline=None, suppress_health_check=list(HealthCheck))
SEEDS = st.integers(0, 2**40)
CILIUM = named("cilium")


def world(seed, *, strange=False):
    rng = random.Random(seed)
    cluster = Cluster(rng, strange=strange)
    cilium = Cilium(cluster)
    return rng, cilium, [*cluster.objects, *cilium.objects()]


@given(SEEDS)
@settings(RELAXED, max_examples=150)
def test_the_matrix_agrees_with_the_engine_down_to_the_deciding_rule(seed):
    rng, _, objects = world(seed, strange=random.Random(seed).random() < 0.5)
    snapshot = replace(snapshot_of(objects, CILIUM), live=rng.random() < 0.3)
    assert own_policies(snapshot) is not None
    matrix, engine = Matrix(snapshot), Engine(snapshot)
    for flow in flows(rng, pod_keys(objects), 300):
        cell = None if flow[0] == flow[1] else matrix.cell(matrix.class_of(flow[0]), matrix.class_of(flow[1]))
        left = cell is not None and cell.open is not None and flow[3] in cell.open.left.protocols
        said, wanted = answer(matrix, *flow), verdict(engine, *flow)
        if engine.endpoint(snapshot.pod_by_key[flow[0]]).host_pods is not HostPods.POD:  # it may be on the destination's node
            assert left or said[0] in {wanted[0], Decision.UNKNOWN}, flow
        else:
            assert left or said == wanted, flow


@given(SEEDS)
@settings(RELAXED, max_examples=60)
def test_kept_up_to_date_equals_from_scratch(seed):
    rng, cilium, objects = world(seed)
    matrix = Matrix(snapshot_of(objects, CILIUM))
    for _ in range(8):
        objects = changed(rng, cilium, objects)
        newer = snapshot_of(objects, CILIUM)
        before = answers(matrix)
        touched = matrix.update(newer)
        assert answers(matrix) == answers(Matrix(newer))
        assert told(matrix, touched, before)


def changed(rng, cilium, objects):
    """The objects after one random change."""
    makers = [cilium.cluster.pod, cilium.cluster.network_policy, cilium.policy]
    match rng.randint(0, 3):
        case 0:
            return [*objects, rng.choice(makers)()]
        case 1:
            gone = rng.choice([o for o in objects if o["kind"] != "Namespace"])
            return [o for o in objects if o is not gone]
        case 2:
            place = rng.choice([i for i, o in enumerate(objects) if o["kind"] == "Namespace"])
            fields = {"metadata": {**objects[place]["metadata"], "labels": rng.choice([{}, {"team": "x"}, {"team": "y"}])}}
        case _:
            place = rng.choice([i for i, o in enumerate(objects) if o["kind"] == "Pod"])
            fields = {"metadata": {**objects[place]["metadata"], "labels": cilium.cluster.pod()["metadata"]["labels"]}}
    return [*objects[:place], {**objects[place], **fields}, *objects[place + 1 :]]


@given(SEEDS)
@settings(RELAXED, max_examples=60)
def test_the_order_of_objects_changes_nothing(seed):
    rng, _, objects = world(seed)
    one, other = (Matrix(snapshot_of(each, CILIUM)) for each in (objects, rng.sample(objects, len(objects))))
    for flow in flows(rng, pod_keys(objects), 200):
        assert answer(one, *flow) == answer(other, *flow), flow


@given(SEEDS)
@settings(RELAXED, max_examples=80)
def test_a_networkpolicy_written_as_ciliums_decides_the_same(seed):
    rng = random.Random(seed)
    objects = [o for o in Cluster(rng).objects if not o["kind"].endswith("AdminNetworkPolicy")]
    written = [as_cilium(o) if o["kind"] == "NetworkPolicy" and rng.random() < 0.6 else o for o in objects]
    one, other = Matrix(snapshot_of(objects, CILIUM)), Matrix(snapshot_of(written, CILIUM))
    for flow in flows(rng, pod_keys(objects), 200):
        before, after = answer(one, *flow)[0], answer(other, *flow)[0]
        assert before is after or Decision.UNKNOWN in {before, after}, flow
