"""Whatever a cluster is like: the path of a flow claims what its verdict says, and nothing else."""

import random
from collections import Counter

import pytest

from meshtui.engine import Engine
from meshtui.engine.path.references import parse_flow
from meshtui.model.errors import UsageError
from meshtui.model.verdict import Decision, StepResult
from meshtui.ui.flow_path import path_of
from meshtui.ui.path_steps import is_undecided
from meshtui.ui.pictures.path import State, draw_path, path_in_words
from tests.fakes.snapshots import snapshot_of
from tests.reference.clusters import Cluster, pod_keys

ENDS = {"source", "destination"}
STATES = {StepResult.PASS: State.PASS, StepResult.BLOCK: State.BLOCK, StepResult.UNKNOWN: State.UNKNOWN}


def flows(rng, objects):
    """Some flows between pods, from and to addresses, and to Services."""
    keys, services = pod_keys(objects), [each for each in objects if each["kind"] == "Service"]
    for _ in range(12):
        source = rng.choice([*keys, "10.0.1.4", "external"])
        if services and rng.random() < 0.4:
            found = rng.choice(services)
            meta, port = found["metadata"], rng.choice(found["spec"]["ports"])["port"]
            yield f"{source} > {meta['namespace']}/svc/{meta['name']}:{port}"
        else:
            yield f"{source} > {rng.choice([*keys, '203.0.113.7'])}:{rng.choice([80, 8080, 9000, 15008])}"


@pytest.mark.parametrize("seed", range(60))
def test_a_path_claims_what_the_verdict_says(seed):
    rng = random.Random(seed)
    cluster = Cluster(rng, strange=True, proxies=bool(seed % 2))
    snapshot = snapshot_of(cluster.objects)
    engine, seen = Engine(snapshot), Counter()
    for text in flows(rng, cluster.objects):
        source, _, destination = text.partition(" > ")
        try:
            flow = parse_flow(source, destination)
            verdict = engine.judge(flow)
        except UsageError:
            continue
        data = path_of(flow, verdict, snapshot)
        differing = [pair.verdict for pair in verdict.pairs if pair.verdict.decision is not Decision.ALLOW]
        shown = differing[0] if differing else verdict
        told = (text, [(s.layer.value, s.where, s.result.value) for s in shown.steps], path_in_words(data).plain())
        seen[shown.decision] += 1
        made = [station for station in data.stations if station.id not in ENDS]
        assert data.breaks == (shown.decision is Decision.DENY), told
        assert (data.stop is None) >= (shown.decision is Decision.ALLOW), told
        for result, state in STATES.items():
            there = sum(station.state is state for station in made)
            families = int(result is StepResult.UNKNOWN and is_undecided(shown))
            assert there <= sum(step.result is result for step in shown.steps) + families, told
        results = {station.state for station in made}
        for result in (StepResult.BLOCK, StepResult.UNKNOWN):
            if any(step.result is result for step in shown.steps) and not is_undecided(shown):
                assert STATES[result] in results or result is StepResult.UNKNOWN, told
        objects = {decider.ref for step in shown.steps for decider in step.objects}
        assert {ref for station in made for ref in station.refs} <= objects, told
        if shown.decision is Decision.DENY and shown.decided_by is not None:
            assert shown.decided_by.ref in data.stations[data.stop].refs, told
        for width in (46, 80, 120, 200):
            draw_path(data, width, rng.randint(1, 30))
    assert seen, "some flow was judged"
