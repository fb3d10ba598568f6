"""The gateway: routes, tokens, policies, and its own identity towards its backends."""

import json
import time

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

GATEWAY, ECOM, INVENTORY = "infra/gateway-1", "ecom/ecom-service", "inventory/inventory-service"
HOST = ("-H", "Host: api.service.net")
ISSUER = "http://keycloak.identity:8080/realms/bookstore"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
JWKS = json.dumps({"keys": [{**jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key(), as_dict=True), "kid": "1", "alg": "RS256"}]})
ALL_ROUTES = {"namespaces": {"from": "All"}}


def token(**claims):
    body = {"iss": ISSUER, "sub": "reader", "exp": int(time.time()) + 60, **claims}
    return "-H", "Authorization: Bearer " + jwt.encode(body, KEY, algorithm="RS256", headers={"kid": "1"})


def route(service, port, *matches, **rule):
    return {
        "parentRefs": [{"name": "gateway", "namespace": "infra"}],
        "hostnames": ["api.service.net"],
        "rules": [{"matches": list(matches), "backendRefs": [{"name": service, "port": port}], **rule}],
    }


@pytest.fixture
async def gateway(cluster):
    cluster.namespace("infra", ambient=False)
    listener = {"name": "http", "protocol": "HTTP", "port": 80, "allowedRoutes": ALL_ROUTES}
    await cluster.apply("Gateway", "gateway", "infra", {"gatewayClassName": "istio", "listeners": [listener]})
    cluster.pod(GATEWAY, sa="gateway-istio", port=80, labels={"istio": "gateway"})
    stock = {"method": "GET", "path": {"type": "PathPrefix", "value": "/inven/stock"}}
    health = {"method": "GET", "path": {"type": "Exact", "value": "/inven/health"}}
    await cluster.apply("HTTPRoute", "inven", "inventory", route("inventory-service", 8000, stock, health))
    await cluster.apply("HTTPRoute", "ecom", "ecom", route("ecom-service", 8080, {"path": {"value": "/ecom"}}))
    return cluster


def url(cluster, path):
    return cluster.plane.gateway_url + path


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/inven/stock/1", 200),
        ("GET", "/inven/stock", 200),
        ("GET", "/inven/health", 200),
        ("GET", "/inven/health/deep", 404),
        ("GET", "/inven/stockpile", 404),
        ("POST", "/inven/stock/reserve", 404),
        ("POST", "/ecom/checkout", 200),
        ("GET", "/nowhere", 404),
    ],
)
async def test_routes(gateway, method, path, status):
    assert (await gateway.curl(None, url(gateway, path), "-X", method, *HOST)).status == status


async def test_another_host_has_no_route(gateway):
    assert (await gateway.curl(None, url(gateway, "/ecom/"), "-H", "Host: example.org")).status == 404


async def test_the_gateway_shows_its_own_identity_to_its_backends(gateway):
    await gateway.curl(None, url(gateway, "/inven/stock/1"), *HOST)
    line = await gateway.logged("istio-system/ztunnel-b", 'direction="inbound"', 'src.workload="gateway-1"')
    assert 'src.identity="spiffe://cluster.local/ns/infra/sa/gateway-istio"' in line
    access = await gateway.logged(GATEWAY, "/inven/stock/1")
    assert '"GET /inven/stock/1 HTTP/1.1" 200' in access
    assert not any('direction="outbound"' in text for _, text in gateway.logs.lines)


async def test_a_backend_that_refuses_the_gateway_is_a_503(gateway):
    rule = {"from": [{"source": {"namespaces": ["ecom"]}}]}
    await gateway.apply("AuthorizationPolicy", "only-ecom", "inventory", {"rules": [rule]})
    assert (await gateway.curl(None, url(gateway, "/inven/stock/1"), *HOST)).status == 503


async def test_pods_reach_the_gateway_as_a_service(gateway):
    assert (await gateway.curl(ECOM, "http://gateway-1.infra/inven/health", *HOST)).status == 200


