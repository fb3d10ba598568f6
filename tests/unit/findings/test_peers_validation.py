"""What validation refuses of mesh policies, and fields that it does not know: where it is found, and where it is not."""

import pytest

from tests.fakes.snapshots import policy
from tests.unit.findings.test_peers_authorization import (
    AT_API,
    AT_WP,
    BEHIND,
    CUSTOM,
    ERROR,
    MESH,
    WARNING,
    assert_first,
    at,
    found_in,
    jwt,
    on_api,
    operation,
    pa,
    source,
    token,
    when,
)
from tests.unit.findings.test_rules import MATCH, WEB_ID, allow, authz

TELLS = {"MT229", "MT801"}
ROWS = [
    # ---- IST0106: what istiod refuses
    ("IST0106 DENY without rules", "MT801", [*MESH, authz({**MATCH, "action": "DENY"})], ERROR),
    ("IST0106 CUSTOM without rules", "MT801", [*MESH, authz({**MATCH, **CUSTOM})], ERROR),
    ("IST0106 ALLOW without rules is a default", "MT801", [*MESH, authz(MATCH)], None),
    ("IST0106 a selector and targetRefs", "MT801", [*BEHIND, authz({**MATCH, "targetRefs": AT_API, "rules": [{}]})], ERROR),
    ("IST0106 targetRefs alone", "MT801", [*BEHIND, at(AT_API, {})], None),
    ("IST0106 an entry of from without fields", "MT801", [*MESH, on_api({"from": [{"source": {}}]})], ERROR),
    ("IST0106 an entry of to without fields", "MT801", [*MESH, on_api({"to": [{}]})], ERROR),
    ("IST0106 a port above the last", "MT801", [*MESH, on_api(operation(ports=["70000"]))], ERROR),
    ("IST0106 a port by its name", "MT801", [*MESH, on_api(operation(ports=["http"]))], ERROR),
    ("IST0106 a port in a condition", "MT801", [*MESH, on_api(when("destination.port", "http"))], ERROR),
    ("IST0106 port 0 isn't refused", "MT801", [*MESH, on_api(operation(ports=["0"]))], None),
    ("IST0106 an address", "MT801", [*MESH, on_api(source(ipBlocks=["10.0.0.0/40"]))], ERROR),
    (
        "IST0106 an account beside a namespace",
        "MT801",
        [*MESH, allow({"serviceAccounts": ["web"], "namespaces": ["shop"]})],
        ERROR,
    ),
    ("IST0106 an account beside a principal", "MT801", [*MESH, allow({"serviceAccounts": ["web"], "principals": ["*"]})], ERROR),
    ("IST0106 an account with its namespace", "MT801", [*MESH, allow({"serviceAccounts": ["shop/web"]})], None),
    ("IST0106 an account with a star", "MT801", [*MESH, allow({"serviceAccounts": ["shop/*"]})], ERROR),
    ("IST0106 an account with a whole identity", "MT801", [*MESH, allow({"serviceAccounts": ["shop/sa/web"]})], ERROR),
    (
        "IST0106 a target that is a Deployment",
        "MT801",
        [*BEHIND, at([{"group": "apps", "kind": "Deployment", "name": "api"}], {})],
        ERROR,
    ),
    (
        "IST0106 a target in another namespace",
        "MT801",
        [*BEHIND, at([{"kind": "Service", "name": "api", "namespace": "shop"}], {})],
        ERROR,
    ),
    (
        "IST0106 a target of a JWT policy",
        "MT801",
        [*BEHIND, jwt(targetRefs=[{"group": "apps", "kind": "Deployment", "name": "api"}])],
        ERROR,
    ),
    ("IST0106 CUSTOM without a provider", "MT801", [*MESH, on_api({}, action="CUSTOM")], ERROR),
    ("IST0106 CUSTOM with a provider", "MT801", [*MESH, on_api({}, **CUSTOM)], None),
    ("IST0106 CUSTOM that asks for namespaces", "MT801", [*MESH, on_api(source(namespaces=["shop"]), **CUSTOM)], ERROR),
    ("IST0106 a provider without CUSTOM", "MT801", [*MESH, on_api({}, provider={"name": "opa"})], ERROR),
    ("IST0106 a wrong word for an action", "MT801", [*MESH, on_api({}, action="Allow")], ERROR),
    ("IST0106 braces in a path", "MT801", [*BEHIND, at(AT_API, operation(paths=["/a/{id}"]))], ERROR),
    ("IST0106 a template behind the rest of a path", "MT801", [*BEHIND, at(AT_API, operation(paths=["/{**}/a/{*}"]))], ERROR),
    ("IST0106 a template beside a star", "MT801", [*BEHIND, at(AT_API, operation(paths=["/{*}/a*"]))], ERROR),
    (
        "IST0106 paths and templates",
        "MT801",
        [*BEHIND, at(AT_API, operation(paths=["/", "*", "/a*", "*.css", "/a/{*}/{**}"]))],
        None,
    ),
    ("IST0106 a trust domain", "MT801", [*MESH, allow({"trustDomains": ["a*b"]})], ERROR),
    ("IST0106 trust domains", "MT801", [*MESH, allow({"trustDomains": ["corp.example", "*", "*.example"]})], None),
    (
        "IST0106 a token in a cookie without a name",
        "MT801",
        [*BEHIND, jwt(targetRefs=AT_API, rules=[{"issuer": "i", "fromCookies": [""]}])],
        ERROR,
    ),
    ("IST0106 an empty principal", "MT801", [*MESH, allow({"principals": [""]})], ERROR),
    ("IST0106 a key that nobody knows", "MT801", [*MESH, on_api(when("source.ips", "10.0.0.1"))], ERROR),
    ("IST0106 a key without values", "MT801", [*MESH, on_api(when("source.namespace"))], ERROR),
    (
        "IST0106 keys that are known",
        "MT801",
        [*MESH, on_api(when("request.headers[x-a]", "1"), when("source.ip", "10.0.0.1"))],
        None,
    ),
    ("IST0106 a label with a star", "MT801", [*MESH, authz({"selector": {"matchLabels": {"app": "a*"}}, "rules": [{}]})], ERROR),
    ("IST0106 a wrong word for a mode", "MT801", [*MESH, pa("shop/pa", "Strict", "api")], ERROR),
    ("IST0106 the name of a port", "MT801", [*MESH, pa("shop/pa", "STRICT", "api", portLevelMtls={"http": {}})], ERROR),
    ("IST0106 a mode", "MT801", [*MESH, pa("shop/pa", "STRICT", "api")], None),
    ("IST0106 CUSTOM that asks for trust domains", "MT801", [*MESH, on_api(when("source.trustDomain", "a"), **CUSTOM)], ERROR),
    ("IST0106 a star within a trust domain", "MT801", [*BEHIND, at(AT_API, when("source.trustDomain", "a*b"))], ERROR),
    ("IST0106 a star at its end", "MT801", [*BEHIND, at(AT_API, when("source.trustDomain", "a*"))], None),
    ("IST0106 a long label", "MT801", [*MESH, authz({"selector": {"matchLabels": {"app": "a" * 64}}, "rules": [{}]})], ERROR),
    ("IST0106 targetRef and targetRefs", "MT801", [*BEHIND, authz({"targetRef": AT_WP[0], "targetRefs": AT_API})], ERROR),
    ("IST0106 targetRef alone", "MT801", [*BEHIND, authz({"targetRef": AT_WP[0]})], None),
    ("IST0106 no port modes", "MT801", [*MESH, pa("shop/pa", "STRICT", "api", portLevelMtls={})], ERROR),
    ("IST0106 jwks and jwksUri", "MT801", [*BEHIND, token(jwks='{"keys": []}', jwksUri="https://id.example/k")], ERROR),
    ("IST0106 jwks that is no JSON", "MT801", [*BEHIND, token(jwks="https://id.example/k")], ERROR),
    ("IST0106 jwks", "MT801", [*BEHIND, token(jwks='{"keys": []}')], None),
    ("IST0106 a timeout without a unit", "MT801", [*BEHIND, token(timeout="5")], ERROR),
    ("IST0106 a timeout of 0", "MT801", [*BEHIND, token(timeout="0s")], ERROR),
    ("IST0106 a timeout", "MT801", [*BEHIND, token(timeout="1m10.5s")], None),
    ("IST0106 a header with a space", "MT801", [*BEHIND, token(outputClaimToHeaders=[{"header": "a b", "claim": "c"}])], ERROR),
    ("IST0106 a header without a claim", "MT801", [*BEHIND, token(outputClaimToHeaders=[{"header": "a"}])], ERROR),
    ("IST0106 a header with a claim", "MT801", [*BEHIND, token(outputClaimToHeaders=[{"header": "x-a", "claim": "c"}])], None),
    ("IST0106 a token without an issuer", "MT801", [*BEHIND, jwt(targetRefs=AT_API, rules=[{"audiences": ["a"]}])], ERROR),
    # ---- IST0106: fields that aren't any
    (
        "IST0106 a mistyped selector",
        "MT229",
        [*MESH, authz({"selctor": {"matchLabels": {"app": "api"}}, "rules": [{}]})],
        WARNING,
    ),
    (
        "IST0106 a mistyped targetRefs",
        "MT229",
        [*BEHIND, authz({"targetrefs": AT_API, "action": "DENY", "rules": [{}]})],
        WARNING,
    ),
    ("IST0106 a mistyped from", "MT229", [*MESH, on_api({"form": [{"source": {"principals": [WEB_ID]}}]})], WARNING),
    ("IST0106 a mistyped field of a source", "MT229", [*MESH, allow({"principals": ["*"], "namespace": ["shop"]})], WARNING),
    (
        "IST0106 labels without a selector",
        "MT229",
        [*MESH, authz({"matchLabels": {"app": "api"}, "rules": [{}]})],
        WARNING,
    ),
    ("IST0106 an empty list of sources", "MT229", [*MESH, on_api({"from": []})], WARNING),
    (
        "IST0106 the other name of a field",
        "MT229",
        [*BEHIND, jwt(targetRefs=AT_API, rules=[{"issuer": "i", "jwks_uri": "https://id.example/keys"}])],
        None,
    ),
    (
        "IST0106 the other name of a field, without an issuer",
        "MT801",
        [*BEHIND, jwt(targetRefs=AT_API, rules=[{"jwks_uri": "https://id.example/keys"}])],
        None,
    ),
    ("IST0106 labels without matchLabels", "MT229", [*MESH, authz({"selector": {"name": "api"}, "rules": [{}]})], WARNING),
    ("IST0106 a field that is like no other", "MT229", [*MESH, authz({**MATCH, "priority": 3, "rules": [{}]})], None),
    ("IST0106 a selector", "MT229", [*MESH, on_api(source(principals=[WEB_ID]))], None),
    (
        "IST0106 a mistyped selector of plaintext",
        "MT229",
        [*MESH, pa("shop/pa", "DISABLE", selecter={"matchLabels": {}})],
        WARNING,
    ),
]


