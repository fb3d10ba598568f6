"""What the peers check of membership in the mesh, each where it must be said, and where it must not."""

import pytest

from meshtui.findings import look
from meshtui.model.finding import Severity
from meshtui.model.workload import MeshMode
from tests.fakes.snapshots import ambient, in_words, judge, namespace, pod, policy, snapshot_of

TELLS = {"MT106", "MT107", "MT108", "MT109", "MT110", "MT111"}
AMBIENT, INJECT, REVISION = "istio.io/dataplane-mode", "sidecar.istio.io/inject", "istio.io/rev"
REDIRECTED = {"ambient.istio.io/redirection": "enabled"}
INJECTED = {"sidecar.istio.io/status": '{"containers":["istio-proxy"]}'}
BOTH = namespace("shop", **{AMBIENT: "ambient", "istio-injection": "enabled"})
MESH = ambient("shop")
DAEMON_SET = {"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "ztunnel", "uid": "z", "controller": True}
OF_DAEMON_SET = {"labels": {"app": "ztunnel"}, "ownerReferences": [DAEMON_SET]}
ZTUNNEL = [pod("istio-system/ztunnel-a", "10.0.9.9", metadata={**OF_DAEMON_SET, "resourceVersion": "7"})]


def app(name="web", labels=None, annotations=None, ip="10.0.0.2", sidecar=False, **metadata):
    """A pod of shop, with labels beside ``app``."""
    made = pod(
        f"shop/{name}",
        ip,
        [("http", 8080)],
        labels={"app": name, **(labels or {})},
        account=name,
        metadata={"annotations": annotations or {}, **metadata},
    )
    if sidecar:
        made["spec"]["containers"].append({"name": "istio-proxy", "image": "proxy:1"})
    return made


def scope(name="limits", selector=None, space="shop"):
    """A Sidecar object."""
    spec = {"egress": [{"hosts": ["./*"]}]} | ({"workloadSelector": {"labels": selector}} if selector else {})
    metadata = {"name": name, "namespace": space}
    return {"apiVersion": "networking.istio.io/v1", "kind": "Sidecar", "metadata": metadata, "spec": spec}


def found(rule, objects, **more):
    return [finding for finding in look(snapshot_of(objects, **more)).findings if finding.rule == rule]


ROWS = [
    ("a namespace's mode in capitals", "MT111", [namespace("shop", **{AMBIENT: "Ambient"}), app()], True),
    ("a namespace's mode sidecar", "MT111", [namespace("shop", **{AMBIENT: "sidecar"})], True),
    ("a pod's mode enabled", "MT111", [MESH, app(labels={AMBIENT: "enabled"})], True),
    ("a pod that leaves the mesh", "MT111", [MESH, app(labels={AMBIENT: "none"})], False),
    ("a namespace without a mode", "MT111", [namespace("shop"), app()], False),
    ("IST0123 a namespace with both labels", "MT107", [BOTH, app()], True),
    (
        "IST0123 a namespace with a revision and ambient",
        "MT107",
        [namespace("shop", **{AMBIENT: "ambient", REVISION: "v"})],
        True,
    ),
    ("IST0123 an empty revision is none", "MT107", [namespace("shop", **{AMBIENT: "ambient", REVISION: ""}), app()], False),
    ("IST0123 only ambient", "MT107", [MESH, app()], False),
    ("IST0123 only sidecars", "MT107", [namespace("shop", **{"istio-injection": "enabled"}), app()], False),
    (
        "IST0123 injection is turned off",
        "MT107",
        [namespace("shop", **{AMBIENT: "ambient", "istio-injection": "disabled"}), app()],
        False,
    ),
    (
        "IST0123 the older label turns injection off before the revision",
        "MT107",
        [namespace("shop", **{AMBIENT: "ambient", "istio-injection": "disabled", REVISION: "v"}), app()],
        False,
    ),
    ("IST0123 every pod says which it wants", "MT107", [BOTH, app(labels={INJECT: "false"})], False),
    ("IST0123 every pod says that it wants the other", "MT107", [BOTH, app(labels={AMBIENT: "none"})], False),
    ("IST0123 one pod says nothing", "MT107", [BOTH, app(labels={INJECT: "false"}), app("api", ip="10.0.0.3")], True),
    ("KIA1311 sidecar and ambient labels on a pod", "MT108", [app(labels={AMBIENT: "ambient", INJECT: "true"})], True),
    ("KIA1311 a sidecar is asked for in an ambient namespace", "MT108", [MESH, app(labels={INJECT: "true"})], True),
    (
        "KIA1311 ambient is asked for in an injected namespace",
        "MT108",
        [namespace("shop", **{"istio-injection": "enabled"}), app(labels={AMBIENT: "ambient"})],
        True,
    ),
    ("KIA1311 a pod of an ambient namespace opts out", "MT108", [MESH, app(labels={INJECT: "true", AMBIENT: "none"})], False),
    ("KIA1311 a sidecar is turned off", "MT108", [MESH, app(labels={INJECT: "false"})], False),
    ("KIA1311 an annotation never makes the injector see a pod", "MT108", [MESH, app(annotations={INJECT: "true"})], False),
    (
        "KIA1311 the namespace turns injection off",
        "MT108",
        [namespace("shop", **{AMBIENT: "ambient", "istio-injection": "disabled"}), app(labels={INJECT: "true"})],
        False,
    ),
    ("KIA1311 the namespace has both, and is told so", "MT108", [BOTH, app()], False),
    (
        "KIA1311 a namespace that is never injected",
        "MT108",
        [ambient("kube-system"), pod("kube-system/a", "10.0.4.1", labels={INJECT: "true"})],
        False,
    ),
    ("KIA1314 injection label and redirection", "MT108", [MESH, app(labels={INJECT: "true"}, annotations=REDIRECTED)], True),
    ("KIA1314 redirection alone", "MT108", [MESH, app(annotations=REDIRECTED)], False),
    ("KIA1315 a sidecar in an ambient namespace", "MT109", [MESH, app(sidecar=True, annotations=INJECTED)], True),
    ("KIA1315 a sidecar in a pod that is labelled", "MT109", [app(sidecar=True, labels={AMBIENT: "ambient"})], True),
    ("KIA1315 a sidecar elsewhere", "MT109", [namespace("shop"), app(sidecar=True)], False),
    ("KIA1315 a sidecar that opts out", "MT109", [MESH, app(sidecar=True, labels={AMBIENT: "none"})], False),
    ("KIA1316 a sidecar that its own label asks for", "MT109", [MESH, app(sidecar=True, labels={INJECT: "true"})], False),
    ("KIA1316 a sidecar that both labels of the namespace explain", "MT109", [BOTH, app(sidecar=True)], False),
    ("KIA1316 no sidecar", "MT109", [MESH, app()], False),
    ("IST0167 a Sidecar of an ambient namespace", "MT110", [MESH, app(), scope()], True),
    ("IST0167 a Sidecar that selects ambient pods", "MT110", [MESH, app(), scope(selector={"app": "web"})], True),
    ("IST0167 a Sidecar where pods have sidecars", "MT110", [namespace("shop"), app(sidecar=True), scope()], False),
    (
        "IST0167 a Sidecar for the one pod with a sidecar",
        "MT110",
        [MESH, app(), app("old", sidecar=True, labels={AMBIENT: "none"}, ip="10.0.0.9"), scope()],
        False,
    ),
    (
        "IST0167 a Sidecar that selects another",
        "MT110",
        [MESH, app(), app("old", sidecar=True, labels={AMBIENT: "none"}, ip="10.0.0.9"), scope(selector={"app": "web"})],
        True,
    ),
    ("IST0167 a Sidecar that selects nobody", "MT110", [MESH, app(), scope(selector={"app": "gone"})], False),
    ("IST0167 both labels: the sidecar counts", "MT110", [BOTH, app(), scope()], False),
    ("IST0167 the default of the mesh", "MT110", [MESH, app(), scope(space="istio-system")], True),
    (
        "IST0167 the default of a mesh with sidecars",
        "MT110",
        [MESH, app(), pod("old/a", "10.0.3.1", labels={INJECT: "true"}), scope(space="istio-system")],
        False,
    ),
    ("IST0103 a dumped pod without the annotation", "MT106", [MESH, app(resourceVersion="7")], True),
    ("IST0103 a dumped pod with it", "MT106", [MESH, app(resourceVersion="7", annotations=REDIRECTED)], False),
    ("IST0103 ztunnel itself is never captured", "MT106", [ambient("istio-system"), *ZTUNNEL], False),
    (
        "IST0103 a pod that is just labelled like ztunnel",
        "MT106",
        [MESH, app(resourceVersion="7", labels={"app": "ztunnel"})],
        True,
    ),
    ("IST0103 a manifest says nothing of it", "MT106", [MESH, app()], False),
    ("IST0103 a dumped pod that has no address yet", "MT106", [MESH, app(resourceVersion="7", ip="")], False),
    (
        "IST0103 capture that isn't complete",
        "MT106",
        [MESH, app(resourceVersion="7", annotations={"ambient.istio.io/redirection": "pending"})],
        True,
    ),
]


@pytest.mark.parametrize(("name", "rule", "objects", "fires"), ROWS, ids=[row[0] for row in ROWS])
def test_what_peers_check(name, rule, objects, fires):
    findings = found(rule, objects)
    assert bool(findings) is fires
    assert all(each.message and each.why and each.objects for each in findings)


def test_both_cases_of_each_rule_are_told():
    assert {(row[1], row[3]) for row in ROWS} == {(rule, fires) for rule in TELLS for fires in (True, False)}


# ---- what a dump says of pods: istio/istio cni/pkg/util/podutil.go, AnnotateEnrolledPod and podHasSidecar

OPENS = policy("shop/np", {"podSelector": {}, "ingress": [{"ports": [{"port": 8080}]}]})
MODES = [
    ("labels alone", {}, MeshMode.AMBIENT),
    ("a server's pod that runs, without the annotation", {"resourceVersion": "7"}, MeshMode.WANTED),
    ("a server's pod that runs, with it", {"resourceVersion": "7", "annotations": REDIRECTED}, MeshMode.AMBIENT),
    ("a server's pod without an address", {"resourceVersion": "7", "ip": ""}, MeshMode.AMBIENT),
    ("a pod that was injected, without the container", {"annotations": INJECTED}, MeshMode.NONE),
]


@pytest.mark.parametrize(("name", "made", "mode"), MODES, ids=[row[0] for row in MODES])
def test_the_annotations_of_a_dumped_pod_are_evidence(name, made, mode):
    snapshot = snapshot_of([MESH, app(**made)])
    assert snapshot.mesh_mode(next(iter(snapshot.pods.values()))) is mode


@pytest.mark.parametrize("space", [MESH, BOTH], ids=["ambient", "both labels"])
def test_a_pod_that_is_not_captured_has_no_tunnel_that_a_policy_could_close(space):
    pods = [app(resourceVersion="7"), app("api", resourceVersion="7", ip="10.0.0.3")]
    snapshot = snapshot_of([space, *pods, OPENS])
    assert in_words(judge(snapshot, "shop/web > shop/api:8080")) == "allow"
    assert found("MT301", [space, *pods, OPENS]) == []
    captured = [app(annotations=REDIRECTED, resourceVersion="7"), app("api", annotations=REDIRECTED, ip="10.0.0.3")]
    assert in_words(judge(snapshot_of([space, *captured, OPENS]), "shop/web > shop/api:8080")) == "deny ingress_policy"
    assert len(found("MT301", [space, *captured, OPENS])) == 1


def test_where_both_labels_stand_the_finding_says_what_membership_says():
    (finding,) = found("MT107", [BOTH, app(), app("api", annotations=REDIRECTED, ip="10.0.0.3")])
    assert finding.severity is Severity.WARNING
    assert "istio-injection=enabled" in finding.message
    assert "Pod shop/web gets a sidecar" in finding.why
    assert "Pod shop/api is captured now" in finding.why


def test_where_the_namespace_is_not_known_the_finding_does_not_say_which_it_is():
    (finding,) = found("MT108", [app(labels={AMBIENT: "ambient", INJECT: "true"})])
    assert "it isn't known whether Pod shop/web gets a sidecar" in finding.why
    (finding,) = found("MT108", [namespace("shop"), app(labels={AMBIENT: "ambient", INJECT: "true"})])
    assert finding.why.startswith("Pod shop/web gets a sidecar, and istio-cni leaves")


# ---- MT204: pods on their nodes' network


def test_a_policy_for_pods_on_their_nodes_network_alone_is_enforced_nowhere():
    agent = pod("shop/agent", "10.9.0.1", labels={"app": "agent"}, spec={"hostNetwork": True})
    chosen = policy("shop/p", {"selector": {"matchLabels": {"app": "agent"}}, "rules": [{}]}, "AuthorizationPolicy")
    assert [f.severity for f in found("MT204", [ambient("shop"), agent, chosen])] == [Severity.WARNING]
    assert (
        found(
            "MT204",
            [ambient("shop"), agent, pod("shop/web", "10.0.0.2"), policy("shop/p", {"rules": [{}]}, "AuthorizationPolicy")],
        )
        == []
    )
    assert found("MT204", [ambient("shop"), agent, policy("shop/p", {"rules": [{}]}, "AuthorizationPolicy")]) == []


# ---- MT204: what isn't known isn't said

ALLOW = policy("shop/p", {"rules": [{"from": [{"source": {"namespaces": ["shop"]}}]}]}, "AuthorizationPolicy")


@pytest.mark.parametrize("value", ["enabled", "pending"])
@pytest.mark.parametrize("spaces", [[], [namespace("shop")], [MESH]], ids=["no Namespace", "without labels", "ambient"])
def test_a_policy_on_dumped_pods_with_their_redirection_annotation(spaces, value):
    made = app(annotations={"ambient.istio.io/redirection": value}, resourceVersion="7")
    assert found("MT204", [*spaces, made, ALLOW]) == []


def test_a_policy_on_pods_of_which_it_is_not_known_whether_they_are_in_the_mesh():
    (finding,) = found("MT204", [app(), ALLOW])
    assert finding.severity is Severity.INFO
    assert "isn't known" in finding.message
    (sure,) = found("MT204", [namespace("shop"), app(), ALLOW])
    assert sure.severity is Severity.WARNING


# ---- MT106: the annotation says that a pod was captured once


def test_a_captured_pod_on_a_node_without_a_ready_ztunnel():
    ready = {"phase": "Running", "podIPs": [{"ip": "10.0.9.9"}], "conditions": [{"type": "Ready", "status": "True"}]}
    proxies = [
        pod(
            f"istio-system/ztunnel-{node}", "10.0.9.9", labels={"app": "ztunnel"}, node=node, status=ready, metadata=OF_DAEMON_SET
        )
        for node in ("a", "b")
    ]
    captured = pod(
        "shop/web", "10.0.0.2", [8080], node="b", metadata={"annotations": REDIRECTED, "resourceVersion": "7"}, status=ready
    )
    assert found("MT106", [MESH, captured, *proxies], live=True) == []
    proxies[1]["status"]["conditions"] = [{"type": "Ready", "status": "False"}]
    (finding,) = found("MT106", [MESH, captured, *proxies], live=True)
    assert "no ztunnel is ready on b" in finding.message
    assert found("MT106", [MESH, captured], live=True) == []  # nothing is seen of any ztunnel


# ---- an earlier revision of a Deployment is nobody


def test_a_replicaset_without_replicas_is_not_somebody_who_runs_under_its_identity():
    template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "x:1"}]}}
    selector = {"matchLabels": {"app": "web"}}
    spec = {"replicas": 1, "selector": selector, "template": template}
    old = {**template, "spec": {**template["spec"], "serviceAccountName": "web"}}
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "shop", "uid": "d"}}
    owner = {"kind": "Deployment", "name": "web", "uid": "d", "apiVersion": "apps/v1", "controller": True}
    replicas = {"apiVersion": "apps/v1", "kind": "ReplicaSet"}
    named = policy(
        "shop/p",
        {"rules": [{"from": [{"source": {"principals": ["cluster.local/ns/shop/sa/web"]}}]}]},
        "AuthorizationPolicy",
    )
    for owners in ([owner], []):
        former = {**replicas, "metadata": {"name": "web-1", "namespace": "shop", "ownerReferences": owners}}
        objects = [MESH, {**deployment, "spec": spec}, {**former, "spec": {**spec, "replicas": 0, "template": old}}, named]
        (finding,) = found("MT103", objects)
        assert "no pod runs as it" in finding.message
