"""Cilium's http rules: what a request settles, which requests pass, and what is said and advised about the others."""

import pytest

from meshtui.cni import named
from meshtui.engine import Engine
from meshtui.engine.explain.advice import advise
from meshtui.engine.explain.wording import in_words
from meshtui.engine.path.references import parse_flow
from meshtui.model.flow import HttpRequest
from meshtui.model.verdict import Decision
from tests.fakes.cilium import ccnp, cnp
from tests.fakes.snapshots import ambient, namespace, pod, snapshot_of

PODS = [
    namespace("shop"),
    pod("shop/web", "10.0.1.1", [8080], {"app": "web"}),
    pod("shop/api", "10.0.1.2", [8080], {"app": "api"}),
]
CAPTURED = {"annotations": {"ambient.istio.io/redirection": "enabled"}}
MESHED = [ambient("shop"), *({**each, "metadata": {**each["metadata"], **CAPTURED}} for each in PODS[1:])]


def ruled(*rules, port="8080", more=""):
    """A policy that lets the caller in with some requests."""
    entry = f"{{ports: [{{port: '{port}', protocol: TCP}}], rules: {{http: [{', '.join(rules)}]}}}}"
    return cnp(
        f"{{endpointSelector: {{matchLabels: {{app: api}}}}, {more}"
        f" ingress: [{{fromEndpoints: [{{matchLabels: {{app: web}}}}], toPorts: [{entry}]}}]}}",
        "shop/api",
    )


def said(objects, request=None, pods=PODS):
    engine = Engine(snapshot_of([*pods, *objects], cni=named("cilium")))
    return engine.judge(parse_flow("shop/web", "shop/api:8080", http=request))


GET, POST = HttpRequest("GET", "/v1/books", "shop"), HttpRequest("POST", "/v1/books", "shop")
TOKEN = HttpRequest("GET", "/v1/books", "shop", (("X-Token", "a"),))


@pytest.mark.parametrize(
    ("rule", "request_", "decision"),
    [
        ("{method: GET}", GET, "allow"),
        ("{method: GET}", POST, "deny"),
        ("{method: 'GET|POST'}", POST, "allow"),
        ("{method: get}", GET, "deny"),
        ("{path: '/v1/.*'}", GET, "allow"),
        ("{path: '/v1'}", GET, "deny"),
        ("{path: /v1/books}", HttpRequest("GET", "/v1/books?page=2"), "deny"),
        (r"{path: '/v1/books(\?.*)?'}", HttpRequest("GET", "/v1/books?page=2"), "allow"),
        ("{path: '/v1/.*'}", HttpRequest("GET", "/v1/../admin"), "unknown"),
        ("{path: '/v1/.*'}", HttpRequest("GET", "/v1//x"), "unknown"),
        ("{path: '/v1/.*'}", HttpRequest("GET", "/v1/a%2fb"), "unknown"),
        ("{path: '(?i)/V1/.*'}", GET, "unknown"),
        ("{host: shop}", GET, "allow"),
        ("{host: 'shop.*'}", HttpRequest("GET", "/", "shop:8080"), "allow"),
        ("{host: shop}", HttpRequest("GET", "/"), "unknown"),
        ("{method: POST, host: shop}", HttpRequest("GET", "/"), "deny"),
        ("{headers: ['X-Token: a']}", TOKEN, "allow"),
        ("{headers: ['x-token a']}", TOKEN, "allow"),
        ("{headers: ['X-Token: b']}", TOKEN, "deny"),
        ("{headers: ['X-Token']}", TOKEN, "allow"),
        ("{headers: ['X-Token']}", GET, "deny"),
        ("{headerMatches: [{name: X-Token, value: a}]}", TOKEN, "allow"),
        ("{headerMatches: [{name: X-Token, value: b}]}", TOKEN, "deny"),
        ("{headerMatches: [{name: X-Token, value: b, mismatch: LOG}]}", TOKEN, "allow"),
        ("{headerMatches: [{name: X-Token, mismatch: REPLACE, secret: {name: s}}]}", GET, "allow"),
        ("{headerMatches: [{name: X-Token, secret: {name: s}}]}", TOKEN, "unknown"),
        ("{headerMatches: [{name: X-Token, secret: {name: s}}]}", GET, "deny"),
        ("{}", GET, "allow"),
    ],
)
def test_a_request_passes_or_not(rule, request_, decision):
    assert said([ruled(rule)], request_).decision.value == decision
    assert said([ruled(rule)]).decision is Decision.UNKNOWN


