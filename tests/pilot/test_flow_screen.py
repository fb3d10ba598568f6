"""Typing a flow: completion, errors in words, the ladder as soon as it can be judged, and the ways out."""

from __future__ import annotations

import pytest

from meshtui.screens.flow import FlowScreen, destination_names, source_names
from meshtui.screens.main import MainScreen
from meshtui.ui.widgets.choices import Choices
from meshtui.ui.widgets.document_view import DocumentView
from meshtui.ui.widgets.path_view import PathView
from tests.fakes.frozen import bookstore
from tests.pilot.test_keys import bookstore_app, until
from tests.pilot.test_why_screen import close_egress
from tests.snapshot.conftest import app_on


def said(app) -> str:
    views = app.screen.query(DocumentView)
    return views.first().plain if views else ""


@pytest.mark.parametrize("size", [(60, 12), (80, 24), (120, 40), (200, 50)])
async def test_a_flow_is_typed_completed_and_explained(size):
    app = app_on(bookstore())
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: bool(app.session.snapshot.pods))
        await pilot.press("f")
        await until(pilot, lambda: isinstance(app.screen, FlowScreen))
        await pilot.press(*"ecom/deployment/ecom", "tab")
        assert app.screen.query_one("#from").value == "ecom/deployment/ecom-service"
        await pilot.press(*"inventory/svc/inventory-s", "tab")
        assert app.screen.query_one("#to").value == "inventory/svc/inventory-service:8000"
        await until(pilot, lambda: "✓ allow: connected" in said(app))
        path = app.screen.query_one(PathView)
        assert path.display == (size[1] >= 20)
        assert app.screen.query_one(DocumentView).size.height >= 3
        await pilot.press("enter")
        await until(pilot, lambda: app.screen.focused is app.screen.query_one(DocumentView))
        await pilot.press("escape", "escape")
        await until(pilot, lambda: isinstance(app.screen, MainScreen))


@pytest.mark.parametrize(
    ("source", "destination", "request_text", "words"),
    [
        pytest.param("", "", "", "Explain a flow", id="nothing yet"),
        pytest.param("nonsense", "", "", "'nonsense'", id="no reference"),
        pytest.param("ecom/svc/ecom-service", "ecom/svc/ecom-db:5432", "", "can't be a source", id="a Service as source"),
        pytest.param("ecom/deploy/ecom-service", "", "", "Where to?", id="no destination"),
        pytest.param("ecom/deploy/ecom-service", "external", "", "external can't be a destination", id="external"),
        pytest.param("ecom/deploy/nobody", "ecom/svc/ecom-db:5432", "", "Not in this cluster", id="no such workload"),
        pytest.param("ecom/deploy/ecom-service", "ecom/svc/nobody:1", "", "no Service ecom/nobody", id="no such Service"),
        pytest.param("ecom/deploy/ecom-service", "ecom/svc/ecom-db:1", "", "no TCP port 1", id="no such port"),
        pytest.param("ecom/deploy/ecom-service", "ecom/svc/ecom-db:5432", "GET /a b", "isn't a request", id="no request"),
        pytest.param("ecom/deploy/ecom-service", "inventory/svc/inventory-service:8000", "post /x", "✓ allow", id="a request"),
        pytest.param("external", "infra/svc/gateway:80", "/ecom/books", "infra/svc/gateway:80", id="from outside"),
        pytest.param("[bold]x[/]\x1b[31m", "", "", "[bold]x[/]", id="hostile text"),
    ],
)
async def test_errors_are_said_in_words(source, destination, request_text, words):
    app = app_on(bookstore())
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: bool(app.session.snapshot.pods))
        app.push_screen(FlowScreen(app.session, source, destination))
        await until(pilot, lambda: isinstance(app.screen, FlowScreen) and bool(app.screen.query("#request")))
        app.screen.query_one("#request").value = request_text
        await until(pilot, lambda: words in said(app))
        assert "\x1b" not in said(app)


def offered(app) -> list[str]:
    shown = app.screen.query_one(Choices)
    return list(shown.names) if shown.display else []


async def on_flow_screen(app, pilot, source="", destination="") -> None:
    await until(pilot, lambda: bool(app.session.snapshot.pods))
    app.push_screen(FlowScreen(app.session, source, destination))
    await until(pilot, lambda: isinstance(app.screen, FlowScreen) and bool(app.screen.query("#request")))


