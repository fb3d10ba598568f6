"""Findings as marks: the worst one about each object, and how many of each severity there are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import cached_property
from weakref import WeakKeyDictionary

from meshtui.findings import NotEvaluated, Report
from meshtui.model.finding import Finding, Severity
from meshtui.model.ids import ObjectRef
from meshtui.session import Session
from meshtui.widgets.document import BAD, DIM, WARN, Section, line
from meshtui.widgets.table import Cell, Column

SEVERITIES = {Severity.ERROR: ("✗", BAD), Severity.WARNING: ("!", WARN), Severity.INFO: ("i", DIM)}
"""A severity's mark and tone."""
BADGE = Column("", keep=9, least=1)
"""The column of the worst finding about an object."""
_NONE = Cell("")
_BADGES = {severity: Cell(*mark) for severity, mark in SEVERITIES.items()}


class Marks:
    """What is drawn of some findings, each part worked out once, when it is first drawn: they may be thousands."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self.findings = report.findings

    @cached_property
    def worst(self) -> Mapping[ObjectRef, Severity]:
        """The worst severity of what each object has done wrong; what is ignored, and what it only feels, doesn't count."""
        worst: dict[ObjectRef, Severity] = {}
        for finding in self.findings:
            for ref in () if finding.ignored else finding.at_fault:
                worst[ref] = min(worst.get(ref, finding.severity), finding.severity)
        return worst

    @cached_property
    def worst_in(self) -> Mapping[str, Finding]:
        """The worst finding of each namespace: they come sorted."""
        return {finding.namespace: finding for finding in reversed(self.findings) if not finding.ignored}

    @cached_property
    def counts(self) -> tuple[tuple[str, str], ...]:
        """``✗ 2``, ``! 1`` … for each severity that there is, with its tone."""
        found = Counter(finding.severity for finding in self.findings if not finding.ignored)
        return tuple((f"{SEVERITIES[s][0]} {found[s]}", SEVERITIES[s][1]) for s in Severity if found[s])

    @cached_property
    def by_namespace(self) -> Mapping[str, int]:
        """How many findings there are in each namespace, without those that are ignored."""
        return Counter(finding.namespace for finding in self.findings if not finding.ignored)

    @cached_property
    def by_uid(self) -> Mapping[str, Finding]:
        """Each finding by what tells it from others, also when other findings come and go; ignored ones last."""
        twins: Counter[tuple[str, tuple[ObjectRef, ...]]] = Counter()
        found: dict[str, Finding] = {}
        for finding in sorted(self.findings, key=lambda finding: bool(finding.ignored)):
            key = (finding.rule, finding.objects)
            twins[key] += 1
            found[f"{finding.rule}|{'|'.join(map(str, finding.objects))}|{twins[key]}"] = finding
        return found

    @cached_property
    def silent(self) -> Mapping[str, NotEvaluated]:
        """The rules that say nothing because they could not look, each by what tells its row from others."""
        return {f"not evaluated|{each.rule}": each for each in self.report.not_evaluated}


_MARKS: WeakKeyDictionary[Session, Marks] = WeakKeyDictionary()


def marks(session: Session) -> Marks:
    """The marks of a session's findings."""
    known = _MARKS.get(session)
    report = session.looking.report
    if known is None or known.report is not report:
        known = _MARKS[session] = Marks(report)
    return known


def last_marks(session: Session) -> Marks:
    """Those that were drawn last: what a thread may ask for (new findings are only looked for on the loop)."""
    return _MARKS.get(session) or Marks(Report(()))


def badge_cell(worst: Mapping[ObjectRef, Severity], ref: ObjectRef) -> Cell:
    """The mark of the worst finding about an object, or nothing."""
    severity = worst.get(ref)
    return _NONE if severity is None else _BADGES[severity]


def findings_about(session: Session, ref: ObjectRef) -> tuple[Section, ...]:
    """What is wrong with an object, as a section of its detail; nothing where nothing is."""
    found = [finding for finding in last_marks(session).findings if ref in finding.objects]
    lines = []
    for finding in found:
        mark, tone = SEVERITIES[finding.severity]
        said = f"ignored: {finding.message}" if finding.ignored else finding.message
        lines.append(line((f"{mark} {finding.rule} ", DIM if finding.ignored else tone), said))
    return (Section("Findings (5, then f for a fix)", tuple(lines)),) if lines else ()
