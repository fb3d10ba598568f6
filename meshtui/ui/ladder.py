"""An explained verdict: every step in order, the decider, what the client sees, and advice."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime

from meshtui.engine.explain.advice import Advice
from meshtui.engine.explain.changes import change_in_words, conclusion_in_words, warnings_in_words
from meshtui.engine.explain.wording import in_words
from meshtui.mesh.report import Difference
from meshtui.model.change import VerdictChange
from meshtui.model.flow import Flow
from meshtui.model.ids import ObjectRef
from meshtui.model.observation import Observation
from meshtui.model.verdict import StepResult, Verdict
from meshtui.sources.edits import edit_to_yaml
from meshtui.ui.document import BAD, DIM, OK, PLAIN, STRONG, WARN, Document, Line, Section, Word, line
from meshtui.ui.text import age
from meshtui.ui.verdicts import VERDICTS, agreement, seen_ago

_MOST_DRIFT = 5
_STEPS = {
    StepResult.PASS: ("✓ pass ", OK),
    StepResult.BLOCK: ("✗ BLOCK", BAD),
    StepResult.SKIP: ("– skip ", DIM),
    StepResult.UNKNOWN: ("? doubt", WARN),
}


def changed_words(change: VerdictChange, now: datetime) -> Line:
    """A changed verdict in one line: before, after, when, and the cause."""
    since = age((now - change.at).total_seconds())
    same = change.before.decision is change.after.decision
    before, after = (_short(v, more=same) for v in (change.before, change.after))
    because = f", because {'; '.join(str(cause) for cause in change.because[:3])}" if change.because else ""
    return line((f"* changed {since} ago: {before} → {after}{because}", WARN))


def _short(verdict: Verdict, *, more: bool) -> str:
    """A verdict in a word, with details if the word alone is the same before and after."""
    if not more:
        return verdict.decision.value
    by = verdict.decided_by
    rule = f" {by.rule}" if by and by.rule else ""
    return f"{verdict.decision.value} by {by.ref}{rule}" if by else f"{verdict.decision.value} ({verdict.layer.value})"


def why(
    flow: Flow,
    verdict: Verdict,
    advice: Advice,
    now: datetime,
    observation: Observation | None = None,
    change: VerdictChange | None = None,
    *,
    old: bool = False,
) -> Document:
    """Everything about one flow. ``old``: the verdict, or a policy that decides it, has changed since the probe."""
    word, tone = VERDICTS[verdict.decision]
    answer = [line((word, tone), f": {verdict.outcome}")]
    if change is not None:
        answer.append(changed_words(change, now))
    if verdict.decided_by is not None:
        rule = f" {verdict.decided_by.rule}" if verdict.decided_by.rule else ""
        decider = Word(f"{verdict.decided_by.ref}{rule}", STRONG, verdict.decided_by.ref)
        answer.append(line(("decided by ", DIM), decider, f" ({verdict.layer.value})"))
    answer += [line(in_words(note)) for note in verdict.notes]
    answer.append(line(("the client sees: ", DIM), advice.client_sees))
    sections = [Section("", tuple(answer)), Section("Step by step", _ladder(verdict))]
    if observation is not None:
        sections.append(Section("Observed by a probe", _observed(observation, now, old=old)))
    if advice.changes:
        sections.append(Section("What would change it", _changes(advice)))
    for title, texts in (
        ("Look for this line", advice.log_lines),
        ("Look at", advice.commands),
        ("Assumed", tuple(map(in_words, verdict.assumptions))),
    ):
        if texts:
            sections.append(Section(title, tuple(line(text) for text in texts)))
    if verdict.pairs:
        pairs = (line(_pod(p.source), " → ", _pod(p.destination), "  ", VERDICTS[p.verdict.decision]) for p in verdict.pairs)
        sections.append(Section("Pod by pod", tuple(pairs)))
    if advice.next_step:
        sections.append(Section("Next", (line(advice.next_step),)))
    port = f":{flow.port}" if flow.port is not None else ""
    return Document(f"Why? {flow.source} → {flow.destination}{port} ({flow.protocol})", tuple(sections))


def _pod(end: str) -> Word:
    """An end of a pair: a pod is a link."""
    namespace, _, name = end.partition("/")
    return Word(end, link=ObjectRef("Pod", namespace, name) if name else None)


def drift_about(verdict: Verdict, differences: Iterable[Difference]) -> tuple[Difference, ...]:
    """The differences of the objects that a verdict depends on."""
    refs = {decider.ref for step in verdict.steps for decider in step.objects}
    refs |= {verdict.decided_by.ref} if verdict.decided_by is not None else set()
    return tuple(each for each in differences if each.ref in refs)


def with_drift(document: Document, differences: Sequence[Difference]) -> Document:
    """An explained verdict, with the nodes whose ztunnel decides by something else than the verdict assumes."""
    if not differences:
        return document
    first, *others = document.sections
    return Document(document.title, (first, Section("Not so everywhere", _drift(differences)), *others))


def _drift(differences: Sequence[Difference]) -> tuple[Line, ...]:
    lines: list[Line] = []
    for each in differences[:_MOST_DRIFT]:
        field = f", {each.field}" if each.field else ""
        words = f"{each.name}{field}: {each.found or 'missing'} there; {each.by}: {each.expected or 'nothing'}"
        lines.append(line((f"! the ztunnel on {each.node} ", BAD), words))
    if len(differences) > _MOST_DRIFT:
        lines.append(line((f"and {len(differences) - _MOST_DRIFT} more: 6 shows the nodes", DIM)))
    return tuple(lines)


def _changes(advice: Advice) -> tuple[Line, ...]:
    """What else the changes would open comes first, then each change with its YAML, then what the what-if says."""
    lines = [line((text, WARN)) for text in warnings_in_words(advice.effect)]
    for number, change in enumerate(advice.changes, 1):
        lines.append(line(f"{number}. {change_in_words(change)}"))
        written = edit_to_yaml(change.edit) if change.edit else ""
        lines += [line((f"     {text}", DIM)) for text in written.splitlines()]
    enough = advice.effect is not None and advice.effect.enough
    lines += [line((text, OK if enough else WARN)) for text in conclusion_in_words(advice.changes, advice.effect)]
    return tuple(lines)


def _observed(observation: Observation, now: datetime, *, old: bool) -> tuple[Line, ...]:
    word = agreement(observation, old=old)
    detail = f" ({observation.detail})" if observation.detail else ""
    ago = f", {seen}" if (seen := seen_ago(observation, now)) else ""
    seen_line = line(word, f": {observation.outcome}{detail}", (ago, DIM))
    if not old:
        return (seen_line,)
    return seen_line, line(("the verdict, or a policy that decides it, changed after this probe: probe it again", WARN))


def _ladder(verdict: Verdict) -> tuple[Line, ...]:
    lines: list[Line] = []
    for step in verdict.steps:
        refs = [decider.ref for decider in step.objects]
        lines.append((Word(*_STEPS[step.result]), *linked(f" {step.layer.value}: {in_words(step.reason)}", refs)))
        others = [str(d.ref) for d in step.objects if d != verdict.decided_by]
        more = f"; considered: {', '.join(others[:4])}" if others else ""
        lines.append(linked(f"        at {step.where}{more}", refs, DIM))
    return tuple(lines) or (line(("nothing stands between them", DIM)),)


def linked(text: str, refs: Iterable[ObjectRef], tone: str = PLAIN) -> Line:
    """A text in which the objects that it names are links."""
    named = {str(ref): ref for ref in refs}
    if not named:
        return (Word(text, tone),)
    names = "|".join(re.escape(name) for name in sorted(named, key=len, reverse=True))
    parts = re.split(rf"((?:{names})(?![\w-]|[.]\w))", text)
    return tuple(Word(part, tone, named.get(part)) for part in parts if part)
