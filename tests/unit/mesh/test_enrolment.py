"""Whether a pod is captured: evidence for and against, and verdicts about a pod that isn't."""

from dataclasses import replace
from datetime import timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshtui.engine.explain.wording import in_words as reason_in_words
from meshtui.engine.matrix.matrix import Matrix
from meshtui.logs.rejections import ZtunnelReader
from meshtui.logs.tally import Tally
from meshtui.mesh.enrolment import enrolments, judge, renewed, should_be_captured
from meshtui.mesh.observed import observed_in_logs
from meshtui.model.carry import carry
from meshtui.model.denial import Denial, DenialKind
from meshtui.model.enrolment import Capture, Enrolment, Evidence, Seen
from meshtui.model.membership import Installation
from meshtui.model.verdict import Decision
from meshtui.model.workload import MeshMode
from meshtui.ztunnel.look import Readiness
from tests.fakes import snapshots
from tests.fakes.snapshots import snapshot_of
from tests.fakes.ztunnels import NOW, dump, look_of

OLD = "2026-01-01T11:00:00Z"
MESH = {
    "apiVersion": "v1",
    "kind": "Namespace",
    "metadata": {"name": "shop", "labels": {"istio.io/dataplane-mode": "ambient"}},
}


def pod(name, *, redirection="enabled", created=OLD, node="a", **more):
    annotations = {"ambient.istio.io/redirection": redirection} if redirection else {}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": "shop",
            "resourceVersion": "1",
            "labels": {"app": name},
            "annotations": annotations,
            "creationTimestamp": created,
            **more.pop("metadata", {}),
        },
        "spec": {"nodeName": node, "containers": [{"name": "c", "ports": [{"containerPort": 80}]}], **more},
        "status": {
            "phase": "Running",
            "podIP": f"10.0.0.{len(name)}",
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }


