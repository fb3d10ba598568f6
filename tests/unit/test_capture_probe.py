"""A probe of port 15008 from outside the mesh: whom it asks and from where, and what each answer of curl proves."""

from dataclasses import replace
from datetime import timedelta

import pytest

from meshtui.engine import Engine
from meshtui.mesh.enrolment import enrolments, judge, renewed
from meshtui.model.enrolment import Capture, Enrolment, Evidence, Seen
from meshtui.model.observation import Observation
from meshtui.probe import podspec
from meshtui.probe.capture import MOST_IN_ONE, OUTSIDE, Tried, answer_of, in_words, plan_capture, proofs_of, to_prove
from meshtui.probe.launch import needed
from meshtui.probe.plan import Plan
from meshtui.probe.protocols import Attempt
from meshtui.settings import Probe
from tests.fakes import snapshots
from tests.fakes.snapshots import namespace, policy
from tests.fakes.ztunnels import NOW, dump, look_of
from tests.unit.mesh.test_enrolment import MESH, cluster, pod, ztunnel
from tests.unit.test_plan import budget, controller, service

OWN = "tls spiffe://cluster.local/ns/shop/sa/default"
REQUIRED = "OpenSSL SSL_read: error:0A00045C:SSL routines::tlsv13 alert certificate required, errno 0"
YES, REFUSED, SILENT = (
    Attempt("0", 1, 56, OWN, error=REQUIRED),
    Attempt("0", 1, 7, "", error="Connection refused"),
    Attempt("0", 1, 28, "", error="Connection timed out after 4001 milliseconds"),
)
ANSWERS = [
    ("a ztunnel, and a curl that shows certificates", YES, True, "its identity"),
    ("its alert was lost in a reset", Attempt("0", 1, 56, OWN, error="Recv failure: Connection reset by peer"), True, "identity"),
    ("an older curl", Attempt("0", 1, 56, "tls", error=REQUIRED), True, "demands a certificate"),
    ("TLS 1.2", Attempt("0", 1, 35, "", error="sslv3 alert bad certificate"), True, "demands a certificate"),
    ("another TLS library", Attempt("0", 1, 35, "", error="ssl_handshake: CERTIFICATE_REQUIRED"), True, "demands a certificate"),
    ("a stale address", Attempt("0", 1, 56, OWN.replace("shop", "bank"), error=REQUIRED), None, "spiffe://cluster.local/ns/bank"),
    ("an account whose name ends alike", Attempt("0", 1, 56, f"{OWN[:-7]}my-default"), None, "another identity"),
    ("nobody listens", REFUSED, False, "refuses connections"),
    ("curl's 7 for another reason", Attempt("0", 1, 7, "", error="Couldn't connect to server"), None, "Couldn't connect"),
    ("silence", SILENT, None, "no answer"),
    ("plain HTTP on that port", Attempt("0", 1, 35, "", error="OpenSSL: wrong version number"), None, "no TLS"),
    ("it hangs up", Attempt("0", 1, 35, "", error="Recv failure: Connection reset by peer"), None, "no TLS"),
    ("words of a plain answer prove nothing", Attempt("0", 1, 1, "", error="certificate required"), None, "no TLS"),
    ("a web server with TLS", Attempt("0", 1, 0, "tls"), None, "isn't a ztunnel"),
    ("no curl in the image", Attempt("0", 1, 127, ""), None, "curl ended with 127"),
]


@pytest.mark.parametrize(("attempt", "says", "words"), [row[1:] for row in ANSWERS], ids=[row[0] for row in ANSWERS])
def test_what_an_answer_proves(attempt, says, words):
    (web,) = snapshots.snapshot_of([MESH, pod("web")]).pods.values()
    found, text = answer_of(attempt, web)
    assert found is says
    assert words in text


# ---- whom it asks


def planned(*objects, settings=None, pods=None):
    snapshot = cluster(*objects)
    return plan_capture(Engine(snapshot), to_prove(snapshot, {}) if pods is None else pods, settings or Probe())


def test_one_pod_in_each_namespace_that_the_mesh_leaves_alone():
    bank = pod("db", metadata={"namespace": "bank", "labels": {"istio.io/dataplane-mode": "ambient"}})
    asked = planned(namespace("bank"), pod("web"), pod("cart"), bank)
    batches = {batch.namespace: batch for batch in asked.plan.batches}
    assert set(batches) == set(asked.plan.namespaces) == {"shop", "bank"}
    assert [target.address for target in batches["shop"].targets] == ["10.0.0.4", "10.0.0.3"]
    assert {target.port for target in batches["shop"].targets} == {15008}
    made = podspec.pod("1234abcd", 0, batches["shop"], "uid", Probe(), NOW)
    assert made["metadata"]["labels"].items() >= OUTSIDE.items()
    assert made["spec"]["serviceAccountName"] == "default"
    assert made["metadata"]["ownerReferences"][0]["kind"] == "Job"
    assert {access.namespace for access in needed(asked.plan)} == {"shop", "bank"}


