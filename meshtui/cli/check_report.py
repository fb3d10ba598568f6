"""Findings as text, JSON, SARIF and JUnit: one function per format."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from meshtui.cli.answer import Answer, Column, key, object_name
from meshtui.cli.check_junit import as_junit
from meshtui.cli.check_places import NOWHERE, Places
from meshtui.cli.check_sarif import as_sarif
from meshtui.cli.terminal import wrapped
from meshtui.findings import NotEvaluated, Rule
from meshtui.model.finding import Finding, Fix, Severity
from meshtui.model.ids import ObjectRef
from meshtui.model.plain import clean

_INDENT = " " * 16


@dataclass(frozen=True, slots=True)
class Checked:
    """The result of a check.

    ``known`` counts findings of the baseline; ``manifests`` has the YAML of objects that fixes change.
    """

    findings: Sequence[Finding]
    ignored: Sequence[Finding]
    not_evaluated: Sequence[NotEvaluated]
    known: int
    manifests: dict[ObjectRef, str]
    rules: Sequence[Rule]
    places: Places = NOWHERE


def to_json(shown: Checked) -> dict[str, Any]:
    """The JSON answer (docs/contracts.md, check)."""
    count = counted(shown.findings)
    return {
        "findings": [
            finding_to_json(finding, _fix(finding, shown.manifests), shown.places.to_json(finding)) for finding in shown.findings
        ],
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


def finding_to_json(finding: Finding, fix: Mapping[str, str] | None, place: Mapping[str, Any]) -> dict[str, Any]:
    """One finding with its fix and its place as JSON (docs/contracts.md, check)."""
    return {**_short(finding), "why": finding.why, "flows": finding.flows, "fix": fix, "place": place}


def _fix(finding: Finding, manifests: Mapping[ObjectRef, str]) -> dict[str, str] | None:
    fix = finding.fix
    return {"summary": fix.summary, "patch": patch_of(fix, manifests)} if fix else None


def patch_of(fix: Fix, manifests: Mapping[ObjectRef, str]) -> str:
    """A fix as one unified diff; empty where an object's YAML couldn't be read, or has changed meanwhile."""
    from meshtui.sources.edits import EditError, unified_diff

    pieces = []
    for change in fix.edits:
        text = manifests.get(change.ref, "")
        if change.create is None and not text:
            return ""
        try:
            pieces.append(unified_diff(text, change))
        except EditError:
            return ""
    return "".join(pieces)


def counted(findings: Sequence[Finding]) -> Counter[Severity]:
    """The number of findings of each severity."""
    return Counter(finding.severity for finding in findings)


def as_text(shown: Checked) -> str:
    """Text for people: each finding with its reason and fix, then the counts, and the rules that weren't evaluated."""
    lines: list[str] = []
    for finding in shown.findings:
        head = f"{finding.severity.name.lower():<8}{finding.rule:<8}{clean(finding.message)}"
        lines += wrapped(head, rest=_INDENT)
        lines += wrapped(clean(finding.why), _INDENT, _INDENT)
        if place := shown.places.in_words(finding):
            lines += wrapped(f"at: {place}" if shown.places.of(finding) else place, _INDENT, _INDENT)
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
    """The counts in one line."""
    count = counted(shown.findings)
    parts = [f"{count[s]} {s.name.lower()}{'' if count[s] == 1 else 's'}" for s in Severity]
    parts += [f"{len(shown.ignored)} ignored"] if shown.ignored else []
    parts += [f"{shown.known} in the baseline"] if shown.known else []
    return ", ".join(parts)


def not_evaluated(silent: Sequence[NotEvaluated]) -> list[str]:
    """The rules that couldn't be evaluated, by reason."""
    by_reason: dict[str, list[str]] = defaultdict(list)
    for each in silent:
        by_reason[each.reason].append(each.rule)
    return [f"not evaluated: {' '.join(names)} ({clean(reason)})" for reason, names in by_reason.items()]


def _at(place: Mapping[str, Any]) -> str:
    return f"{place['file']}:{place['line']}" if place["line"] else place["file"] or ""


def answer(shown: Checked) -> Answer:
    """The findings as an Answer with all formats."""
    document = to_json(shown)
    columns = (
        Column("SEVERITY", key("severity")),
        Column("RULE", key("rule")),
        Column("OBJECT", lambda row: object_name(row["objects"][0]) if row["objects"] else ""),
        Column("FLOWS", key("flows"), wide=True),
        Column("AT", lambda row: _at(row["place"]), wide=True),
        Column("FIX", lambda row: row["fix"]["summary"] if row["fix"] else "", wide=True),
        Column("MESSAGE", key("message")),
    )
    own = {
        "text": lambda: as_text(shown),
        "sarif": lambda: as_sarif(shown.findings, shown.ignored, shown.rules, shown.places),
        "junit": lambda: as_junit(shown.findings, shown.ignored, shown.not_evaluated, shown.rules, shown.places),
    }
    return Answer(document, document["findings"], columns, lambda row: [object_name(found) for found in row["objects"]], own)
