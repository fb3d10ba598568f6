"""MT204: a policy covers a workload that isn't in the mesh, so it isn't enforced there."""

from __future__ import annotations

from collections.abc import Iterator

from meshtui.engine.classes.classifier import PodClass
from meshtui.engine.policy.authorization import reaches_ztunnel
from meshtui.findings.authz import policies
from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.model.constants import NOT_CAPTURED
from meshtui.model.finding import Severity
from meshtui.model.ids import ObjectRef
from meshtui.model.membership import is_half_captured
from meshtui.model.workload import Pod


def _look(context: Context) -> Iterator[Found]:
    """Policies of the root namespace are skipped: they apply to whatever is in the mesh. Other policies mean their pods.

    Where it isn't known whether the pods are in the mesh, it is an info. Pods that istio-cni is about to capture are in it.
    """
    root = context.snapshot.mesh.root_namespace
    for policy in policies(context):
        if not reaches_ztunnel(policy) or policy.meta.namespace == root:
            continue
        covered = [m for m in context.covered(policy) if m.pods]
        on_nodes = policy.selector is not None and all(_on_node(m.endpoint.pod) for m in covered)
        outside = [m for m in covered if m.endpoint.mode in NOT_CAPTURED and not _is_left_out(m.endpoint.pod, on_nodes=on_nodes)]
        surely = [m for m in outside if m.endpoint.membership is None]
        owners = context.owners_of(surely)
        if not owners:
            yield from _perhaps(context, policy.meta.ref, outside)
            continue
        names = ", ".join(map(str, owners[:3])) + (" …" if len(owners) > 3 else "")
        some = "only in part: " if len(surely) < len(covered) else ""
        yield Found(
            (policy.meta.ref, *owners),
            f"{policy.meta.ref} is enforced {some or 'nowhere: '}{names} {'is' if len(owners) == 1 else 'are'} not in the mesh",
            "no ztunnel, sidecar or waypoint stands before it: what the policy denies gets in",
        )


def _on_node(pod: Pod | None) -> bool:
    return pod is not None and pod.host_network


def _is_left_out(pod: Pod | None, *, on_nodes: bool) -> bool:
    """Pods on their nodes' network are meant by a policy only if its selector selects no others."""
    return pod is not None and (is_half_captured(pod) or (pod.host_network and not on_nodes))


def _perhaps(context: Context, policy: ObjectRef, outside: list[PodClass]) -> Iterator[Found]:
    owners = context.owners_of(outside)
    if owners:
        names = ", ".join(map(str, owners[:3])) + (" …" if len(owners) > 3 else "")
        yield Found(
            (policy, *owners),
            f"{policy}: it isn't known whether {names} {'is' if len(owners) == 1 else 'are'} in the mesh, where it is enforced",
            "neither a label of its Namespace nor the annotation of istio-cni says so: outside the mesh, what it denies gets in",
            Severity.INFO,
        )


RULE = Rule("MT204", "policy on an un-meshed workload", Severity.WARNING, _look, ("AuthorizationPolicy",), partial=True)
