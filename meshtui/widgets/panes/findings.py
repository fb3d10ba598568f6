"""Findings: what is wrong, before anybody asks; f shows the fix."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from meshtui.model.finding import Finding
from meshtui.model.ids import ObjectRef
from meshtui.session import Session
from meshtui.widgets.document import DIM, STRONG, Document, Section, facts, line
from meshtui.widgets.finding_marks import SEVERITIES, last_shown, worst_by_object
from meshtui.widgets.panes.base import Pane, in_scope
from meshtui.widgets.table import Cell, Column, Row

_COLUMNS = (
    Column("", keep=9, least=1),
    Column("RULE", keep=8, least=5),
    Column("NAMESPACE", keep=3, least=9),
    Column("NAME", keep=6, least=10),
    Column("OBJECT", keep=7, least=14),
    Column("FLOWS", keep=2, least=5, right=True),
    Column("FIX", keep=5, least=3),
    Column("MESSAGE", keep=4, least=16),
)


def found(session: Session, findings: Iterable[Finding]) -> Iterator[tuple[str, Finding]]:
    """The findings in the session's namespace, each with what tells it from others; those that are ignored come last."""
    twins: Counter[tuple[str, tuple[ObjectRef, ...]]] = Counter()
    for finding in sorted(findings, key=lambda finding: bool(finding.ignored)):
        key = (finding.rule, finding.objects)
        twins[key] += 1
        if in_scope(session, finding.namespace):
            yield f"{finding.rule}|{'|'.join(map(str, finding.objects))}|{twins[key]}", finding


def finding_of(session: Session, uid: str) -> Finding | None:
    """The finding of a row; None when it is gone."""
    return next((finding for own, finding in found(session, last_shown(session)) if own == uid), None)


def _rows(session: Session) -> list[Row]:
    worst_by_object(session)
    return [_row(uid, finding) for uid, finding in found(session, session.findings)]


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


def _ref(session: Session, uid: str) -> ObjectRef | None:
    finding = finding_of(session, uid)
    return finding.objects[0] if finding is not None and finding.objects else None


def _detail(session: Session, uid: str) -> Document:
    finding = finding_of(session, uid)
    if finding is None:
        return Document("gone: it is put right")
    mark, tone = SEVERITIES[finding.severity]
    known = [("severity", (f"{mark} {finding.severity.name.lower()}", tone))]
    sections = [Section("", facts(*known, *([("flows", str(finding.flows))] if finding.flows else [])))]
    if finding.ignored:
        sections.append(Section("Ignored", (line(finding.ignored), line(("by its annotation meshtui.dev/ignore", DIM)))))
    sections.append(Section("What", (line(finding.message),)))
    if finding.why:
        sections.append(Section("Why it matters", (line(finding.why),)))
    sections.append(Section("Objects", tuple(line(str(ref)) for ref in finding.objects) or (line(("none", DIM)),)))
    if finding.fix is not None:
        fix = (
            line(finding.fix.summary),
            *(line((f"{'creates' if change.create else 'edits'} {change.ref}", DIM)) for change in finding.fix.changes),
            line(("f", STRONG), " shows the patch, and what it would open and close"),
        )
    else:
        fix = (line(("no change that is safe to propose", DIM)),)
    sections.append(Section("Fix", fix))
    return Document(f"{finding.rule} {finding.name}", tuple(sections))


PANE = Pane(
    id="findings",
    title="Findings",
    aliases=("findings", "finding"),
    kind="Finding",
    order=5,
    columns=_COLUMNS,
    members=lambda _: (),
    rows=_rows,
    ref_of=_ref,
    detail=_detail,
    nothing="none of the rules fires; that a rule isn't there proves nothing: p on a workload asks reality",
    counted=lambda session: sum(not finding.ignored for _, finding in found(session, session.findings)),
)
