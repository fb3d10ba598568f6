"""``meshtui explain``: why a flow is allowed or denied, step by step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from meshtui.cli.asked_flow import FLOW_PARAMS, flow_of
from meshtui.cli.command import command

if TYPE_CHECKING:
    from meshtui.engine.explain.advice import Advice
    from meshtui.model.flow import Flow
    from meshtui.model.verdict import Verdict
    from meshtui.settings import Settings

_MARKS = {"pass": "✓", "block": "✗", "skip": "-", "unknown": "?"}


@dataclass(frozen=True, slots=True)
class Words:
    """The words of the command."""

    source: str
    destination: str
    protocol: str
    method: str | None
    path: str | None
    output: str


PARAMS = list(FLOW_PARAMS)


def _run(words: Words, settings: Settings) -> int:
    from meshtui.cli.answer import Answer, Column, key, object_name
    from meshtui.cli.flowfile import step_to_json, verdict_to_json
    from meshtui.cli.formats import write
    from meshtui.cli.source import one_snapshot
    from meshtui.engine import Engine
    from meshtui.engine.explain.advice import advise

    flow = flow_of(words)
    engine = Engine(one_snapshot(settings))
    verdict = engine.judge(flow)
    advice = advise(engine, flow, verdict)
    document: dict[str, Any] = {
        **verdict_to_json(verdict),
        "steps": [step_to_json(step) for step in verdict.steps],
        "assumptions": list(verdict.assumptions),
        "client_sees": advice.client_sees,
        "changes": list(advice.changes),
        "log_lines": list(advice.log_lines),
        "commands": list(advice.commands),
    }
    columns = (
        Column("RESULT", key("result")),
        Column("LAYER", key("layer")),
        Column("OBJECTS", lambda step: " ".join(map(object_name, step["objects"]))),
        Column("WHERE", key("where"), wide=True),
        Column("REASON", key("reason")),
    )
    write(
        Answer(
            document,
            document["steps"],
            columns,
            lambda step: [object_name({**each, "rule": None}) for each in step["objects"]],
            own={"text": lambda: _text(flow, verdict, advice)},
        ),
        words.output,
    )
    return 0


def _text(flow: Flow, verdict: Verdict, advice: Advice) -> str:
    from meshtui.model.plain import clean

    port = f":{flow.port}" if flow.port is not None else ""
    lines = [f"{flow.source} → {flow.destination}{port} ({flow.protocol})", f"  {verdict.decision.value}: {verdict.outcome}"]
    if verdict.decided_by:
        rule = f" {verdict.decided_by.rule}" if verdict.decided_by.rule else ""
        lines.append(f"  decided by {verdict.decided_by.ref}{rule} ({verdict.layer.value})")
    lines.append("")
    for step in verdict.steps:
        lines.append(f"  {_MARKS[step.result.value]} {step.layer.value:<14} {step.reason}")
        lines.append(f"    {'':<14} enforced by {step.where}")
    lines += [f"  note: {note}" for note in verdict.notes]
    lines += [f"  assumed: {assumption}" for assumption in verdict.assumptions]
    lines += [f"  {pair.source} → {pair.destination}: {pair.verdict.decision.value}" for pair in verdict.pairs]
    for title, texts in (
        ("the client sees", (advice.client_sees,)),
        ("what would change it", advice.changes),
        ("look for this line", advice.log_lines),
        ("look at", advice.commands),
        ("next", (advice.next_step,) if advice.next_step else ()),
    ):
        if texts:
            lines += ["", f"  {title}:", *(f"    {text}" for text in texts)]
    return "".join(f"{clean(line)}\n" for line in lines)


COMMAND = command(
    "explain",
    "why a flow is allowed or denied, step by step",
    PARAMS,
    Words,
    _run,
    outputs=("text", "table", "wide", "json", "jsonl", "yaml", "csv", "name"),
    exits={0: "whatever the verdict is", 3: "the cluster can't be reached or says no"},
)
