"""Denials in the proxies' logs as evidence of findings. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from meshtui.engine.expect.expectations import WORKLOAD_KINDS
from meshtui.engine.explain.denials import Agreement, JudgedDenial
from meshtui.findings.report import Report, order
from meshtui.kinds.registry import KINDS, POLICY_KINDS
from meshtui.model.denial import WINDOW_S
from meshtui.model.finding import Finding, Severity
from meshtui.model.flow import EndpointKind, FlowEndpoint
from meshtui.model.ids import ObjectRef

Recent = Mapping[ObjectRef, Sequence[tuple[int, frozenset[ObjectRef]]]]
"""By policy and by workload: the number of each group of recent denials that it decided or was an end of, and the ends."""


def recent(judged: Iterable[JudgedDenial], since: datetime) -> Recent:
    """The denials since a moment that are certain, or that the prediction explains."""
    found: dict[ObjectRef, list[tuple[int, frozenset[ObjectRef]]]] = {}
    for each in judged:
        denial = each.denial
        number = denial.since(since)
        if not number or not (denial.kind.certain or each.agreement is Agreement.AGREES):
            continue
        ends = frozenset(filter(None, map(_workload, (denial.source, denial.destination))))
        for ref in ends | ({each.decided_by.ref} if each.decided_by is not None else set()):
            found.setdefault(ref, []).append((number, ends))
    return found


def with_evidence(report: Report, denied: Recent, breaking: frozenset[str]) -> Report:
    """The report, with a finding of a ``breaking`` rule one step more severe if its first object denied something.

    Where the finding names workloads, only denials of one of these count. Returns ``report`` itself if no denial concerns it.
    """
    if not denied:
        return report
    found = [_with(finding, denied) if finding.rule in breaking else finding for finding in report.findings]
    if all(new is old for new, old in zip(found, report.findings, strict=True)):
        return report
    return Report(tuple(sorted(found, key=order)), report.not_evaluated)


def _with(finding: Finding, denied: Recent) -> Finding:
    first = finding.objects[0]
    workloads = {ref for ref in finding.objects if ref.kind in WORKLOAD_KINDS or ref.kind not in KINDS}
    number = sum(count for count, ends in denied.get(first, ()) if not workloads or ends & workloads)
    if not number:
        return finding
    counted = "1 connection was" if number == 1 else f"{number} connections were"
    by = f"denied by {first}" if first.kind in POLICY_KINDS else f"denied from or to {first}"
    why = f"{finding.why}; {counted} {by} in the last {WINDOW_S // 60} minutes"
    return replace(finding, severity=Severity(max(finding.severity - 1, Severity.ERROR)), why=why)


def _workload(end: FlowEndpoint | None) -> ObjectRef | None:
    if end is None or end.kind not in {EndpointKind.POD, EndpointKind.WORKLOAD}:
        return None
    return ObjectRef(end.owner_kind or "Pod", end.namespace, end.name)
