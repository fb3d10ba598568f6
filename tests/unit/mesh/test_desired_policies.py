"""The policies that istiod makes of AuthorizationPolicies and PeerAuthentications, and those that it attaches to pods."""

from dataclasses import replace

import pytest

from meshtui.mesh.desired import Desired, policies
from meshtui.model.ids import Uid
from meshtui.model.membership import Installation
from meshtui.model.policy import AuthorizationPolicy
from meshtui.model.selectors import LabelSelector
from meshtui.model.snapshot import KindState, KindStatus, MeshConfig
from tests.fakes.dumps import plain
from tests.fakes.snapshots import ambient, namespace, pod, policy, snapshot_of

PLAINTEXT = {"notPrincipals": [{"Presence": []}]}
DRY_RUNS = Installation(switches=frozenset({"AMBIENT_ENABLE_DRY_RUN_AUTHORIZATION_POLICY"}))
IMPLICIT = Installation(switches=frozenset({"PILOT_AUTO_ALLOW_WAYPOINT_POLICY"}))


def authorization(key, spec, **more):
    return policy(key, spec, "AuthorizationPolicy", **more)


def peer(key, spec, created=None):
    return policy(key, spec, "PeerAuthentication", created=created)


def live(*objects, **more):
    return snapshot_of([*objects], live=True, **more)


def only(*objects, **more):
    found = policies(live(*objects, **more))
    assert len(found) == 1
    return next(iter(found.values()))


def rules_of(*objects, **more):
    return plain(only(*objects, **more)).get("rules", [])


RULES = {
    "ports come before sources": (
        "rules: [{from: [{source: {serviceAccounts: [web]}}], to: [{operation: {ports: ['8080', '9090']}}]}]",
        [[[{"destinationPorts": [8080, 9090]}], [{"serviceAccounts": [{"namespace": "shop", "serviceAccount": "web"}]}]]],
    ),
    "an account of another namespace": (
        "rules: [{from: [{source: {serviceAccounts: [ops/batch]}}]}]",
        [[[{"serviceAccounts": [{"namespace": "ops", "serviceAccount": "batch"}]}]]],
    ),
    "strings": (
        "rules: [{from: [{source: {namespaces: [a, 'b*', '*c', '*'], notPrincipals: ['cluster.local/ns/a/sa/b']}}]}]",
        [
            [
                [
                    {
                        "namespaces": [{"Exact": "a"}, {"Prefix": "b"}, {"Suffix": "c"}, {"Presence": []}],
                        "notPrincipals": [{"Exact": "cluster.local/ns/a/sa/b"}],
                    }
                ]
            ]
        ],
    ),
    "addresses are networks": (
        "rules: [{from: [{source: {ipBlocks: [10.0.0.1, 10.1.0.0/16, nonsense], notIpBlocks: ['fd00::1']}}]}]",
        [[[{"sourceIps": ["10.0.0.1/32", "10.1.0.0/16"], "notSourceIps": ["fd00::1/128"]}]]],
    ),
    "only what can't be read": ("rules: [{from: [{source: {ipBlocks: [nonsense]}}]}]", [[[{}]]]),
    "conditions are clauses": (
        "rules: [{when: [{key: destination.port, values: ['80']}, {key: source.namespace, notValues: [a]}]}]",
        [[[{"destinationPorts": [80]}], [{"notNamespaces": [{"Exact": "a"}]}]]],
    ),
    "an empty rule matches everything": ("rules: [{}]", [[]]),
    "no rules": ("{}", []),
    "a rule with HTTP is left out of ALLOW": (
        "rules: [{to: [{operation: {methods: [GET], ports: ['80']}}]}, {to: [{operation: {ports: ['81']}}]}]",
        [[[{"destinationPorts": [81]}]]],
    ),
    "only the HTTP is left out of DENY": (
        "{action: DENY, rules: [{to: [{operation: {methods: [GET], ports: ['80']}}, {operation: {paths: [/a]}}]}]}",
        [[[{"destinationPorts": [80]}, {}]]],
    ),
    "a condition with HTTP is an empty match of DENY": (
        "{action: DENY, rules: [{when: [{key: 'request.headers[x]', values: [y]}, {key: destination.port, values: ['80']}]}]}",
        [[[{}], [{"destinationPorts": [80]}]]],
    ),
}


@pytest.mark.parametrize("case", RULES)
def test_rules_of_an_authorization_policy(case):
    spec, expected = RULES[case]
    assert rules_of(authorization("shop/one", spec)) == expected


