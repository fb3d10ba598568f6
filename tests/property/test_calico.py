"""Calico's policies on random clusters: all pairs = one flow at a time, kept up to date = from scratch, and laws."""

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
from tests.reference.calico import Calico, as_calico
from tests.reference.clusters import Cluster, pod_keys

RELAXED = settings(deadline=None, suppress_health_check=list(HealthCheck))
SEEDS = st.integers(0, 2**40)
CALICO = named("calico")
IDLE = {  # a GlobalNetworkPolicy might select nodes, and so decide for pods on the host network
    "apiVersion": "projectcalico.org/v3",
    "kind": "NetworkPolicy",
    "metadata": {"name": "default.idle", "namespace": "a"},
    "spec": {"tier": "default", "selector": "has(nobody)", "types": ["Ingress", "Egress"], "order": 5},
}


def world(seed, *, strange=False):
    rng = random.Random(seed)
    cluster = Cluster(rng, strange=strange)
    calico = Calico(cluster)
    return rng, calico, [*cluster.objects, *calico.objects()]


@given(SEEDS)
@settings(RELAXED, max_examples=150)
def test_the_matrix_agrees_with_the_engine_down_to_the_deciding_rule(seed):
    rng, _, objects = world(seed, strange=random.Random(seed).random() < 0.5)
    snapshot = replace(snapshot_of(objects, CALICO), live=rng.random() < 0.3)
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
    rng, calico, objects = world(seed)
    snapshot = snapshot_of(objects, CALICO)
    matrix = Matrix(snapshot)
    for _ in range(8):
        objects = changed(rng, calico, objects)
        newer = snapshot_of(objects, CALICO)
        before = answers(matrix)
        touched = matrix.update(newer)
        assert answers(matrix) == answers(Matrix(newer))
        assert told(matrix, touched, before)


def changed(rng, calico, objects):
    """The objects after one random change."""
    makers = {
        "Pod": calico.cluster.pod,
        "NetworkPolicy": calico.cluster.network_policy,
        "GlobalNetworkPolicy": calico.policy,
        "NetworkSet": calico.network_set,
    }
    match rng.randint(0, 3):
        case 0:
            return [*objects, makers[rng.choice(list(makers))]()]
        case 1:
            gone = rng.choice([o for o in objects if o["kind"] != "Namespace"])
            return [o for o in objects if o is not gone]
        case 2:
            place = rng.choice([i for i, o in enumerate(objects) if o["kind"] in {"Namespace", "ServiceAccount"}])
            labels = rng.choice([{}, {"team": "x"}, {"trust": "high"}, {"trust": "low", "team": "y"}])
            fields = {"metadata": {**objects[place]["metadata"], "labels": labels}}
        case _:
            place = rng.choice([i for i, o in enumerate(objects) if o["kind"] == "Pod"])
            fields = {"metadata": {**objects[place]["metadata"], "labels": calico.cluster.pod()["metadata"]["labels"]}}
    return [*objects[:place], {**objects[place], **fields}, *objects[place + 1 :]]


@given(SEEDS)
@settings(RELAXED, max_examples=80)
def test_without_policies_of_its_own_calico_reads_the_others_as_before(seed):
    """NetworkPolicies and the admin tiers as tiers of Calico's = as they are without; a Pass that may be is no doubt there."""
    rng = random.Random(seed)
    objects = Cluster(rng).objects
    plain, tiered = Engine(snapshot_of(objects, CALICO)), Engine(snapshot_of([*objects, IDLE], CALICO))
    for flow in flows(rng, pod_keys(objects), 200):
        before = verdict(plain, *flow)
        assert before[0] is Decision.UNKNOWN or before[:2] == verdict(tiered, *flow)[:2], flow


@given(SEEDS)
@settings(RELAXED, max_examples=60)
def test_a_policy_that_selects_nothing_changes_nothing_and_neither_does_the_order_of_objects(seed):
    rng, _, objects = world(seed)
    one = Matrix(snapshot_of(objects, CALICO))
    other = Matrix(snapshot_of([IDLE, *rng.sample(objects, len(objects))], CALICO))
    for flow in flows(rng, pod_keys(objects), 200):
        assert answer(one, *flow) == answer(other, *flow), flow


@given(SEEDS)
@settings(RELAXED, max_examples=80)
def test_a_networkpolicy_written_as_calicos_decides_the_same(seed):
    rng = random.Random(seed)
    objects = [o for o in Cluster(rng).objects if not o["kind"].endswith("AdminNetworkPolicy")]
    written = [as_calico(o) if o["kind"] == "NetworkPolicy" and rng.random() < 0.6 else o for o in objects]
    one, other = Matrix(snapshot_of(objects, CALICO)), Matrix(snapshot_of(written, CALICO))
    for flow in flows(rng, pod_keys(objects), 200):
        assert answer(one, *flow)[0] is answer(other, *flow)[0], flow
