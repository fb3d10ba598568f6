"""The mesh's own parts: each node's ztunnel, what it has captured, its certificates, and where it differs."""

from __future__ import annotations

from functools import partial

from meshtui.mesh.discovery import Seen
from meshtui.mesh.enrolment import supposed
from meshtui.mesh.report import CertificateProblem, Difference, MeshReport, NodeState
from meshtui.mesh.versions import tag_of
from meshtui.model.enrolment import Capture, Enrolment
from meshtui.model.ids import ObjectRef
from meshtui.model.workload import Pod
from meshtui.session import Session
from meshtui.ui.document import BAD, DIM, OK, STRONG, WARN, Document, Line, Section, facts, line
from meshtui.ui.panes.base import Pane
from meshtui.ui.view import View
from meshtui.ui.widgets.table import Cell, Column, Row

_COLUMNS = (
    Column("NODE", keep=9, least=10),
    Column("ZTUNNEL", keep=2, least=12),
    Column("VERSION", keep=4, least=6),
    Column("READY", keep=6, least=5),
    Column("ISTIOD", keep=5, least=6),
    Column("CAPTURED", keep=8, least=8, right=True),
    Column("CERTS", keep=7, least=5, right=True),
    Column("DRIFT", keep=8, least=5, right=True),
    Column("LOOKED", keep=1, least=6),
)
_MOST = 20
"""The most lines of one section."""
CAPTURES = {
    Capture.PROVEN: ("proven", OK),
    Capture.UNPROVEN: ("unproven", DIM),
    Capture.PENDING: ("pending", BAD),
    Capture.LOST: ("lost", BAD),
}
"""The words for the states of a pod's capture."""


def enrolment_line(pod: Pod, enrolment: Enrolment, not_shown: str = "") -> Line:
    """A pod with the state of its capture and the evidence for it; ``not_shown``: why a probe showed nothing."""
    word, tone = CAPTURES[enrolment.capture]
    seen = "; ".join(dict.fromkeys(each.text for each in enrolment.evidence)) or "only its labels and annotation say so"
    probe = f"; a probe showed nothing: {not_shown}" if not_shown and enrolment.capture is Capture.UNPROVEN else ""
    return line(pod.name, (f"  {word}", tone), (f"  {seen}{probe}", DIM))


def _states(session: Session) -> list[NodeState]:
    """The nodes of the last look; before one, those that have a ztunnel or pods for it, of which nothing is known yet."""
    if session.mesh.report.nodes:
        return list(session.mesh.report.nodes)
    snapshot = session.snapshot
    if not snapshot.live:
        return []
    counts = supposed(snapshot)
    ztunnels = {pod.node: pod for pod in snapshot.ztunnels}
    nodes = sorted({*counts, *ztunnels} if Seen(snapshot).reads_all("Pod") else ztunnels)  # else one may be there unseen
    return [_unseen(node, ztunnels.get(node), counts[node]) for node in nodes]


def _unseen(node: str, ztunnel: Pod | None, supposed: int) -> NodeState:
    tag = tag_of(ztunnel.images[0]) if ztunnel is not None and ztunnel.images else ""
    key, ready = (ztunnel.key, ztunnel.ready) if ztunnel is not None else ("", None)
    problems = () if ztunnel is not None else ("no ztunnel runs here",)
    return NodeState(node, key, tag, ready, None, supposed, None, 0, None, None, None, problems)


def _rows(view: View) -> list[Row]:
    with view.keeping(PANE.id) as kept:
        return [kept.row(each.node, (each,), partial(_row, each)) for each in _states(view.session)]


def _row(state: NodeState) -> Row:
    captured, supposed = state.captured, state.supposed
    some = "?" if captured is None else str(captured)
    counts = f"{some}/{supposed}" if supposed is not None else some
    short = captured is not None and supposed is not None and captured < supposed
    ready = {True: Cell("yes"), False: Cell("no", BAD), None: Cell("-", DIM)}[state.ready]
    behind = {True: Cell("behind", BAD), False: Cell("synced"), None: Cell("-", DIM)}[state.behind]
    certificates = "-" if state.certificates is None else f"{state.certificates}{'?' if state.unjudged else ''}"
    drift = "-" if state.drift is None else f"{state.drift}{'?' if state.not_compared else ''}"
    problem = bool(state.problems)
    return Row(
        state.node,
        (
            Cell(state.node, WARN if problem else ""),
            Cell(state.ztunnel or "none", DIM if state.ztunnel else BAD, short=state.ztunnel.partition("/")[2]),
            Cell(state.version or "-", "" if state.version else DIM),
            ready,
            behind,
            Cell(counts, BAD if short else ""),
            Cell(f"✗{state.faulty} {certificates}" if state.faulty else certificates, BAD if state.faulty else ""),
            Cell(drift, BAD if state.drift else ("" if drift == "0" else DIM)),
            Cell("", DIM, since=state.at) if state.at is not None else Cell("-", DIM),
        ),
    )


def _state(session: Session, uid: str) -> NodeState | None:
    return next((each for each in _states(session) if each.node == uid), None)


