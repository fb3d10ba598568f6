"""Changes that fix things, put together. Paths are as in the manifest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from meshtui.engine.path.layers import HBONE_PORT
from meshtui.findings.context import Context
from meshtui.model.finding import Change, Operation
from meshtui.model.ids import ObjectRef
from meshtui.model.workload import Pod

_POD_SPEC = ("spec", "template", "spec")
_WITH_TEMPLATE = {"Deployment", "StatefulSet", "DaemonSet"}
_OF_A_REVISION = ("pod-template-hash", "controller-revision-hash", "statefulset.kubernetes.io/", "apps.kubernetes.io/")
KUBELET = "169.254.7.127"
"""Where the kubelet's probes come from, as ambient shows them (istio.io: ambient, NetworkPolicy)."""


def identity_changes(context: Context, workload: ObjectRef, account: str) -> tuple[Change, ...]:
    """Run a workload as a ServiceAccount of its own, which is made where it is missing; none where that can't be patched."""
    if workload.kind not in _WITH_TEMPLATE:
        return ()
    wanted = ObjectRef("ServiceAccount", workload.namespace, account)
    known = any(a.meta.ref == wanted for a in context.snapshot.service_accounts.values())
    set_it = Change(workload, (Operation("add", (*_POD_SPEC, "serviceAccountName"), account),))
    return (set_it,) if known else (creation_of_account(wanted), set_it)


def creation_of_account(account: ObjectRef) -> Change:
    """Make a ServiceAccount."""
    return Change(account, create=_object("v1", account))


def image_change(workload: ObjectRef, container: int, image: str) -> Change:
    """Roll out another image of one container."""
    return Change(workload, (Operation("replace", (*_POD_SPEC, "containers", container, "image"), image),))


def appended(policy: ObjectRef, section: str, rule: Mapping[str, Any]) -> Change:
    """One more rule in a NetworkPolicy's ``ingress`` or ``egress``."""
    return Change(policy, (Operation("add", ("spec", section, "-"), rule),))


def tcp(*ports: int) -> list[dict[str, Any]]:
    """Port entries of a NetworkPolicy."""
    return [{"protocol": "TCP", "port": port} for port in dict.fromkeys(ports)]


def with_tunnel(port: int, *, tunnel: bool) -> list[dict[str, Any]]:
    """The application's port, and HBONE's beside it where the flow runs through it."""
    return tcp(port, HBONE_PORT) if tunnel else tcp(port)


def peer_of(context: Context, pod: Pod, home: str) -> dict[str, Any]:
    """A pod's workload as the peer of a NetworkPolicy in namespace ``home``."""
    peer: dict[str, Any] = {"podSelector": {"matchLabels": labels_of(context, pod)}}
    if pod.namespace != home:
        return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": pod.namespace}}, **peer}
    return peer


def labels_of(context: Context, pod: Pod) -> dict[str, str]:
    """The labels by which its controller finds a pod; for a bare pod, all that aren't of a revision."""
    controller = context.snapshot.tops.get(context.snapshot.owner_of(pod))
    if controller is not None and controller.selector is not None and controller.selector.labels:
        return dict(controller.selector.labels)
    return {key: value for key, value in sorted(pod.labels.items()) if not key.startswith(_OF_A_REVISION)}


def network_policy(ref: ObjectRef, labels: Mapping[str, str], ingress: Sequence[Mapping[str, Any]]) -> Change:
    """Make a NetworkPolicy that lets in what some rules say, and nothing else."""
    spec = {"podSelector": {"matchLabels": dict(labels)}, "policyTypes": ["Ingress"], "ingress": list(ingress)}
    return Change(ref, create={**_object("networking.k8s.io/v1", ref), "spec": spec})


def allow_policy(ref: ObjectRef, labels: Mapping[str, str], sources: Iterable[Mapping[str, Any]]) -> Change:
    """Make an AuthorizationPolicy that allows some sources, and nobody else."""
    rules = [{"from": [{"source": dict(source)} for source in sources]}]
    spec = {"selector": {"matchLabels": dict(labels)}, "action": "ALLOW", "rules": rules}
    return Change(ref, create={**_object("security.istio.io/v1", ref), "spec": spec})


def _object(version: str, ref: ObjectRef) -> dict[str, Any]:
    return {"apiVersion": version, "kind": ref.kind, "metadata": {"name": ref.name, "namespace": ref.namespace}}
