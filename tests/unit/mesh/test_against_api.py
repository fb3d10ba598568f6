"""What differs between the API and a ztunnel, and what is left out."""

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta

import pytest

from meshtui.engine.policy.ztunnel import Match
from meshtui.mesh import rules
from meshtui.mesh.against_api import Comparison, differences, not_compared
from meshtui.mesh.report import Between
from meshtui.model.membership import Installation
from meshtui.model.snapshot import KindState, KindStatus, MeshConfig
from meshtui.ztunnel.dump import Table
from tests.fakes.dumps import dump_of, plain_tables
from tests.fakes.snapshots import namespace, pod, policy, snapshot_of
from tests.unit.mesh.test_desired_workloads import ON_SERVICE, gateway, service

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
WEB, DB = "Kubernetes//Pod/shop/web", "Kubernetes//Pod/shop/db"
HOST = "shop/web.shop.svc.cluster.local"
STATIC = "istio-system/istio_converted_static_strict"
IMPLICIT = "shop/istio_allow_waypoint_shop_waypoint"
RULES = """
action: DENY
selector: {matchLabels: {app: web}}
rules:
- from: [{source: {namespaces: [ops], ipBlocks: [10.1.0.0/16]}}]
  to: [{operation: {ports: ['80', '81']}}, {operation: {notPorts: ['90']}}]
- to: [{operation: {ports: ['99']}}]
"""
OBJECTS = [
    namespace("shop", **ON_SERVICE),
    gateway(labels={"istio.io/waypoint-for": "all"}),
    service("shop/web", labels=ON_SERVICE),
    pod("shop/web", "10.0.0.1", account="web", node="one"),
    pod("shop/db", "10.0.0.2", account="db", node="one", labels={"istio.io/use-waypoint": "none"}),
    policy("shop/one", RULES, "AuthorizationPolicy"),
    policy("shop/all", "mtls: {mode: STRICT}", "PeerAuthentication"),
    policy("shop/db", "{selector: {matchLabels: {app: db}}, portLevelMtls: {80: {mode: PERMISSIVE}}}", "PeerAuthentication"),
]


def live(*objects, **more):
    return snapshot_of([*objects], live=True, **more)


SNAPSHOT = live(*OBJECTS)
W, S, P = Table.WORKLOADS, Table.SERVICES, Table.POLICIES


def compared(snapshot, tables, now=NOW, **more):
    return differences(snapshot, dump_of(tables, **more), "one", now=now)


def changed(change, snapshot=SNAPSHOT, **more):
    """The differences after a change of what the ztunnel should have."""
    tables = plain_tables(snapshot)
    change(tables)
    return compared(snapshot, tables, **more)


def test_what_istiod_should_send_makes_no_difference():
    tables = plain_tables(SNAPSHOT)
    assert [len(tables[table]) for table in (W, S, P)] == [2, 1, 3]
    assert compared(SNAPSHOT, tables) == ()


def put(table, key, **fields):
    return lambda tables: tables[table][key].update(fields)


def drop(table, key):
    return lambda tables: tables[table].pop(key)


def matches(tables):
    """The matches of the first rule's first clause."""
    return tables[P]["shop/one"]["rules"][0][0]


def other_ports(tables):
    matches(tables)[0]["destinationPorts"] = [80]


def other_ports_behind_a_match_that_says_nothing(tables):
    other_ports(tables)
    matches(tables).insert(0, {})


def one_match_less(tables):
    del matches(tables)[0]


def one_clause_less(tables):
    del tables[P]["shop/one"]["rules"][0][1]


def one_rule_less(tables):
    del tables[P]["shop/one"]["rules"][1]


def other_sources(tables):
    tables[P]["shop/one"]["rules"][0][1][0]["sourceIps"] = ["10.1.0.0/24"]


def no_sources(tables):
    del tables[P]["shop/one"]["rules"][0][1][0]["sourceIps"]


