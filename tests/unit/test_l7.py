"""One rule against one request, as Envoy matches it: every row says where its rule is written."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshtui.engine.matching.addresses import parse_address
from meshtui.engine.matching.http import glob_matches, normal_path, path_matches, speaks_http
from meshtui.engine.policy.l7 import Matcher, Request, Tri, every, negate, some
from meshtui.model.flow import HttpRequest, Jwt
from meshtui.model.ids import Principal
from meshtui.model.policy import AuthorizationCondition, AuthorizationOperation, AuthorizationRule, AuthorizationSource
from meshtui.model.snapshot import MeshConfig
from meshtui.model.workload import ServicePort

GENERATOR = "istio/istio pilot/pkg/security/authz/model/generator.go"
MODEL = "istio/istio pilot/pkg/security/authz/model/model.go"
HEADER = "istio/istio pilot/pkg/security/authz/matcher/header.go"
STRING = "istio/istio pilot/pkg/security/authz/matcher/string.go"
PROTO = "istio/api security/v1beta1/authorization_policy.proto"
NORMAL = "istio.io: MeshConfig, ProxyPathNormalization (BASE)"

WEB = Principal("cluster.local/ns/shop/sa/web")
TOKEN = Jwt(
    "https://idp/realm", "alice", ("api", "web"), (("azp", '"cli"'), ("groups", '["ops", "dev"]'), ("realm", '{"roles": ["a"]}'))
)
YES, NO, DEPENDS, UNKNOWN = Tri.YES, Tri.NO, Tri.DEPENDS, Tri.UNKNOWN


def asked(method="GET", path="/a/b", host="api.example.com", headers=(), **more):
    fields = {
        "port": 8080,
        "principal": WEB,
        "source": parse_address("10.0.0.1"),
        "destination": parse_address("10.0.0.9"),
        "http": HttpRequest(method, path, host, tuple(headers)),
        "jwt": TOKEN,
    }
    return Request(**(fields | more))


def source(**fields):
    return AuthorizationRule(sources=(AuthorizationSource(**{k: tuple(v) for k, v in fields.items()}),))


def operation(**fields):
    return AuthorizationRule(operations=(AuthorizationOperation(**{k: tuple(v) for k, v in fields.items()}),))


def when(key, *values, no=()):
    return AuthorizationRule(conditions=(AuthorizationCondition(key, values, tuple(no)),))


PLAIN = asked(principal=None)
BARE = asked(jwt=None)
NOTHING = asked(http=None, jwt=None, token_known=False)
ROWS = [
    ("an empty rule matches everything", MODEL, AuthorizationRule(), asked(), YES),
    ("a host, whatever its case", HEADER, operation(hosts=["API.example.com"]), asked(), YES),
    ("a host's prefix", HEADER, operation(hosts=["api.*"]), asked(), YES),
    ("a host's suffix", HEADER, operation(hosts=["*.example.com"]), asked(), YES),
    (
        "a host with a port isn't the bare host",
        HEADER,
        operation(hosts=["api.example.com"]),
        asked(host="api.example.com:80"),
        NO,
    ),
    ("… its prefix is", HEADER, operation(hosts=["api.example.com:*"]), asked(host="api.example.com:80"), YES),
    ("a host that isn't known", HEADER, operation(hosts=["x"]), asked(host=""), DEPENDS),
    ("notHosts", HEADER, operation(not_hosts=["*.example.com"]), asked(), NO),
    ("a method tells case apart", HEADER, operation(methods=["get"]), asked(), NO),
    ("methods: *", HEADER, operation(methods=["*"]), NOTHING, YES),
    ("notMethods", HEADER, operation(not_methods=["GET"]), asked(), NO),
    ("a path, exactly", STRING, operation(paths=["/a/b"]), asked(), YES),
    ("a path without its query", STRING, operation(paths=["/a/b"]), asked(path="/a/b?x=/c"), YES),
    ("a path's prefix", STRING, operation(paths=["/a/*"]), asked(), YES),
    ("a path's suffix", STRING, operation(paths=["*/b"]), asked(), YES),
    ("a path tells case apart", STRING, operation(paths=["/A/b"]), asked(), NO),
    ("{*} is one segment", PROTO, operation(paths=["/a/{*}/c"]), asked(path="/a/b/c"), YES),
    ("{*} isn't two", PROTO, operation(paths=["/a/{*}/d"]), asked(path="/a/b/c/d"), NO),
    ("{*} isn't none", PROTO, operation(paths=["/a/{*}"]), asked(path="/a/"), NO),
    ("{**} is any number", PROTO, operation(paths=["/a/{**}"]), asked(path="/a/b/c/d"), YES),
    ("{**} is none, too", PROTO, operation(paths=["/a/{**}"]), asked(path="/a/"), YES),
    ("{**} and a suffix", PROTO, operation(paths=["/a/{**}/z"]), asked(path="/a/b/c/z"), YES),
    ("a dot segment is resolved first", NORMAL, operation(paths=["/admin"]), asked(path="/a/../admin"), YES),
    ("notPaths", STRING, operation(not_paths=["/a/*"]), asked(), NO),
    ("a port", GENERATOR, operation(ports=["8080"]), asked(), YES),
    ("notPorts", GENERATOR, operation(not_ports=["8080"]), asked(), NO),
    ("fields of an operation AND", MODEL, operation(methods=["GET"], paths=["/x"]), asked(), NO),
    ("a principal", GENERATOR, source(principals=[WEB]), asked(), YES),
    ("a principal's suffix", GENERATOR, source(principals=["*/sa/web"]), asked(), YES),
    ("* isn't a client without a certificate", GENERATOR, source(principals=["*"]), PLAIN, NO),
    ("notPrincipals lets one without through", GENERATOR, source(not_principals=["*"]), PLAIN, YES),
    ("a namespace", GENERATOR, source(namespaces=["shop"]), asked(), YES),
    ("a * in the middle of a namespace", GENERATOR, source(namespaces=["s*p"]), asked(), YES),
    ("a namespace of a client without a certificate", GENERATOR, source(namespaces=["*"]), PLAIN, NO),
    ("a ServiceAccount of the policy's namespace", GENERATOR, source(service_accounts=["web"]), asked(), NO),
    ("… with its namespace", GENERATOR, source(service_accounts=["shop/web"]), asked(), YES),
    ("… no globs", GENERATOR, source(service_accounts=["shop/*"]), asked(), NO),
    ("a trust domain", PROTO, source(trust_domains=["cluster.*"]), asked(), YES),
    ("an address", GENERATOR, source(ip_blocks=["10.0.0.0/8"]), asked(), YES),
    ("an address that isn't known", GENERATOR, source(ip_blocks=["10.0.0.0/8"]), asked(source=None), UNKNOWN),
    ("the original client, without X-Forwarded-For", GENERATOR, source(remote_ip_blocks=["10.0.0.0/8"]), asked(), YES),
    (
        "… with one: whom to trust isn't modelled",
        GENERATOR,
        source(remote_ip_blocks=["10.0.0.0/8"]),
        asked(headers=[("x-forwarded-for", "1.2.3.4")]),
        UNKNOWN,
    ),
    ("a request principal", GENERATOR, source(request_principals=["https://idp/realm/alice"]), asked(), YES),
    ("any request principal", GENERATOR, source(request_principals=["*"]), asked(), YES),
    ("… needs a token", GENERATOR, source(request_principals=["*"]), BARE, NO),
    ("any subject of an issuer", GENERATOR, source(request_principals=["https://idp/realm/*"]), asked(), YES),
    ("a subject of any issuer", GENERATOR, source(request_principals=["*/alice"]), asked(), YES),
    ("another subject", GENERATOR, source(request_principals=["https://idp/realm/bob"]), asked(), NO),
    ("notRequestPrincipals without a token", GENERATOR, source(not_request_principals=["*"]), BARE, YES),
    ("a token that isn't known", GENERATOR, source(request_principals=["*"]), NOTHING, DEPENDS),
    ("fields of a source AND", MODEL, source(principals=[WEB], namespaces=["x"]), asked(), NO),
    ("a header", GENERATOR, when("request.headers[X-Team]", "ops"), asked(headers=[("x-team", "ops")]), YES),
    ("a header that isn't there", GENERATOR, when("request.headers[X-Team]", "*"), asked(), NO),
    ("a header's not-values, where it isn't there", GENERATOR, when("request.headers[X-Team]", no=["ops"]), asked(), YES),
    ("a header's prefix", STRING, when("request.headers[user-agent]", "curl*"), asked(headers=[("User-Agent", "curl/8")]), YES),
    ("an audience", GENERATOR, when("request.auth.audiences", "web"), asked(), YES),
    ("a presenter", GENERATOR, when("request.auth.presenter", "cli"), asked(), YES),
    ("a claim that is a list", GENERATOR, when("request.auth.claims[groups]", "dev"), asked(), YES),
    ("a nested claim", GENERATOR, when("request.auth.claims[realm][roles]", "a"), asked(), YES),
    ("a claim that isn't there", GENERATOR, when("request.auth.claims[x]", "*"), asked(), NO),
    ("the issuer as a claim", GENERATOR, when("request.auth.claims[iss]", "https://idp/*"), asked(), YES),
    ("source.ip", GENERATOR, when("source.ip", "10.0.0.1"), asked(), YES),
    ("source.namespace", GENERATOR, when("source.namespace", "shop"), asked(), YES),
    ("source.serviceAccount", GENERATOR, when("source.serviceAccount", "shop/web"), asked(), YES),
    ("destination.ip", GENERATOR, when("destination.ip", "10.0.0.0/24"), asked(), YES),
    ("destination.port", GENERATOR, when("destination.port", "80"), asked(), NO),
    ("connection.sni where there is none", GENERATOR, when("connection.sni", "*"), asked(), NO),
    ("connection.sni that can't be told", GENERATOR, when("connection.sni", "x"), asked(sni=None), UNKNOWN),
    ("an unknown key", MODEL, when("source.weather", "fine"), asked(), NO),
    ("an experimental key", MODEL, when("experimental.envoy.filters.x[y]", "z"), asked(), UNKNOWN),
]


@pytest.mark.parametrize(("name", "where", "rule", "request_", "expect"), ROWS, ids=[row[0] for row in ROWS])
def test_a_rule(name, where, rule, request_, expect):
    assert Matcher(request_, "back", denies=False).rule(rule) is expect


def test_an_unknown_key_decides_nothing_where_the_rest_says_no():
    rule = AuthorizationRule(
        sources=(AuthorizationSource(namespaces=("x",)),), conditions=(AuthorizationCondition("source.weather", ("fine",)),)
    )
    assert Matcher(asked(), "back", denies=True).rule(rule) is NO


TCP = [
    ("a method", operation(methods=["PUT"])),
    ("a host", operation(hosts=["x"])),
    ("a path", operation(paths=["/x"])),
    ("a not-path", operation(not_paths=["*"])),
    ("a request principal", source(request_principals=["*"])),
    ("a header", when("request.headers[x]", "y")),
    ("a claim", when("request.auth.claims[x]", "y")),
]


@pytest.mark.parametrize(("name", "rule"), TCP, ids=[row[0] for row in TCP])
def test_fields_of_http_on_plain_tcp(name, rule):
    """model.go, checkError: an ALLOW rule is dropped whole, a DENY rule loses the field and matches more."""
    bytes_only = asked(tcp=True, http=None, jwt=None)
    assert Matcher(bytes_only, "back", denies=False).rule(rule) is NO
    assert Matcher(bytes_only, "back", denies=True).rule(rule) is YES


@pytest.mark.parametrize(
    "rule", [operation(ports=["+80"]), source(ip_blocks=["x"]), when("destination.port", "x"), when("source.ip", "10.0.0.0/99")]
)
def test_values_that_cannot_be_parsed(rule):
    """The same rule of model.go for a value: dropped from a DENY rule, and an ALLOW rule with it."""
    assert Matcher(asked(), "back", denies=False).rule(rule) is NO
    assert Matcher(asked(), "back", denies=True).rule(rule) is YES


@pytest.mark.parametrize(
    ("path", "expect"),
    [
        ("/a/b", "/a/b"),
        ("/a/b?c=/../d", "/a/b"),
        ("/a/b#c", "/a/b"),
        ("/a/./b", "/a/b"),
        ("/a/../b", "/b"),
        ("/../b", "/b"),
        ("/a/b/..", "/a/"),
        ("/a/.", "/a/"),
        ("/a/%2e%2E/b", "/b"),
        ("/a\\b", "/a/b"),
        ("/a//b", "/a//b"),
        ("", "/"),
        ("/", "/"),
    ],
)
def test_a_normal_path(path, expect):
    assert normal_path(path) == expect


@given(st.text("ab./?%2e\\{*}", max_size=12))
def test_a_normal_path_stays_normal(path):
    once = normal_path("/" + path)
    assert once.startswith("/")
    assert "?" not in once
    assert not {".", ".."} & set(once.split("/"))
    assert normal_path(once) == once
    assert path_matches("*", once)
    assert path_matches("/{**}", once)


@given(st.text("a*b", max_size=8), st.text("ab", max_size=8))
def test_a_glob_is_its_expression(pattern, text):
    expression = ".*".join(re.escape(part) for part in pattern.split("*"))
    assert glob_matches(pattern, text) is (re.fullmatch(expression, text) is not None)


@given(st.lists(st.sampled_from(["/", "a", "{*}", "{**}", "b/"]), max_size=6), st.text("ab/", max_size=8))
def test_a_path_template_is_its_expression(parts, path):
    pattern = "".join(["{*}", *parts])
    wild = {"{*}": "[^/]+", "{**}": ".*"}
    expression = "".join(wild.get(part, re.escape(part)) for part in ["{*}", *parts])
    assert path_matches(pattern, path) is (re.fullmatch(expression, path) is not None)


def test_no_pattern_takes_long():
    assert not path_matches("{**}a" * 200, "/" + "a" * 150)
    assert not glob_matches("*a" * 500, "a" * 300 + "b")
    assert not path_matches("/{*}" * 300, "/a" * 299)


TRIS = st.lists(st.sampled_from(Tri), max_size=5)


@given(TRIS)
def test_the_logic_of_four_values(values):
    """De Morgan's laws; an answer that is certain stays so when what isn't certain becomes known."""
    assert negate(every(values)) is some(map(negate, values))
    assert negate(some(values)) is every(map(negate, values))
    for known in (YES, NO):
        settled = [known if value in {DEPENDS, UNKNOWN} else value for value in values]
        for together in (every, some):
            if together(values) in {YES, NO}:
                assert together(settled) is together(values)


@pytest.mark.parametrize(
    ("port", "expect"),
    [
        (ServicePort(80, 80, "http"), True),
        (ServicePort(80, 80, "http-web"), True),
        (ServicePort(80, 80, "http2"), True),
        (ServicePort(80, 80, "grpc-web-x"), True),
        (ServicePort(80, 80, "tcp-x"), False),
        (ServicePort(443, 443, "https"), False),
        (ServicePort(80, 80, "httpd"), None),
        (ServicePort(80, 80, "web"), None),
        (ServicePort(80, 80, "tcp", app_protocol="http"), True),
        (ServicePort(80, 80, "web", app_protocol="kubernetes.io/h2c"), True),
        (ServicePort(3306, 3306, ""), False),
        (ServicePort(3306, 3306, "http"), True),
        (None, None),
    ],
)
def test_what_a_ports_name_says(port, expect):
    """istio.io: protocol selection; None is found out from the first bytes."""
    assert speaks_http(port) is expect


@pytest.mark.parametrize(
    ("path", "normalization", "expect"),
    [
        ("/%61%2D%7e", "BASE", "/a-~"),
        ("/%2f%5C%25", "BASE", "/%2f%5C%25"),
        ('/q"<>^`|{}', "BASE", "/q%22%3C%3E%5E%60%7C%7B%7D"),
        ("/a//b", "BASE", "/a//b"),
        ("/a//b", "MERGE_SLASHES", "/a/b"),
        ("/a%2F/b%5cc", "DECODE_AND_MERGE_SLASHES", "/a/b/c"),
        ("/a%2f..%2Fb", "DECODE_AND_MERGE_SLASHES", "/b"),
        ("/%61/../b?x=1", "NONE", "/%61/../b"),
    ],
)
def test_paths_are_normalised_as_the_mesh_says(path, normalization, expect):
    """MeshConfig.pathNormalization; Envoy decodes unreserved characters, and encodes those that a URL can't have."""
    assert normal_path(path, normalization) == expect


