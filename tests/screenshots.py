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
from meshtui.sandbox.run import running_sandbox
from meshtui.session import Session
from meshtui.settings import load_settings
from meshtui.sources.live import LiveSource
from meshtui.widgets.table import ObjectTable

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


async def _take(scenario: str, take: Callable[[Pilot[Any], MeshtuiApp], Any]) -> None:
    async with running_sandbox(scenario) as sandbox:
        await sandbox.wait_ready()
        settings = load_settings({"kubeconfig": str(sandbox.kubeconfig)})
        app = MeshtuiApp(Session(LiveSource(settings), settings))
        async with app.run_test(size=SIZE) as pilot:
            await until(pilot, lambda: len(app.session.snapshot.workloads) >= 11 and app.session.label.sandbox)
            await until(pilot, lambda: len(app.screen.query_one(ObjectTable).rows) >= 11)
            await take(pilot, app)


async def _healthy(pilot: Pilot[Any], app: MeshtuiApp) -> None:
    await pilot.press("j")
    await pilot.pause(1.0)
    _save(pilot, "workloads")
    await pilot.press("4", "j")
    await pilot.pause(1.0)
    _save(pilot, "networkpolicies")
    await pilot.press("c")
    await until(pilot, lambda: "stock" in app.export_screenshot().lower() and "✓" in app.export_screenshot())
    await pilot.pause(6.0)
    _save(pilot, "checkout")


async def _broken(pilot: Pilot[Any], app: MeshtuiApp) -> None:
    await pilot.press("1", "j")
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
    await _take("wrong-identity", _broken)


if __name__ == "__main__":
    asyncio.run(main())