def one_more_policy(tables):
    tables[P]["shop/old"] = {"name": "old", "namespace": "shop", "scope": "Namespace", "action": "Allow", "rules": []}


def one_more_pod(tables):
    tables[W]["Kubernetes//Pod/shop/old"] = {**tables[W][WEB], "uid": "…/old", "name": "old", "workloadIps": ["10.0.0.9"]}


def one_more_pod_with_an_address_in_use(tables):
    one_more_pod(tables)
    tables[W]["Kubernetes//Pod/shop/old"]["workloadIps"] = ["10.0.0.2"]


def one_more_pod_of_the_same_account(tables):
    one_more_pod_with_an_address_in_use(tables)
    tables[W]["Kubernetes//Pod/shop/old"]["serviceAccount"] = "db"


def one_more_service(tables):
    tables[S]["shop/old.shop.svc.cluster.local"] = {**tables[S][HOST], "name": "old", "hostname": "old.shop.svc.cluster.local"}


def no_endpoints(tables):
    tables[S][HOST]["endpoints"] = {}


def one_more_endpoint(tables):
    tables[S][HOST]["endpoints"][DB] = {"workloadUid": DB, "port": {"80": 8080}}


def other_endpoint_port(tables):
    tables[S][HOST]["endpoints"][WEB]["port"] = {"80": 80}


def nothing(tables):
    for table in tables.values():
        table.clear()


