"""The denials' screen by its keys: what comes is shown, explained, probed, filtered; what can't be read names the verb."""

from __future__ import annotations

import pytest
from textual.widgets import Input

from meshtui.screens.confirm import ConfirmScreen
from meshtui.screens.denials import DenialsScreen
from meshtui.screens.describe import DescribeScreen
from meshtui.screens.flow import FlowScreen
from meshtui.screens.logs import LogScreen
from meshtui.screens.probe import ProbeScreen
from meshtui.screens.why import WhyScreen
from meshtui.screens.yaml import YamlScreen
from meshtui.ui.widgets.document_view import DocumentView
from meshtui.ui.widgets.table import ObjectTable
from tests.fakes.screens import table_of
from tests.integration.test_denials import Mesh
from tests.pilot.test_keys import bookstore_app, until


def cells(pilot, title):
    table = table_of(pilot.app.screen)
    index = [column.title for column in table.columns].index(title)
    return [row.cells[index].text for row in table.rows]


def made_of(api, screen):
    made = Mesh(api, screen.session)
    for pod in made.ztunnels:
        api.logs.begin(pod["metadata"]["uid"], "")
    return made


async def opened(pilot, rows):
    await pilot.press("D")
    await until(pilot, lambda: isinstance(pilot.app.screen, DenialsScreen) and len(shown(pilot)) == rows)


def shown(pilot):
    tables = pilot.app.screen.query(ObjectTable)
    return tables.first().rows if tables else []


async def test_a_denial_comes_is_counted_and_stays_under_the_cursor():
    async with bookstore_app() as (api, pilot, screen):
        made = made_of(api, screen)
        await opened(pilot, 0)
        made.say(made.line())
        await until(pilot, lambda: len(shown(pilot)) == 1)
        uid = table_of(pilot.app.screen).uid
        made.say(made.line(port=9000))
        made.say(made.line())
        await until(pilot, lambda: sorted(cells(pilot, "COUNT")) == ["×1", "×2"])
        assert table_of(pilot.app.screen).uid == uid


@pytest.mark.parametrize(("key", "opens"), [("y", YamlScreen), ("d", DescribeScreen), ("l", LogScreen), ("f", FlowScreen)])
async def test_other_keys_act_on_the_denial_as_everywhere(key, opens):
    async with bookstore_app() as (api, pilot, screen):
        made = made_of(api, screen)
        made.say(made.line())
        await opened(pilot, 1)
        await pilot.press(key)
        await until(pilot, lambda: isinstance(pilot.app.screen, opens))


async def test_enter_explains_and_p_asks_to_probe_just_that_flow():
    async with bookstore_app() as (api, pilot, screen):
        made = made_of(api, screen)
        made.say(made.line())
        await opened(pilot, 1)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, WhyScreen))
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, DenialsScreen))
        await pilot.press("p")
        await until(pilot, lambda: isinstance(pilot.app.screen, ConfirmScreen))
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, ProbeScreen))
        (row,) = shown(pilot)
        assert row.uid == "ecom/deployment/ecom-service inventory/deployment/inventory-service:8000/TCP"


async def test_the_filter_takes_words_and_escape_gives_them_back():
    async with bookstore_app() as (api, pilot, screen):
        made = made_of(api, screen)
        made.say(made.line())
        made.say(made.line("connection timed out, maybe a NetworkPolicy is blocking HBONE port 15008: x", direction="outbound"))
        await opened(pilot, 2)
        await pilot.press("slash", *"timed", "enter")
        await until(pilot, lambda: len(shown(pilot)) == 1)
        assert not pilot.app.screen.query_one(Input).has_focus
        await pilot.press("escape")
        await until(pilot, lambda: len(shown(pilot)) == 2)
        await pilot.press("escape")
        await until(pilot, lambda: pilot.app.screen is screen)


async def test_without_permission_the_verb_is_named_instead_of_an_empty_list():
    async with bookstore_app() as (api, pilot, screen):
        made_of(api, screen)
        api.faults.set(forbidden=["get pods/log"])
        await pilot.press("D")

        def said():
            views = pilot.app.screen.query("#state")
            return views.first(DocumentView).plain if views else ""

        # The sandbox follows from the start: what could be read before is asked for again.
        api.faults.cut_watches()
        await until(pilot, lambda: bool(screen.session.denials.log and screen.session.denials.log.problems))
        await until(pilot, lambda: "missing verb: get pods/log in namespace istio-system" in said())


def counts(pilot):
    """What DENIED counts, without the sparklines."""
    shown = "DENIED" in [column.title for column in table_of(pilot.app.screen).columns]
    return {text.split()[0] for text in cells(pilot, "DENIED")} if shown else set()


async def test_the_main_screen_counts_and_the_prompt_knows_the_word():
    async with bookstore_app() as (api, pilot, screen):
        made = made_of(api, screen)
        named = "connection closed due to policy rejection: explicitly denied by: inventory/inventory-service-policy"
        made.say(made.line(named).replace("2026-11-24T13:00:00", screen.session.clock().strftime("%Y-%m-%dT%H:%M:%S")))
        await pilot.press("colon", *"denials", "enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, DenialsScreen))
        await pilot.press("escape")
        await until(pilot, lambda: pilot.app.screen is screen and "DENIED" in [c.title for c in screen.pane.columns])
        await until(pilot, lambda: {"→1", "←1"} <= counts(pilot))
        await pilot.press("3")
        await until(pilot, lambda: screen.pane.id == "authorizationpolicies" and "1" in counts(pilot))