def test_without_a_request_it_names_the_requests_that_pass():
    verdict = said([ruled("{method: GET, path: '/public/.*'}", "{path: /orders, headers: ['X-Token: a', X-More]}")])
    by = "(CiliumNetworkPolicy shop/api ingress[0])"
    assert in_words(verdict.reason) == (
        f"depends on the request: what passes is GET /public/.* {by}"
        f" or any method /orders with X-Token: a, X-More: any value {by}"
    )


def test_what_another_request_would_have_passed_is_said():
    verdict = said([ruled("{method: GET}")], POST)
    assert verdict.outcome == "http_403"
    assert str(verdict.decided_by.ref) == "CiliumNetworkPolicy shop/api"
    assert in_words(verdict.reason) == (
        "no http rule for TCP 8080 lets the request through: 403;"
        " what passes is GET any path (CiliumNetworkPolicy shop/api ingress[0])"
    )


def test_a_plain_rule_beside_it_lets_every_request_through():
    plain = cnp("{endpointSelector: {}, ingress: [{fromEndpoints: [{}]}]}", "shop/plain")
    assert said([ruled("{method: GET}"), plain], POST).decision is Decision.ALLOW
    assert said([ruled("{method: GET}"), plain]).decision is Decision.UNKNOWN, "bytes that aren't HTTP don't pass the proxy"


def test_a_denial_counts_before_every_request():
    denial = ccnp("{endpointSelector: {}, ingressDeny: [{fromEndpoints: [{matchLabels: {app: web}}]}]}")
    verdict = said([ruled("{method: GET}"), denial], GET)
    assert (verdict.decision, verdict.outcome) == (Decision.DENY, "timeout")


def test_where_nothing_closes_the_pod_a_request_that_passes_no_rule_is_not_known():
    open_ = ruled("{method: GET}", more="enableDefaultDeny: {ingress: false},")
    assert said([open_], GET).decision is Decision.ALLOW
    assert said([open_], POST).decision is Decision.UNKNOWN


def test_in_the_tunnel_no_request_can_be_read():
    tunnelled = said([ruled("{method: GET}", port="15008")], GET, MESHED)
    assert tunnelled.decision is Decision.UNKNOWN
    assert "rules.http depends on what is sent" in in_words(tunnelled.reason)
    assert said([ruled("{method: GET}")], GET, MESHED).decision is Decision.DENY, "only the tunnel's port counts"


def test_the_advice_lets_in_this_request_alone():
    asked = parse_flow("shop/web", "shop/api:8080", http=HttpRequest("POST", "/v1/books.json"))
    engine = Engine(snapshot_of([*PODS, ruled("{method: GET}")], cni=named("cilium")))
    advice = advise(engine, asked, engine.judge(asked))
    (change,) = advice.changes
    (rule,) = change.edit.create["spec"]["ingress"]
    assert rule["toPorts"][0]["rules"] == {"http": [{"method": "POST", "path": r"/v1/books\.json"}]}
    assert advice.effect.enough
    assert advice.effect.opens == ()
    assert advice.client_sees == "HTTP 403 “Access denied” from the CNI's proxy"
    assert advice.log_lines == ("Hubble: hubble observe --type l7 --verdict DROPPED",)


def test_where_no_policy_of_the_kind_is_the_namespaces_its_owner_is_named():
    everywhere = ccnp(
        "{endpointSelector: {}, ingress: [{fromEndpoints: [{}],"
        " toPorts: [{ports: [{port: '8080', protocol: TCP}], rules: {http: [{method: GET}]}}]}]}"
    )
    asked = parse_flow("shop/web", "shop/api:8080", http=POST)
    engine = Engine(snapshot_of([*PODS, everywhere], cni=named("cilium")))
    (change,) = advise(engine, asked, engine.judge(asked)).changes
    assert change.edit is None
    assert "CiliumClusterwideNetworkPolicy" in in_words(change.why)