POD, POLICY, SERVICE = "Pod shop/web", "AuthorizationPolicy shop/one", "Service shop/web"
STALE = "the address of Pod shop/db counts as its own"
DIFFERENT = {
    # change: name, field, expected, found, dangerous
    "policy missing": (drop(P, "shop/one"), POLICY, "", "Deny for selected workloads", "absent", True),
    "policy extra": (one_more_policy, "AuthorizationPolicy shop/old", "", "absent", "Allow for its namespace", True),
    "scope": (put(P, "shop/one", scope="Namespace"), POLICY, "scope", "WorkloadSelector", "Namespace", True),
    "action": (put(P, "shop/one", action="Allow"), POLICY, "action", "Deny", "Allow", True),
    "dry run": (put(P, "shop/one", dryRun=True), POLICY, "dryRun", "false", "true", True),
    "ports": (other_ports, POLICY, "rules[0][0][0].destinationPorts", "80, 81", "80", True),
    "an index": (
        other_ports_behind_a_match_that_says_nothing,
        POLICY,
        "rules[0][0][1].destinationPorts",
        "80, 81",
        "80",
        True,
    ),
    "addresses": (other_sources, POLICY, "rules[0][1][0].sourceIps", "10.1.0.0/16", "10.1.0.0/24", True),
    "a field less": (no_sources, POLICY, "rules[0][1][0].sourceIps", "10.1.0.0/16", "absent", True),
    "a match less": (one_match_less, POLICY, "rules[0][0]", "destinationPorts 80, 81", "absent", True),
    "a clause less": (one_clause_less, POLICY, "rules[0]", "namespaces ops and sourceIps 10.1.0.0/16", "absent", True),
    "a rule less": (one_rule_less, POLICY, "rules", "(destinationPorts 99)", "absent", True),
    "static policy": (drop(P, STATIC), f"policy {STATIC}", "", "Deny for selected workloads", "absent", True),
    "converted policy": (
        drop(P, "shop/converted_peer_authentication_db"),
        "PeerAuthentication shop/db",
        "",
        "Deny for selected workloads",
        "absent",
        True,
    ),
    "workload missing": (drop(W, WEB), POD, "", "10.0.0.1, ServiceAccount web", "absent", True),
    "workload extra": (one_more_pod, "Pod shop/old", "", "absent", "10.0.0.9, ServiceAccount web", False),
    "stale identity": (
        one_more_pod_with_an_address_in_use,
        "Pod shop/old",
        "",
        "absent",
        "10.0.0.2, ServiceAccount web",
        True,
    ),
    "the same identity": (one_more_pod_of_the_same_account, "Pod shop/old", "", "absent", "10.0.0.2, ServiceAccount db", False),
    "address": (put(W, WEB, workloadIps=["10.0.0.8"]), POD, "workloadIps", "10.0.0.1", "10.0.0.8", True),
    "another pod's address": (put(W, WEB, workloadIps=["10.0.0.2"]), POD, "workloadIps", "10.0.0.1", "10.0.0.2", True),
    "account": (put(W, WEB, serviceAccount="old"), POD, "serviceAccount", "web", "old", True),
    "trust domain": (put(W, WEB, trustDomain="td"), POD, "trustDomain", "cluster.local", "td", True),
    "node": (put(W, WEB, node="two"), POD, "node", "one", "two", False),
    "network mode": (put(W, WEB, networkMode="HostNetwork"), POD, "networkMode", "Standard", "HostNetwork", False),
    "status": (put(W, WEB, status="Unhealthy"), POD, "status", "Healthy", "Unhealthy", False),
    "waypoint of the pod": (
        put(W, WEB, waypoint=None),
        POD,
        "waypoint",
        "shop/waypoint.shop.svc.cluster.local",
        "none",
        True,
    ),
    "a waypoint too many": (
        put(W, DB, waypoint={"destination": "/10.9.0.7", "hboneMtlsPort": 15008}),
        "Pod shop/db",
        "waypoint",
        "none",
        "/10.9.0.7",
        True,
    ),
    "policies of the pod": (
        put(W, WEB, authorizationPolicies=["shop/one", "shop/two"]),
        POD,
        "authorizationPolicies",
        f"{STATIC}, shop/one",
        "shop/one, shop/two",
        True,
    ),
    "service missing": (drop(S, HOST), SERVICE, "", "10.9.0.1", "absent", True),
    "service extra": (one_more_service, "Service shop/old", "", "absent", "10.9.0.1", False),
    "addresses of the Service": (put(S, HOST, vips=["/10.9.0.2"]), SERVICE, "vips", "10.9.0.1", "10.9.0.2", False),
    "ports of the Service": (put(S, HOST, ports={"80": 80, "9": 9}), SERVICE, "ports", "80:8080", "9:9, 80:80", False),
    "waypoint of the Service": (
        put(S, HOST, waypoint=None),
        SERVICE,
        "waypoint",
        "shop/waypoint.shop.svc.cluster.local",
        "none",
        True,
    ),
    "no endpoint": (no_endpoints, SERVICE, "endpoints", "with shop/web", "none", False),
    "an endpoint more": (one_more_endpoint, SERVICE, "endpoints", "without shop/db", "shop/db, shop/web", False),
    "ports of an endpoint": (other_endpoint_port, SERVICE, "endpoints[shop/web].port", "80:8080", "80:80", False),
    "nothing at all": (nothing, "ztunnel", "", "2 workloads", "none", True),
}


@pytest.mark.parametrize("case", DIFFERENT)
def test_one_change_is_one_difference(case):
    change, name, field, expected, found, dangerous = DIFFERENT[case]
    said = changed(change)
    assert [(d.name, d.field, d.expected, d.found, d.dangerous) for d in said] == [(name, field, expected, found, dangerous)]
    (one,) = said
    assert (one.between, one.node, one.by) == (Between.API, "one", "the API")
    assert one.consequence


def test_a_difference_names_the_object():
    (one,) = changed(drop(P, "shop/converted_peer_authentication_db"))
    assert str(one.ref) == "PeerAuthentication shop/db"
    (one,) = changed(put(W, WEB, workloadIps=["10.0.0.2"]))
    assert str(one.ref) == POD
    assert one.consequence == f"{STALE}: connections to that expect the wrong identity"


# ---- what means the same


