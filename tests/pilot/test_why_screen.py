"""Why? from the main screen, and what is said when a verdict changes while somebody looks at it."""

from __future__ import annotations

from datetime import timedelta

from meshtui.engine.path.references import parse_flow
from meshtui.model.observation import Observation
from meshtui.screens.flow import FlowScreen
from meshtui.screens.probe import ProbeScreen
from meshtui.screens.why import WhyScreen
from meshtui.ui.widgets.document_view import DocumentView
from tests.fakes.observed import store
from tests.fakes.screens import table_of
from tests.pilot.test_keys import bookstore_app, until

FLOW = parse_flow("ecom/deploy/ecom-service", "inventory/svc/inventory-service:8000")


def text(pilot) -> str:
    views = pilot.app.screen.query(DocumentView)
    return views.first().plain if views else ""


def close_egress(api, namespace="ecom", name="ecom-netpol"):
    """Take everything away that a NetworkPolicy lets out."""
    policy = api.store.get("networkpolicies", namespace, name)
    api.store.update("networkpolicies", {**policy, "spec": {**policy["spec"], "egress": []}})
    return policy


async def test_w_on_a_workload_asks_for_the_rest_of_its_flow():
    async with bookstore_app() as (_, pilot, _screen):
        await pilot.press("j", "w")
        await until(pilot, lambda: isinstance(pilot.app.screen, FlowScreen) and bool(pilot.app.screen.query("#to")))
        assert pilot.app.screen.query_one("#from").value == "ecom/deployment/ecom-service"
        assert pilot.app.screen.focused is pilot.app.screen.query_one("#to")


async def test_w_elsewhere_says_where_to_ask():
    async with bookstore_app() as (_, pilot, screen):
        await pilot.press("3", "w")
        await pilot.pause()
        assert pilot.app.screen is screen


async def test_an_edited_policy_says_from_what_to_what_when_and_why():
    async with bookstore_app() as (api, pilot, screen):
        pilot.app.push_screen(WhyScreen(screen.session, FLOW))
        await until(pilot, lambda: isinstance(pilot.app.screen, WhyScreen) and "✓ allow" in text(pilot))
        close_egress(api)
        await until(pilot, lambda: "✗ deny: timeout" in text(pilot))
        await until(pilot, lambda: "ago: allow → deny, because NetworkPolicy ecom/ecom-netpol was edited" in text(pilot))


async def test_a_deleted_policy_is_named_too_and_so_is_another_object_that_decides_now():
    async with bookstore_app() as (api, pilot, screen):
        pilot.app.push_screen(WhyScreen(screen.session, FLOW))
        await until(pilot, lambda: isinstance(pilot.app.screen, WhyScreen) and "✓ allow" in text(pilot))
        api.store.delete("authorizationpolicies", "inventory", "inventory-service-policy")
        await until(pilot, lambda: "AuthorizationPolicy inventory/inventory-service-policy was deleted" in text(pilot))
        assert "allow by AuthorizationPolicy inventory/inventory-service-policy rules[0] → allow by " in text(pilot)


async def test_f_changes_one_end_of_the_flow():
    async with bookstore_app() as (_, pilot, screen):
        pilot.app.push_screen(WhyScreen(screen.session, FLOW))
        await until(pilot, lambda: isinstance(pilot.app.screen, WhyScreen))
        await pilot.press("f")
        await until(pilot, lambda: isinstance(pilot.app.screen, FlowScreen) and bool(pilot.app.screen.query("#to")))
        assert pilot.app.screen.query_one("#to").value == "inventory/svc/inventory-service:8000"


async def test_the_probe_screen_marks_the_row_and_says_why():
    async with bookstore_app() as (api, pilot, _screen):
        await pilot.press("j", "p")
        await until(pilot, lambda: isinstance(pilot.app.screen, ProbeScreen))
        table = table_of(pilot.app.screen)
        close_egress(api)

        def predicted() -> str:
            index = [column.title for column in table.columns].index("PREDICTED")
            return next(row.cells[index].text for row in table.rows if "inventory-service" in row.uid)

        await until(pilot, lambda: predicted() == "✗ deny * was allow")
        table.select(next(row.uid for row in table.rows if "inventory-service" in row.uid))
        await until(pilot, lambda: "because NetworkPolicy ecom/ecom-netpol was edited" in text(pilot))


async def test_nobody_watches_any_more_when_the_screens_are_closed():
    async with bookstore_app() as (_, pilot, screen):
        await pilot.press("j", "p")
        await until(pilot, lambda: isinstance(pilot.app.screen, ProbeScreen) and bool(screen.session._watching._verdicts))
        await pilot.press("w")
        await until(pilot, lambda: isinstance(pilot.app.screen, WhyScreen))
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, ProbeScreen))
        assert screen.session._watching._verdicts
        await pilot.press("escape")
        await until(pilot, lambda: pilot.app.screen is screen and not screen.session._watching._verdicts)


async def test_a_probe_from_before_an_edit_is_old_and_never_agrees():
    async with bookstore_app() as (api, pilot, screen):
        session = screen.session
        seen = Observation(FLOW, "connected", session.verdict(FLOW), at=session.clock() - timedelta(seconds=70))
        store(session, seen)
        pilot.app.push_screen(WhyScreen(session, FLOW))
        await until(pilot, lambda: "= agrees: connected, 7" in text(pilot))
        policy = api.store.get("networkpolicies", "ecom", "ecom-netpol")
        labelled = {**policy["metadata"], "labels": {"changed": "yes"}}
        api.store.update("networkpolicies", {**policy, "metadata": labelled})
        await until(pilot, lambda: "! old: connected, 7" in text(pilot))
        assert "agrees" not in text(pilot)
        assert "✓ allow" in text(pilot), "the verdict itself is the same"