@pytest.mark.parametrize(
    ("principal", "domains", "identity", "expect"),
    [
        ("cluster.local/ns/a/sa/b", ("td1",), "td1/ns/a/sa/b", YES),
        ("td1/ns/a/sa/b", ("td1", "old"), "old/ns/a/sa/b", YES),
        ("old/ns/a/sa/b", ("td1", "old"), "td1/ns/a/sa/b", YES),
        ("other/ns/a/sa/b", ("td1", "old"), "td1/ns/a/sa/b", NO),
        ("other/ns/a/sa/b", ("td1", "old"), "other/ns/a/sa/b", YES),
        ("*-td/ns/a/sa/b", ("my-td", "old"), "your-td/ns/a/sa/b", YES),
        ("*-td/ns/a/sa/b", ("my-td", "old"), "old/ns/a/sa/b", YES),
        ("*/ns/a/sa/b", ("td1",), "anything/ns/a/sa/b", YES),
        ("td1/ns/a/*", ("td1", "old"), "old/ns/a/sa/b", NO),
    ],
)
def test_a_principal_of_one_trust_domain_means_it_in_all(principal, domains, identity, expect):
    """istio/istio pilot/pkg/security/trustdomain/bundle.go: only whole principals are replaced."""
    mesh = MeshConfig(trust_domain=domains[0], trust_domain_aliases=domains[1:])
    answer = Matcher(asked(principal=identity, mesh=mesh), "a", denies=False).rule(source(principals=[principal]))
    assert answer is expect


@pytest.mark.parametrize(
    ("key", "value", "expect"),
    [
        ("request.headers[:path]", "/a?x=1", YES),
        ("request.headers[:path]", "/%61?x=1", NO),
        ("source.trustDomain", "td*", YES),
        ("source.trustDomain", "other", NO),
        ("request.auth.claims[scope]", "write", YES),
        ("request.auth.claims[scope]", "read write", NO),
    ],
)
def test_conditions_on_what_a_proxy_makes_of_a_request(key, value, expect):
    token = Jwt("iss", "sub", (), (("scope", '"read write"'),))
    request = asked(path="/%61?x=1", principal="td1/ns/a/sa/b", jwt=token)
    assert Matcher(request, "a", denies=False).rule(when(key, value)) is expect


def test_a_dot_segment_with_parameters_is_unknown():
    """Versions of Envoy differ in whether ``..;`` is resolved."""
    assert Matcher(asked(path="/x/..;a/y"), "a", denies=True).rule(operation(paths=["/y"])) is UNKNOWN
