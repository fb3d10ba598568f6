"""The question before a change: the safe answer is the one that Enter gives, and both answers are always in view."""

from __future__ import annotations

import pytest
from textual.app import App
from textual.widgets import Button

from meshtui.screens.confirm import ConfirmScreen
from meshtui.ui.document import Document, line, section
from meshtui.ui.widgets.document_view import DocumentView
from tests.fakes.frozen import bookstore
from tests.snapshot.conftest import app_on, settle

LONG = Document("Apply?", (section("Patch", *(line(f"line {number}") for number in range(100))),))


def answers(app: App[None]) -> list[str]:
    """What stands on the buttons."""
    return [str(button.render()) for button in app.screen.query(Button)]


@pytest.mark.parametrize("size", [(60, 12), (80, 24), (120, 40), (200, 50)])
async def test_a_long_question_scrolls_and_its_answers_are_in_view(size: tuple[int, int]) -> None:
    app = app_on(bookstore())
    async with app.run_test(size=size) as pilot:
        await settle(pilot)
        app.push_screen(ConfirmScreen(LONG, yes="Apply"))
        await settle(pilot)
        dialog = app.screen.query_one("#dialog").region
        assert all(dialog.contains_region(button.region) for button in app.screen.query(Button))
        assert dialog.contains_region(app.screen.query_one(".hint").region)
        await pilot.press("tab", "end")
        await settle(pilot)
        view = app.screen.query_one(DocumentView)
        assert view.render_line(view.size.height - 1).text.strip() == "line 99"


async def test_enter_says_no_and_the_arrows_go_to_the_other_answer_and_back() -> None:
    app = app_on(bookstore())
    said: list[bool | None] = []
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        for keys in (["enter"], ["left", "enter"], ["left", "right", "enter"], ["right", "left", "left", "enter"], ["y"]):
            app.push_screen(ConfirmScreen(LONG, yes="Apply"), said.append)
            await settle(pilot)
            assert answers(app) == ["  Apply (y)", "▸ No (n, Esc)"]
            await pilot.press(*keys)
            await settle(pilot)
        assert said == [False, True, False, True, True]


async def test_from_the_text_the_arrows_go_to_the_safe_answer() -> None:
    app = app_on(bookstore())
    async with app.run_test(size=(80, 24)) as pilot:
        await settle(pilot)
        app.push_screen(ConfirmScreen(LONG, yes="Apply"))
        await settle(pilot)
        await pilot.press("tab", "left")
        assert answers(app)[1].startswith("▸")
