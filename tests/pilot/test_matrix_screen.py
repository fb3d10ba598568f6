"""The matrix: what it says, going in and coming back, and marking what changed while one looks."""

from __future__ import annotations

from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import OptionList

from meshtui.model.ids import ObjectRef
from meshtui.model.snapshot import KindState, KindStatus, Snapshot
from meshtui.screens.choose_flow import ChooseFlowScreen
from meshtui.screens.describe import DescribeScreen
from meshtui.screens.main import MainScreen
from meshtui.screens.matrix import MatrixScreen
from meshtui.screens.namespace import NamespaceScreen
from meshtui.screens.why import WhyScreen
from meshtui.screens.yaml import YamlScreen
from meshtui.ui.reach import MARKS
from meshtui.ui.widgets.document_view import DocumentView
from meshtui.ui.widgets.grid import Grid
from tests.fakes.frozen import bookstore, with_kind
from tests.fakes.snapshots import namespace, pod, policy, snapshot_of
from tests.pilot.test_keys import bookstore_app, until
from tests.snapshot.conftest import app_on


def glyph(screen: MatrixScreen, source: str, destination: str) -> str:
    """The mark of a pair, by the short names of row and column; empty while there is none."""
    grid = screen.query_one(Grid)
    row = next((i for i, label in enumerate(grid.rows) if label.text == source), None)
    column = next((i for i, label in enumerate(grid.columns) if label.text == destination), None)
    if row is None or column is None or not grid.display:
        return ""
    return MARKS[grid._codes[row][column]][0]


def said(screen: MatrixScreen) -> str:
    return screen.query_one("#said", DocumentView).plain


def drawn(screen: MatrixScreen) -> list[str]:
    grid = screen.query_one(Grid)
    return [grid.render_line(y).text for y in range(grid.size.height)]


async def matrix(pilot: Pilot[Any], *keys: str) -> MatrixScreen:
    await until(pilot, lambda: isinstance(pilot.app.screen, MainScreen) and bool(pilot.app.session.snapshot.pods))
    await pilot.press(*keys, "m")
    await until(pilot, lambda: isinstance(pilot.app.screen, MatrixScreen) and bool(pilot.app.screen.query_one(Grid).rows))
    return pilot.app.screen


async def test_the_policies_in_the_words_below_are_links():
    app = app_on(bookstore())
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await matrix(pilot)
        screen.query_one(Grid).select((0, 3))
        await until(pilot, lambda: "ecom → inventory" in said(screen))
        await pilot.press("enter")
        await until(pilot, lambda: "inventory-service-policy" in said(screen))
        await pilot.press("tab", "down")
        decider = screen.link
        assert isinstance(decider, ObjectRef)
        assert str(decider) in said(screen)
        await pilot.press("y")
        await until(pilot, lambda: isinstance(pilot.app.screen, YamlScreen))
        await pilot.press("escape")
        await until(pilot, lambda: pilot.app.screen is screen)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, DescribeScreen))
        await pilot.press("escape", "tab", "enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, WhyScreen))


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 50)])
async def test_namespaces_then_workloads_then_why_and_back(size):
    app = app_on(bookstore())
    async with app.run_test(size=size) as pilot:
        screen = await matrix(pilot)
        assert glyph(screen, "ecom", "inventory") == "◐"
        assert glyph(screen, "infra", "infra") == "·"
        screen.query_one(Grid).select((0, 3))
        await until(pilot, lambda: "ecom → inventory" in said(screen))
        await pilot.press("enter")
        await until(pilot, lambda: glyph(screen, "ecom-service", "inventory-service") == "✓")
        assert glyph(screen, "ui-service", "inventory-service") == "✗"
        await until(pilot, lambda: "✓ allow TCP 8000" in said(screen) and "inventory-service-policy" in said(screen))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, WhyScreen))
        await until(pilot, lambda: "inventory-service:8000" in pilot.app.screen.query_one(DocumentView).plain)
        await pilot.press("escape")
        await until(pilot, lambda: pilot.app.screen is screen)
        await pilot.press("escape")
        await until(pilot, lambda: glyph(screen, "ecom", "inventory") == "◐")
        await until(pilot, lambda: screen.query_one(Grid).cursor == (0, 3))
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, MainScreen))


