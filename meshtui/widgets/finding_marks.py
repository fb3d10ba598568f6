"""Findings as marks: the worst one about each object, and how many of each severity there are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from weakref import WeakKeyDictionary

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
_WORST: WeakKeyDictionary[Session, tuple[tuple[Finding, ...], Mapping[ObjectRef, Severity]]] = WeakKeyDictionary()


def worst_by_object(session: Session) -> Mapping[ObjectRef, Severity]:
    """The worst severity of all findings about each object; those that are ignored don't count."""
    findings, known = session.findings, _WORST.get(session)
    if known is not None and known[0] is findings:
        return known[1]
    worst: dict[ObjectRef, Severity] = {}
    for finding in findings:
        for ref in () if finding.ignored else finding.objects:
            worst[ref] = min(worst.get(ref, finding.severity), finding.severity)
    _WORST[session] = (findings, worst)
    return worst


def last_shown(session: Session) -> tuple[Finding, ...]:
    """The findings that the rows were last made of: what a thread may ask for (new ones are only looked for on the loop)."""
    known = _WORST.get(session)
    return known[0] if known is not None else ()


def badge_cell(worst: Mapping[ObjectRef, Severity], ref: ObjectRef) -> Cell:
    """The mark of the worst finding about an object, or nothing."""
    severity = worst.get(ref)
    return _NONE if severity is None else Cell(*SEVERITIES[severity])


def findings_about(session: Session, ref: ObjectRef) -> tuple[Section, ...]:
    """What is wrong with an object, as a section of its detail; nothing where nothing is."""
    found = [finding for finding in last_shown(session) if ref in finding.objects]
    lines = []
    for finding in found:
        mark, tone = SEVERITIES[finding.severity]
        said = f"ignored: {finding.message}" if finding.ignored else finding.message
        lines.append(line((f"{mark} {finding.rule} ", DIM if finding.ignored else tone), said))
    return (Section("Findings (5, then f for a fix)", tuple(lines)),) if lines else ()


def counts(session: Session) -> list[tuple[str, str]]:
    """``✗ 2``, ``! 1`` … for each severity that there is, with its tone."""
    found = Counter(finding.severity for finding in session.findings if not finding.ignored)
    return [(f"{SEVERITIES[severity][0]} {found[severity]}", SEVERITIES[severity][1]) for severity in Severity if found[severity]]
