"""What a change opens and closes, against asking the engine about every pair twice."""

import itertools
import random
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from meshtui.engine import Engine
from meshtui.engine.matrix.matrix import Matrix
from meshtui.engine.whatif.compare import compare
from meshtui.engine.whatif.overlay import overlaid
from meshtui.engine.whatif.shifts import What, what_of
from meshtui.model.verdict import Decision
from tests.fakes.snapshots import snapshot_of
from tests.property.test_matrix import changed
from tests.reference.clusters import PORTS, Cluster, pod_keys

SEEDS = st.integers(0, 10**6)
MIRRORED = {
    What.OPENED: What.CLOSED,
    What.CLOSED: What.OPENED,
    What.UNSURE: What.SETTLED,
    What.SETTLED: What.UNSURE,
}
"""Each shift, and that of the change in the reverse direction."""
RELAXED = settings(deadline=None, suppress_health_check=list(HealthCheck))


def edited(seed, *, strange=True, steps=3):
    """A cluster before and after a few random changes."""
    rng = random.Random(seed)
    cluster = Cluster(rng, strange=strange)
    objects = cluster.objects
    for _ in range(rng.randint(1, steps)):
        objects = changed(rng, objects, cluster)
    return rng, cluster.objects, objects


def newest(objects):
    """The last object of each kind, namespace and name."""
    return list({(o["kind"], o["metadata"].get("namespace"), o["metadata"]["name"]): o for o in objects}.values())


def covering(comparison):
    """What was said of a flow between pods, by (source, destination, port, protocol)."""
    table = {}
    for shift in comparison.shifts:
        if shift.flow is None:
            table.setdefault((shift.source, shift.destination), []).append(shift)

    def said(source, destination, port, protocol):
        found = [
            shift.what
            for shift in table.get((source, destination), ())
            for name, ranges in shift.ports
            if name == protocol and any(first <= port <= last for first, last in ranges)
        ]
        assert len(found) <= 1, "one flow between two pods, and two answers"
        return found[0] if found else None

    return said


def decision(engine, source, destination, port, protocol):
    pods = engine.snapshot.pod_by_key
    if source not in pods or destination not in pods or pods[source].completed or pods[destination].completed:
        return None
    return engine.between(engine.endpoint(pods[source]), engine.endpoint(pods[destination]), port, protocol).decision


@given(SEEDS)
@example(30953)  # a gateway's policies change
@settings(RELAXED, max_examples=80)
def test_it_says_what_the_engine_says_of_every_pair(seed):
    rng, one, other = edited(seed)
    before, after = snapshot_of(one), snapshot_of(other)
    comparison = compare(before, after, by="pod")
    assert all(shift.source != shift.destination for shift in comparison.shifts)  # a pod always reaches itself
    said, old, new = covering(comparison), Engine(before), Engine(after)
    keys = sorted({*pod_keys(one), *pod_keys(other)})
    every = [f for f in itertools.product(keys, keys, PORTS, ["TCP", "UDP", "SCTP"]) if f[0] != f[1]]
    for flow in rng.sample(every, min(500, len(every))):
        assert said(*flow) is what_of(decision(old, *flow), decision(new, *flow)), flow


@given(SEEDS)
@settings(RELAXED, max_examples=30)
def test_by_workload_a_shift_stands_there_when_some_pair_of_pods_has_it(seed):
    _, one, other = edited(seed)
    before, after = snapshot_of(one), snapshot_of(other)
    by_pod, by_workload = compare(before, after, by="pod"), compare(before, after)
    named = {f"{pod.namespace}/Pod/{pod.name}": pod.key for pod in (*before.pods.values(), *after.pods.values())}
    grouped = {(named[s.source], named[s.destination], s.what, s.ports) for s in by_workload.shifts if s.flow is None}
    assert grouped == {(s.source, s.destination, s.what, s.ports) for s in by_pod.shifts if s.flow is None}


@given(SEEDS)
@settings(RELAXED, max_examples=30)
def test_backwards_it_is_the_mirror_image(seed):
    _, one, other = edited(seed)
    before, after = snapshot_of(one), snapshot_of(other)
    forth, back = compare(before, after).shifts, compare(after, before).shifts
    turned = {replace(s, what=MIRRORED[s.what], before=s.after, after=s.before) for s in back}
    assert set(forth) == turned
    assert len(forth) == len(back)


@given(SEEDS)
@settings(RELAXED, max_examples=30)
def test_nothing_changed_is_nothing(seed):
    _, objects, _ = edited(seed)
    assert compare(snapshot_of(objects), snapshot_of(objects)).shifts == ()


@given(SEEDS)
@settings(RELAXED, max_examples=30)
def test_a_matrix_that_is_already_there_gives_the_same_answer(seed):
    rng, one, other = edited(seed)
    before, after = snapshot_of(one), snapshot_of(other)
    known = Matrix(snapshot_of(newest(changed(rng, one, Cluster(random.Random(seed))))))
    known.update(before)
    assert compare(before, after, known=known) == compare(before, after)


@given(SEEDS)
@settings(RELAXED, max_examples=25)
def test_laying_manifests_over_is_the_same_as_having_them_there(seed):
    """Objects that come or are edited: the overlay of the edited ones is the cluster that holds them."""
    rng = random.Random(seed)
    cluster = Cluster(rng, strange=True)
    new = [*cluster.objects]
    edits = []
    for _ in range(3):
        place = rng.choice([i for i, o in enumerate(new) if o["kind"] in {"NetworkPolicy", "AuthorizationPolicy"}] or [0])
        if new[place]["kind"] == "Namespace":
            made = cluster.network_policy()
        else:
            maker = cluster.network_policy if new[place]["kind"] == "NetworkPolicy" else cluster.authorization_policy
            made = {**new[place], "spec": maker()["spec"]}
            new.pop(place)
        new.append(made)
        edits.append(made)
    before = snapshot_of(cluster.objects)
    whole, laid = snapshot_of(new), overlaid(before, snapshot_of(newest(edits)))
    assert laid.pods == before.pods
    assert {p.meta.ref: p.rules for p in laid.authorization_policies.values()} == {
        p.meta.ref: p.rules for p in whole.authorization_policies.values()
    }
    assert set(compare(before, laid).shifts) == set(compare(before, whole).shifts)


def test_too_many_to_ask_about_are_counted_and_not_guessed():
    for seed in range(80):
        _, one, other = edited(seed)
        before, after = snapshot_of(one), snapshot_of(other)
        some, asked = compare(before, after, most=0), compare(before, after)
        said = [text for text in some.left_out if "behind proxies" in text]
        assert not any("behind proxies" in text for text in asked.left_out)
        between = {s for s in some.shifts if s.flow is None}
        assert {(s.source, s.destination) for s in between} <= {(s.source, s.destination) for s in asked.shifts}
        if said:
            return
    raise AssertionError("no proxies anywhere: this tests nothing")


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("deny", "allow", What.OPENED),
        ("deny", "mixed", What.OPENED),
        ("mixed", "allow", What.OPENED),
        (None, "allow", What.OPENED),
        ("allow", "deny", What.CLOSED),
        ("allow", None, What.CLOSED),
        ("deny", "unknown", What.UNSURE),
        (None, "unknown", What.UNSURE),
        ("unknown", "allow", What.SETTLED),
        ("deny", None, None),
        ("deny", "deny", None),
        ("unknown", "unknown", None),
    ],
)
def test_what_a_change_of_decision_means(before, after, expected):
    one, other = (Decision(word) if word else None for word in (before, after))
    assert what_of(one, other) is expected
    back = what_of(other, one)
    assert back is (MIRRORED[expected] if expected else None)
