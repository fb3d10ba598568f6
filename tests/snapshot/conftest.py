"""What screens are compared on: a frozen bookstore, a clock that stands still, three sizes."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Input
from textual.worker import WorkerCancelled

from meshtui.app import MeshtuiApp
from meshtui.model.snapshot import Snapshot
from meshtui.session import Session
from meshtui.settings import Settings
from meshtui.sources.ports import SourceLabel
from tests.fakes.frozen import LABEL, NOW, FrozenSource, bookstore

SIZES = {"80x24": (80, 24), "120x40": (120, 40), "200x50": (200, 50)}
Before = Callable[[Pilot[Any]], Awaitable[None]]


@pytest.fixture(params=list(SIZES))
def size(request: pytest.FixtureRequest) -> tuple[int, int]:
    """Each of the three sizes."""
    return SIZES[request.param]


def app_on(
    snapshot: Snapshot | None,
    *,
    label: SourceLabel = LABEL,
    logs: dict[str, list[str]] | None = None,
    settings: Settings | None = None,
) -> MeshtuiApp:
    """The program on a frozen Snapshot (None: one that never comes)."""
    return MeshtuiApp(Session(FrozenSource(snapshot, label, logs), settings or Settings(), clock=lambda: NOW))


@pytest.fixture
def frozen_app() -> MeshtuiApp:
    """The program on the healthy bookstore."""
    return app_on(bookstore())


def pressing(*keys: str) -> Before:
    """Press keys, letting the screen settle after each."""

    async def press(pilot: Pilot[Any]) -> None:
        await settle(pilot)
        for key in keys:
            await pilot.press(key)
            await settle(pilot)

    return press


async def settle(pilot: Pilot[Any]) -> None:
    """Wait until the data is there, every worker that ends by itself has ended, and everything is drawn."""
    for _ in range(4):
        for field in pilot.app.screen.query(Input):
            field.cursor_blink = False
        await pilot.pause(0.08)
        waiting = [w for w in pilot.app.workers if w.group not in {"follow", "probe"}]
        if waiting:  # none would mean all, the followers of logs too
            with contextlib.suppress(WorkerCancelled):  # a newer one took its place
                await pilot.app.workers.wait_for_complete(waiting)
    await pilot.pause()
