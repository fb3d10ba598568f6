"""The key A: tries the criteria in the sandbox at once, asks anywhere else, and no tries nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from meshtui.app import MeshtuiApp
from meshtui.cli.expectations import find, read_expectations
from meshtui.journeys.bookstore.criteria import State
from meshtui.sandbox import scenarios
from meshtui.sandbox.apiserver.server import running_api
from meshtui.sandbox.run import running_sandbox
from meshtui.screens.acceptance import AcceptanceScreen
from meshtui.screens.confirm import ConfirmScreen
from meshtui.screens.main import MainScreen
from meshtui.session import Session
from meshtui.settings import Checkout, Settings
from meshtui.sources.kubernetes.live import LiveSource
from meshtui.ui.widgets.document_view import DocumentView
from meshtui.ui.widgets.tiles_view import TilesView
from tests.fakes.shop import running_shop
from tests.pilot.test_checkout import shown, until


def program(kubeconfig, **settings):
    chosen = Settings(kubeconfig=str(kubeconfig), **settings)
    return MeshtuiApp(Session(LiveSource(chosen), chosen), lambda: read_expectations(*find("bookstore")))


def tried(app):
    waits = {State.WAITING, State.RUNNING}
    return isinstance(app.screen, AcceptanceScreen) and not any(each.state in waits for each in app.screen.criteria)


@pytest.mark.sandbox
async def test_all_six_pass_in_the_healthy_sandbox():
    async with running_sandbox("healthy") as sandbox:
        assert await sandbox.wait_ready() == []
        app = program(sandbox.kubeconfig)
        async with app.run_test(size=(120, 40)) as pilot:
            await pilot.press("A")  # at once: it waits until the cluster is read
            await until(pilot, lambda: tried(app), 90)
            if "0 failed, 1 skipped" in shown(app):  # a busy machine may leave one probe unsettled: that is tried again
                await pilot.press("r")
                await until(pilot, lambda: not tried(app), 90)
                await until(pilot, lambda: tried(app), 90)
            assert "6 passed, 0 failed, 0 skipped, of 6" in shown(app)
            await pilot.press("end")
            await until(pilot, lambda: "45/45 passed" in shown(app))
            await pilot.press("escape")
            assert isinstance(app.screen, MainScreen)


async def test_elsewhere_it_asks_first_and_no_tries_nothing():
    async with running_shop() as shop, running_api(scenarios.load("healthy")) as api:
        system = api.store.require("namespaces", None, "kube-system")
        api.store.update("namespaces", system | {"metadata": system["metadata"] | {"labels": {}}})
        app = program(api.kubeconfig, checkout=Checkout(gateway=shop.url))
        async with app.run_test(size=(80, 24)) as pilot:
            await until(pilot, lambda: app.session.snapshot.gateways and app.session.settled)
            await pilot.press("A")
            await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
            await until(pilot, lambda: shop.url in shown(app))
            assert "real order" in shown(app)
            await pilot.press("n")
            await until(pilot, lambda: isinstance(app.screen, AcceptanceScreen) and "nothing was tried" in shown(app))
            assert {method for method, _ in shop.requests} <= {"GET"}  # only asked whether it answers
            assert shop.bought == 0


async def test_read_only_tries_nothing_and_says_why():
    async with running_shop() as shop, running_api(scenarios.load("healthy")) as api:
        app = program(api.kubeconfig, read_only=True, checkout=Checkout(gateway=shop.url))
        async with app.run_test(size=(80, 24)) as pilot:
            await until(pilot, lambda: app.session.snapshot.gateways and app.session.settled)
            await pilot.press("A")
            await until(pilot, lambda: "nothing is tried: read-only" in shown(app))
            assert {each.state for each in app.screen.criteria} == {State.SKIP}, "no tile waits for ever"
            assert shop.requests == []


async def test_the_cursor_shows_the_evidence_of_its_tile_and_enter_goes_there():
    async with running_shop() as shop, running_api(scenarios.load("healthy")) as api:
        app = program(api.kubeconfig, read_only=True, checkout=Checkout(gateway=shop.url))
        async with app.run_test(size=(120, 40)) as pilot:
            await until(pilot, lambda: app.session.snapshot.gateways and app.session.settled)
            await pilot.press("A")
            await until(pilot, lambda: isinstance(app.screen, AcceptanceScreen))
            screen = app.screen
            screen._show(tuple(replace(each, state=State.PASS, evidence=(f"seen: {each.id}",)) for each in screen.criteria))
            tiles = screen.query_one(TilesView)
            await until(pilot, lambda: tiles.item is not None and len(tiles.picture.items) == 6)
            assert shown(app).startswith("1 ServiceAccounts")
            await pilot.press("right", "down")
            await until(
                pilot, lambda: shown(app).startswith("5 ") and shown(app).index("seen: stock") < shown(app).index("seen: acc")
            )
            await pilot.press("enter")
            await until(pilot, lambda: isinstance(app.focused, DocumentView))
