"""What the footer of the main screen shows at each size, and what keys say that can do nothing there."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.pilot import Pilot
from textual.widgets import Input

from meshtui.app import MeshtuiApp
from meshtui.screens.help import HelpScreen
from meshtui.screens.main import MainScreen
from meshtui.ui.widgets.document_view import DocumentView
from meshtui.ui.widgets.footer import Footer, FooterKey, fitting
from meshtui.ui.widgets.prompt import Prompt
from tests.fakes.frozen import bookstore
from tests.snapshot.conftest import app_on, settle
from tests.snapshot.test_findings import FINDINGS
from tests.snapshot.test_findings import app_on as found_app


def in_view(app: MeshtuiApp) -> list[str]:
    """The keys that are in view, with their words."""
    return [key.text for key in app.screen.query_one(Footer).in_view]


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


@given(st.lists(st.text("abcdefgh", min_size=1, max_size=9), max_size=12, unique=True), st.integers(0, 12), st.integers(8, 80))
def test_what_fits_is_the_beginning_and_the_help(names: list[str], place: int, width: int) -> None:
    keys = [FooterKey(name, name[0], name, True, "") for name in names]
    keys.insert(place, FooterKey("question_mark", "?", "Help", True, "", stays=True))
    chosen = fitting(keys, width)
    rest = [key for key in chosen if key.display != "?"]
    assert len(rest) == len(chosen) - 1
    assert rest == [key for key in keys if key.display != "?"][: len(rest)]
    assert sum(len(key.text) + 1 for key in chosen) <= width
    left = [key for key in keys if key not in chosen]
    assert not left or sum(len(key.text) + 1 for key in [*chosen, left[0]]) > width


async def test_a_click_presses_the_key_and_what_it_does_is_said() -> None:
    app = app_on(bookstore())
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        footer = app.screen.query_one(Footer)
        place = sum(len(key.text) + 1 for key in footer.in_view[: in_view(app).index("? Help")])
        await pilot.hover(Footer, offset=(place, 0))
        assert footer.tooltip == "these keys, and what the marks mean"
        await pilot.click(Footer, offset=(place + len("? Help"), 0))
        assert not isinstance(app.screen, HelpScreen)
        await pilot.click(Footer, offset=(place + len("? Help") - 1, 0))
        await settle(pilot)
        assert isinstance(app.screen, HelpScreen)


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


async def test_while_something_is_typed_the_footer_has_only_keys_that_are_not_typed() -> None:
    app = app_on(bookstore())
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        for key, completes in (("colon", True), ("slash", False)):
            await pilot.press(key)
            await settle(pilot)
            assert in_view(app) == ["esc Cancel", *(["tab Complete"] if completes else [])]
            await pilot.press("tab", "slash")
            await settle(pilot)
            assert app.screen.query_one(Prompt).display
            assert app.screen.query_one(Prompt).query_one(Input).value.endswith("/")
            await pilot.press("escape")
            await settle(pilot)
