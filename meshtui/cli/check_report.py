"""Findings as text, JSON, SARIF and JUnit: one function a format."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from meshtui.cli.answer import Answer, Column, key, object_name
from meshtui.cli.check_junit import as_junit
from meshtui.cli.check_sarif import as_sarif
from meshtui.cli.terminal import wrapped
from meshtui.findings import NotEvaluated
from meshtui.model.finding import Finding, Fix, Severity
from meshtui.model.ids import ObjectRef
from meshtui.model.plain import clean

_INDENT = " " * 16


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check comes to. ``known`` counts what a baseline left out; ``manifests`` holds the YAML of what fixes change."""

    findings: Sequence[Finding]
    ignored: Sequence[Finding]
    not_evaluated: Sequence[NotEvaluated]
    known: int
    manifests: dict[ObjectRef, str]


def to_json(shown: Checked) -> dict[str, Any]:
    """The answer of the contracts (JSON answers, check), with more about each finding."""
    count = counted(shown.findings)
    return {
        "findings": [_to_json(finding, shown.manifests) for finding in shown.findings],
        "ignored": [{**_short(finding), "reason": finding.ignored} for finding in shown.ignored],
        "not_evaluated": [{"rule": each.rule, "name": each.name, "reason": each.reason} for each in shown.not_evaluated],
        "errors": count[Severity.ERROR],
        "warnings": count[Severity.WARNING],
        "infos": count[Severity.INFO],
        "in_baseline": shown.known,
    }


def _short(finding: Finding) -> dict[str, Any]:
    return {
        "rule": finding.rule,
        "name": finding.name,
        "severity": finding.severity.name.lower(),
        "objects": [{"kind": ref.kind, "namespace": ref.namespace, "name": ref.name} for ref in finding.objects],
        "message": finding.message,
    }


def _to_json(finding: Finding, manifests: Mapping[ObjectRef, str]) -> dict[str, Any]:
    fix = finding.fix
    patched = {"summary": fix.summary, "patch": patch_of(fix, manifests)} if fix else None
    return {**_short(finding), "why": finding.why, "flows": finding.flows, "fix": patched}


def patch_of(fix: Fix, manifests: Mapping[ObjectRef, str]) -> str:
    """A fix as one unified diff; empty where an object's YAML couldn't be read, or has changed meanwhile."""
    from meshtui.sources.changes import ChangeError, unified_diff

    pieces = []
    for change in fix.changes:
        text = manifests.get(change.ref, "")
        if change.create is None and not text:
            return ""
        try:
            pieces.append(unified_diff(text, change))
        except ChangeError:
            return ""
    return "".join(pieces)


def counted(findings: Sequence[Finding]) -> Counter[Severity]:
    """How many of each severity."""
    return Counter(finding.severity for finding in findings)


def as_text(shown: Checked) -> str:
    """For people: each finding with why it matters here and what would fix it; then a count, and what wasn't looked at."""
    lines: list[str] = []
    for finding in shown.findings:
        head = f"{finding.severity.name.lower():<8}{finding.rule:<8}{clean(finding.message)}"
        lines += wrapped(head, rest=_INDENT)
        lines += wrapped(clean(finding.why), _INDENT, _INDENT)
        if finding.flows:
            lines.append(f"{_INDENT}flows: {finding.flows}")
        if finding.fix:
            lines += wrapped(clean(f"fix: {finding.fix.summary}"), _INDENT, _INDENT)
    if lines:
        lines.append("")
    for finding in shown.ignored:
        lines += wrapped(f"ignored {finding.rule:<8}{clean(finding.message)}: {clean(finding.ignored)}")
    lines += [summary(shown), *not_evaluated(shown.not_evaluated)]
    return "\n".join(lines) + "\n"


def summary(shown: Checked) -> str:
    """The count, in one line."""
    count = counted(shown.findings)
    parts = [f"{count[s]} {s.name.lower()}{'' if count[s] == 1 else 's'}" for s in Severity]
    parts += [f"{len(shown.ignored)} ignored"] if shown.ignored else []
    parts += [f"{shown.known} in the baseline"] if shown.known else []
    return ", ".join(parts)


def not_evaluated(silent: Sequence[NotEvaluated]) -> list[str]:
    """The rules that say nothing, by reason."""
    by_reason: dict[str, list[str]] = defaultdict(list)
    for each in silent:
        by_reason[each.reason].append(each.rule)
    return [f"not evaluated: {' '.join(names)} ({clean(reason)})" for reason, names in by_reason.items()]


def answer(shown: Checked) -> Answer:
    """The findings in all forms."""
    document = to_json(shown)
    columns = (
        Column("SEVERITY", key("severity")),
        Column("RULE", key("rule")),
        Column("OBJECT", lambda row: object_name(row["objects"][0]) if row["objects"] else ""),
        Column("FLOWS", key("flows"), wide=True),
        Column("FIX", lambda row: row["fix"]["summary"] if row["fix"] else "", wide=True),
        Column("MESSAGE", key("message")),
    )
    own = {
        "text": lambda: as_text(shown),
        "sarif": lambda: as_sarif(shown.findings, shown.ignored),
        "junit": lambda: as_junit(shown.findings, shown.ignored, shown.not_evaluated),
    }
    return Answer(document, document["findings"], columns, lambda row: [object_name(found) for found in row["objects"]], own)