def ztunnel(node="a", ready="True", created=OLD):
    found = pod(f"ztunnel-{node}", redirection="", node=node, created=created)
    of = {"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "ztunnel", "uid": "z", "controller": True}
    found["metadata"] |= {"namespace": "istio-system", "labels": {"app": "ztunnel"}, "ownerReferences": [of]}
    found["status"]["conditions"][0]["status"] = ready
    return found


def cluster(*objects, **changes):
    return snapshot_of([MESH, *objects], live=True, **changes)


def state_of(snapshot, look, observed=None):
    found = enrolments(snapshot, look, observed or {}, NOW)
    return {snapshot.pods[uid].name: each.capture for uid, each in found.items()}


LINE = Evidence(Seen.HBONE_LINE, True, "carried", NOW)
REFUSED = Evidence(Seen.REFUSED_15008, False, "refused", NOW)


def test_label_and_annotation_alone_prove_nothing():
    assert state_of(cluster(pod("web")), None) == {"web": Capture.UNPROVEN}


def test_the_ztunnels_list_alone_proves_nothing():
    """An entry may survive a pod that lost its redirection (istio/istio issue 55968)."""
    look = look_of(dump(pods=[("Pod/shop/web", "shop", "web", "web")]))
    assert state_of(cluster(pod("web")), look) == {"web": Capture.UNPROVEN}
    assert state_of(cluster(pod("web")), look, {"shop/web": [LINE]}) == {"web": Capture.PROVEN}
    assert state_of(cluster(pod("web")), None, {"shop/web": [LINE]}) == {"web": Capture.UNPROVEN}


def test_one_that_the_ztunnel_of_its_node_lacks_is_lost():
    assert state_of(cluster(pod("web")), look_of(dump())) == {"web": Capture.LOST}
    assert state_of(cluster(pod("web", node="b")), look_of(dump())) == {"web": Capture.UNPROVEN}
    assert state_of(cluster(pod("web", created="2026-01-01T11:59:50Z")), look_of(dump())) == {"web": Capture.UNPROVEN}


def test_a_ztunnel_that_waits_for_the_agent_lacks_nobody():
    look = look_of(dump())
    waits = replace(look.nodes[0], readiness=Readiness(False, ("workload proxy manager",)))
    assert state_of(cluster(pod("web")), replace(look, nodes=(waits,))) == {"web": Capture.UNPROVEN}


def test_a_ztunnel_that_is_not_ready_yet_lacks_nobody_where_its_readiness_may_not_be_asked():
    for ready, state in (("False", Capture.UNPROVEN), ("True", Capture.LOST)):
        assert state_of(cluster(pod("web"), ztunnel(ready=ready)), look_of(dump())) == {"web": state}


def test_a_pod_without_an_address_has_no_network_that_could_be_captured():
    waits = pod("web", redirection="")
    waits["status"] = {"phase": "Pending"}
    assert state_of(cluster(waits), look_of(dump())) == {"web": Capture.UNPROVEN}


def test_where_istio_cni_has_other_selectors_labels_do_not_show_who_should_be_captured():
    other = Installation(capture="ConfigMap istio-cni, enablementSelectors")
    never = cluster(pod("web", redirection=""), installation=other)
    assert state_of(never, look_of(dump())) == {}
    assert state_of(cluster(pod("web"), installation=other), look_of(dump())) == {"web": Capture.LOST}


def test_an_old_line_proves_nothing_of_now():
    """It was carried in the morning, and the node was restarted at noon: the ztunnel's entry may be left over."""
    look = look_of(dump(pods=[("Pod/shop/web", "shop", "web", "web")]))
    born = pod("web", created="2025-12-31T00:00:00Z")
    for hours, state in ((0.5, Capture.PROVEN), (3, Capture.UNPROVEN)):
        line = replace(LINE, at=NOW - timedelta(hours=hours))
        assert state_of(cluster(born), look, {"shop/web": [line]}) == {"web": state}
    loss = replace(REFUSED, at=NOW - timedelta(hours=4))
    assert state_of(cluster(born), look, {"shop/web": [loss, line]}) == {"web": Capture.UNPROVEN}


def test_pending_is_what_annotation_or_ztunnel_say():
    assert state_of(cluster(pod("web", redirection="pending")), None) == {"web": Capture.PENDING}
    look = look_of(dump(pods=[("Pod/shop/web", "shop", "web", "web", "Pending")]))
    assert state_of(cluster(pod("web")), look) == {"web": Capture.PENDING}


def test_two_ztunnels_change_places_and_one_of_them_has_it():
    look = look_of(dump(), dump(pods=[("Pod/shop/web", "shop", "web", "web")]))
    assert state_of(cluster(pod("web")), look) == {"web": Capture.UNPROVEN}


@pytest.mark.parametrize(
    "objects",
    [
        [pod("web", hostNetwork=True)],
        [pod("web", redirection="", metadata={"labels": {"istio.io/dataplane-mode": "none"}})],
        [pod("web", metadata={"labels": {"gateway.networking.k8s.io/gateway-name": "waypoint"}})],
        [ztunnel()],
        [pod("web", metadata={"deletionTimestamp": "2026-01-01T11:59:00Z"})],
    ],
)
def test_who_should_not_be_captured(objects):
    snapshot = cluster(*objects)
    assert not [p for p in snapshot.pods.values() if should_be_captured(snapshot, p)]


def test_a_later_proof_ends_an_earlier_loss_and_not_the_other_way_round():
    later = replace(LINE, at=NOW + timedelta(seconds=5))
    look = look_of(dump(pods=[("Pod/shop/web", "shop", "web", "web")]))
    assert state_of(cluster(pod("web")), look, {"shop/web": [REFUSED, later]}) == {"web": Capture.PROVEN}
    earlier = replace(LINE, at=NOW - timedelta(seconds=5))
    assert state_of(cluster(pod("web")), look, {"shop/web": [REFUSED, earlier]}) == {"web": Capture.LOST}


@pytest.mark.parametrize("ahead", [timedelta(seconds=6), timedelta(minutes=5), timedelta(hours=5)])
def test_a_proof_from_a_clock_that_is_ahead_hides_no_loss(ahead):
    look = look_of(dump(pods=[("Pod/shop/web", "shop", "web", "web")]))
    future = replace(LINE, at=NOW + ahead)
    for lost in (replace(REFUSED, at=NOW - timedelta(seconds=30)), REFUSED):
        found = enrolments(cluster(pod("web")), look, {"shop/web": [future, lost]}, NOW)["Pod/shop/web"]
        assert found.capture is Capture.LOST
        assert all(each.at <= NOW for each in found.evidence)
    assert state_of(cluster(pod("web")), look, {"shop/web": [future]}) == {"web": Capture.PROVEN}


@pytest.mark.parametrize("ahead", [timedelta(seconds=6), timedelta(hours=5)])
def test_whether_a_loss_from_a_clock_that_is_ahead_came_after_a_proof_is_not_known(ahead):
    """It may have been repaired since, and the repair be what proves it."""
    look = look_of(dump(pods=[("Pod/shop/web", "shop", "web", "web")]))
    lost = replace(REFUSED, at=NOW + ahead)
    assert state_of(cluster(pod("web")), look, {"shop/web": [lost, LINE]}) == {"web": Capture.UNPROVEN}
    assert state_of(cluster(pod("web")), look, {"shop/web": [lost]}) == {"web": Capture.LOST}


PENDING = pod("web", redirection="pending")
CARRIED = [("Pod/shop/web", "shop", "web", "web")]
TLS = Evidence(Seen.PROBE, True, "answers with TLS", NOW, "a")


@pytest.mark.parametrize(
    ("observed", "state"),
    [
        ([], Capture.PENDING),
        ([LINE], Capture.PENDING),  # it may be older than the annotation
        ([TLS], Capture.PROVEN),
        ([TLS, replace(REFUSED, at=NOW + timedelta(seconds=1))], Capture.PENDING),
    ],
    ids=["the ztunnel alone", "a line", "TLS", "TLS and a refusal"],
)
def test_an_annotation_that_says_pending_is_stale_if_two_observations_of_now_say_otherwise(observed, state):
    snapshot = cluster(PENDING, pod("catalog"))
    found = enrolments(snapshot, look_of(dump(pods=CARRIED)), {"shop/web": observed}, NOW)["Pod/shop/web"]
    assert found.capture is state
    said = next(each for each in found.evidence if each.seen is Seen.ANNOTATION_PENDING)
    assert ("stale" in said.text, said.says) == (state is Capture.PROVEN, state is Capture.PROVEN)


def test_what_the_ztunnel_says_of_a_pending_proxy_is_not_outvoted():
    look = look_of(dump(pods=[(*CARRIED[0], "Pending")]))
    for each in (PENDING, pod("web")):
        assert state_of(cluster(each), look, {"shop/web": [TLS, LINE]}) == {"web": Capture.PENDING}


def test_a_probe_ends_a_stale_annotation_and_an_older_look_without_it_does_not():
    snapshot = cluster(PENDING)
    look = look_of(dump(pods=CARRIED))
    known = enrolments(snapshot, look, {}, NOW)
    proven = renewed(known, snapshot, {"shop/web": TLS}, NOW)
    assert proven["Pod/shop/web"].capture is Capture.PROVEN
    refused = renewed(proven, snapshot, {"shop/web": Evidence(Seen.PROBE_REFUSED, False, "refuses", NOW, "a")}, NOW)
    assert refused["Pod/shop/web"].capture is Capture.PENDING
    said = [each for each in refused["Pod/shop/web"].evidence if each.seen is Seen.ANNOTATION_PENDING]
    assert [(each.says, each.text) for each in said] == [(False, "istio-cni's annotation says pending")]


def test_what_was_seen_of_a_pod_of_the_same_name_before_is_not_about_this_one():
    before = replace(LINE, at=NOW - timedelta(hours=3))
    look = look_of(dump(pods=[("Pod/shop/db-0", "shop", "db-0", "db")]))
    assert state_of(cluster(pod("db-0")), look, {"shop/db-0": [before]}) == {"db-0": Capture.UNPROVEN}


@given(st.lists(st.sampled_from(list(Seen)), max_size=6), st.booleans())
def test_no_against_is_never_proven_and_nothing_is_never_lost(kinds, young):
    says = {Seen.ZTUNNEL_UP, Seen.HBONE_LINE, Seen.HBONE_CONNECTION, Seen.PROBE}
    found = judge([Evidence(kind, kind in says, "x") for kind in kinds], young=young)
    against = [kind for kind in kinds if kind not in says]
    assert (found.capture is Capture.PROVEN) <= (not found.against and set(against) <= {Seen.ANNOTATION_PENDING})
    assert (found.capture is Capture.LOST) <= bool(against)
    assert (found.capture in {Capture.PROVEN, Capture.UNPROVEN}) or against


# ---- logs


def denial(kind=DenialKind.HBONE_CLOSED, source="shop/web", destination="shop/catalog", identity="", at=NOW):
    return Denial(None, None, 80, identity, kind, "", "ztunnel", None, None, 1, at, at, pods=(source, destination))


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        (denial(), {"shop/catalog": Seen.REFUSED_15008}),
        (denial(DenialKind.REJECTED), {"shop/web": Seen.NO_IDENTITY}),
        (denial(DenialKind.REJECTED, identity="spiffe://x"), {}),
        (denial(DenialKind.TIMED_OUT), {}),
        (denial(destination="shop/gone"), {}),
        (denial(at=NOW - timedelta(minutes=59, seconds=45)), {}),
    ],
)
def test_which_denials_are_evidence(given_, expected):
    snapshot = cluster(pod("web"), pod("catalog"), ztunnel())
    found = observed_in_logs({}, [given_], snapshot)
    assert {key: each.seen for key, several in found.items() for each in several} == expected


