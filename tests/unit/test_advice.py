"""What follows from a verdict: what the client sees, who logs it, the smallest change, the next step."""

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from meshtui.engine import Engine
from meshtui.engine.explain.advice import _ACCESS_LOG, _SEEN, advise
from meshtui.engine.path.references import parse_flow
from meshtui.model.flow import HttpRequest
from meshtui.model.verdict import http_outcome
from meshtui.sandbox import scenarios
from meshtui.sources.manifests import load_manifests
from tests.fakes.snapshots import ambient, namespace, pod, policy, snapshot_of

WEB, DB = pod("a/web", "10.0.0.1", node="n1", account="web"), pod("a/db", "10.0.0.2", [5432], node="n2", account="db")
MESHED, PLAIN = [ambient("a"), WEB, DB], [namespace("a"), WEB, DB]
NOBODY_IN = policy("a/np", "podSelector: {matchLabels: {app: db}}")
NOTHING_OUT = policy("a/np", "podSelector: {matchLabels: {app: web}}\npolicyTypes: [Egress]")
OTHERS = policy("a/ap", "rules: [{from: [{source: {principals: [cluster.local/ns/a/sa/other]}}]}]", "AuthorizationPolicy")
DENIED = policy("a/ap", "action: DENY\nrules: [{from: [{source: {namespaces: [a]}}]}]", "AuthorizationPolicy")
STRICT = policy("b/pa", "mtls: {mode: STRICT}", "PeerAuthentication")
OUTSIDER = [ambient("b"), namespace("a"), WEB, pod("b/db", "10.0.0.2", [5432], node="n2")]
HBONE_LINE = "ztunnel on n1: connection timed out, maybe a NetworkPolicy is blocking HBONE port 15008"


@dataclass(frozen=True)
class Row:
    """Objects, the flow, and words that must stand in what the client sees, the log lines, the changes."""

    name: str
    objects: list
    flow: str
    sees: str
    log: str = ""
    change: str = ""


ROWS = [
    Row("allowed: the answer is elsewhere", PLAIN, "a/web > a/db:5432", "the connection opens"),
    Row("ingress, ambient: 15008 is what counts", [*MESHED, NOBODY_IN], "a/web > a/db:5432", "never opens", HBONE_LINE,
        "an ingress rule in NetworkPolicy a/np: from pods [app=web] in namespace a on TCP 15008"),
    Row("egress, ambient", [*MESHED, NOTHING_OUT], "a/web > a/db:5432", "never opens", HBONE_LINE,
        "an egress rule in NetworkPolicy a/np: to pods [app=db] in namespace a on TCP 15008"),
    Row("ingress, no mesh: the app's port, and nobody logs it", [*PLAIN, NOBODY_IN], "a/web > a/db:5432", "never opens",
        "nobody logs it", "on TCP 5432"),
    Row("no rule allows this identity", [*MESHED, OTHERS], "a/web > a/db:5432", "closed before a byte arrives",
        "ztunnel on n2: connection closed due to policy rejection: allow policies exist, but none allowed",
        "principals: [cluster.local/ns/a/sa/web] in a rule of AuthorizationPolicy a/ap"),
    Row("the source's ztunnel logs its side too", [*MESHED, OTHERS], "a/web > a/db:5432", "", "ztunnel on n1: http status: 401"),
    Row("a DENY rule names itself", [*MESHED, DENIED], "a/web > a/db:5432", "closed", "explicitly denied by: a/ap",
        "take this caller out of AuthorizationPolicy a/ap rules[0]"),
    Row("plaintext against STRICT", [*OUTSIDER, STRICT], "a/web > b/db:5432", "closed", "no src.identity", "into the mesh"),
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_advice(row):
    source, _, destination = row.flow.partition(" > ")
    engine, flow = Engine(snapshot_of(row.objects)), parse_flow(source, destination)
    advice = advise(engine, flow, engine.judge(flow))
    assert row.sees in advice.client_sees
    assert row.log in "\n".join(advice.log_lines)
    assert row.change in "\n".join(advice.changes)
    assert advice.next_step


def test_the_default_serviceaccount_is_the_first_thing_to_change():
    engine = Engine(snapshot_of([ambient("a"), pod("a/web", "10.0.0.1"), DB, OTHERS]))
    flow = parse_flow("a/web", "a/db:5432")
    assert "a ServiceAccount of its own" in advise(engine, flow, engine.judge(flow)).changes[0]


def test_the_objects_to_look_at_are_lines_for_kubectl_the_deciding_one_first():
    engine = Engine(snapshot_of([*MESHED, NOBODY_IN, OTHERS]))
    flow = parse_flow("a/web", "a/db:5432")
    assert advise(engine, flow, engine.judge(flow)).commands[0] == "kubectl get -n a networkpolicy np -o yaml"


@pytest.mark.parametrize(("flow", "decision"), [("a/web > a/db:5432", "mixed"), ("a/web > 10.9.9.9:80", "allow")])
def test_advice_on_several_pods_and_on_addresses(flow, decision):
    owner = [{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "db", "uid": "1", "controller": True}]
    pods = [pod(f"a/db-{n}", f"10.0.1.{n}", [5432], {"role": f"r{n}"}, metadata={"name": f"db-{n}", "namespace": "a",
            "labels": {"role": f"r{n}"}, "ownerReferences": owner}) for n in (1, 2)]  # fmt: skip
    closed = policy("a/np", "podSelector: {matchLabels: {role: r2}}")
    engine = Engine(snapshot_of([namespace("a"), WEB, *pods, closed]))
    source, _, destination = flow.partition(" > ")
    asked = parse_flow(source, "a/sts/db:5432" if decision == "mixed" else destination)
    verdict = engine.judge(asked)
    assert verdict.decision.value == decision
    advice = advise(engine, asked, verdict)
    assert decision == "allow" or "NetworkPolicy a/np" in advice.changes[0]


HEALTHY = Path(scenarios.__file__).parent / "healthy"


def advice_on(source, destination, method, path, **more):
    engine = Engine(load_manifests([str(HEALTHY)]))
    flow = replace(parse_flow(source, destination), http=HttpRequest(method, path, **more))
    verdict = engine.judge(flow)
    return verdict, advise(engine, flow, verdict)


def test_advice_where_the_gateway_has_no_route():
    verdict, advice = advice_on("external", "infra/svc/gateway:80", "POST", "/inven/stock/reserve")
    assert verdict.outcome == "http_404"
    assert "no route matches" in advice.client_sees
    assert advice.log_lines == ("the access log of the gateway: 404 NR route_not_found",)
    assert "an HTTPRoute with a rule for POST /inven/stock/reserve" in advice.changes[0]


def test_every_answer_of_a_proxy_has_words():
    for status in (401, 403, 404, 500, 503):
        assert f"HTTP {status}" in _SEEN[http_outcome(status)]
        assert str(status) in _ACCESS_LOG[http_outcome(status)]
