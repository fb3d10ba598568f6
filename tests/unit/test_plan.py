"""What a probe would do, and what it refuses to do."""

from dataclasses import replace

import pytest

from meshtui.cni import named
from meshtui.engine import Engine
from meshtui.engine.path.references import parse_flow
from meshtui.model.constants import REVISION_LABELS
from meshtui.model.flow import HttpRequest
from meshtui.probe.plan import make_plan
from meshtui.settings import Probe
from tests.fakes.snapshots import namespace, pod, policy, snapshot_of

HASH = "abc123"
LABELS = {"app": "web", "ver": "1", "pod-template-hash": HASH, "controller-revision-hash": "r1"}


def controller(kind, selector, name="c", space="shop"):
    version = {"ReplicationController": "v1", "Job": "batch/v1"}.get(kind, "apps/v1")
    chosen = selector if kind == "ReplicationController" else {"matchLabels": selector}
    spec = {
        "selector": chosen,
        "template": {"metadata": {"labels": selector}, "spec": {"containers": [{"name": "c", "image": "x"}]}},
    }
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": space}, "spec": spec}


def budget(**spec):
    body = {"selector": {"matchLabels": {"app": "web"}}} | spec
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "b", "namespace": "shop"},
        "spec": body,
    }


def service(name="s", selector=None, space="back", port=None, **spec):
    ports = [port or {"port": 80, "targetPort": 8080}]
    body = {"selector": selector or {"app": "db"}, "ports": ports, "clusterIP": "10.9.0.1"} | spec
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": space}, "spec": body}


READ_APP = policy(
    "back/p", "podSelector: {}\ningress: [{from: [{namespaceSelector: {}, podSelector: {matchLabels: {app: web}}}]}]"
)
WORLD = [
    namespace("shop"),
    namespace("back"),
    pod("shop/web", "10.0.1.1", [8080], LABELS, account="web", node="n1"),
    pod("back/db", "10.0.2.1", [("sql", 5432), ("http", 8080), ("odd", 7777)]),
    service(),
    READ_APP,
]


def plan(*more, flows=("back/svc/s:80",), source="shop/web", protocol="TCP", method=None, world=WORLD, **options):
    snapshot = snapshot_of(world, list(more))
    asked = [parse_flow(source, to, protocol=protocol, http=HttpRequest(method=method) if method else None) for to in flows]
    return make_plan(Engine(snapshot), asked, Probe(), **options)


def only(made):
    assert made.refused == ()
    (batch,) = made.batches
    return batch


def reason(made):
    assert made.batches == ()
    (refusal,) = made.refused
    return refusal.reason


def test_a_probe_has_the_identity_and_only_the_labels_that_policies_read():
    batch = only(plan())
    assert (batch.namespace, batch.service_account, batch.node) == ("shop", "web", "n1")
    assert dict(batch.labels) == {"app": "web"}


def test_controllers_hashes_are_never_copied():
    reads = policy("shop/p", "podSelector: {matchLabels: {pod-template-hash: another, ver: '1'}}")
    batch = only(plan(reads))
    assert dict(batch.labels) == {"app": "web", "ver": "1"}
    assert not set(REVISION_LABELS) & batch.labels.keys()


MANAGED = {**LABELS, "app.kubernetes.io/managed-by": "Helm"}
TOLD_APART = [
    ("a hash that selects the pod", LABELS, f"{{matchLabels: {{pod-template-hash: {HASH}}}}}", "pod-template-hash"),
    ("a hash that must not be there", LABELS, "{matchExpressions: [{key: pod-template-hash, operator: DoesNotExist}]}", "hash"),
    ("who manages it", MANAGED, "{matchLabels: {app.kubernetes.io/managed-by: Helm}}", "app.kubernetes.io/managed-by"),
    ("who doesn't manage it", LABELS, "{matchLabels: {app.kubernetes.io/managed-by: meshtui}}", "app.kubernetes.io/managed-by"),
    ("the run", LABELS, "{matchExpressions: [{key: meshtui.dev/run, operator: Exists}]}", "meshtui.dev/run"),
]


