"""``meshtui explain``: why a flow is allowed or denied, step by step."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from meshtui.cli.asked_flow import FLOW_OPTIONS, flow_of
from meshtui.cli.command import asks_mesh, command
from meshtui.cli.complete import destinations, sources

if TYPE_CHECKING:
    from meshtui.engine.explain.advice import Advice
    from meshtui.model.flow import Flow
    from meshtui.model.ids import ObjectRef
    from meshtui.model.verdict import Verdict
    from meshtui.settings import Settings

_RULE = re.compile(r"MT[0-9]{3}\Z", re.ASCII | re.IGNORECASE)
_MARKS = {"pass": "✓", "block": "✗", "skip": "-", "unknown": "?"}


@dataclass(frozen=True, slots=True)
class Words:
    """The parsed arguments."""

    source: str
    destination: str | None
    protocol: str
    method: str | None
    path: str | None
    host: str | None
    header: tuple[str, ...]
    mesh: bool
    output: str


PARAMS = [
    click.Argument(
        ["source"], metavar="FROM", help="NS/POD, NS/KIND/NAME, an address, or external; MTnnn: a finding", shell_complete=sources
    ),
    click.Argument(
        ["destination"],
        metavar="TO:PORT",
        required=False,
        help="the same, NS/svc/NAME:PORT, or a host as api.example.com:443; of a finding: the object (all, without it)",
        shell_complete=destinations,
    ),
    *FLOW_OPTIONS,
    asks_mesh(),
]


def _run(words: Words, settings: Settings) -> int:
    from meshtui.cli.answer import Answer, Column, key, object_name
    from meshtui.cli.flowfile import step_to_json, verdict_to_json
    from meshtui.cli.formats import write
    from meshtui.cli.proposals import effect_to_json, proposal_to_json
    from meshtui.cli.reading import noting
    from meshtui.cli.source import one_snapshot
    from meshtui.engine import Engine
    from meshtui.engine.explain.advice import advise
    from meshtui.engine.explain.changes import change_in_words
    from meshtui.engine.explain.wording import in_words

    if _RULE.match(words.source):
        return _explain_findings(words, settings)
    flow = flow_of(words)
    snapshot = one_snapshot(settings, mesh=words.mesh)
    engine = Engine(snapshot)
    verdict = engine.judge(flow)
    advice = advise(engine, flow, verdict)
    document: dict[str, Any] = {
        **verdict_to_json(verdict),
        "steps": [step_to_json(step) for step in verdict.steps],
        "assumptions": [in_words(each) for each in verdict.assumptions],
        "client_sees": advice.client_sees,
        "changes": [change_in_words(change) for change in advice.changes],
        "proposals": [proposal_to_json(change) for change in advice.changes],
        "effect": effect_to_json(advice.effect),
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
    answer = Answer(
        document,
        document["steps"],
        columns,
        lambda step: [object_name({**each, "rule": None}) for each in step["objects"]],
        own={"text": lambda: _text(flow, verdict, advice)},
    )
    write(noting(answer, read=snapshot.reading), words.output)
    return 0


def _explain_findings(words: Words, settings: Settings) -> int:
    """The findings of a rule, or those of one object, with what their fixes would open and close."""
    from meshtui.cli.check_pages import page_of
    from meshtui.cli.check_places import places_of
    from meshtui.cli.explained_finding import answer, explained
    from meshtui.cli.findings import findings_of, read_for, rule_named
    from meshtui.cli.formats import write
    from meshtui.cli.notes import note
    from meshtui.cli.reading import noting
    from meshtui.model.errors import ConfigError, UsageError

    rule = rule_named(words.source)
    as_text = words.output == "text"
    if words.protocol != "TCP" or words.method or words.path or words.host or words.header:
        raise UsageError("a finding is no flow", "leave out --protocol, --method, --path, --host and --header")
    if as_text:  # a page needs no cluster
        sys.stdout.write(f"{page_of(rule.id)}\n")
        sys.stdout.flush()
    try:
        world = read_for(settings, observe=True)
    except ConfigError as error:
        if not as_text or words.destination is not None:
            raise
        note(f"no cluster to look at: {error.message}")
        return 0
    everything, not_evaluated = findings_of(world, settings)
    found = of_rule = [each for each in everything if each.rule == rule.id]
    if words.destination is not None:
        found = [each for each in of_rule if any(_is_named(ref, words.destination) for ref in each.objects)]
        if not found:
            known = ", ".join(dict.fromkeys(str(ref) for each in of_rule for ref in each.objects[:1])) or "none"
            note(f"{rule.id} finds nothing about {words.destination}; it finds something about: {known}")
    texts, snapshot = world.manifests(found), world.snapshot
    silent = next((each for each in not_evaluated if each.rule == rule.id), None)
    places = places_of(snapshot, found)
    several = [explained(snapshot, each, texts, places) for each in found]
    write(noting(answer(rule, several, silent), read=snapshot.reading), words.output)
    return 0


def _is_named(ref: ObjectRef, text: str) -> bool:
    """Whether NS/NAME or NS/KIND/NAME names an object; without a namespace, NAME or KIND/NAME."""
    from meshtui.engine.path.resolution import kind_named

    *before, name = text.split("/")
    if name != ref.name or len(before) > 2:
        return False
    kinds = [part for part in before if (kind_named(part) or part).lower() == ref.kind.lower()]
    places = [part for part in before if part == ref.namespace and part not in kinds]
    return len(before) == len(kinds) + len(places) and (not ref.namespace or bool(places) or not before)


def _text(flow: Flow, verdict: Verdict, advice: Advice) -> str:
    from meshtui.engine.explain.wording import in_words
    from meshtui.model.plain import clean

    port = f":{flow.port}" if flow.port is not None else ""
    lines = [f"{flow.source} → {flow.destination}{port} ({flow.protocol})", f"  {verdict.decision.value}: {verdict.outcome}"]
    if verdict.decided_by:
        rule = f" {verdict.decided_by.rule}" if verdict.decided_by.rule else ""
        lines.append(f"  decided by {verdict.decided_by.ref}{rule} ({verdict.layer.value})")
    lines.append("")
    for step in verdict.steps:
        lines.append(f"  {_MARKS[step.result.value]} {step.layer.value:<14} {in_words(step.reason)}")
        lines.append(f"    {'':<14} enforced by {step.where}")
    lines += [f"  note: {in_words(note)}" for note in verdict.notes]
    lines += [f"  assumed: {in_words(assumption)}" for assumption in verdict.assumptions]
    lines += [f"  {pair.source} → {pair.destination}: {pair.verdict.decision.value}" for pair in verdict.pairs]
    for title, texts in (
        ("the client sees", (advice.client_sees,)),
        ("what would change it", _changes(advice)),
        ("look for this line", advice.log_lines),
        ("look at", advice.commands),
        ("next", (advice.next_step,) if advice.next_step else ()),
    ):
        if texts:
            lines += ["", f"  {title}:", *(f"    {text}" for text in texts)]
    return "".join(f"{clean(line)}\n" for line in lines)


def _changes(advice: Advice) -> tuple[str, ...]:
    """What else the changes would open comes first, then each change with its YAML, then what the what-if says."""
    from meshtui.engine.explain.changes import change_in_words, conclusion_in_words, warnings_in_words
    from meshtui.sources.edits import edit_to_yaml

    lines = list(warnings_in_words(advice.effect))
    for number, change in enumerate(advice.changes, 1):
        lines.append(f"{number}. {change_in_words(change)}")
        lines += [f"     {text}" for text in (edit_to_yaml(change.edit) if change.edit else "").splitlines()]
    return (*lines, *conclusion_in_words(advice.changes, advice.effect))


COMMAND = command(
    "explain",
    "why a flow is allowed or denied, step by step; what a finding's fix would change",
    PARAMS,
    Words,
    _run,
    outputs=("text", "table", "wide", "json", "jsonl", "yaml", "csv", "name"),
    exits={0: "whatever the verdict is", 3: "the cluster can't be reached or refuses"},
)
