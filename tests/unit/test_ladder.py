"""What the ladder says of a verdict, and of a change of one."""

from datetime import UTC, datetime, timedelta

import pytest

from meshtui.engine import Engine
from meshtui.engine.explain.advice import Advice, advise
from meshtui.engine.explain.causes import causes, differences, near
from meshtui.engine.explain.effect import Effect
from meshtui.engine.explain.proposals import Change
from meshtui.engine.path.references import parse_flow
from meshtui.engine.whatif.shifts import Shift, What
from meshtui.model.change import Cause, VerdictChange
from meshtui.model.finding import Edit, Operation
from meshtui.model.ids import ObjectRef
from meshtui.model.observation import Observation
from meshtui.model.reason import Code, because
from meshtui.model.verdict import Decider, Decision, Hop, Layer, PairVerdict, Step, StepResult, Verdict
from meshtui.ui.ladder import changed_words, linked, why
from tests.fakes.frozen import bookstore
from tests.fakes.snapshots import ambient, namespace, pod, policy, snapshot_of

NOW = datetime(2026, 11, 24, 14, 0, tzinfo=UTC)
NETPOL, AUTHZ = ObjectRef("NetworkPolicy", "a", "np"), ObjectRef("AuthorizationPolicy", "a", "ap")
FLOW = parse_flow("a/web", "a/db:5432")
ALLOW = Verdict(Decision.ALLOW, "connected", Layer.ZTUNNEL, Decider(AUTHZ, "rules[0]"))
DENY = Verdict(Decision.DENY, "timeout", Layer.INGRESS_POLICY, Decider(NETPOL))


def text_of(text):
    return because(Code.NOT_FOUND, error=text)


def words(line):
    return "".join(word.text for word in line)


@pytest.mark.parametrize(
    ("before", "after", "because", "said"),
    [
        pytest.param(ALLOW, DENY, (Cause(NETPOL, "edited", "kubectl"),),
                     "* changed 3s ago: allow → deny, because NetworkPolicy a/np was edited by kubectl", id="edited"),
        pytest.param(DENY, ALLOW, (Cause(NETPOL, "deleted", "kubectl"),),
                     "* changed 3s ago: deny → allow, because NetworkPolicy a/np was deleted", id="deleted"),
        pytest.param(DENY, ALLOW, (), "* changed 3s ago: deny → allow", id="no cause is known"),
        pytest.param(ALLOW, Verdict(Decision.ALLOW, "connected", Layer.NONE), (Cause(AUTHZ, "deleted"),),
                     "* changed 3s ago: allow by AuthorizationPolicy a/ap rules[0] → allow (none), "
                     "because AuthorizationPolicy a/ap was deleted", id="the same word, another object"),
    ],
)  # fmt: skip
def test_a_change_says_from_what_to_what_when_and_why(before, after, because, said):
    change = VerdictChange(FLOW, before, after, NOW - timedelta(seconds=3), because)
    assert words(changed_words(change, NOW)) == said


def test_every_step_is_a_line_with_its_mark_and_where_it_is_enforced():
    steps = (
        Step(Layer.EGRESS_POLICY, "CNI", StepResult.SKIP, text_of("nothing selects it")),
        Step(Layer.INGRESS_POLICY, "CNI", StepResult.BLOCK, text_of("no rule allows it"), (Decider(NETPOL), Decider(AUTHZ))),
        Step(Layer.ZTUNNEL, "ztunnel on n1", StepResult.UNKNOWN, text_of("can't be read")),
        Step(Layer.WAYPOINT, "waypoint w", StepResult.PASS, text_of("fine")),
    )
    verdict = Verdict(
        Decision.DENY, "timeout", Layer.INGRESS_POLICY, Decider(NETPOL), steps, (text_of("an assumption"),), (text_of("a note"),)
    )
    edit = Edit(NETPOL, (Operation("add", ("spec", "ingress", "-"), {"from": []}),))
    change = Change(Layer.INGRESS_POLICY, Hop("a/web", "a/db", 5432), (NETPOL,), text_of("a change"), edit)
    other = Shift("a/Pod/x", "a/Pod/db", What.OPENED, (("TCP", ((80, 80),)),), None, None)
    advice = Advice("nothing", ("a log line",), (change,), Effect(Decision.DENY, (other,)), ("kubectl get",), "probe it")
    text = why(FLOW, verdict, advice, NOW).plain()
    for wanted in ("Why? a/web → a/db:5432 (TCP)", "✗ deny: timeout", "decided by NetworkPolicy a/np (ingress_policy)",
                   "– skip  egress_policy", "✗ BLOCK ingress_policy: no rule allows it", "considered: AuthorizationPolicy a/ap",
                   "? doubt ztunnel", "at ztunnel on n1", "✓ pass  waypoint", "an assumption", "a note", "a log line",
                   "1. ingress_policy, a/web → a/db on TCP 5432: a change",
                   "/spec/ingress/-", "a/Pod/x → a/Pod/db", "kubectl get", "probe it", "the client sees: nothing"):  # fmt: skip
        assert wanted in text
    assert text.index("would also let in 1 pair") < text.index("a change") < text.index("not enough")


def test_a_mixed_verdict_lists_its_pairs():
    mixed = Verdict(
        Decision.MIXED, "unknown", Layer.ZTUNNEL, pairs=(PairVerdict("a/w", "a/d", ALLOW), PairVerdict("a/w", "a/e", DENY))
    )
    document = why(FLOW, mixed, Advice("not known"), NOW)
    assert "a/w → a/d  ✓ allow" in document.plain()
    assert "a/w → a/e  ✗ deny" in document.plain()
    links = [spot.link for spot in document.laid_out()[1]]
    assert links == [ObjectRef("Pod", "a", name) for name in ("w", "d", "w", "e")]


