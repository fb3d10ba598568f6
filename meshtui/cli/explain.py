"""``meshtui explain``: why a flow is allowed or denied, step by step."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING

from meshtui.cli.command import Command
from meshtui.cli.flowfile import step_to_json, verdict_to_json
from meshtui.cli.source import one_snapshot
from meshtui.engine import Engine
from meshtui.engine.explain.advice import Advice, advise
from meshtui.engine.path.references import parse_flow
from meshtui.model.flow import Flow, HttpRequest
from meshtui.model.verdict import StepResult, Verdict

if TYPE_CHECKING:
    from meshtui.settings import Settings

_MARKS = {StepResult.PASS: "✓", StepResult.BLOCK: "✗", StepResult.SKIP: "-", StepResult.UNKNOWN: "?"}


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("source", metavar="FROM", help="NS/POD, NS/KIND/NAME, an address, or external")
    parser.add_argument("destination", metavar="TO:PORT", help="the same, or NS/svc/NAME:PORT")
    parser.add_argument("--protocol", choices=["TCP", "UDP", "SCTP"], default="TCP")
    parser.add_argument("--method", help="the HTTP method of the request")
    parser.add_argument("--path", help="the HTTP path of the request")
    parser.add_argument("-o", "--output", choices=["text", "json"], default="text")


def _run(args: argparse.Namespace, settings: Settings) -> int:
    http = HttpRequest((args.method or "GET").upper(), args.path or "/") if args.method or args.path else None
    flow = parse_flow(args.source, args.destination, protocol=args.protocol, http=http)
    engine = Engine(one_snapshot(settings))
    verdict = engine.judge(flow)
    advice = advise(engine, flow, verdict)
    if args.output == "json":
        answer = verdict_to_json(verdict)
        answer["steps"] = [step_to_json(step) for step in verdict.steps]
        answer["assumptions"] = list(verdict.assumptions)
        answer["client_sees"] = advice.client_sees
        answer["changes"] = list(advice.changes)
        answer["log_lines"] = list(advice.log_lines)
        answer["commands"] = list(advice.commands)
        sys.stdout.write(json.dumps(answer, ensure_ascii=False, indent=2) + "\n")
    else:
        sys.stdout.write(_text(flow, verdict, advice))
    return 0


def _text(flow: Flow, verdict: Verdict, advice: Advice) -> str:
    port = f":{flow.port}" if flow.port is not None else ""
    lines = [f"{flow.source} → {flow.destination}{port} ({flow.protocol})", f"  {verdict.decision.value}: {verdict.outcome}"]
    if verdict.decided_by:
        rule = f" {verdict.decided_by.rule}" if verdict.decided_by.rule else ""
        lines.append(f"  decided by {verdict.decided_by.ref}{rule} ({verdict.layer.value})")
    lines.append("")
    for step in verdict.steps:
        lines.append(f"  {_MARKS[step.result]} {step.layer.value:<14} {step.reason}")
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
    return "\n".join(lines) + "\n"


COMMAND = Command("explain", "why a flow is allowed or denied, step by step", _arguments, _run)
