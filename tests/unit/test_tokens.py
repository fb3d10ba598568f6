"""Where proxies look for a request's token, what they make of it, and what they pass on."""

import pytest

from meshtui.model.flow import Jwt
from meshtui.model.snapshot import MeshConfig
from meshtui.sources.slim import slim
from tests.fakes.gateway_routes import AT_WEB, FORBIDDEN, GATEWAY, INSIDE, OUTSIDE, WORLD, gateway, route
from tests.fakes.requests import Case, beside, check, judge, policy, thing
from tests.fakes.snapshots import snapshot_of

API = "istio/api security/v1beta1/request_authentication.proto (JWTRule)"
EXTRACT = "envoyproxy/envoy source/extensions/filters/http/jwt_authn/extractor.cc"
APPLY = "istio/istio pilot/pkg/security/authn/policy_applier.go (convertToEnvoyJwtConfig)"
ALICE = Jwt("https://idp", "alice")
REFUSED = "deny waypoint http_401"
AT_GATE = {"targetRefs": [{"group": GATEWAY, "kind": "Gateway", "name": "gw"}]}


def rule(**more):
    return {"issuer": "https://idp"} | more


def asks(*rules, where="back/jwt", at=AT_WEB):
    return thing("RequestAuthentication", where, {"jwtRules": list(rules)} | at)


def in_header(name="x-jwt", prefix=""):
    return rule(fromHeaders=[{"name": name} | ({"prefix": prefix} if prefix else {})])


