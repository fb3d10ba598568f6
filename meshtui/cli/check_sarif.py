"""Findings as SARIF 2.1.0 (OASIS standard), for code scanning and editors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from meshtui import __version__
from meshtui.cli.check_baseline import fingerprint
from meshtui.cli.check_pages import page_of
from meshtui.cli.check_places import Places
from meshtui.cli.jsontext import document
from meshtui.findings import Rule
from meshtui.model.finding import Finding, Severity
from meshtui.model.ids import ObjectRef
from meshtui.sources.manifest_edits import Replacement, replacements

if TYPE_CHECKING:
    from meshtui.sources.manifest_lines import Place

_PAGES = "https://meshtui.dev/docs/findings/"

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}


def as_sarif(findings: Sequence[Finding], ignored: Sequence[Finding], known: Sequence[Rule], places: Places) -> str:
    """One run with one result a finding; those that are ignored carry a suppression with its reason."""
    numbers = {rule.id: number for number, rule in enumerate(known)}
    run = {
        "tool": {"driver": {"name": "meshtui", "version": __version__, "rules": [_rule(rule) for rule in known]}},
        "columnKind": "unicodeCodePoints",
        "results": [_result(finding, numbers, places) for finding in (*findings, *ignored)],
    }
    return document({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]})


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "name": "".join(word[:1].upper() + word[1:] for word in rule.name.split()),
        "shortDescription": {"text": rule.name},
        "help": {"text": f"meshtui explain {rule.id}", "markdown": page_of(rule.id)},
        "helpUri": f"{_PAGES}{rule.id}",
        "defaultConfiguration": {"level": _LEVELS[rule.severity]},
    }


def _result(finding: Finding, numbers: dict[str, int], places: Places) -> dict[str, Any]:
    text = f"{finding.message}: {finding.why}" + (f". Fix: {finding.fix.summary}" if finding.fix else "")
    result: dict[str, Any] = {
        "ruleId": finding.rule,
        "ruleIndex": numbers[finding.rule],
        "level": _LEVELS[finding.severity],
        "message": {"text": text},
        "locations": [{**_physical(places.of(finding)), "logicalLocations": [_location(ref)]} for ref in finding.objects[:1]],
        "partialFingerprints": {"meshtui/v1": fingerprint(finding)},
        "properties": {"flows": finding.flows},
    }
    if len(finding.objects) > 1:
        result["relatedLocations"] = [
            {"id": number, "logicalLocations": [_location(ref)]} for number, ref in enumerate(finding.objects[1:], 1)
        ]
    if fixes := _fixes(finding, places):
        result["fixes"] = fixes
    if finding.ignored:
        result["suppressions"] = [{"kind": "external", "status": "accepted", "justification": finding.ignored}]
    return result


def _physical(place: Place | None) -> dict[str, Any]:
    """Where a finding is in a file; nothing for an object that isn't in one."""
    if place is None:
        return {}
    region = {"region": {"startLine": place.line, "startColumn": place.column}} if place.line else {}
    return {"physicalLocation": {"artifactLocation": _artifact(place.file), **region}}


def _artifact(file: str) -> dict[str, str]:
    """A file below the working directory, relative to it, as code scanning wants it; another one by its whole path."""
    path, here = Path(file).resolve(), Path.cwd()
    if path.is_relative_to(here):
        return {"uri": quote(path.relative_to(here).as_posix()), "uriBaseId": "%SRCROOT%"}
    return {"uri": path.as_uri()}


def _fixes(finding: Finding, places: Places) -> list[dict[str, Any]]:
    """The fix as replacements in files; none where it creates an object, or can't be written in the text as it is."""
    changes: dict[str, list[Replacement]] = {}
    for edit in finding.fix.edits if finding.fix else ():
        place = places.files.get((edit.ref, ""))
        several = replacements(place.file, edit) if place is not None else ()
        if not several or place is None:
            return []
        changes.setdefault(place.file, []).extend(several)
    if finding.fix is None or not changes:
        return []
    artifacts = [
        {"artifactLocation": _artifact(file), "replacements": [_replacement(each) for each in several]}
        for file, several in changes.items()
    ]
    return [{"description": {"text": finding.fix.summary}, "artifactChanges": artifacts}]


def _replacement(each: Replacement) -> dict[str, Any]:
    names = ("startLine", "startColumn", "endLine", "endColumn")
    region = dict(zip(names, (*each.start, *each.end), strict=True))
    return {"deletedRegion": region, "insertedContent": {"text": each.text}}


def _location(ref: ObjectRef) -> dict[str, str]:
    parts = [ref.namespace, ref.kind, ref.name] if ref.namespace else [ref.kind, ref.name]
    return {"name": ref.name, "fullyQualifiedName": "/".join(parts), "kind": "resource"}
