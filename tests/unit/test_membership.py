"""Which pods are in the mesh by labels, and what follows where labels don't say it."""

from dataclasses import replace

import pytest

from meshtui.engine import Engine
from meshtui.engine.explain.advice import advise
from meshtui.engine.explain.wording import in_words as said
from meshtui.engine.path.references import parse_flow
from meshtui.model.membership import Installation
from meshtui.model.reason import Code
from meshtui.model.workload import MeshMode
from tests.fakes.pairs import FLOW, agreed
from tests.fakes.requests import judge as request
from tests.fakes.requests import service, thing
from tests.fakes.snapshots import ambient, decider, in_words, judge, namespace, pod, policy, snapshot_of

NONE, AMBIENT, SIDECAR = MeshMode.NONE, MeshMode.AMBIENT, MeshMode.SIDECAR
INJECT, REV, MODE = "sidecar.istio.io/inject", "istio.io/rev", "istio.io/dataplane-mode"
ENABLED, DISABLED = {"istio-injection": "enabled"}, {"istio-injection": "disabled"}


def mode(labels, own=None, annotations=None, installation=None, live=False, **metadata):
    made = pod("a/p", "10.0.0.1", labels=own or {}, metadata={"annotations": annotations or {}} | metadata)
    snapshot = snapshot_of([namespace("a", **labels), made], live=live)
    snapshot = replace(snapshot, installation=installation or Installation())
    return snapshot.membership_of(next(iter(snapshot.pods.values()))).modes


# istio/istio cni/pkg/util/podutil.go (PodRedirectionEnabled, 1.24 to 1.26) and the chart's enablementSelectors (1.27 and newer)
CAPTURED = {
    "the namespace asks": ({MODE: "ambient"}, {}, AMBIENT),
    "the pod opts out": ({MODE: "ambient"}, {MODE: "none"}, NONE),
    "another value doesn't opt out": ({MODE: "ambient"}, {MODE: "sidecar"}, AMBIENT),
    "nor does an empty one": ({MODE: "ambient"}, {MODE: ""}, AMBIENT),
    "the pod asks": ({}, {MODE: "ambient"}, AMBIENT),
    "the pod asks against its namespace": ({MODE: "none"}, {MODE: "ambient"}, AMBIENT),
    "nobody asks": ({}, {MODE: "yes"}, NONE),
}


@pytest.mark.parametrize(("labels", "own", "expected"), CAPTURED.values(), ids=CAPTURED)
def test_istio_cni_captures_by_labels_of_pod_and_namespace(labels, own, expected):
    assert mode(labels, own) == (expected,)
    assert mode(labels, own, live=True) == ({AMBIENT: MeshMode.WANTED}.get(expected, expected),)


# istio/istio mutatingwebhook.yaml of the chart istio-discovery, and pkg/kube/inject/inject.go injectRequired
INJECTED = {
    "the namespace is enabled": (ENABLED, {}, {}, SIDECAR),
    "the pod's label opts out": (ENABLED, {INJECT: "false"}, {}, NONE),
    "the pod's annotation opts out": (ENABLED, {}, {INJECT: "false"}, NONE),
    "the label counts before the annotation": (ENABLED, {INJECT: "true"}, {INJECT: "false"}, SIDECAR),
    "a label with another value falls back to the default": (ENABLED, {INJECT: "True"}, {}, SIDECAR),
    "… and hides the annotation": (ENABLED, {INJECT: "no"}, {INJECT: "false"}, SIDECAR),
    "an annotation with another value, too": (ENABLED, {}, {INJECT: "off"}, SIDECAR),
    "the pod's label asks, and the namespace says nothing": ({}, {INJECT: "true"}, {}, SIDECAR),
    "only exactly true makes the webhook see the pod": ({}, {INJECT: "True"}, {}, NONE),
    "… nor does yes": ({}, {INJECT: "yes"}, {}, NONE),
    "an annotation never makes the webhook see the pod": ({}, {}, {INJECT: "true"}, NONE),
    "the label can't undo a disabled namespace": (DISABLED, {INJECT: "true"}, {}, NONE),
    "any other value of the namespace's label disables": ({"istio-injection": "true"}, {INJECT: "true"}, {}, NONE),
    "a revision of the namespace": ({REV: "canary"}, {}, {}, SIDECAR),
    "a revision of the pod": ({}, {REV: "canary"}, {}, SIDECAR),
    "a revision of the pod, and no": ({}, {REV: "canary", INJECT: "false"}, {}, NONE),
    "the older label is before the revision": ({**DISABLED, REV: "canary"}, {}, {}, NONE),
    "an empty revision is none": ({REV: ""}, {INJECT: "true"}, {}, NONE),
    "an injected pod isn't captured": ({MODE: "ambient"}, {INJECT: "true"}, {}, SIDECAR),
    "an annotation leaves an ambient pod captured": ({MODE: "ambient"}, {}, {INJECT: "true"}, AMBIENT),
    "a pod that was captured has no sidecar": (ENABLED, {}, {"ambient.istio.io/redirection": "enabled"}, AMBIENT),
}


