"""Results of ``meshtui verify`` as text, TAP, JUnit and JSON: one function per format."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from meshtui.cli.answer import Answer, Column, key, object_name
from meshtui.cli.flowfile import decider_to_json, flow_to_json
from meshtui.cli.jsontext import json_text
from meshtui.cli.terminal import wrapped
from meshtui.engine.expect.verification import Result, Status
from meshtui.engine.explain.expectations import why
from meshtui.model.plain import clean

_MARKS = {Status.PASS: "✓", Status.FAIL: "✗", Status.UNKNOWN: "?"}
_FIRST = (Status.FAIL, Status.UNKNOWN, Status.PASS)


def counted(results: Sequence[Result]) -> Counter[Status]:
    """The number of results of each status."""
    return Counter(result.status for result in results)


def to_json(results: Sequence[Result]) -> dict[str, Any]:
    """The JSON answer (docs/contracts.md, verify)."""
    count = counted(results)
    return {
        "passed": count[Status.PASS],
        "failed": count[Status.FAIL],
        "unknown": count[Status.UNKNOWN],
        "results": [_to_json(result) for result in results],
    }


def _to_json(result: Result) -> dict[str, Any]:
    each, observation = result.expectation, result.observation
    return {
        "id": each.flow.id,
        "name": each.name,
        "expected": each.expected,
        "predicted": result.predicted,
        "observed": result.observed,
        "status": result.status.value,
        "reason": why(result),
        "flow": flow_to_json(each.flow),
        "layer": result.verdict.layer.value,
        "decided_by": decider_to_json(result.verdict.decided_by),
        "agrees": observation.agrees if observation else None,
        "evidence": list(observation.evidence) if observation else [],
    }


def as_tap(results: Sequence[Result]) -> str:
    """TAP version 14 (testanything.org). An unknown result is a skipped test; the exit code shows it too."""
    lines = ["TAP version 14", f"1..{len(results)}"]
    for number, result in enumerate(results, 1):
        word = "not ok" if result.status is Status.FAIL else "ok"
        description = clean(result.expectation.name).replace("\\", "\\\\").replace("#", "\\#")
        directive = f" # SKIP {clean(why(result))}" if result.status is Status.UNKNOWN else ""
        lines.append(f"{word} {number} - {description}{directive}")
        if result.status is Status.FAIL:
            lines += ["  ---", *(f"  {name}: {json_text(value)}" for name, value in _facts(result)), "  ..."]
    return "\n".join(lines) + "\n"


def _facts(result: Result) -> list[tuple[str, str]]:
    observed = [("observed", result.observed)] if result.observed is not None else []
    return [
        ("expected", result.expectation.expected),
        ("predicted", result.predicted),
        *observed,
        ("reason", clean(why(result))),
    ]


def as_junit(results: Sequence[Result]) -> str:
    """JUnit's XML as Jenkins and GitLab read it; unknown results are skipped."""
    from xml.etree import ElementTree as ET

    count, name = counted(results), "meshtui verify"
    numbers = {
        "tests": str(len(results)),
        "failures": str(count[Status.FAIL]),
        "errors": "0",
        "skipped": str(count[Status.UNKNOWN]),
        "time": f"{sum(_seconds(result) for result in results):.3f}",
    }
    suites = ET.Element("testsuites", {"name": name, **numbers})
    suite = ET.SubElement(suites, "testsuite", {"name": name, **numbers})
    for result in results:
        source = str(result.expectation.flow.source)
        attributes = {"name": clean(result.expectation.name), "classname": clean(source), "time": f"{_seconds(result):.3f}"}
        case = ET.SubElement(suite, "testcase", attributes)
        facts = "\n".join(clean(f"{name}: {value}") for name, value in _facts(result))
        if result.status is Status.FAIL:
            ET.SubElement(case, "failure", {"message": clean(why(result)), "type": "mismatch"}).text = facts
        elif result.status is Status.UNKNOWN:
            ET.SubElement(case, "skipped", {"message": clean(why(result))})
    ET.indent(suites)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(suites, encoding="unicode") + "\n"


def _seconds(result: Result) -> float:
    total_ms = result.observation.total_ms if result.observation else None
    return (total_ms or 0.0) / 1000


def as_text(results: Sequence[Result]) -> str:
    """A table for people: failures first, each with its reason, then passes, and the counts."""
    rows = sorted(results, key=lambda result: _FIRST.index(result.status))
    probed = any(result.observation for result in results)
    titles = ["STATUS", "EXPECTED", "PREDICTED", *(["OBSERVED"] if probed else []), "EXPECTATION"]
    cells = [
        [
            f"{_MARKS[r.status]} {r.status.value}",
            r.expectation.expected,
            r.predicted,
            *([r.observed or "-"] if probed else []),
            clean(r.expectation.name),
        ]
        for r in rows
    ]
    widths = [max(len(row[column]) for row in [titles, *cells]) for column in range(len(titles))]
    lines = [_row(titles, widths)]
    for row, result in zip(cells, rows, strict=True):
        lines.append(_row(row, widths))
        if result.status is not Status.PASS:
            lines += wrapped(clean(why(result)), "    ", "    ")
    return "\n".join([*lines, "", summary(results)]) + "\n"


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def summary(results: Sequence[Result]) -> str:
    """The counts in one line."""
    count = counted(results)
    return f"{count[Status.PASS]} passed, {count[Status.FAIL]} failed, {count[Status.UNKNOWN]} unknown, of {len(results)}"


def answer(results: Sequence[Result]) -> Answer:
    """The results as an Answer with all formats."""
    document = to_json(results)
    columns = (
        Column("STATUS", key("status")),
        Column("EXPECTED", key("expected")),
        Column("PREDICTED", key("predicted")),
        Column("OBSERVED", key("observed")),
        Column("DECIDED BY", lambda row: object_name(row["decided_by"]), wide=True),
        Column("REASON", key("reason"), wide=True),
        Column("EXPECTATION", key("name")),
    )
    own = {"text": lambda: as_text(results), "tap": lambda: as_tap(results), "junit": lambda: as_junit(results)}
    return Answer(document, document["results"], columns, own=own)