async def test_names_that_fit_are_offered_by_their_parts():
    app = app_on(bookstore())
    async with app.run_test(size=(120, 40)) as pilot:
        await on_flow_screen(app, pilot, "ecom/deploy/ecom-service", "invent db")
        app.screen.query_one("#to").focus()
        await until(pilot, lambda: "inventory/svc/inventory-db:5432" in offered(app))
        assert not [name for name in offered(app) if "inventory-service" in name]


@pytest.mark.parametrize("key", ["tab", "enter"])
@pytest.mark.parametrize("size", [(60, 12), (80, 24), (120, 40), (200, 50)])
async def test_three_letters_of_each_name_and_enter_or_tab_explain_a_flow(key, size):
    app = app_on(bookstore())
    async with app.run_test(size=size) as pilot:
        await on_flow_screen(app, pilot)
        await pilot.press(*"eco", key)
        assert app.screen.query_one("#from").value == "ecom/deployment/ecom-service"
        assert app.focused is app.screen.query_one("#to")
        await pilot.press(*"key", key)
        assert app.screen.query_one("#to").value == "identity/svc/keycloak:8080"
        await until(pilot, lambda: "✓ allow" in said(app))
        assert not offered(app), "nothing is left to complete"
        assert isinstance(app.focused, DocumentView) == (key == "enter")


async def test_down_and_up_choose_among_the_names():
    app = app_on(bookstore())
    async with app.run_test(size=(80, 24)) as pilot:
        await on_flow_screen(app, pilot)
        await pilot.press(*"eco", "down", "down", "up")
        second = offered(app)[1]
        assert app.screen.query_one(Choices).chosen == second
        await pilot.press("enter")
        assert app.screen.query_one("#from").value == second
        await pilot.press("tab")
        assert app.screen.query_one("#to").value == "", "an empty field stays empty unless a name is chosen"
        await pilot.press("shift+tab", "down")
        first = offered(app)[0]
        await pilot.press("tab")
        assert app.screen.query_one("#to").value == first


async def test_what_is_typed_after_a_choice_brings_the_best_name_back_on_top():
    app = app_on(bookstore())
    async with app.run_test(size=(80, 24)) as pilot:
        await on_flow_screen(app, pilot)
        await pilot.press(*"ec", "down", "o")
        assert app.screen.query_one(Choices).chosen == offered(app)[0]


@pytest.mark.parametrize("address", ["10.1.2.3", "10.1.2.3:443", "api.example.com:443", "[fd00::1]:443"])
async def test_addresses_and_hosts_are_left_as_they_are_typed(address):
    app = app_on(bookstore())
    async with app.run_test(size=(80, 24)) as pilot:
        await on_flow_screen(app, pilot, "ecom/deploy/ecom-service", address)
        app.screen.query_one("#to").focus()
        await pilot.press("tab")
        assert app.screen.query_one("#to").value == address


async def test_a_click_takes_a_name():
    app = app_on(bookstore())
    async with app.run_test(size=(120, 40)) as pilot:
        await on_flow_screen(app, pilot)
        await pilot.press(*"eco")
        third = offered(app)[2]
        await pilot.click(Choices, offset=(5, 2))
        assert app.screen.query_one("#from").value == third


def test_names_are_workloads_services_pods_and_the_outside():
    sources, destinations = list(source_names(bookstore())), list(destination_names(bookstore()))
    assert {"ecom/deployment/ecom-service", "ecom/ecom-db-0", "external"} <= set(sources)
    wanted = {"inventory/svc/inventory-service:8000", "inventory/deployment/inventory-service:8000", "ecom/ecom-db-0:5432"}
    assert wanted <= set(destinations)
    assert not {name for name in sources if "/svc/" in name}


async def test_the_answer_follows_the_cluster_and_says_what_changed():
    async with bookstore_app() as (api, pilot, screen):
        flow = ("ecom/deploy/ecom-service", "inventory/svc/inventory-service:8000")
        pilot.app.push_screen(FlowScreen(screen.session, *flow))
        await until(pilot, lambda: isinstance(pilot.app.screen, FlowScreen) and "✓ allow" in said(pilot.app))
        close_egress(api)
        await until(pilot, lambda: "allow → deny, because NetworkPolicy ecom/ecom-netpol was edited" in said(pilot.app))
