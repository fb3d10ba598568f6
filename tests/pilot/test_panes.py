"""All panes at once: how one moves among them, what grows, what is marked, and what follows the cursor."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from textual.pilot import Pilot

from meshtui.findings import NotEvaluated
from meshtui.model.flow import Flow
from meshtui.model.ids import ObjectRef
from meshtui.screens.describe import DescribeScreen
from meshtui.screens.main import MainScreen
from meshtui.screens.map import MapScreen
from meshtui.ui.document import Document, Section, line
from meshtui.ui.text import clean, titled
from meshtui.ui.widgets.detail import Detail
from meshtui.ui.widgets.document_view import DocumentView
from meshtui.ui.widgets.live import LiveMap, LivePath
from meshtui.ui.widgets.pane_box import PaneBox
from meshtui.ui.widgets.table import RELATED
from meshtui.ui.widgets.tabs import KindTabs
from tests.fakes.frozen import bookstore
from tests.fakes.screens import table_of
from tests.pilot.test_keys import bookstore_app, names, until
from tests.snapshot.conftest import app_on, settle
from tests.snapshot.test_findings import FINDINGS
from tests.snapshot.test_findings import app_on as found_app

WIDE, NARROW = (120, 40), (80, 24)
DEPLOYMENT = ObjectRef("Deployment", "ecom", "ecom-service")


def boxes(screen: MainScreen) -> dict[str, PaneBox]:
    return {box.pane.id: box for box in screen.query(PaneBox)}


def shown(screen: MainScreen) -> list[str]:
    return [name for name, box in boxes(screen).items() if box.display]


def titles(screen: MainScreen) -> list[str]:
    """The titles of the pane's columns."""
    return [column.title for column in table_of(screen).columns]


def is_on(screen: MainScreen, name: str) -> bool:
    """Whether the pane with this name is the one, and has the focus."""
    return screen.pane.id == name and screen.focused in list(boxes(screen)[name].children)


def marked(box: PaneBox) -> set[str]:
    """The names of the rows that are marked as related, as they are drawn."""
    table = box.table
    place = [column.title for column in table.columns].index("NAME")
    found = {row.cells[place].text for row in table.rows if row.uid in table._related}
    drawn = [table._line_of(number + 1).text for number, row in enumerate(table.rows) if row.cells[place].text in found]
    assert all(text.startswith(RELATED) for text in drawn)
    return found


async def on(pilot: Pilot[Any], screen: MainScreen, name: str) -> None:
    """Put the cursor on an object of the pane."""
    table = table_of(screen)
    place = [column.title for column in table.columns].index("NAME")
    table.select(next(row.uid for row in table.rows if row.cells[place].text == name))
    await pilot.pause()


async def test_a_narrow_pane_shows_how_many_pods_are_ready_only_when_some_are_not() -> None:
    async with bookstore_app(WIDE) as (api, pilot, screen):
        assert "READY" not in titles(screen)
        pod = next(pod for pod in api.store.list("pods", "ecom") if pod["metadata"]["name"].startswith("ecom-db"))
        failing = [{**each, "status": "False"} for each in pod["status"]["conditions"]]
        api.store.update("pods", {**pod, "status": {**pod["status"], "conditions": failing}})
        await until(pilot, lambda: "READY" in titles(screen))
        assert "0/1" in table_of(screen).rows[0].text()


@pytest.mark.parametrize("size", [(110, 30), (160, 45), (200, 50)])
async def test_a_terminal_that_grows_has_all_panes_filled_though_nothing_changes(size: tuple[int, int]) -> None:
    app = app_on(bookstore())
    async with app.run_test(size=NARROW) as pilot:
        await until(pilot, lambda: isinstance(app.screen, MainScreen) and bool(table_of(app.screen).rows))
        await pilot.resize_terminal(*size)
        screen = app.screen
        await until(pilot, lambda: len(shown(screen)) == 6)
        await until(pilot, lambda: all(box.table.rows for box in boxes(screen).values() if box.display))
        await until(pilot, lambda: screen.query_one(LiveMap).map is not None)
        assert all(" · " in str(box.border_title) for box in boxes(screen).values() if box.display)


