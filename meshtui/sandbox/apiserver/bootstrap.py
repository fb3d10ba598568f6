"""The objects that every cluster has from the start."""

from __future__ import annotations

from typing import Any

from meshtui.sandbox.apiserver.kinds import KINDS, Kind
from meshtui.sandbox.ports import Obj

_READ = ["get", "list", "watch"]
_RBAC = "rbac.authorization.k8s.io"
_EXTENSIONS = "apiextensions.k8s.io"


def _cluster_role(name: str, rules: list[dict[str, Any]]) -> Obj:
    return {"apiVersion": f"{_RBAC}/v1", "kind": "ClusterRole", "metadata": {"name": name}, "rules": rules}


def _namespace(name: str, labels: dict[str, str] | None = None) -> Obj:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels or {}}}


def _definition(kind: Kind) -> Obj:
    """The CustomResourceDefinition of a kind that isn't built into Kubernetes."""
    names = {"plural": kind.plural, "singular": kind.singular, "kind": kind.kind, "listKind": f"{kind.kind}List"}
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    versions = [
        {"name": version, "served": True, "storage": version == kind.versions[0], "schema": schema} for version in kind.versions
    ]
    conditions = [
        {"type": kind_of_condition, "status": "True", "reason": "InitialNamesAccepted"}
        for kind_of_condition in ("NamesAccepted", "Established")
    ]
    return {
        "apiVersion": f"{_EXTENSIONS}/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{kind.group}"},
        "spec": {
            "group": kind.group,
            "scope": "Namespaced" if kind.namespaced else "Cluster",
            "names": names | ({"shortNames": list(kind.short)} if kind.short else {}),
            "versions": versions,
        },
        "status": {"conditions": conditions, "storedVersions": [kind.versions[0]]},
    }


def system_objects() -> list[Obj]:
    """The namespaces ``default`` and ``kube-system`` (with the label of a sandbox), ClusterRoles, CustomResourceDefinitions."""
    everything = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}
    return [
        _namespace("default"),
        _namespace("kube-system", {"meshtui.dev/sandbox": "true"}),
        _cluster_role("cluster-admin", [everything, {"nonResourceURLs": ["*"], "verbs": ["*"]}]),
        _cluster_role("admin", [everything]),
        _cluster_role("edit", [everything]),
        *(_definition(kind) for kind in KINDS if kind.custom and kind.group != _EXTENSIONS),
        _cluster_role("view", [{"apiGroups": ["*"], "resources": ["*"], "verbs": _READ}]),
    ]
