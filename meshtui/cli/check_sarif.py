"""Findings as SARIF 2.1.0 (OASIS standard), for code scanning and editors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from meshtui import __version__
from meshtui.cli.check_baseline import fingerprint
from meshtui.cli.jsontext import document
from meshtui.findings import Rule
from meshtui.model.finding import Finding, Severity
from meshtui.model.ids import ObjectRef

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}


def as_sarif(findings: Sequence[Finding], ignored: Sequence[Finding], known: Sequence[Rule]) -> str:
    """One run with one result a finding; those that are ignored carry a suppression with its reason."""
    places = {rule.id: place for place, rule in enumerate(known)}
    run = {
        "tool": {"driver": {"name": "meshtui", "version": __version__, "rules": [_rule(rule) for rule in known]}},
        "columnKind": "unicodeCodePoints",
        "results": [_result(finding, places) for finding in (*findings, *ignored)],
    }
    return document({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]})


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "name": "".join(word[:1].upper() + word[1:] for word in rule.name.split()),
        "shortDescription": {"text": rule.name},
        "help": {"text": f"meshtui check --explain {rule.id}"},
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
    }


def _result(finding: Finding, places: dict[str, int]) -> dict[str, Any]:
    text = f"{finding.message}: {finding.why}" + (f". Fix: {finding.fix.summary}" if finding.fix else "")
    result: dict[str, Any] = {
        "ruleId": finding.rule,
        "ruleIndex": places[finding.rule],
        "level": _LEVELS[finding.severity],
        "message": {"text": text},
        "locations": [{"logicalLocations": [_location(ref)]} for ref in finding.objects[:1]],
        "partialFingerprints": {"meshtui/v1": fingerprint(finding)},
        "properties": {"flows": finding.flows},
    }
    if len(finding.objects) > 1:
        result["relatedLocations"] = [
            {"id": number, "logicalLocations": [_location(ref)]} for number, ref in enumerate(finding.objects[1:], 1)
        ]
    if finding.ignored:
        result["suppressions"] = [{"kind": "external", "status": "accepted", "justification": finding.ignored}]
    return result


def _location(ref: ObjectRef) -> dict[str, str]:
    parts = [ref.namespace, ref.kind, ref.name] if ref.namespace else [ref.kind, ref.name]
    return {"name": ref.name, "fullyQualifiedName": "/".join(parts), "kind": "resource"}