async def test_panes_that_were_hidden_show_what_is_so_now() -> None:
    app = app_on(bookstore())
    async with app.run_test(size=(200, 50)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, MainScreen) and bool(boxes(app.screen)["networkpolicies"].table.rows))
        screen = app.screen
        await pilot.press("plus", "plus")
        await until(pilot, lambda: shown(screen) == ["workloads"])
        app.session.namespace = "inventory"
        screen.refresh_data()
        await pilot.press("plus")
        own = {str(policy.meta.uid) for policy in bookstore().network_policies.values() if policy.meta.namespace == "inventory"}
        await until(pilot, lambda: {row.uid for row in boxes(screen)["networkpolicies"].table.rows} == own)


async def test_digits_tab_and_the_mouse_move_the_focus_and_the_focused_pane_grows() -> None:
    async with bookstore_app(WIDE) as (_, pilot, screen):
        assert len(shown(screen)) == 6
        ids = list(shown(screen))
        for digit, name in enumerate(ids, 1):
            await pilot.press(str(digit))
            await until(pilot, partial(is_on, screen, name))
            assert screen.focused in list(boxes(screen)[name].children)
            await pilot.pause()
            heights = {each: box.size.height for each, box in boxes(screen).items() if box.display}
            assert all(rows >= 2 for rows in heights.values())
            assert (
                sum(box.outer_size.height for box in boxes(screen).values() if box.display)
                == screen.query_one("#left").size.height
            )
        await pilot.press("1", "tab")
        await until(pilot, lambda: screen.pane.id == ids[1])
        await pilot.press("shift+tab")
        await until(pilot, lambda: screen.pane.id == ids[0])
        await pilot.press("shift+tab")
        await until(pilot, lambda: screen.focused is screen.query_one("#strip"))
        await pilot.press("tab")
        await until(pilot, lambda: screen.focused is table_of(screen) and screen.pane.id == ids[0])
        await pilot.click(boxes(screen)["networkpolicies"].table, offset=(3, 1))
        await until(pilot, lambda: screen.pane.id == "networkpolicies" and screen.focused is table_of(screen))
        assert not isinstance(pilot.app.screen, DescribeScreen), "a click that gives the focus opens nothing"


async def test_workloads_that_need_the_room_get_it_and_give_it_back() -> None:
    async with bookstore_app(WIDE) as (_, pilot, screen):
        await until(pilot, lambda: len(table_of(screen).rows) == 11)
        await pilot.press("2")
        await pilot.pause()
        large = boxes(screen)["workloads"].size.height
        await pilot.press("3")
        await until(pilot, lambda: boxes(screen)["workloads"].size.height < large)
        await pilot.press("2")
        await until(pilot, lambda: boxes(screen)["workloads"].size.height == large)


async def test_one_click_on_the_row_under_the_cursor_of_the_focused_pane_opens_it() -> None:
    async with bookstore_app(WIDE) as (_, pilot, screen):
        await pilot.press("2")
        await pilot.pause()
        await pilot.click(table_of(screen), offset=(3, 1))
        await until(pilot, lambda: isinstance(pilot.app.screen, DescribeScreen))


async def test_plus_goes_through_three_sizes_and_the_size_is_remembered() -> None:
    async with bookstore_app(WIDE) as (_, pilot, screen):
        left, right = screen.query_one("#left"), screen.query_one("#right")
        normal = left.size.width
        await pilot.press("plus")
        await until(pilot, lambda: left.size.width > normal)
        assert screen._remembered.zoom == "half"
        await pilot.press("plus")
        await until(pilot, lambda: not right.display and shown(screen) == ["workloads"] and left.size.width == 120)
        assert screen._remembered.zoom == "full"
        await pilot.press("3")
        await until(pilot, lambda: shown(screen) == ["authorizationpolicies"])
        await pilot.press("plus")
        await until(pilot, lambda: right.display and len(shown(screen)) == 6 and left.size.width == normal)
        again = MainScreen(screen.session, screen._remembered)
        assert again.zoom is screen.zoom


