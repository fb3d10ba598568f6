"""Services, with the workloads behind them."""

from __future__ import annotations

from functools import partial

from meshtui.engine.policy.unmodelled import USE_WAYPOINT
from meshtui.model.ids import ObjectRef, Uid
from meshtui.model.snapshot import Snapshot
from meshtui.model.workload import Pod, Service
from meshtui.ui.document import DIM, WARN, Document, Line, Section, facts, line
from meshtui.ui.finding_marks import BADGE, badge_cell, findings_about
from meshtui.ui.panes.base import Pane, in_scope, workloads_hit
from meshtui.ui.view import View
from meshtui.ui.widgets.table import Cell, Column, Row

_COLUMNS = (
    BADGE,
    Column("NAMESPACE", keep=6, least=9, brief="NS"),
    Column("NAME", keep=9, least=14),
    Column("TYPE", keep=5, least=6),
    Column("PORTS", keep=7, least=6),
    Column("READY", keep=8, least=5, right=True),
    Column("WAYPOINT", keep=3, least=8),
    Column("AGE", keep=1, least=3),
)


def _rows(view: View) -> list[Row]:
    session = view.session
    snapshot, worst = session.snapshot, view.marks().worst
    resolver = session.engine.resolver
    rows = []
    with view.keeping(PANE.id) as kept:
        for service in sorted(snapshot.services.values(), key=lambda s: (s.meta.namespace, s.meta.name)):
            if in_scope(session, service.meta.namespace):
                pods = tuple(resolver.backends(service))
                badge, waypoint = badge_cell(worst, service.meta.ref), _waypoint(snapshot, service)
                made_of = (service, pods, badge, waypoint)
                rows.append(kept.row(service.meta.uid, made_of, partial(_row, *made_of)))
    return rows


def _waypoint(snapshot: Snapshot, service: Service) -> str:
    """The waypoint that the Service, or its namespace, asks for; empty for none."""
    namespace = snapshot.namespace_by_name.get(service.meta.namespace)
    wanted = service.meta.labels.get(USE_WAYPOINT) or (namespace.labels.get(USE_WAYPOINT, "") if namespace else "")
    return "" if wanted == "none" else wanted


def _row(service: Service, pods: tuple[Pod, ...], badge: Cell, waypoint: str) -> Row:
    ready = sum(pod.ready for pod in pods)
    ports = ", ".join(_port(service, index) for index in range(len(service.ports)))
    backed = Cell(f"{ready}/{len(pods)}", "" if ready else WARN) if service.type != "ExternalName" else Cell("-", DIM)
    return Row(
        service.meta.uid,
        (
            badge,
            Cell(service.meta.namespace),
            Cell(service.meta.name),
            Cell("headless" if service.headless else service.type, DIM),
            Cell(ports or "-"),
            backed,
            Cell(waypoint or "-", DIM),
            Cell("", DIM, since=service.meta.created) if service.meta.created else Cell("-", DIM),
        ),
    )


def _port(service: Service, index: int) -> str:
    port = service.ports[index]
    return f"{port.number}" + ("" if port.protocol == "TCP" else f"/{port.protocol}")


def _detail(view: View, uid: str) -> Document:
    snapshot = view.session.snapshot
    service = snapshot.services.get(Uid(uid))
    if service is None:
        return Document("gone")
    pods = view.session.engine.resolver.backends(service)
    known = [("type", "headless" if service.headless else service.type), ("address", ", ".join(service.cluster_ips) or "none")]
    known += [("goes to", service.external_name)] if service.external_name else []
    known += [("waypoint", waypoint)] if (waypoint := _waypoint(snapshot, service)) else []
    ports: list[Line] = [
        line(_port(service, index), (f"  {port.name}  → {port.target or port.number} of the pods", DIM))
        for index, port in enumerate(service.ports)
    ]
    nobody = line(("nothing: no ready pod is selected, so connections are refused", WARN))
    sections = [
        Section("", facts(*known)),
        *findings_about(view.last_marks, service.meta.ref),
        Section("Ports", tuple(ports)),
        Section("Behind it", workloads_hit(snapshot, pods) or (nobody,)),
    ]
    return Document(str(service.meta.ref), tuple(sections))


def _ref(view: View, uid: str) -> ObjectRef | None:
    service = view.session.snapshot.services.get(Uid(uid))
    return service.meta.ref if service is not None else None


PANE = Pane(
    id="services",
    title="Services",
    aliases=("services", "service", "svc"),
    kind="Service",
    order=8,
    columns=_COLUMNS,
    glance=("", "NAMESPACE", "NAME", "PORTS", "READY"),
    members=lambda snapshot: (service.meta.namespace for service in snapshot.services.values()),
    rows=_rows,
    ref_of=_ref,
    detail=_detail,
    tab=False,
)
