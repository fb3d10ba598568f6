"""Which pods are ztunnels. Everybody can give a pod their label, so the label alone says nothing.

A ztunnel has the label ``app=ztunnel``, belongs to a DaemonSet, and runs in a namespace of the mesh itself, where only those who
run the mesh create pods:

- the mesh's root namespace, the one in which its configuration is, ``istio-system`` and ``kube-system``;
- a namespace whose account istiod trusts to speak for the pods of a node, where an istiod in one of those says so
  (``CA_TRUSTED_NODE_ACCOUNTS``, ``trustedZtunnelNamespace`` of its chart): without that, a ztunnel gets no certificates;
- the namespaces that the setting ``mesh.ztunnel_namespaces`` names, for control planes that aren't in the cluster.

Sources (istio/istio): cni/pkg/util/podutil.go IsZtunnelPod (label and system namespace), security/pkg/server/ca/node_auth.go.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from meshtui.model.workload import Pod

SYSTEM = frozenset({"istio-system", "kube-system"})
"""Namespaces of the mesh, however it is installed."""
TRUSTED_ACCOUNTS = "CA_TRUSTED_NODE_ACCOUNTS"
"""istiod's variable with the accounts that may speak for the pods of their node: NAMESPACE/NAME, with commas between."""
_LABEL, _NAME = "app", "ztunnel"


def has_label(labels: Mapping[str, str]) -> bool:
    """Whether labels are those of a ztunnel, which anybody's pod may have."""
    return labels.get(_LABEL) == _NAME


def trusted(environments: Iterable[Mapping[str, str]]) -> frozenset[str]:
    """The namespaces of the accounts that istiods trust, by their variables."""
    accounts = (each.strip() for env in environments for each in env.get(TRUSTED_ACCOUNTS, "").split(","))
    return frozenset(each.partition("/")[0] for each in accounts if "/" in each.strip("/"))


def why_none(pod: Pod, namespaces: Collection[str]) -> str:
    """Why a pod is no ztunnel, or empty. ``namespaces`` are those of the mesh (``Snapshot.ztunnel_namespaces``)."""
    if not has_label(pod.labels):
        return "it hasn't the label app=ztunnel"
    if pod.namespace not in namespaces:
        return f"{pod.namespace} isn't known to be the mesh's, and no istiod there is known to trust its ztunnels"
    return "" if of_daemon_set(pod) else "it belongs to no DaemonSet"


def of_daemon_set(pod: Pod) -> bool:
    """Whether a pod belongs to a DaemonSet."""
    return pod.controller is not None and pod.controller.kind == "DaemonSet"


def is_ztunnel(pod: Pod, namespaces: Collection[str]) -> bool:
    """Whether a pod is a ztunnel. ``namespaces`` are those of the mesh (``Snapshot.ztunnel_namespaces``)."""
    return not why_none(pod, namespaces)
