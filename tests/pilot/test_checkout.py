"""The key b: buys in the sandbox at once, asks anywhere else, and every way out works."""

import asyncio
import time
from contextlib import asynccontextmanager

import pytest

from meshtui.app import MeshtuiApp
from meshtui.sandbox import scenarios
from meshtui.sandbox.apiserver.server import running_api
from meshtui.sandbox.run import running_sandbox
from meshtui.screens.checkout import CheckoutScreen
from meshtui.screens.confirm import ConfirmScreen
from meshtui.screens.main import MainScreen
from meshtui.screens.why import WhyScreen
from meshtui.screens.yaml import YamlScreen
from meshtui.session import Session
from meshtui.settings import Checkout, Settings
from meshtui.sources.kubernetes.live import LiveSource
from meshtui.ui.widgets.document_view import DocumentView
from meshtui.ui.widgets.gauge_view import GaugeView
from meshtui.ui.widgets.sequence_view import SequenceView
from tests.fakes.settled import settled
from tests.fakes.shop import running_shop


@asynccontextmanager
async def driven(kubeconfig, size=(120, 40), **settings):
    chosen = Settings(kubeconfig=str(kubeconfig), **settings)
    app = MeshtuiApp(Session(LiveSource(chosen), chosen))
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: app.session.snapshot.gateways)
        yield app, pilot


async def until(pilot, good, seconds=30.0):
    deadline = time.monotonic() + seconds
    while not good():
        assert time.monotonic() < deadline, shown(pilot.app)
        await pilot.pause(0.05)


def shown(app):
    return app.screen.query_one(DocumentView).plain


def finished(app):
    return isinstance(app.screen, CheckoutScreen) and app.screen.trace is not None and app.screen.trace.finished


@pytest.mark.sandbox
@pytest.mark.parametrize("size", [(80, 24), (200, 50)])
async def test_b_buys_in_the_sandbox(size):
    async with running_sandbox("healthy") as sandbox:
        assert await sandbox.wait_ready() == []
        async with driven(sandbox.kubeconfig, size) as (app, pilot):
            await until(pilot, lambda: app.session.label.sandbox)
            await pilot.press("b")
            await until(pilot, lambda: finished(app))
            assert app.screen.trace.ok, shown(app)
            assert "✓ ok: order" in shown(app)
            assert app.screen.query_one(GaugeView).picture.plain().count("✓ change +1") == 1
            await pilot.press("plus", "plus", "minus")
            assert "next purchase: 2 of book" in shown(app)
            first = app.screen.trace.order_id
            await pilot.press("r")
            await until(pilot, lambda: finished(app) and app.screen.trace.order_id != first)
            assert app.screen.trace.ok
            assert app.screen.trace.moved == 2
            await until(pilot, lambda: len(app.session.journal) == 2)
            deed, other = app.session.journal
            title = app.screen.trace.book_title
            assert (deed.what, deed.outcome, deed.failed) == ("purchase", f"1 × {title}, order {first}, reserved +1", False)
            assert (other.what, other.failed) == ("purchase", False)
            assert other.outcome.startswith(f"2 × {title}, order ")
            await pilot.press("escape")
            assert isinstance(app.screen, MainScreen)


@pytest.mark.sandbox
async def test_a_failure_names_the_object_and_a_key_opens_it():
    async with running_sandbox("wrong-identity") as sandbox:
        assert await sandbox.wait_ready() == []
        async with driven(sandbox.kubeconfig) as (app, pilot):
            await until(pilot, lambda: app.session.label.sandbox)
            await pilot.press("b")
            await until(pilot, lambda: finished(app))
            assert "✗ FAILED: The reserve call was closed by AuthorizationPolicy" in shown(app)
            diagram = app.screen.query_one(SequenceView)
            assert diagram.item.id == "arrow reserve", "the cursor is on what failed"
            await pilot.press("enter")
            await until(pilot, lambda: isinstance(app.screen, WhyScreen) and "inventory-service" in shown(app))
            await pilot.press("escape", "o")
            await until(pilot, lambda: isinstance(app.screen, YamlScreen) and "inventory-service-policy" in shown(app))
            await pilot.press("escape", "2")
            await until(pilot, lambda: isinstance(app.screen, YamlScreen) and "kind: Deployment" in shown(app))


