"""What other checkers report of PeerAuthentications and RequestAuthentications: where it is found, and where it is not."""

import pytest

from tests.unit.findings.test_peers_authorization import (
    AT_API,
    AT_WP,
    BEHIND,
    ERROR,
    INFO,
    MESH,
    NEW,
    OLD,
    OUTSIDE,
    SERVED,
    WARNING,
    assert_first,
    at,
    found_in,
    jwt,
    pa,
    source,
    when,
)
from tests.unit.findings.test_rules import GATEWAY_POD, peer

TELLS = {"MT223", "MT224", "MT225"}
ROWS = [
    # ---- KIA0002, KIA0003: two PeerAuthentications
    ("KIA0002 two for a namespace", "MT224", [*MESH, pa("shop/a", "STRICT"), pa("shop/b", "PERMISSIVE")], WARNING),
    ("KIA0002 two for the mesh", "MT224", [*MESH, pa("istio-system/a", "STRICT"), pa("istio-system/b", "PERMISSIVE")], WARNING),
    (
        "KIA0002 the older is lenient",
        "MT224",
        [*MESH, pa("shop/a", "STRICT", created=NEW), pa("shop/b", "PERMISSIVE", created=OLD)],
        ERROR,
    ),
    (
        "KIA0002 the older is strict",
        "MT224",
        [*MESH, pa("shop/a", "STRICT", created=OLD), pa("shop/b", "PERMISSIVE", created=NEW)],
        WARNING,
    ),
    ("KIA0002 both say the same", "MT224", [*MESH, pa("shop/a", "STRICT"), pa("shop/b", "STRICT")], INFO),
    (
        "KIA0002 one for each level",
        "MT224",
        [*MESH, pa("shop/a", "STRICT"), pa("istio-system/b", "PERMISSIVE"), pa("shop/c", "DISABLE", "api")],
        None,
    ),
    ("KIA0003 two for a workload", "MT224", [*MESH, pa("shop/a", "STRICT", "api"), pa("shop/b", "DISABLE", "api")], WARNING),
    ("KIA0003 two for two workloads", "MT224", [*MESH, pa("shop/a", "STRICT", "api"), pa("shop/b", "DISABLE", "web")], None),
    # ---- KIA1110, KIA1115: tokens that nobody checks
    ("KIA1110 a token by selector", "MT223", [*MESH, jwt(selector={"app": "api"})], ERROR),
    ("KIA1110 a token for the namespace", "MT223", [*MESH, jwt()], ERROR),
    ("KIA1110 a token at a waypoint", "MT223", [*BEHIND, jwt(targetRefs=AT_API)], None),
    ("KIA1110 a token outside the mesh", "MT223", [OUTSIDE, jwt("bare/jwt")], None),
    ("KIA1110 a token at a gateway", "MT223", [*MESH, GATEWAY_POD, jwt("infra/jwt")], None),
    ("KIA1110 a token for all, and one of them is a gateway", "MT223", [*MESH, GATEWAY_POD, jwt("istio-system/jwt")], INFO),
    ("KIA1110 nothing to check", "MT223", [*MESH, jwt(rules=())], None),
    ("a principal that no token gives", "MT223", [*BEHIND, at(AT_API, source(requestPrincipals=["*"]))], WARNING),
    ("a claim that no token gives", "MT223", [*BEHIND, at(AT_API, when("request.auth.claims[a]", "b"))], WARNING),
    ("nobody has a token", "MT223", [*BEHIND, at(AT_API, source(notRequestPrincipals=["*"]), action="DENY")], WARNING),
    ("a principal of a token", "MT223", [*BEHIND, jwt(targetRefs=AT_API), at(AT_API, source(requestPrincipals=["*"]))], None),
    ("… of the waypoint's", "MT223", [*BEHIND, jwt(targetRefs=AT_WP), at(AT_API, source(requestPrincipals=["*"]))], None),
    ("a policy that asks for no token", "MT223", [*BEHIND, at(AT_API, source(principals=["*"]))], None),
    ("KIA1115 a token by selector behind a waypoint", "MT223", [*BEHIND, jwt(selector={"app": "api"})], ERROR),
    # ---- PeerAuthentications in the root namespace
    ("istio/api#3604 a selector in the root namespace", "MT225", [*MESH, pa("istio-system/a", "STRICT", "api")], ERROR),
    ("istio/api#3604 an empty selector in the root namespace", "MT225", [*MESH, pa("istio-system/a", "STRICT", "")], ERROR),
    ("istio/api#3604 a lenient one", "MT225", [*MESH, pa("istio-system/a", "PERMISSIVE", "api")], WARNING),
    (
        "istio/api#3604 a selector in the root namespace, of what is strict already",
        "MT225",
        [*MESH, pa("istio-system/a", "STRICT", "api"), pa("istio-system/b", "STRICT")],
        WARNING,
    ),
    ("istio/api#3604 none", "MT225", [*MESH, pa("istio-system/a", "STRICT")], None),
    ("istio/api#3604 a selector in a namespace", "MT225", [*MESH, pa("shop/a", "STRICT", "api")], None),
    (
        "istio/api#3604 ports in the root namespace are told once",
        "MT216",
        [*MESH, pa("istio-system/a", "STRICT", "api", portLevelMtls={"9000": {"mode": "DISABLE"}})],
        None,
    ),
    (
        "a mode of the Service's port",
        "MT216",
        [*MESH, SERVED, peer("STRICT", portLevelMtls={"80": {"mode": "PERMISSIVE"}})],
        WARNING,
    ),
    ("a mode of the pods' port", "MT216", [*MESH, SERVED, peer("STRICT", portLevelMtls={"9000": {"mode": "PERMISSIVE"}})], None),
    ("MT216 ports of a namespace", "MT216", [*MESH, pa("shop/pa", "STRICT", portLevelMtls={"9000": {"mode": "STRICT"}})], ERROR),
    ("MT216 DISABLE in ambient", "MT216", [*MESH, pa("shop/pa", "DISABLE")], INFO),
    ("MT216 DISABLE of one workload", "MT216", [*MESH, pa("shop/pa", "DISABLE", "api")], INFO),
    ("MT216 DISABLE outside", "MT216", [OUTSIDE, pa("bare/pa", "DISABLE")], None),
    ("MT216 PERMISSIVE in ambient", "MT216", [*MESH, pa("shop/pa", "PERMISSIVE")], None),
]


@pytest.mark.parametrize(("rule", "objects", "severity"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_a_check_of_a_peer(rule, objects, severity):
    assert_first(rule, objects, severity)


WORDS = [
    ("MT216", "without a selector", [*MESH, pa("shop/a", "STRICT", portLevelMtls={"9000": {"mode": "DISABLE"}})]),
    ("MT223", "matches every request", [*BEHIND, at(AT_API, source(notRequestPrincipals=["*"]), action="DENY")]),
    ("MT223", "waypoint", [*BEHIND, jwt(selector={"app": "api"})]),
    ("MT224", "PeerAuthentication shop/b", [*MESH, pa("shop/a", "STRICT", created=NEW), pa("shop/b", "DISABLE", created=OLD)]),
]


@pytest.mark.parametrize(("rule", "words", "objects"), WORDS, ids=[f"{row[0]} {row[1]}" for row in WORDS])
def test_what_is_said(rule, words, objects):
    (finding,) = found_in(rule, objects)
    assert words in f"{finding.message}; {finding.why}"
