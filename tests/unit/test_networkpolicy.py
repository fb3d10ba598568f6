"""NetworkPolicies, corner by corner. Every row says where its rule is written."""

import pytest

from meshtui.engine.explain.wording import in_words as said
from tests.fakes.snapshots import Row, decider, in_words, judge, namespace, pod, policy, snapshot_of

V1 = "kubernetes.io reference: NetworkPolicy v1"
DEFAULTS = "kubernetes/kubernetes pkg/apis/networking/v1/defaults.go: SetDefaults_NetworkPolicy"
CONCEPT = "kubernetes.io concepts: Network Policies"
LABELS = "kubernetes.io concepts: Labels and Selectors"

WORLD = [
    namespace("shop", team="a"),
    namespace("back", team="b", tier="data"),
    {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "bare"}},
    {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": "n1"},
        "status": {"addresses": [{"type": "InternalIP", "address": "192.168.0.1"}]},
    },
    {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": "n2"},
        "status": {"addresses": [{"type": "InternalIP", "address": "192.168.0.2"}]},
    },
    pod("shop/web", "10.0.1.1", [("http", 8080)], node="n1"),
    pod("shop/api", "10.0.1.2", [("http", 9000), ("metrics", 9090)], node="n1", labels={"app": "api", "ver": "2"}),
    pod("back/db", "10.0.2.1", [("sql", 5432), ("dns", 53, "UDP")], node="n2"),
    pod("back/six", "fd00::6", [5432], node="n2"),
    pod("bare/any", "10.0.3.1", [80], node="n2"),
    pod("shop/done", "10.0.1.9", [8080], status={"phase": "Succeeded"}),
    pod("back/host", "192.168.0.2", [9100], node="n2", spec={"hostNetwork": True}),
]

TO_DB = "shop/web > back/db:5432"
FROM_WEB_NS = "podSelector: {}\ningress: [{from: [{namespaceSelector: {matchLabels: {team: a}}}]}]"


def ingress(name, source, spec, flow, expect, by=None, where="back/p"):
    return Row(name, source, {where: spec}, flow, expect, by)


def peers(text):
    return f"podSelector: {{}}\ningress: [{{from: [{text}]}}]"


