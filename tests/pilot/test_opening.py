"""The first frame, and how the main screen takes its place."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Static

from meshtui.app import UNEXPECTED, MeshtuiApp
from meshtui.model.errors import ManifestError
from meshtui.screens.main import MainScreen
from meshtui.screens.opening import OpeningScreen
from meshtui.session import Session
from meshtui.settings import Settings
from meshtui.ui import frame
from meshtui.ui.panes import tabbed
from meshtui.ui.widgets.prompt import Prompt
from tests.fakes.frozen import NOW, FrozenSource, bookstore
from tests.pilot.test_keys import until

HEAVY = (
    *("pydantic", "msgspec", "httpx", "kubernetes", "yaml"),
    *("meshtui.model.flow", "meshtui.session", "meshtui.engine", "meshtui.findings"),
)


class Opening:
    """Opens a session when it is let; ``error`` is what it raises instead."""

    def __init__(self, error: Exception | None = None, *, silent: bool = False) -> None:
        self.let = threading.Event()
        self._error = error
        self._snapshot = None if silent else bookstore()

    def __call__(self) -> Session:
        assert self.let.wait(60)
        if self._error is not None:
            raise self._error
        return Session(FrozenSource(self._snapshot), Settings(), clock=lambda: NOW)


def is_main(pilot: Pilot[Any]) -> Callable[[], bool]:
    """Whether the main screen is there, with its parts."""
    return lambda: isinstance(pilot.app.screen, MainScreen) and bool(pilot.app.screen.query(Prompt))


def rows_of(pilot: Pilot[Any], first: int, last: int) -> list[str]:
    """Some lines of the screen, as text."""
    strips = pilot.app.screen._compositor.render_strips()
    return ["".join(segment.text for segment in strip).rstrip() for strip in strips[first:last]]


def test_the_titles_are_those_of_the_panes() -> None:
    assert tuple(pane.title for pane in tabbed()) == frame.TITLES


@pytest.mark.parametrize("what", ["meshtui.app, meshtui.cli.tui, meshtui.screens.opening", "meshtui.cli.main"])
def test_nothing_heavy_is_imported_before_the_first_frame(what: str) -> None:
    program = f"import sys, {what}; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_the_first_frame_is_the_main_screen_while_nothing_is_known(size: tuple[int, int]) -> None:
    opening = Opening(silent=True)
    async with MeshtuiApp(opening).run_test(size=size) as pilot:
        assert isinstance(pilot.app.screen, OpeningScreen)
        await pilot.pause()
        header, *first = rows_of(pilot, 0, 10)
        opening.let.set()
        await until(pilot, is_main(pilot))
        await until(pilot, lambda: "Loading" in "".join(rows_of(pilot, 0, 10)))
        header_then, *then = rows_of(pilot, 0, 10)
        tabs, *body = then
        edge = body[3].find("│") if "│" in body[3] else None  # the detail's border, where there is room for one
        assert first == [tabs, *(row[:edge].rstrip() for row in body)]
        assert "Loading Workloads" in "\n".join(first)
        assert header.startswith(" meshtui · ")
        assert header_then.startswith(" meshtui · ")
        assert header.endswith("… loading")
        assert header_then.endswith("… loading")


async def test_keys_that_were_pressed_before_are_answered_after() -> None:
    opening = Opening()
    async with MeshtuiApp(opening).run_test() as pilot:
        await pilot.press("3", "tab")
        opening.let.set()
        await until(pilot, is_main(pilot))
        screen = pilot.app.screen
        assert isinstance(screen, MainScreen)
        await until(pilot, lambda: screen.pane.title == "NetworkPolicies")


async def test_ctrl_c_quits_before_anything_is_open() -> None:
    opening = Opening()
    app = MeshtuiApp(opening)
    async with app.run_test() as pilot:
        await pilot.press("ctrl+c")
        await pilot.pause()
        assert app._exit
        with pytest.raises(RuntimeError):
            _ = app.session
        opening.let.set()
    assert app.return_code == 0


async def test_q_before_anything_is_open_quits_then() -> None:
    opening = Opening()
    app = MeshtuiApp(opening)
    async with app.run_test() as pilot:
        await pilot.press("q")
        opening.let.set()
        await until(pilot, lambda: app._exit)
    assert app.return_code == 0


async def test_a_palette_that_was_opened_before_goes_away() -> None:
    opening = Opening()
    async with MeshtuiApp(opening).run_test() as pilot:
        await pilot.press("ctrl+p")
        await until(pilot, lambda: not isinstance(pilot.app.screen, OpeningScreen))
        opening.let.set()
        await until(pilot, is_main(pilot))
        assert not any(isinstance(screen, OpeningScreen) for screen in pilot.app.screen_stack)
        await until(pilot, lambda: "Workloads" in str(pilot.app.screen.query_one("#tabs", Static).render()))


async def test_what_keeps_a_session_from_opening_ends_the_program() -> None:
    opening = Opening(ManifestError("all.yaml holds no manifest"))
    app = MeshtuiApp(opening)
    async with app.run_test() as pilot:
        opening.let.set()
        await until(pilot, lambda: app.failed is not None)
    assert str(app.failed) == "all.yaml holds no manifest"


async def test_an_error_that_nobody_foresaw_ends_the_program_with_its_code() -> None:
    opening = Opening(LookupError("no such thing"))
    app = MeshtuiApp(opening)

    async def run() -> None:
        async with app.run_test():
            opening.let.set()
            await asyncio.wait_for(app._exception_event.wait(), 60)

    with pytest.raises(LookupError):
        await run()
    assert app.return_code == UNEXPECTED
