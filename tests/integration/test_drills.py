"""``meshtui demo`` with a drill and with the tour, in a real terminal; and where there is no demo, no trace of either."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from meshtui.cli.main import run
from meshtui.screens.probe import ProbeScreen
from meshtui.widgets.drill import DrillPanel
from meshtui.widgets.table import ObjectTable
from tests.fakes.terminal import Terminal
from tests.pilot.test_keys import bookstore_app, until

DEMO = [sys.executable, "-m", "meshtui", "demo"]
HERE = {"PYTHONPATH": str(Path(__file__).parents[2])}


@pytest.mark.sandbox
@pytest.mark.parametrize("words", [["--tour"], ["--scenario", "tour"]], ids=" ".join)
def test_the_tour_goes_on_with_space(tmp_path: Path, words: list[str]) -> None:
    with Terminal([*DEMO, *words], cwd=tmp_path, home=tmp_path, env=HERE) as terminal:
        terminal.wait_for("1 of 9: who is who")
        terminal.send(" ")
        terminal.wait_for("May the shop reserve stock?")
        terminal.send("\x03")
        assert terminal.wait() == 0
    assert terminal.children_left() == []


@pytest.mark.sandbox
@pytest.mark.parametrize(("scenario", "shown"), [("missing-egress", "question 1 of 2"), ("healthy", "F2 starts a tour")])
def test_the_demo_has_a_drill_where_something_is_broken_and_offers_the_tour_elsewhere(
    tmp_path: Path, scenario: str, shown: str
) -> None:
    with Terminal([*DEMO, "--scenario", scenario], cwd=tmp_path, home=tmp_path, env=HERE) as terminal:
        terminal.wait_for(shown)
        terminal.send("q")
        assert terminal.wait() == 0
    assert terminal.children_left() == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--scenario", "nonsense"], "no scenario 'nonsense'"),
        (["--tour", "--scenario", "as-found"], "the tour leads through the healthy bookstore"),
        (["--tour"], "not a terminal"),
    ],
)
def test_what_cannot_be_demonstrated_is_said(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["demo", *words]) == 2
    assert said in capsys.readouterr().err


async def test_without_the_demo_there_is_no_trace_and_its_keys_are_nobodys() -> None:
    async with bookstore_app() as (_, pilot, screen):
        await pilot.press("f2", "f3", "space")
        await pilot.pause(0.5)
        assert not pilot.app.query(DrillPanel)
        assert not screen.query(DrillPanel)
        bound = {active.binding.key for active in screen.active_bindings.values()}
        assert not {"f2", "f3"} & bound
        await pilot.press("j", "p")
        await until(pilot, lambda: isinstance(pilot.app.screen, ProbeScreen))
        before = pilot.app.screen.query_one(ObjectTable).rows
        await pilot.press("space")
        await until(pilot, lambda: pilot.app.screen.query_one(ObjectTable).rows != before)