@pytest.mark.parametrize("proxy", [[], [ztunnel(ready="False")], [ztunnel(created="2026-01-01T11:59:50Z")], [ztunnel("b")]])
def test_a_node_without_a_ztunnel_for_a_while_explains_what_is_refused(proxy):
    snapshot = cluster(pod("web"), pod("catalog"), *proxy)
    assert observed_in_logs({}, [denial()], snapshot) == {}


def test_what_was_refused_before_the_ztunnels_container_was_restarted_shows_no_loss():
    again = ztunnel()
    again["status"]["conditions"][0]["lastTransitionTime"] = "2026-01-01T12:00:10Z"
    snapshot = cluster(pod("web"), pod("catalog"), again)
    assert observed_in_logs({}, [denial()], snapshot) == {}
    assert list(observed_in_logs({}, [denial(at=NOW + timedelta(minutes=1))], snapshot)) == ["shop/catalog"]


def test_a_call_to_a_pod_that_was_captured_just_then_may_come_in_plaintext():
    """The source's ztunnel speaks HBONE to it once istiod has told it of the capture."""
    snapshot = cluster(pod("web"), pod("catalog", created="2026-01-01T11:59:50Z"), ztunnel())
    assert observed_in_logs({}, [denial(DenialKind.REJECTED)], snapshot) == {}


