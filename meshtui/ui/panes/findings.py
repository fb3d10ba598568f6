"""Findings; ``f`` shows the fix of one."""

from __future__ import annotations

from functools import partial

from meshtui.findings import NotEvaluated
from meshtui.findings.base import NOT_LOOKED
from meshtui.model.finding import Finding
from meshtui.model.ids import ObjectRef
from meshtui.session import Session
from meshtui.ui.document import DIM, STRONG, Document, Section, Word, facts, line
from meshtui.ui.finding_marks import SEVERITIES
from meshtui.ui.panes.base import Pane, in_scope
from meshtui.ui.view import View
from meshtui.ui.widgets.table import Cell, Column, Row

_COLUMNS = (
    Column("", keep=9, least=1),
    Column("RULE", keep=8, least=5),
    Column("NAMESPACE", keep=3, least=9, brief="NS"),
    Column("NAME", keep=7, least=16),
    Column("OBJECT", keep=6, least=14),
    Column("FLOWS", keep=2, least=5, right=True),
    Column("FIX", keep=5, least=3),
    Column("MESSAGE", keep=4, least=16),
)

_NOT_EVALUATED = "?"


def finding_of(view: View, uid: str) -> Finding | None:
    """The finding of a row; None when it is gone."""
    return view.last_marks.by_uid.get(uid)


def _rows(view: View) -> list[Row]:
    """The findings; then, dim, the rules that could not look: that they say nothing isn't "all is well"."""
    session = view.session
    known = view.marks()
    silents = {uid: s for uid, s in known.silent.items() if s.reason != NOT_LOOKED and _runs(session, s)}
    with view.keeping(PANE.id) as kept:
        return [
            kept.row(uid, (finding,), partial(_row, uid, finding))
            for uid, finding in known.by_uid.items()
            if in_scope(session, finding.namespace)
        ] + [kept.row(uid, (silent,), partial(_silent_row, uid, silent)) for uid, silent in silents.items()]


def _runs(session: Session, silent: NotEvaluated) -> bool:
    """Whether the application that a rule is about, if it is about one, runs here."""
    return not silent.observed or session.looking.runs(silent.observed)


def _count(view: View) -> int:
    session = view.session
    return sum(count for name, count in view.marks().by_namespace.items() if in_scope(session, name))


def _apart(view: View, uid: str) -> str:
    finding = finding_of(view, uid)
    if finding is None:
        return "not evaluated"
    return "ignored" if finding.ignored else ""


def _row(uid: str, finding: Finding) -> Row:
    mark, tone = SEVERITIES[finding.severity]
    ignored = bool(finding.ignored)
    dim = DIM if ignored else ""
    about = finding.objects[0] if finding.objects else None
    more = f" +{len(finding.objects) - 1}" if len(finding.objects) > 1 else ""
    message = f"ignored ({finding.ignored}): {finding.message}" if ignored else finding.message
    return Row(
        uid,
        (
            Cell(mark, DIM if ignored else tone),
            Cell(finding.rule, dim or STRONG),
            Cell(finding.namespace, dim),
            Cell(finding.name, dim),
            Cell(f"{about.kind} {about.name}{more}" if about else "", dim, short=f"{about.name}{more}" if about else ""),
            Cell(str(finding.flows) if finding.flows else "", dim),
            Cell("f" if finding.fix is not None else "", dim),
            Cell(message, dim),
        ),
    )


def _silent_row(uid: str, silent: NotEvaluated) -> Row:
    said = (_NOT_EVALUATED, silent.rule, "", silent.name, "", "", "", f"not evaluated: {silent.reason}")
    return Row(uid, tuple(Cell(text, DIM) for text in said))


def _ref(view: View, uid: str) -> ObjectRef | None:
    finding = finding_of(view, uid)
    return finding.objects[0] if finding is not None and finding.objects else None


def _detail(view: View, uid: str) -> Document:
    finding = finding_of(view, uid)
    if finding is None:
        silent = view.last_marks.silent.get(uid)
        return Document("gone: it is fixed") if silent is None else _silent_detail(view.session, silent)
    mark, tone = SEVERITIES[finding.severity]
    known = [("severity", (f"{mark} {finding.severity.name.lower()}", tone))]
    sections = [Section("", facts(*known, *([("flows", str(finding.flows))] if finding.flows else [])))]
    if finding.ignored:
        sections.append(Section("Ignored", (line(finding.ignored), line(("by its annotation meshtui.dev/ignore", DIM)))))
    sections.append(Section("What", (line(finding.message),)))
    if finding.why:
        sections.append(Section("Why it matters", (line(finding.why),)))
    sections.append(Section("Objects", tuple(line(ref) for ref in finding.objects) or (line(("none", DIM)),)))
    if finding.fix is not None:
        fix = (
            line(finding.fix.summary),
            *(
                line(("creates " if change.create else "edits ", DIM), Word(str(change.ref), DIM, change.ref))
                for change in finding.fix.edits
            ),
            line(("f", STRONG), " shows the patch, and what it would open and close"),
        )
    else:
        fix = (line(("no change that is safe to propose", DIM)),)
    sections.append(Section("Fix", fix))
    return Document(f"{finding.rule} {finding.name}", tuple(sections))


def _silent_detail(session: Session, silent: NotEvaluated) -> Document:
    sections = [Section("Not evaluated", (line(silent.reason),))]
    application = next((each for each in session.applications if each.name == silent.observed), None)
    if application is not None and application.helps:
        sections.append(Section("What helps", (line((application.key, STRONG), f" {application.helps}"),)))
    return Document(f"{silent.rule} {silent.name}", tuple(sections))


PANE = Pane(
    id="findings",
    title="Findings",
    aliases=("findings", "finding"),
    kind="Finding",
    order=5,
    columns=_COLUMNS,
    glance=("", "RULE", "OBJECT", "NAME", "FIX"),
    members=lambda _: (),
    rows=_rows,
    ref_of=_ref,
    detail=_detail,
    nothing="none of the rules fires; that a rule isn't there proves nothing: p on a workload asks reality",
    counted=_count,
    apart=_apart,
)