NEEDED = policy([{"from": [{"source": {"requestPrincipals": ["*"]}}]}], **AT_WEB)
BY_HEADER = policy([{"when": [{"key": "request.headers[x-sub]", "values": ["alice"]}]}], **AT_WEB)
UNVERIFIED, ELSEWHERE = "whether the token in the request is valid isn't known", "looks for the token in another place"
CASES = [
    Case("none", API, [asks(rule())], INSIDE, "GET /", "allow"),
    Case(
        "a bearer token may be invalid",
        API,
        [asks(rule())],
        INSIDE,
        "GET /",
        "unknown",
        "None",
        UNVERIFIED,
        headers=(("Authorization", "Bearer a.b.c"),),
    ),
    Case(
        "… or is none at all",
        EXTRACT,
        [asks(rule())],
        INSIDE,
        "GET /",
        REFUSED,
        "RequestAuthentication back/jwt",
        headers=(("Authorization", "Bearer abc"),),
    ),
    Case(
        "another scheme isn't looked at",
        EXTRACT,
        [asks(rule())],
        INSIDE,
        "GET /",
        "allow",
        headers=(("Authorization", "Basic abc"),),
    ),
    Case(
        "a query parameter is looked at too",
        EXTRACT,
        [asks(rule())],
        INSIDE,
        "GET /?access_token=a.b.c",
        "unknown",
        says=UNVERIFIED,
    ),
    Case("… which is no token", EXTRACT, [asks(rule())], INSIDE, "GET /?access_token=abc", REFUSED),
    Case("… of another name", EXTRACT, [asks(rule())], INSIDE, "GET /?token=abc", "allow"),
    Case("a header of its own", EXTRACT, [asks(in_header())], INSIDE, "GET /", REFUSED, headers=(("X-JWT", "abc"),)),
    Case(
        "… may be invalid",
        EXTRACT,
        [asks(in_header())],
        INSIDE,
        "GET /",
        "unknown",
        says=UNVERIFIED,
        headers=(("x-jwt", "a.b.c"),),
    ),
    Case(
        "… replaces the bearer token",
        EXTRACT,
        [asks(in_header())],
        INSIDE,
        "GET /",
        "allow",
        headers=(("Authorization", "Bearer abc"),),
    ),
    Case("… and the parameter", EXTRACT, [asks(in_header())], INSIDE, "GET /?access_token=abc", "allow"),
    Case("… with a prefix", EXTRACT, [asks(in_header(prefix="JWT "))], INSIDE, "GET /", REFUSED, headers=(("x-jwt", "JWT abc"),)),
    Case("… which isn't there", EXTRACT, [asks(in_header(prefix="JWT "))], INSIDE, "GET /", "allow", headers=(("x-jwt", "abc"),)),
    Case("a parameter of its own", EXTRACT, [asks(rule(fromParams=["tok"]))], INSIDE, "GET /?tok=abc", REFUSED),
    Case(
        "… replaces the bearer token",
        EXTRACT,
        [asks(rule(fromParams=["tok"]))],
        INSIDE,
        "GET /",
        "allow",
        headers=(("Authorization", "Bearer abc"),),
    ),
    Case(
        "a cookie",
        EXTRACT,
        [asks(rule(fromCookies=["session"]))],
        INSIDE,
        "GET /",
        REFUSED,
        headers=(("Cookie", "a=b; session=abc"),),
    ),
    Case(
        "… another one",
        EXTRACT,
        [asks(rule(fromCookies=["session"]))],
        INSIDE,
        "GET /",
        "allow",
        headers=(("Cookie", "sessions=abc"),),
    ),
    Case("a token is where it is looked for by default", API, [asks(rule()), NEEDED], INSIDE, "GET /", "allow", jwt=ALICE),
    Case(
        "… which another rule doesn't look at",
        API,
        [asks(in_header()), NEEDED],
        INSIDE,
        "GET /",
        "unknown",
        says=ELSEWHERE,
        jwt=ALICE,
    ),
    Case(
        "… unless the request shows it there",
        API,
        [asks(in_header()), NEEDED],
        INSIDE,
        "GET /",
        "allow",
        jwt=ALICE,
        headers=(("x-jwt", "a.b.c"),),
    ),
    Case(
        "a stranger's token that nobody may look at",
        API,
        [asks(in_header())],
        INSIDE,
        "GET /",
        "unknown",
        says=ELSEWHERE,
        jwt=Jwt("https://evil", "eve"),
    ),
    Case("one of two rules looks at it", APPLY, [asks(in_header(), rule()), NEEDED], INSIDE, "GET /", "allow", jwt=ALICE),
    Case(
        "a claim in a header isn't what the client says",
        EXTRACT,
        [asks(rule(outputClaimToHeaders=[{"header": "X-Sub", "claim": "sub"}])), BY_HEADER],
        INSIDE,
        "GET /",
        FORBIDDEN,
        headers=(("x-sub", "alice"),),
    ),
    Case(
        "… with a token it isn't known",
        EXTRACT,
        [asks(rule(outputClaimToHeaders=[{"header": "X-Sub", "claim": "sub"}])), BY_HEADER],
        INSIDE,
        "GET /",
        "unknown",
        jwt=ALICE,
    ),
    Case(
        "the whole token in a header",
        EXTRACT,
        [asks(rule(outputPayloadToHeader="x-sub")), BY_HEADER],
        INSIDE,
        "GET /",
        FORBIDDEN,
        headers=(("x-sub", "alice"),),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_where_a_waypoint_looks_for_a_token(case):
    for objects in (case.objects, [slim(each) for each in case.objects]):
        check(judge(snapshot_of(WORLD, objects), case.flow, case.request, case.jwt, case.headers), case)


FORWARDS = rule(forwardOriginalToken=True)
OPEN = [gateway(), route(), asks(rule(), where="back/behind")]
BEHIND = [
    Case(
        "a gateway that looks at the token keeps it",
        API,
        [*OPEN, asks(rule(), at=AT_GATE), NEEDED],
        OUTSIDE,
        "GET /",
        FORBIDDEN,
        "AuthorizationPolicy back/p",
        jwt=ALICE,
    ),
    Case("… unless it forwards it", API, [*OPEN, asks(FORWARDS, at=AT_GATE), NEEDED], OUTSIDE, "GET /", "allow", jwt=ALICE),
    Case("one that doesn't look passes it on", API, [*OPEN, NEEDED], OUTSIDE, "GET /", "allow", jwt=ALICE),
    Case(
        "the header goes with it",
        EXTRACT,
        [
            *OPEN,
            asks(rule(), at=AT_GATE),
            policy([{"when": [{"key": "request.headers[authorization]", "values": ["*"]}]}], **AT_WEB),
        ],
        OUTSIDE,
        "GET /",
        FORBIDDEN,
        jwt=ALICE,
        headers=(("authorization", "Bearer a.b.c"),),
    ),
    Case(
        "headers from the token aren't known behind",
        EXTRACT,
        [*OPEN, asks(rule(outputPayloadToHeader="x-sub"), at=AT_GATE), BY_HEADER],
        OUTSIDE,
        "GET /",
        "unknown",
        jwt=ALICE,
    ),
]


@pytest.mark.parametrize("case", BEHIND, ids=lambda case: case.name)
def test_what_a_gateway_passes_on(case):
    check(judge(snapshot_of(WORLD, case.objects), case.flow, case.request, case.jwt, case.headers), case)


OF_SIDECAR = {"selector": {"matchLabels": {"app": "web"}}}
SIDED = [
    beside("back/web", "10.0.2.1", [("http", 80)]) if each["metadata"]["name"] == "web" and each["kind"] == "Pod" else each
    for each in WORLD
]
AT_SIDECAR = [
    asks(rule(), where="back/side", at=OF_SIDECAR),
    policy([{"from": [{"source": {"requestPrincipals": ["*"]}}]}], "back/needed", **OF_SIDECAR),
]
BEHIND_WAYPOINT = [
    Case("a waypoint that doesn't look passes it on", API, [], INSIDE, "GET /", "allow", jwt=ALICE),
    Case("one that looks keeps it", API, [asks(rule())], INSIDE, "GET /", "deny sidecar http_403", jwt=ALICE),
    Case("… unless it forwards it", API, [asks(FORWARDS)], INSIDE, "GET /", "allow", jwt=ALICE),
]


@pytest.mark.parametrize("case", BEHIND_WAYPOINT, ids=lambda case: case.name)
def test_what_a_waypoint_passes_on_to_a_sidecar(case):
    snapshot = snapshot_of(SIDED, AT_SIDECAR, case.objects, mesh=MeshConfig(sidecars_send_hbone=True))
    check(judge(snapshot, case.flow, case.request, case.jwt), case)