@pytest.mark.parametrize(("labels", "own", "annotations", "expected"), INJECTED.values(), ids=INJECTED)
def test_the_webhook_injects_by_labels_of_pod_and_namespace(labels, own, annotations, expected):
    assert mode(labels, own, annotations) == (expected,)


def test_the_containers_of_a_pod_that_a_server_returned_say_whether_it_was_injected():
    assert mode(ENABLED, resourceVersion="17") == (NONE,)


def test_some_namespaces_are_never_injected():
    """istio/istio pkg/kube/inject/initializer.go IgnoredNamespaces."""
    snapshot = snapshot_of([namespace("kube-system", **ENABLED), pod("kube-system/p", "10.0.0.1")])
    assert snapshot.membership_of(next(iter(snapshot.pods.values()))).modes == (NONE,)


INSTALLED = {
    "namespaces are injected by default": ({}, {}, Installation(injects_by_default=True), (SIDECAR,)),
    "… but not a pod with any label": ({}, {INJECT: "maybe"}, Installation(injects_by_default=True), (NONE,)),
    "the injector has a selector of its own": (ENABLED, {}, Installation(injector="ConfigMap i"), (SIDECAR, NONE)),
    "… that a label overrules": (ENABLED, {INJECT: "true"}, Installation(injector="ConfigMap i"), (SIDECAR,)),
    "the revision isn't there": ({REV: "new"}, {}, Installation(revisions=frozenset({"old"})), (SIDECAR, NONE)),
    "the revision is there": ({REV: "old"}, {}, Installation(revisions=frozenset({"old"})), (SIDECAR,)),
    "the older label is for the default revision": (ENABLED, {}, Installation(revisions=frozenset({"old"})), (SIDECAR, NONE)),
    "istio-cni has selectors of its own": ({MODE: "ambient"}, {}, Installation(capture="ConfigMap c"), (NONE, AMBIENT)),
}


@pytest.mark.parametrize(("labels", "own", "installation", "expected"), INSTALLED.values(), ids=INSTALLED)
def test_how_the_mesh_is_installed_decides_too(labels, own, installation, expected):
    assert mode(labels, own, installation=installation) == expected


ENDS = [pod("a/web", "10.0.0.1", account="web"), pod("b/api", "10.0.1.1", [8080])]
STRICT = policy("b/strict", {"mtls": {"mode": "STRICT"}}, "PeerAuthentication")
NOBODY = policy("b/nobody", {}, "AuthorizationPolicy")


def codes(verdict):
    return {step.reason.code for step in verdict.steps}


MISSING = {
    "a policy of the mesh that denies": ([ambient("a"), NOBODY], "unknown", Code.MEMBERSHIP_NOT_KNOWN),
    "one of the mesh that is about another namespace": (
        [ambient("a"), policy("c/nobody", {}, "AuthorizationPolicy")],
        "allow",
        None,
    ),
    "plaintext that may be refused": ([ambient("b"), STRICT], "unknown", Code.MEMBERSHIP_NOT_KNOWN),
    "both are known": ([ambient("a"), ambient("b"), STRICT], "allow", None),
    "the pod's own label says it": (
        [ambient("b"), STRICT, pod("a/web", "10.0.0.1", labels={"app": "web", MODE: "ambient", INJECT: "false"})],
        "allow",
        None,
    ),
    "whoever it is, it is denied": ([ambient("b"), NOBODY], "deny ztunnel", None),
    "no sign of a mesh": ([], "allow", None),
    "a tunnel's port, which the mesh may use": (
        [ambient("b"), policy("b/np", {"podSelector": {}, "ingress": [{"ports": [{"port": 8080}]}]})],
        "unknown",
        Code.MEMBERSHIP_NOT_KNOWN,
    ),
    "a network policy without a mesh": (
        [policy("b/np", {"podSelector": {}, "ingress": [{"ports": [{"port": 8080}]}]})],
        "allow",
        None,
    ),
}


@pytest.mark.parametrize(("objects", "expected", "code"), MISSING.values(), ids=MISSING)
def test_without_its_namespace_a_pod_may_be_in_the_mesh(objects, expected, code):
    own = {each["metadata"]["name"] for each in objects if each["kind"] == "Pod"}
    ends = [each for each in ENDS if each["metadata"]["name"] not in own]
    verdict = agreed(snapshot_of([*objects, *ends]))
    assert in_words(verdict) == expected
    assert code is None or code in codes(verdict)
    if code is not None:
        assert "add its Namespace" in " ".join(said(step.reason) for step in verdict.steps)