@pytest.mark.parametrize(("name", "labels", "selector", "key"), TOLD_APART, ids=[row[0] for row in TOLD_APART])
def test_what_tells_a_probe_from_its_workload_is_not_probed(name, labels, selector, key):
    """The probe would be judged by other policies than the workload: its answer would be about nobody."""
    world = [*WORLD[:2], pod("shop/web", "10.0.1.1", [8080], labels, account="web", node="n1"), *WORLD[3:]]
    said = reason(plan(policy("shop/p", f"podSelector: {selector}"), world=world))
    assert "NetworkPolicy shop/p reads" in said
    assert key in said


ADOPTION = [
    ("a ReplicaSet whose selector fits", controller("ReplicaSet", {"app": "web"}), True),
    (
        "a ReplicaSet with its Deployment's hash",
        controller("ReplicaSet", {"app": "web", "pod-template-hash": HASH}),
        False,
    ),
    ("a DaemonSet", controller("DaemonSet", {"app": "web"}), True),
    ("a ReplicationController", controller("ReplicationController", {"app": "web"}), True),
    ("a StatefulSet looks at names", controller("StatefulSet", {"app": "web"}), False),
    ("a Deployment looks at its ReplicaSets", controller("Deployment", {"app": "web"}), False),
    ("another namespace's", controller("ReplicaSet", {"app": "web"}, space="back"), False),
    ("another selector", controller("ReplicaSet", {"app": "api"}), False),
    ("a label that isn't copied", controller("ReplicaSet", {"ver": "1"}), False),
    ("a Job whose selector was written by hand", controller("Job", {"app": "web"}), True),
    ("a Job with the server's own selector", controller("Job", {"batch.kubernetes.io/controller-uid": "u"}), False),
    (
        "a DaemonSet of everything that meshtui manages",
        controller("DaemonSet", {"app.kubernetes.io/managed-by": "meshtui"}),
        True,
    ),
]


@pytest.mark.parametrize(("name", "obj", "controlled"), ADOPTION, ids=[row[0] for row in ADOPTION])
def test_adoption(name, obj, controlled):
    assert only(plan(obj)).controlled is controlled


ADOPTED = controller("ReplicaSet", {"app": "web"})
BUDGETS = [
    ("maxUnavailable", budget(maxUnavailable=1), True),
    ("a percentage", budget(minAvailable="50%"), True),
    ("a number", budget(minAvailable=1), False),
    ("another selector", budget(maxUnavailable=1, selector={"matchLabels": {"app": "api"}}), False),
    ("an empty selector selects all", budget(maxUnavailable=1, selector={}), True),
]


@pytest.mark.parametrize(("name", "obj", "refused"), BUDGETS, ids=[row[0] for row in BUDGETS])
def test_budgets_that_count_by_controller(name, obj, refused):
    assert plan(obj).refused == (), "without adoption the probe has no controller to count by"
    made = plan(ADOPTED, obj)
    assert ("block evictions" in reason(made)) if refused else only(made).controlled


def test_a_service_that_publishes_unready_pods():
    assert "ready" in reason(plan(service("all", {"app": "web"}, "shop", publishNotReadyAddresses=True)))
    assert only(plan(service("all", {"app": "web"}, "back", publishNotReadyAddresses=True)))
    assert only(plan(service("all", {"app": "api"}, "shop", publishNotReadyAddresses=True)))
    assert only(plan(service("all", {"app": "web"}, "shop")))
    own = {"app.kubernetes.io/managed-by": "meshtui"}
    assert "ready" in reason(plan(service("all", own, "shop", publishNotReadyAddresses=True)))


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "get"])
def test_methods_that_may_change_something(method):
    assert "--unsafe-methods" in reason(plan(method=method))
    assert only(plan(method=method, any_method=True))


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_harmless_methods(method):
    assert only(plan(method=method)).targets[0].request.method == method


def test_udp_is_a_dns_question_or_nothing():
    assert only(plan(flows=["back/db:53"], protocol="UDP")).targets[0].protocol == "dns"
    assert "can't tell" in reason(plan(flows=["back/db:5353"], protocol="UDP"))
    assert "SCTP" in reason(plan(flows=["back/db:53"], protocol="SCTP"))


def test_sources_that_nothing_can_stand_in_for():
    host = pod("shop/host", "192.168.0.1", spec={"hostNetwork": True})
    assert "node's network" in reason(plan(host, source="shop/host"))
    assert "isn't a running pod" in reason(plan(source="8.8.8.8"))
    assert reason(plan(controller("Deployment", {"app": "x"}), source="shop/deploy/c"))
    assert reason(plan(source="shop/gone"))


