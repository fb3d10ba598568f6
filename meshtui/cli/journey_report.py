"""Journeys as text and JSON: which there are, what one came to, and what is wrong with a file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from meshtui.cli.answer import Answer, Column, key
from meshtui.cli.checkout_report import further_lines, further_to_json, look_to_json, step_lines, step_to_json
from meshtui.journeys.judge import number
from meshtui.journeys.known import Catalogue, Known
from meshtui.journeys.load import Problem
from meshtui.journeys.report import Failure, Reading, Report
from meshtui.model.plain import clean


def listing(catalogue: Catalogue) -> Answer:
    """All journeys, a row each; files that hold none are told beside it."""
    rows = [_known_to_json(known) for known in catalogue.journeys]
    width = max((len(row["name"]) for row in rows), default=0)

    def text() -> str:
        lines = [f"{row['name']:<{width}}  {'changes' if row['changes'] else 'reads  '}  {row['title']}" for row in rows]
        return "".join(f"{clean(line)}\n" for line in lines)

    columns = (
        Column("NAME", key("name")),
        Column("CHANGES", lambda row: "yes" if row["changes"] else "no"),
        Column("STEPS", lambda row: str(len(row["steps"])), wide=True),
        Column("ORIGIN", key("origin"), wide=True),
        Column("TITLE", key("title")),
    )
    return Answer(rows, rows, columns, lambda row: [row["name"]], {"text": text})


def _known_to_json(known: Known) -> dict[str, Any]:
    journey = known.journey
    return {
        "name": journey.name,
        "title": journey.title,
        "about": journey.about,
        "changes": journey.changing,
        "origin": known.origin,
        "steps": [step.name for step in journey.step],
        "calls": [call.name for step in journey.step for call in step.call],
        "gauges": [gauge.name for gauge in journey.gauge],
        "variables": list(journey.variables),
    }


def checked(file: str, problems: Sequence[Problem]) -> Answer:
    """What is wrong with a file, a row a problem."""
    rows = [
        {"file": each.file, "line": each.line, "field": each.field or None, "problem": each.says, "hint": each.hint or None}
        for each in problems
    ]

    def text() -> str:
        if not problems:
            return f"{clean(file)}: no problem\n"
        return "".join(clean(f"{each}{f' ({each.hint})' if each.hint else ''}") + "\n" for each in problems)

    columns = tuple(Column(name.upper(), key(name)) for name in ("file", "line", "field", "problem", "hint"))
    return Answer({"file": file, "ok": not problems, "problems": rows}, rows, columns, own={"text": text})


def answer(report: Report) -> Answer:
    """One run in all forms: a row a step."""
    document = to_json(report)
    columns = (
        Column("STEP", key("name")),
        Column("KIND", key("kind")),
        Column("STATE", key("state")),
        Column("STATUS", key("status")),
        Column("MS", key("elapsed_ms")),
        Column("FROM", key("source_identity"), wide=True),
        Column("TO", key("destination_identity"), wide=True),
        Column("URL", key("url")),
    )
    return Answer(document, document["steps"], columns, own={"text": lambda: as_text(report)})


def as_text(report: Report) -> str:
    """Every step with its evidence, the gauges, and what a failure means."""
    lines = [text for step in report.steps for text in step_lines(step)]
    lines += [*further_lines(report.further), "", *(clean(gauge_line(gauge)) for gauge in report.gauges)]
    lines += [clean(f"note: {note}") for note in report.notes]
    for failure in report.failures:
        lines += _failure_lines(failure)
    lines.append(f"{'✓ ok' if report.ok else '✗ failed'}: {clean(report.title)}")
    return "\n".join(lines) + "\n"


def gauge_line(gauge: Reading) -> str:
    """A gauge in one line."""
    before, after = (f"{value:g}" if value is not None else "unknown" for value in (gauge.before, gauge.after))
    wanted = "" if gauge.right else f", should be {number(gauge.wanted)}"
    return f"{'✓' if gauge.right else '✗'} {gauge.title}: {before} → {after}, change {number(gauge.change)}{wanted}"


def _failure_lines(failure: Failure) -> list[str]:
    lines = [f"✗ {failure.title} ({failure.outcome}): {failure.says}", *(f"    {why}" for why in failure.why)]
    for look in (*failure.look_at, *failure.behind):
        lines += [f"  look at {look.ref}: {look.why}", f"    {look.command}"]
    return [clean(text) for text in lines]


def to_json(report: Report) -> dict[str, Any]:
    """One run (its schema: ``meshtui schema journey-run``)."""
    return {
        "ok": report.ok,
        "journey": report.journey,
        "title": report.title,
        "gateway": report.gateway,
        "host": report.host or None,
        "steps": [{**step_to_json(step), "title": step.title, "kind": step.kind} for step in report.steps],
        "gauges": [
            {
                "name": gauge.name,
                "title": gauge.title,
                "before": gauge.before,
                "after": gauge.after,
                "change": gauge.change,
                "wanted": gauge.wanted,
                "ok": gauge.right,
            }
            for gauge in report.gauges
        ],
        "failures": [
            {
                "name": failure.name,
                "title": failure.title,
                "outcome": failure.outcome,
                "means": failure.says,
                "why": list(failure.why),
                "look_at": [look_to_json(look) for look in (*failure.look_at, *failure.behind)],
            }
            for failure in report.failures
        ],
        "further": [further_to_json(each) for each in report.further],
        "notes": list(report.notes),
    }
