"""The pods of meshtui's own probes, which all other panes, counts and findings leave out."""

from __future__ import annotations

from meshtui.model.ids import ObjectRef, Uid
from meshtui.ui.document import DIM, OK, WARN, Document, Section, facts, line
from meshtui.ui.panes.base import Pane, in_scope
from meshtui.ui.view import View
from meshtui.ui.widgets.table import Cell, Column, Row

_COLUMNS = (
    Column("NAMESPACE", keep=6, least=9, brief="NS"),
    Column("NAME", keep=9, least=14),
    Column("IDENTITY", keep=7, least=8),
    Column("STATUS", keep=8, least=7),
    Column("NODE", keep=4, least=6),
    Column("AGE", keep=5, least=3),
)


def _rows(view: View) -> list[Row]:
    session = view.session
    pods = sorted(session.snapshot.own_probes.values(), key=lambda pod: pod.key)
    return [
        Row(
            pod.uid,
            (
                Cell(pod.namespace),
                Cell(pod.name),
                Cell(f"sa/{pod.service_account}"),
                Cell(pod.status, OK if pod.ready else WARN),
                Cell(pod.node or "-", DIM),
                Cell("", DIM, since=pod.meta.created) if pod.meta.created else Cell("-", DIM),
            ),
        )
        for pod in pods
        if in_scope(session, pod.namespace)
    ]


def _detail(view: View, uid: str) -> Document:
    pod = view.session.snapshot.own_probes.get(Uid(uid))
    if pod is None:
        return Document("gone")
    known = facts(("status", pod.status), ("identity", f"sa/{pod.service_account}"), ("node", pod.node or "none"))
    why = line(("it is removed when its probe ends; meshtui clean removes what an interrupted one left", DIM))
    return Document(str(pod.meta.ref), (Section("", known), Section("Why it is here", (why,))))


def _ref(view: View, uid: str) -> ObjectRef | None:
    pod = view.session.snapshot.own_probes.get(Uid(uid))
    return pod.meta.ref if pod is not None else None


PANE = Pane(
    id="probes",
    title="Own probes",
    aliases=("probes",),
    kind="Pod",
    order=9,
    columns=_COLUMNS,
    glance=("NAME", "IDENTITY", "STATUS"),
    members=lambda snapshot: (pod.namespace for pod in snapshot.own_probes.values()),
    rows=_rows,
    ref_of=_ref,
    detail=_detail,
    nothing="no pod of a probe is here: they live for seconds, while a probe runs",
    tab=False,
)
