"""Kinds that aren't evaluated: which of them may decide about traffic, and from which of them a controller makes pods."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_TRAFFIC_GROUPS = re.compile(
    r"(^|\.)("
    r"istio\.io|networking\.k8s\.io|policy\.networking\.k8s\.io|networking\.x-k8s\.io|multicluster\.x-k8s\.io|"
    r"projectcalico\.org|cilium\.io|antrea\.io|ovn\.org|networking\.k8s\.aws|vpcresources\.k8s\.aws|networking\.gke\.io|"
    r"route\.openshift\.io|network\.openshift\.io|linkerd\.io|smi-spec\.io|kuma\.io|consul\.hashicorp\.com|envoyproxy\.io|kgateway\.dev|solo\.io|"
    r"traefik\.io|projectcontour\.io|konghq\.com|nginx\.org|submariner\.io|kyverno\.io|cni\.cncf\.io"
    r")\Z"
)
"""API groups of networks, meshes, gateways and policies."""
_WITHOUT_EFFECT = frozenset(
    {
        ("telemetry.istio.io", "Telemetry"),
        ("policy", "PodSecurityPolicy"),
        ("networking.gke.io", "ManagedCertificate"),
        ("networking.k8s.io", "IPAddress"),
        ("networking.k8s.io", "ServiceCIDR"),
        ("cilium.io", "CiliumEndpoint"),
        ("cilium.io", "CiliumEndpointSlice"),
        ("cilium.io", "CiliumIdentity"),
        ("cilium.io", "CiliumNode"),
        ("cilium.io", "CiliumNodeConfig"),
    }
)
"""Kinds with such a group or name that decide nothing about connections."""
_OTHER_GROUPS = re.compile(r"(^|\.)(admissionregistration\.k8s\.io|toolkit\.fluxcd\.io)\Z")
_POLICY_LIKE = re.compile(
    r"(Policy|Policies|Firewall\w*|SecurityGroup\w*|NetworkSet|UserDefinedNetwork|ServiceExport|ServiceImport)\Z"
)
_CORE = frozenset({"Endpoints"})


def may_matter(group: str, kind: str) -> bool:
    """Whether objects of a kind that isn't evaluated may decide about traffic: by its API group, or its name."""
    if (group, kind) in _WITHOUT_EFFECT or _OTHER_GROUPS.search(group):
        return False
    if not group:
        return kind in _CORE
    return bool(_TRAFFIC_GROUPS.search(group) or _POLICY_LIKE.search(kind))


_KUBERNETES_OWN = re.compile(r"(\A|\.)k8s\.io\Z")
_MAKERS = frozenset(
    {
        ("monitoring.coreos.com", "Prometheus"),
        ("monitoring.coreos.com", "PrometheusAgent"),
        ("monitoring.coreos.com", "Alertmanager"),
        ("monitoring.coreos.com", "ThanosRuler"),
        ("helm.toolkit.fluxcd.io", "HelmRelease"),
        ("helm.cattle.io", "HelmChart"),
        ("kustomize.toolkit.fluxcd.io", "Kustomization"),
        ("argoproj.io", "Application"),
        ("argoproj.io", "ApplicationSet"),
        ("argoproj.io", "Rollout"),
        ("argoproj.io", "ArgoCD"),
        ("operators.coreos.com", "Subscription"),
        ("install.istio.io", "IstioOperator"),
        ("networking.istio.io", "WorkloadGroup"),
        ("sailoperator.io", "Istio"),
        ("sailoperator.io", "ZTunnel"),
        ("opentelemetry.io", "OpenTelemetryCollector"),
        ("jaegertracing.io", "Jaeger"),
        ("postgresql.cnpg.io", "Cluster"),
        ("postgresql.cnpg.io", "Pooler"),
        ("acid.zalan.do", "postgresql"),
        ("kafka.strimzi.io", "Kafka"),
        ("rabbitmq.com", "RabbitmqCluster"),
        ("minio.min.io", "Tenant"),
        ("serving.knative.dev", "Service"),
        ("k8s.keycloak.org", "Keycloak"),
        ("tekton.dev", "PipelineRun"),
        ("tekton.dev", "TaskRun"),
    }
)
"""Kinds from which well-known controllers make pods, or, of machines that register themselves, WorkloadEntries."""
_ANYWHERE = frozenset(
    {"HelmRelease", "HelmChart", "Kustomization", "Application", "ApplicationSet", "Subscription", "IstioOperator"}
)
"""Kinds whose pods may be in another namespace than the object."""
_OF_PODS = frozenset(
    {"replicas", "instances", "image", "podTemplate", "podMetadata", "podSpec", "nodeSets", "serviceAccountName", "containers"}
)
"""Fields of a custom resource's spec that say how its pods are made."""


def makes_pods(group: str, document: Mapping[str, Any]) -> bool:
    """Whether a controller makes pods from a custom resource: it is a well-known kind, or its spec has fields of pods."""
    kind, spec = document.get("kind"), document.get("spec")
    if (group, kind) in _MAKERS:
        return True
    if "." not in group or _KUBERNETES_OWN.search(group) or may_matter(group, str(kind)) or not isinstance(spec, Mapping):
        return False
    template = spec.get("template")
    in_template = template.get("spec") if isinstance(template, Mapping) else None
    return bool(_OF_PODS & spec.keys()) or (isinstance(in_template, Mapping) and "containers" in in_template)


_HOLDERS = (("podMetadata",), ("template", "metadata"), ("podTemplate", "metadata"))
"""Where custom resources have the metadata of their pods."""


def labels_of_pods(document: Mapping[str, Any]) -> Mapping[str, str]:
    """The labels that a custom resource gives to the pods which are made from it; they may have others, too."""
    found: dict[str, str] = {}
    for holder in _HOLDERS:
        part = _mapping(document.get("spec"))
        for key in holder:
            part = _mapping(part.get(key))
        found |= {str(key): str(value) for key, value in _mapping(part.get("labels")).items()}
    return found


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def anywhere(kind: str) -> bool:
    """Whether a controller may make the pods of such an object in another namespace than its own."""
    return kind in _ANYWHERE