async def test_what_belongs_to_the_object_under_the_cursor_is_marked_in_the_other_panes() -> None:
    async with bookstore_app(WIDE) as (_, pilot, screen):
        await pilot.press("4")
        await until(pilot, lambda: "inventory-netpol" in names(screen))
        await on(pilot, screen, "inventory-netpol")
        await until(pilot, lambda: "inventory-service" in marked(boxes(screen)["workloads"]))
        assert "ecom-service" not in marked(boxes(screen)["workloads"])
        assert marked(boxes(screen)["namespaces"]) == {"inventory"}
        assert marked(boxes(screen)["networkpolicies"]) == set()
        await pilot.press("1")
        await on(pilot, screen, "ecom")
        await until(pilot, lambda: marked(boxes(screen)["workloads"]) == {"ecom-db", "ecom-service", "ui-service"})
        assert "ecom-netpol" in marked(boxes(screen)["networkpolicies"])
        assert marked(boxes(screen)["namespaces"]) == set()


async def test_map_and_path_follow_the_cursor_and_right_and_left_lead_there_and_back() -> None:
    async with bookstore_app(WIDE) as (_, pilot, screen):
        chart, path = screen.query_one(LiveMap), screen.query_one(LivePath)
        await on(pilot, screen, "ecom-service")
        await until(
            pilot,
            lambda: (
                any("inventory-service" in str(each.link) for each in chart.picture.items)
                and str(chart.border_title) == "Map · ecom/ecom-service"
            ),
        )
        await until(
            pilot, lambda: path.about is not None and path.display and path.about.source.name in {"ecom-service", "ui-service"}
        )
        await pilot.press("right")
        await until(pilot, lambda: screen.focused is chart)
        first = path.about
        await pilot.press("end")
        await until(pilot, lambda: path.about not in {None, first} or chart.link != first)
        await pilot.press("left", "left", "left", "left")
        await until(pilot, lambda: screen.focused is table_of(screen))
        await on(pilot, screen, "inventory-db")
        await until(pilot, lambda: str(chart.border_title) == "Map · inventory/inventory-db")


async def test_enter_on_a_map_s_name_moves_the_cursor_there_and_minus_leads_back() -> None:
    async with bookstore_app(WIDE) as (_, pilot, screen):
        chart = screen.query_one(LiveMap)
        await on(pilot, screen, "ecom-service")
        await until(pilot, lambda: chart.map is not None and chart.map.ref == DEPLOYMENT)
        called = ObjectRef("Deployment", "inventory", "inventory-service")
        await until(pilot, lambda: any(each.link == called for each in chart.picture.items))
        item = next(each for each in chart.picture.items if each.link == called)
        await pilot.press("right")
        chart.select(item.id)
        await pilot.press("enter")
        await until(pilot, lambda: screen._row_link() == called)
        await until(pilot, lambda: chart.map is not None and chart.map.name == "inventory-service")
        await pilot.press("minus")
        await until(pilot, lambda: screen._row_link() == DEPLOYMENT or screen.pane.id == "workloads")


async def test_m_shows_the_map_whole_enter_recentres_it_and_escape_goes_back_step_by_step() -> None:
    async with bookstore_app(WIDE) as (_, pilot, screen):
        await on(pilot, screen, "ecom-service")
        await pilot.press("M")
        await until(
            pilot, lambda: isinstance(pilot.app.screen, MapScreen) and pilot.app.screen.query_one(LiveMap).map is not None
        )
        chart = pilot.app.screen.query_one(LiveMap)
        await until(pilot, lambda: any(getattr(each.link, "name", "") == "inventory-service" for each in chart.picture.items))
        chart.select(next(each.id for each in chart.picture.items if getattr(each.link, "name", "") == "inventory-service"))
        await pilot.press("enter")
        await until(pilot, lambda: chart.map is not None and chart.map.name == "inventory-service")
        await pilot.press("escape")
        await until(pilot, lambda: chart.map is not None and chart.map.name == "ecom-service")
        assert isinstance(pilot.app.screen, MapScreen)
        await pilot.press("escape")
        await until(pilot, lambda: pilot.app.screen is screen)


