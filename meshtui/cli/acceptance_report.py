"""The bookstore's criteria as text, JSON and JUnit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from meshtui.cli.answer import Answer, Column, key
from meshtui.cli.terminal import wrapped
from meshtui.journeys.bookstore.criteria import Criterion, State
from meshtui.model.plain import clean

_MARKS = {State.PASS: "✓ pass", State.FAIL: "✗ FAIL", State.SKIP: "– skip", State.WAITING: "…", State.RUNNING: "…"}


def as_text(criteria: Sequence[Criterion]) -> str:
    """Each criterion with its evidence, and a count."""
    lines: list[str] = []
    for number, each in enumerate(criteria, 1):
        lines.append(f"{_MARKS[each.state]}  {number} {clean(each.title)}")
        for evidence in each.evidence:
            lines += wrapped(clean(evidence), "        ", "          ")
    count = {state: sum(each.state is state for each in criteria) for state in State}
    summary = f"{count[State.PASS]} passed, {count[State.FAIL]} failed, {count[State.SKIP]} skipped, of {len(criteria)}"
    return "\n".join([*lines, "", summary]) + "\n"


def to_json(criteria: Sequence[Criterion]) -> dict[str, Any]:
    """The JSON answer (docs/contracts.md, acceptance)."""
    return {
        "criteria": [
            {"id": each.id, "title": each.title, "status": each.state.value, "evidence": list(each.evidence)} for each in criteria
        ]
    }


def as_junit(criteria: Sequence[Criterion]) -> str:
    """JUnit's XML as Jenkins and GitLab read it, with one test case per criterion."""
    from xml.etree import ElementTree as ET

    name = "meshtui acceptance"
    count = {state: str(sum(each.state is state for each in criteria)) for state in State}
    numbers = {"tests": str(len(criteria)), "failures": count[State.FAIL], "errors": "0", "skipped": count[State.SKIP]}
    suites = ET.Element("testsuites", {"name": name, **numbers})
    suite = ET.SubElement(suites, "testsuite", {"name": name, **numbers})
    for each in criteria:
        case = ET.SubElement(suite, "testcase", {"name": clean(each.title), "classname": f"acceptance.{each.id}"})
        evidence = [clean(text) for text in each.evidence]
        said = {"message": evidence[0] if evidence else each.state.value}
        if each.state is State.FAIL:
            ET.SubElement(case, "failure", {**said, "type": "criterion"}).text = "\n".join(evidence)
        elif each.state is State.SKIP:
            ET.SubElement(case, "skipped", said)
        else:
            ET.SubElement(case, "system-out").text = "\n".join(evidence)
    ET.indent(suites)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(suites, encoding="unicode") + "\n"


def answer(criteria: Sequence[Criterion]) -> Answer:
    """The criteria as an Answer with all formats."""
    document = to_json(criteria)
    columns = (
        Column("STATUS", key("status")),
        Column("ID", key("id")),
        Column("EVIDENCE", lambda row: "; ".join(row["evidence"]), wide=True),
        Column("TITLE", key("title")),
    )
    own = {"text": lambda: as_text(criteria), "junit": lambda: as_junit(criteria)}
    return Answer(document, document["criteria"], columns, own=own)
