"""A fix on screen: its patch, its effects, and the observations after it was applied."""

from __future__ import annotations

from meshtui.engine.explain.shifts import asked_in_words, side_in_words
from meshtui.engine.whatif.shifts import Shift, What
from meshtui.model.finding import Finding
from meshtui.model.observation import Observation
from meshtui.remediate.fixing import Done, Proposal
from meshtui.session import Session
from meshtui.ui.document import BAD, DIM, OK, STRONG, WARN, Document, Line, Section, line
from meshtui.ui.finding_marks import SEVERITIES
from meshtui.ui.verdicts import agreement, seen_ago

_MOST_LINES = 30
_EFFECTS = {
    What.OPENED: ("It would open", "+", WARN),
    What.CLOSED: ("It would close", "-", STRONG),
    What.UNSURE: ("It would leave unknown", "?", WARN),
    What.SETTLED: ("It would make known", "!", DIM),
}


def title_of(finding: Finding) -> str:
    """``✗ MT301 HBONE closed: NetworkPolicy ecom/ecom-netpol``."""
    about = f": {finding.objects[0]}" if finding.objects else ""
    return f"{SEVERITIES[finding.severity][0]} {finding.rule} {finding.name}{about}"


def fix_document(session: Session, finding: Finding, proposal: Proposal | None, done: Done | None, stage: Line) -> Document:
    """Everything known about a fix at its current stage."""
    sections = [Section("", (line(finding.message), *([line((finding.why, DIM))] if finding.why else []), stage))]
    if done is not None:
        sections += _after(session, done)
    if proposal is not None:
        sections += [_change(proposal), *_effects(proposal)]
    return Document(title_of(finding), tuple(sections))


def _change(proposal: Proposal) -> Section:
    lines: list[Line] = [line(proposal.fix.summary)]
    for step in proposal.steps:
        if step.said:
            mark, tone = ("✗ the API server refuses it", BAD) if step.tried else ("? not tried", WARN)
            lines.append(line((f"{mark}: ", tone), step.said))
        else:
            lines.append(line(("✓ the API server would take it", OK), (" (dry run)", DIM)))
        lines += [_patch_line(text) for text in step.diff.splitlines()]
        if not step.diff:
            lines.append(line((f"{step.ref} is already as it would be", WARN)))
    return Section("Patch", tuple(lines))


def _patch_line(text: str) -> Line:
    if text.startswith(("---", "+++", "@@")):
        return line((text, DIM))
    return line((text, OK if text.startswith("+") else BAD if text.startswith("-") else ""))


def _effects(proposal: Proposal) -> list[Section]:
    comparison = proposal.comparison
    sections = [
        Section(title, _shifts(comparison.of(what), sign, tone))
        for what, (title, sign, tone) in _EFFECTS.items()
        if comparison.of(what)
    ]
    words = "Nothing else changes among" if sections else "No flow changes among"
    sections.append(Section(words, tuple(line(text) for text in comparison.covered)))
    sections.append(Section("Not computed", tuple(line((text, DIM)) for text in comparison.left_out)))
    return sections


def _shifts(shifts: tuple[Shift, ...], sign: str, tone: str) -> tuple[Line, ...]:
    lines: list[Line] = []
    for shift in shifts[:_MOST_LINES]:
        some = " (some of their pods)" if shift.some else ""
        lines.append(line((f"{sign} {shift.source} → {shift.destination}", tone), f"  {asked_in_words(shift)}{some}"))
        lines.append(line((f"    {side_in_words(shift.before)} → {side_in_words(shift.after)}", DIM)))
    if len(shifts) > _MOST_LINES:
        lines.append(line((f"and {len(shifts) - _MOST_LINES} more", DIM)))
    return tuple(lines)


def _after(session: Session, done: Done) -> list[Section]:
    made = [line(("✓ ", OK), f"{applied.ref} {'edited' if applied.before else 'created'}") for applied in done.applied]
    if done.error is not None:
        made.append(line((f"✗ {done.error}", BAD)))
    if done.unseen:
        made.append(line(("! not everything was seen in time: the roll-out may still be going on", WARN)))
    sections = [Section("Applied (u undoes it)", tuple(made))] if made else []
    if done.observations:
        sections.append(Section("Predicted and observed", tuple(_observed(session, seen) for seen in done.observations)))
    if done.unprobed is not None:
        sections.append(Section("Not probed", (line((f"✗ {done.unprobed}", BAD), (" (r probes again)", DIM)),)))
    elif not done.observations and done.error is None and done.applied:
        sections.append(Section("Predicted and observed", (line(("no flow that could be probed", DIM)),)))
    return sections


def _observed(session: Session, seen: Observation) -> Line:
    flow, predicted = seen.flow, seen.predicted.decision.value
    ago = f", {text}" if (text := seen_ago(seen, session.clock())) else ""
    said = f"  {flow.source} → {flow.destination}:{flow.port}  predicted {predicted}, observed {seen.outcome}"
    return line(agreement(seen, old=session.outdated(flow)), said, (ago, DIM))


def question(proposal: Proposal, context: str) -> Document:
    """The confirmation: what would be written, and what happens afterwards."""
    objects = [line((str(step.ref), STRONG), "" if step.before else "  (new)") for step in proposal.steps]
    count = len(proposal.promised)
    after = (
        line(f"then {count} flow(s) that it promises to open or close are probed: with short-lived pods, which are removed")
        if count
        else line(("no flow that could be probed changes", DIM))
    )
    opened, closed = (
        len({(shift.source, shift.destination) for shift in proposal.comparison.of(what)}) for what in (What.OPENED, What.CLOSED)
    )
    return Document(
        "Apply the fix?",
        (
            Section("", (line("context ", (context, STRONG)),)),
            Section("Objects that will be written", tuple(objects)),
            Section(
                "What it does", (line(f"opens flows between {opened} pairs of workloads, closes them between {closed}"), after)
            ),
            Section("", (line(("u undoes it, as long as nobody changes them in between", DIM)),)),
        ),
    )


def undo_question(done: Done, context: str) -> Document:
    """The confirmation of an undo: which objects would be restored."""
    objects = [line((str(a.ref), STRONG), "  is put back" if a.before else "  is deleted") for a in reversed(done.applied)]
    return Document(
        "Undo the fix?",
        (Section("", (line("context ", (context, STRONG)),)), Section("Objects that will be written", tuple(objects))),
    )