def in_another_order(tables):
    policy = tables[P]["shop/one"]
    policy["rules"] = [[[*reversed(clause)] for clause in reversed(rule)] for rule in reversed(policy["rules"])]
    tables[W][WEB]["authorizationPolicies"].reverse()


def as_other_versions_write_it(tables):
    for each in tables[P].values():
        each["groups"] = each.pop("rules")
        each["dryRun"] = None
    rules = tables[P]["shop/one"]["groups"]
    rules[0][1][0]["sourceIps"] = ["10.1.2.3/16"]
    rules[0][1][0]["principals"] = []
    tables[W][WEB] |= {"status": "Healthy", "networkMode": "Standard", "protocol": "HBONE", "trustDomain": None, "capacity": 7}


def as_only_it_knows(tables):
    tables[S][HOST]["endpoints"] = {f"{WEB}:/10.0.0.1": tables[S][HOST]["endpoints"][WEB]}
    tables[S][HOST] |= {"subjectAltNames": ["a"], "loadBalancer": {"mode": "Standard"}}


def a_match_that_says_nothing_more(tables):
    matches(tables).append({})
    matches(tables).append({"namespaces": []})


def foreign(tables):
    """What can't be derived from the API's objects."""
    uids = ["east//Pod/shop/far", "NetworkGateway/net2/10.0.0.9/15008"]
    uids += [f"Kubernetes/networking.istio.io/{kind}/shop/vm" for kind in ("WorkloadEntry", "ServiceEntry")]
    uids += ["Kubernetes/discovery.k8s.io/EndpointSlice/shop/x/10.0.0.9", "net2/SplitHorizonWorkload/shop/gw/shop/web"]
    for uid in uids:
        tables[W][uid] = {"uid": uid, "name": "far", "namespace": "shop", "workloadIps": ["10.0.0.2"]}
        tables[S][HOST]["endpoints"][uid] = {"workloadUid": uid, "port": {"80": 1}}
    tables[S]["shop/example.org"] = {"name": "entry", "namespace": "shop", "hostname": "example.org"}
    tables[S]["shop/far.shop.svc.cluster.local"] = {"name": "far", "namespace": "shop", "hostname": "far.shop.svc.cluster.local"}
    tables[S][HOST]["vips"] = ["/10.9.0.1", "net2/10.8.0.1"]
    tables[P]["shop/invented_by_istiod"] = {"name": "invented_by_istiod", "namespace": "shop"}


@pytest.mark.parametrize(
    "change", [in_another_order, as_other_versions_write_it, as_only_it_knows, a_match_that_says_nothing_more, foreign]
)
def test_what_is_no_difference(change):
    assert changed(change, snapshot=live(*OBJECTS, installation=Installation(switches=frozenset({"X"})))) == ()


def test_a_service_of_another_network():
    def everywhere(tables):
        tables[S][HOST]["vips"] = ["net1/10.9.0.1", "net2/10.8.0.1"]
        tables[S][HOST]["waypoint"] = {"destination": "shop/waypoint.shop.svc.cluster.local", "hboneMtlsPort": 15008}

    assert changed(everywhere) == ()


def test_a_waypoint_by_address_may_be_in_a_network():
    snapshot = live(namespace("shop"), gateway(address="10.9.0.7", type="IPAddress"), service(labels=ON_SERVICE), *OBJECTS[3:5])
    assert changed(put(S, HOST, waypoint={"destination": "net1/10.9.0.7", "hboneMtlsPort": 15008}), snapshot=snapshot) == ()


def test_the_domain_is_that_of_the_services():
    tables = plain_tables(SNAPSHOT, domain="example.internal")
    gone = tables[W].pop(WEB)
    assert gone["services"] == ["shop/web.shop.svc.example.internal"]
    assert [d.name for d in compared(SNAPSHOT, tables)] == [POD]


