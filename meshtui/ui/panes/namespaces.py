"""Namespaces: mesh mode, pods, policies, the worst finding."""

from __future__ import annotations

from collections import Counter
from functools import partial

from meshtui.model.finding import Finding
from meshtui.model.ids import ObjectRef, Uid
from meshtui.model.workload import MeshMode, Namespace
from meshtui.ui.document import BAD, DIM, OK, STRONG, WARN, Document, Section, facts, line, section
from meshtui.ui.finding_marks import SEVERITIES
from meshtui.ui.panes.base import Pane, changed_cell
from meshtui.ui.view import Shape, View
from meshtui.ui.widgets.table import Cell, Column, Row

_COLUMNS = (
    Column("NAME", keep=9, least=10),
    Column("MESH", keep=10, least=7),
    Column("PODS", keep=7, least=4, right=True),
    Column("AUTHZ", keep=5, least=5, right=True),
    Column("NETPOL", keep=5, least=6, right=True),
    Column("WORST FINDING", keep=7, least=5),
    Column("CHANGED", keep=2, least=7),
)
MODES = {
    MeshMode.AMBIENT: ("ambient", OK),
    MeshMode.SIDECAR: ("sidecar", OK),
    MeshMode.GATEWAY: ("gateway", OK),
    MeshMode.WANTED: ("! not captured", WARN),
    MeshMode.NONE: ("none", DIM),
}


def _mesh(namespace: Namespace, shape: Shape) -> Cell:
    """The mesh mode of a namespace's pods: one word if they agree."""
    modes = {mode for _, ended, mode in shape if not ended}
    if len(modes) == 1:
        return Cell(*MODES[modes.pop()])
    return Cell("mixed", WARN) if modes else Cell(namespace.labels.get("istio.io/dataplane-mode", "none"), DIM)


def _finding(worst: Finding | None) -> Cell:
    if worst is None:
        return Cell("-", DIM)
    mark, tone = SEVERITIES[worst.severity]
    return Cell(f"{mark} {worst.name}", tone)


def _rows(view: View) -> list[Row]:
    session = view.session
    snapshot, seen = session.snapshot, view.shapes()
    authz = Counter(p.meta.namespace for p in snapshot.authorization_policies.values())
    netpol = Counter(p.meta.namespace for p in snapshot.network_policies.values())
    worst = view.marks().worst_in
    rows = []
    with view.keeping(PANE.id) as kept:
        for namespace in sorted(snapshot.namespaces.values(), key=lambda n: n.name):
            name = namespace.name
            counts = (authz[name], netpol[name])
            made_of = (namespace, session.namespace == name, seen.get(name, ()), *counts, worst.get(name))
            rows.append(kept.row(namespace.meta.uid, made_of, partial(_row, *made_of)))
    return rows


def _row(namespace: Namespace, chosen: bool, shape: Shape, authz: int, netpol: int, worst: Finding | None) -> Row:
    return Row(
        namespace.meta.uid,
        (
            Cell(namespace.name, STRONG if chosen else ""),
            _mesh(namespace, shape),
            Cell(str(len(shape))),
            Cell(str(authz or "-"), "" if authz else DIM),
            Cell(str(netpol or "-"), "" if netpol else DIM),
            _finding(worst),
            changed_cell(namespace.meta),
        ),
    )


def _ref(view: View, uid: str) -> ObjectRef | None:
    session = view.session
    namespace = session.snapshot.namespaces.get(Uid(uid))
    return namespace.meta.ref if namespace else None


def _detail(view: View, uid: str) -> Document:
    session = view.session
    snapshot = session.snapshot
    namespace = snapshot.namespaces.get(Uid(uid))
    if namespace is None:
        return Document("gone")
    pods = snapshot.pods_by_namespace.get(namespace.name, ())
    modes = Counter(snapshot.mesh_mode(pod) for pod in pods if not pod.completed)
    shown = ", ".join(f"{count} {MODES[mode][0]}" for mode, count in modes.items()) or "no pods"
    sections: list[Section] = [
        Section("", facts(("mesh", shown), ("pods", f"{sum(p.ready for p in pods)} of {len(pods)} ready"))),
    ]
    found = [finding for finding in view.last_marks.findings if finding.namespace == namespace.name]
    if found:
        lines = [line((f"{SEVERITIES[f.severity][0]} {f.rule} ", SEVERITIES[f.severity][1]), f.message) for f in found]
        sections.append(Section("Findings", tuple(lines)))
    for title, policies in (
        ("AuthorizationPolicies", snapshot.authorization_policies),
        ("NetworkPolicies", snapshot.network_policies),
    ):
        names = sorted(p.meta.name for p in policies.values() if p.meta.namespace == namespace.name)
        state = snapshot.kind_state(title[:-3] + "y")
        lines = [line(name) for name in names] or [line(("none", DIM))]
        if state.message:
            lines = [line((f"{state.status.value}: {state.message}", BAD))]
        sections.append(Section(title, tuple(lines)))
    labels = [line(f"{key}={value}") for key, value in sorted(namespace.labels.items())]
    sections.append(section("Labels", *labels))
    return Document(f"Namespace {namespace.name}", tuple(sections))


PANE = Pane(
    id="namespaces",
    title="Namespaces",
    aliases=("namespaces", "namespace", "ns"),
    kind="Namespace",
    order=1,
    columns=_COLUMNS,
    glance=("NAME", "MESH", "PODS", "WORST FINDING"),
    members=lambda snapshot: ("" for _ in snapshot.namespaces),
    rows=_rows,
    ref_of=_ref,
    detail=_detail,
)
