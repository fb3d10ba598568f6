"""Findings as JUnit's XML: a test case for each evaluated rule, a failure for each finding."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from meshtui.cli.check_places import Places
from meshtui.findings import NotEvaluated, Rule
from meshtui.model.finding import Finding, Severity
from meshtui.model.plain import clean

_NAME = "meshtui check"


def as_junit(
    findings: Sequence[Finding],
    ignored: Sequence[Finding],
    silent: Sequence[NotEvaluated],
    rules: Sequence[Rule],
    places: Places,
) -> str:
    """As Jenkins and GitLab read it: errors and warnings fail, infos and ignored ones don't, rules not evaluated are skipped."""
    from xml.etree import ElementTree as ET

    by_rule: dict[str, list[Finding]] = defaultdict(list)
    for finding in findings:
        if finding.severity is not Severity.INFO:
            by_rule[finding.rule].append(finding)
    notes: dict[str, list[Finding]] = defaultdict(list)
    for finding in (*findings, *ignored):
        if finding.severity is Severity.INFO or finding.ignored:
            notes[finding.rule].append(finding)
    reasons = {each.rule: each.reason for each in silent}
    failures = sum(map(len, by_rule.values()))
    cases = sum(max(1, len(by_rule[rule.id])) for rule in rules)
    numbers = {"tests": str(cases), "failures": str(failures), "errors": "0", "skipped": str(len(reasons)), "time": "0"}
    suites = ET.Element("testsuites", {"name": _NAME, **numbers})
    suite = ET.SubElement(suites, "testsuite", {"name": _NAME, **numbers})
    for rule in rules:
        for finding in by_rule[rule.id]:
            place = "/".join(filter(None, (finding.objects[0].namespace, finding.objects[0].kind, finding.objects[0].name)))
            name, at = clean(f"{rule.name}: {place}"), places.of(finding)
            written = {"file": clean(at.file), "line": str(at.line or 1)} if at is not None else {}
            case = ET.SubElement(suite, "testcase", {"name": name, "classname": rule.id, "time": "0", **written})
            word = finding.severity.name.lower()
            failure = ET.SubElement(case, "failure", {"message": clean(finding.message), "type": word})
            fix = f"\nfix: {clean(finding.fix.summary)}" if finding.fix else ""
            where = f"\nat: {places.in_words(finding)}" if places.in_words(finding) else ""
            failure.text = f"{clean(finding.message)}\n{clean(finding.why)}{where}{fix}"
        if not by_rule[rule.id]:
            case = ET.SubElement(suite, "testcase", {"name": rule.name, "classname": rule.id, "time": "0"})
            if rule.id in reasons:
                ET.SubElement(case, "skipped", {"message": clean(reasons[rule.id])})
            elif notes[rule.id]:
                ET.SubElement(case, "system-out").text = "\n".join(map(_note, notes[rule.id]))
    ET.indent(suites)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(suites, encoding="unicode") + "\n"


def _note(finding: Finding) -> str:
    word = f"ignored ({finding.ignored})" if finding.ignored else finding.severity.name.lower()
    return clean(f"{word}: {finding.message}")
