"""What every cluster has before anybody adds to it."""

from __future__ import annotations

from typing import Any

from meshtui.sandbox.ports import Obj

_READ = ["get", "list", "watch"]
_RBAC = "rbac.authorization.k8s.io"


def _cluster_role(name: str, rules: list[dict[str, Any]]) -> Obj:
    return {"apiVersion": f"{_RBAC}/v1", "kind": "ClusterRole", "metadata": {"name": name}, "rules": rules}


def _namespace(name: str, labels: dict[str, str] | None = None) -> Obj:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels or {}}}


def system_objects() -> list[Obj]:
    """Namespaces ``default`` and ``kube-system`` (which is labelled as a sandbox's) and the usual ClusterRoles."""
    everything = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}
    return [
        _namespace("default"),
        _namespace("kube-system", {"meshtui.dev/sandbox": "true"}),
        _cluster_role("cluster-admin", [everything, {"nonResourceURLs": ["*"], "verbs": ["*"]}]),
        _cluster_role("admin", [everything]),
        _cluster_role("edit", [everything]),
        _cluster_role("view", [{"apiGroups": ["*"], "resources": ["*"], "verbs": _READ}]),
    ]