ROWS = [
    ingress(
        "an IPv6 block ends where its prefix ends",
        V1,
        peers("{ipBlock: {cidr: 'fd00:0:0:1::/64'}}"),
        "back/six > back/db:5432",
        "deny ingress_policy",
    ),
    ingress(
        "several ports: any of them",
        V1,
        "podSelector: {}\ningress: [{ports: [{port: 6000}, {port: 5432}, {port: 7000, endPort: 7999}]}]",
        TO_DB,
        "allow",
        "NetworkPolicy back/p ingress[0]",
    ),
    ingress(
        "… and none of them",
        V1,
        "podSelector: {}\ningress: [{ports: [{port: 6000}, {port: 5433}, {protocol: UDP, port: 5432}]}]",
        TO_DB,
        "deny ingress_policy",
    ),
    ingress("an empty podSelector selects all pods of its namespace", V1, "podSelector: {}", TO_DB, "deny ingress_policy"),
    ingress("… and none of another one", V1, "podSelector: {}", "back/db > shop/web:8080", "allow"),
    ingress("a podSelector that matches nothing here", V1, "podSelector: {matchLabels: {app: x}}", TO_DB, "allow"),
    ingress(
        "an absent namespaceSelector means the own namespace",
        V1,
        "podSelector: {}\ningress: [{from: [{podSelector: {}}]}]",
        "back/six > back/db:5432",
        "allow",
        "NetworkPolicy back/p ingress[0]",
    ),
    ingress("… and not another", V1, "podSelector: {}\ningress: [{from: [{podSelector: {}}]}]", TO_DB, "deny ingress_policy"),
    ingress(
        "an empty namespaceSelector means all namespaces",
        V1,
        "podSelector: {}\ningress: [{from: [{namespaceSelector: {}}]}]",
        TO_DB,
        "allow",
    ),
    ingress(
        "both selectors in one peer AND: namespace fits, pod does not",
        CONCEPT,
        peers("{namespaceSelector: {matchLabels: {team: a}}, podSelector: {matchLabels: {app: api}}}"),
        TO_DB,
        "deny ingress_policy",
    ),
    ingress(
        "both selectors in one peer AND: both fit",
        CONCEPT,
        peers("{namespaceSelector: {matchLabels: {team: a}}, podSelector: {matchLabels: {app: web}}}"),
        TO_DB,
        "allow",
    ),
    ingress(
        "two peers OR: the namespace alone is enough",
        CONCEPT,
        peers("{namespaceSelector: {matchLabels: {team: a}}}, {podSelector: {matchLabels: {app: x}}}"),
        TO_DB,
        "allow",
    ),
    ingress("from: [] is everyone", V1, "podSelector: {}\ningress: [{from: []}]", TO_DB, "allow"),
    ingress("an absent from is everyone", V1, "podSelector: {}\ningress: [{}]", "8.8.8.8 > back/db:5432", "allow"),
    ingress("ingress: [] is nobody", V1, "podSelector: {}\ningress: []", TO_DB, "deny ingress_policy"),
    ingress("an absent ingress is nobody", V1, "podSelector: {}\npolicyTypes: [Ingress]", TO_DB, "deny ingress_policy"),
    ingress("no policyTypes and no egress section: egress stays open", V1, "podSelector: {}", TO_DB, "allow", where="shop/p"),
    ingress(
        "no policyTypes but an egress rule: egress is closed too",
        DEFAULTS,
        "podSelector: {}\negress: [{ports: [{port: 1}]}]",
        TO_DB,
        "deny egress_policy",
        "NetworkPolicy shop/p",
        where="shop/p",
    ),
    ingress(
        "no policyTypes and no rule in the egress section: egress stays open",
        DEFAULTS,
        "podSelector: {}\negress: []",
        TO_DB,
        "allow",
        where="shop/p",
    ),
    ingress(
        "no policyTypes and only an egress section: ingress is closed all the same",
        V1,
        "podSelector: {}\negress: [{}]",
        TO_DB,
        "deny ingress_policy",
    ),
    ingress(
        "policyTypes [Egress] with an ingress section: ingress stays open",
        V1,
        "podSelector: {}\npolicyTypes: [Egress]\ningress: []",
        TO_DB,
        "allow",
    ),
    ingress("absent ports are all ports", V1, FROM_WEB_NS, "shop/web > back/db:1", "allow"),
    ingress("ports: [] are all ports", V1, "podSelector: {}\ningress: [{ports: []}]", "shop/web > back/db:53/UDP", "allow"),
    ingress(
        "a port without protocol is TCP: a TCP flow",
        V1,
        "podSelector: {}\ningress: [{ports: [{port: 5432}]}]",
        TO_DB,
        "allow",
    ),
    ingress(
        "a port without protocol is TCP: a UDP flow",
        V1,
        "podSelector: {}\ningress: [{ports: [{port: 53}]}]",
        "shop/web > back/db:53/UDP",
        "deny ingress_policy",
    ),
    ingress(
        "a protocol without port is every port of it",
        V1,
        "podSelector: {}\ningress: [{ports: [{protocol: UDP}]}]",
        "shop/web > back/db:999/UDP",
        "allow",
    ),
    ingress("UDP", V1, "podSelector: {}\ningress: [{ports: [{port: 53, protocol: UDP}]}]", "shop/web > back/db:53/UDP", "allow"),
    ingress("SCTP", V1, "podSelector: {}\ningress: [{ports: [{port: 9, protocol: SCTP}]}]", "shop/web > back/db:9/SCTP", "allow"),
    ingress(
        "SCTP is not TCP",
        V1,
        "podSelector: {}\ningress: [{ports: [{port: 9, protocol: SCTP}]}]",
        "shop/web > back/db:9",
        "deny ingress_policy",
    ),
    ingress(
        "a named port is the destination pod's number: 8080 here",
        V1,
        "podSelector: {}\ningress: [{ports: [{port: http}]}]",
        "back/db > shop/web:8080",
        "allow",
        where="shop/p",
    ),
    ingress(
        "a named port is the destination pod's number: 9000 there",
        V1,
        "podSelector: {}\ningress: [{ports: [{port: http}]}]",
        "back/db > shop/api:8080",
        "deny ingress_policy",
        where="shop/p",
    ),
    ingress(
        "a name that no container has matches nothing",
        V1,
        "podSelector: {}\ningress: [{ports: [{port: nope}]}]",
        TO_DB,
        "deny ingress_policy",
    ),
    ingress(
        "an egress named port is the destination's",
        V1,
        "podSelector: {}\negress: [{ports: [{port: sql}]}]\npolicyTypes: [Egress]",
        TO_DB,
        "allow",
        "NetworkPolicy shop/p egress[0]",
        where="shop/p",
    ),
    ingress(
        "… and not the source's",
        V1,
        "podSelector: {}\negress: [{ports: [{port: http}]}]\npolicyTypes: [Egress]",
        "shop/web > back/db:8080",
        "deny egress_policy",
        where="shop/p",
    ),
    ingress(
        "a named port has its container port's protocol",
        V1,
        "podSelector: {}\ningress: [{ports: [{port: dns}]}]",
        "shop/web > back/db:53",
        "deny ingress_policy",
    ),
    ingress("endPort: the first", V1, "podSelector: {}\ningress: [{ports: [{port: 5432, endPort: 5440}]}]", TO_DB, "allow"),
    ingress(
        "endPort: the last",
        V1,
        "podSelector: {}\ningress: [{ports: [{port: 5400, endPort: 5432}]}]",
        TO_DB,
        "allow",
    ),
    ingress(
        "endPort: one past the last",
        V1,
        "podSelector: {}\ningress: [{ports: [{port: 5400, endPort: 5431}]}]",
        TO_DB,
        "deny ingress_policy",
    ),
    ingress(
        "endPort with a name matches nothing",
        V1,
        "podSelector: {}\ningress: [{ports: [{port: sql, endPort: 6000}]}]",
        TO_DB,
        "deny ingress_policy",
    ),
    ingress(
        "endPort without a port matches nothing",
        V1,
        "podSelector: {}\ningress: [{ports: [{endPort: 6000}]}]",
        TO_DB,
        "deny ingress_policy",
    ),
    ingress("ipBlock: inside", V1, "podSelector: {}\ningress: [{from: [{ipBlock: {cidr: 10.0.1.0/24}}]}]", TO_DB, "allow"),
    ingress(
        "ipBlock: in an exception",
        V1,
        "podSelector: {}\ningress: [{from: [{ipBlock: {cidr: 10.0.0.0/16, except: [10.0.1.0/30]}}]}]",
        TO_DB,
        "deny ingress_policy",
    ),
    ingress(
        "ipBlock: beside the exception",
        V1,
        "podSelector: {}\ningress: [{from: [{ipBlock: {cidr: 10.0.0.0/16, except: [10.0.9.0/24]}}]}]",
        TO_DB,
        "allow",
    ),
    ingress(
        "ipBlock: IPv6 in an exception",
        V1,
        "podSelector: {}\ningress: [{from: [{ipBlock: {cidr: 'fd00::/8', except: ['fd00::/120']}}]}]",
        "back/six > back/db:5432",
        "deny ingress_policy",
    ),
    ingress(
        "ipBlock: IPv6 inside",
        V1,
        "podSelector: {}\ningress: [{from: [{ipBlock: {cidr: 'fd00::/8', except: ['fd00:1::/120']}}]}]",
        "back/six > back/db:5432",
        "allow",
    ),
    ingress(
        "ipBlock: 0.0.0.0/0 holds no IPv6 address",
        V1,
        "podSelector: {}\ningress: [{from: [{ipBlock: {cidr: 0.0.0.0/0}}]}]",
        "back/six > back/db:5432",
        "deny ingress_policy",
    ),
    ingress(
        "ipBlock: an address outside the cluster",
        V1,
        "podSelector: {}\ningress: [{from: [{ipBlock: {cidr: 8.0.0.0/8}}]}]",
        "8.8.8.8 > back/db:5432",
        "allow",
    ),
    ingress(
        "an address outside the cluster matches no selector",
        V1,
        "podSelector: {}\ningress: [{from: [{namespaceSelector: {}}]}]",
        "8.8.8.8 > back/db:5432",
        "deny ingress_policy",
    ),
    ingress(
        "kubernetes.io/metadata.name is on every namespace",
        CONCEPT,
        "podSelector: {}\ningress: [{from: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: bare}}}]}]",
        "bare/any > back/db:5432",
        "allow",
    ),
    *(
        ingress(
            f"matchExpressions {name}",
            LABELS,
            f"podSelector: {{matchExpressions: [{expression}]}}",
            "bare/any > shop/api:9000",
            expect,
            where="shop/p",
        )
        for name, expression, expect in [
            ("In, with the value", "{key: ver, operator: In, values: ['2', '3']}", "deny ingress_policy"),
            ("In, without it", "{key: ver, operator: In, values: ['3']}", "allow"),
            ("In, on a missing key", "{key: gone, operator: In, values: ['3']}", "allow"),
            ("NotIn, with the value", "{key: ver, operator: NotIn, values: ['2']}", "allow"),
            ("NotIn, without it", "{key: ver, operator: NotIn, values: ['3']}", "deny ingress_policy"),
            ("NotIn matches a missing key", "{key: gone, operator: NotIn, values: ['3']}", "deny ingress_policy"),
            ("Exists", "{key: ver, operator: Exists}", "deny ingress_policy"),
            ("Exists, on a missing key", "{key: gone, operator: Exists}", "allow"),
            ("DoesNotExist", "{key: gone, operator: DoesNotExist}", "deny ingress_policy"),
            ("DoesNotExist, on a key that is there", "{key: ver, operator: DoesNotExist}", "allow"),
        ]
    ),
    Row(
        "policies are a union: one that allows is enough",
        CONCEPT,
        {"back/a": "podSelector: {}", "back/b": FROM_WEB_NS, "back/c": "podSelector: {}\ningress: []"},
        TO_DB,
        "allow",
        "NetworkPolicy back/b ingress[0]",
    ),
    Row(
        "denied because nothing allows: the first policy by name",
        "docs/contracts.md, Decider",
        {"back/b": "podSelector: {}", "back/a": "podSelector: {}"},
        TO_DB,
        "deny ingress_policy",
        "NetworkPolicy back/a",
    ),
    ingress("a pod always reaches itself", CONCEPT, "podSelector: {}\negress: []", "back/db > back/db:5432", "allow"),
    ingress("its own node always reaches a pod", V1, "podSelector: {}", "192.168.0.2 > back/db:5432", "allow"),
    ingress("another node does not", V1, "podSelector: {}", "192.168.0.1 > back/db:5432", "deny ingress_policy"),
    ingress(
        "a pod that has ended is no peer",
        "kubernetes.io concepts: Pod lifecycle",
        "podSelector: {}\ningress: [{from: [{namespaceSelector: {}}]}]",
        "shop/done > back/db:5432",
        "deny ingress_policy",
    ),
    ingress(
        "a pod that has ended has no policy",
        "kubernetes.io concepts: Pod lifecycle",
        "podSelector: {}\ningress: []",
        "back/db > shop/done:8080",
        "allow",
        where="shop/p",
    ),
    ingress(
        "egress and ingress both decide: egress first",
        CONCEPT,
        "podSelector: {}\npolicyTypes: [Ingress, Egress]",
        TO_DB,
        "deny egress_policy",
        where="shop/p",
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_corner(row):
    policies = [policy(key, spec) for key, spec in row.yaml.items()]
    verdict = judge(snapshot_of(WORLD, policies), row.flow)
    assert in_words(verdict) == row.expect, [step.reason for step in verdict.steps]
    if row.by is not None:
        assert decider(verdict) == row.by


def test_an_ip_block_says_what_it_assumes():
    spec = "podSelector: {}\ningress: [{from: [{ipBlock: {cidr: 10.0.0.0/8}}]}]"
    verdict = judge(snapshot_of(WORLD, [policy("back/p", spec)]), TO_DB)
    assert any("ipBlock" in said(assumption) for assumption in verdict.assumptions)


def test_a_host_network_pod_is_judged_with_an_assumption():
    verdict = judge(snapshot_of(WORLD, [policy("back/p", "podSelector: {}")]), "back/host > back/six:5432")
    assert any("host network" in said(assumption) for assumption in verdict.assumptions)


def test_every_selecting_policy_stands_in_the_step():
    verdict = judge(snapshot_of(WORLD, [policy(f"back/{n}", "podSelector: {}") for n in "cab"]), TO_DB)
    step = next(step for step in verdict.steps if step.layer is verdict.layer)
    assert [d.ref.name for d in step.objects] == ["a", "b", "c"]
    assert all(d.rule is None for d in step.objects)


def service(key, ports, selector=None, **spec):
    space, _, name = key.partition("/")
    body = {"ports": ports} | ({"selector": selector} if selector else {}) | spec
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": space}, "spec": body}


def piece(service_key, pods, ready=True):
    space, _, name = service_key.partition("/")
    endpoints = [
        {"addresses": ["10.9.9.9"], "conditions": {"ready": ready}, "targetRef": {"kind": "Pod", "name": p, "namespace": space}}
        for p in pods
    ]
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": f"{name}-x", "namespace": space, "labels": {"kubernetes.io/service-name": name}},
        "addressType": "IPv4",
        "endpoints": endpoints,
        "ports": [{"port": 8080}],
    }


def only_port(port):
    return policy("shop/p", {"podSelector": {}, "ingress": [{"ports": [{"port": port}]}]})


HTTP = [{"port": 80, "targetPort": "http"}]
WEB = {"app": "web"}
TO_8080 = [{"port": 80, "targetPort": 8080}]
SERVICES = [
    ("targetPort counts, not the Service's port", [service("shop/s", TO_8080, WEB)], 8080, "allow"),
    ("… and the Service's own port does not", [service("shop/s", TO_8080, WEB)], 80, "deny ingress_policy"),
    ("a missing targetPort is the port", [service("shop/s", [{"port": 80}], WEB)], 80, "allow"),
    ("a named targetPort is the pod's", [service("shop/s", HTTP, WEB)], 8080, "allow"),
    ("a headless Service", [service("shop/s", TO_8080, WEB, clusterIP="None")], 8080, "allow"),
    ("no selector: its EndpointSlices", [service("shop/s", TO_8080), piece("shop/s", ["web"])], 8080, "allow"),
    ("neither selector nor slices: unknown", [service("shop/s", [{"port": 80}])], 80, "unknown"),
    ("an ExternalName: unknown", [service("shop/s", [{"port": 80}], type="ExternalName", externalName="x.org")], 80, "unknown"),
    ("a selector that nothing matches: unknown", [service("shop/s", [{"port": 80}], {"app": "gone"})], 80, "unknown"),
]


@pytest.mark.parametrize(("name", "objects", "opened", "expect"), SERVICES, ids=[row[0] for row in SERVICES])
def test_services_are_judged_at_their_backends(name, objects, opened, expect):
    verdict = judge(snapshot_of(WORLD, objects, [only_port(opened)]), "back/db > shop/svc/s:80")
    assert in_words(verdict) == expect


def test_a_named_target_port_is_resolved_pod_by_pod():
    objects = [service("shop/s", HTTP, {"part": "s"})]
    pods = [
        pod("shop/a", "10.0.1.5", [("http", 8080)], {"part": "s"}),
        pod("shop/b", "10.0.1.6", [("http", 9000)], {"part": "s"}),
    ]
    verdict = judge(snapshot_of(WORLD, objects, pods, [only_port(9000)]), "back/db > shop/svc/s:80")
    assert {p.destination: p.verdict.decision.value for p in verdict.pairs} == {"shop/a": "deny", "shop/b": "allow"}


def test_replicas_with_different_labels_are_mixed():
    owner = {"kind": "ReplicaSet", "name": "app-1", "apiVersion": "apps/v1", "uid": "u", "controller": True}
    pods = [pod(f"shop/app-1-{n}", f"10.0.4.{n}", [8080], {"ver": str(n)}, metadata={"ownerReferences": [owner]}) for n in (1, 2)]
    closed = policy("shop/p", "podSelector: {matchLabels: {ver: '2'}}")
    verdict = judge(snapshot_of(WORLD, pods, [closed]), "back/db > shop/rs/app-1:8080")
    assert verdict.decision.value == "mixed"
    assert [(p.destination, p.verdict.decision.value) for p in verdict.pairs] == [
        ("shop/app-1-1", "allow"),
        ("shop/app-1-2", "deny"),
    ]
