"""Take the README's pictures from the sandbox: ``make screenshots``.

The sandbox is really started, the keys are really pressed; only the times in the pictures differ from run to run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from textual.pilot import Pilot

from meshtui.app import MeshtuiApp
from meshtui.cli.expectations import find, read_expectations
from meshtui.journeys.bookstore.criteria import State
from meshtui.sandbox import drills
from meshtui.sandbox.run import running_sandbox
from meshtui.screens.acceptance import AcceptanceScreen
from meshtui.session import Session
from meshtui.settings import load_settings
from meshtui.sources.kubernetes.live import LiveSource
from tests.fakes.screens import table_of

FOLDER = Path(__file__).parent.parent / "screenshots"
SIZE = (140, 40)
PATIENCE_S = 60.0


async def until(pilot: Pilot[Any], holds: Callable[[], bool]) -> None:
    """Wait until something holds. Raises TimeoutError."""
    async with asyncio.timeout(PATIENCE_S):
        while not holds():
            await pilot.pause(0.1)


def _save(pilot: Pilot[Any], name: str) -> None:
    (FOLDER / f"{name}.svg").write_text(pilot.app.export_screenshot(title="meshtui"))
    print(f"screenshots/{name}.svg")


def _shown(app: MeshtuiApp) -> str:
    """All texts of the screen."""
    return app.export_screenshot().replace("&#160;", " ")


def _is_tried(app: MeshtuiApp) -> bool:
    screen = app.screen
    waits = {State.WAITING, State.RUNNING}
    return isinstance(screen, AcceptanceScreen) and not any(each.state in waits for each in screen.criteria)


async def _take(scenario: str, take: Callable[[Pilot[Any], MeshtuiApp], Any], *, with_drill: bool = False) -> None:
    async with running_sandbox(scenario) as sandbox:
        await sandbox.wait_ready()
        settings = load_settings({"kubeconfig": str(sandbox.kubeconfig)})
        app = MeshtuiApp(Session(LiveSource(settings), settings), lambda: read_expectations(*find("bookstore")))
        if with_drill and (drill := drills.drill(scenario)):
            app.guided_by(drill)
        async with app.run_test(size=SIZE) as pilot:
            await until(pilot, lambda: len(app.session.snapshot.workloads) >= 11 and app.session.label.sandbox)
            await until(pilot, lambda: len(table_of(app.screen).rows) >= 11 and app.session.settled)
            await take(pilot, app)


async def _healthy(pilot: Pilot[Any], app: MeshtuiApp) -> None:
    await pilot.press("j")
    await pilot.pause(1.0)
    _save(pilot, "workloads")
    await pilot.press("4", "j")
    await pilot.pause(1.0)
    _save(pilot, "networkpolicies")
    await pilot.press("b")
    await until(pilot, lambda: "stock" in app.export_screenshot().lower() and "✓" in app.export_screenshot())
    await pilot.pause(6.0)
    _save(pilot, "checkout")


async def _accepted(pilot: Pilot[Any], app: MeshtuiApp) -> None:
    await pilot.press("A")
    await until(pilot, lambda: _is_tried(app))
    await pilot.pause(1.0)
    _save(pilot, "acceptance")


async def _wrong(pilot: Pilot[Any], app: MeshtuiApp) -> None:
    await pilot.press("5")
    await until(pilot, lambda: "MT101" in _shown(app))
    await pilot.pause(1.0)
    _save(pilot, "findings")
    await pilot.press("f")
    await until(pilot, lambda: "It would open" in _shown(app))
    await pilot.pause(1.0)
    _save(pilot, "fix")
    await pilot.press("escape", "b")
    await until(pilot, lambda: "policy rejection" in _shown(app))
    await pilot.pause(3.0)
    await pilot.press("escape", "D")
    await until(pilot, lambda: "inventory-service-policy" in _shown(app))
    await pilot.pause(2.0)
    _save(pilot, "denials")


async def _fallen_out(pilot: Pilot[Any], app: MeshtuiApp) -> None:
    await pilot.press("6")
    await until(pilot, lambda: "lost" in _shown(app))
    await pilot.pause(1.0)
    _save(pilot, "mesh")


async def _drilled(pilot: Pilot[Any], app: MeshtuiApp) -> None:
    await until(pilot, lambda: "question 1 of" in _shown(app))
    await pilot.press("f3")
    await pilot.pause(1.0)
    _save(pilot, "drill")


async def _broken(pilot: Pilot[Any], app: MeshtuiApp) -> None:
    await pilot.press("1")
    await pilot.pause(1.0)
    _save(pilot, "namespaces")
    await pilot.press("2", "j", "p", "a", "enter")
    await pilot.pause(0.5)
    await pilot.press("y")
    await until(pilot, lambda: len(app.session.observations) >= 8)
    await pilot.pause(1.0)
    _save(pilot, "probe")


async def main() -> None:
    """Take all pictures."""
    FOLDER.mkdir(exist_ok=True)
    await _take("healthy", _healthy)
    await _take("healthy", _accepted)
    await _take("wrong-identity", _broken)
    await _take("wrong-identity", _wrong)
    await _take("lost-redirection", _fallen_out)
    await _take("missing-egress", _drilled, with_drill=True)


if __name__ == "__main__":
    asyncio.run(main())