async def with_inline_keys(cluster):
    rule = {"issuer": ISSUER, "jwks": JWKS, "forwardOriginalToken": True}
    await cluster.apply("RequestAuthentication", "jwt", "infra", {"jwtRules": [rule]})


async def test_an_invalid_token_is_401_and_none_passes(gateway):
    await with_inline_keys(gateway)
    where = url(gateway, "/ecom/")
    assert (await gateway.curl(None, where, *HOST, "-H", "Authorization: Bearer x.y.z")).status == 401
    assert (await gateway.curl(None, where, *HOST, *token(iss="someone else"))).status == 401
    assert (await gateway.curl(None, where, *HOST, *token(exp=1))).status == 401
    assert (await gateway.curl(None, where, *HOST, *token())).status == 200
    assert (await gateway.curl(None, where, *HOST)).status == 200


async def test_a_policy_may_demand_a_token(gateway):
    await with_inline_keys(gateway)
    rules = [
        {"from": [{"source": {"requestPrincipals": [f"{ISSUER}/reader"]}}], "to": [{"operation": {"paths": ["/ecom/*"]}}]},
        {"to": [{"operation": {"methods": ["GET"], "paths": ["/inven/*"]}}]},
    ]
    spec = {"targetRefs": [{"kind": "Gateway", "group": "gateway.networking.k8s.io", "name": "gateway"}], "rules": rules}
    await gateway.apply("AuthorizationPolicy", "need-token", "infra", spec)
    refused = await gateway.curl(None, url(gateway, "/ecom/"), *HOST)
    assert (refused.status, refused.body) == (403, "RBAC: access denied")
    await gateway.logged(GATEWAY, "rbac_access_denied_matched_policy[none]")
    assert (await gateway.curl(None, url(gateway, "/ecom/"), *HOST, *token())).status == 200
    assert (await gateway.curl(None, url(gateway, "/ecom/"), *HOST, *token(sub="other"))).status == 403
    assert (await gateway.curl(None, url(gateway, "/inven/stock/1"), *HOST)).status == 200


async def test_keys_are_fetched_through_the_mesh_as_the_gateway(gateway):
    gateway.namespace("identity", ambient=True)
    gateway.pod("identity/keycloak", sa="keycloak", port=8080)
    await gateway.serve("identity/keycloak", json.loads(JWKS))
    rule = {"issuer": ISSUER, "jwksUri": f"{ISSUER}/protocol/openid-connect/certs"}
    await gateway.apply("RequestAuthentication", "jwt", "infra", {"jwtRules": [rule]})
    assert (await gateway.curl(None, url(gateway, "/ecom/"), *HOST, *token())).status == 200
    line = await gateway.logged("istio-system/ztunnel-a", 'dst.workload="keycloak"')
    assert "ns/infra/sa/gateway-istio" in line


async def test_a_rewrite_and_headers(gateway):
    rewrite = {"type": "URLRewrite", "urlRewrite": {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/v2"}}}
    spec = route("ecom-service", 8080, {"path": {"value": "/shop"}}, filters=[rewrite])
    await gateway.apply("HTTPRoute", "shop", "ecom", spec)
    answer = await gateway.curl(None, url(gateway, "/shop/books"), *HOST)
    assert answer.body == f"{ECOM} GET /v2/books"


async def test_a_route_that_envoy_cant_read_changes_nothing_and_holds_nothing_up(gateway, caplog):
    bad = route("ecom-service", 8080, {"path": {"type": "RegularExpression", "value": "/("}})
    await gateway.apply("HTTPRoute", "bad", "ecom", bad)
    assert "the data plane keeps the old gateway|" in caplog.text
    assert (await gateway.curl(None, url(gateway, "/inven/health"), *HOST)).status == 200

    await gateway.apply("AuthorizationPolicy", "nobody", "inventory", {})
    assert (await gateway.curl(ECOM, "http://inventory-service.inventory:8000/")).outcome == "closed"

    await gateway.apply("HTTPRoute", "bad", "ecom", route("ecom-service", 8080, {"path": {"value": "/good"}}))
    assert (await gateway.curl(None, url(gateway, "/good"), *HOST)).status == 200
