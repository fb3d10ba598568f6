"""What follows from a verdict: what the client sees, who logs it, the smallest change, the next step."""

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from meshtui.engine import Engine
from meshtui.engine.explain.advice import _ACCESS_LOG, _SEEN, advise
from meshtui.engine.explain.changes import change_in_words
from meshtui.engine.explain.wording import in_words
from meshtui.engine.path.references import parse_flow
from meshtui.model.flow import HttpRequest
from meshtui.model.ids import ObjectRef
from meshtui.model.verdict import http_outcome
from meshtui.sandbox import scenarios
from meshtui.sources.manifests import load_manifests
from tests.fakes.egress import BASE, CAR, HTTP, REGISTRY, entry
from tests.fakes.gateway_routes import WORLD as GATEWAYS
from tests.fakes.istio_routes import API, gateway, prefix, server, to, virtual
from tests.fakes.istio_routes import WORLD as ROUTES
from tests.fakes.requests import http, service, thing
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
        "ingress_policy, a/web → a/db on TCP 15008: one more rule in NetworkPolicy a/np"),
    Row("egress, ambient", [*MESHED, NOTHING_OUT], "a/web > a/db:5432", "never opens", HBONE_LINE,
        "egress_policy, a/web → a/db on TCP 15008: one more rule in NetworkPolicy a/np"),
    Row("ingress, no mesh: the app's port, and nobody logs it", [*PLAIN, NOBODY_IN], "a/web > a/db:5432", "never opens",
        "nobody logs it", "on TCP 5432"),
    Row("no rule allows this identity", [*MESHED, OTHERS], "a/web > a/db:5432", "closed before a byte arrives",
        "ztunnel on n2: connection closed due to policy rejection: allow policies exist, but none allowed",
        "ztunnel, a/web → a/db on TCP 5432: a new AuthorizationPolicy a/allow-web-to-db-5432"),
    Row("the source's ztunnel logs its side too", [*MESHED, OTHERS], "a/web > a/db:5432", "", "ztunnel on n1: http status: 401"),
    Row("a DENY rule names itself", [*MESHED, DENIED], "a/web > a/db:5432", "closed", "explicitly denied by: a/ap",
        "AuthorizationPolicy a/ap decides for others too"),
    Row("plaintext against STRICT", [*OUTSIDER, STRICT], "a/web > b/db:5432", "closed", "no src.identity", "into the mesh"),
]  # fmt: skip


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_advice(row):
    source, _, destination = row.flow.partition(" > ")
    engine, flow = Engine(snapshot_of(row.objects)), parse_flow(source, destination)
    advice = advise(engine, flow, engine.judge(flow))
    assert row.sees in advice.client_sees
    assert row.log in "\n".join(advice.log_lines)
    assert row.change in "\n".join(map(change_in_words, advice.changes))
    assert advice.next_step


def test_the_default_serviceaccount_is_the_first_thing_to_change():
    engine = Engine(snapshot_of([ambient("a"), pod("a/web", "10.0.0.1"), DB, OTHERS]))
    flow = parse_flow("a/web", "a/db:5432")
    [change] = advise(engine, flow, engine.judge(flow)).changes
    assert "a ServiceAccount of its own" in change_in_words(change)
    assert change.edit is None, "a rule for default would let in every pod that names no account"


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
    assert decision == "allow" or advice.changes[0].objects == (ObjectRef("NetworkPolicy", "a", "np"),)


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
    assert "an HTTPRoute with a rule for POST /inven/stock/reserve" in change_in_words(advice.changes[0])


def test_every_answer_of_a_proxy_has_words():
    for status in (401, 403, 404, 500, 503):
        assert f"HTTP {status}" in _SEEN[http_outcome(status)]
        assert str(status) in _ACCESS_LOG[http_outcome(status)]


