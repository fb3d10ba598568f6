"""The steps of a run (a purchase or a journey), in words."""

from __future__ import annotations

from collections.abc import Sequence

from meshtui.journeys.report import Further, StepReport, StepState
from meshtui.ui.document import BAD, DIM, OK, PLAIN, WARN, Line, Section, line

_MARKS = {
    StepState.WAITING: ("  waiting", DIM),
    StepState.RUNNING: ("… running", WARN),
    StepState.OK: ("✓ ok     ", OK),
    StepState.FAILED: ("✗ FAILED ", BAD),
    StepState.SKIPPED: ("– skipped", DIM),
}
"""A step's glyph, word and tone."""
_MTLS = {True: ("mTLS", OK), False: ("plaintext", WARN), None: ("mTLS not seen", DIM)}


def rung(step: StepReport) -> list[Line]:
    """One step: how it ended; below it who called whom, and what went wrong. A call stands below its step."""
    status = str(step.status) if step.status is not None else step.cause
    took = f"{step.elapsed_ms:.0f} ms" if step.elapsed_ms is not None else ""
    path = "/" + step.url.split("/", 3)[3] if step.url.count("/") >= 3 and "://" in step.url else step.url
    tone = PLAIN if step.state in {StepState.OK, StepState.FAILED} else DIM
    title = step.title if step.kind in {"step", "gauge"} else f"  ↳ {step.title}"
    lines = [line(_MARKS[step.state], (f" {title:<20} {step.method:<5}{status:<9}{took:>8}  {path}".rstrip(), tone))]
    if step.source or step.source_identity:
        sender, receiver = step.source_identity or step.source, step.destination_identity or step.destination
        ends = (part.removeprefix("spiffe://") for part in (sender, receiver))
        lines.append(line(("            ", DIM), next(ends), (" → ", DIM), next(ends), "  ", _MTLS[step.mtls]))
    for text, how in ((step.note, DIM), (step.error, BAD)):
        if text:
            lines.append(line((f"            {text}", how)))
    return lines


def further_section(further: Sequence[Further]) -> list[Section]:
    """What the services called beyond the steps, as the ztunnels logged it; nothing if no line says so."""
    lines = tuple(part for each in further for part in rung(each.step))
    return [Section("Further calls of the services", lines)] if lines else []
