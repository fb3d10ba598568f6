"""A policy that selects nobody: where its pods may be missing from the input, the finding doesn't claim that there are none."""

import pytest
import yaml

from meshtui.findings import look
from meshtui.model.finding import Severity
from meshtui.sources.manifests import load_manifests
from tests.fakes.snapshots import namespace, pod, policy, snapshot_of

POLICIES = {
    "MT103": policy(
        "monitoring/p",
        {"rules": [{"from": [{"source": {"principals": ["cluster.local/ns/monitoring/sa/prometheus"]}}]}]},
        "AuthorizationPolicy",
    ),
    "MT308": policy("monitoring/p", {"podSelector": {"matchLabels": {"app.kubernetes.io/name": "prometheus"}}}),
    "MT203": policy(
        "monitoring/p", {"selector": {"matchLabels": {"app.kubernetes.io/name": "prometheus"}}}, "AuthorizationPolicy"
    ),
    "MT309": policy(
        "monitoring/p",
        {"podSelector": {}, "ingress": [{"from": [{"podSelector": {"matchLabels": {"app.kubernetes.io/name": "prometheus"}}}]}]},
    ),
}


def custom(kind, version, space="monitoring", **spec):
    metadata = {"name": "k8s", **({"namespace": space} if space else {})}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}


MAKERS = [
    ("Prometheus", custom("Prometheus", "monitoring.coreos.com/v1"), "Prometheus monitoring/k8s"),
    ("Alertmanager", custom("Alertmanager", "monitoring.coreos.com/v1"), "Alertmanager monitoring/k8s"),
    ("without a namespace, so in any", custom("Prometheus", "monitoring.coreos.com/v1", ""), "Prometheus k8s"),
    ("a kind that nobody knows, with replicas", custom("Widget", "example.com/v1", replicas=2), "Widget monitoring/k8s"),
    (
        "a kind that nobody knows, with a template",
        custom("W", "example.com/v1", template={"spec": {"containers": []}}),
        "W monitoring/k8s",
    ),
    ("machines that register themselves", custom("WorkloadGroup", "networking.istio.io/v1"), "WorkloadGroup monitoring/k8s"),
    (
        "a release in another namespace",
        custom("HelmRelease", "helm.toolkit.fluxcd.io/v2", "flux-system"),
        "HelmRelease flux-system/k8s",
    ),
]
OTHERS = [
    ("nothing of the kind", namespace("monitoring")),
    ("a maker in another namespace", custom("Prometheus", "monitoring.coreos.com/v1", "other")),
    ("rules, from which nothing is made", custom("PrometheusRule", "monitoring.coreos.com/v1", groups=[])),
    ("an issuer", custom("Issuer", "cert-manager.io/v1", acme={})),
    ("replicas of an autoscaler", custom("HorizontalPodAutoscaler", "autoscaling/v2", replicas=2)),
]


def found(rule, *more):
    """The rule's finding in a namespace that has another pod."""
    (finding,) = [
        each for each in look(snapshot_of([pod("monitoring/grafana"), POLICIES[rule], *more])).findings if each.rule == rule
    ]
    return finding


@pytest.mark.parametrize("rule", POLICIES)
@pytest.mark.parametrize(("name", "maker", "named"), MAKERS, ids=[row[0] for row in MAKERS])
def test_a_controller_may_make_the_pods(rule, name, maker, named):
    finding = found(rule, maker)
    assert f"may be made by a controller, from {named}" in finding.message
    assert finding.severity is Severity.INFO


@pytest.mark.parametrize("rule", POLICIES)
@pytest.mark.parametrize(("name", "other"), OTHERS, ids=[row[0] for row in OTHERS])
def test_without_a_controller_the_finding_is_sure(rule, name, other):
    finding = found(rule, other)
    assert "may be" not in finding.message
    assert finding.severity is (Severity.INFO if rule == "MT309" else Severity.WARNING)


@pytest.mark.parametrize("rule", POLICIES)
def test_pods_may_be_in_what_was_skipped(rule, tmp_path):
    (tmp_path / "a.yaml").write_text(yaml.safe_dump_all([pod("monitoring/grafana"), POLICIES[rule]]))
    (tmp_path / "b.yaml").write_text("a: [")
    (finding,) = [each for each in look(load_manifests([str(tmp_path)])).findings if each.rule == rule]
    assert "may be in what was skipped" in finding.message
    assert finding.severity is Severity.INFO


@pytest.mark.parametrize("rule", POLICIES)
def test_many_makers_are_counted(rule):
    makers = [
        custom("Prometheus", "monitoring.coreos.com/v1") | {"metadata": {"name": f"p{n}", "namespace": "monitoring"}}
        for n in range(5)
    ]
    assert "from Prometheus monitoring/p0, Prometheus monitoring/p1 and 3 more" in found(rule, *makers).message