ASIDE = [*ROUTES, gateway()]
TO_API = to("api", prefix("/a"))
STRICT_SIDES = thing("PeerAuthentication", "back/s", {"mtls": {"mode": "STRICT"}})
RAW = service("back/raw", [("tcp", 90, 8080)], {"app": "api"})
NOBODY = policy("back/none", {}, "AuthorizationPolicy")
LOGGED = [
    (
        "a redirect",
        [*ASIDE, virtual("back/r", TO_API, {"redirect": {"uri": "/x", "redirectCode": 302}})],
        API,
        "GET /b",
        "HTTP 302 from the gateway: it sends the client to another address",
        "the gateway: 302 and direct_response",
    ),
    (
        "a server that redirects to TLS",
        [*ROUTES, gateway(server(tls={"httpsRedirect": True})), virtual("back/r", TO_API)],
        API,
        "GET /a",
        "HTTP 301 from the gateway: it sends the client",
        "301 and direct_response",
    ),
    (
        "a route's own answer",
        [*ASIDE, virtual("back/r", {"match": [prefix("/t")], "directResponse": {"status": 418}}, TO_API)],
        API,
        "GET /t",
        "HTTP 418 from the gateway: a route answers",
        "418 and direct_response",
    ),
    (
        "another Service",
        [*ASIDE, virtual("back/r", TO_API, to("page"))],
        API,
        "GET /b",
        "what another Service answers",
        "another Service as its upstream cluster",
    ),
    (
        "plaintext at a sidecar",
        [*ROUTES, STRICT_SIDES, namespace("front"), pod("front/c", "10.0.7.1")],
        "front/c > back/api:8080",
        "",
        "closed before",
        "the sidecar: NR filter_chain_not_found",
    ),
    (
        "no rule at a sidecar, for bytes",
        [*ROUTES, RAW, NOBODY],
        "ingress/gate > back/svc/raw:90",
        "",
        "closed before",
        "the sidecar: rbac_access_denied_matched_policy",
    ),
]


@pytest.mark.parametrize(
    ("objects", "flow", "request_", "sees", "log"), [row[1:] for row in LOGGED], ids=[row[0] for row in LOGGED]
)
def test_what_a_proxy_logs_and_answers(objects, flow, request_, sees, log):
    _told(snapshot_of(objects), flow, request_, sees, log)


def test_what_the_clients_own_sidecar_logs():
    own = "the client's own sidecar: "
    there = snapshot_of(BASE, [entry("shop/other", hosts=["other.example.com"], ports=[HTTP])], mesh=REGISTRY)
    _told(there, CAR, "", "closed", f"{own}UH, and the upstream cluster BlackHoleCluster")
    _told(there, CAR.replace(":443", ":80"), "GET /", "HTTP 502", f"{own}502 and direct_response")


UNDECLARED = service("back/odd", [("", 9999, 80)], {"app": "web"}, {"istio.io/use-waypoint": "wp"})
TO_UNDECLARED = "front/client > back/svc/odd:9999"


@pytest.mark.parametrize(
    ("conditions", "by_request"),
    [
        ([], True),
        ([{"key": "experimental.envoy.filters.x", "values": ["y"]}], False),
    ],
    ids=["a path", "and a filter's metadata"],
)
def test_a_request_is_only_asked_for_where_it_would_settle_something(conditions, by_request):
    """The port's protocol isn't declared; as HTTP, the second rule can't be known whatever the request is."""
    targets = [{"kind": "Service", "group": "", "name": "odd"}]
    rules = [{"to": [{"operation": {"paths": ["/a"]}}], **({"when": conditions} if conditions else {})}]
    guard = policy("back/odd", {"targetRefs": targets, "rules": rules}, "AuthorizationPolicy")
    source, _, destination = TO_UNDECLARED.partition(" > ")
    engine, asked = Engine(snapshot_of(GATEWAYS, [UNDECLARED, guard])), parse_flow(source, destination)
    verdict = engine.judge(asked)
    assert verdict.decision.value == "unknown"
    assert in_words(verdict.reason).startswith("depends on the request") is by_request
    assert ("name the request" in advise(engine, asked, verdict).next_step) is by_request


def _told(snapshot, flow, request_, sees, log):
    source, _, destination = flow.partition(" > ")
    engine, asked = Engine(snapshot), parse_flow(source, destination, http=http(request_))
    verdict = engine.judge(asked)
    advice = advise(engine, asked, verdict)
    assert verdict.decision.value == "deny"
    assert sees in advice.client_sees
    assert log in "\n".join(advice.log_lines)