@pytest.mark.parametrize(
    ("key", "spec", "expected"),
    [
        ("shop/one", "{}", ("Namespace", "Allow")),
        ("istio-system/one", "action: DENY", ("Global", "Deny")),
        ("shop/one", "selector: {matchLabels: {app: web}}", ("WorkloadSelector", "Allow")),
        ("shop/one", "selector: {}", ("WorkloadSelector", "Allow")),
        ("istio-system/one", "selector: {matchLabels: {app: web}}", ("WorkloadSelector", "Allow")),
    ],
)
def test_scope_and_action(key, spec, expected):
    found = only(authorization(key, spec))
    assert (found.scope, found.action) == expected


@pytest.mark.parametrize(
    "spec",
    [
        "action: CUSTOM",
        "action: AUDIT",
        "targetRefs: [{kind: Service, group: '', name: web}]",
        "targetRef: {kind: Gateway, group: gateway.networking.k8s.io, name: waypoint}",
    ],
)
def test_what_ztunnel_never_gets(spec):
    assert not policies(live(authorization("shop/one", spec)))


def test_a_dry_run_is_sent_where_istiod_says_so():
    dry = authorization("shop/one", "action: DENY", annotations={"istio.io/dry-run": "true"})
    assert only(dry, installation=DRY_RUNS).dry_run
    assert not policies(live(dry, installation=IMPLICIT))
    unknown = Desired(live(dry)).policies
    assert not unknown.by_key
    assert unknown.undetermined == {"shop/one": "it isn't known whether istiod sends dry runs"}


@pytest.mark.parametrize(
    ("made", "why"),
    [
        (authorization("shop/one", "invented: true"), "it has fields that aren't modelled: spec.invented"),
        (authorization("shop/one", "action: MAYBE"), "its action isn't known: MAYBE"),
    ],
)
def test_what_cant_be_predicted(made, why):
    found = Desired(live(made)).policies
    assert (found.by_key, found.undetermined) == ({}, {"shop/one": why})


def test_a_policy_of_one_revision_cant_be_predicted():
    made = authorization("shop/one", "{}")
    made["metadata"]["labels"] = {"istio.io/rev": "canary"}
    assert "shop/one" in Desired(live(made)).policies.undetermined


def test_without_the_right_to_read_policies_there_are_no_others():
    kinds = {"AuthorizationPolicy": KindState(KindStatus.FORBIDDEN, "no")}
    found = Desired(live(peer("shop/one", "mtls: {mode: STRICT}"), kinds=kinds)).policies
    assert set(found.by_key) == {"istio-system/istio_converted_static_strict"}
    assert found.why_no_authorization == "forbidden: no"
    assert not found.excludes("shop", "one")
    assert found.excludes("shop", "converted_peer_authentication_two")


def test_without_the_configuration_nothing_is_predicted():
    found = Desired(live(authorization("shop/one", "{}"), mesh=MeshConfig(doubt="unreadable"))).policies
    assert not found.by_key
    assert not found.excludes("shop", "two")


def test_namespaces_that_istiod_does_not_look_into():
    mesh = MeshConfig(discovery=(LabelSelector((("team", "x"),)),))
    spaces = [namespace("shop", team="x"), namespace("other")]
    found = Desired(live(*spaces, authorization("shop/one", "{}"), authorization("other/one", "{}"), mesh=mesh)).policies
    assert set(found.by_key) == {"shop/one"}
    assert found.excludes("other", "one")


# ---- PeerAuthentications