@asynccontextmanager
async def production(answers=None, **settings):
    """The bookstore's objects on a server that doesn't say that it is a sandbox, and a shop that a test controls."""
    async with running_shop(answers) as shop, running_api(scenarios.load("healthy")) as api:
        system = api.store.require("namespaces", None, "kube-system")
        api.store.update("namespaces", system | {"metadata": system["metadata"] | {"labels": {}}})
        async with driven(api.kubeconfig, checkout=Checkout(gateway=shop.url), **settings) as (app, pilot):
            yield shop, app, pilot


async def test_a_finished_purchase_does_not_keep_the_next_one_waiting(monkeypatch):
    """Its evidence is still being read from the logs then, which can take seconds."""
    reading, over = asyncio.Event(), asyncio.Event()

    async def slowly(*_):
        reading.set()
        await over.wait()

    monkeypatch.setattr("meshtui.screens.checkout.gather", slowly)
    async with production() as (shop, app, pilot):
        await pilot.press("b")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        await pilot.press("y")
        await until(pilot, lambda: finished(app) and reading.is_set())
        await pilot.press("r")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        await pilot.press("y")
        await until(pilot, lambda: shop.bought == 2 and finished(app))
        over.set()


async def test_elsewhere_it_asks_first_and_no_buys_nothing():
    async with production() as (shop, app, pilot):
        await pilot.press("b")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        await until(pilot, lambda: shop.url in shown(app))
        await pilot.press("n")
        await until(pilot, lambda: isinstance(app.screen, CheckoutScreen) and "nothing was bought" in shown(app))
        assert shop.bought == 0
        await pilot.press("r")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        await pilot.press("y")
        await until(pilot, lambda: finished(app))
        assert shop.bought == 1
        await pilot.press("escape")
        assert isinstance(app.screen, MainScreen)


async def test_read_only_buys_nothing_and_says_why():
    async with production(read_only=True) as (shop, app, pilot):
        await pilot.press("b")
        await until(pilot, lambda: "nothing is bought: read-only mode" in shown(app))
        assert shop.requests == []


@asynccontextmanager
async def hanging():
    """A purchase that was confirmed, and hangs while the stock is read."""
    stock = ("GET", f"/inven/stock/{Checkout().book}")
    async with production({stock: "hang"}) as (shop, app, pilot):
        await pilot.press("b")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        await pilot.press("y")
        await until(pilot, lambda: stock in shop.requests)
        yield shop, app, pilot


async def test_leaving_stops_a_purchase_that_hangs():
    async with hanging() as (shop, app, pilot):
        await pilot.press("escape")
        assert isinstance(app.screen, MainScreen)
        await until(pilot, lambda: not any(w.group == "purchase" and w.is_running for w in app.workers))
        assert shop.bought == 0


async def test_ctrl_c_stops_a_purchase_and_the_journal_has_it():
    async with hanging() as (shop, app, pilot):
        await pilot.press("b")
        await until(pilot, lambda: any("one purchase at a time" in note.message for note in app._notifications))
        await pilot.press("ctrl+c")
        await until(pilot, lambda: bool(app.session.journal))
        (deed,) = app.session.journal
        assert (deed.outcome, deed.failed) == ("stopped", True)
        assert isinstance(app.screen, CheckoutScreen)
        assert app.is_running
        assert "! stopped" in shown(app)
        assert "… " not in shown(app)
        await pilot.press("b")
        await until(pilot, lambda: isinstance(app.screen, ConfirmScreen))
        assert shop.bought == 0


async def test_whoever_leaves_at_once_breaks_nothing():
    """Before the cluster is read, and while it is looked for the gateway: the run ends with its screen."""
    async with running_shop() as shop, running_api(scenarios.load("healthy")) as api:
        chosen = Settings(kubeconfig=str(api.kubeconfig), checkout=Checkout(gateway=shop.url))
        app = MeshtuiApp(Session(LiveSource(chosen), chosen))
        async with app.run_test(size=(80, 24)) as pilot:
            for key in ("b", "A", "b", "A"):
                await pilot.press(key)
                app.pop_screen()
            await until(pilot, lambda: app.session.settled)
            await settled(pilot)
            assert app.is_running
            assert isinstance(app.screen, MainScreen)
            assert not [worker for worker in app.workers if worker.group in {"purchase", "acceptance"} and worker.is_running]
