"""Laws of the judgement of requests at waypoints, sidecars and gateways; and that no mutilated manifest breaks it."""

import copy
import json
from dataclasses import replace
from functools import cache

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from meshtui.engine import Engine
from meshtui.engine.path.references import parse_flow
from meshtui.model.errors import ManifestError, UsageError
from meshtui.model.flow import HttpRequest, Jwt
from meshtui.model.verdict import Decision
from meshtui.sources.manifests import load_manifests
from tests.fakes.requests import service, space, thing
from tests.fakes.snapshots import pod, snapshot_of

RELAXED = settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
GATEWAY = {"group": "gateway.networking.k8s.io", "kind": "Gateway"}


def beside(made):
    made["spec"]["containers"].append({"name": "istio-proxy", "image": "proxy:1"})
    return made


def gate(key, name, listener, labels=None):
    return thing("Gateway", key, {"gatewayClassName": name, "listeners": [listener]}, labels)


HTTP_LISTENER = {"name": "http", "port": 80, "protocol": "HTTP", "allowedRoutes": {"namespaces": {"from": "All"}}}
ROUTE = {
    "parentRefs": [{"name": "gw", "namespace": "infra"}],
    "hostnames": ["a.x"],
    "rules": [
        {
            "matches": [{"path": {"type": "PathPrefix", "value": "/a"}, "method": "GET"}],
            "backendRefs": [{"name": "api", "port": 80}],
        },
        {"matches": [{"path": {"type": "RegularExpression", "value": "/v[0-9]"}}], "backendRefs": [{"name": "old", "port": 80}]},
    ],
}
WORLD = [
    space("shop", ambient=True),
    space("back", ambient=True),
    space("infra"),
    space("side"),
    pod("shop/web", "10.0.1.1", [80], account="web"),
    pod("back/api", "10.0.2.1", [("http", 8080)], account="api"),
    beside(pod("side/old", "10.0.4.1", [("http", 8080)], account="old")),
    pod("infra/gw", "10.0.9.1", [80], {"gateway.networking.k8s.io/gateway-name": "gw"}, account="gw-istio"),
    service("back/api", [("http", 80, 8080)], labels={"istio.io/use-waypoint": "wp", "istio.io/ingress-use-waypoint": "true"}),
    service("side/old", [("http", 80, 8080)]),
    service("infra/gw", [("http", 80, 80)], {"gateway.networking.k8s.io/gateway-name": "gw"}),
    gate("back/wp", "istio-waypoint", {"name": "mesh", "port": 15008, "protocol": "HBONE"}),
    gate("infra/gw", "istio", HTTP_LISTENER),
    thing("HTTPRoute", "back/r", ROUTE),
]
FLOWS = ["shop/web > back/svc/api:80", "shop/web > side/svc/old:80", "external > back/svc/api:80", "shop/web > infra/svc/gw:80"]
MAYBE = st.sampled_from
SOURCES = MAYBE(
    [
        {},
        {"principals": ["cluster.local/ns/shop/sa/web"]},
        {"notPrincipals": ["*"]},
        {"namespaces": ["sh*p"]},
        {"requestPrincipals": ["*"]},
        {"notRequestPrincipals": ["https://idp/*"]},
        {"ipBlocks": ["10.0.0.0/16"]},
        {"remoteIpBlocks": ["10.0.0.0/16"]},
    ]
)
OPERATIONS = MAYBE(
    [
        {},
        {"methods": ["GET"]},
        {"notMethods": ["GET"]},
        {"paths": ["/a/*"]},
        {"paths": ["/{*}/b"], "methods": ["POST"]},
        {"notPaths": ["/a"]},
        {"hosts": ["a.x"]},
        {"ports": ["80"]},
        {"ports": ["x"]},
    ]
)
WHENS = MAYBE(
    [
        {"key": "request.headers[x-team]", "values": ["ops"]},
        {"key": "request.headers[x-team]", "notValues": ["ops"]},
        {"key": "request.auth.claims[groups]", "values": ["dev"]},
        {"key": "source.weather", "values": ["fine"]},
        {"key": "destination.port", "values": ["8080"]},
    ]
)
RULES = st.fixed_dictionaries(
    {},
    optional={
        "from": st.lists(st.fixed_dictionaries({"source": SOURCES}), max_size=2),
        "to": st.lists(st.fixed_dictionaries({"operation": OPERATIONS}), max_size=2),
        "when": st.lists(WHENS, max_size=1),
    },
)
REFS = MAYBE([("back", [{"group": "", "kind": "Service", "name": "api"}]), ("side", []), ("infra", [GATEWAY | {"name": "gw"}])])
POLICY = st.tuples(MAYBE(["ALLOW", "ALLOW", "DENY", "CUSTOM"]), REFS, st.lists(RULES, max_size=2))
POLICIES = st.lists(POLICY, max_size=3)
TOKENS = st.none() | MAYBE([Jwt("https://idp", "alice", ("api",), (("groups", '["dev"]'),)), Jwt("https://evil", "eve")])
REQUESTS = st.builds(
    HttpRequest,
    MAYBE(["GET", "POST"]),
    MAYBE(["/a", "/a/b", "/a/../b", "/v1", "/v1?x=1", "/"]),
    MAYBE(["", "a.x", "A.x:80", "b.x"]),
    MAYBE([(), (("X-Team", "ops"),), (("Authorization", "Bearer x"),)]),
)
ASKS_TOKENS = thing(
    "RequestAuthentication", "infra/jwt", {"targetRefs": [GATEWAY | {"name": "gw"}], "jwtRules": [{"issuer": "https://idp"}]}
)


