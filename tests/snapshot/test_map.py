"""The map by itself, at three sizes: a small one, a crowded one, one with long names, and none."""

from pathlib import Path

import pytest
from textual.app import App, ComposeResult

import meshtui.styles
from meshtui.model.ids import ObjectRef
from meshtui.session import Session
from meshtui.settings import Settings
from meshtui.ui.mapping import map_of_policy, map_of_workload
from meshtui.ui.widgets.map_view import MapView
from tests.fakes.frozen import NOW, FrozenSource, bookstore
from tests.fakes.maps import bookstore_map, crowded_map, long_map
from tests.snapshot.conftest import pressing, settle


class MapApp(App[None]):
    """A map, and nothing else."""

    CSS_PATH = sorted(Path(meshtui.styles.__path__[0]).glob("*.tcss"))

    def __init__(self, data):
        super().__init__()
        self.data = data
        self.chosen = []

    def compose(self) -> ComposeResult:
        """Only the map."""
        yield MapView()

    def on_mount(self) -> None:
        """Show it."""
        view = self.query_one(MapView)
        view.focus()
        view.show(self.data)

    def on_picture_view_chosen(self, event: MapView.Chosen) -> None:
        """Keep what was chosen."""
        self.chosen.append(event.item)


def frozen_session():
    made = Session(FrozenSource(bookstore()), Settings(), clock=lambda: NOW)
    made.publish(bookstore())
    return made


def test_a_small_map(snap_compare, size) -> None:
    assert snap_compare(MapApp(bookstore_map()), terminal_size=size, run_before=pressing("right"))


def test_the_map_of_a_workload(snap_compare, size) -> None:
    data = map_of_workload(frozen_session(), ObjectRef("Deployment", "ecom", "ecom-service"))
    assert snap_compare(MapApp(data), terminal_size=size, run_before=pressing())


@pytest.mark.parametrize("pane", [(74, 12), (84, 18), (164, 30)], ids="{0[0]}x{0[1]}".format)
def test_the_map_of_a_workload_in_a_pane(snap_compare, pane) -> None:
    data = map_of_workload(frozen_session(), ObjectRef("Deployment", "ecom", "ecom-service"))
    assert snap_compare(MapApp(data), terminal_size=pane, run_before=pressing("right"))


def test_the_map_of_a_policy(snap_compare, size) -> None:
    data = map_of_policy(frozen_session(), ObjectRef("AuthorizationPolicy", "ecom", "ecom-service-policy"))
    assert snap_compare(MapApp(data), terminal_size=size, run_before=pressing("left"))


def test_five_hundred_neighbours(snap_compare, size) -> None:
    assert snap_compare(MapApp(crowded_map()), terminal_size=size, run_before=pressing("left"))


async def open_a_group(pilot):
    """Open the second group of callees."""
    await settle(pilot)
    view = pilot.app.query_one(MapView)
    view.select([item.id for item in view.picture.items if item.id.startswith("group:to:")][1])
    await pressing("enter")(pilot)


def test_an_open_group(snap_compare, size) -> None:
    assert snap_compare(MapApp(crowded_map(120, 9)), terminal_size=size, run_before=open_a_group)


def test_long_names(snap_compare, size) -> None:
    assert snap_compare(MapApp(long_map()), terminal_size=size, run_before=pressing())


def test_no_map(snap_compare) -> None:
    assert snap_compare(MapApp(None), terminal_size=(80, 24), run_before=pressing())


@pytest.fixture
def view():
    """A program with a map of many neighbours."""
    return MapApp(crowded_map(60, 3))


async def test_enter_opens_a_group_and_the_cursor_stays(view):
    async with view.run_test(size=(120, 20)) as pilot:
        await pilot.pause()
        shown = view.query_one(MapView)
        group = next(item for item in shown.picture.items if item.id.startswith("group:from:"))
        shown.select(group.id)
        before = len(shown.picture.items)
        await pilot.press("enter")
        await pilot.pause()
        assert len(shown.picture.items) > before
        assert shown.item.id == group.id
        assert view.chosen == []
        await pilot.press("enter")
        await pilot.pause()
        assert len(shown.picture.items) == before


async def test_what_is_no_group_is_chosen(view):
    async with view.run_test(size=(120, 20)) as pilot:
        await pilot.pause()
        await pilot.press("enter")
        await pilot.pause()
        assert [item.id for item in view.chosen] == ["centre"]


async def test_the_cursor_stays_on_its_item_while_the_centre_is_the_same(view):
    async with view.run_test(size=(120, 40)) as pilot:
        await pilot.pause()
        shown = view.query_one(MapView)
        shown.show(bookstore_map())
        await pilot.pause()
        edge = next(item for item in shown.picture.items if item.id.startswith("to-edge:"))
        shown.select(edge.id)
        shown.show(bookstore_map())
        await pilot.pause()
        assert shown.item.id == edge.id
        shown.show(long_map())
        await pilot.pause()
        assert shown.item.id == "centre"


async def test_without_a_map_there_is_nothing_to_choose(view):
    async with view.run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        shown = view.query_one(MapView)
        shown.show(None)
        await pilot.press("enter", "down", "right")
        await pilot.pause()
        assert shown.item is None
        assert "the map of a workload" in shown.picture.plain()
        assert "the map of a workload" in shown.document().plain()
