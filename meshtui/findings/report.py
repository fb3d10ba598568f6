"""What an evaluation of the rules returns."""

from __future__ import annotations

from dataclasses import dataclass

from meshtui.model.finding import Finding


@dataclass(frozen=True, slots=True)
class NotEvaluated:
    """A rule that wasn't evaluated, with the reason. It is reported, because silence would look like "no problem found"."""

    rule: str
    name: str
    reason: str
    observed: str = ""
    """The application whose evidence the rule needs, in addition to the snapshot."""


@dataclass(frozen=True, slots=True)
class Report:
    """All findings, the most severe first, ignored ones last; and the rules that couldn't be evaluated."""

    findings: tuple[Finding, ...]
    not_evaluated: tuple[NotEvaluated, ...] = ()


def order(finding: Finding) -> tuple[object, ...]:
    """A sort key: ignored last; then severity, number of flows, id, objects."""
    return bool(finding.ignored), finding.severity, -finding.flows, finding.rule, finding.objects, finding.message