async def test_minus_and_brackets_walk_through_the_views() -> None:
    async with bookstore_app(WIDE) as (_, pilot, screen):
        for digit, name in (("1", "namespaces"), ("3", "authorizationpolicies"), ("4", "networkpolicies")):
            await pilot.press(digit)
            await until(pilot, partial(is_on, screen, name))
        for key, name in (
            ("minus", "authorizationpolicies"),
            ("minus", "networkpolicies"),
            ("left_square_bracket", "authorizationpolicies"),
            ("left_square_bracket", "namespaces"),
            ("right_square_bracket", "authorizationpolicies"),
            ("minus", "namespaces"),
            ("minus", "authorizationpolicies"),
        ):
            await pilot.press(key)
            await until(pilot, partial(is_on, screen, name))
            assert screen.focused is table_of(screen)


async def test_ns_and_a_name_shows_that_namespace_and_0_all_again() -> None:
    async with bookstore_app(WIDE) as (_, pilot, screen):
        await pilot.press("colon", *"ns inventory", "enter")
        await until(pilot, lambda: names(screen) == ["inventory-db", "inventory-service"])
        await pilot.press("0")
        await until(pilot, lambda: len(names(screen)) == 11)
        await pilot.press("minus")
        await until(pilot, lambda: names(screen) == ["inventory-db", "inventory-service"])


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
async def test_a_pane_without_a_tab_is_a_pane_like_others(size: tuple[int, int]) -> None:
    async with bookstore_app(size) as (_, pilot, screen):
        await pilot.press("colon", *"tiers", "enter")
        await until(pilot, lambda: screen.pane.id == "tiers" and "tiers" in shown(screen))
        assert screen.focused in (screen.box.table, screen.box.document)
        await pilot.press("tab")
        await until(pilot, lambda: screen.pane.id != "tiers" or screen.focused is not None)
        await pilot.press("2")
        await until(pilot, lambda: screen.pane.id == "workloads" and "tiers" not in shown(screen))


async def test_a_focus_on_the_map_survives_a_terminal_that_shrinks() -> None:
    async with bookstore_app(WIDE) as (_, pilot, screen):
        await until(pilot, lambda: bool(screen.query_one(LiveMap).picture.items))
        await pilot.press("right")
        await until(pilot, lambda: screen.focused is screen.query_one(LiveMap))
        await pilot.resize_terminal(*NARROW)
        await until(pilot, lambda: screen.focused is table_of(screen))
        before = table_of(screen).cursor
        await pilot.press("j")
        await until(pilot, lambda: table_of(screen).cursor == before + 1)


async def test_a_small_terminal_has_one_pane_with_its_detail_below() -> None:
    async with bookstore_app(NARROW) as (_, pilot, screen):
        assert shown(screen) == ["workloads"]
        assert screen.query_one(Detail).display
        assert not any(screen.query_one(part).display for part in (LiveMap, LivePath))
        await pilot.press("tab")
        await until(pilot, lambda: shown(screen) == ["authorizationpolicies"])
        await pilot.press("M")
        await until(pilot, lambda: isinstance(pilot.app.screen, MapScreen))


async def test_links_of_the_detail_are_walked_opened_and_acted_on() -> None:
    async with bookstore_app(WIDE) as (_, pilot, screen):
        detail = screen.query_one(Detail)
        await on(pilot, screen, "inventory-service")
        await until(pilot, lambda: "inventory-netpol" in detail.plain and bool(detail._spots))
        detail.focus()
        await pilot.pause()
        seen = []
        for _ in range(40):
            await pilot.press("down")
            if isinstance(detail.link, ObjectRef) and detail.link not in seen:
                seen.append(detail.link)
        assert ObjectRef("NetworkPolicy", "inventory", "inventory-netpol") in seen
        while detail.link is None or detail.link != seen[0]:
            await pilot.press("up")
        await pilot.press("c")
        assert pilot.app.clipboard == f"{seen[0].namespace}/{seen[0].name}".removeprefix("/")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, DescribeScreen))
        await until(pilot, lambda: seen[0].name in pilot.app.screen.query_one(DocumentView).plain)
        await pilot.press("escape")
        await until(pilot, lambda: pilot.app.screen is screen)


