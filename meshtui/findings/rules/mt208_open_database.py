"""MT208: a database without protection."""

from __future__ import annotations

from collections.abc import Iterator

from meshtui.engine.explain.own_manifests import Opening
from meshtui.engine.policy.networkpolicy import Direction
from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.findings.fixes import KUBELET, allow_policy, labels_of, named_with, network_policy, own_labels, peer_of, with_tunnel
from meshtui.findings.own_fixes import own_policy_edit
from meshtui.findings.pods import DATABASES, closed_by_default, guarded
from meshtui.model.constants import HBONE_PORT
from meshtui.model.finding import Fix, Severity
from meshtui.model.ids import ObjectRef
from meshtui.model.verdict import Decision
from meshtui.model.workload import MeshMode, Pod

__all__ = ["DATABASES", "RULE"]


def _look(context: Context) -> Iterator[Found]:
    """No policy of the mesh or for ingress keeps strangers out, and some workload gets in; if none does, a layer protects it."""
    for workload, pods in context.workloads:
        for pod in pods:
            port = next((p.number for p in pod.ports if p.number in DATABASES), None)
            if port is None or guarded(context, pod, port) or context.isolated(pod, Direction.INGRESS):
                continue
            if closed_by_default(context, pod):
                continue
            others, allowed = _callers(context, pod, port, workload.ref)
            if others and not allowed:
                continue
            yield Found(
                (workload.ref,),
                f"{workload.ref} serves {DATABASES[port]} ({port}) to every pod of the cluster",
                "no AuthorizationPolicy keeps strangers out, and no ingress NetworkPolicy selects it: "
                f"{allowed} of {others} other workloads reach it{_example(context, pod, port)}",
                flows=allowed,
                fix=_fix(context, pod, port, workload.ref),
            )
            break


def _callers(context: Context, pod: Pod, port: int, own: ObjectRef) -> tuple[int, int]:
    """The number of other workloads, and the number of them that reach the port."""
    target = context.matrix.class_of(pod.key)
    if target is None:
        return 0, 0
    others: set[ObjectRef] = set()
    allowed: set[ObjectRef] = set()
    for source, cell in zip(context.classes, context.matrix.column(target), strict=True):
        others |= context.owners(source)
        if context.decided(source, target, port, cell).decision is Decision.ALLOW:
            allowed |= context.owners(source)
    return len(others - {own}), len(allowed - {own})


def _example(context: Context, pod: Pod, port: int) -> str:
    """The most remote workload that reaches the port: outside the mesh and in another namespace."""
    target = context.matrix.class_of(pod.key)
    if target is None:
        return ""
    for source in context.classes:
        space = source.endpoint.namespace
        outside = source.endpoint.mode is MeshMode.NONE and source.endpoint.membership is None
        far = outside and space not in {
            pod.namespace,
            context.snapshot.mesh.root_namespace,
            "kube-system",
        }
        if far and source.pods and context.decided(source, target, port).decision is Decision.ALLOW:
            return f", {min(context.owners(source))} among them, which is in no mesh"
    return ""


def _fix(context: Context, pod: Pod, port: int, workload: ObjectRef) -> Fix | None:
    """Allow the workloads that are configured to call it; if there are none, its own namespace.

    None if no label tells the database from other pods: the policies would close and open those, too.
    """
    calls = [c for c in context.calls if any(target.key == pod.key for target, _ in c.targets)]
    callers = {context.snapshot.owner_of(c.source): c.source for c in calls}
    home, labels = pod.namespace, own_labels(context, workload)
    if labels is None:
        return None
    ambient = context.snapshot.mesh_mode(pod) is MeshMode.AMBIENT
    peers = [peer_of(context, caller, home) for _, caller in sorted(callers.items())] or [{"podSelector": {}}]
    ingress: list[dict[str, object]] = [{"from": peers, "ports": with_tunnel(port, tunnel=ambient)}]
    if ambient:
        ingress.append({"from": [{"ipBlock": {"cidr": f"{KUBELET}/32"}}]})
    ports = (("TCP", port), ("TCP", HBONE_PORT)) if ambient else (("TCP", port),)
    calling = [caller for _, caller in sorted(callers.items())]
    openings = [Opening("ingress", labels_of(context, each), each.namespace, "", ports) for each in calling]
    openings = openings or [Opening("ingress", {}, home, "", ports)]
    openings += [Opening("ingress", None, "", KUBELET, ())] if ambient else []
    own = own_policy_edit(context, workload, f"{workload.name}-netpol", openings)
    edits = [own or network_policy(ObjectRef("NetworkPolicy", home, f"{workload.name}-netpol"), labels, ingress)]
    if ambient:
        namespaces = sorted({home, *(caller.namespace for caller in callers.values())})
        policy = ObjectRef("AuthorizationPolicy", home, f"{workload.name}-policy")
        edits.insert(0, allow_policy(policy, labels, [{"namespaces": namespaces}]))
    let_in = {ref for caller in callers.values() for ref in named_with(context, caller)}
    who = ", ".join(ref.name for ref in sorted(let_in)) or f"namespace {home}"
    return Fix(f"let in {who}, and nobody else", tuple(edits))


RULE = Rule("MT208", "open database", Severity.ERROR, _look, ("NetworkPolicy", "AuthorizationPolicy"))
