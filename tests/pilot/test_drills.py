"""Every drill, played to its end on the running sandbox with key presses alone; and the tour."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from textual.app import App, ComposeResult
from textual.pilot import Pilot
from textual.screen import Screen

from meshtui.app import MeshtuiApp
from meshtui.journeys.bookstore.trace import RESERVE, StepState, Trace, finish
from meshtui.sandbox import drills, scenarios
from meshtui.sandbox.run import running_sandbox
from meshtui.screens.checkout import CheckoutScreen
from meshtui.screens.confirm import ConfirmScreen
from meshtui.screens.fix import FixScreen
from meshtui.screens.main import MainScreen
from meshtui.session import Session
from meshtui.settings import load_settings
from meshtui.sources.kubernetes.live import LiveSource
from meshtui.ui.drill.panel import DrillPanel, Guide
from meshtui.ui.widgets.document_view import DocumentView
from meshtui.ui.widgets.table import ObjectTable
from tests.fakes.bookstore import KUBECTL, needs_kubectl
from tests.fakes.frozen import bookstore
from tests.fakes.screens import table_of
from tests.fakes.settled import settled
from tests.pilot.test_keys import until
from tests.snapshot.conftest import app_on

pytestmark = pytest.mark.sandbox


@contextlib.asynccontextmanager
async def playing(
    scenario: str, what: drills.Drill | drills.Tour, size: tuple[int, int], *, offered: bool = False
) -> AsyncIterator[Pilot[Any]]:
    """The demo on a scenario, as ``meshtui demo`` opens it, once everything runs."""
    async with running_sandbox(scenario) as sandbox:
        assert await sandbox.wait_ready() == []
        settings = load_settings({"kubeconfig": str(sandbox.kubeconfig)})
        app = MeshtuiApp(Session(LiveSource(settings), settings))
        app.guided_by(what, offered=offered)
        async with app.run_test(size=size) as pilot:
            await until(pilot, lambda: app.session.settled and bool(app.session.snapshot.pods) and app.session.label.sandbox)
            yield pilot


def panel(pilot: Pilot[Any]) -> str:
    """What the panel says on the screen on top."""
    panels = pilot.app.screen.query(DrillPanel)
    return panels.first().plain if panels else ""


def text(pilot: Pilot[Any]) -> str:
    views = pilot.app.screen.query(DocumentView)
    return views.first().plain if views else ""


async def buy(pilot: Pilot[Any]) -> None:
    """Buy a book from the main screen, and come back."""
    await pilot.press("b")
    await until(pilot, lambda: isinstance(pilot.app.screen, CheckoutScreen))
    screen = pilot.app.screen
    assert isinstance(screen, CheckoutScreen)
    await until(pilot, lambda: screen.trace is not None and screen.trace.finished, 60)
    await until(pilot, lambda: not any(w.group == CheckoutScreen.RUN and w.is_running for w in pilot.app.workers))
    await until(pilot, lambda: bool(panel(pilot)))
    await settled(pilot)
    await pilot.press("escape")
    await until(pilot, lambda: isinstance(pilot.app.screen, MainScreen))


def place(pilot: Pilot[Any], rule: str, about: str) -> int:
    rows = [[cell.text for cell in row.cells] for row in table_of(pilot.app.screen).rows]
    return next((i for i, row in enumerate(rows) if rule in row and any(about in cell for cell in row)), -1)


async def repair(pilot: Pilot[Any], rule: str, about: str) -> None:
    """Apply the fix of a finding: 5, to its row, f, a, y; then back."""
    session: Session = pilot.app.session  # type: ignore[attr-defined]
    before = len(session.fixes)
    await pilot.press("5")
    await until(pilot, lambda: place(pilot, rule, about) >= 0)
    await until(pilot, lambda: "Found" in panel(pilot))
    await pilot.press("g", *["j"] * place(pilot, rule, about), "f")
    await until(pilot, lambda: isinstance(pilot.app.screen, FixScreen) and "a applies it" in _message(pilot), 60)
    await until(pilot, lambda: pilot.app.screen._proposal is not None)  # type: ignore[attr-defined]
    await pilot.press("a")
    await until(pilot, lambda: isinstance(pilot.app.screen, ConfirmScreen))
    await pilot.press("y")
    await until(pilot, lambda: len(session.fixes) > before and "applied" in text(pilot) and not _busy(pilot), 90)
    assert "≠" not in text(pilot)
    await pilot.press("escape")
    await until(pilot, lambda: isinstance(pilot.app.screen, MainScreen))


def _busy(pilot: Pilot[Any]) -> bool:
    return not isinstance(pilot.app.screen, FixScreen) or pilot.app.screen._busy


def _message(pilot: Pilot[Any]) -> str:
    return str(pilot.app.screen.query_one("#message").render())


BY_CHECKOUT = [
    ("wrong-identity", "MT101", "ecom-service", (80, 24)),
    ("no-reserve-call", "MT401", "ecom-service", (120, 40)),
    ("missing-egress", "MT303", "ecom-netpol", (120, 40)),
    ("uuid-mismatch", "MT402", "ecom-service", (120, 40)),
    ("l7-at-ztunnel", "MT201", "inventory-service-policy", (120, 40)),
    ("gateway-namespace", "MT214", "ecom-service-policy", (120, 40)),
    ("hbone-blocked", "MT301", "ecom-netpol", (200, 50)),
    ("h2c-upgrade", "MT403", "ecom-service", (120, 40)),
]


@pytest.mark.parametrize(("scenario", "rule", "about", "size"), BY_CHECKOUT, ids=[row[0] for row in BY_CHECKOUT])
async def test_a_purchase_shows_it_a_finding_names_it_its_fix_ends_it(scenario, rule, about, size) -> None:
    what = drills.drill(scenario)
    assert what is not None
    async with playing(scenario, what, size) as pilot:
        await until(pilot, lambda: "question 1 of 2" in panel(pilot))
        assert what.found.says not in panel(pilot)
        assert what.steps[0].hints[0] not in panel(pilot)
        await pilot.press("f3")
        assert f"Hint 1: {what.steps[0].hints[0]}" in panel(pilot)
        session: Session = pilot.app.session  # type: ignore[attr-defined]
        # Nobody has bought anything: what is wrong is said before it is asked.
        await until(pilot, lambda: next((f.rule for f in session.findings), "") == rule)
        await buy(pilot)
        await until(pilot, lambda: "question 2 of 2" in panel(pilot))
        await repair(pilot, rule, about)
        await buy(pilot)
        await until(pilot, lambda: "✓ Fixed in " in panel(pilot))
        assert what.fixed.says in panel(pilot)


async def test_open_databases() -> None:
    what = drills.drill("open-databases")
    assert what is not None
    async with playing("open-databases", what, (120, 40)) as pilot:
        await until(pilot, lambda: "question 1 of 2" in panel(pilot))
        await pilot.press("m")
        await until(pilot, lambda: "question 2 of 2" in panel(pilot))
        await pilot.press("escape")
        for database in ("ecom-db", "inventory-db", "keycloak-db"):
            assert "Fixed in" not in panel(pilot)
            await repair(pilot, "MT208", database)
        await until(pilot, lambda: "✓ Fixed in " in panel(pilot))


async def test_as_found_gap_by_gap() -> None:
    what = drills.drill("as-found")
    assert what is not None
    async with playing("as-found", what, (120, 40)) as pilot:
        await until(pilot, lambda: "question 1 of 2" in panel(pilot))
        await buy(pilot)
        await until(pilot, lambda: "question 2 of 2" in panel(pilot))
        await pilot.press("5")
        await until(pilot, lambda: "✓ Found" in panel(pilot))
        await repair(pilot, "MT401", "ecom-service")
        await repair(pilot, "MT101", "ecom-service")
        await repair(pilot, "MT303", "ecom-netpol")
        for database in ("ecom-db", "inventory-db", "keycloak-db"):
            await repair(pilot, "MT208", database)
        await repair(pilot, "MT101", "inventory-service")
        assert "Fixed in" not in panel(pilot)
        await buy(pilot)
        await until(pilot, lambda: "✓ Fixed in " in panel(pilot))


async def test_a_purchase_that_is_left_before_the_next_look_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    what = drills.drill("uuid-mismatch")
    assert what is not None
    monkeypatch.setattr("meshtui.ui.drill.panel.LOOK_EVERY_S", 3600.0)
    monkeypatch.setattr(CheckoutScreen, "begin", lambda _: None)
    app = app_on(bookstore())
    app.guided_by(what)
    async with app.run_test() as pilot:
        await until(pilot, lambda: app.session.settled and isinstance(app.screen, MainScreen))
        guide, screen = app.guide, CheckoutScreen(app.session)
        assert guide is not None
        await app.push_screen(screen)
        guide.look()
        screen._show(finish(Trace("", "", "", 1).with_step(RESERVE, state=StepState.FAILED, cause="http_404")))
        await app.pop_screen()
        guide.look()
        assert guide.progress.step == 1


@needs_kubectl
async def test_a_node_that_is_behind_is_found_in_the_denials_and_repaired_with_kubectl() -> None:
    what = drills.drill("node-behind")
    assert what is not None
    async with playing("node-behind", what, (120, 40)) as pilot:
        await until(pilot, lambda: "question 1 of 2" in panel(pilot))
        await buy(pilot)
        await until(pilot, lambda: "question 2 of 2" in panel(pilot))
        await pilot.press("D")
        await until(pilot, lambda: "✓ Found" in panel(pilot))
        await pilot.press("escape")
        session: Session = pilot.app.session  # type: ignore[attr-defined]
        kubectl = (KUBECTL, "--kubeconfig", str(session.settings.kubeconfig))
        for command in (*scenarios.fix("node-behind"), ["-n", "istio-system", "rollout", "status", "daemonset/ztunnel"]):
            process = await asyncio.create_subprocess_exec(*kubectl, *command, stdout=asyncio.subprocess.DEVNULL)
            assert await process.wait() == 0
        await buy(pilot)
        await until(pilot, lambda: "✓ Fixed in " in panel(pilot))
        assert what.fixed.says in panel(pilot)


@pytest.mark.parametrize("size", [(80, 24), (200, 50)])
async def test_space_leads_through_the_tour(size) -> None:
    what = drills.tour()
    async with playing("healthy", what, size) as pilot:
        for number, station in enumerate(what.stations, 1):
            await until(pilot, lambda n=number, s=station: f"{n} of {len(what.stations)}: {s.title}" in panel(pilot))
            assert station.say in panel(pilot)
            name = {"": "Main", "app.checkout": "Checkout", "app.acceptance": "Acceptance"}.get(
                station.open, station.open.title()
            )
            expected = "Why" if station.flow else name
            assert type(pilot.app.screen).__name__ == f"{expected}Screen"
            await pilot.press("space")
        await until(pilot, lambda: "starts a tour" in panel(pilot))


async def test_the_tour_is_offered_in_one_line_and_takes_no_key_before() -> None:
    async with playing("healthy", drills.tour(), (80, 24), offered=True) as pilot:
        await until(pilot, lambda: "F2 starts a tour" in panel(pilot))
        main = pilot.app.screen
        assert main.query_one(DrillPanel).size.height == 1
        await pilot.press("space", "f3")
        assert "F2 starts a tour" in panel(pilot)
        await pilot.press("f2")
        await until(pilot, lambda: "1 of 9" in panel(pilot))


class Opening(Screen[None]):
    """A screen with a table, of which nothing is there before it is mounted."""

    table = property(lambda screen: screen.query_one(ObjectTable))

    def compose(self) -> ComposeResult:
        yield ObjectTable()


async def test_a_look_while_a_screen_opens_or_the_program_ends_does_nothing() -> None:
    what = drills.drill("node-behind")
    assert what is not None
    app: App[None] = App()
    session: Any = SimpleNamespace(
        settled=True, snapshot=SimpleNamespace(pods={"a": "b"}), findings=(), clock=lambda: datetime.now(UTC)
    )
    guide = Guide(app, session, what, lambda _station: None)
    guide.look()
    async with app.run_test() as pilot:
        app.push_screen(Opening())
        assert not app.screen.is_mounted
        guide.look()
        assert guide.progress.began is None
        await until(pilot, lambda: app.screen.is_mounted)
        guide.look()
        assert guide.progress.began is not None
        assert app.screen.query(DrillPanel)
        ended = guide.progress
    guide.look()
    assert guide.progress is ended


def test_every_scenario_but_the_healthy_one_has_a_drill() -> None:
    assert [name for name in scenarios.names() if drills.drill(name) is None] == ["healthy"]
