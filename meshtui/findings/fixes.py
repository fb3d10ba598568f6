"""Functions that build the edits of fixes. Paths are as in the manifest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from meshtui.engine.explain import manifests
from meshtui.engine.matching.selectors import matches
from meshtui.engine.whatif.narrow import free_name
from meshtui.findings.context import Context
from meshtui.model.constants import HBONE_PORT, REVISION_LABELS
from meshtui.model.finding import Edit, Fix, Operation
from meshtui.model.ids import ObjectRef
from meshtui.model.policy import NetworkPolicy
from meshtui.model.selectors import LabelSelector
from meshtui.model.workload import Pod

_POD_SPEC = ("spec", "template", "spec")
_WITH_TEMPLATE = {"Deployment", "StatefulSet", "DaemonSet"}
KUBELET = "169.254.7.127"
"""The source address of the kubelet's probes in ambient (istio.io: ambient, NetworkPolicy)."""


def identity_edits(context: Context, workload: ObjectRef, account: str) -> tuple[Edit, ...]:
    """The edits to run a workload as its own ServiceAccount, created if missing; none when the kind can't be patched."""
    if workload.kind not in _WITH_TEMPLATE:
        return ()
    wanted = ObjectRef("ServiceAccount", workload.namespace, account)
    known = any(a.meta.ref == wanted for a in context.snapshot.service_accounts.values())
    set_it = Edit(workload, (Operation("add", (*_POD_SPEC, "serviceAccountName"), account),))
    return (set_it,) if known else (creation_of_account(wanted), set_it)


def creation_of_account(account: ObjectRef) -> Edit:
    """The edit that creates a ServiceAccount."""
    return Edit(account, create=_object("v1", account))


def image_edit(workload: ObjectRef, container: int, image: str) -> Edit:
    """The edit that changes the image of one container."""
    return Edit(workload, (Operation("replace", (*_POD_SPEC, "containers", container, "image"), image),))


def appended(policy: ObjectRef, section: str, rule: Mapping[str, Any]) -> Edit:
    """The edit that appends a rule to a NetworkPolicy's ``ingress`` or ``egress``."""
    return Edit(policy, (Operation("add", ("spec", section, "-"), rule),))


def rule_edits(
    context: Context, policy: NetworkPolicy, section: str, rule: Mapping[str, Any], owners: Iterable[ObjectRef], purpose: str
) -> tuple[Edit, ...]:
    """The edits that give workloads a NetworkPolicy rule, and no other workload.

    The rule is appended to ``policy`` if that selects only these workloads, else each gets a new policy, named for its
    ``purpose``. Empty if a workload has no labels of its own.
    """
    wanted, home = set(owners), policy.meta.namespace
    if context.narrow.owners(policy.pod_selector, home) <= wanted:
        return (appended(policy.meta.ref, section, rule),)
    edits = []
    taken = {p.meta.name for p in context.snapshot.network_policies.values() if p.meta.namespace == home}
    for owner in sorted(wanted):
        labels = own_labels(context, owner)
        if labels is None:
            return ()
        ref = ObjectRef("NetworkPolicy", home, free_name(f"allow-{owner.name}-{purpose}-{section}", taken))
        taken.add(ref.name)
        edits.append(Edit(ref, create=manifests.new_network_policy(ref, labels, section, rule)))
    return tuple(edits)


def caller_edit(
    context: Context, owner: ObjectRef, identity: str, ports: Iterable[int], name: str, taken: Iterable[str] = ()
) -> Edit | None:
    """The edit that lets an identity in to one workload, which some ALLOW policy covers already, and to no other workload.

    It adds a rule to the workload's own ALLOW policy, or else creates a policy; None in the root namespace, where policies apply
    to the mesh, and for a workload without labels of its own. No ports means all ports. ``taken`` are the names of policies that
    other edits create.
    """
    if owner.namespace == context.snapshot.mesh.root_namespace:
        return None
    numbers = [str(port) for port in sorted(set(ports))]
    rule = manifests.caller_rule(identity, {"ports": numbers} if numbers else {})
    policies = [p for p in context.snapshot.authorization_policies.values() if p.meta.namespace == owner.namespace]
    selecting = [p for p in policies if p.action == "ALLOW" and not p.dry_run and context.narrow.is_own(p, owner)]
    pods = context.snapshot.workloads[owner].pods
    own = next((p for p in selecting if p.selector and all(matches(p.selector, pod.labels) for pod in pods)), None)
    if own is not None:
        return Edit(own.meta.ref, (Operation("add", ("spec", "rules", "-"), rule),))
    labels = own_labels(context, owner)
    if labels is None:
        return None
    ref = ObjectRef("AuthorizationPolicy", owner.namespace, free_name(name, (*taken, *(p.meta.name for p in policies))))
    return Edit(ref, create=manifests.new_authorization_policy(ref, {"selector": {"matchLabels": labels}}, rule))


