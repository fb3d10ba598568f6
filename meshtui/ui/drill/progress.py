"""The progress of a drill. Pure: each evaluation returns a new progress."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from meshtui.sandbox.drills import Condition, Drill, Step
from meshtui.ui.document import BAD, DIM, OK, STRONG, WARN, Line, line


@dataclass(frozen=True, slots=True)
class Progress:
    """``step`` is the current question; ``hints`` is how many of its hints are shown; times are None until they are reached."""

    step: int = 0
    hints: int = 0
    began: datetime | None = None
    broken: bool = False
    found: datetime | None = None
    fixed: datetime | None = None


def advance(progress: Progress, drill: Drill, holds: Callable[[Condition], bool], now: datetime) -> Progress:
    """One evaluation. Steps may be done in any order or all at once; a repair counts even if the cause wasn't found.

    The drill counts as fixed only after it was broken, so that a starting sandbox doesn't end it.
    """
    if progress.fixed is not None:
        return progress
    progress = replace(progress, began=progress.began or now)
    if progress.found is None and holds(drill.found.when):
        progress = replace(progress, found=now, step=len(drill.steps), hints=0)
    while progress.found is None and progress.step < len(drill.steps) - 1:
        done = drill.steps[progress.step].done
        if done is None or not holds(done):
            break
        progress = replace(progress, step=progress.step + 1, hints=0)
    well = holds(drill.fixed.when)
    if well and progress.broken:
        return replace(progress, fixed=now, hints=0)
    return replace(progress, broken=progress.broken or not well)


def asked(progress: Progress, drill: Drill) -> Step | None:
    """The current question; None once the drill is fixed."""
    if progress.fixed is not None:
        return None
    return drill.repair if progress.found is not None else drill.steps[progress.step]


def hint(progress: Progress, drill: Drill) -> Progress:
    """One more hint, if there is one."""
    step = asked(progress, drill)
    return replace(progress, hints=min(progress.hints + 1, len(step.hints))) if step else progress


def seconds(progress: Progress) -> int:
    """The time from start to repair, in whole seconds."""
    if progress.began is None or progress.fixed is None:
        return 0
    return round((progress.fixed - progress.began).total_seconds())


def head(progress: Progress, drill: Drill) -> Line:
    """One line: the drill and its progress."""
    if progress.fixed is not None:
        return line(("Drill ", DIM), (drill.name, STRONG), (f"  ✓ Fixed in {seconds(progress)} s", OK))
    if progress.found is not None:
        return line(("Drill ", DIM), (drill.name, STRONG), ("  ✓ Found, not fixed yet", WARN))
    return line(("Drill ", DIM), (drill.name, STRONG), (f"  question {progress.step + 1} of {len(drill.steps)}", DIM))


def page(progress: Progress, drill: Drill) -> list[Line]:
    """All lines, with empty ones between paragraphs, for a panel beside the screen."""
    lines = [
        head(progress, drill),
        line(),
        line(("What is seen", DIM)),
        line((drill.symptom, BAD if not progress.fixed else DIM)),
    ]
    if progress.found is not None:
        lines += [line(), line((f"✓ Found: {drill.found.says}", OK))]
    if progress.fixed is not None:
        return [
            *lines,
            line(),
            line((f"✓ Fixed in {seconds(progress)} s: {drill.fixed.says}", OK)),
            line(),
            line(("F2 folds this", DIM)),
        ]
    step = asked(progress, drill)
    if step is not None:
        lines += [line(), line((step.question, STRONG)), line(("Press ", DIM), step.keys)]
        lines += [line((f"Hint {number}: {text}", WARN)) for number, text in enumerate(step.hints[: progress.hints], 1)]
    return [*lines, line(), line((_keys(progress, step), DIM))]


def strip(progress: Progress, drill: Drill) -> list[Line]:
    """The most important lines, for a strip below the screen."""
    if progress.fixed is not None:
        return [head(progress, drill), line((drill.fixed.says, OK))]
    step = asked(progress, drill)
    if step is None:
        return [head(progress, drill)]
    first = (*head(progress, drill), *line((f" · {_keys(progress, step)}", DIM)))
    if progress.hints:
        latest = line((f"Hint {progress.hints}: {step.hints[progress.hints - 1]}", WARN))
        return [first, line((step.question, STRONG)), latest]
    said = f"Found: {drill.found.says} " if progress.found else "" if progress.step else f"{drill.symptom} "
    return [first, line((said, OK if progress.found else BAD), (step.question, STRONG)), line(("Press ", DIM), step.keys)]


def _keys(progress: Progress, step: Step | None) -> str:
    left = len(step.hints) - progress.hints if step else 0
    return f"F3 hint ({left} left) · F2 folds" if left else "F2 folds"
