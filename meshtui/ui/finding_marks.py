"""Marks of findings: the most severe one about each object, and the number of each severity."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import cached_property

from meshtui.findings import NotEvaluated, Report
from meshtui.model.finding import Finding, Severity
from meshtui.model.ids import ObjectRef
from meshtui.ui.document import BAD, DIM, WARN, Section, Word, line
from meshtui.ui.widgets.table import Cell, Column

SEVERITIES = {Severity.ERROR: ("✗", BAD), Severity.WARNING: ("!", WARN), Severity.INFO: ("i", DIM)}
"""A severity's mark and tone."""
BADGE = Column("", keep=9, least=1)
"""The column with the mark of the most severe finding about an object."""
_NONE = Cell("")
_BADGES = {severity: Cell(*mark) for severity, mark in SEVERITIES.items()}


class Marks:
    """What is drawn of some findings. Each property is computed when it is first used, since there may be thousands."""

    def __init__(self, report: Report | None = None) -> None:
        self.report = report or Report(())
        self.findings = self.report.findings

    def of(self, report: Report) -> Marks:
        """The marks of a report: these, if they are its own."""
        return self if report is self.report else Marks(report)

    @cached_property
    def worst(self) -> Mapping[ObjectRef, Severity]:
        """The severity of the most severe finding of each object at fault.

        Ignored findings, and affected objects, don't count.
        """
        worst: dict[ObjectRef, Severity] = {}
        for finding in self.findings:
            for ref in () if finding.ignored else finding.at_fault:
                worst[ref] = min(worst.get(ref, finding.severity), finding.severity)
        return worst

    @cached_property
    def worst_in(self) -> Mapping[str, Finding]:
        """The most severe finding of each namespace (findings are sorted by severity)."""
        return {finding.namespace: finding for finding in reversed(self.findings) if not finding.ignored}

    @cached_property
    def counts(self) -> tuple[tuple[str, str], ...]:
        """``✗ 2``, ``! 1`` … for each severity that there is, with its tone."""
        found = Counter(finding.severity for finding in self.findings if not finding.ignored)
        return tuple((f"{SEVERITIES[s][0]} {found[s]}", SEVERITIES[s][1]) for s in Severity if found[s])

    @cached_property
    def by_namespace(self) -> Mapping[str, int]:
        """The number of findings in each namespace, without ignored ones."""
        return Counter(finding.namespace for finding in self.findings if not finding.ignored)

    @cached_property
    def by_uid(self) -> Mapping[str, Finding]:
        """Findings by a key that stays the same when other findings appear or disappear; ignored ones last."""
        twins: Counter[tuple[str, tuple[ObjectRef, ...]]] = Counter()
        found: dict[str, Finding] = {}
        for finding in sorted(self.findings, key=lambda finding: bool(finding.ignored)):
            key = (finding.rule, finding.objects)
            twins[key] += 1
            found[f"{finding.rule}|{'|'.join(map(str, finding.objects))}|{twins[key]}"] = finding
        return found

    @cached_property
    def silent(self) -> Mapping[str, NotEvaluated]:
        """The rules that couldn't be evaluated, by the key of their row."""
        return {f"not evaluated|{each.rule}": each for each in self.report.not_evaluated}


def badge_cell(worst: Mapping[ObjectRef, Severity], ref: ObjectRef) -> Cell:
    """The mark of the worst finding about an object, or nothing."""
    severity = worst.get(ref)
    return _NONE if severity is None else _BADGES[severity]


def findings_about(marks: Marks, ref: ObjectRef) -> tuple[Section, ...]:
    """What is wrong with an object, as a section of its detail; nothing where nothing is."""
    found = [finding for finding in marks.findings if ref in finding.objects]
    lines = []
    for finding in found:
        mark, tone = SEVERITIES[finding.severity]
        said = f"ignored: {finding.message}" if finding.ignored else finding.message
        tone = DIM if finding.ignored else tone
        lines.append(line((f"{mark} ", tone), Word(finding.rule, tone, finding), " ", said))
    return (Section("Findings (5, then f for a fix)", tuple(lines)),) if lines else ()