def own_labels(context: Context, owner: ObjectRef) -> dict[str, str] | None:
    """The labels that only the running pods of a workload have; None without such labels, and without such pods."""
    workload = context.snapshot.workloads.get(owner)
    pod = next((pod for pod in workload.pods if not pod.completed), None) if workload else None
    return context.narrow.labels(pod) if pod else None


def opens_mesh(context: Context, fix: Fix) -> bool:
    """Whether a fix would create an AuthorizationPolicy in the root namespace, or edit an ALLOW policy there.

    Such a policy may apply to every workload of the mesh: its owner decides about it.
    """
    root = context.snapshot.mesh.root_namespace
    edits = [edit for edit in fix.edits if (edit.ref.kind, edit.ref.namespace) == ("AuthorizationPolicy", root)]
    return any(edit.create is not None or edit.ref in context.allowing for edit in edits)


def tcp(*ports: int) -> list[dict[str, Any]]:
    """Port entries of a NetworkPolicy for TCP ports."""
    return [{"protocol": "TCP", "port": port} for port in dict.fromkeys(ports)]


def with_tunnel(port: int, *, tunnel: bool) -> list[dict[str, Any]]:
    """Port entries for the application's port, and also for HBONE's if the flow is tunnelled."""
    return tcp(port, HBONE_PORT) if tunnel else tcp(port)


def peer_of(context: Context, pod: Pod, home: str) -> dict[str, Any]:
    """A pod's workload as the peer of a NetworkPolicy in namespace ``home``; ``named_with`` are the others that this names."""
    return manifests.pods_peer(labels_of(context, pod), pod.namespace, home)


def labels_of(context: Context, pod: Pod) -> dict[str, str]:
    """Labels that name the pod's workload, and no other if there are such labels.

    Else those with which its controller selects it; for a bare pod, all labels that aren't of a revision.
    """
    own = context.narrow.labels(pod)
    if own is not None:
        return own
    controller = context.snapshot.tops.get(context.snapshot.owner_of(pod))
    if controller is not None and controller.selector is not None and controller.selector.labels:
        return dict(controller.selector.labels)
    return {key: value for key, value in sorted(pod.labels.items()) if key not in REVISION_LABELS}


def named_with(context: Context, pod: Pod) -> list[ObjectRef]:
    """The workloads that ``labels_of`` a pod name, its own first."""
    own = context.snapshot.owner_of(pod)
    selector = LabelSelector(tuple(labels_of(context, pod).items()))
    return [own, *sorted(context.narrow.owners(selector, pod.namespace) - {own})]


def network_policy(ref: ObjectRef, labels: Mapping[str, str], ingress: Sequence[Mapping[str, Any]]) -> Edit:
    """The edit that creates a NetworkPolicy that allows some ingress rules, and nothing else."""
    spec = {"podSelector": {"matchLabels": dict(labels)}, "policyTypes": ["Ingress"], "ingress": list(ingress)}
    return Edit(ref, create={**_object("networking.k8s.io/v1", ref), "spec": spec})


def allow_policy(ref: ObjectRef, labels: Mapping[str, str], sources: Iterable[Mapping[str, Any]]) -> Edit:
    """The edit that creates an AuthorizationPolicy that allows some sources, and no others."""
    rules = [{"from": [{"source": dict(source)} for source in sources]}]
    spec = {"selector": {"matchLabels": dict(labels)}, "action": "ALLOW", "rules": rules}
    return Edit(ref, create={**_object("security.istio.io/v1", ref), "spec": spec})


def _object(version: str, ref: ObjectRef) -> dict[str, Any]:
    return {"apiVersion": version, "kind": ref.kind, "metadata": {"name": ref.name, "namespace": ref.namespace}}
