"""The screens in meshtui's three themes."""

from __future__ import annotations

from typing import Any

import pytest
from textual.pilot import Pilot

from meshtui.screens.confirm import ConfirmScreen
from meshtui.ui.document import BAD, OK, WARN, Document, line, section
from tests.snapshot.conftest import app_on, bookstore, pressing, settle

SCREENS = {
    "namespaces": ("1",),
    "workloads": ("2",),
    "authz": ("3",),
    "netpol": ("4",),
    "findings": ("5",),
    "mesh": ("6",),
    "describe": ("2", "d"),
    "yaml": ("3", "y"),
    "map": ("2", "j", "M"),
    "why": ("2", "w"),
    "flow": ("2", "f"),
    "probe": ("2", "j", "p"),
    "matrix": ("m",),
    "denials": ("D",),
    "journeys": ("J",),
    "acceptance": ("A",),
    "journal": ("colon", *"journal", "enter"),
    "command": ("colon", "w"),
    "help": ("question_mark",),
}


def in_theme(theme: str, *keys: str):
    async def before(pilot: Pilot[Any]) -> None:
        pilot.app.theme = theme
        await pressing(*keys)(pilot)

    return before


@pytest.mark.parametrize("screen", SCREENS)
def test_screens(snap_compare, theme: str, screen: str) -> None:
    assert snap_compare(app_on(bookstore()), terminal_size=(120, 40), run_before=in_theme(theme, *SCREENS[screen]))


QUESTION = Document(
    "Apply this change?",
    (
        section(
            "What", line(("✓ opens ", OK), "ecom/ecom-service"), line(("✗ closes ", BAD), "nothing"), line(("! read it", WARN))
        ),
    ),
)


def test_the_question_before_a_change(snap_compare, theme: str) -> None:
    async def before(pilot: Pilot[Any]) -> None:
        await in_theme(theme)(pilot)
        await pilot.app.push_screen(ConfirmScreen(QUESTION, "Apply"))
        await settle(pilot)

    assert snap_compare(app_on(bookstore()), terminal_size=(120, 40), run_before=before)


def test_without_colours(snap_compare, monkeypatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert snap_compare(app_on(bookstore()), terminal_size=(120, 40), run_before=pressing("2", "w"))
