"""What the keys do on Why? and on a description: they act on what the cursor rests on, else on what the screen is about."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widgets import Input

from meshtui.app import MeshtuiApp
from meshtui.engine.path.references import parse_flow
from meshtui.model.flow import Flow
from meshtui.model.ids import ObjectRef
from meshtui.screens.confirm import ConfirmScreen
from meshtui.screens.describe import DescribeScreen
from meshtui.screens.fix import FixScreen
from meshtui.screens.flow import FlowScreen
from meshtui.screens.follow import describe, describe_finding
from meshtui.screens.logs import LogScreen
from meshtui.screens.probe import ProbeScreen
from meshtui.screens.why import WhyScreen
from meshtui.screens.yaml import YamlScreen
from meshtui.ui.links import Link
from meshtui.ui.widgets.document_view import DocumentView
from tests.fakes.frozen import bookstore
from tests.pilot.test_keys import until
from tests.snapshot.conftest import app_on, settle

FLOW = parse_flow("ecom/deploy/ecom-service", "inventory/svc/inventory-service:8000")
SERVICE = ObjectRef("Deployment", "ecom", "ecom-service")
DATABASE = ObjectRef("StatefulSet", "ecom", "ecom-db")
POLICY = ObjectRef("NetworkPolicy", "ecom", "ecom-netpol")


def rest_on(pilot: Pilot[Any], wanted: Callable[[Link], bool]) -> Link:
    """Put the cursor on the first link of the text that is wanted."""
    view = pilot.app.screen.query_one(DocumentView)
    number = next(number for number, spot in enumerate(view._spots) if wanted(spot.link))
    view._rest_on(number)
    assert view.link is not None
    return view.link


def is_flow(link: Link) -> bool:
    return isinstance(link, Flow) and link != FLOW


async def pressed(app: MeshtuiApp, pilot: Pilot[Any], key: str, opens: type[Screen[Any]]) -> Any:
    """The screen that a key opens."""
    before = app.screen
    await pilot.press(key)
    await until(pilot, lambda: any(isinstance(screen, opens) and screen is not before for screen in app.screen_stack[-2:]))
    await settle(pilot)
    return next(screen for screen in reversed(app.screen_stack) if isinstance(screen, opens))


def fields(screen: Screen[Any]) -> tuple[str, str]:
    return screen.query_one("#from", Input).value, screen.query_one("#to", Input).value


@pytest.mark.parametrize(
    ("key", "opens"), [("w", WhyScreen), ("p", ProbeScreen), ("f", FlowScreen), ("l", LogScreen), ("y", YamlScreen)]
)
async def test_on_a_flow_of_a_description_the_keys_act_on_the_flow(key: str, opens: type[Screen[Any]]) -> None:
    app = app_on(bookstore())
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        describe(app.screen, app.session, SERVICE)
        await settle(pilot)
        flow = rest_on(pilot, is_flow)
        assert isinstance(flow, Flow)
        screen = await pressed(app, pilot, key, opens)
        if isinstance(screen, WhyScreen):
            assert screen.flow_of_link() == flow
        elif isinstance(screen, ProbeScreen):
            assert screen.link == flow
            assert isinstance(app.screen, ConfirmScreen)
        elif isinstance(screen, FlowScreen):
            assert fields(screen) == (str(flow.source), f"{flow.destination}:{flow.port}")
        elif isinstance(screen, LogScreen):
            assert flow.source.name in screen.crumb
        else:
            decider = app.session.verdict(flow).decided_by
            assert decider is not None
            assert screen.link == decider.ref


async def test_without_a_link_the_keys_act_on_what_is_described() -> None:
    app = app_on(bookstore())
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        describe(app.screen, app.session, DATABASE)
        await settle(pilot)
        assert fields(await pressed(app, pilot, "f", FlowScreen))[0] == "ecom/statefulset/ecom-db"
        await pressed(app, pilot, "escape", DescribeScreen)
        assert fields(await pressed(app, pilot, "w", FlowScreen))[0] == "ecom/statefulset/ecom-db"
        await pressed(app, pilot, "escape", DescribeScreen)
        assert (await pressed(app, pilot, "l", LogScreen)).crumb == "Log of ecom-db"
        await pressed(app, pilot, "escape", DescribeScreen)
        assert (await pressed(app, pilot, "y", YamlScreen)).link == DATABASE
        await pressed(app, pilot, "escape", DescribeScreen)
        await pilot.press("c")
        assert app.clipboard == "ecom/ecom-db"
        await pressed(app, pilot, "p", ProbeScreen)


async def test_on_another_object_of_a_description_the_keys_act_on_that_one() -> None:
    app = app_on(bookstore())
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        describe(app.screen, app.session, SERVICE)
        await settle(pilot)
        rest_on(pilot, lambda link: link == POLICY)
        assert (await pressed(app, pilot, "y", YamlScreen)).link == POLICY
        await pressed(app, pilot, "escape", DescribeScreen)
        assert (await pressed(app, pilot, "d", DescribeScreen)).crumb == "ecom-netpol"
        screen = app.screen
        await pilot.press("l", "p")
        await settle(pilot)
        assert app.screen is screen, "a policy has no log, and no flow begins at it"


async def test_f_on_a_finding_shows_its_fix() -> None:
    policies = bookstore().network_policies
    closed = {uid: replace(each, egress=()) if each.meta.ref == POLICY else each for uid, each in policies.items()}
    app = app_on(replace(bookstore(), network_policies=closed))
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        finding = next(each for each in app.session.findings if each.fix is not None)
        describe_finding(app.screen, app.session, finding)
        await settle(pilot)
        assert isinstance(app.screen, DescribeScreen)
        assert app.screen.link == finding
        await pressed(app, pilot, "f", FixScreen)


async def test_on_why_the_keys_act_on_its_flow_wherever_the_cursor_is() -> None:
    app = app_on(bookstore())
    async with app.run_test(size=(120, 40)) as pilot:
        await settle(pilot)
        app.push_screen(WhyScreen(app.session, FLOW))
        await settle(pilot)
        await pilot.press("w")
        await settle(pilot)
        assert isinstance(app.screen, WhyScreen)
        rest_on(pilot, lambda link: isinstance(link, ObjectRef) and link.kind == "NetworkPolicy")
        policy = app.screen.link
        assert (await pressed(app, pilot, "p", ProbeScreen)).link == FLOW
        await pilot.press("n")
        await pressed(app, pilot, "escape", WhyScreen)
        assert (await pressed(app, pilot, "l", LogScreen)).crumb == "Log of ecom-service"
        await pressed(app, pilot, "escape", WhyScreen)
        assert (await pressed(app, pilot, "y", YamlScreen)).link == policy
        await pressed(app, pilot, "escape", WhyScreen)
        assert (await pressed(app, pilot, "d", DescribeScreen)).link == policy
        await pressed(app, pilot, "escape", WhyScreen)
        assert fields(await pressed(app, pilot, "f", FlowScreen)) == (str(FLOW.source), f"{FLOW.destination}:8000")
