"""Tokens at gateways. Every row says where its rule is written."""

import pytest

from meshtui.model.flow import Jwt
from tests.fakes.frozen import bookstore
from tests.fakes.requests import Case, check, judge
from tests.fakes.snapshots import snapshot_of
from tests.unit.test_gateway_rules import (
    API,
    FORBIDDEN,
    FRONT,
    GATE,
    GW_LABEL,
    OPEN,
    REF,
    TOKENS,
    UNAUTHORIZED,
    authentication,
    policy,
)

IDP = {"issuer": "https://idp"}
ALICE, EVE = Jwt("https://idp", "alice", ("api",)), Jwt("https://evil", "eve")
DEMANDED = policy([{"from": [{"source": {"requestPrincipals": ["https://idp/*"]}}]}], targetRefs=[REF])
TOKEN_CASES = [
    Case("a good token", TOKENS, [authentication(IDP)], API, "GET /api", "allow", jwt=ALICE),
    Case(
        "an unknown issuer",
        TOKENS,
        [authentication(IDP)],
        API,
        "GET /api",
        UNAUTHORIZED,
        "RequestAuthentication infra/jwt",
        jwt=EVE,
    ),
    Case("no token passes", TOKENS, [authentication(IDP)], API, "GET /api", "allow"),
    Case("an audience", TOKENS, [authentication(IDP | {"audiences": ["api", "x"]})], API, "GET /api", "allow", jwt=ALICE),
    Case("another audience", TOKENS, [authentication(IDP | {"audiences": ["x"]})], API, "GET /api", UNAUTHORIZED, jwt=ALICE),
    Case(
        "either of two issuers", TOKENS, [authentication({"issuer": "https://other"}, IDP)], API, "GET /api", "allow", jwt=ALICE
    ),
    Case("nobody asks for tokens", TOKENS, [], API, "GET /api", "allow", jwt=EVE),
    Case("a token that is demanded", TOKENS, [authentication(IDP), DEMANDED], API, "GET /api", "allow", jwt=ALICE),
    Case("… and missing", TOKENS, [authentication(IDP), DEMANDED], API, "GET /api", FORBIDDEN, "AuthorizationPolicy infra/p"),
    Case("… and invalid: 401 first", TOKENS, [authentication(IDP), DEMANDED], API, "GET /api", UNAUTHORIZED, jwt=EVE),
    Case("… and never checked, so it proves nothing", TOKENS, [DEMANDED], API, "GET /api", FORBIDDEN, jwt=ALICE),
    Case(
        "… in a header that nobody has read",
        TOKENS,
        [authentication(IDP), DEMANDED],
        API,
        "GET /api",
        "unknown",
        headers=(("Authorization", "Bearer x.y.z"),),
    ),
    Case("401 before 404", TOKENS, [authentication(IDP)], FRONT, "GET /nowhere", UNAUTHORIZED, jwt=EVE),
    Case(
        "a RequestAuthentication elsewhere",
        TOKENS,
        [authentication(IDP, where="back/jwt", targetRefs=[])],
        API,
        "GET /api",
        "allow",
        jwt=EVE,
    ),
    Case(
        "… by selector",
        TOKENS,
        [authentication(IDP, targetRefs=[], selector={"matchLabels": GW_LABEL})],
        API,
        "GET /api",
        UNAUTHORIZED,
        jwt=EVE,
    ),
    Case(
        "a claim",
        TOKENS,
        [authentication(IDP), policy([{"when": [{"key": "request.auth.claims[sub]", "values": ["alice"]}]}])],
        API,
        "GET /api",
        "allow",
        jwt=ALICE,
    ),
]


@pytest.mark.parametrize("case", TOKEN_CASES, ids=lambda case: case.name)
def test_a_token_at_a_gateway(case):
    check(judge(snapshot_of(GATE, [OPEN], case.objects), case.flow, case.request, case.jwt, case.headers), case)


def test_the_bookstores_tokens():
    """A stranger's token is 401 at the gateway; none at all passes it (ecom-service asks for it itself)."""
    flow, request = "external > ecom/svc/ecom-service:8080", "POST /ecom/checkout"
    assert judge(bookstore(), flow, request, Jwt("https://evil", "x")).outcome == "http_401"
    assert judge(bookstore(), flow, request).outcome == "connected"
    ours = Jwt("http://api.service.net:30000/realms/bookstore", "alice")
    assert judge(bookstore(), flow, request, ours).outcome == "connected"