@pytest.mark.parametrize(("port", "keys"), [(15008, ["shop/catalog"]), (80, [])])
def test_a_network_policy_may_explain_what_is_refused(port, keys):
    """Some CNIs refuse what a policy denies: nothing of the pod is lost then."""
    rules = f"{{podSelector: {{}}, policyTypes: [Ingress], ingress: [{{ports: [{{port: {port}}}]}}]}}"
    snapshot = cluster(pod("web"), pod("catalog"), ztunnel(), snapshots.policy("shop/deny", rules))
    assert list(observed_in_logs({}, [denial()], snapshot)) == keys


def test_a_pod_of_the_same_name_in_another_cluster_is_another_pod():
    snapshot = cluster(pod("web"), pod("catalog"), ztunnel())
    ours, others = ("10.0.0.3", "10.0.0.7"), ("10.9.0.3", "10.9.0.7")
    for given_ in (denial(), denial(DenialKind.REJECTED)):
        assert len(observed_in_logs({}, [replace(given_, addresses=ours)], snapshot)) == 1
        assert observed_in_logs({}, [replace(given_, addresses=others)], snapshot) == {}


@pytest.mark.parametrize(("outer", "lost"), [("10.0.0.7", True), ("10.0.9.9", False)])
def test_a_waypoint_that_is_away_says_nothing_of_the_pods_behind_it(outer, lost):
    line = (
        f'2026-01-01T12:00:00Z\terror\taccess\tconnection complete\tsrc.addr=10.0.0.3:40000 src.workload="web" '
        f'src.namespace="shop" dst.addr={outer}:15008 dst.hbone_addr=10.0.0.7:80 direction="outbound" bytes_sent=0 '
        'bytes_recv=0 duration="0ms" error="io error: Connection refused (os error 111)"'
    )
    snapshot = cluster(pod("web"), pod("catalog"), ztunnel())
    tally = Tally()
    tally.add(ZtunnelReader().read(line), snapshot)
    assert [each.kind for each in tally.denials] == [DenialKind.HBONE_CLOSED if lost else DenialKind.FAILED]
    assert list(observed_in_logs({}, tally.denials, snapshot)) == (["shop/catalog"] if lost else [])