@pytest.mark.parametrize(
    ("old", "said", "not_said"),
    [
        pytest.param(False, "= agrees: connected, 90s ago", "! old", id="as it is"),
        pytest.param(True, "! old: connected, 90s ago", "agrees", id="the verdict or its policies changed since"),
    ],
)
def test_an_observation_shows_its_age_and_whether_it_still_counts(old, said, not_said):
    verdict = Verdict(Decision.ALLOW, "connected", Layer.NONE)
    seen = Observation(FLOW, "connected", verdict, at=NOW - timedelta(seconds=90))
    text = why(FLOW, verdict, Advice(""), NOW, seen, old=old).plain()
    assert said in text
    assert not_said not in text


def test_hostile_words_are_shown_and_not_executed():
    step = Step(Layer.ZTUNNEL, "[red]x[/]", StepResult.BLOCK, text_of("\x1b[31m\u202e"))
    text = why(FLOW, Verdict(Decision.DENY, "closed", Layer.ZTUNNEL, steps=(step,)), Advice(""), NOW).plain()
    assert "[red]x[/]" in text
    assert "\x1b" not in text


# ---- what changed, and what of it explains a verdict

BASE = [ambient("a"), pod("a/web", "10.0.0.1"), pod("a/db", "10.0.0.2", [5432])]
OPEN, CLOSED = "podSelector: {}\ningress: [{}]", "podSelector: {matchLabels: {app: db}}"


def changed(old, new):
    return [str(cause) for cause in differences(snapshot_of(old), snapshot_of(new))]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        pytest.param(BASE, BASE, [], id="nothing"),
        pytest.param(BASE, [*BASE, policy("a/np", OPEN)], ["NetworkPolicy a/np was created"], id="created"),
        pytest.param(
            [*BASE, policy("a/np", OPEN)], [*BASE, policy("a/np", CLOSED)], ["NetworkPolicy a/np was edited"], id="edited"
        ),
        pytest.param([*BASE, policy("a/np", OPEN)], BASE, ["NetworkPolicy a/np was deleted"], id="deleted"),
        pytest.param(BASE, [namespace("a"), *BASE[1:]], ["Namespace a was edited"], id="a namespace's label"),
        pytest.param(
            BASE, [*BASE[:2], pod("a/db", "10.0.0.2", [5432], {"app": "x"})], ["Pod a/db was edited"], id="a pod's label"
        ),
        pytest.param(
            BASE, [*BASE[:2], pod("a/db", "10.0.0.2", [5432], status={"phase": "Pending"})], [], id="only a pod's status"
        ),
    ],
)
def test_what_changed_between_two_snapshots(old, new, said):
    assert changed(old, new) == said


def test_the_objects_that_a_verdict_names_explain_it_before_its_ends_do():
    found = [
        Cause(ObjectRef("Pod", "a", "db"), "edited"),
        Cause(NETPOL, "edited"),
        Cause(ObjectRef("NetworkPolicy", "b", "x"), "edited"),
    ]
    assert causes(FLOW, ALLOW, DENY, found, "istio-system") == (found[1],)
    assert causes(FLOW, ALLOW, DENY, [found[0], found[2]], "istio-system") == (found[0],)
    assert causes(FLOW, ALLOW, DENY, [found[2]], "istio-system") == ()


@pytest.mark.parametrize(
    ("ref", "counts"),
    [
        (ObjectRef("NetworkPolicy", "a", "other"), True),
        (ObjectRef("PeerAuthentication", "istio-system", "default"), True),
        (ObjectRef("AdminNetworkPolicy", "", "admin"), True),
        (ObjectRef("Namespace", "", "a"), True),
        (ObjectRef("Namespace", "", "b"), False),
        (ObjectRef("NetworkPolicy", "b", "np"), False),
        (ObjectRef("Pod", "a", "else"), False),
    ],
    ids=str,
)
def test_without_a_named_object_the_policies_nearby_are_named(ref, counts):
    assert bool(near([Cause(ref, "edited")], {"a", "istio-system"})) is counts


def test_every_advice_on_the_bookstore_can_be_drawn():
    snapshot = bookstore()
    engine = Engine(snapshot)
    for source in ("ecom/deploy/ecom-service", "observability/deploy/prometheus", "external"):
        for destination in ("inventory/svc/inventory-service:8000", "inventory/svc/inventory-db:5432", "10.1.2.3:443"):
            flow = parse_flow(source, destination)
            verdict = engine.judge(flow)
            assert verdict.decision.value in why(flow, verdict, advise(engine, flow, verdict), NOW).plain()


def test_the_objects_that_a_step_names_are_links():
    refs = [ObjectRef("NetworkPolicy", "ecom", "a"), ObjectRef("NetworkPolicy", "ecom", "a-b"), ObjectRef("Pod", "", "x")]
    words = linked("no rule of NetworkPolicy ecom/a-b, NetworkPolicy ecom/a allows, NetworkPolicy ecom/a.c", refs)
    assert [(word.text, word.link) for word in words if word.link is not None] == [
        ("NetworkPolicy ecom/a-b", refs[1]),
        ("NetworkPolicy ecom/a", refs[0]),
    ]
    assert "".join(word.text for word in words).endswith("allows, NetworkPolicy ecom/a.c")
    assert [word.text for word in linked("as it is", [])] == ["as it is"]
