"""What the footer of the main screen shows at each size, and what keys say that can do nothing there."""

from __future__ import annotations

from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import Footer
from textual.widgets._footer import FooterKey

from meshtui.app import MeshtuiApp
from meshtui.screens.help import HelpScreen
from meshtui.screens.main import MainScreen
from meshtui.ui.widgets.document_view import DocumentView
from tests.fakes.frozen import bookstore
from tests.snapshot.conftest import app_on, settle
from tests.snapshot.test_findings import FINDINGS
from tests.snapshot.test_findings import app_on as found_app


def in_view(app: MeshtuiApp) -> list[str]:
    """The keys that are wholly in view, with their words."""
    keys = app.screen.query_one(Footer).query(FooterKey)
    return [f"{key.key_display} {key.description}" for key in keys if key.region.right <= app.size.width]


def said(pilot: Pilot[Any]) -> list[str]:
    return [each.message for each in pilot.app._notifications]


SEEN = {
    (80, 24): {"p Probe", "w Why?", "? Help"},
    (120, 40): {"p Probe", "w Why?", "? Help", "c Copy", "f Flow"},
    (200, 50): {"? Help", "f Flow", "s By change", "P Probe all", "A Acceptance", "J Journeys", "q Quit"},
}


@pytest.mark.parametrize("size", SEEN)
async def test_help_is_always_in_view_and_flow_and_acceptance_where_there_is_room(size: tuple[int, int]) -> None:
    app = app_on(bookstore())
    async with app.run_test(size=size) as pilot:
        await settle(pilot)
        assert set(in_view(app)) >= SEEN[size]
        assert "u Undo a fix" not in in_view(app)


async def test_on_findings_f_is_called_fix_and_only_there() -> None:
    app = found_app(*FINDINGS)
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        for keys, fix in (("5", True), ("2", False), (["5", "tab"], False), (["shift+tab"], True)):
            await pilot.press(*keys)
            await settle(pilot)
            assert ("f Fix" in in_view(app)) is fix, keys
            assert "? Help" in in_view(app)


async def test_help_says_what_every_key_is_called() -> None:
    app = app_on(bookstore())
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        await pilot.press("question_mark")
        await settle(pilot)
        assert isinstance(app.screen, HelpScreen)
        text = app.screen.query_one(DocumentView).plain
        for words in ("Flow: type FROM", "Probe all: test", "Acceptance: try", "Undo a fix: undo", "By change: newest"):
            assert words in text


async def test_s_says_how_it_sorts_and_where_it_cannot() -> None:
    app = app_on(bookstore())
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        screen = app.screen
        assert isinstance(screen, MainScreen)
        await pilot.press("4", "s")
        assert said(pilot) == ["newest change first; s: by name"]
        await pilot.press("s")
        assert said(pilot)[1:] == ["by name"]
        await pilot.press("5", "s")
        assert said(pilot)[2].startswith("Findings have no time of a change")
        assert not screen.box.by_change
