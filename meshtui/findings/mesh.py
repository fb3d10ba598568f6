"""What the rules about the mesh's own parts share: the report that they read, and repairs by a restart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime

from meshtui.findings.base import MESH
from meshtui.findings.context import Context
from meshtui.mesh.report import MeshReport
from meshtui.mesh.versions import minor_of, tag_of
from meshtui.model.enrolment import Capture, Enrolment
from meshtui.model.finding import Edit, Fix, Operation
from meshtui.model.ids import ObjectRef
from meshtui.model.workload import Pod

_RESTARTED = "kubectl.kubernetes.io/restartedAt"
"""The annotation of a pod template with which kubectl rollout restart makes a controller replace its pods."""
_ROLLS = frozenset({"Deployment", "StatefulSet", "DaemonSet"})
_NAMED = 3


def report_of(context: Context) -> MeshReport:
    """The report of the last look; an empty one without evidence."""
    found = context.evidence.get(MESH)
    return found if isinstance(found, MeshReport) else MeshReport()


def pods_that_are(context: Context, *captures: Capture) -> Iterator[tuple[ObjectRef, list[tuple[Pod, Enrolment]], int]]:
    """Workloads with pods in these states: the reference, those pods with their evidence, and the number of all its pods."""
    report = report_of(context)
    for workload, pods in context.workloads:
        found = [(pod, report.enrolments[pod.uid]) for pod in pods if pod.uid in report.enrolments]
        wanted = [(pod, each) for pod, each in found if each.capture in captures]
        if wanted:
            yield workload.ref, wanted, len(pods)


def named(texts: Iterable[str]) -> str:
    """The first texts, and how many more there are."""
    several = list(dict.fromkeys(texts))
    more = f" and {len(several) - _NAMED} more" if len(several) > _NAMED else ""
    return ", ".join(several[:_NAMED]) + more


def restart(context: Context, ref: ObjectRef, what: str) -> Fix | None:
    """A change that makes a controller replace its pods one after the other; None for what isn't a controller of that kind."""
    if ref.kind not in _ROLLS or ref not in context.snapshot.controllers_by_ref:
        return None
    at = report_of(context).at or datetime.now(UTC)
    path = ("spec", "template", "metadata", "annotations", _RESTARTED)
    operation = Operation("add", path, at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"))
    return Fix(f"restart {what}, as kubectl rollout restart does", (Edit(ref, (operation,)),))


def upgrade(context: Context, refs: Sequence[ObjectRef], wanted: str) -> Fix | None:
    """A restart of the DaemonSet of some ztunnels, if its template has the wanted minor version already; else None."""
    pods = [pod for ref in refs if (pod := context.snapshot.pod_by_key.get(f"{ref.namespace}/{ref.name}")) is not None]
    owners = {context.snapshot.owner_of(pod) for pod in pods}
    if len(owners) != 1:
        return None
    owner = owners.pop()
    controller = context.snapshot.controllers_by_ref.get(owner)
    minors = {minor_of(tag_of(image)) for image in controller.template.images} if controller is not None else set()
    if minor_of(wanted) is None or minor_of(wanted) not in minors:
        return None
    return restart(context, owner, "the ztunnels, one node after the other: their DaemonSet has the new image already")


def ztunnel_of(context: Context, nodes: Sequence[str]) -> tuple[ObjectRef, ...]:
    """The ztunnel pods on some nodes, as references."""
    return tuple(sorted(pod.meta.ref for pod in context.snapshot.ztunnels if pod.node in nodes))


def ztunnels(context: Context, node: str) -> tuple[ObjectRef, Fix | None]:
    """The object to which a fault of a node's ztunnel belongs, and its repair: the DaemonSet's restart.

    The object is the ztunnel's pod, or the Node where that isn't known.
    """
    found = ztunnel_of(context, [node])
    if not found:
        return ObjectRef("Node", "", node), None
    pod = context.snapshot.pod_by_key.get(f"{found[0].namespace}/{found[0].name}")
    owner = context.snapshot.owner_of(pod) if pod is not None else None
    words = f"the ztunnels, one node after the other (deleting {found[0].namespace}/{found[0].name} restarts this node's alone)"
    return found[0], restart(context, owner, words) if owner is not None else None
