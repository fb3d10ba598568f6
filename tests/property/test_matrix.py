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

from meshtui.cni import named
from meshtui.engine import Engine
from meshtui.engine.decision.conclude import decided_of
from meshtui.engine.decision.ruling import agreement
from meshtui.engine.matrix.groups import groups_of, pairs, through_services
from meshtui.engine.matrix.left import Left, left_to_engine
from meshtui.engine.matrix.matrix import Matrix
from meshtui.engine.matrix.proxied import Memo, Proxied
from meshtui.model.cni import REFERENCE_CNI, UNKNOWN_CNI, HostPods
from meshtui.model.flow import EndpointKind, Flow, FlowEndpoint
from meshtui.model.snapshot import KindState, KindStatus
from meshtui.model.verdict import Decision, Layer
from meshtui.sources.manifests import load_manifests
from tests.reference.clusters import PORTS, PROTOCOLS, Cluster, pod_keys
from tests.reference.matcher import Reference

RELAXED = settings(deadline=None, suppress_health_check=list(HealthCheck))
SEEDS = st.integers(0, 2**40)


FOLDER = tempfile.TemporaryDirectory(prefix="meshtui-matrix-")


BY_ADDRESS = replace(REFERENCE_CNI, name="by address")
"""Blocks match by address, also those of pods whose address isn't known."""


CNIS = [
    *[BY_ADDRESS] * 4,
    REFERENCE_CNI,
    UNKNOWN_CNI,
    *(named(name) for name in ("calico", "cilium", "antrea", "flannel", "ovn-kubernetes", "gke-dataplane-v2")),
    replace(REFERENCE_CNI, enforces=None),
]


