"""What screens are compared on: a frozen bookstore, a clock that stands still, three sizes."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from textual.app import App
from textual.message_pump import MessagePump
from textual.pilot import Pilot
from textual.widgets import Input
from textual.widgets._toast import Toast
from textual.worker import WorkerCancelled

from meshtui.app import MeshtuiApp
from meshtui.model.snapshot import Snapshot
from meshtui.session import Session
from meshtui.settings import Settings
from meshtui.sources.ports import SourceLabel
from meshtui.ui import themes
from meshtui.ui.widgets.document_view import DocumentView
from tests.fakes.frozen import LABEL, NOW, FrozenSource, bookstore

SIZES = {"80x24": (80, 24), "120x40": (120, 40), "200x50": (200, 50)}
PATIENCE_S = 30.0
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
    """Wait until every worker and timer that ends by itself has ended, and the screen has stayed the same since then."""
    before = ""
    async with asyncio.timeout(PATIENCE_S):
        while True:
            for field in pilot.app.screen.query(Input):
                field.cursor_blink = False
            await pilot.pause()
            waiting = [w for w in pilot.app.workers if w.group not in {"follow", "probe"}]
            if waiting:  # none would mean all, the followers of logs too
                with contextlib.suppress(WorkerCancelled):  # a newer one took its place
                    await pilot.app.workers.wait_for_complete(waiting)
            now = pilot.app.export_screenshot()
            if (
                now == before
                and not waiting
                and not _reads_logs(pilot.app)
                and not any(map(_will_fire_once, nodes_of(pilot.app)))
            ):
                return
            before = now


def _reads_logs(app: App[Any]) -> bool:
    """Whether the denials are shown, and the logs that there are haven't been read yet, or not drawn."""
    there = isinstance(app, MeshtuiApp) and bool(app.session.snapshot.ztunnels)
    return there and any(view.display and "Reading the logs" in view.plain for view in app.screen.query(DocumentView))


def nodes_of(app: App[Any]) -> list[MessagePump]:
    """The program, its screens and their widgets, without notifications: they are to be seen."""
    shown = (node for screen in app.screen_stack for node in screen.walk_children(with_self=True))
    return [app, *(node for node in shown if not isinstance(node, Toast))]


def _will_fire_once(node: MessagePump) -> bool:
    """Whether a node has a timer that fires once, such as the delay after a key in a search field."""
    return any(timer._repeat == 0 and not timer._task.done() for timer in node._timers if timer._task is not None)


@pytest.fixture(params=themes.OWN)
def theme(request: pytest.FixtureRequest) -> str:
    """Each of meshtui's themes."""
    return str(request.param)


def in_the_theme(theme: str, before: Before) -> Before:
    """Choose a theme, then do something."""

    async def both(pilot: Pilot[Any]) -> None:
        pilot.app.theme = theme
        await before(pilot)

    return both