async def test_colon_matrix_and_the_chosen_namespace():
    app = app_on(bookstore())
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: bool(app.session.snapshot.pods))
        app.session.namespace = "ecom"
        await pilot.press("colon", *"matrix", "enter")
        await until(pilot, lambda: isinstance(app.screen, MatrixScreen) and glyph(app.screen, "ecom-service", "ecom-db") == "✓")
        assert len(app.screen.query_one(Grid).rows) == 3
        titles = {command.title for command in app.get_system_commands(app.screen)}
        assert {"Matrix", "Explain a flow", "Why?"} <= titles


async def test_a_pair_with_itself_says_so_and_two_can_be_swapped():
    app = app_on(bookstore())
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await matrix(pilot)
        screen.query_one(Grid).select((0, 3))
        await pilot.press("enter")
        await until(pilot, lambda: glyph(screen, "ecom-service", "inventory-service") == "✓")
        await pilot.press("t")
        await until(pilot, lambda: glyph(screen, "inventory-service", "ecom-service") == "✗")
        await pilot.press("n")
        await until(pilot, lambda: isinstance(app.screen, NamespaceScreen))
        names = app.screen.query_one(OptionList)
        names.highlighted = [option.id for option in names.options].index("ecom")
        await pilot.press("enter")
        await until(pilot, lambda: glyph(screen, "ecom-db", "ecom-db") == "·")
        await pilot.press("enter")
        await pilot.pause()
        assert app.screen is screen


def shop() -> Snapshot:
    """Two ports, one of them open; no Service."""
    spec = "podSelector: {matchLabels: {app: api}}\ningress: [{ports: [{port: 8080}]}]"
    pods = [pod("shop/web", "10.0.0.1"), pod("shop/api", "10.0.0.2", [8080, 9090], {"app": "api"})]
    return snapshot_of([namespace("shop"), *pods, policy("shop/api", spec)])


async def test_several_ports_are_asked_for_and_the_declared_ones_can_be_left_aside():
    app = app_on(shop())
    async with app.run_test(size=(80, 24)) as pilot:
        screen = await matrix(pilot)
        await pilot.press("enter")
        await until(pilot, lambda: glyph(screen, "web", "api") == "◐")
        grid = screen.query_one(Grid)
        grid.select((1, 0))
        await until(pilot, lambda: "allow TCP 8080" in said(screen) and "deny TCP 9090" in said(screen))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, ChooseFlowScreen))
        await pilot.press("down", "enter")
        await until(pilot, lambda: isinstance(app.screen, WhyScreen))
        await until(pilot, lambda: "shop/api:9090" in app.screen.query_one(DocumentView).plain)
        await pilot.press("escape", "a")
        await until(pilot, lambda: not screen._declared and screen._shown is not None and not screen._shown.declared)
        assert glyph(screen, "web", "api") == "◐"


async def test_what_is_not_known_is_said():
    state = KindState(KindStatus.FORBIDDEN, "nobody may", "list")
    app = app_on(with_kind(bookstore(), "AuthorizationPolicy", state, empty=True))
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await matrix(pilot)
        await until(pilot, lambda: "AuthorizationPolicy: forbidden" in str(screen.query_one("#message").render()))
        assert glyph(screen, "ecom", "inventory") == "?"


async def test_no_snapshot_yet_is_a_state_of_its_own():
    app = app_on(None)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("m")
        await until(pilot, lambda: isinstance(app.screen, MatrixScreen))
        await until(pilot, lambda: "Loading" in app.screen.query_one("#state", DocumentView).plain)
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, MainScreen))


async def test_an_edited_policy_marks_the_pairs_that_it_changed():
    async with bookstore_app() as (api, pilot, _):
        screen = await matrix(pilot)
        screen.query_one(Grid).select((0, 3))
        await pilot.press("enter")
        await until(pilot, lambda: glyph(screen, "ecom-service", "inventory-service") == "✓")
        netpol = api.store.get("networkpolicies", "ecom", "ecom-netpol")
        assert netpol is not None
        api.store.update("networkpolicies", {**netpol, "spec": {**netpol["spec"], "egress": []}})
        await until(pilot, lambda: glyph(screen, "ecom-service", "inventory-service") == "✗")
        await until(pilot, lambda: "NetworkPolicy ecom/ecom-netpol was edited" in said(screen))
        assert "was ✓ all" in said(screen)
        assert any("✗*" in text for text in drawn(screen))