def snapshot_of(objects, cni=BY_ADDRESS):
    """Always read from the same file, so that what didn't change is equal to what it was."""
    Path(FOLDER.name, "all.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))
    snapshot = load_manifests([FOLDER.name])
    assert not snapshot.problems
    return replace(snapshot, cni=cni)


def verdict(engine, source, destination, port, protocol, http=None):
    ends = [FlowEndpoint(EndpointKind.POD, *key.split("/")) for key in (source, destination)]
    d = decided_of(engine.judge(Flow(*ends, port, protocol, http)))
    return d.decision, d.ruling.outcome, d.ruling.layer, d.ruling.decider, d.ruling.on_request


def answer(matrix, source, destination, port, protocol):
    d = matrix.judge(source, destination, port, protocol)
    return d.decision, d.ruling.outcome, d.ruling.layer, d.ruling.decider, d.ruling.on_request


def flows(rng, keys, most):
    every = list(itertools.product(keys, keys, PORTS, ["TCP", "UDP", "SCTP"]))
    return rng.sample(every, min(most, len(every)))


@pytest.mark.parametrize("batch", range(4))
def test_the_matrix_agrees_with_the_reference_on_100_000_flows(batch):
    """Twenty-five thousand flows in each of four batches, on forty clusters each."""
    asked, unsure, varying, said = 0, 0, 0, set()
    for seed in range(batch * 40, batch * 40 + 40):
        rng = random.Random(seed)
        objects = Cluster(rng).objects
        matrix, reference = Matrix(snapshot_of(objects)), Reference(objects)
        for flow in flows(rng, pod_keys(objects), 700):
            decision, possible = matrix.judge(*flow).decision, reference.possible(*flow)
            unsure += decision is Decision.UNKNOWN
            if decision is Decision.UNKNOWN:  # only of a pod whose address isn't known, and which rules of addresses concern
                assert any(reference.address(reference.pods[key]) is None for key in flow[:2]), (seed, flow)
            else:
                assert possible == {decision.value}, (seed, flow)
            varying += len(possible) > 1
            said.add((matrix.judge(*flow).decision, matrix.judge(*flow).ruling.layer))
            asked += 1
    assert asked > 25_000
    assert varying <= unsure < 2 * varying, "unknown is said where addresses decide, and seldom elsewhere"
    assert len(said) >= 10  # allowed by nobody, and allowed or denied by nearly each of five layers


@given(SEEDS)
@settings(RELAXED, max_examples=100)
def test_the_matrix_agrees_with_the_engine_down_to_the_deciding_rule(seed):
    rng = random.Random(seed)
    objects = Cluster(rng, strange=True).objects
    cni = rng.choice(CNIS)
    snapshot = replace(snapshot_of(objects, cni), live=rng.random() < 0.3)
    if rng.random() < 0.1:
        kind = rng.choice(["NetworkPolicy", "AuthorizationPolicy", "PeerAuthentication"])
        snapshot = replace(snapshot, kinds={kind: KindState(KindStatus.FORBIDDEN)})
    matrix, engine = Matrix(snapshot), Engine(snapshot)
    for flow in flows(rng, pod_keys(objects), 400):
        cell = None if flow[0] == flow[1] else matrix.cell(matrix.class_of(flow[0]), matrix.class_of(flow[1]))
        left = cell is not None and cell.open is not None and flow[3] in cell.open.left.protocols
        said, wanted = answer(matrix, *flow), verdict(engine, *flow)
        if engine.endpoint(snapshot.pod_by_key[flow[0]]).host_pods is not HostPods.POD:  # it may be on the destination's node
            assert left or said[0] in {wanted[0], Decision.UNKNOWN}, flow
        else:
            assert left or said == wanted, flow  # it leaves proxies to the engine


@given(SEEDS)
@settings(RELAXED, max_examples=60)
def test_pairs_behind_proxies_have_the_engines_word_for_every_pair_of_pods_and_port(seed):
    rng = random.Random(seed)
    cluster = Cluster(rng, strange=True, proxies=True)
    objects = cluster.objects
    if rng.random() < 0.5:  # more pods and fewer rules, so that many pairs look the same
        objects = [o for o in objects if not o["kind"].endswith("Policy") or rng.random() < 0.5]
        objects += [cluster.pod() for _ in range(6)]
    snapshot = replace(snapshot_of(objects), live=rng.random() < 0.3)
    if rng.random() < 0.2:
        kind = rng.choice(["NetworkPolicy", "AuthorizationPolicy", "EnvoyFilter", "Namespace", "CiliumNetworkPolicy"])
        snapshot = replace(snapshot, kinds={kind: KindState(KindStatus.FORBIDDEN)})
    assert_same_as_engine(Matrix(snapshot), rng)


def test_pairs_that_are_left_singly_are_evaluated_in_each_of_their_protocols(monkeypatch):
    """Any pairs can be left to the engine in one place: here those of pods on their node's network, wholly."""

    def left(kind, source, destination, attached, **more):
        if source.pod.host_network or destination.pod.host_network:
            return Left(Layer.EGRESS_POLICY, ("TCP", "UDP", "SCTP"), singly=True)
        return left_to_engine(kind, source, destination, attached, **more)

    monkeypatch.setattr("meshtui.engine.matrix.mesh.left_to_engine", left)
    found = 0
    for seed in range(40):
        matrix = Matrix(snapshot_of(Cluster(random.Random(seed), strange=True, proxies=seed % 2 == 0).objects))
        assert_same_as_engine(matrix, random.Random(seed))
        found += sum(cell.open is not None and cell.open.left.singly for _, row in matrix.rows() for cell in row)
    assert found > 100


def test_connections_through_services_have_the_engines_word_for_every_pair_of_pods():
    seen = set()
    for seed in range(120):
        snapshot = replace(snapshot_of(Cluster(random.Random(seed), strange=True, proxies=True).objects), live=seed % 4 == 0)
        matrix, engine = Matrix(snapshot), Engine(snapshot)
        proxied, groups = Proxied(matrix), groups_of(matrix, "pod")
        entries = proxied.entrances()
        pods = {pod.key: engine.endpoint(pod) for pod in snapshot.pods.values()}
        for source, cells in through_services(proxied, matrix, "pod", groups, pairs(proxied.rows(), groups)):
            for group, cell in zip(groups, cells, strict=True):
                expected = {}
                for service, port, backend, number in entries if cell is not None else ():
                    if backend.name == group.name:
                        said = engine.between(pods[source.name], pods[group.name], number, "TCP", service, port)
                        key = (f"{service.meta.namespace}/{service.meta.name}", port.number)
                        expected.setdefault(key, []).append(decided_of(said))
                found = {(each.service, each.port): each.decided for each in cell.services} if cell is not None else {}
                assert found == {key: agreement(several) for key, several in expected.items()}, (seed, source.name, group.name)
                seen |= {(each.decision, each.ruling.layer, each.ruling.on_request) for each in found.values()}
    assert {(Decision.UNKNOWN, Layer.WAYPOINT, True), (Decision.DENY, Layer.WAYPOINT, False)} <= seen
    assert len(seen) > 10


def test_equal_looking_pairs_share_their_evaluations():
    """Otherwise the time grows with the pairs."""
    open_, shared = 0, 0
    for seed in range(10):
        cluster = Cluster(random.Random(seed), strange=True, proxies=True)
        objects = [o for o in cluster.objects if o["kind"] not in {"NetworkPolicy", "AdminNetworkPolicy"}]
        matrix, memo = Matrix(snapshot_of([*objects, *(cluster.pod() for _ in range(20))])), Memo()
        assert list(Proxied(matrix, memo=memo).rows())
        open_ += sum(cell.open is not None for _, row in matrix.rows() for cell in row)
        shared += len(memo.proxies) + len(memo.segments)
    assert shared < open_ / 2


def assert_same_as_engine(matrix, rng):
    """All pairs, completed by the engine, have its verdicts on single flows."""
    for flow, _, found, said in compared(matrix, rng):
        assert found == said, flow


def compared(matrix, rng):
    """Every pair of pods that haven't ended, on the ports that rules name, ports beside those, and the ends of segments.

    Each flow comes with its source, what all pairs say of it, and what the engine says.
    """
    engine, proxied = Engine(matrix.snapshot), Proxied(matrix)
    pods = {key: engine.endpoint(pod) for member in matrix.classes for key, pod in member.pods.items()}
    rows = {source.number: row for source, row in proxied.rows()}
    assert proxied.left == 0
    for source, destination in itertools.permutations(pods, 2):
        cell = rows[matrix.class_of(source).number][matrix.class_of(destination).number]
        tried = {*PORTS, rng.randint(1, 65535), *(segment.first for segment in cell.tcp), *(segment.last for segment in cell.tcp)}
        for port, protocol in [*((port, "TCP") for port in tried), (53, "UDP"), (9090, "SCTP")]:
            said = decided_of(engine.between(pods[source], pods[destination], port, protocol))
            yield (source, destination, port, protocol), pods[source], cell.at(port, protocol), said


def test_what_is_too_much_to_ask_stays_unknown_and_is_counted():
    for seed in range(60):
        matrix = Matrix(snapshot_of(Cluster(random.Random(seed), strange=True).objects))
        proxied = Proxied(matrix, most=0)
        unsure = 0
        for (_, row), (_, before) in zip(proxied.rows(), matrix.rows(), strict=True):
            assert list(row) == list(before)
            unsure += sum(cell.open is not None for cell in row)
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
    new = ["Pod", "Pod", "NetworkPolicy", "AuthorizationPolicy", "AdminNetworkPolicy"]
    if cluster.proxies:
        makers |= {"Service": cluster.service, "RequestAuthentication": cluster.request_authentication}
        makers["AuthorizationPolicy"] = cluster.proxy_policy
        new += ["Service", "RequestAuthentication"]
    match rng.randint(0, 5):
        case 0 | 1:
            return [*objects, makers[rng.choice(new)]()]
        case 2:
            there = [o for o in objects if o["kind"] != "Namespace"]
            gone = rng.choice(there)
            return [o for o in objects if o is not gone]
        case 3:
            place = rng.choice([i for i, o in enumerate(objects) if o["kind"] == "Namespace"])
            fields = {"metadata": {**objects[place]["metadata"], "labels": cluster.space_labels()}}
        case _:
            place = rng.choice([i for i, o in enumerate(objects) if o["kind"] in makers])
            made = makers[objects[place]["kind"]]()
            fields = {"spec": made["spec"]}
            if objects[place]["kind"] == "Pod":
                fields |= {
                    "metadata": {**objects[place]["metadata"], "labels": made["metadata"]["labels"]},
                    "status": made["status"],
                }
                if rng.random() < 0.2:
                    fields["status"] = {**made["status"], "phase": "Succeeded"}
    return [*objects[:place], {**objects[place], **fields}, *objects[place + 1 :]]


@given(SEEDS)
@settings(RELAXED, max_examples=60)
def test_kept_up_to_date_equals_from_scratch(seed):
    rng = random.Random(seed)
    for matrix, newer in updates(rng, Cluster(rng, strange=True), 12):
        before = answers(matrix)
        touched = matrix.update(newer)
        fresh = Matrix(newer)
        assert answers(matrix) == answers(fresh)
        assert told(matrix, touched, before)


@given(SEEDS)
@settings(RELAXED, max_examples=20)
def test_kept_up_to_date_equals_from_scratch_behind_proxies(seed):
    rng = random.Random(seed)
    memo = Memo()
    for matrix, newer in updates(rng, Cluster(rng, strange=True, proxies=True), 6):
        before = answers(matrix, Proxied(matrix, memo=memo).rows())
        touched = matrix.update(newer)
        fresh = Matrix(newer)
        after = answers(matrix, Proxied(matrix, memo=memo).rows())
        assert after == answers(fresh, Proxied(fresh).rows())
        assert after == before or touched
    assert_same_as_engine(matrix, rng)


def test_what_an_update_does_not_concern_is_not_evaluated_again():
    for seed in range(60):
        objects, memo = Cluster(random.Random(seed), strange=True, proxies=True).objects, Memo()
        matrix = Matrix(snapshot_of(objects))
        first = Proxied(matrix, memo=memo)
        assert len(list(first.rows())) == len(matrix.classes)
        gone = next(o for o in objects if o["kind"] == "Pod" and "gateway" not in str(o["metadata"]["labels"]))
        newer = snapshot_of([o for o in objects if o is not gone])
        touched = matrix.update(replace(newer, pods=carried(matrix.snapshot.pods, newer.pods)))
        second = Proxied(matrix, memo=memo)
        assert list(second.rows())
        singly = any(cell.open is not None and cell.open.left.singly for _, row in matrix.rows() for cell in row)
        if not touched.everything and not singly:
            assert not second.asked
            if first.asked:
                return
    raise AssertionError("no proxies anywhere: this tests nothing")


def updates(rng, cluster, times):
    """A matrix, and with each step a newer Snapshot of its cluster."""
    objects, snapshot = cluster.objects, snapshot_of(cluster.objects)
    matrix = Matrix(snapshot)
    for _ in range(times):
        objects = changed(rng, objects, cluster)
        newer = snapshot_of(objects)
        if rng.random() < 0.7:  # as a watch gives it: what didn't change stays the same object
            kept = {
                name: carried(getattr(snapshot, name), getattr(newer, name))
                for name in ("pods", "namespaces", "network_policies", "services")
            }
            newer = replace(newer, **kept)
        yield matrix, newer
        snapshot = newer


def carried(old, new):
    return {uid: old[uid] if old.get(uid) == item else item for uid, item in new.items()}


def answers(matrix, rows=None):
    """Every pair's segments, by pod names."""
    found = {}
    for source, row in matrix.rows() if rows is None else rows:
        for target in matrix.classes:
            for a, b in itertools.product(source.pods, target.pods):
                cell = row[target.number]
                found[a, b] = (cell.tcp, cell.udp, cell.sctp)
    return found


def told(matrix, touched, before):
    """Whether an update named every pair whose answer it changed: by its classes, or by a pod that moved."""
    differ = [pair for pair, cells in answers(matrix).items() if before.get(pair) != cells]
    return all({a, b} & touched.moved or named(touched, matrix.class_of(a), matrix.class_of(b)) for a, b in differ)


def named(touched, source, destination):
    """Whether an update named a pair of classes."""
    in_row = touched.rows.get(source.number, 0) >> destination.number
    return (in_row | touched.columns.get(destination.number, 0) >> source.number) & 1
