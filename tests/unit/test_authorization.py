"""AuthorizationPolicies as ztunnel enforces them, and HBONE: every row says where its rule is written."""

import pytest

from tests.fakes.snapshots import Row, decider, in_words, judge, namespace, pod, policy, snapshot_of

PROTO = "istio/api security/v1beta1/authorization_policy.proto"
AMBIENT = "istio/istio pilot/pkg/serviceregistry/ambient/authorization.go"
RBAC = "istio/ztunnel src/rbac.rs"
STATE = "istio/ztunnel src/state/policy.rs"
ROOT = "istio-system"

MESH = [
    {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": n, "labels": {"istio.io/dataplane-mode": "ambient"}}}
    for n in ("shop", "back")
]
WORLD = [
    *MESH,
    namespace("bare"),
    namespace(ROOT),
    pod("shop/web", "10.0.1.1", [8080], account="web"),
    pod("shop/api", "10.0.1.2", [8080], account="api"),
    pod("back/db", "10.0.2.1", [5432, 9187], account="db"),
    pod("bare/plain", "10.0.3.1", [80], account="plain"),
    pod("shop/out", "10.0.1.7", [80], labels={"app": "out", "istio.io/dataplane-mode": "none"}, account="web"),
]

FLOW = "shop/web > back/db:5432"
PLAIN = "bare/plain > back/db:5432"
WEB = "cluster.local/ns/shop/sa/web"


def allow(name, source, rules, expect, flow=FLOW, by=None):
    return Row(name, source, {"AuthorizationPolicy back/p": f"rules: {rules}"}, flow, expect, by)


def deny(name, source, rules, expect, flow=FLOW, by=None):
    return Row(name, source, {"AuthorizationPolicy back/p": f"action: DENY\nrules: {rules}"}, flow, expect, by)


def whole(name, source, spec, expect, flow=FLOW, by=None, where="back/p"):
    return Row(name, source, {f"AuthorizationPolicy {where}": spec}, flow, expect, by)


def principals(*values):
    return f"[{{from: [{{source: {{principals: {list(values)!r}}}}}]}}]"


Z = "deny ztunnel"
ROWS = [
    allow("a principal, exactly", STATE, principals(WEB), "allow", by="AuthorizationPolicy back/p rules[0]"),
    allow("another principal", STATE, principals("cluster.local/ns/shop/sa/api"), Z, by="AuthorizationPolicy back/p"),
    allow("a principal's prefix", STATE, principals("cluster.local/ns/shop/*"), "allow"),
    allow("a principal's suffix", STATE, principals("*/sa/web"), "allow"),
    allow("*x* is the suffix x*, which nobody has", STATE, principals("*web*"), Z),
    allow("* is any authenticated peer", STATE, principals("*"), "allow"),
    allow("* is not a plaintext peer", RBAC, principals("*"), Z, PLAIN),
    allow("spiffe:// in a principal never matches", STATE, principals(f"spiffe://{WEB}"), Z),
    allow("notPrincipals lets a plaintext peer through", RBAC, "[{from: [{source: {notPrincipals: ['x']}}]}]", "allow", PLAIN),
    allow("a namespace", RBAC, "[{from: [{source: {namespaces: [shop]}}]}]", "allow"),
    allow("a namespace, of a plaintext peer", RBAC, "[{from: [{source: {namespaces: [bare]}}]}]", Z, PLAIN),
    allow("notNamespaces", RBAC, "[{from: [{source: {notNamespaces: [shop]}}]}]", Z),
    allow("a ServiceAccount with its namespace", AMBIENT, "[{from: [{source: {serviceAccounts: [shop/web]}}]}]", "allow"),
    allow("a bare ServiceAccount is of the policy's namespace", AMBIENT, "[{from: [{source: {serviceAccounts: [web]}}]}]", Z),
    allow("no globs in ServiceAccounts", AMBIENT, "[{from: [{source: {serviceAccounts: ['shop/*']}}]}]", Z),
    allow("an ipBlock", RBAC, "[{from: [{source: {ipBlocks: [10.0.1.0/24]}}]}]", "allow"),
    allow("host bits in an ipBlock are fine", AMBIENT, "[{from: [{source: {ipBlocks: [10.0.1.77/24]}}]}]", "allow"),
    allow("an ipBlock with one bad value of two", AMBIENT, "[{from: [{source: {ipBlocks: [x, 10.0.1.1]}}]}]", "allow"),
    allow("only bad ipBlocks: nothing is left, so never", AMBIENT, "[{from: [{source: {ipBlocks: [x]}}]}]", Z),
    allow("IPv4-mapped never matches IPv4", RBAC, "[{from: [{source: {ipBlocks: ['::ffff:10.0.1.1']}}]}]", Z),
    allow("notIpBlocks", RBAC, "[{from: [{source: {notIpBlocks: [10.0.1.1]}}]}]", Z),
    allow("a port", RBAC, "[{to: [{operation: {ports: ['5432']}}]}]", "allow"),
    allow("another port", RBAC, "[{to: [{operation: {ports: ['80']}}]}]", Z),
    allow("08080 style zeros are decimal", AMBIENT, "[{to: [{operation: {ports: ['05432']}}]}]", "allow"),
    allow("+5432 is dropped, and nothing is left", AMBIENT, "[{to: [{operation: {ports: ['+5432']}}]}]", Z),
    allow("notPorts", RBAC, "[{to: [{operation: {notPorts: ['5432']}}]}]", Z),
    allow("when source.ip", AMBIENT, "[{when: [{key: source.ip, values: [10.0.1.1]}]}]", "allow"),
    allow("when source.namespace", AMBIENT, "[{when: [{key: source.namespace, values: [shop]}]}]", "allow"),
    allow("when source.principal", AMBIENT, f"[{{when: [{{key: source.principal, values: ['{WEB}']}}]}}]", "allow"),
    allow("when destination.ip", AMBIENT, "[{when: [{key: destination.ip, values: [10.0.2.1]}]}]", "allow"),
    allow("when destination.port", AMBIENT, "[{when: [{key: destination.port, values: ['5432']}]}]", "allow"),
    allow("when … notValues", AMBIENT, "[{when: [{key: destination.port, notValues: ['5432']}]}]", Z),
    allow("when source.serviceAccount needs HTTP", AMBIENT, "[{when: [{key: source.serviceAccount, values: [shop/web]}]}]", Z),
    allow("from and to AND", RBAC, "[{from: [{source: {namespaces: [shop]}}], to: [{operation: {ports: ['80']}}]}]", Z),
    allow("entries of from OR", RBAC, "[{from: [{source: {namespaces: [x]}}, {source: {namespaces: [shop]}}]}]", "allow"),
    allow("fields of a source AND", RBAC, "[{from: [{source: {namespaces: [shop], principals: ['x']}}]}]", Z),
    allow(
        "entries of when AND", RBAC, "[{when: [{key: source.namespace, values: [shop]}, {key: source.ip, values: [9.9.9.9]}]}]", Z
    ),
    allow("rules OR", RBAC, "[{from: [{source: {namespaces: [x]}}]}, {}]", "allow", by="AuthorizationPolicy back/p rules[1]"),
    allow("rules: [{}] is everything", PROTO, "[{}]", "allow", PLAIN),
    allow("rules: [] is nothing", PROTO, "[]", Z),
    whole("absent rules match nothing", PROTO, "{}", Z),
    allow("trustDomains alone never matches", AMBIENT, "[{from: [{source: {trustDomains: [cluster.local]}}]}]", Z),
    allow("ALLOW with a method: the rule is left out, the policy counts", AMBIENT, "[{to: [{operation: {methods: [GET]}}]}]", Z),
    allow(
        "… also when L4 fields stand beside it",
        AMBIENT,
        f"[{{from: [{{source: {{principals: ['{WEB}']}}}}], to: [{{operation: {{paths: ['/x']}}}}]}}]",
        Z,
    ),
    allow("… and another rule of it still counts", AMBIENT, "[{to: [{operation: {hosts: [x]}}]}, {}]", "allow"),
    deny("DENY matches", RBAC, "[{from: [{source: {namespaces: [shop]}}]}]", Z, by="AuthorizationPolicy back/p rules[0]"),
    deny("DENY with only methods denies nothing", AMBIENT, "[{to: [{operation: {methods: [POST]}}]}]", "allow"),
    deny(
        "DENY from X to methods denies nothing",
        AMBIENT,
        "[{from: [{source: {namespaces: [shop]}}], to: [{operation: {methods: [POST]}}]}]",
        "allow",
    ),
    deny(
        "DENY from X to ports and methods denies every method",
        AMBIENT,
        "[{from: [{source: {namespaces: [shop]}}], to: [{operation: {ports: ['5432'], methods: [POST]}}]}]",
        Z,
    ),
    deny(
        "… on those ports only",
        AMBIENT,
        "[{from: [{source: {namespaces: [shop]}}], to: [{operation: {ports: ['80'], methods: [POST]}}]}]",
        "allow",
    ),
    deny("DENY rules: [{}] is everything", PROTO, "[{}]", Z),
    deny("DENY absent rules is nothing", PROTO, "[]", "allow"),
    whole("AUDIT doesn't reach ztunnel", AMBIENT, "action: AUDIT\nrules: [{}]", "allow"),
    whole("CUSTOM doesn't reach ztunnel", AMBIENT, "action: CUSTOM\nprovider: {name: x}\nrules: [{}]", "allow"),
    whole("targetRefs don't reach ztunnel", AMBIENT, "targetRefs: [{kind: Service, name: x}]", "allow"),
    whole("a selector that fits", AMBIENT, "selector: {matchLabels: {app: db}}", Z),
    whole("a selector that doesn't", AMBIENT, "selector: {matchLabels: {app: x}}", "allow"),
    whole("selector: {} applies to nothing", AMBIENT, "selector: {}", "allow"),
    whole("a policy of another namespace", AMBIENT, "{}", "allow", where="shop/p"),
    whole("the root namespace without selector: the whole mesh", PROTO, "{}", Z, where=f"{ROOT}/p"),
    whole(
        "the root namespace with a selector: every namespace", PROTO, "selector: {matchLabels: {app: db}}", Z, where=f"{ROOT}/p"
    ),
    whole("a destination outside ambient: nobody enforces", AMBIENT, "{}", "allow", "shop/web > bare/plain:80", where="bare/p"),
    Row(
        "DENY beats ALLOW",
        RBAC,
        {"AuthorizationPolicy back/a": "rules: [{}]", "AuthorizationPolicy back/d": "action: DENY\nrules: [{}]"},
        FLOW,
        Z,
        "AuthorizationPolicy back/d rules[0]",
    ),
    Row(
        "any ALLOW is enough",
        RBAC,
        {"AuthorizationPolicy back/a": "{}", "AuthorizationPolicy back/b": "rules: [{}]"},
        FLOW,
        "allow",
        "AuthorizationPolicy back/b rules[0]",
    ),
    Row(
        "HBONE: a policy that opens only the app's port blocks captured pods",
        "istio.io ambient: NetworkPolicy; istio/istio #51034",
        {"NetworkPolicy back/n": "podSelector: {}\ningress: [{ports: [{port: 5432}]}]"},
        FLOW,
        "deny ingress_policy",
    ),
    Row(
        "HBONE: opening 15008 opens every port at L3/4",
        "istio.io ambient: NetworkPolicy",
        {"NetworkPolicy back/n": "podSelector: {}\ningress: [{ports: [{port: 15008}]}]"},
        "shop/web > back/db:9999",
        "allow",
    ),
    Row(
        "HBONE: an un-meshed source needs the app's port",
        "istio.io ambient: NetworkPolicy",
        {"NetworkPolicy back/n": "podSelector: {}\ningress: [{ports: [{port: 15008}]}]"},
        PLAIN,
        "deny ingress_policy",
    ),
    Row(
        "HBONE: a pod that opted out is un-meshed",
        "istio.io ambient: add workloads",
        {"NetworkPolicy back/n": "podSelector: {}\ningress: [{ports: [{port: 15008}]}]"},
        "shop/out > back/db:5432",
        "deny ingress_policy",
    ),
    Row(
        "HBONE: egress sees 15008 too",
        "istio.io ambient: NetworkPolicy",
        {"NetworkPolicy shop/n": "podSelector: {}\npolicyTypes: [Egress]\negress: [{ports: [{port: 5432}]}]"},
        FLOW,
        "deny egress_policy",
    ),
    Row("UDP bypasses the mesh", PROTO, {"AuthorizationPolicy back/p": "{}"}, "shop/web > back/db:53/UDP", "allow"),
    Row(
        "the first layer that blocks is named: NetworkPolicy before ztunnel",
        "design: order of judgement",
        {"NetworkPolicy back/n": "podSelector: {}", "AuthorizationPolicy back/p": "{}"},
        FLOW,
        "deny ingress_policy",
    ),
]


def objects_of(row):
    made = []
    for reference, spec in row.yaml.items():
        kind, _, key = reference.partition(" ")
        made.append(policy(key, spec, kind))
    return made


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_rule(row):
    verdict = judge(snapshot_of(WORLD, objects_of(row)), row.flow)
    assert in_words(verdict) == row.expect, [step.reason for step in verdict.steps]
    if row.by is not None:
        assert decider(verdict) == row.by


@pytest.mark.parametrize(
    ("value", "enforced"),
    [("true", False), ("1", False), ("t", False), ("false", True), ("yes", True), ("", True), ("tRUE", True)],
)
def test_a_dry_run_is_not_enforced(value, enforced):
    """strconv.ParseBool, as istio/istio reads the annotation; what doesn't parse is enforced."""
    made = policy("back/p", {}, "AuthorizationPolicy", annotations={"istio.io/dry-run": value})
    assert in_words(judge(snapshot_of(WORLD, [made]), FLOW)) == (Z if enforced else "allow")


def test_later_layers_are_still_listed():
    made = [policy("back/n", "podSelector: {}"), policy("back/p", {}, "AuthorizationPolicy")]
    verdict = judge(snapshot_of(WORLD, made), FLOW)
    assert [(s.layer.value, s.result.value) for s in verdict.steps if s.result.value == "block"] == [
        ("ingress_policy", "block"),
        ("ztunnel", "block"),
    ]


def test_live_only_the_annotation_says_who_is_captured():
    spec = [policy("back/p", {}, "AuthorizationPolicy")]
    assert in_words(judge(snapshot_of(WORLD, spec, live=True), FLOW)) == "allow"
    captured = pod("back/db", "10.0.2.1", metadata={"annotations": {"ambient.istio.io/redirection": "enabled"}})
    others = [o for o in WORLD if o["metadata"]["name"] != "db"]
    assert in_words(judge(snapshot_of(others, [captured], spec, live=True), FLOW)) == Z


def test_the_mesh_config_names_trust_domain_and_root_namespace():
    config = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "istio", "namespace": "mesh"},
        "data": {"mesh": "trustDomain: corp.example\nrootNamespace: mesh\n"},
    }
    rules = {"rules": [{"from": [{"source": {"principals": ["corp.example/ns/shop/sa/web"]}}]}]}
    made = policy("mesh/p", rules, "AuthorizationPolicy")
    assert in_words(judge(snapshot_of(WORLD, [config, made]), FLOW)) == "allow"
    assert in_words(judge(snapshot_of(WORLD, [made]), FLOW)) == "allow", "without the ConfigMap it is an ordinary namespace"
    assert in_words(judge(snapshot_of(WORLD, [config, policy("mesh/p", {}, "AuthorizationPolicy")]), FLOW)) == Z


@pytest.mark.parametrize(
    ("pattern", "value", "expected"),
    [
        ("*", "", False),
        ("*", "x", True),
        ("*Xfront", "front", False),
        ("*front", "front", True),
        ("frontX*", "front", False),
        ("front*", "front", True),
        ("front", "frontx", False),
        ("*x*", "axb", False),
        ("*x*", "ax*", True),
    ],
)
def test_a_pattern_matches_all_of_what_it_says(pattern: str, value: str, expected: bool) -> None:
    """istio/ztunnel src/rbac.rs, StringMatch; istio/istio ambient/authorization.go, stringToMatch."""
    from meshtui.engine.matching.strings import string_matches

    assert string_matches(pattern, value) is expected
