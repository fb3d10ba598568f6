"""The path of a flow: each layer of a verdict has its station, none is invented, and the line breaks where the verdict says."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from meshtui.engine import Engine
from meshtui.engine.explain.denials import Times
from meshtui.engine.path.references import parse_flow
from meshtui.engine.path.relations import flows_from_all
from meshtui.model.denial import DenialKind
from meshtui.model.enrolment import Capture, Enrolment, Evidence, Seen
from meshtui.model.ids import ObjectRef
from meshtui.model.observation import Observation
from meshtui.model.reason import Code, because
from meshtui.model.verdict import Decision, Layer, Step, StepResult, Verdict
from meshtui.ui.flow_path import path_of, path_of_denial, path_of_fix
from meshtui.ui.pictures.path import State, Way, path_in_words
from tests.fakes import cilium
from tests.fakes.frozen import bookstore
from tests.fakes.requests import http
from tests.fakes.snapshots import ambient, namespace, pod, policy, snapshot_of
from tests.unit import test_calico_policies, test_gateway_rules, test_sidecar, test_waypoint
from tests.unit import test_denials_judged as denials
from tests.unit.test_admin_priorities import admin

NOW = datetime(2026, 11, 24, 14, 0, tzinfo=UTC)
BASE = [
    ambient("a"),
    ambient("b"),
    namespace("out"),
    pod("a/web", "10.0.0.1", account="web", node="n1"),
    pod("b/api", "10.0.0.2", [80], account="api", node="n2"),
    pod("out/plain", "10.0.0.3"),
]
FLOW, PLAIN = "a/web > b/api:80", "out/plain > b/api:80"
NO_EGRESS = policy("a/out", "{podSelector: {}, policyTypes: [Egress]}")
NO_INGRESS = policy("b/in", "{podSelector: {}}")
ONLY_80 = policy("b/in", "{podSelector: {}, ingress: [{ports: [{port: 80}]}]}")
NOBODY = policy("b/nobody", "{}", kind="AuthorizationPolicy")
STRICT = policy("b/strict", "{mtls: {mode: STRICT}}", kind="PeerAuthentication")


def asked(flow, request=""):
    source, _, destination = (part.strip() for part in flow.partition(" > "))
    return parse_flow(source, destination, http=http(request))


def path(objects, flow=FLOW, request="", jwt=None, **changes):
    snapshot = snapshot_of(*objects, **changes) if objects and isinstance(objects[0], list) else snapshot_of(objects, **changes)
    one = replace(asked(flow, request), jwt=jwt)
    return path_of(one, Engine(snapshot).judge(one), snapshot)


def drawn(data):
    """``glyph name`` of each station, with ╳ or ? before the one at which the flow stops, and the tunnel before its end."""
    marks = {State.BLOCK: "╳ ", State.UNKNOWN: "? "}
    told = []
    for index, station in enumerate(data.stations):
        stop = marks[station.state] if index == data.stop else ""
        way = {Way.HBONE: "═ ", Way.MUTUAL_TLS: "mTLS ", Way.LOCAL: ""}[station.way]
        told.append(f"{way}{stop}{station.state.value} {station.name}")
    return told


ENDS = ("· web", "· api:80")
CASES = [
    pytest.param([], FLOW, ["· web", "· ztunnel", "– egress policy", "═ – ingress policy", "– ztunnel", "· api:80"],
                 id="nothing selects it"),
    pytest.param([NO_EGRESS], FLOW, ["· web", "· ztunnel", "╳ ✗ egress policy", "═ – ingress policy", "– ztunnel", "· api:80"],
                 id="egress NetworkPolicy"),
    pytest.param([ONLY_80], FLOW, ["· web", "· ztunnel", "– egress policy", "═ ╳ ✗ ingress policy", "– ztunnel", "· api:80"],
                 id="ingress NetworkPolicy without 15008"),
    pytest.param([NOBODY], FLOW, ["· web", "· ztunnel", "– egress policy", "═ – ingress policy", "╳ ✗ ztunnel", "· api:80"],
                 id="the destination's ztunnel"),
    pytest.param([NO_EGRESS, NOBODY], FLOW,
                 ["· web", "· ztunnel", "╳ ✗ egress policy", "═ – ingress policy", "✗ ztunnel", "· api:80"],
                 id="the first that blocks"),
    pytest.param([STRICT], PLAIN, ["· plain", "– egress policy", "– ingress policy", "╳ ✗ ztunnel", "· api:80"],
                 id="a source in plaintext"),
    pytest.param([admin("x", "Deny")], FLOW,
                 ["· web", "· ztunnel", "– egress policy", "═ ╳ ✗ ingress policy", "– ztunnel", "· api:80"], id="admin tier"),
    pytest.param([admin("x", "Pass")], FLOW,
                 ["· web", "· ztunnel", "– egress policy", "═ – ingress policy", "– ztunnel", "· api:80"], id="admin tier: Pass"),
    pytest.param([admin("default", "Deny", kind="BaselineAdminNetworkPolicy")], FLOW,
                 ["· web", "· ztunnel", "– egress policy", "═ ╳ ✗ ingress policy", "– ztunnel", "· api:80"], id="baseline tier"),
    pytest.param([admin("x", "Allow"), admin("y", "Deny")], FLOW,
                 ["· web", "· ztunnel", "– egress policy", "═ ? ? ingress policy", "– ztunnel", "· api:80"], id="unknown"),
]  # fmt: skip


@pytest.mark.parametrize(("objects", "flow", "stations"), CASES)
def test_each_layer_blocks_at_its_own_station(objects, flow, stations):
    assert drawn(path([*BASE, *objects], flow)) == stations


def test_udp_passes_no_ztunnel():
    snapshot = snapshot_of(BASE)
    flow = parse_flow("a/web", "b/api:53", protocol="UDP")
    data = path_of(flow, Engine(snapshot).judge(flow), snapshot)
    assert drawn(data) == ["· web", "– egress policy", "– ingress policy", "· api:53/UDP"]


def test_a_flow_to_port_15008_itself_is_no_tunnel():
    shut = policy("b/in", "{podSelector: {}, ingress: [{ports: [{port: 80}]}]}")
    assert drawn(path([*BASE, shut], "out/plain > b/api:15008"))[2] == "╳ ✗ ingress policy"
    assert drawn(path([*BASE, shut], "a/web > b/api:15008"))[3] == "═ ╳ ✗ ingress policy"


def test_where_two_ip_families_differ_the_line_does_not_break():
    both = pod("b/api", "10.0.0.2 fd00::2", [80], account="api", node="n2")
    four = policy("b/four", "{action: DENY, rules: [{to: [{operation: {ports: ['80']}}], when: "
                  "[{key: destination.ip, values: [10.0.0.2]}]}]}", kind="AuthorizationPolicy")  # fmt: skip
    data = path([*BASE[:3], pod("a/web", "10.0.0.1 fd00::1", account="web"), both, four])
    assert data.note.startswith("? the pods have IPv4 and IPv6 addresses")
    assert (data.breaks, data.stations[data.stop].says) == (False, "rules[0] denies it, perhaps")


def test_a_pod_to_itself_passes_nothing():
    assert drawn(path(BASE, "b/api > b/api:80")) == ["· api", "· api:80"]


def test_a_waypoint_stands_between_two_connections():
    data = path([*test_waypoint.WORLD, test_waypoint.policy([])], test_waypoint.FLOW, "GET /")
    assert drawn(data) == [
        "· web", "· ztunnel", "– egress policy", "═ – ingress policy", "╳ ✗ waypoint",
        "– egress policy", "═ – ingress policy", "– ztunnel", "· api:80",
    ]  # fmt: skip
    waypoint = data.stations[4]
    assert (waypoint.at, waypoint.link) == ("back/wp", ObjectRef("Gateway", "back", "wp"))
    assert waypoint.refs == (ObjectRef("AuthorizationPolicy", "back", "p"),)


def test_a_waypoint_that_is_gone_past_says_so():
    data = path([*test_waypoint.WORLD, test_waypoint.policy([])], test_waypoint.PLAIN, "GET /")
    station = next(each for each in data.stations if each.name == "waypoint")
    assert (station.state, station.says) == (State.SKIP, "gone past: plaintext")
    assert data.stop is None


def test_a_sidecar_speaks_mutual_tls_and_blocks():
    data = path([*test_sidecar.WORLD, test_sidecar.policy([])], test_sidecar.WEB, "GET /")
    assert drawn(data) == ["· web", "– egress policy", "mTLS – ingress policy", "╳ ✗ sidecar", "· api:80"]
    plain = path([*test_sidecar.WORLD, test_sidecar.peer("STRICT")], test_sidecar.PLAIN, "GET /")
    assert drawn(plain) == ["· plain", "– egress policy", "– ingress policy", "╳ ✗ sidecar", "· api:80"]


def test_a_gateway_stands_between_two_connections():
    data = path([*test_gateway_rules.GATE, test_gateway_rules.OPEN], test_gateway_rules.API, "GET /api/x")
    assert drawn(data)[:4] == ["· a client outside", "– ingress policy", "✓ gateway", "– egress policy"]
    assert drawn(data)[4:] == ["═ – ingress policy", "– ztunnel", "· api:80"]
    refused = path([*test_gateway_rules.GATE, test_gateway_rules.OPEN], test_gateway_rules.API, "GET /other")
    assert drawn(refused) == ["· a client outside", "– ingress policy", "╳ ✗ gateway", "· api:80"]
    assert refused.stations[2].link == ObjectRef("Gateway", "infra", "gw")


@pytest.mark.parametrize(
    ("capture", "flow", "stations"),
    [
        (None, FLOW, ["· web", "· ztunnel", "– egress policy", "═ – ingress policy", "– ztunnel", "· api:80"]),
        (Capture.UNPROVEN, FLOW, ["· web", "· ztunnel", "– egress policy", "═ – ingress policy", "– ztunnel", "· api:80"]),
        (Capture.PROVEN, FLOW, ["· web", "✓ ztunnel", "– egress policy", "═ – ingress policy", "– ztunnel", "· api:80"]),
        (Capture.LOST, FLOW, ["· web", "? ? ztunnel", "· api:80"]),
        (Capture.LOST, "b/api > a/web:80", ["· api", "· ztunnel", "? ? ztunnel", "· web:80"]),
        (Capture.PENDING, FLOW, ["· web", "? ? ztunnel", "· api:80"]),
    ],
)
def test_only_a_proof_lets_the_source_be_captured(capture, flow, stations):
    snapshot = snapshot_of(BASE)
    evidence = (Evidence(Seen.ZTUNNEL_LACKS, False, "the ztunnel doesn't have it"),)
    looked = {} if capture is None else {"Pod/a/web": Enrolment(capture, evidence)}
    snapshot = replace(snapshot, enrolments=looked)
    one = asked(flow)
    data = path_of(one, Engine(snapshot).judge(one), snapshot)
    assert drawn(data) == stations
    words = {Capture.PROVEN: "captured", Capture.LOST: "capture lost", Capture.PENDING: "capture pending"}
    said = [station.says for station in data.stations if station.name == "ztunnel"]
    assert words.get(capture, "capture unproven") in said


def test_what_a_node_runs_and_an_identity_are_links():
    data = path([*BASE, NOBODY])
    source, ours, _, _, theirs, end = data.stations
    assert source.refs == (ObjectRef("ServiceAccount", "a", "web"),)
    assert (ours.at, ours.link) == ("on n1", ObjectRef("Node", "", "n1"))
    assert (theirs.at, theirs.link) == ("on n2", ObjectRef("Node", "", "n2"))
    assert theirs.refs == (ObjectRef("AuthorizationPolicy", "b", "nobody"),)
    assert (source.link, end.link) == (ObjectRef("Pod", "a", "web"), ObjectRef("Pod", "b", "api"))


def test_a_source_outside_the_mesh_has_no_identity():
    source = path(BASE, PLAIN).stations[0]
    assert (source.says, source.refs) == ("not in the mesh", ())


def test_where_no_rule_of_several_allows_all_of_them_are_named_and_behind_the_break_one_is():
    more = policy("b/more", "{podSelector: {}}")
    first = path([*BASE, NO_INGRESS, more])
    assert first.stations[first.stop].refs == tuple(ObjectRef("NetworkPolicy", "b", name) for name in ("in", "more"))
    behind = path([*BASE, NO_EGRESS, NO_INGRESS, more])
    assert [len(station.refs) for station in behind.stations if station.name == "ingress policy"] == [1]


# ---- a mixed verdict


def test_of_a_mixed_verdict_the_first_pair_that_differs_is_shown():
    shut = test_waypoint.netpol("back/n", "{podSelector: {matchLabels: {version: new}}, ingress: []}")
    pods = [test_waypoint.wp_pod(1), test_waypoint.wp_pod(2, "10.0.2.8", {"version": "new"})]
    data = path(test_waypoint.world(shut, pods=pods, api=test_waypoint.API), test_waypoint.FLOW, "GET /")
    assert data.note.startswith("± 1 of 2 pairs: ")
    assert data.breaks
    assert data.lanes[0].glyph == "±"
    assert data.lanes[0].word == "mixed: timeout at ingress policy of wp-2"


# ---- the lanes


def lanes(objects=(), seen=None, *, old=False, expected=""):
    snapshot = snapshot_of([*BASE, *objects])
    flow = asked(FLOW)
    verdict = Engine(snapshot).judge(flow)
    observation = Observation(flow, seen, verdict, at=NOW - timedelta(seconds=12)) if seen else None
    data = path_of(flow, verdict, snapshot, observation, old=old, expected=expected, now=NOW)
    return ["".join(word.text for word in lane.line()) for lane in data.lanes]


@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        (lanes(), ["predicted ✓ allow"]),
        (lanes([NOBODY]), ["predicted ✗ closed at ztunnel on n2"]),
        (lanes([admin("x", "Allow"), admin("y", "Deny")]), ["predicted ? unknown at ingress policy"]),
        (lanes([NOBODY], "closed"), ["predicted ✗ closed at ztunnel on n2", "observed ✗ closed, 12s ago  = agrees"]),
        (lanes([], "closed"), ["predicted ✓ allow", "observed ✗ closed, 12s ago  ≠ DISAGREES"]),
        (lanes([], "connected", old=True), ["predicted ✓ allow", "observed ✓ connected, 12s ago  ! old"]),
        (lanes([], "dns"), ["predicted ✓ allow", "observed ~ dns, 12s ago  ~ can't tell"]),
        (lanes([], expected="allow"), ["predicted ✓ allow", "expected ✓ allow  = as expected"]),
        (lanes([], expected="deny"), ["predicted ✓ allow", "expected ✗ deny  ≠ NOT as expected"]),
        (lanes([], expected="http_200"), ["predicted ✓ allow", "expected ✓ http_200  ~ can't tell"]),
    ],
)
def test_the_lanes(said, wanted):
    assert said == wanted


def test_an_old_observation_is_not_held_against_what_is_expected():
    assert lanes([], "closed", old=True, expected="allow")[-1] == "expected ✓ allow  = as expected"
    assert lanes([], "closed", expected="allow")[-1] == "expected ✓ allow  ≠ NOT as expected"


def test_a_fix_says_what_it_promises():
    snapshot = snapshot_of([*BASE, NOBODY])
    flow = asked(FLOW)
    data = path_of_fix(flow, Decision.ALLOW, Engine(snapshot).judge(flow), snapshot)
    assert [lane.name for lane in data.lanes] == ["predicted", "expected"]
    assert (data.lanes[1].word, data.lanes[1].note) == ("allow", "once the fix is applied")


@pytest.mark.parametrize(
    ("one", "verdict", "said"),
    [
        pytest.param(denials.denial(), None, "observed ✗ rejected ×3, says the ztunnel, 12s ago  ≠ DISAGREES", id="allowed"),
        pytest.param(denials.denial(count=1), denials.DENY, "observed ✗ rejected, says the ztunnel, 12s ago  = agrees",
                     id="once"),
        pytest.param(
            denials.denial(kind=DenialKind.TIMED_OUT), denials.DROP,
            "observed ? timed out ×3, says the ztunnel, 12s ago  = agrees", id="not certain",
        ),
    ],
)  # fmt: skip
def test_of_a_denial_the_log_is_the_observed_lane(one, verdict, said):
    times = Times(watched=denials.NOW - timedelta(hours=1))
    data = path_of_denial(denials.judged(one, verdict, times), denials.SNAPSHOT, denials.NOW + timedelta(seconds=12))
    assert "".join(word.text for word in data.lanes[1].line()) == said


def test_a_denial_of_which_nobody_knows_the_ends_has_no_path():
    unknown = replace(denials.denial(), source=None)
    assert path_of_denial(denials.judged(unknown, denials.DENY), denials.SNAPSHOT, denials.NOW) is None


# ---- every verdict that other tests know


def verdicts():
    worlds = [
        (test_waypoint.WORLD, test_waypoint.CASES),
        (test_sidecar.WORLD, test_sidecar.CASES),
        (test_gateway_rules.GATE, test_gateway_rules.CASES),
    ]
    for world, cases in worlds:
        for case in cases:
            snapshot = snapshot_of(world, case.objects)
            flow = replace(asked(case.flow, case.request), jwt=case.jwt)
            yield flow, Engine(snapshot).judge(flow), snapshot
    shop = bookstore()
    engine = Engine(shop)
    for flow in flows_from_all(shop):
        yield flow, engine.judge(flow), shop


STRUCTURAL = {"source", "destination", "source ztunnel"}


def test_no_station_is_invented_and_no_step_is_left_out():
    number = 0
    for flow, verdict, snapshot in verdicts():
        shown = verdict if not verdict.pairs else next(
            (pair.verdict for pair in verdict.pairs if pair.verdict.decision is not Decision.ALLOW), verdict.pairs[0].verdict
        )  # fmt: skip
        data = path_of(flow, verdict, snapshot)
        told = f"{flow} {[(s.layer.value, s.where, s.result.value) for s in shown.steps]} {drawn(data)}"
        number += 1
        made = [station for station in data.stations if station.id not in STRUCTURAL]
        assert len({station.id for station in data.stations}) == len(data.stations), told
        assert bool(made) == any(True for step in shown.steps if not step.where.startswith(("ztunnel of", "the proxy of"))), told
        assert len(made) <= len(shown.steps), told
        results = {StepResult.PASS: State.PASS, StepResult.BLOCK: State.BLOCK, StepResult.UNKNOWN: State.UNKNOWN}
        for result, state in results.items():
            stations = [station for station in data.stations if station.state is state]
            assert len(stations) <= sum(step.result is result for step in shown.steps), told
            if any(step.result is result for step in shown.steps) and result is not StepResult.PASS:
                assert stations or result is StepResult.UNKNOWN, told
        assert data.breaks == (shown.decision is Decision.DENY), told
        if shown.decision is Decision.ALLOW:
            assert data.stop is None, told
        for station in data.stations:
            objects = {decider.ref for step in shown.steps for decider in step.objects}
            assert station.id in STRUCTURAL or set(station.refs) <= objects, told
    assert number > 150


def test_the_object_that_decides_a_denial_stands_where_the_line_breaks():
    for flow, verdict, snapshot in verdicts():
        if verdict.decision is Decision.DENY and verdict.decided_by is not None:
            data = path_of(flow, verdict, snapshot)
            assert data.stations[data.stop].refs[0] == verdict.decided_by.ref, flow


@pytest.mark.parametrize("layer", Layer)
@pytest.mark.parametrize("code", [Code.KIND_NOT_READABLE, Code.NOT_FOUND])
def test_a_doubt_of_any_layer_has_a_station_although_it_names_no_pod(layer, code):
    reason = because(code, kind="Sidecar", why="forbidden") if code is Code.KIND_NOT_READABLE else because(code, error="x")
    step = Step(layer, "Sidecar", StepResult.UNKNOWN, reason)
    verdict = Verdict(Decision.UNKNOWN, "unknown", layer, steps=(step,))
    data = path_of(asked(FLOW), verdict, snapshot_of(BASE))
    assert data.stations[data.stop].state is State.UNKNOWN
    assert "nothing is known from here on" in path_in_words(data).plain()


def test_words_say_where_the_line_breaks_and_what_those_behind_would_do():
    text = path_in_words(path([*BASE, NO_EGRESS, NOBODY])).plain()
    assert "✗ egress policy  no rule allows it  NetworkPolicy a/out  the line breaks here" in text
    assert "✗ ztunnel on n2  would block, no rule allows it  AuthorizationPolicy b/nobody" in text
    assert "· api:80  not reached" in text
    assert "predicted ✗ timeout at egress policy" in text


@pytest.mark.parametrize(
    ("objects", "flow", "kind"),
    [
        pytest.param([test_calico_policies.gnp(ingress=[])], test_calico_policies.WEB, "GlobalNetworkPolicy.projectcalico.org",
                     id="Calico"),
        pytest.param([cilium.crab("ingress: [{}]")], cilium.TO_CRAB, "CiliumNetworkPolicy", id="Cilium"),
    ],
)  # fmt: skip
def test_the_policies_of_a_cni_have_their_station(objects, flow, kind):
    calico = "calico" in kind
    world = test_calico_policies.WORLD if calico else cilium.WORLD
    snapshot = snapshot_of(world, objects, cni=test_calico_policies.CALICO if calico else cilium.CILIUM)
    one = asked(flow)
    data = path_of(one, Engine(snapshot).judge(one), snapshot)
    station = data.stations[data.stop]
    assert (station.name, station.says, station.refs[0].kind) == ("ingress policy", "no rule allows it", kind)
