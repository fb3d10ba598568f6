"""Evidence first: what the log names, what is only predicted, and when the two may be compared at all."""

from dataclasses import replace
from datetime import timedelta

import pytest

from meshtui.cni import named
from meshtui.engine import Engine
from meshtui.engine.explain.denials import Agreement, Cause, Times, count_by_object, judge_denial, newest_policy
from meshtui.engine.path.references import parse_flow
from meshtui.logs.rejections import ZtunnelReader
from meshtui.logs.tally import Tally
from meshtui.model.cni import UNKNOWN_CNI
from meshtui.model.denial import WINDOW_S, Denial, DenialKind
from meshtui.model.ids import ObjectRef
from meshtui.model.reason import Code, because
from meshtui.model.verdict import Decider, Decision, Layer, Step, StepResult, Verdict
from meshtui.ui.denied import about, row_of
from tests.fakes.frozen import NOW, bookstore

SNAPSHOT = bookstore()
ENGINE = Engine(SNAPSHOT)
ECOM = "spiffe://cluster.local/ns/ecom/sa/ecom-service"
NONE_ALLOWED = "connection closed due to policy rejection: allow policies exist, but none allowed"


def denial(source="ecom/deploy/ecom-service", to="inventory/svc/inventory-service:8000", **changes):
    flow = parse_flow(source, to)
    made = Denial(
        source=replace(flow.source, owner_kind="Deployment") if flow.source.owner_kind else flow.source,
        destination=flow.destination,
        port=flow.port,
        identity=ECOM,
        kind=DenialKind.REJECTED,
        reason=NONE_ALLOWED,
        proxy="ztunnel",
        named=None,
        http=None,
        count=3,
        first=NOW - timedelta(seconds=60),
        last=NOW,
        recent=((int(NOW.timestamp()) // 10 * 10, 3),),
    )
    return replace(made, **changes)


def judged(one, verdict=None, times=None):
    verdict = ENGINE.summarize(one.flow) if verdict is None else verdict
    return judge_denial(one, verdict, SNAPSHOT, times or Times(newest_policy(SNAPSHOT)))


DENIED = denial("infra/deploy/gateway", "inventory/svc/inventory-service:8000", identity="")
POLICY = Decider(ObjectRef("AuthorizationPolicy", "inventory", "inventory-service-policy"))
DENY = Verdict(Decision.DENY, "closed", Layer.ZTUNNEL, POLICY)
DROP = Verdict(Decision.DENY, "timeout", Layer.INGRESS_POLICY, Decider(ObjectRef("NetworkPolicy", "inventory", "np")))


def test_what_the_log_does_not_name_is_predicted_and_says_so():
    each = judged(denial(), DENY)
    assert (each.agreement, each.decided_by, each.evidence) == (Agreement.AGREES, POLICY, "predicted")


def test_what_the_log_names_is_taken_from_the_log():
    each = judged(denial(named=POLICY), DENY)
    assert (each.agreement, each.decided_by, each.evidence) == (Agreement.AGREES, POLICY, "log")


def test_the_log_wins_where_the_prediction_names_another():
    other = Decider(ObjectRef("AuthorizationPolicy", "inventory", "other"))
    each = judged(denial(named=other), DENY)
    assert (each.agreement, each.decided_by, each.from_log) == (Agreement.DISAGREES, other, True)
    assert "the log names AuthorizationPolicy inventory/other" in each.note


def test_denied_though_policy_lets_it_through_is_said_loudly_and_names_no_policy():
    one = denial()
    assert ENGINE.summarize(one.flow).decision is Decision.ALLOW
    each = judged(one, times=Times(watched=NOW - timedelta(hours=1)))
    assert (each.agreement, each.decided_by) == (Agreement.DISAGREES, None)
    assert "denied all the same" in each.note
    assert "deleted" not in each.note
    assert "deleted" in judged(one, times=Times()).note


@pytest.mark.parametrize("which", ["policies", "verdict"])
def test_what_was_changed_since_is_no_disagreement(which):
    each = judged(denial(), times=Times(**{which: NOW + timedelta(seconds=1)}))
    assert (each.agreement, each.decided_by) == (Agreement.CHANGED, None)


def test_another_identity_than_now_is_not_compared():
    each = judged(denial(identity="spiffe://cluster.local/ns/ecom/sa/default"), times=Times())
    assert each.agreement is Agreement.CHANGED
    assert "runs as spiffe://cluster.local/ns/ecom/sa/ecom-service now" in each.note


def test_a_network_policy_cannot_have_stopped_what_reached_a_ztunnel():
    each = judged(denial(), DROP)
    assert each.agreement is Agreement.DISAGREES
    assert "got as far as a ztunnel" in each.note


def test_a_timeout_is_only_a_maybe():
    timed_out = denial(kind=DenialKind.TIMED_OUT)
    assert judged(timed_out, DROP).agreement is Agreement.AGREES
    assert judged(timed_out).agreement is Agreement.UNKNOWN
    assert judged(timed_out).decided_by is None


def test_without_a_flow_nothing_is_predicted():
    each = judge_denial(denial(port=None), None, SNAPSHOT, Times())
    assert (each.agreement, each.decided_by) == (Agreement.UNKNOWN, None)
    assert judge_denial(denial(), None, SNAPSHOT, Times()).agreement is Agreement.UNKNOWN


def test_counts_are_by_direction_and_by_whose_word_it_is():
    client, server = "ecom/deploy/ecom-service", "inventory/deploy/inventory-service"
    one = denial(client, f"{server}:8000")
    each = [judged(one, DENY), judged(replace(one, named=POLICY), DENY), judged(replace(one, kind=DenialKind.TIMED_OUT))]
    found = count_by_object(each, NOW - timedelta(minutes=10))
    assert found[ObjectRef("Deployment", "ecom", "ecom-service")].outgoing == 6
    assert (found[POLICY.ref].logged, found[POLICY.ref].predicted) == (3, 3)
    assert count_by_object(each, NOW + timedelta(minutes=5)) == {}


def test_counts_are_by_time_too_the_oldest_first():
    since = NOW - timedelta(seconds=WINDOW_S)
    start = int(since.timestamp())
    one = replace(denial("ecom/deploy/ecom-service"), recent=((start, 2), (start + WINDOW_S // 2, 1), (start + WINDOW_S - 10, 4)))
    found = count_by_object([judged(one, DENY)], since)[ObjectRef("Deployment", "ecom", "ecom-service")]
    assert found.slots == (2, 0, 0, 0, 0, 1, 0, 0, 0, 4)
    assert sum(found.slots) == found.outgoing
    assert count_by_object([judged(one, DENY)], NOW + timedelta(seconds=60)) == {}


SERVER = "inventory/deploy/inventory-service:8000"


def test_a_closed_tunnel_is_no_policys_doing_and_says_what_to_do():
    each = judged(denial(to=SERVER, kind=DenialKind.HBONE_CLOSED))
    assert (each.agreement, each.decided_by) == (Agreement.UNKNOWN, None)
    assert each.note.startswith("nobody listens on 15008 there, and policy lets it through: ")
    assert "restart the pod" in each.note
    assert judged(denial(to=SERVER, kind=DenialKind.HBONE_CLOSED), DENY).note.startswith("nobody listens on 15008 there: ")
    assert count_by_object([each], NOW - timedelta(minutes=10)) == {}, "it isn't a denial"


STRICT = Decider(ObjectRef("PeerAuthentication", "inventory", "default"))


@pytest.mark.parametrize(
    ("one", "verdict", "cause"),
    [
        (denial(), DENY, Cause.POLICY),
        (denial(named=POLICY), None, Cause.POLICY),
        (denial(), None, Cause.UNKNOWN),
        (denial(identity=""), None, Cause.NO_IDENTITY),
        (denial(identity="", named=STRICT), DENY, Cause.NO_IDENTITY),
        (DENIED, DENY, Cause.POLICY),
        (denial("10.1.2.3", identity=""), DENY, Cause.POLICY),
        (denial(kind=DenialKind.TIMED_OUT), DROP, Cause.NETWORK_POLICY),
        (denial(kind=DenialKind.TIMED_OUT), None, Cause.NO_ANSWER),
        (denial(to=SERVER, kind=DenialKind.FAILED, failure="certificate"), None, Cause.CERTIFICATE),
        (denial(to=SERVER, kind=DenialKind.FAILED, failure="state"), DROP, Cause.STATE),
        (denial(to=SERVER, kind=DenialKind.FAILED, failure="not_listening"), DENY, Cause.NOT_LISTENING),
        (denial(to=SERVER, kind=DenialKind.FAILED, failure="proxy_closed"), None, Cause.PROXY_CLOSED),
        (denial(to=SERVER, kind=DenialKind.FAILED, failure="draining"), None, Cause.DRAINING),
        (denial(to=SERVER, kind=DenialKind.FAILED, failure="another"), None, Cause.UNKNOWN),
        (denial(to=SERVER, kind=DenialKind.HBONE_CLOSED), None, Cause.NOT_CAPTURED),
        (denial(to=SERVER, kind=DenialKind.HBONE_CLOSED), DENY, Cause.NOT_CAPTURED),
        (denial(kind=DenialKind.HBONE_CLOSED), None, Cause.UNKNOWN),
        (denial(to="10.1.2.3:8000", kind=DenialKind.HBONE_CLOSED), None, Cause.UNKNOWN),
        (denial(kind=DenialKind.REFUSED, identity=""), None, Cause.UNKNOWN),
        (denial(identity="", proxy="waypoint"), None, Cause.UNKNOWN),
    ],
)
def test_the_cause_is_evidence_or_unknown(one, verdict, cause):
    each = judged(one, verdict)
    assert each.cause is cause
    assert ("came without an identity" in each.note) is (cause is Cause.NO_IDENTITY)


def test_every_kind_of_denial_has_words_on_screen():
    for kind in DenialKind:
        each = judged(denial(to=SERVER, kind=kind))
        assert about(each, NOW).sections


def test_a_waypoint_that_refuses_its_tunnel_isn_t_a_pod_that_lost_its_capture():
    line = (
        "2026-11-25T15:03:24.986531Z\terror\taccess\tconnection complete\tsrc.addr=10.244.1.10:44882 "
        'src.workload="web-1" src.namespace="shop" src.identity="spiffe://cluster.local/ns/shop/sa/web" '
        'dst.addr=10.244.2.20:15008 dst.hbone_addr=10.96.0.21:80 dst.service="front.shop.svc.cluster.local" '
        'dst.workload="waypoint-1" dst.namespace="shop" direction="outbound" bytes_sent=0 bytes_recv=0 duration="1ms" '
        'error="io error: Connection refused (os error 111)"'
    )
    tally = Tally(10**7)
    tally.add(ZtunnelReader().read(line), SNAPSHOT)
    (one,) = tally.denials
    assert one.reason.endswith(", at shop/waypoint-1")
    for snapshot, cause in ((SNAPSHOT, Cause.UNKNOWN), (replace(SNAPSHOT, network_policies={}), Cause.PROXY_CLOSED)):
        each = judge_denial(one, None, snapshot, Times())
        assert each.cause is cause
        assert "waypoint" in each.note
        assert "captured" not in each.note


KUBE_ROUTER, CALICO = named("kube-router"), named("calico")
REFUSALS = [
    pytest.param({"kind": DenialKind.HBONE_CLOSED}, Cause.NOT_CAPTURED, id="15008 of the pod"),
    pytest.param({"kind": DenialKind.FAILED, "failure": "proxy_closed"}, Cause.PROXY_CLOSED, id="15008 of a waypoint"),
    pytest.param({"kind": DenialKind.FAILED, "failure": "refused"}, Cause.NOT_LISTENING, id="the application's port"),
]
NOT_SURE = Verdict(Decision.UNKNOWN, "unknown", Layer.INGRESS_POLICY)


def caused(changes, verdict, cni, **more):
    return judge_denial(denial(to=SERVER, **changes), verdict, replace(SNAPSHOT, cni=cni, **more), Times())


@pytest.mark.parametrize(("changes", "otherwise"), REFUSALS)
def test_what_a_cni_refuses_that_refuses_is_a_network_policys_doing(changes, otherwise):
    """kube-router, and k3s with it, ends a pod's chain with REJECT: who is denied reads ``Connection refused``."""
    for cni in (KUBE_ROUTER, UNKNOWN_CNI):
        each = caused(changes, DROP, cni)
        assert (each.cause, each.agreement) == (Cause.NETWORK_POLICY, Agreement.AGREES)
        assert each.decided_by == DROP.decided_by
        assert "what a policy denies" in each.note
        assert caused(changes, ENGINE.summarize(denial(to=SERVER).flow), cni).cause is otherwise


@pytest.mark.parametrize(("changes", "_otherwise"), REFUSALS)
def test_where_a_policy_should_have_dropped_it_the_cause_is_unknown(changes, _otherwise):
    each = caused(changes, DROP, CALICO)
    assert (each.cause, each.agreement, each.decided_by) == (Cause.UNKNOWN, Agreement.UNKNOWN, None)
    assert "Calico isn't known to refuse what a policy denies" in each.note
    assert "restart" not in each.note


@pytest.mark.parametrize(("changes", "otherwise"), REFUSALS)
def test_without_a_prediction_a_refusal_has_several_causes_if_there_are_policies(changes, otherwise):
    for verdict in (None, NOT_SURE):
        each = caused(changes, verdict, KUBE_ROUTER)
        assert each.cause is Cause.UNKNOWN
        assert each.note.startswith("it was refused: nobody listens ")
        assert "or a network policy denies it" in each.note
        assert caused(changes, verdict, KUBE_ROUTER, network_policies={}).cause is otherwise
    lost = Step(Layer.ZTUNNEL, "ztunnel", StepResult.UNKNOWN, because(Code.CAPTURE_LOST, pod="x", seen="y"))
    assert caused(changes, replace(NOT_SURE, steps=(lost,)), KUBE_ROUTER).cause is otherwise, "evidence shows it"


@pytest.mark.parametrize("changes", [{"kind": DenialKind.TIMED_OUT}, *(each.values[0] for each in REFUSALS)])
def test_a_policy_that_was_written_after_it_is_not_its_cause(changes):
    policies = SNAPSHOT.network_policies
    uid = next(iter(policies))
    drop = replace(DROP, decided_by=Decider(policies[uid].meta.ref))
    for age, agreement in ((-1, Agreement.AGREES), (1, Agreement.CHANGED)):
        meta = replace(policies[uid].meta, changed=NOW + timedelta(seconds=age))
        newer = {**policies, uid: replace(policies[uid], meta=meta)}
        each = caused(changes, drop, KUBE_ROUTER, network_policies=newer)
        assert each.agreement is agreement
        assert (each.cause is Cause.NETWORK_POLICY) == (agreement is Agreement.AGREES)
        assert ("was written after it" in each.note) == (agreement is Agreement.CHANGED)


@pytest.mark.parametrize(("changes", "otherwise"), REFUSALS)
def test_what_only_proxies_decide_refuses_no_connection(changes, otherwise):
    steps = [Step(layer, "", StepResult.UNKNOWN, because(Code.OWN_NODE)) for layer in (Layer.ZTUNNEL, Layer.INGRESS_POLICY)]
    assert caused(changes, replace(NOT_SURE, steps=tuple(steps[:1])), KUBE_ROUTER).cause is otherwise
    assert caused(changes, replace(NOT_SURE, steps=tuple(steps)), KUBE_ROUTER).cause is Cause.UNKNOWN


def test_the_pod_itself_refuses_its_own_ztunnel_whatever_the_cni_does():
    each = caused({"kind": DenialKind.FAILED, "failure": "not_listening"}, DROP, KUBE_ROUTER)
    assert each.cause is Cause.NOT_LISTENING


def test_a_row_says_nothing_of_capture_where_a_network_policy_refused_it():
    refused = {"kind": DenialKind.HBONE_CLOSED}
    words = [[cell.text for cell in row_of(caused(refused, verdict, KUBE_ROUTER), NOW).cells] for verdict in (DROP, DENY)]
    assert ["? refused" in each for each in words] == [True, False]
    assert ["? not captured" in each for each in words] == [False, True]
