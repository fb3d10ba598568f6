"""``meshtui demo`` with a drill and with the tour, in a real terminal; and where there is no demo, no trace of either."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

import pytest

from meshtui.cli.main import run
from meshtui.sandbox import leftovers
from meshtui.screens.probe import ProbeScreen
from meshtui.ui.drill.panel import DrillPanel
from tests.fakes.screens import table_of
from tests.fakes.settled import settled
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


@pytest.mark.sandbox
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_nothing_runs_on_after_a_demo_that_was_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    temporary = Path(tempfile.mkdtemp(prefix="mtt-", dir="/tmp"))
    temporary.chmod(0o755)  # one that others may not enter is of no use to a sandbox that root starts
    try:
        environment = HERE | {"TMPDIR": str(temporary)}
        with Terminal([*DEMO, "--scenario", "missing-egress"], cwd=tmp_path, home=tmp_path, env=environment) as terminal:
            terminal.wait_for("question 1 of 2")
            terminal.wait_for("keycloak")  # it has connected, with a key of its own
            os.kill(terminal.pid, signal.SIGKILL)
            end = time.monotonic() + 60
            while (left := terminal.children_left()) and time.monotonic() < end:
                time.sleep(0.1)
            assert left == []
        (folder,) = temporary.iterdir()
        assert folder.name.startswith("meshtui-demo-")
        monkeypatch.setattr("tempfile.tempdir", str(temporary))
        leftovers.sweep()
        assert list(temporary.iterdir()) == []
    finally:
        shutil.rmtree(temporary)


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
        await settled(pilot)
        assert not pilot.app.query(DrillPanel)
        assert not screen.query(DrillPanel)
        bound = {active.binding.key for active in screen.active_bindings.values()}
        assert not {"f2", "f3"} & bound
        await pilot.press("j", "p")
        await until(pilot, lambda: isinstance(pilot.app.screen, ProbeScreen))
        before = table_of(pilot.app.screen).rows
        await pilot.press("space")
        await until(pilot, lambda: table_of(pilot.app.screen).rows != before)