FROM_CART = policy(
    "shop/p", "podSelector: {matchLabels: {app: web}}\ningress: [{from: [{podSelector: {matchLabels: {app: cart}}}]}]"
)


def test_where_policies_let_only_a_workload_through_the_probe_has_its_labels():
    """Labels that no policy reads aren't copied, and neither is what puts a pod into the mesh."""
    cart = pod("cart", metadata={"labels": {"app": "cart", "tier": "1", "istio.io/dataplane-mode": "ambient"}})
    asked = planned(pod("web"), cart, FROM_CART)
    assert [(dict(batch.labels), batch.stands_for) for batch in asked.plan.batches] == [
        (dict(OUTSIDE), ""),
        ({"app": "cart", **OUTSIDE}, "Pod shop/cart"),
    ]
    assert [[asked.pods[target.id].name for target in batch.targets] for batch in asked.plan.batches] == [["cart"], ["web"]]
    assert asked.hindered == {}
    assert in_words(asked.plan.batches[1]) == "in shop as default, outside the mesh, with the labels of Pod shop/cart: 1 pod(s)"


def test_labels_that_would_disturb_something_are_not_copied():
    greedy = service("all", {"app": "cart"}, "shop", publishNotReadyAddresses=True)
    asked = planned(pod("web"), pod("cart"), FROM_CART, greedy)
    assert [dict(batch.labels) for batch in asked.plan.batches] == [dict(OUTSIDE)]
    assert asked.hindered.keys() == {"shop/web"}


LEFT_OUT = [
    (pod("web", redirection="", hostNetwork=True), {}),
    (pod("web", metadata={"deletionTimestamp": "2026-01-01T11:00:00Z"}), {}),
    (pod("web") | {"status": {"phase": "Pending"}}, {"shop/web": "it has no address yet"}),
]


@pytest.mark.parametrize(("obj", "left_out"), LEFT_OUT)
def test_who_can_t_be_asked(obj, left_out):
    asked = planned(obj)
    assert (asked.plan, asked.left_out) == (Plan(), left_out)


def test_one_that_isn_t_to_be_captured_is_left_out():
    plain = cluster(namespace("plain"), pod("web", redirection="", metadata={"namespace": "plain", "labels": {}}))
    asked = plan_capture(Engine(plain), plain.pods.values(), Probe())
    assert asked.left_out == {"plain/web": "it isn't to be captured"}


def test_only_pods_that_are_not_proven_on_some_nodes():
    snapshot = cluster(pod("web"), pod("cart", node="b"), pod("pay"))
    by_name = {each.name: uid for uid, each in snapshot.pods.items()}
    known = {by_name["web"]: Enrolment(Capture.PROVEN), by_name["pay"]: Enrolment(Capture.LOST)}
    assert [each.name for each in to_prove(snapshot, known)] == ["cart", "pay"]
    assert [each.name for each in to_prove(snapshot, known, ["b"])] == ["cart"]


def test_many_pods_are_asked_by_several_and_not_more_than_the_settings_say():
    asked = planned(*(pod(f"p{number}") for number in range(MOST_IN_ONE + 5)), settings=Probe(max_flows=MOST_IN_ONE + 2))
    assert [len(batch.targets) for batch in asked.plan.batches] == [MOST_IN_ONE, 2]
    assert set(asked.left_out.values()) == {f"only the first {MOST_IN_ONE + 2} are asked (probe.max_flows)"}
    assert len(asked.left_out) == 3


def test_nothing_is_disturbed():
    greedy = service("all", {"istio.io/dataplane-mode": "none"}, "shop", publishNotReadyAddresses=True)
    asked = planned(pod("web"), greedy)
    assert asked.plan == Plan()
    assert "publishes pods that aren't ready" in asked.left_out["shop/web"]
    adopter = controller("ReplicaSet", {"istio.io/dataplane-mode": "none"})
    (batch,) = planned(pod("web"), adopter).plan.batches
    assert batch.controlled
    asked = planned(pod("web"), adopter, budget(selector={}, maxUnavailable=1))
    assert "would block evictions" in asked.left_out["shop/web"]


# ---- what a run showed


def run(*objects, tried, changes=(), detail=""):
    """The proofs about shop/web, of two attempts each."""
    snapshot = cluster(*objects)
    asked = plan_capture(Engine(snapshot), [snapshot.pod_by_key["shop/web"]], Probe())
    (target,) = asked.plan.batches[0].targets
    observation = Observation(target.flow, "unknown", target.predicted, detail=detail, at=NOW)
    after = cluster(*objects, *changes)
    return proofs_of(asked, {target.id: tried} if tried else {}, [observation], after)