def _ref(view: View, uid: str) -> ObjectRef | None:
    state = _state(view.session, uid)
    if state is None:
        return None
    namespace, _, name = state.ztunnel.partition("/")
    return ObjectRef("Pod", namespace, name) if name else ObjectRef("Node", "", state.node)


def _detail(view: View, uid: str) -> Document:
    session = view.session
    state = _state(session, uid)
    if state is None:
        return Document("gone")
    report = session.mesh.report
    sections = [Section("", facts(*_facts(state)))]
    problems = [*state.problems, *([session.mesh.problem] if session.mesh.problem else [])]
    if problems:
        sections.append(Section("Not read", tuple(line((each, WARN)) for each in problems)))
    if report.at is None:
        words = "the ztunnels are being asked" if session.mesh.looking else "nobody has asked the ztunnels yet"
        sections.append(Section("", (line((words, DIM)),)))
    if session.mesh.proving:
        sections.append(Section("", (line((f"port 15008 of {session.mesh.proving} pod(s) is being asked", WARN)),)))
    sections += _of_report(session, report, state)
    if report.undecided:
        sections.append(Section("Not known", tuple(line((each, WARN)) for each in report.undecided)))
    if report.missing:
        sections.append(Section("Not compared", tuple(line((each, WARN)) for each in report.missing)))
    return Document(f"Node {state.node}", tuple(sections))


def _facts(state: NodeState) -> list[tuple[str, str | tuple[str, str]]]:
    captured = "not known" if state.captured is None else str(state.captured)
    ready: dict[bool | None, str | tuple[str, str]] = {True: "yes", False: ("no", BAD), None: ("not known", DIM)}
    return [
        ("ztunnel", state.ztunnel or ("none", BAD)),
        ("version", state.version or ("not known", DIM)),
        ("ready", ready[state.ready]),
        ("captured", captured if state.supposed is None else f"{captured} of {state.supposed}"),
        ("certificates", "not known" if state.certificates is None else f"{state.certificates}, {state.faulty} faulty"),
        *([("not compared", (", ".join(state.not_compared), WARN))] if state.not_compared else []),
    ]


def _of_report(session: Session, report: MeshReport, state: NodeState) -> list[Section]:
    snapshot = session.snapshot
    sections: list[Section] = []
    differences = [each for each in report.differences if each.node == state.node]
    if differences:
        shown = sorted(differences, key=lambda each: not each.dangerous)[:_MOST]
        lines = [part for each in shown for part in _difference(each)]
        sections.append(Section(f"Drift: {len(differences)}", (*lines, *_rest(len(differences)))))
    certificates = [each for each in report.certificates if each.node == state.node]
    if certificates:
        lines = [_certificate(each) for each in certificates[:_MOST]]
        sections.append(Section("Faulty certificates", (*lines, *_rest(len(certificates)))))
    order = (Capture.LOST, Capture.PENDING, Capture.UNPROVEN, Capture.PROVEN)
    found = [(snapshot.pods[uid], each) for uid, each in report.enrolments.items() if uid in snapshot.pods]
    mine = sorted(
        ((pod, each) for pod, each in found if pod.node == state.node), key=lambda one: (order.index(one[1].capture), one[0].key)
    )
    if mine:
        why = session.mesh.unproven
        lines = [enrolment_line(pod, each, why.get(pod.uid, "")) for pod, each in mine[:_MOST]]
        sections.append(Section("Pods", (*lines, *_rest(len(mine)))))
    return sections


def _difference(each: Difference) -> list[Line]:
    tone = BAD if each.dangerous else WARN
    field = f" {each.field}" if each.field else ""
    lines = [line(("! " if each.dangerous else "  ", tone), (each.name, STRONG), (field, DIM))]
    lines.append(line(f"    {each.found or 'missing'}", (f"  {each.by}: {each.expected or 'nothing'}", DIM)))
    if each.dangerous and each.consequence:
        lines.append(line((f"    {each.consequence}", DIM)))
    return lines


def _certificate(each: CertificateProblem) -> Line:
    who = each.identity.partition("/ns/")[2].replace("/sa/", "/") or each.identity
    return line((f"✗ {each.fault.value}  ", BAD), who, (f"  {each.text}", DIM))


def _rest(number: int) -> tuple[Line, ...]:
    more = number - _MOST
    return (line((f"and {more} more: meshtui mesh drift -o json has all", DIM)),) if more > 0 else ()


PANE = Pane(
    id="mesh",
    title="Mesh",
    aliases=("mesh", "nodes", "node", "no", "ztunnels", "ztunnel"),
    kind="Pod",
    order=6,
    columns=_COLUMNS,
    glance=("NODE", "READY", "CAPTURED", "CERTS", "DRIFT"),
    members=lambda _: (),
    rows=_rows,
    ref_of=_ref,
    detail=_detail,
    counted=lambda view: len(_states(view.session)),
    nothing="no node runs a ztunnel, as far as is known; manifests have none",
    opened=lambda session: session.mesh.ask(),
)
