"""What a pane is: one kind of object as a table, and what is said about the one under the cursor."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from meshtui.model.ids import ObjectRef
from meshtui.model.meta import Meta
from meshtui.model.snapshot import KindStatus, Snapshot
from meshtui.model.workload import Pod
from meshtui.session import Session
from meshtui.widgets.document import DIM, WARN, Document, Line, line
from meshtui.widgets.table import Cell, Column, Row


@dataclass(frozen=True, slots=True)
class Pane:
    """One kind of object. ``aliases`` are what one may type after ``:``; ``kind`` is whose state tells how it is known.

    ``members`` are the namespaces of all objects (empty where they have none); ``rows`` are a session's rows in its
    namespace; ``ref_of`` finds the object behind a UID; ``detail`` is what the pane beside the table says (it may take a
    while: it is called in a thread).
    """

    id: str
    title: str
    aliases: tuple[str, ...]
    kind: str
    order: int
    columns: tuple[Column, ...]
    members: Callable[[Snapshot], Iterable[str]]
    rows: Callable[[Session], list[Row]]
    ref_of: Callable[[Session, str], ObjectRef | None]
    detail: Callable[[Session, str], Document]
    counted: Callable[[Session], int] | None = None
    """How many there are, where the Snapshot alone doesn't say."""
    nothing: str = ""
    """What it means that there are none, where it isn't an answer of the API server."""

    def count(self, session: Session) -> int:
        """How many objects there are in the session's namespace."""
        if self.counted is not None:
            return self.counted(session)
        return sum(not namespace or in_scope(session, namespace) for namespace in self.members(session.snapshot))


def in_scope(session: Session, namespace: str) -> bool:
    """Whether an object of this namespace is shown."""
    return not session.namespace or session.namespace == namespace


def changed_cell(meta: Meta) -> Cell:
    """How long ago an object was changed, and by whom."""
    at = meta.changed or meta.created
    if at is None:
        return Cell("-", DIM)
    return Cell(f" {meta.manager}" if meta.manager else "", DIM, since=at)


def policies_known(session: Session, *kinds: str) -> str:
    """Why policies of some kinds may be missing from an answer, or empty."""
    blind = {KindStatus.FORBIDDEN, KindStatus.LOADING, KindStatus.EXPIRED, KindStatus.UNREACHABLE, KindStatus.BROKEN}
    states = [(kind, session.snapshot.kind_state(kind)) for kind in kinds]
    return ", ".join(f"{kind}: {state.status.value}" for kind, state in states if state.status in blind)


MOST_WORKLOADS = 20


def workloads_hit(snapshot: Snapshot, pods: Iterable[Pod]) -> tuple[Line, ...]:
    """The workloads of a policy's pods: who else is hit when it changes. One of which it selects only some pods says so."""
    hit = Counter(snapshot.owner_of(pod) for pod in pods)
    lines = []
    for ref, count in sorted(hit.items())[:MOST_WORKLOADS]:
        workload = snapshot.workloads.get(ref)
        running = sum(not pod.completed for pod in workload.pods) if workload else count
        part = f"  only {count} of {running} pods" if count < running else ""
        lines.append(line(str(ref), (part, WARN)))
    if len(hit) > MOST_WORKLOADS:
        lines.append(line((f"and {len(hit) - MOST_WORKLOADS} more workloads", DIM)))
    return tuple(lines)