STATIC = "istio-system/istio_converted_static_strict"
ON_WEB = "selector: {matchLabels: {app: web}}"
CONVERTED = {
    # workload, namespace, mesh: the rules
    "a strict port": ("portLevelMtls: {8080: {mode: STRICT}}", "", "", [[[{**PLAINTEXT, "destinationPorts": [8080]}]]]),
    "two strict ports are two rules": (
        "portLevelMtls: {9090: {mode: STRICT}, 8080: {mode: STRICT}}",
        "",
        "",
        [[[{**PLAINTEXT, "destinationPorts": [8080]}]], [[{**PLAINTEXT, "destinationPorts": [9090]}]]],
    ),
    "strict with an exception": (
        "{mtls: {mode: STRICT}, portLevelMtls: {8080: {mode: PERMISSIVE}}}",
        "",
        "",
        [[[PLAINTEXT], [{"notDestinationPorts": [8080]}]]],
    ),
    "an exception from the namespace's": (
        "portLevelMtls: {8080: {mode: PERMISSIVE}}",
        "STRICT",
        "",
        [[[{"notDestinationPorts": [8080]}], [PLAINTEXT]]],
    ),
    "an exception from the mesh's": (
        "portLevelMtls: {8080: {mode: DISABLE}}",
        "",
        "STRICT",
        [[[{"notDestinationPorts": [8080]}], [PLAINTEXT]]],
    ),
    "a namespace that sets nothing inherits, but its exception doesn't count": (
        "portLevelMtls: {8080: {mode: DISABLE}}",
        "UNSET",
        "STRICT",
        None,
    ),
    "strict everywhere is the static one": ("{mtls: {mode: STRICT}, portLevelMtls: {8080: {mode: STRICT}}}", "", "", None),
    "an exception from nothing": ("portLevelMtls: {8080: {mode: PERMISSIVE}}", "", "", None),
    "lenient anyway": ("{mtls: {mode: PERMISSIVE}, portLevelMtls: {8080: {mode: DISABLE}}}", "STRICT", "", None),
    "a strict port of a lenient workload": (
        "{mtls: {mode: PERMISSIVE}, portLevelMtls: {8080: {mode: STRICT}}}",
        "STRICT",
        "",
        [[[{**PLAINTEXT, "destinationPorts": [8080]}]]],
    ),
    "a strict port of a lenient workload in a strict mesh is lost": (
        "{mtls: {mode: PERMISSIVE}, portLevelMtls: {8080: {mode: STRICT}}}",
        "",
        "STRICT",
        None,
    ),
    "no ports": ("mtls: {mode: STRICT}", "", "", None),
}


@pytest.mark.parametrize("case", CONVERTED)
def test_port_level_modes_are_converted(case):
    spec, of_space, of_mesh, expected = CONVERTED[case]
    body = f"{{{ON_WEB}, {spec.removeprefix('{').removesuffix('}') if spec.startswith('{') else spec}}}"
    wide = [("shop/default", of_space), ("istio-system/default", of_mesh)]
    above = [peer(key, f"mtls: {{mode: {mode}}}") for key, mode in wide if mode]
    found = policies(live(peer("shop/web", body), *above))
    key = "shop/converted_peer_authentication_web"
    assert found.keys() - {STATIC} == (set() if expected is None else {key})
    assert plain(found[STATIC])["rules"] == [[[PLAINTEXT]]]
    if expected is not None:
        made = plain(found[key])
        assert (made["rules"], made["scope"], made["action"]) == (expected, "WorkloadSelector", "Deny")


@pytest.mark.parametrize(
    "made",
    [
        peer("istio-system/web", f"{{{ON_WEB}, portLevelMtls: {{8080: {{mode: STRICT}}}}}}"),
        peer("shop/web", "portLevelMtls: {8080: {mode: STRICT}}"),
    ],
)
def test_ports_count_only_for_selected_workloads_outside_the_root_namespace(made):
    assert set(policies(live(made))) == {STATIC}


# ---- what is attached