@pytest.mark.parametrize(("rule", "objects", "severity"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_a_check_of_a_peer(rule, objects, severity):
    assert_first(rule, objects, severity)


WORDS = [
    ("MT229", "whole namespace", [*MESH, authz({"selctor": {"matchLabels": {"app": "api"}}, "rules": [{}]})]),
    ("MT229", "the selector is empty", [*MESH, authz({"selector": {"name": "api"}, "rules": [{}]})]),
    ("MT229", "selector", [*MESH, authz({"selctor": {"matchLabels": {"app": "api"}}, "rules": [{}]})]),
]


@pytest.mark.parametrize(("rule", "words", "objects"), WORDS, ids=[f"{row[0]} {row[1]}" for row in WORDS])
def test_what_is_said(rule, words, objects):
    (finding,) = found_in(rule, objects)
    assert words in f"{finding.message}; {finding.why}"


def test_what_the_cluster_holds_already_got_past_validation():
    (finding,) = found_in("MT801", [*MESH, authz({**MATCH, "action": "DENY"})], live=True)
    assert finding.severity is WARNING


@pytest.mark.parametrize(
    ("field", "refused"),
    [
        ("spec.action", on_api({}, action="deny")),
        ("spec.selector", authz({"selector": {"matchLabels": {"app": "a*"}}, "rules": [{}]})),
        ("spec.portLevelMtls", pa("shop/pa", "STRICT", "api", portLevelMtls={})),
        ("spec.jwtRules[0].timeout", token(timeout="5")),
    ],
)
def test_what_is_refused_is_named_by_its_field(field, refused):
    (finding,) = found_in("MT801", [*BEHIND, refused])
    assert finding.field == field


def test_a_field_that_a_cluster_kept_is_no_typo():
    typo = authz({"selctor": {"matchLabels": {"app": "api"}}, "rules": [{}]})
    assert found_in("MT229", [*MESH, typo])
    assert not found_in("MT229", [*MESH, typo], live=True)


def test_values_of_another_type_than_the_schemas_are_refused():
    ports = on_api()
    ports["spec"]["rules"] = [{"to": [{"operation": {"ports": [8080]}}]}]
    mapped = on_api()
    mapped["metadata"]["name"], mapped["spec"]["rules"] = "q", {"from": []}
    closed = policy("shop/n", {"podSelector": {}, "ingress": 5})
    found = {f.objects[0].name: f for f in found_in("MT801", [*MESH, ports, mapped, closed])}
    assert {f.severity for f in found.values()} == {ERROR}
    said = {name: (f.message.partition(" isn't valid: ")[2], f.field) for name, f in found.items()}
    assert said == {
        "p": (
            "rules[0].to[0].operation.ports[0] is a number, and the schema wants text",
            "spec.rules[0].to[0].operation.ports[0]",
        ),
        "q": ("rules is a map, and the schema wants a list", "spec.rules"),
        "n": ("ingress is a number, and the schema wants a list", "spec.ingress"),
    }
