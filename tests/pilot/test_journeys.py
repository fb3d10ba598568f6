"""The key J: lists journeys, runs the one under the cursor, asks before one that changes something, and every way out works."""

from pathlib import Path

import pytest
from textual.widgets import OptionList

from meshtui.sandbox.run import running_sandbox
from meshtui.screens.confirm import ConfirmScreen
from meshtui.screens.journey import JourneyScreen
from meshtui.screens.main import MainScreen
from meshtui.ui.widgets.gauge_view import GaugeView
from tests.fakes.shop import BOOK
from tests.pilot.test_checkout import driven, production, shown, until

BROWSE = (Path(__file__).parents[1] / "fakes" / "browse.toml").read_text()
STOCK = ("GET", f"/inven/stock/{BOOK}")


@pytest.fixture(autouse=True)
def _configuration(tmp_path, monkeypatch):
    """An operator's folder with one journey, and one file that is wrong."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("MESHTUI_CONFIG", raising=False)
    (tmp_path / "meshtui" / "journeys").mkdir(parents=True)
    (tmp_path / "meshtui" / "journeys" / "browse.toml").write_text(BROWSE)
    (tmp_path / "meshtui" / "journeys" / "wrong.toml").write_text("name = 1")


def finished(app):
    return isinstance(app.screen, JourneyScreen) and app.screen.report is not None and app.screen.report.finished


async def listed(app, pilot):
    await pilot.press("J")
    await until(pilot, lambda: isinstance(app.screen, JourneyScreen) and "what the shop sells" in shown(app))


@pytest.mark.sandbox
async def test_enter_runs_the_journey_under_the_cursor():
    async with running_sandbox("healthy") as sandbox:
        assert await sandbox.wait_ready() == []
        async with driven(sandbox.kubeconfig) as (app, pilot):
            await until(pilot, lambda: app.session.label.sandbox)
            await listed(app, pilot)
            assert [option.id for option in app.screen.query_one(OptionList).options] == ["browse", "checkout"]
            assert "wrong.toml:1: name: expected `str`, got `int`" in shown(app)
            await pilot.press("enter")
            await until(pilot, lambda: finished(app))
            assert app.screen.report.ok, shown(app)
            assert "✓ ok" in shown(app)
            assert "↳ gateway to inventory" in shown(app)
            await pilot.press("down")
            await until(pilot, lambda: "changes something: runs without asking, as this is the sandbox" in shown(app))
            await pilot.press("r")  # the sandbox's shop is there to buy from: nobody is asked
            await until(pilot, lambda: finished(app))
            assert app.screen.report.ok, shown(app)
            assert "✓ change +1" in app.screen.query_one(GaugeView).picture.plain()
            await pilot.press("escape")
            assert isinstance(app.screen, MainScreen)


async def test_elsewhere_one_that_changes_something_asks_and_no_sends_nothing():
    async with production() as (shop, app, pilot):
        await listed(app, pilot)
        await pilot.press("down")
        await until(pilot, lambda: "changes something: asks first" in shown(app))
        assert "{" not in shown(app)  # what will be sent, and not how it is written
        assert f"stock by 1  GET {STOCK[1]}" in shown(app)
        await pilot.press("r")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen) and "This changes something there" in shown(app))
        assert shop.url in shown(app)
        assert "POST   /ecom/checkout" in shown(app)
        await pilot.press("n")
        await until(pilot, lambda: isinstance(app.screen, JourneyScreen) and "nothing was sent" in shown(app))
        assert {method for method, _ in shop.requests} <= {"GET"}
        assert shop.bought == 0
        await pilot.press("r")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        await pilot.press("y")
        await until(pilot, lambda: finished(app))
        assert shop.bought == 1


async def test_read_only_sends_nothing_for_one_that_changes_something():
    async with production(read_only=True) as (shop, app, pilot):
        await listed(app, pilot)
        await pilot.press("down", "r")
        await until(pilot, lambda: "nothing is sent: read-only mode" in shown(app))
        assert shop.requests == []


async def test_one_at_a_time_and_leaving_stops_it():
    async with production({STOCK: "hang"}) as (shop, app, pilot):
        await listed(app, pilot)
        await pilot.press("down", "r")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        await pilot.press("y")
        await until(pilot, lambda: STOCK in shop.requests)
        await pilot.press("r", "up")
        assert "… stock before" in shown(app), "the run stays on the screen while it lasts"
        await pilot.press("escape")
        assert isinstance(app.screen, MainScreen)
        await until(pilot, lambda: not any(w.group == "journey" and w.is_running for w in app.workers))
        assert shop.requests.count(STOCK) == 1
        assert shop.bought == 0


async def test_the_word_and_the_palette_open_it_too():
    async with production() as (_, app, pilot):
        await pilot.press("colon", *"journeys", "enter")
        await until(pilot, lambda: isinstance(app.screen, JourneyScreen))
        assert "Journeys" in {command.title for command in app.get_system_commands(app.screen)}
