"""The path on the screens that have one: Tab goes to it, Enter opens what the cursor is on, and it follows the cluster."""

from __future__ import annotations

from meshtui.engine.path.references import parse_flow
from meshtui.model.ids import ObjectRef
from meshtui.screens.describe import DescribeScreen
from meshtui.screens.probe import ProbeScreen
from meshtui.screens.why import WhyScreen
from meshtui.ui.widgets.document_view import DocumentView
from meshtui.ui.widgets.path_view import PathView
from meshtui.ui.widgets.table import ObjectTable
from tests.pilot.test_keys import bookstore_app, until
from tests.pilot.test_why_screen import close_egress

FLOW = parse_flow("ecom/deploy/ecom-service", "inventory/svc/inventory-service:8000")
DENIED = parse_flow("ecom/deploy/ecom-service", "inventory/svc/inventory-db:5432")


def path(pilot) -> PathView | None:
    found = pilot.app.screen.query(PathView)
    return found.first() if found and found.first().data is not None else None


async def test_tab_goes_to_the_path_and_enter_opens_the_policy_that_decides():
    async with bookstore_app() as (_, pilot, screen):
        pilot.app.push_screen(WhyScreen(screen.session, DENIED))
        await until(pilot, lambda: isinstance(pilot.app.screen, WhyScreen) and path(pilot) is not None)
        assert isinstance(pilot.app.screen.focused, DocumentView)
        await pilot.press("tab")
        assert isinstance(pilot.app.screen.focused, PathView)
        await until(pilot, lambda: path(pilot).item is not None)
        assert path(pilot).link == ObjectRef("NetworkPolicy", "ecom", "ecom-netpol")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, DescribeScreen))
        assert pilot.app.screen.crumb == "ecom-netpol"
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, WhyScreen))
        await pilot.press("tab")
        assert isinstance(pilot.app.screen.focused, DocumentView)


async def test_every_item_of_a_path_is_reached_by_arrows():
    async with bookstore_app() as (_, pilot, screen):
        pilot.app.push_screen(WhyScreen(screen.session, FLOW))
        await until(pilot, lambda: isinstance(pilot.app.screen, WhyScreen) and path(pilot) is not None)
        await pilot.press("tab", "g")
        view = path(pilot)
        seen, new = {view.item.id}, [view.item.id]
        while new:  # from every item that was reached, each arrow
            here = new.pop()
            for key in ("up", "down", "left", "right"):
                view.select(here)
                await pilot.press(key)
                if view.item.id not in seen:
                    seen.add(view.item.id)
                    new.append(view.item.id)
        assert seen == {item.id for item in path(pilot).picture.items}


async def test_an_edit_breaks_the_line_while_somebody_looks_at_it():
    async with bookstore_app() as (api, pilot, screen):
        pilot.app.push_screen(WhyScreen(screen.session, FLOW))
        await until(pilot, lambda: isinstance(pilot.app.screen, WhyScreen) and path(pilot) is not None)
        assert path(pilot).data.stop is None
        close_egress(api)
        await until(pilot, lambda: path(pilot).data.breaks)
        assert path(pilot).data.stations[path(pilot).data.stop].name == "egress policy"
        assert "╳" in path(pilot).picture.plain()


async def test_the_probe_screen_shows_the_path_of_the_flow_under_the_cursor():
    async with bookstore_app() as (_, pilot, _screen):
        await pilot.press("j", "p")
        await until(pilot, lambda: isinstance(pilot.app.screen, ProbeScreen) and path(pilot) is not None)
        table = pilot.app.screen.query_one(ObjectTable)
        table.select(next(row.uid for row in table.rows if "inventory-db" in row.uid))
        await until(pilot, lambda: path(pilot).data.title == "ecom-service → inventory-db:5432")
        table.select(next(row.uid for row in table.rows if "inventory-service" in row.uid))
        await until(pilot, lambda: path(pilot).data.title == "ecom-service → inventory-service:8000")


async def test_the_words_keep_more_than_half_of_a_small_terminal():
    async with bookstore_app() as (_, pilot, screen):
        pilot.app.push_screen(WhyScreen(screen.session, DENIED))
        await until(pilot, lambda: isinstance(pilot.app.screen, WhyScreen) and path(pilot) is not None)
        await pilot.resize_terminal(80, 24)
        await until(pilot, lambda: pilot.app.screen.size.height == 24 and 0 < path(pilot).size.height < 12)
        assert path(pilot).size.height <= 9
        assert pilot.app.screen.query_one(DocumentView).size.height >= 11