def test_what_makes_no_difference_is_an_assumption():
    verdict = agreed(snapshot_of([ambient("b"), NOBODY, *ENDS]))
    assert decider(verdict) == "AuthorizationPolicy b/nobody"
    assert any(each.code is Code.MEMBERSHIP_MAKES_NO_DIFFERENCE for each in verdict.assumptions)


def test_udp_never_passes_the_mesh():
    assert in_words(judge(snapshot_of([ambient("a"), NOBODY, *ENDS]), f"{FLOW}/UDP")) == "allow"


def from_namespaces(selector):
    return policy("b/np", {"podSelector": {}, "ingress": [{"from": [{"namespaceSelector": selector}]}]})


NAMED = {"matchLabels": {"kubernetes.io/metadata.name": "a"}}
OTHERS = {"matchExpressions": [{"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["a"]}]}
TRUSTED = {"matchLabels": {"trusted": "yes"}}
SELECTORS = {
    "a label": (TRUSTED, "unknown"),
    "no label": ({"matchExpressions": [{"key": "untrusted", "operator": "DoesNotExist"}]}, "unknown"),
    "another value": ({"matchExpressions": [{"key": "env", "operator": "NotIn", "values": ["dev"]}]}, "unknown"),
    "every namespace": ({}, "allow"),
    "its name": (NAMED, "allow"),
    "another name": (OTHERS, "deny ingress_policy"),
    "another name and a label": ({**TRUSTED, **OTHERS}, "deny ingress_policy"),
    "its name and a label": ({"matchLabels": {**TRUSTED["matchLabels"], **NAMED["matchLabels"]}}, "unknown"),
}


@pytest.mark.parametrize(("selector", "expected"), SELECTORS.values(), ids=SELECTORS)
def test_labels_of_a_namespace_that_is_not_there_are_not_known(selector, expected):
    verdict = agreed(snapshot_of([namespace("b"), from_namespaces(selector), *ENDS]))
    assert in_words(verdict) == expected
    assert (Code.NETWORK_RULE_BY_NAMESPACE in codes(verdict)) is (expected == "unknown")
    known = agreed(snapshot_of([namespace("a"), namespace("b"), from_namespaces(selector), *ENDS]))
    assert known.decision.value != "unknown"


def test_a_pod_selector_that_does_not_match_settles_it():
    both = {"namespaceSelector": TRUSTED, "podSelector": {"matchLabels": {"app": "other"}}}
    shut = policy("b/np", {"podSelector": {}, "ingress": [{"from": [both]}]})
    assert in_words(agreed(snapshot_of([shut, *ENDS]))) == "deny ingress_policy"


def admin(subject, action="Deny", **peer):
    rule = {"action": action, "from": [peer or {"namespaces": {}}]}
    spec = {"priority": 5, "subject": subject, "ingress": [rule]}
    return {
        "apiVersion": "policy.networking.k8s.io/v1alpha1",
        "kind": "AdminNetworkPolicy",
        "metadata": {"name": "x"},
        "spec": spec,
    }


PROD = {"namespaces": {"matchLabels": {"env": "prod"}}}
ADMIN = {
    "whom it is for": (admin(PROD), "unknown"),
    "whom it is for, among pods": (admin({"pods": {"namespaceSelector": TRUSTED, "podSelector": {}}}), "unknown"),
    "pods that aren't there": (
        admin({"pods": {"namespaceSelector": TRUSTED, "podSelector": {"matchLabels": {"app": "no"}}}}),
        "allow",
    ),
    "whom it is about": (admin({"namespaces": {}}, **PROD), "unknown"),
    "everybody": (admin({"namespaces": {}}), "deny admin_policy"),
    "by name": (admin({"namespaces": {"matchLabels": {"kubernetes.io/metadata.name": "b"}}}), "deny admin_policy"),
    "another name": (admin({"namespaces": {"matchLabels": {"kubernetes.io/metadata.name": "c"}}}), "allow"),
}


@pytest.mark.parametrize(("written", "expected"), ADMIN.values(), ids=ADMIN)
def test_admin_policies_read_labels_of_namespaces_too(written, expected):
    verdict = agreed(snapshot_of([written, *ENDS]))
    assert in_words(verdict) == expected
    assert (Code.ADMIN_RULE_BY_NAMESPACE in codes(verdict)) is (expected == "unknown")


def waypoint(allowed="All", **selector):
    listener = {"name": "mesh", "port": 15008, "protocol": "HBONE", "allowedRoutes": {"namespaces": {"from": allowed} | selector}}
    return thing("Gateway", "w/way", {"gatewayClassName": "istio-waypoint", "listeners": [listener]})


NOT_POSTED = thing(
    "AuthorizationPolicy",
    "w/p",
    {"targetRefs": [{"kind": "Gateway", "group": "gateway.networking.k8s.io", "name": "way"}], "rules": []},
)
CAPTURED_ENDS = [
    pod("a/web", "10.0.0.1", labels={"app": "web", MODE: "ambient", INJECT: "false"}, account="web"),
    pod("b/api", "10.0.1.1", [8080], labels={"app": "api", MODE: "ambient", INJECT: "false"}),
    ambient("w"),
]


def test_a_namespace_that_is_not_there_may_name_a_waypoint():
    """istio.io: the label istio.io/use-waypoint of a namespace."""
    verdict = agreed(snapshot_of([waypoint(), NOT_POSTED, *CAPTURED_ENDS]))
    assert in_words(verdict) == "unknown"
    assert Code.NAMESPACE_NOT_KNOWN in codes(verdict)
    assert in_words(agreed(snapshot_of([waypoint(), NOT_POSTED, *CAPTURED_ENDS, ambient("b")]))) == "allow"
    assert in_words(agreed(snapshot_of([NOT_POSTED, *CAPTURED_ENDS]))) == "allow", "there is no waypoint"


def test_a_waypoint_may_admit_a_namespace_by_its_labels():
    own = {"app": "api", MODE: "ambient", INJECT: "false", "istio.io/use-waypoint": "way"}
    api = pod("b/api", "10.0.1.1", [8080], labels=own | {"istio.io/use-waypoint-namespace": "w"})
    way = waypoint("Selector", selector=TRUSTED)
    way["metadata"]["labels"] = {"istio.io/waypoint-for": "all"}
    verdict = agreed(snapshot_of([way, NOT_POSTED, *(e for e in CAPTURED_ENDS if e["metadata"]["name"] != "api"), api]))
    assert in_words(verdict) == "unknown"
    assert Code.NAMESPACE_NOT_KNOWN in codes(verdict)


def test_a_gateway_may_admit_a_route_by_labels_of_its_namespace():
    """gateway-api: AllowedRoutes.namespaces."""
    allowed = {"namespaces": {"from": "Selector", "selector": TRUSTED}}
    listener = {"name": "http", "port": 80, "protocol": "HTTP", "allowedRoutes": allowed}
    world = [
        thing("Gateway", "g/gate", {"gatewayClassName": "istio", "listeners": [listener]}),
        thing("HTTPRoute", "b/r", {"parentRefs": [{"name": "gate", "namespace": "g"}], "rules": [{"backendRefs": [API]}]}),
        service("b/api", [("http", 8080, 8080)]),
        pod("b/api", "10.0.1.1", [8080], labels={"app": "api", MODE: "none", INJECT: "false"}),
        namespace("g"),
        gateway_pod(),
    ]
    asked = "external > b/svc/api:8080"
    assert in_words(request(snapshot_of(world), asked, "GET /")) == "unknown"
    assert in_words(request(snapshot_of([*world, namespace("b", trusted="yes")]), asked, "GET /")) == "allow"
    assert in_words(request(snapshot_of([*world, namespace("b")]), asked, "GET /")) == "deny gateway"


API = {"name": "api", "port": 8080}


def gateway_pod():
    labels = {"gateway.networking.k8s.io/gateway-name": "gate"}
    return pod("g/gate-1", "10.0.2.1", [80], labels=labels)


REGISTRY_ONLY = {
    "apiVersion": "v1",
    "kind": "ConfigMap",
    "metadata": {"name": "istio", "namespace": "istio-system"},
    "data": {"mesh": "outboundTrafficPolicy: {mode: REGISTRY_ONLY}"},
}


@pytest.mark.parametrize("to", ["api.example.com:443", "203.0.113.7:443"])
def test_what_leaves_the_cluster_depends_on_it_too(to):
    """A sidecar with REGISTRY_ONLY blocks what no ServiceEntry names."""
    web = pod("a/web", "10.0.0.1")
    verdict = judge(snapshot_of([web, REGISTRY_ONLY]), f"a/web > {to}")
    assert in_words(verdict) == "unknown"
    assert codes(verdict) == {Code.MEMBERSHIP_NOT_KNOWN}
    assert in_words(judge(snapshot_of([web, REGISTRY_ONLY, namespace("a")]), f"a/web > {to}")) == "allow"
    known = {**REGISTRY_ONLY, "data": {"mesh": "{}"}}
    assert in_words(judge(snapshot_of([web, known]), f"a/web > {to}")) == "allow"


@pytest.mark.parametrize("objects", [[ambient("b"), STRICT], [from_namespaces(TRUSTED)], [admin(PROD)]])
def test_the_next_step_is_to_add_the_namespace(objects):
    engine = Engine(snapshot_of([*ENDS, *objects]))
    flow = parse_flow("a/web", "b/api:8080")
    step = advise(engine, flow, engine.judge(flow)).next_step
    assert step.startswith("add the manifest of the Namespace")
    assert "kubectl get namespace " in step
