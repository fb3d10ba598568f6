"""What is expected of a flow is a lane of its path: where the settings name a file, and in the sandbox."""

from __future__ import annotations

import pytest

from meshtui.app import MeshtuiApp
from meshtui.engine import Engine
from meshtui.engine.expect.expectations import Entry
from meshtui.engine.path.references import parse_flow
from meshtui.model.errors import UsageError
from meshtui.screens.why import WhyScreen
from meshtui.session import Session
from meshtui.session.expecting import Expecting
from meshtui.settings import Checkout, Settings
from meshtui.ui.widgets.path_view import PathView
from tests.fakes.frozen import LABEL, NOW, FrozenSource, bookstore
from tests.fakes.snapshots import ambient, pod, snapshot_of
from tests.pilot.test_keys import until

CALL = ("ecom/deployment/ecom-service", "inventory/svc/inventory-service:8000")
OTHER = ("ecom/deployment/ui-service", "inventory/svc/inventory-service:8000")


def app_expecting(file: str, *entries: Entry, asked: list[str] | None = None, error: UsageError | None = None) -> MeshtuiApp:
    def read() -> list[Entry]:
        if asked is not None:
            asked.append(file)
        if error is not None:
            raise error
        return list(entries)

    settings = Settings(checkout=Checkout(expectations=file))
    return MeshtuiApp(Session(FrozenSource(bookstore(), LABEL, None), settings, clock=lambda: NOW), read)


@pytest.mark.parametrize(("expected", "said"), [("allow", "= as expected"), ("deny", "≠ NOT as expected")])
async def test_the_path_has_what_is_expected(expected: str, said: str) -> None:
    app = app_expecting("mine.yaml", Entry((CALL[0],), (CALL[1],), expected, id="a"))
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: app.session.expecting.of(parse_flow(*CALL)) == expected)
        await app.push_screen(WhyScreen(app.session, parse_flow(*CALL)))
        await until(pilot, lambda: said in app.screen.query_one(PathView).picture.plain())
        await app.pop_screen()
        await app.push_screen(WhyScreen(app.session, parse_flow(*OTHER)))
        await until(pilot, lambda: "predicted" in app.screen.query_one(PathView).picture.plain())
        assert "expected" not in app.screen.query_one(PathView).picture.plain()


async def test_the_bookstore_s_own_file_is_not_read_about_another_cluster() -> None:
    asked: list[str] = []
    app = app_expecting(Checkout().expectations, Entry((CALL[0],), (CALL[1],), "deny"), asked=asked)
    async with app.run_test() as pilot:
        await until(pilot, lambda: app.session.settled)
        await pilot.pause(0.2)
        await app.workers.wait_for_complete()
        assert asked == []
        assert app.session.expecting.of(parse_flow(*CALL)) == ""


async def test_a_file_that_cannot_be_used_says_nothing_here() -> None:
    asked: list[str] = []
    app = app_expecting("mine.yaml", asked=asked, error=UsageError("no such file"))
    async with app.run_test() as pilot:
        await until(pilot, lambda: bool(asked))
        await app.workers.wait_for_complete()
        assert app.session.expecting.of(parse_flow(*CALL)) == ""


def test_of_two_expectations_of_one_flow_the_first_counts() -> None:
    expecting, flow, engine = Expecting(), parse_flow(*CALL), Engine(bookstore())
    expecting.take([Entry((CALL[0],), (CALL[1],), "allow", id="one"), Entry((CALL[0],), (CALL[1],), "deny", id="two")])
    expecting.expand(engine)
    assert expecting.of(flow) == "allow"
    expecting.take([])
    expecting.expand(engine)
    assert expecting.of(flow) == ""


def test_an_entry_that_matches_nothing_takes_no_other_one_along_and_counts_once_something_is_there() -> None:
    world = [ambient("shop"), pod("shop/api", "10.0.0.1"), pod("shop/db", "10.0.0.2", [5432])]
    call, later = parse_flow("shop/api", "shop/db:5432"), parse_flow("new/job", "shop/db:5432")
    expecting, old = Expecting(), snapshot_of(world)
    expecting.take([Entry(("new/*",), ("shop/db:5432",), "deny"), Entry(("shop/api",), ("shop/db:5432",), "allow")])
    assert expecting.is_due(old)
    expecting.expand(Engine(old))
    assert (expecting.of(call), expecting.of(later)) == ("allow", "")
    assert not expecting.is_due(old)
    new = snapshot_of([*world, ambient("new"), pod("new/job", "10.0.1.1")])
    assert expecting.is_due(new)
    expecting.expand(Engine(new))
    assert (expecting.of(call), expecting.of(later)) == ("allow", "deny")