def crowd(count: int) -> Snapshot:
    """Many workloads, every third of which lets nobody in."""
    deny = [policy(f"big/deny-{n:03}", f"podSelector: {{matchLabels: {{app: w-{n:03}}}}}") for n in range(0, count, 3)]
    pods = [pod(f"big/w-{n:03}", f"10.0.{n // 250}.{n % 250 + 1}", [80]) for n in range(count)]
    return snapshot_of([namespace("big"), *pods, *deny])


async def test_five_hundred_workloads_scroll_with_their_names_in_sight():
    app = app_on(crowd(500))
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: bool(app.session.snapshot.pods))
        app.session.namespace = "big"
        screen = await matrix(pilot)
        grid = screen.query_one(Grid)
        await until(pilot, lambda: len(grid.rows) == 500)
        await pilot.press("G", "dollar_sign")
        await until(pilot, lambda: grid.cursor == (499, 499))
        lines = drawn(screen)
        assert lines[-1].startswith("w-499") or lines[-2].startswith("w-499")
        last = "".join(text[len(lines[-2].rstrip()) - 1 : len(lines[-2].rstrip())] for text in lines[:5])
        assert last == "w-499"
        await pilot.press("g", "home")
        await until(pilot, lambda: grid.cursor == (0, 0))
        assert glyph(screen, "w-001", "w-000") == "✗"
        assert glyph(screen, "w-000", "w-001") == "✓"
        shown = [text for text in drawn(screen) if text.startswith("w-")]
        assert all(len(text) == grid.size.width for text in shown)


async def test_the_cursor_stays_on_its_pair_when_workloads_come():
    async with bookstore_app() as (api, pilot, screen):
        screen.session.namespace = "ecom"
        shown = await matrix(pilot)
        grid = shown.query_one(Grid)
        place = next(
            (r, c)
            for r, row in enumerate(grid.rows)
            for c, col in enumerate(grid.columns)
            if (row.text, col.text) == ("ui-service", "ecom-service")
        )
        grid.select(place)
        api.add(pod("ecom/aaa", "10.9.9.9", [80]))
        await until(pilot, lambda: any(label.text == "aaa" for label in grid.rows))
        row, column = grid.cursor
        assert (grid.rows[row].text, grid.columns[column].text) == ("ui-service", "ecom-service")


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 50)])
async def test_all_workloads_with_rules_between_namespaces_and_no_name_letter_by_letter(size):
    app = app_on(bookstore())
    async with app.run_test(size=size) as pilot:
        screen = await matrix(pilot)
        await pilot.press("w")
        await until(pilot, lambda: glyph(screen, "ecom-service", "inventory-service") == "✓")
        grid = screen.query_one(Grid)
        assert not grid._heads.letters
        await until(pilot, lambda: any(text.startswith("─ ecom ─") and "┼" in text for text in drawn(screen)))
        lines = drawn(screen)
        first = next(number for number, text in enumerate(lines) if "ecom-service" in text and "✓" in text)
        assert lines[first].count("│") == 5, "between six namespaces"
        for _ in grid.rows:
            await pilot.press("down")
        await until(pilot, lambda: any("prometheus" in text and "✓" in text for text in drawn(screen)))
        await pilot.press("g", "home")
        await pilot.press("right", "right", "right", "enter")
        await until(pilot, lambda: isinstance(app.screen, WhyScreen))
        assert "keycloak" in app.screen.query_one(DocumentView).plain
        await pilot.press("escape", "w")
        await until(pilot, lambda: glyph(screen, "ecom", "inventory") == "◐")


async def test_a_click_hits_the_mark_between_rules():
    app = app_on(bookstore())
    async with app.run_test(size=(120, 40)) as pilot:
        screen = await matrix(pilot)
        await pilot.press("w")
        await until(pilot, lambda: glyph(screen, "ecom-service", "inventory-service") == "✓")
        grid = screen.query_one(Grid)
        row = next(i for i, label in enumerate(grid.rows) if label.text == "gateway")
        column = next(i for i, label in enumerate(grid.columns) if label.text == "inventory-service")
        y = next(number for number, text in enumerate(drawn(screen)) if text.startswith("gateway "))
        x = grid._left + grid._starts[column] + grid._heads.before + grid.gutter.left
        await pilot.click(Grid, offset=(x, y))
        await until(pilot, lambda: grid.cursor == (row, column))
        await pilot.click(Grid, offset=(x, y - 1))  # a rule
        await pilot.pause()
        assert grid.cursor == (row, column)
