"""The drill's panel beside and below the main screen: a strip at 80×24, beside it from 120 columns on; and the tour."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from textual.pilot import Pilot

from meshtui.app import MeshtuiApp
from meshtui.sandbox import drills
from meshtui.sandbox.drills import Drill
from meshtui.ui.drill.progress import Progress
from tests.fakes.frozen import NOW, bookstore
from tests.snapshot.conftest import app_on, pressing, settle


def drill() -> Drill:
    """One whose conditions the frozen bookstore never meets: it stays where a test puts it."""
    made = drills.drill("wrong-identity")
    assert made is not None
    never = made.found.when.model_copy(update={"any": (), "shows": "never"})
    steps = tuple(step.model_copy(update={"done": never}) for step in made.steps)
    found, fixed = (each.model_copy(update={"when": never}) for each in (made.found, made.fixed))
    return made.model_copy(update={"steps": steps, "found": found, "fixed": fixed})


BEGAN = NOW - timedelta(seconds=47)
STAGES: dict[str, Callable[[Progress], Progress]] = {
    "asked": lambda progress: progress,
    "hinted": lambda progress: replace(progress, step=1, hints=2),
    "found": lambda progress: replace(progress, step=2, found=NOW),
    "fixed": lambda progress: replace(progress, began=BEGAN, found=NOW, fixed=NOW),
}


def put(app: MeshtuiApp, stage: str, *keys: str) -> Callable[[Pilot[Any]], Any]:
    async def before(pilot: Pilot[Any]) -> None:
        await settle(pilot)
        assert app.guide is not None
        app.guide.progress = STAGES[stage](Progress(began=NOW))
        app.guide.look()
        await settle(pilot)
        app.guide.look()
        await pressing(*keys)(pilot)

    return before


@pytest.mark.parametrize("stage", STAGES)
def test_a_drill(snap_compare, size: tuple[int, int], stage: str) -> None:
    app = app_on(bookstore())
    app.guided_by(drill())
    assert snap_compare(app, terminal_size=size, run_before=put(app, stage))


def test_a_folded_drill_is_one_line(snap_compare) -> None:
    app = app_on(bookstore())
    app.guided_by(drill())
    assert snap_compare(app, terminal_size=(80, 24), run_before=put(app, "asked", "f2"))


def test_the_tour(snap_compare, size: tuple[int, int]) -> None:
    app = app_on(bookstore())
    app.guided_by(drills.tour())
    assert snap_compare(app, terminal_size=size, run_before=put(app, "asked", "space"))


def test_the_tour_is_offered_in_one_line(snap_compare) -> None:
    app = app_on(bookstore())
    app.guided_by(drills.tour(), offered=True)
    assert snap_compare(app, terminal_size=(120, 40), run_before=put(app, "asked"))
