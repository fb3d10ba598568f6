"""All pairs at once = one flow at a time = a slow, obvious reference; kept up to date = from scratch. On random clusters."""

import itertools
import json
import random
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meshtui.engine import Engine
from meshtui.engine.matrix.matrix import Matrix
from meshtui.engine.matrix.proxied import Proxied
from meshtui.model.flow import EndpointKind, Flow, FlowEndpoint
from meshtui.model.snapshot import KindState, KindStatus
from meshtui.model.verdict import Decision, Layer
from meshtui.sources.manifests import load_manifests
from tests.reference.clusters import PORTS, PROTOCOLS, Cluster, pod_keys
from tests.reference.matcher import Reference

RELAXED = settings(deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
SEEDS = st.integers(0, 2**40)


FOLDER = tempfile.TemporaryDirectory(prefix="meshtui-matrix-")


def snapshot_of(objects):
    """Always read from the same file, so that what didn't change is equal to what it was."""
    Path(FOLDER.name, "all.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))
    snapshot = load_manifests([FOLDER.name])
    assert not snapshot.problems
    return snapshot


def verdict(engine, source, destination, port, protocol):
    ends = [FlowEndpoint(EndpointKind.POD, *key.split("/")) for key in (source, destination)]
    v = engine.judge(Flow(*ends, port, protocol))
    return v.decision, v.outcome, v.layer, v.decided_by


def answer(matrix, source, destination, port, protocol):
    d = matrix.judge(source, destination, port, protocol)
    return d.decision, d.ruling.outcome, d.ruling.layer, d.ruling.decider


def flows(rng, keys, most):
    every = list(itertools.product(keys, keys, PORTS, ["TCP", "UDP", "SCTP"]))
    return rng.sample(every, min(most, len(every)))


@pytest.mark.parametrize("batch", range(4))
def test_the_matrix_agrees_with_the_reference_on_100_000_flows(batch):
    """Twenty-five thousand flows in each of four batches, on forty clusters each."""
    asked, said = 0, set()
    for seed in range(batch * 40, batch * 40 + 40):
        rng = random.Random(seed)
        objects = Cluster(rng).objects
        matrix, reference = Matrix(snapshot_of(objects)), Reference(objects)
        for flow in flows(rng, pod_keys(objects), 700):
            assert matrix.judge(*flow).decision.value == reference.judge(*flow), (seed, flow)
            said.add((matrix.judge(*flow).decision, matrix.judge(*flow).ruling.layer))
            asked += 1
    assert asked > 25_000
    assert len(said) >= 10  # allowed by nobody, and allowed or denied by nearly each of five layers


@given(SEEDS)
@settings(RELAXED, max_examples=100)
def test_the_matrix_agrees_with_the_engine_down_to_the_deciding_rule(seed):
    rng = random.Random(seed)
    objects = Cluster(rng, strange=True).objects
    snapshot = replace(snapshot_of(objects), live=rng.random() < 0.3)
    if rng.random() < 0.1:
        kind = rng.choice(["NetworkPolicy", "AuthorizationPolicy", "PeerAuthentication"])
        snapshot = replace(snapshot, kinds={kind: KindState(KindStatus.FORBIDDEN)})
    matrix, engine = Matrix(snapshot), Engine(snapshot)
    pods = {pod.key: engine.endpoint(pod) for pod in snapshot.pods.values()}
    for flow in flows(rng, pod_keys(objects), 400):
        said = answer(matrix, *flow)
        unsure = said[0] is Decision.UNKNOWN and flow[3] == "TCP" and engine.has_proxy(pods[flow[0]], pods[flow[1]])
        assert unsure or said == verdict(engine, *flow), flow  # all pairs at once leaves proxies to the engine


@given(SEEDS)
@settings(RELAXED, max_examples=60)
def test_pairs_behind_proxies_have_the_engines_word_on_every_port(seed):
    rng = random.Random(seed)
    objects = Cluster(rng, strange=True).objects
    snapshot = snapshot_of(objects)
    matrix, engine = Matrix(snapshot), Engine(snapshot)
    proxied = Proxied(matrix)
    rows = {source.number: row for source, row in proxied.rows()}
    assert proxied.left == 0
    for source, destination, port, protocol in flows(rng, pod_keys(objects), 200):
        if source == destination:
            continue
        cell = rows[matrix.class_of(source).number][matrix.class_of(destination).number]
        tried = {port, rng.randint(1, 65535), *(rng.choice(cell.tcp).first for _ in range(2)), rng.choice(cell.tcp).last}
        for number in tried:
            d = cell.at(number, protocol)
            said = (d.decision, d.ruling.outcome, d.ruling.layer, d.ruling.decider)
            assert said == verdict(engine, source, destination, number, protocol), (source, destination, number)


def test_what_is_too_much_to_ask_stays_unknown_and_is_counted():
    for seed in range(60):
        matrix = Matrix(snapshot_of(Cluster(random.Random(seed), strange=True).objects))
        proxied = Proxied(matrix, most=0)
        unsure = 0
        for (_, row), (_, before) in zip(proxied.rows(), matrix.rows(), strict=True):
            assert list(row) == list(before)
            unsure += sum(
                len(cell.tcp) == 1 and cell.tcp[0].decided.ruling.layer in {Layer.WAYPOINT, Layer.SIDECAR} for cell in row
            )
        assert proxied.left <= unsure
        if proxied.left:
            return
    raise AssertionError("no proxies anywhere: this tests nothing")


def test_only_pairs_in_scope_are_asked_about():
    for seed in range(60):
        matrix = Matrix(snapshot_of(Cluster(random.Random(seed), strange=True).objects))
        everywhere, nowhere = Proxied(matrix), Proxied(matrix, lambda *_: False)
        if [list(row) for _, row in everywhere.rows()] != [list(row) for _, row in matrix.rows()]:
            assert [list(row) for _, row in nowhere.rows()] == [list(row) for _, row in matrix.rows()]
            assert nowhere.left == 0
            return
    raise AssertionError("no proxies anywhere: this tests nothing")


@given(SEEDS)
@settings(RELAXED, max_examples=40)
def test_rows_columns_and_cells_say_the_same(seed):
    matrix = Matrix(snapshot_of(Cluster(random.Random(seed), strange=True).objects))
    rows = {source.number: list(row) for source, row in matrix.rows()}
    assert set(rows) == {member.number for member in matrix.classes}
    for source, destination in itertools.product(matrix.classes, repeat=2):
        cell = matrix.cell(source, destination)
        assert rows[source.number][destination.number] is cell
        assert matrix.row(source)[destination.number] is cell
        assert matrix.column(destination)[source.number] is cell
        for protocol in PROTOCOLS:
            segments = cell.of(protocol)
            assert [segments[0].first, segments[-1].last] == [1, 65535]
            assert all(a.last + 1 == b.first and a.decided != b.decided for a, b in itertools.pairwise(segments))


@given(SEEDS)
@settings(RELAXED, max_examples=40)
def test_the_order_of_objects_changes_nothing(seed):
    rng = random.Random(seed)
    objects = Cluster(rng, strange=True).objects
    shuffled = rng.sample(objects, len(objects))
    one, other = Matrix(snapshot_of(objects)), Matrix(snapshot_of(shuffled))
    for flow in flows(rng, pod_keys(objects), 200):
        assert answer(one, *flow) == answer(other, *flow)


def changed(rng, objects, cluster):
    """The objects after one random change: something comes, goes, or is written anew."""
    makers = {
        "Pod": cluster.pod,
        "NetworkPolicy": cluster.network_policy,
        "AuthorizationPolicy": cluster.authorization_policy,
        "AdminNetworkPolicy": cluster.admin_policy,
        "Gateway": lambda: cluster.waypoint("a"),
    }
    match rng.randint(0, 5):
        case 0 | 1:
            return [*objects, makers[rng.choice(["Pod", "Pod", "NetworkPolicy", "AuthorizationPolicy", "AdminNetworkPolicy"])]()]
        case 2:
            there = [o for o in objects if o["kind"] != "Namespace"]
            gone = rng.choice(there)
            return [o for o in objects if o is not gone]
        case 3:
            place = rng.choice([i for i, o in enumerate(objects) if o["kind"] == "Namespace"])
            fields = {"metadata": {**objects[place]["metadata"], "labels": cluster.space_labels()}}
        case _:
            place = rng.choice([i for i, o in enumerate(objects) if o["kind"] in makers])
            new = makers[objects[place]["kind"]]()
            fields = {"spec": new["spec"]}
            if objects[place]["kind"] == "Pod":
                fields |= {
                    "metadata": {**objects[place]["metadata"], "labels": new["metadata"]["labels"]},
                    "status": new["status"],
                }
                if rng.random() < 0.2:
                    fields["status"] = {**new["status"], "phase": "Succeeded"}
    return [*objects[:place], {**objects[place], **fields}, *objects[place + 1 :]]


@given(SEEDS)
@settings(RELAXED, max_examples=60)
def test_kept_up_to_date_equals_from_scratch(seed):
    rng = random.Random(seed)
    cluster = Cluster(rng, strange=True)
    objects, snapshot = cluster.objects, snapshot_of(cluster.objects)
    matrix = Matrix(snapshot)
    for _ in range(12):
        objects = changed(rng, objects, cluster)
        newer = snapshot_of(objects)
        if rng.random() < 0.7:  # as a watch gives it: what didn't change stays the same object
            kept = {
                name: carried(getattr(snapshot, name), getattr(newer, name))
                for name in ("pods", "namespaces", "network_policies")
            }
            newer = replace(newer, **kept)
        before = answers(matrix)
        touched = matrix.update(newer)
        fresh = Matrix(newer)
        assert answers(matrix) == answers(fresh)
        assert told(matrix, touched, before)
        snapshot = newer


def carried(old, new):
    return {uid: old[uid] if old.get(uid) == item else item for uid, item in new.items()}


def answers(matrix):
    """Every pair's segments, by pod names."""
    found = {}
    for source, row in matrix.rows():
        for target in matrix.classes:
            for a, b in itertools.product(source.pods, target.pods):
                cell = row[target.number]
                found[a, b] = (cell.tcp, cell.udp, cell.sctp)
    return found


def told(matrix, touched, before):
    """Whether an update named every pair whose answer it changed: by its classes, or by a pod that moved."""
    named = {(a.number, b.number) for a, b, _ in matrix.touched_cells(touched)}
    differ = [pair for pair, cells in answers(matrix).items() if before.get(pair) != cells]
    return all({a, b} & touched.moved or (matrix.class_of(a).number, matrix.class_of(b).number) in named for a, b in differ)


@pytest.mark.parametrize("many", [0, 10**6], ids=["rows together", "rows one by one"])
def test_what_an_update_touched_has_the_new_cells_however_they_are_worked_out(many, monkeypatch):
    monkeypatch.setattr("meshtui.engine.matrix.matrix._MANY_ROWS", many)
    for seed in range(40):
        rng = random.Random(seed)
        cluster = Cluster(rng)
        matrix = Matrix(snapshot_of(cluster.objects))
        touched = matrix.update(snapshot_of(changed(rng, cluster.objects, cluster)))
        for source, target, cell in matrix.touched_cells(touched):
            assert cell is matrix.cell(source, target)
