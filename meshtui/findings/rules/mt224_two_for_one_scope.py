"""MT224: several PeerAuthentications for the mesh, one namespace or one workload: only one of them counts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from meshtui.engine.policy.peer_authentication import LENIENT
from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.model.finding import Severity
from meshtui.model.ids import ObjectRef
from meshtui.model.policy import PeerAuthentication
from meshtui.model.workload import MeshMode


def _look(context: Context) -> Iterator[Found]:
    """The oldest counts. An error if a STRICT one loses to a lenient one, which is certain only if their ages are known."""
    root = context.snapshot.mesh.root_namespace
    told: set[tuple[ObjectRef, ...]] = set()
    for namespace, policies in sorted(context.peer_authentication.without_selector().items()):
        if len(policies) > 1:
            yield _found(policies, "the mesh" if namespace == root else f"namespace {namespace}")
    for workload, pods in context.workloads:
        for pod in pods:
            several = context.peer_authentication.selecting(pod)
            refs = tuple(sorted(policy.meta.ref for policy in several))
            if len(several) > 1 and refs not in told and context.snapshot.mesh_mode(pod) is not MeshMode.NONE:
                told.add(refs)
                yield _found(several, str(workload.ref))


def _found(policies: Sequence[PeerAuthentication], scope: str) -> Found:
    winner, second = policies[0], policies[1]
    refs = [policy.meta.ref for policy in policies]
    differ = [p for p in policies[1:] if (p.mode, p.port_modes) != (winner.mode, winner.port_modes)]
    known = winner.meta.created is not None and second.meta.created is not None and winner.meta.created < second.meta.created
    said = ", ".join(f"{policy.meta.ref} says {policy.mode}" for policy in policies)
    if known:
        others = ", ".join(map(str, refs[1:]))
        why = f"the oldest counts, {winner.meta.ref} ({winner.mode}): {others} {'has' if len(refs) == 2 else 'have'} no effect"
    else:
        why = f"the one that was created first counts, and nothing here says which that is: {said}"
    lost = known and winner.mode in LENIENT and any(policy.mode == "STRICT" for policy in differ)
    return Found(
        (*refs[1:], winner.meta.ref),
        f"{len(refs)} PeerAuthentications are for {scope}, and one counts: {', '.join(map(str, refs))}",
        why,
        Severity.INFO if not differ else Severity.ERROR if lost else None,
    )


RULE = Rule("MT224", "two for one scope", Severity.WARNING, _look, ("PeerAuthentication",), partial=True)