def test_another_name_of_the_cluster():
    tables = plain_tables(SNAPSHOT, cluster_id="east")
    for said in ("east", "", "Kubernetes"):  # a ztunnel may not say it, or have been told another one than istiod
        assert compared(SNAPSHOT, tables, cluster_id=said) == ()


def test_pods_of_a_kubelet_have_no_account():
    snapshot = live(pod("kube-system/etcd", "10.0.0.1", spec={"hostNetwork": True}))
    uid = "Kubernetes//Pod/kube-system/etcd"
    assert changed(put(W, uid, serviceAccount=""), snapshot=snapshot) == ()
    assert [d.field for d in changed(put(W, WEB, serviceAccount=""))] == ["serviceAccount"]


def test_a_pod_without_labels():
    bare = pod("shop/bare", "10.0.0.4")
    del bare["metadata"]["labels"]
    uid = "Kubernetes//Pod/shop/bare"
    (one,) = changed(put(W, uid, authorizationPolicies=[STATIC, "shop/one"]), snapshot=live(*OBJECTS, bare))
    assert one.consequence == "shop/one is enforced for it: istiod attaches every policy with a selector to a pod without labels"


def test_all_that_is_evaluated_is_compared():
    assert len(rules.FIELDS) == len(fields(Match))


def test_a_field_of_a_newer_match_is_not_judged():
    def newer(tables):
        matches(tables)[0]["invented"] = ["x"]

    assert changed(newer) == ()


def test_the_policy_for_a_waypoint_may_name_its_account():
    switches = Installation(switches=frozenset({"PILOT_AUTO_ALLOW_WAYPOINT_POLICY"}))
    instance = pod("shop/gate", "10.0.0.3", account="wp", labels={"gateway.networking.k8s.io/gateway-name": "waypoint"})
    snapshot = live(*OBJECTS, instance, installation=switches)
    by_account = [[[{"serviceAccounts": [{"namespace": "shop", "serviceAccount": "wp"}]}]]]
    assert changed(put(P, IMPLICIT, rules=by_account), snapshot=snapshot) == ()
    (one,) = changed(drop(P, IMPLICIT), snapshot=snapshot)
    assert one.name == f"policy {IMPLICIT}"
    (one,) = changed(put(W, WEB, authorizationPolicies=["shop/one", STATIC]), snapshot=snapshot)
    assert one.consequence == f"{IMPLICIT} isn't enforced for it"


def test_without_the_control_plane_its_policies_for_waypoints_are_not_judged():
    def added(tables):
        tables[P][IMPLICIT] = {"name": IMPLICIT.partition("/")[2], "namespace": "shop", "action": "Allow"}
        tables[W][WEB]["authorizationPolicies"].append(IMPLICIT)

    assert changed(added) == ()


# ---- what has just changed


def at(seconds):
    return (NOW - timedelta(seconds=seconds)).isoformat()


def aged(kind, name, seconds):
    """The objects, one of them made some seconds ago."""
    made = []
    for each in OBJECTS:
        meta = each["metadata"]
        hit = (each["kind"], meta["name"]) == (kind, name)
        made.append({**each, "metadata": {**meta, "creationTimestamp": at(seconds)}} if hit else each)
    return live(*made)


AGES = {
    "pod": ("Pod", "web", 30, drop(W, WEB)),
    "pod's address": ("Pod", "web", 30, put(W, WEB, workloadIps=["10.0.0.9"])),
    "pod's endpoint": ("Pod", "web", 30, no_endpoints),
    "address of a new pod": ("Pod", "db", 30, one_more_pod_with_an_address_in_use),
    "policy": ("AuthorizationPolicy", "one", 15, drop(P, "shop/one")),
    "policy's rules": ("AuthorizationPolicy", "one", 15, one_rule_less),
    "policies of a pod": ("AuthorizationPolicy", "one", 15, put(W, WEB, authorizationPolicies=[STATIC])),
    "a policy that selects it no more": (
        "AuthorizationPolicy",
        "one",
        15,
        put(W, DB, authorizationPolicies=[STATIC, "shop/one"]),
    ),
    "strictness of a pod": ("PeerAuthentication", "all", 15, put(W, WEB, authorizationPolicies=["shop/one"])),
    "converted policy": ("PeerAuthentication", "all", 15, put(P, "shop/converted_peer_authentication_db", rules=[])),
    "service": ("Service", "web", 15, drop(S, HOST)),
    "waypoint": ("Gateway", "waypoint", 15, put(S, HOST, waypoint=None)),
    "waypoint of the namespace": ("Namespace", "shop", 15, put(W, WEB, waypoint=None)),
}