def twice(attempt):
    return Tried((attempt, attempt))


def test_proof_for_and_against():
    evidence = run(pod("web"), ztunnel(), tried=twice(YES)).evidence["shop/web"]
    assert (evidence.seen, evidence.says, evidence.at, evidence.node) == (Seen.PROBE, True, NOW, "a")
    evidence = run(pod("web"), ztunnel(), tried=twice(REFUSED)).evidence["shop/web"]
    assert (evidence.seen, evidence.says) == (Seen.PROBE_REFUSED, False)


CLOSED = policy("shop/closed", "podSelector: {}\ningress: [{ports: [{port: 80}]}]")
OPEN = policy("shop/open", "podSelector: {}\ningress: [{ports: [{port: 15008}]}]")
YOUNG = "2026-01-01T11:59:45Z"
UNKNOWN = [
    ("attempts disagree", [pod("web")], Tried((YES, REFUSED)), "attempts disagree: "),
    ("one attempt only", [pod("web")], Tried((REFUSED,)), "attempts disagree: "),
    ("not tried", [pod("web")], None, "the probe ended before it was asked"),
    ("the probe pod was captured", [pod("web")], Tried((REFUSED, REFUSED), captured=True), "has to be outside"),
    ("silence", [pod("web")], twice(SILENT), "no answer on port 15008: something on the way drops it"),
    (
        "a policy drops it",
        [pod("web"), CLOSED],
        twice(SILENT),
        "no answer on port 15008: NetworkPolicy shop/closed doesn't let a pod outside the mesh reach port 15008",
    ),
    ("a policy may have refused it", [pod("web"), CLOSED], twice(REFUSED), "NetworkPolicy shop/closed doesn't let"),
    ("the node's ztunnel starts", [pod("web"), ztunnel(created=YOUNG)], twice(REFUSED), "the ztunnel on a starts or ends"),
    ("the node's ztunnel isn't ready", [pod("web"), ztunnel(ready="False")], twice(REFUSED), "the ztunnel on a starts or ends"),
]


@pytest.mark.parametrize(("objects", "tried", "words"), [row[1:] for row in UNKNOWN], ids=[row[0] for row in UNKNOWN])
def test_what_shows_nothing_has_its_reason(objects, tried, words):
    proofs = run(*objects, tried=tried)
    assert proofs.evidence == {}
    assert words in proofs.unknown["shop/web"]


def test_a_policy_that_lets_the_probe_through_takes_nothing_from_a_refusal():
    assert not run(pod("web"), OPEN, tried=twice(REFUSED)).evidence["shop/web"].says
    assert run(pod("web"), CLOSED, tried=twice(YES)).evidence["shop/web"].says


def test_why_the_launcher_tried_nothing_is_said():
    assert run(pod("web"), tried=None, detail="ErrImagePull: x").unknown == {"shop/web": "ErrImagePull: x"}


def test_a_pod_that_has_ended_meanwhile_isn_t_lost():
    snapshot = cluster(pod("web"))
    asked = plan_capture(Engine(snapshot), snapshot.pods.values(), Probe())
    gone = replace(snapshot, pods={})
    assert proofs_of(asked, {"0": twice(REFUSED)}, (), gone).unknown["shop/web"].endswith("the pod has ended")


# ---- what it changes


def test_a_probe_and_the_ztunnels_list_are_a_proof():
    snapshot = cluster(pod("web"))
    (uid,) = snapshot.pods
    look = look_of(dump(pods=[(uid, "shop", "web", "web")]))
    known = enrolments(snapshot, look, {}, NOW)
    assert known[uid].capture is Capture.UNPROVEN
    yes, no = Evidence(Seen.PROBE, True, "", NOW), Evidence(Seen.PROBE_REFUSED, False, "", NOW)
    proven = renewed(known, snapshot, {"shop/web": yes}, NOW)
    assert proven == enrolments(snapshot, look, {"shop/web": [yes]}, NOW)
    assert proven[uid].capture is Capture.PROVEN
    assert renewed(proven, snapshot, {"shop/web": no}, NOW)[uid].capture is Capture.LOST, "it replaces the earlier probe"
    assert renewed(known, snapshot, {"shop/other": no}, NOW) == known


def test_a_proof_is_newer_than_an_old_refusal():
    snapshot = cluster(pod("web"))
    (uid,) = snapshot.pods
    old = Evidence(Seen.REFUSED_15008, False, "", NOW - timedelta(minutes=1))
    known = {uid: judge([old])}
    yes = Evidence(Seen.PROBE, True, "", NOW)
    assert renewed(known, snapshot, {"shop/web": yes}, NOW)[uid] == Enrolment(Capture.UNPROVEN, (yes,))
