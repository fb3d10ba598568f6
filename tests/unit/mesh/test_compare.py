"""One report of all parts: what two looks confirm, and what a look that isn't whole doesn't say."""

import json
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import pytest

from meshtui.cli.mesh_report import _certificates_text, _drift_text, _status_text, is_known
from meshtui.mesh.compare import compare, confirmed, is_calm
from meshtui.mesh.report import MeshReport
from meshtui.model.enrolment import Capture
from meshtui.model.snapshot import KindState, KindStatus
from meshtui.ui.panes.mesh import _row, _states
from meshtui.ztunnel.look import MeshLook, NodeLook
from tests.fakes import snapshots
from tests.fakes.dumps import plain_tables
from tests.fakes.snapshots import snapshot_of
from tests.fakes.ztunnels import NOW, certificate, dump, look_of, workload
from tests.unit.mesh.test_enrolment import MESH, cluster, pod, ztunnel

LATER = NOW + timedelta(seconds=15)
WEB = ("Pod/shop/web", "shop", "web", "web")


def two_looks(before, after, look):
    """The report of two looks that see the same of the ztunnels, and other pods."""
    return confirmed(compare(before, look, {}, NOW), compare(after, replace(look, at=LATER), {}, LATER))


def captures(report):
    return {uid: each.capture for uid, each in report.enrolments.items()}


@pytest.mark.parametrize(("redirection", "state"), [("enabled", "lost"), ("pending", "pending")])
def test_a_pod_that_only_the_second_look_sees_is_not_confirmed(redirection, state):
    """Its creation may be minutes ago by this computer's clock, and its namespace may just have been labelled."""
    new = cluster(pod("web", redirection=redirection))
    look = look_of(dump())
    assert captures(two_looks(new, new, look)) == {"Pod/shop/web": Capture(state)}
    assert captures(two_looks(cluster(), new, look)) == {"Pod/shop/web": Capture.UNPROVEN}


@pytest.mark.parametrize("other_drift", [False, True])
@pytest.mark.parametrize(
    ("first", "second", "state"),
    [
        ([], [WEB], "unproven"),
        ([WEB], [], "unproven"),
        ([], [], "lost"),
        ([(*WEB, "Pending")], [WEB], "unproven"),
        ([(*WEB, "Pending")], [(*WEB, "Pending")], "pending"),
        ([(*WEB, "Pending")], [], "lost"),
    ],
)
def test_only_a_pod_that_both_looks_call_bad_is(first, second, state, other_drift):
    snapshot = cluster(pod("web"))
    entries = [] if other_drift else [workload("shop", "web", ip="10.0.0.3", serviceAccount="default")]
    one, other = (look_of(dump(pods=pods, workloads=entries), at=at) for pods, at in ((first, NOW), (second, LATER)))
    report = confirmed(compare(snapshot, one, {}, NOW), compare(snapshot, other, {}, LATER))
    assert captures(report) == {"Pod/shop/web": Capture(state)}


def test_a_pending_pod_needs_a_second_look():
    """A ztunnel that takes over tries again while the old one still has the ports."""
    entry = workload("shop", "web", ip="10.0.0.3", serviceAccount="default")
    look = look_of(dump(pods=[(*WEB, "Pending")], workloads=[entry]))
    report = compare(cluster(pod("web")), look, {}, NOW)
    assert not report.differences
    assert not is_calm(report)
    gone = replace(report, enrolments={})
    assert is_calm(gone)


def test_a_state_of_a_pod_that_is_not_known_is_not_pending():
    entry = workload("shop", "web", ip="10.0.0.3", serviceAccount="default")
    look = look_of(dump(pods=[(*WEB, "Draining")], workloads=[entry]))
    report = compare(cluster(pod("web")), look, {}, NOW)
    assert captures(report) == {"Pod/shop/web": Capture.UNPROVEN}
    assert report.nodes[0].captured is None
    assert report.nodes[0].problems == ("workloadState: a state that isn't known: Draining",)


def test_a_ztunnel_that_has_nothing_is_told_however_many_pods_come_and_go():
    names = ["one", "other", "another"]
    few, many = (cluster(*map(pod, names[:count])) for count in (2, 3))
    assert [each.name for each in two_looks(few, many, look_of(dump())).differences] == ["ztunnel"]


def test_a_node_that_was_not_asked_is_not_one_without_a_ztunnel():
    snapshot = cluster(pod("web"), pod("catalog", node="b"), ztunnel("b"), pod("orders", node="c"))
    report = compare(snapshot, look_of(dump(pods=[WEB], workloads=[workload("shop", "web")])), {}, NOW)
    assert [(each.node, each.problems) for each in report.nodes] == [("a", ()), ("c", ("no ztunnel runs here",))]


def test_a_ztunnel_whose_namespace_may_not_be_read_may_be_there():
    snapshot = cluster(pod("web"), kinds={"Pod": KindState(KindStatus.SYNCED, scope="namespace shop")})
    report = compare(snapshot, replace(look_of(), nodes=()), {}, NOW)
    assert report.nodes == ()
    assert report.missing == ("there may be ztunnels that can't be seen: of pods only namespace shop may be read",)


