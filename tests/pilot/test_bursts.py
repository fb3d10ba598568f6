"""Keys that come all at once, as from the clipboard or over a slow line: names that may be meant are those of the whole text."""

from __future__ import annotations

from typing import Any

import pytest
from textual.events import Key
from textual.pilot import Pilot
from textual.widgets import Input

from meshtui.screens.flow import FlowScreen
from meshtui.screens.namespace import NamespaceScreen
from meshtui.ui.widgets.prompt import Prompt
from tests.fakes.settled import settled
from tests.pilot.test_keys import bookstore_app, until


def burst(pilot: Pilot[Any], text: str, *keys: str) -> None:
    for character in text:
        pilot.app.post_message(Key(character, character))
    for key in keys:
        pilot.app.post_message(Key(key, None))


async def test_the_prompt_takes_what_the_whole_text_means() -> None:
    async with bookstore_app() as (_, pilot, screen):
        await pilot.press("2", "colon")
        burst(pilot, "auth", "enter")
        await until(pilot, lambda: screen.pane.id == "authorizationpolicies")
        await pilot.press("colon")
        burst(pilot, "wo", "tab")
        await until(pilot, lambda: screen.query_one(Prompt).query_one(Input).value == "workloads")
        await pilot.press("escape", "colon", *"na", "down")
        second = screen.query_one(Prompt).chosen
        await pilot.press("escape", "colon")
        burst(pilot, "na", "down")
        await until(pilot, lambda: screen.query_one(Prompt).chosen == second)


@pytest.mark.parametrize("key", ["tab", "enter"])
async def test_the_flow_s_fields_take_what_the_whole_text_means(key: str) -> None:
    async with bookstore_app() as (_, pilot, _screen):
        await pilot.press("1", "f")
        await until(pilot, lambda: isinstance(pilot.app.screen, FlowScreen) and bool(pilot.app.screen.query("#to")))
        await settled(pilot)
        screen = pilot.app.screen
        screen.query_one("#from", Input).value = ""
        screen.query_one("#from", Input).focus()
        await settled(pilot)
        burst(pilot, "invser", key)
        await until(pilot, lambda: screen.query_one("#from", Input).value == "inventory/deployment/inventory-service")


async def test_the_list_of_namespaces_takes_what_the_whole_text_means() -> None:
    async with bookstore_app() as (_, pilot, screen):
        await pilot.press("n")
        await until(pilot, lambda: isinstance(pilot.app.screen, NamespaceScreen))
        burst(pilot, "inv", "enter")
        await until(pilot, lambda: screen.session.namespace == "inventory")
