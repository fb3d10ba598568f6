"""Settings of Cilium beside an ambient mesh (MT313), and the kubelet's probes under policies of CNIs' own kinds (MT306)."""

import pytest

from meshtui.cni import named, of_snapshot
from meshtui.engine import Engine
from meshtui.findings import look
from meshtui.model.finding import Severity
from meshtui.sources.edits import edited
from tests.fakes.cilium import ccnp, cnp
from tests.fakes.snapshots import ambient, namespace, snapshot_of
from tests.unit.findings.test_own_policies import PODS, SERVICE, calico, captured, gnp


def daemon(image):
    labels = {"k8s-app": "cni"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "agent", "image": image}]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "DaemonSet",
        "metadata": {"name": "cni", "namespace": "kube-system"},
        "spec": {"selector": {"matchLabels": labels}, "template": template},
    }


DAEMON = daemon("quay.io/cilium/cilium:v1.20.2")
TELLS = {"MT313"}
SAFE = {"cni-exclusive": "false", "kube-proxy-replacement": "true", "bpf-lb-sock-hostns-only": "true"}


def config(**data):
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "cilium-config", "namespace": "kube-system"},
        "data": {key.replace("_", "-"): value for key, value in data.items()},
    }


def report(*objects):
    snapshot = snapshot_of([*objects])
    return look(snapshot_of([*objects], cni=of_snapshot(snapshot)))


def said(rule, *objects):
    return [(f.severity, f.message) for f in report(*objects).findings if f.rule == rule]


@pytest.mark.parametrize(
    ("settings", "severity", "words"),
    [
        ({**SAFE, "cni-exclusive": "true"}, Severity.ERROR, "cni-exclusive: true"),
        ({**SAFE, "bpf-lb-sock-hostns-only": "false"}, Severity.WARNING, "bpf-lb-sock-hostns-only isn't true"),
        ({"kube-proxy-replacement": "strict"}, Severity.WARNING, "bpf-lb-sock-hostns-only isn't true"),
        ({"bpf-lb-sock": "true"}, Severity.WARNING, "bpf-lb-sock-hostns-only isn't true"),
        ({**SAFE, "enable-bpf-masquerade": "true"}, Severity.WARNING, "enable-bpf-masquerade: true"),
    ],
)
def test_a_setting_with_which_ambient_does_not_work(settings, severity, words):
    ((found, message),) = said("MT313", *PODS, DAEMON, config(**settings))
    assert found is severity
    assert words in message


def test_balancing_in_sockets_goes_around_waypoints():
    service = {**SERVICE, "metadata": {**SERVICE["metadata"], "labels": {"istio.io/use-waypoint": "wp"}}}
    ((severity, _),) = said("MT313", *PODS, service, DAEMON, config(**{"kube-proxy-replacement": "true"}))
    assert severity is Severity.ERROR


@pytest.mark.parametrize(
    "objects",
    [
        [*PODS, DAEMON, config(**SAFE)],
        [*PODS, DAEMON, config()],
        [namespace("shop"), DAEMON, config(**{"cni-exclusive": "true"})],
        [*PODS, config(**{"cni-exclusive": "true"}), daemon("calico/node:v3.30.0")],
    ],
    ids=["as both documentations want it", "no settings", "no ambient", "another CNI"],
)  # fmt: skip
def test_it_is_quiet(objects):
    assert said("MT313", *objects) == []


def test_without_the_config_map_it_is_not_evaluated():
    reasons = {each.rule: each.reason for each in report(*PODS, DAEMON).not_evaluated}
    assert "cilium-config" in reasons["MT313"]
    assert "MT313" not in {each.rule for each in report(namespace("shop"), DAEMON).not_evaluated}, "there is no mesh"


# ---- the kubelet's probes


def probed():
    made = captured("shop/web", "10.0.1.1", 8080, app="web")
    made["spec"]["containers"][0]["readinessProbe"] = {"httpGet": {"port": 8080}}
    return made


FROM_DB = "ingress: [{fromEndpoints: [{matchLabels: {app: db}}]}]"
BLOCKING = [
    ("cilium", cnp(f"{{endpointSelector: {{matchLabels: {{app: web}}}}, {FROM_DB}}}", "shop/p"), "CiliumNetworkPolicy"),
    ("cilium", ccnp(f"{{endpointSelector: {{matchLabels: {{app: web}}}}, {FROM_DB}}}"), "NetworkPolicy"),
    ("cilium", ccnp("{endpointSelector: {}, ingressDeny: [{fromEntities: [world]}], ingress: [{fromEntities: [all]}]}"), None),
    ("calico", calico("NetworkPolicy", "default.p", "{selector: app == 'web', types: [Ingress]}", "shop"),
     "NetworkPolicy.projectcalico.org"),
    ("calico", gnp("{selector: app == 'web', ingress: [{action: Deny}]}"), None),
]  # fmt: skip


@pytest.mark.parametrize(("cni", "written", "kind"), BLOCKING)
def test_probes_that_own_policies_block(cni, written, kind):
    objects = [ambient("shop"), probed(), written]
    (finding,) = [f for f in look(snapshot_of(objects, cni=named(cni))).findings if f.rule == "MT306"]
    assert "blocks the kubelet's probes of Pod shop/web (169.254.7.127)" in finding.message
    if kind is None:
        assert finding.fix is None
        return
    (edit,) = finding.fix.edits
    assert edit.ref.kind == kind
    healed = snapshot_of([*objects, edited({}, edit)], cni=named(cni))
    assert "MT306" not in {f.rule for f in look(healed).findings}
    assert Engine(healed).own is not None


@pytest.mark.parametrize(
    "written",
    [
        cnp("{endpointSelector: {}, ingress: [{fromCIDR: [169.254.7.127/32]}]}", "shop/p"),
        ccnp("{endpointSelector: {}, ingress: [{fromEntities: [world]}]}"),
        cnp(f"{{endpointSelector: {{}}, enableDefaultDeny: {{ingress: false}}, {FROM_DB}}}", "shop/p"),
    ],
)
def test_probes_that_they_let_in(written):
    found = look(snapshot_of([ambient("shop"), probed(), written], cni=named("cilium"))).findings
    assert "MT306" not in {f.rule for f in found}
