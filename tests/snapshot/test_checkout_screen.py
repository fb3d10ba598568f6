"""A purchase on the screen: before it begins, in progress, that went well, and that a policy stopped."""

from __future__ import annotations

from typing import Any

import pytest
from textual.pilot import Pilot

from meshtui.app import MeshtuiApp
from meshtui.journeys.bookstore.trace import Trace
from meshtui.screens.checkout import CheckoutScreen
from meshtui.ui.document import WARN
from tests.fakes import purchases
from tests.fakes.frozen import bookstore
from tests.snapshot.conftest import Before, in_the_theme, settle


@pytest.fixture(autouse=True)
def _no_gateway(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is sent: what a purchase says is given to the screen."""

    async def none(*_: object) -> None:
        return None

    monkeypatch.setattr("meshtui.screens.checkout.find_gateway", none)
    monkeypatch.setattr(CheckoutScreen, "_confirmed", none)


def bought(trace: Trace | None) -> Before:
    """Open the screen, with a purchase on it."""

    async def before(pilot: Pilot[Any]) -> None:
        await settle(pilot)
        await pilot.press("b")
        await settle(pilot)
        screen = pilot.app.screen
        assert isinstance(screen, CheckoutScreen)
        if trace is not None:
            screen._show(trace)
        else:
            screen._say("… looking for the gateway", WARN)
        await settle(pilot)

    return before


def test_waiting(snap_compare, frozen_app: MeshtuiApp, size: tuple[int, int]) -> None:
    assert snap_compare(frozen_app, terminal_size=size, run_before=bought(None))


def test_in_progress(snap_compare, frozen_app: MeshtuiApp, size: tuple[int, int]) -> None:
    assert snap_compare(frozen_app, terminal_size=size, run_before=bought(purchases.running()))


def test_went_well(snap_compare, frozen_app: MeshtuiApp, size: tuple[int, int]) -> None:
    assert snap_compare(frozen_app, terminal_size=size, run_before=bought(purchases.done()))


def test_stopped_by_a_policy(snap_compare, frozen_app: MeshtuiApp, size: tuple[int, int]) -> None:
    assert snap_compare(frozen_app, terminal_size=size, run_before=bought(purchases.closed()))


def test_without_its_database(snap_compare, frozen_app: MeshtuiApp, size: tuple[int, int]) -> None:
    trace = purchases.without_its_database(bookstore())
    assert snap_compare(frozen_app, terminal_size=size, run_before=bought(trace))


def test_in_each_theme(snap_compare, frozen_app: MeshtuiApp, theme: str) -> None:
    assert snap_compare(frozen_app, terminal_size=(120, 40), run_before=in_the_theme(theme, bought(purchases.closed())))
