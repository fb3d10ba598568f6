"""A pane: one kind of object as a table, with the detail of the object under the cursor."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from meshtui.model.ids import ObjectRef
from meshtui.model.meta import Meta
from meshtui.model.snapshot import KindStatus, Snapshot
from meshtui.model.workload import Pod
from meshtui.session import Session
from meshtui.ui.document import DIM, WARN, Document, Line, line
from meshtui.ui.view import View
from meshtui.ui.widgets.table import Cell, Column, Row


@dataclass(frozen=True, slots=True)
class Pane:
    """One kind of object. ``aliases`` are words after ``:``; ``kind`` is the kind whose state is shown.

    ``members`` are the namespaces of all objects (empty where they have none); ``rows`` are the view's rows in the session's
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
    rows: Callable[[View], list[Row]]
    ref_of: Callable[[View, str], ObjectRef | None]
    detail: Callable[[View, str], Document]
    counted: Callable[[View], int] | None = None
    """How many there are, where the Snapshot alone doesn't say."""
    apart: Callable[[View, str], str] | None = None
    """Of a row, by its UID, in a word or two why it is counted apart; empty for the others. None: all are counted together."""
    glance: tuple[str, ...] = ()
    """The titles of the columns that are shown where the pane is narrow; empty: all."""
    nothing: str = ""
    """The text of an empty pane, if it isn't about an answer of the API server."""
    kinds: Mapping[str, str] = field(default_factory=dict)
    """Those aliases that mean only some of the rows, each with the filter for them."""
    tab: bool = True
    """Whether it has a tab; else only its aliases lead to it."""
    opened: Callable[[Session], None] = lambda _: None
    """Called when the pane is shown."""

    def count(self, view: View) -> int:
        """How many objects there are in the session's namespace."""
        if self.counted is not None:
            return self.counted(view)
        session = view.session
        return sum(not namespace or in_scope(session, namespace) for namespace in self.members(session.snapshot))

    def count_apart(self, view: View) -> int:
        """How many rows there are beside those that are counted."""
        return len(self.rows(view)) - self.count(view) if self.apart is not None else 0

    def tally(self, view: View, rows: Sequence[Row]) -> Mapping[str, int]:
        """How many of some rows there are, by the word of those that are counted apart; first the others, by an empty word."""
        if self.apart is None:
            return {"": len(rows)}
        found = Counter(self.apart(view, row.uid) for row in rows)
        return {"": found[""], **dict(sorted(found.items()))}


def in_scope(session: Session, namespace: str) -> bool:
    """Whether an object of this namespace is shown."""
    return not session.namespace or session.namespace == namespace


def changed_cell(meta: Meta) -> Cell:
    """The age of the last change, and its field manager."""
    at = meta.changed or meta.created
    if at is None:
        return Cell("-", DIM)
    return Cell(f" {meta.manager}" if meta.manager else "", DIM, since=at)


def policies_known(session: Session, *kinds: str) -> str:
    """Which kinds can't be read completely, and why, as one text; empty if all are known."""
    blind = {KindStatus.FORBIDDEN, KindStatus.LOADING, KindStatus.EXPIRED, KindStatus.UNREACHABLE, KindStatus.BROKEN}
    states = [(kind, session.snapshot.kind_state(kind)) for kind in kinds]
    return ", ".join(f"{kind}: {state.status.value}" for kind, state in states if state.status in blind)


MOST_WORKLOADS = 20


def workloads_hit(snapshot: Snapshot, pods: Iterable[Pod]) -> tuple[Line, ...]:
    """The workloads that a policy selects. If it selects only some pods of a workload, the line says how many."""
    hit = Counter(snapshot.owner_of(pod) for pod in pods)
    lines = []
    for ref, count in sorted(hit.items())[:MOST_WORKLOADS]:
        workload = snapshot.workloads.get(ref)
        running = sum(not pod.completed for pod in workload.pods) if workload else count
        part = f"  only {count} of {running} pods" if count < running else ""
        lines.append(line(ref, (part, WARN)))
    if len(hit) > MOST_WORKLOADS:
        lines.append(line((f"and {len(hit) - MOST_WORKLOADS} more workloads", DIM)))
    return tuple(lines)