@pytest.mark.parametrize("case", AGES)
def test_what_has_just_changed_is_left_out(case):
    kind, name, seconds, change = AGES[case]
    dangerous = case == "address of a new pod"
    assert [d for d in changed(change, snapshot=aged(kind, name, seconds - 1)) if d.dangerous or not dangerous] == []
    assert len(changed(change, snapshot=aged(kind, name, seconds + 1))) == 1


def test_pods_that_go_away_are_left_out():
    going = {"deletionTimestamp": at(1), "deletionGracePeriodSeconds": 30}
    made = [{**o, "metadata": {**o["metadata"], **(going if o["kind"] == "Pod" else {})}} for o in OBJECTS]
    snapshot = live(*made)
    assert changed(drop(W, WEB), snapshot=snapshot) == ()
    assert changed(put(W, WEB, status="Healthy"), snapshot=snapshot) == ()


# ---- what isn't known

FORBIDDEN = KindState(KindStatus.FORBIDDEN, "no")
HIDDEN = {
    "AuthorizationPolicy": (
        [drop(P, "shop/one"), one_more_policy, put(W, WEB, authorizationPolicies=[])],
        "AuthorizationPolicies",
    ),
    "PeerAuthentication": ([drop(P, STATIC), put(W, WEB, authorizationPolicies=[])], "converted PeerAuthentications"),
    "Pod": ([drop(W, WEB), one_more_pod, no_endpoints, put(W, WEB, serviceAccount="x")], "workloads"),
    "Service": ([drop(S, HOST), one_more_service, put(S, HOST, ports={})], "Services"),
    "Gateway": ([put(S, HOST, waypoint=None), put(W, WEB, waypoint=None)], "waypoints"),
}


@pytest.mark.parametrize("kind", HIDDEN)
def test_kinds_that_cannot_be_read_are_not_compared(kind):
    changes, what = HIDDEN[kind]
    for state in (FORBIDDEN, KindState(KindStatus.STALE, "no"), KindState(KindStatus.SYNCED, missing="no")):
        snapshot = replace(SNAPSHOT, kinds={kind: state})
        for change in changes:
            tables = plain_tables(SNAPSHOT)
            change(tables)
            assert compared(snapshot, tables) == ()
        said = [each for each in not_compared(snapshot, dump_of(plain_tables(SNAPSHOT))) if each.startswith(f"{what}: ")]
        assert len(said) == 1
        assert said[0].endswith("no")


def test_nothing_is_left_out_where_everything_is_known():
    assert not_compared(SNAPSHOT, dump_of(plain_tables(SNAPSHOT))) == ()


@pytest.mark.parametrize("change", [one_more_policy, one_more_pod, one_more_service])
def test_with_the_rights_for_some_namespaces_more_entries_are_no_difference(change):
    kinds = dict.fromkeys(("AuthorizationPolicy", "Pod", "Service"), KindState(KindStatus.SYNCED, scope="shop"))
    snapshot = replace(SNAPSHOT, kinds=kinds)
    assert changed(change, snapshot=snapshot) == ()
    said = not_compared(snapshot, dump_of(plain_tables(SNAPSHOT)))
    assert "workloads that the API doesn't have: only shop may be read" in said