@pytest.mark.parametrize("part", ["absent", {"x": 1}])
def test_certificates_that_cannot_be_read_are_not_missing(part):
    parts = json.loads(dump(pods=[WEB]))
    parts["certificates"] = part
    if part == "absent":
        del parts["certificates"]
    report = compare(None, look_of(json.dumps(parts).encode()))
    assert report.certificates == ()
    assert report.nodes[0].certificates is None
    assert report.nodes[0].problems[0].startswith("certificates: ")


@pytest.mark.parametrize(("scope", "nodes"), [("", ["a", "b"]), ("namespace shop", ["b"])])
def test_before_a_look_a_node_without_a_ztunnel_is_told_if_all_pods_may_be_read(scope, nodes):
    snapshot = cluster(pod("web"), ztunnel("b"), kinds={"Pod": KindState(KindStatus.SYNCED, scope=scope)})
    session = SimpleNamespace(mesh=SimpleNamespace(report=MeshReport()), snapshot=snapshot)
    assert [each.node for each in _states(session)] == nodes


FORBIDDEN = {kind: KindState(KindStatus.FORBIDDEN) for kind in ("AuthorizationPolicy", "PeerAuthentication")}


@pytest.mark.parametrize("readable", [True, False])
def test_a_ztunnel_without_any_policy_is_told_whether_or_not_policies_may_be_read(readable):
    sound = snapshot_of([MESH, snapshots.policy("shop/x", "action: DENY\nrules: [{}]", "AuthorizationPolicy")], live=True)
    tables = plain_tables(sound)
    parts = {table.value: list(entries.values()) for table, entries in tables.items()}
    look = look_of(dump("a", **parts), dump("b", **parts), dump("c", **(parts | {"policies": []})))
    blind = replace(sound, kinds={**sound.kinds, **FORBIDDEN}, authorization_policies={})
    report = compare(sound if readable else blind, look, {}, NOW)
    assert {each.node for each in report.differences} == {"c"}
    assert all(each.dangerous for each in report.differences)


def test_a_single_ztunnel_whose_policies_cannot_be_compared_shows_no_sure_zero():
    sound = cluster(pod("web"), kinds=FORBIDDEN)
    entries = [workload("shop", "web", ip="10.0.0.3", serviceAccount="default")]
    (state,) = compare(sound, look_of(dump(workloads=entries)), {}, NOW).nodes
    assert (state.drift, state.not_compared) == (0, ("policies",))
    assert "0?" in [cell.text for cell in _row(state).cells]
    two = compare(sound, look_of(dump("a", workloads=entries), dump("b", workloads=entries)), {}, NOW)
    assert [each.not_compared for each in two.nodes] == [(), ()]


def test_one_that_asks_on_demand_is_said_not_to_be_compared():
    asks = replace(look_of(dump()).nodes[0].dump, on_demand=True)
    look = look_of(dump(), dump("b"))
    report = compare(cluster(), replace(look, nodes=(replace(look.nodes[0], dump=asks), look.nodes[1])), {}, NOW)
    assert [each.drift for each in report.nodes] == [None, 0]
    assert "aren't compared" in report.nodes[0].problems[0]


def test_a_pod_that_waits_for_its_network_is_not_counted_as_missing():
    """A rolling update: the node has captured all that it could."""
    waits = pod("catalog", redirection="")
    waits["status"] = {"phase": "Pending"}
    report = compare(cluster(pod("web"), waits), look_of(dump(pods=[WEB])), {}, NOW)
    assert [(each.captured, each.supposed) for each in report.nodes] == [(1, 1)]


@pytest.mark.parametrize(
    ("nodes", "drift", "certificates"),
    [
        ("ab", "no drift: 2 ztunnels were compared", "no faulty certificate among 2"),
        ("a", "no drift: 1 of 2 ztunnels could be compared", "no faulty certificate among 1: 1 of 2 nodes could be read"),
        ("", "drift isn't known: nothing could be compared", "certificates aren't known: none could be read"),
    ],
)
def test_the_text_says_of_how_many_nodes_it_speaks(nodes, drift, certificates):
    held = [certificate("spiffe://cluster.local/ns/shop/sa/default")]
    entries = [workload("shop", "web", ip="10.0.0.3", serviceAccount="default")]
    read = look_of(*(dump(node, certificates=held, workloads=entries) for node in nodes)).nodes
    failed = (
        NodeLook(node, f"istio-system/ztunnel-{node}", at=NOW, problems=("config dump: no answer",))
        for node in "ab"[len(nodes) :]
    )
    snapshot = cluster(pod("web", redirection=""))
    report = replace(compare(snapshot, MeshLook(NOW, (*read, *failed)), {}, NOW), enrolments={})
    assert _drift_text(report) == f"{drift}\n"
    assert _certificates_text(report) == f"{certificates}\n"
    assert drift in _status_text(report, snapshot)
    assert [is_known(what, report) for what in ("status", "drift", "certificates")] == [bool(nodes)] * 3