def test_lines_that_show_a_pod_to_be_captured():
    snapshot = cluster(pod("web"))
    found = observed_in_logs({"shop/web": NOW, "shop/gone": NOW}, [], snapshot)
    assert [(key, each.seen, each.says) for key, several in found.items() for each in several] == [
        ("shop/web", Seen.HBONE_LINE, True)
    ]


# ---- verdicts

LOST = Enrolment(Capture.LOST, (Evidence(Seen.ZTUNNEL_LACKS, False, "the ztunnel on a doesn't have it"),))


def test_verdicts_about_a_lost_pod_are_unknown_with_the_reason():
    objects = [pod("web"), pod("catalog"), pod("other-one")]
    sound = cluster(*objects)
    lost = replace(sound, enrolments={"Pod/shop/web": LOST})
    assert snapshots.judge(sound, "shop/Pod/web > shop/Pod/catalog:80").decision is Decision.ALLOW
    for flow in ("shop/Pod/web > shop/Pod/catalog:80", "shop/Pod/catalog > shop/Pod/web:80"):
        verdict = snapshots.judge(lost, flow)
        assert verdict.decision is Decision.UNKNOWN
        said = " ".join(reason_in_words(step.reason) for step in verdict.steps)
        assert "the mesh believes that shop/web is captured, and its data plane isn't" in said
        assert "the ztunnel on a doesn't have it" in said
    other = snapshots.judge(lost, "shop/Pod/catalog > shop/Pod/other-one:80")
    assert other.decision is Decision.ALLOW


def test_a_pending_pod_neither_sends_nor_receives():
    snapshot = cluster(pod("web", redirection="pending"), pod("catalog"))
    verdict = snapshots.judge(snapshot, "shop/Pod/web > shop/Pod/catalog:80")
    assert verdict.decision is Decision.UNKNOWN
    assert "neither sends nor receives" in " ".join(reason_in_words(step.reason) for step in verdict.steps)


def test_a_pod_that_is_carried_though_its_annotation_says_pending_is_judged_as_a_captured_one():
    sound = cluster(PENDING, pod("catalog"), pod("other-one"))
    before = carry(sound, replace(sound, enrolments={"Pod/shop/web": Enrolment(Capture.PENDING)}))
    stale = Enrolment(Capture.PROVEN, (Evidence(Seen.ANNOTATION_PENDING, True, "stale"),))
    proven = carry(before, replace(before, enrolments={"Pod/shop/web": stale}))
    before_it = replace(before, enrolments={"Pod/shop/web": Enrolment(Capture.PROVEN)})
    assert before_it.carried_all_the_same == frozenset(), "it was proven before the annotation said pending"
    matrix = Matrix(before)
    matrix.update(proven)
    for flow in (("web", "catalog"), ("catalog", "web")):
        words = f"shop/Pod/{flow[0]} > shop/Pod/{flow[1]}:80"
        assert snapshots.judge(before, words).decision is Decision.UNKNOWN
        assert snapshots.judge(proven, words).decision is Decision.ALLOW
        assert matrix.judge(f"shop/{flow[0]}", f"shop/{flow[1]}", 80).decision is Decision.ALLOW
    web = proven.pod_by_key["shop/web"]
    assert (before.mesh_mode(web), proven.mesh_mode(web)) == (MeshMode.WANTED, MeshMode.AMBIENT)


def test_proven_and_unproven_pods_are_judged_as_the_api_says():
    sound = cluster(pod("web"), pod("catalog"))
    for capture in (Capture.PROVEN, Capture.UNPROVEN):
        looked = replace(sound, enrolments={"Pod/shop/web": Enrolment(capture)})
        assert snapshots.judge(looked, "shop/Pod/web > shop/Pod/catalog:80").decision is Decision.ALLOW


def test_the_matrix_agrees_with_the_engine_before_and_after_a_loss():
    sound = cluster(pod("web"), pod("catalog"), pod("other-one"))
    lost = replace(sound, enrolments={"Pod/shop/web": LOST})
    matrix = Matrix(sound)
    matrix.update(lost)
    fresh = Matrix(lost)
    names = ("web", "catalog", "other-one")
    for one, other in product(names, names):
        if one == other:
            continue
        said = snapshots.judge(lost, f"shop/Pod/{one} > shop/Pod/{other}:80").decision
        for each in (matrix, fresh):
            assert each.judge(f"shop/{one}", f"shop/{other}", 80).decision is said, (one, other)
