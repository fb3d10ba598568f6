"""MT206: a destination doesn't allow its own waypoint."""

from __future__ import annotations

from collections.abc import Iterator

from meshtui.engine.explain.wording import in_words
from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.findings.fixes import caller_edit
from meshtui.findings.waypoints import Behind, behind_waypoints
from meshtui.model.finding import Edit, Fix, Severity
from meshtui.model.ids import ObjectRef
from meshtui.model.verdict import Decision, Layer, Verdict
from meshtui.model.workload import Pod


def _look(context: Context) -> Iterator[Found]:
    """Behind a waypoint the destination's ztunnel sees the waypoint's identity (istio.io: waypoints, L4 policies)."""
    for behind in behind_waypoints(context):
        denials = list(_denials(context, behind))
        if not denials or denials[0][1].decided_by is None:
            continue
        denied, by = denials[0][1], denials[0][1].decided_by
        if denied.layer is Layer.ZTUNNEL:
            why = f"{in_words(denied.reason)}; every call of {behind.service.meta.ref} from the mesh ends at the waypoint"
        else:
            why = f"{by.ref} stops the waypoint on its way to the pods: every call from the mesh ends there"
        yield Found(
            (by.ref, behind.service.meta.ref, behind.waypoint.meta.ref),
            f"{by.ref} doesn't let {behind.waypoint.meta.ref} reach {behind.service.meta.ref}",
            why,
            None,
            len({context.snapshot.owner_of(pod) for pod in behind.pods}) * max(1, len(behind.service.ports)),
            _fix(context, behind, denials),
        )


def _denials(context: Context, behind: Behind) -> Iterator[tuple[Pod, Verdict]]:
    """The denials between the waypoint's pods and the Service's, each with the Service's pod."""
    for endpoint in behind.instances:
        for pod in behind.pods:
            for port in _ports(pod):
                verdict = context.engine.between(endpoint, context.endpoint(pod), port)
                if verdict.decision is Decision.DENY:
                    yield pod, verdict


def _ports(pod: Pod) -> tuple[int, ...]:
    return tuple(p.number for p in pod.ports if p.protocol == "TCP")


def _fix(context: Context, behind: Behind, denials: list[tuple[Pod, Verdict]]) -> Fix | None:
    """Allow the waypoint's identity at the workloads that deny it only because no rule allows it."""
    waypoint = behind.instances[0].pod
    if waypoint is None or any(d.layer is not Layer.ZTUNNEL or not d.decided_by or d.decided_by.rule for _, d in denials):
        return None
    identity = context.snapshot.principal_of(waypoint)
    ports: dict[ObjectRef, set[int]] = {}
    for pod, _ in denials:
        ports.setdefault(context.snapshot.owner_of(pod), set()).update(_ports(pod))
    edits = list[Edit]()
    for owner, numbers in sorted(ports.items()):
        taken = [each.ref.name for each in edits if each.ref.namespace == owner.namespace]
        edit = caller_edit(context, owner, identity, numbers, f"allow-{behind.waypoint.meta.name}-to-{owner.name}", taken)
        if edit is None:
            return None
        edits.append(edit)
    return Fix(f"allow {identity}", tuple(edits))


RULE = Rule(
    "MT206",
    "waypoint not allowed",
    Severity.ERROR,
    _look,
    ("AuthorizationPolicy", "Service", "Gateway", "NetworkPolicy"),
    partial=True,
    breaks=True,
)