ATTACHED = {
    "a selector": ([authorization("shop/one", ON_WEB)], {"shop/one"}),
    "the whole namespace isn't listed": ([authorization("shop/one", "{}")], set()),
    "a selector of the root namespace": ([authorization("istio-system/one", ON_WEB)], {"istio-system/one"}),
    "another namespace": ([authorization("other/one", ON_WEB)], set()),
    "other labels": ([authorization("shop/one", "selector: {matchLabels: {app: db}}")], set()),
    "a strict namespace": ([peer("shop/one", "mtls: {mode: STRICT}")], {STATIC}),
    "a strict mesh": ([peer("istio-system/one", "mtls: {mode: STRICT}")], {STATIC}),
    "a lenient namespace in it": (
        [peer("istio-system/one", "mtls: {mode: STRICT}"), peer("shop/one", "mtls: {mode: PERMISSIVE}")],
        set(),
    ),
    "a namespace that says nothing in it": (
        [peer("istio-system/one", "mtls: {mode: STRICT}"), peer("shop/one", "mtls: {mode: UNSET}")],
        {STATIC},
    ),
    "a strict workload": ([peer("shop/one", f"{{{ON_WEB}, mtls: {{mode: STRICT}}}}")], {STATIC}),
    "a lenient workload": (
        [peer("shop/all", "mtls: {mode: STRICT}"), peer("shop/one", f"{{{ON_WEB}, mtls: {{mode: DISABLE}}}}")],
        set(),
    ),
    "a selector in the root namespace": ([peer("istio-system/one", f"{{{ON_WEB}, mtls: {{mode: STRICT}}}}")], set()),
    "an exception": (
        [peer("shop/one", f"{{{ON_WEB}, mtls: {{mode: STRICT}}, portLevelMtls: {{80: {{mode: DISABLE}}}}}}")],
        {"shop/converted_peer_authentication_one"},
    ),
    "an exception of a workload that inherits": (
        [
            peer("shop/all", "mtls: {mode: STRICT}"),
            peer("shop/one", f"{{{ON_WEB}, portLevelMtls: {{80: {{mode: PERMISSIVE}}}}}}"),
        ],
        {"shop/converted_peer_authentication_one"},
    ),
    "DISABLE is no exception there": (
        [peer("shop/all", "mtls: {mode: STRICT}"), peer("shop/one", f"{{{ON_WEB}, portLevelMtls: {{80: {{mode: DISABLE}}}}}}")],
        {STATIC},
    ),
    "a strict port": (
        [peer("shop/one", f"{{{ON_WEB}, portLevelMtls: {{80: {{mode: STRICT}}}}}}")],
        {"shop/converted_peer_authentication_one"},
    ),
    "the oldest counts": (
        [
            peer("shop/new", f"{{{ON_WEB}, mtls: {{mode: STRICT}}}}", created="2026-01-02T00:00:00Z"),
            peer("shop/old", f"{{{ON_WEB}, mtls: {{mode: DISABLE}}}}", created="2026-01-01T00:00:00Z"),
        ],
        set(),
    ),
}


@pytest.mark.parametrize("case", ATTACHED)
def test_policies_of_a_workload(case):
    objects, expected = ATTACHED[case]
    snapshot = live(ambient("shop"), pod("shop/web", "10.0.0.1"), *objects)
    (found,) = Desired(snapshot).workloads.values()
    assert set(found.workload.authorization_policies) == expected


def test_of_equally_old_ones_it_is_not_known_which_counts():
    many = [peer(f"shop/{name}", f"{{{ON_WEB}, mtls: {{mode: STRICT}}}}") for name in ("a", "b")]
    (found,) = Desired(live(pod("shop/web", "10.0.0.1"), *many)).workloads.values()
    assert STATIC in found.attached.undetermined


# ---- policies for waypoints

WAYPOINT = {
    "apiVersion": "gateway.networking.k8s.io/v1",
    "kind": "Gateway",
    "metadata": {"name": "waypoint", "namespace": "shop"},
    "spec": {"gatewayClassName": "istio-waypoint", "listeners": [{"name": "mesh", "port": 15008, "protocol": "HBONE"}]},
    "status": {"addresses": [{"type": "Hostname", "value": "waypoint.shop.svc.cluster.local"}]},
}


def test_a_policy_allows_the_waypoint():
    of_gateway = {"gateway.networking.k8s.io/gateway-name": "waypoint"}
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web", "namespace": "shop", "labels": {"istio.io/use-waypoint": "waypoint"}},
        "spec": {"selector": {"app": "web"}, "clusterIP": "10.9.0.1", "ports": [{"port": 80}]},
    }
    objects = [WAYPOINT, service, pod("shop/web", "10.0.0.1"), pod("shop/gate", "10.0.0.2", labels=of_gateway, account="wp")]
    found = Desired(live(*objects, installation=IMPLICIT))
    key = "shop/istio_allow_waypoint_shop_waypoint"
    assert plain(found.policies.by_key[key].policy)["rules"] == [[[{"principals": [{"Exact": "cluster.local/ns/shop/sa/wp"}]}]]]
    assert found.workloads["Kubernetes//Pod/shop/web"].workload.authorization_policies == (key,)
    assert found.workloads["Kubernetes//Pod/shop/gate"].workload.authorization_policies == ()
    assert not Desired(live(*objects, installation=DRY_RUNS)).policies.by_key


def test_an_object_that_could_not_be_read_is_not_predicted():
    snapshot = live(authorization("shop/one", "{}"))
    broken = {Uid(uid): replace(each, action="(unreadable)") for uid, each in snapshot.authorization_policies.items()}
    assert all(isinstance(each, AuthorizationPolicy) for each in broken.values())
    assert set(Desired(replace(snapshot, authorization_policies=broken)).policies.undetermined) == {"shop/one"}