@cache
def unguarded():
    return snapshot_of(WORLD, [ASKS_TOKENS])


def written(policies):
    made = []
    for number, (action, (where, refs), rules) in enumerate(policies):
        spec = {"action": action, "rules": rules} | ({"targetRefs": refs} if refs else {})
        made.append(thing("AuthorizationPolicy", f"{where}/p{number}", spec))
    return replace(unguarded(), authorization_policies=snapshot_of(made).authorization_policies if made else {})


def ask(snapshot, flow, http=None, jwt=None):
    source, destination = flow.split(" > ")
    return Engine(snapshot).judge(replace(parse_flow(source, destination, http=http), jwt=jwt))


@RELAXED
@given(POLICIES, MAYBE(FLOWS[:3]), REQUESTS, TOKENS)
def test_what_is_certain_without_a_request_holds_for_every_request(policies, flow, http, jwt):
    """At proxies: an answer that doesn't depend on the request must not depend on it."""
    snapshot = written(policies)
    blind, seen = ask(snapshot, flow), ask(snapshot, flow, http, jwt)
    if blind.decision is Decision.ALLOW:
        assert seen.decision in {Decision.ALLOW, Decision.UNKNOWN}
    if blind.decision is Decision.DENY:
        assert seen.decision in {Decision.DENY, Decision.UNKNOWN}


@RELAXED
@given(POLICIES, MAYBE(FLOWS), REQUESTS, TOKENS, RULES)
@example(  # a sidecar that may or may not take HBONE: both ways allow, by different policies
    [("ALLOW", ("side", []), []), ("ALLOW", ("side", []), [{}])],
    "shop/web > side/svc/old:80",
    HttpRequest("GET", "/a"),
    None,
    {"from": [{"source": {"principals": ["cluster.local/ns/shop/sa/web"]}}]},
)
@example(  # a rule that can't be judged, beside one that allows for sure
    [("ALLOW", ("back", [{"group": "", "kind": "Service", "name": "api"}]), [{}])],
    "shop/web > back/svc/api:80",
    HttpRequest("GET", "/a"),
    None,
    {"when": [{"key": "source.weather", "values": ["fine"]}]},
)
def test_another_rule_of_an_allow_policy_never_denies(policies, flow, http, jwt, rule):
    wider = [(action, where, [*rules, rule] if action == "ALLOW" else rules) for action, where, rules in policies]
    if ask(written(policies), flow, http, jwt).decision is Decision.ALLOW:
        assert ask(written(wider), flow, http, jwt).decision is Decision.ALLOW


@RELAXED
@given(POLICIES, MAYBE(FLOWS), REQUESTS, TOKENS, RULES, REFS)
def test_another_deny_policy_never_allows(policies, flow, http, jwt, rule, where):
    if ask(written(policies), flow, http, jwt).decision is Decision.DENY:
        assert ask(written([*policies, ("DENY", where, [rule])]), flow, http, jwt).decision is Decision.DENY


@RELAXED
@given(POLICIES, MAYBE(FLOWS), REQUESTS, TOKENS)
def test_the_order_of_policies_changes_nothing(policies, flow, http, jwt):
    snapshot = written(policies)
    reversed_ = replace(
        snapshot,
        authorization_policies=dict(reversed(snapshot.authorization_policies.items())),
        http_routes=dict(reversed(snapshot.http_routes.items())),
        gateways=dict(reversed(snapshot.gateways.items())),
        services=dict(reversed(snapshot.services.items())),
    )
    assert ask(snapshot, flow, http, jwt) == ask(reversed_, flow, http, jwt)


@RELAXED
@given(POLICIES, MAYBE(FLOWS), st.none() | REQUESTS, TOKENS)
def test_every_verdict_says_why(policies, flow, http, jwt):
    verdict = ask(written(policies), flow, http, jwt)
    if verdict.decision is not Decision.ALLOW:
        assert verdict.reason
    if verdict.decision is Decision.DENY:
        assert verdict.decided_by is not None
        assert any(step.result.value == "block" for step in verdict.steps)


JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 2**40),
    st.text(max_size=5),
    st.just([]),
    st.just({}),
    st.lists(st.none(), min_size=1),
)


def places(value, path=()):
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield (*path, key)
        yield from places(item, (*path, key))


@settings(RELAXED, max_examples=250)
@given(st.data())
def test_no_mutilated_manifest_breaks_it(tmp_path_factory, data):
    objects = copy.deepcopy([*WORLD, ASKS_TOKENS])
    for _ in range(data.draw(st.integers(1, 3))):
        number = data.draw(st.integers(0, len(objects) - 1))
        found = sorted(places(objects[number]), key=str)
        if not found:
            continue
        *path, last = data.draw(MAYBE(found))
        holder = objects[number]
        for step in path:
            holder = holder[step]
        holder[last] = data.draw(JUNK)
    file = tmp_path_factory.getbasetemp() / "mutilated-requests.json"
    file.write_text(json.dumps(objects))
    try:
        snapshot = load_manifests([str(file)])
    except ManifestError:
        return
    for flow in FLOWS:
        for http in (None, HttpRequest("GET", "/a", "a.x")):
            try:
                assert ask(snapshot, flow, http, Jwt("https://idp", "x")).decision in Decision
            except UsageError:
                continue