HOSTILE = [
    "[red]x[/red]",
    "[/]",
    "[ red]",
    "[$primary]",
    "a\\",
    "[@click=app.quit]y[/]",
    "x\ny",
    "\u202eabc",
    "注文" * 90,
    "e" * 253,
    "",
]


async def test_titles_of_frames_show_hostile_names_as_they_are() -> None:
    async with bookstore_app(WIDE) as (_, pilot, screen):
        chart, path = screen.query_one(LiveMap), screen.query_one(LivePath)
        for name in HOSTILE:
            screen.box.needle = name
            screen.query_one(Detail).show(Document(name, (Section(name, (line(name, ObjectRef("Pod", name, name)),)),)))
            screen.box.refresh_rows()
            await pilot.pause()
            chart._about = ObjectRef("Deployment", name, name)
            screen._arrange()
            path.border_title = titled("Path", name)  # type: ignore[assignment]  # Textual takes contents, too
            for widget in (chart, path, screen.box):
                assert widget._border_title is not None
                assert clean(name) in widget._border_title.plain
                assert not widget._border_title.spans


async def test_right_before_the_map_is_there_leads_to_the_flow_of_the_path_too() -> None:
    async with bookstore_app(WIDE) as (_, pilot, screen):
        chart, path = screen.query_one(LiveMap), screen.query_one(LivePath)
        await until(pilot, lambda: chart.map is not None and path.about is not None)
        screen.table.cursor = 1  # at once, as keys that are typed ahead
        screen.action_aside(1)
        assert screen.focused is chart
        assert screen.link == DEPLOYMENT, "the map of the workload before is no longer acted on"
        screen._point()
        assert str(chart.border_title) == "Map · ecom/ecom-service …"
        await until(pilot, lambda: chart.map is not None and chart.map.name == "ecom-service" and isinstance(chart.link, Flow))
        assert chart.link == path.about
        assert str(chart.border_title) == "Map · ecom/ecom-service"


async def test_the_namespaces_are_opened_at_the_one_of_the_workload_until_the_cursor_was_moved_there() -> None:
    async with bookstore_app(WIDE) as (_, pilot, screen):
        await pilot.press("1")
        await until(pilot, lambda: screen.link == ObjectRef("Namespace", "", "ecom"))
        await pilot.press("2", "G", "1")
        await until(pilot, lambda: screen.link == ObjectRef("Namespace", "", "observability"))
        await until(pilot, lambda: screen.query_one(LiveMap).about == screen.link)
        await pilot.press("k")
        left = screen.link
        await pilot.press("2", "g", "1")
        await pilot.pause()
        assert screen.link == left != ObjectRef("Namespace", "", "ecom")


@pytest.mark.parametrize("size", [(120, 40), (80, 24)], ids=["wide", "narrow"])
async def test_every_title_counts_the_rows_that_are_shown(size: tuple[int, int]) -> None:
    silent = tuple(NotEvaluated(f"MT40{number}", "no call", "no database is read") for number in range(2))
    app = found_app(*FINDINGS, silent=silent)
    async with app.run_test(size=size) as pilot:
        await settle(pilot)
        screen = app.screen
        assert isinstance(screen, MainScreen)

        def title() -> str:
            if size[0] >= 110:
                return screen.box._border_title.plain.partition(" ")[2]
            tabs = str(screen.query_one(KindTabs).render())
            return tabs.partition("[")[2].partition("]")[0].partition(" ")[2]

        for key in "12346":
            await pilot.press(key)
            await settle(pilot)
            assert title().split()[-1] == str(len(screen.table.rows)) != "0"
        await pilot.press("5")
        await settle(pilot)
        assert len(screen.table.rows) == 6
        assert title() == ("Findings · 3 · 1 ignored · 2 not evaluated" if size[0] >= 110 else "Findings 3 +3")
        await pilot.press("slash", *"MT208", "enter")
        await settle(pilot)
        assert len(screen.table.rows) == 2
        wide = "Findings · 1 of 3 · 1 of 1 ignored · /MT208"
        assert title() == (wide if size[0] >= 110 else "Findings 1 of 3")