def test_files_need_not_hold_everything():
    files = replace(SNAPSHOT, live=False)
    for change in (one_more_policy, one_more_pod, one_more_service, one_more_endpoint, put(W, WEB, authorizationPolicies=[])):
        assert changed(change, snapshot=files) == ()
    for change in (
        drop(P, "shop/one"),
        drop(W, WEB),
        drop(S, HOST),
        no_endpoints,
        one_rule_less,
        put(W, WEB, serviceAccount="x"),
    ):
        assert len(changed(change, snapshot=files)) == 1
    assert not_compared(files, dump_of(plain_tables(SNAPSHOT))) == (
        "policies of workloads: AuthorizationPolicy: files needn't hold all of them",
    )


def test_without_the_configuration_policies_are_not_compared():
    snapshot = replace(SNAPSHOT, mesh=MeshConfig(unread="forbidden"))
    tables = plain_tables(SNAPSHOT)
    tables[P].clear()
    tables[W][WEB] |= {"trustDomain": "td", "authorizationPolicies": []}
    assert compared(snapshot, tables) == ()
    assert not_compared(snapshot, dump_of(tables)) == ("policies: the mesh's configuration isn't known: forbidden",)
    tables[W].pop(WEB)
    assert [d.name for d in compared(snapshot, tables)] == [POD]
    tables[W].clear()
    assert compared(snapshot, tables) == ()  # istiod may be told not to look into the namespace


def test_policies_of_a_control_plane_elsewhere_are_not_compared():
    tables = plain_tables(SNAPSHOT)
    tables[W]["east//Pod/shop/far"] = {"uid": "east//Pod/shop/far"}
    tables[P].clear()
    assert compared(SNAPSHOT, tables) == ()
    assert "control plane" in not_compared(SNAPSHOT, dump_of(tables))[0]


@pytest.mark.parametrize("name", [WEB, ""])
def test_an_entry_that_cannot_be_read_is_not_missing(name):
    tables = plain_tables(SNAPSHOT)
    tables[W].pop(WEB)
    assert compared(SNAPSHOT, tables, unread={W: frozenset({name})}) == ()


def test_another_entry_than_the_one_that_cannot_be_read_is_missing():
    tables = plain_tables(SNAPSHOT)
    tables[W].pop(WEB)
    assert [d.name for d in compared(SNAPSHOT, tables, unread={W: frozenset({DB})})] == [POD]


def test_a_table_that_is_not_in_the_dump_is_not_compared():
    tables = plain_tables(SNAPSHOT)
    del tables[W], tables[P]
    dump = dump_of(tables)
    assert compared(SNAPSHOT, tables) == ()
    assert not_compared(SNAPSHOT, dump) == ("policies: they aren't in the dump", "workloads: they aren't in the dump")
    assert Comparison(SNAPSHOT, NOW).compared(dump) == {Table.SERVICES}


def test_own_probes_are_no_difference():
    probe = live(pod("shop/old", "10.0.0.9")).pods
    assert changed(one_more_pod, snapshot=replace(SNAPSHOT, own_probes=probe)) == ()


def test_dumps_with_the_same_tables_are_compared_once(monkeypatch):
    tables = plain_tables(SNAPSHOT)
    tables[W].pop(WEB)
    dump = dump_of(tables)
    comparison = Comparison(SNAPSHOT, NOW)
    first = comparison.differences(dump, "one")
    monkeypatch.setattr("meshtui.mesh.against_api._all", None)
    second = comparison.differences(replace(dump, node="two"), "two")
    assert [d.node for d in (*first, *second)] == ["one", "two"]
    assert [replace(d, node="one") for d in second] == list(first)


@pytest.mark.parametrize("odd", [True, 1, {"x": 1}, "x"])
def test_a_field_of_another_type_is_a_difference(odd):
    (one,) = changed(lambda tables: matches(tables)[0].update(namespaces=odd))
    assert one.name == "AuthorizationPolicy shop/one"