TARGETS = [
    ("a Service by its address", "back/svc/s:80", "http", "10.9.0.1", 80),
    ("a pod's named port", "back/db:sql", "postgres", "10.0.2.1", 5432),
    ("a port that is called odd", "back/db:7777", "tcp", "10.0.2.1", 7777),
    ("a port that nobody declares: what usually listens there", "back/db:9090", "http", "10.0.2.1", 9090),
    ("… or nobody knows", "back/db:4711", "tcp", "10.0.2.1", 4711),
    ("an address outside", "8.8.8.8:443", "tcp", "8.8.8.8", 443),
]


@pytest.mark.parametrize(("name", "to", "protocol", "address", "port"), TARGETS, ids=[row[0] for row in TARGETS])
def test_what_is_sent_where(name, to, protocol, address, port):
    (target,) = only(plan(flows=[to])).targets
    assert (target.protocol, target.address, target.port) == (protocol, address, port)


def test_a_headless_service_is_reached_by_name():
    (target,) = only(plan(service("h", clusterIP="None"), flows=["back/svc/h:80"])).targets
    assert (target.address, target.request.host) == ("h.back.svc", "h.back")


def test_one_pod_for_each_identity():
    other = pod("shop/api", "10.0.1.2", labels={"app": "api"}, account="api")
    snapshot = snapshot_of(WORLD, [other])
    flows = [parse_flow(f, t) for f in ("shop/web", "shop/api") for t in ("back/db:8080", "back/db:sql")]
    made = make_plan(Engine(snapshot), flows, Probe())
    assert [(b.service_account, len(b.targets)) for b in made.batches] == [("web", 2), ("api", 2)]
    assert (made.flows, made.namespaces) == (4, ("shop",))
    assert [t.flow for b in made.batches for t in b.targets] == flows


def test_from_outside_no_pod_is_needed():
    made = plan(source="external", flows=["back/svc/s:80"])
    assert (made.batches, len(made.external), made.namespaces) == ((), 1, ())


def test_time_is_bounded_by_the_deadline():
    snapshot = snapshot_of(WORLD)
    flows = [parse_flow("shop/web", f"back/db:{port}") for port in range(1, 200)]
    settings = Probe(deadline_s=30)
    assert make_plan(Engine(snapshot), flows, settings).seconds == 30
    assert make_plan(Engine(snapshot), [], settings).seconds == 0


def test_live_an_uncaptured_pod_is_not_waited_for():
    ambient = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": "shop", "labels": {"istio.io/dataplane-mode": "ambient"}},
    }
    snapshot = snapshot_of([o for o in WORLD if o["kind"] != "Namespace"], [ambient])
    flow = [parse_flow("shop/web", "back/svc/s:80")]
    assert only(make_plan(Engine(snapshot), flow, Probe())).ambient
    assert not only(make_plan(Engine(replace(snapshot, live=True)), flow, Probe())).ambient


def of_calico(selector):
    spec = {"selector": selector, "types": ["Ingress"], "ingress": [{"action": "Deny"}]}
    return {"apiVersion": "projectcalico.org/v3", "kind": "GlobalNetworkPolicy", "metadata": {"name": "g"}, "spec": spec}


@pytest.mark.parametrize(
    ("selector", "labels"), [("ver == '1'", {"app", "ver"}), ("ver starts with '1'", {"app", "ver"}), ("all()", {"app"})]
)
def test_a_probe_has_the_labels_that_policies_of_the_cni_read(selector, labels):
    found = make_plan(
        Engine(snapshot_of(WORLD, [of_calico(selector)], cni=named("calico"))),
        [parse_flow("shop/web", "back/svc/s:80")],
        Probe(),
    )
    assert [set(batch.labels) for batch in found.batches] == [labels]


def test_a_label_that_a_probe_cannot_have_and_a_policy_of_the_cni_reads():
    snapshot = snapshot_of(WORLD, [of_calico("has(pod-template-hash)")], cni=named("calico"))
    found = make_plan(Engine(snapshot), [parse_flow("shop/web", "back/svc/s:80")], Probe())
    assert "a policy of the CNI reads pod-template-hash" in found.refused[0].reason
