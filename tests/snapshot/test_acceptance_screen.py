"""The acceptance criteria on the screen: some met, one not, one skipped."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from textual.pilot import Pilot

from meshtui.app import MeshtuiApp
from meshtui.journeys.bookstore.criteria import ACCOUNTS, CHECKOUT, EXPECTATIONS, OUTSIDE, STOCK, TOKEN, State
from meshtui.screens.acceptance import AcceptanceScreen
from tests.snapshot.conftest import Before, pressing, settle

SEEN = {
    ACCOUNTS: (State.PASS, ("ServiceAccount ecom/ecom-service exists", "pod ecom/ecom-service-1 runs as ecom/ecom-service")),
    OUTSIDE: (State.PASS, ("POST http://127.0.0.1:30000/inven/stock/reserve → 404, answered by the gateway itself in 3 ms",)),
    TOKEN: (State.PASS, ("POST http://127.0.0.1:30000/ecom/checkout → 401, answered by whatever is behind the gateway in 9 ms",)),
    CHECKOUT: (State.FAIL, ("The reserve call was closed by AuthorizationPolicy inventory/inventory-service-policy",)),
    STOCK: (State.SKIP, ("no address of Gateway infra/gateway is known",)),
    EXPECTATIONS: (State.RUNNING, ()),
}


def tried(seen: dict[str, tuple[State, tuple[str, ...]]]) -> Before:
    """Open the screen, with these results on it."""

    async def before(pilot: Pilot[Any]) -> None:
        await pressing("A")(pilot)
        screen = pilot.app.screen
        assert isinstance(screen, AcceptanceScreen)
        screen._say("at gateway http://127.0.0.1:30000, host api.service.net", "dim")
        screen._show(tuple(replace(c, state=seen[c.id][0], evidence=seen[c.id][1]) for c in screen.criteria))
        await settle(pilot)

    return before


def test_criteria(snap_compare, frozen_app: MeshtuiApp, size: tuple[int, int]) -> None:
    assert snap_compare(frozen_app, terminal_size=size, run_before=tried(SEEN))


def test_waiting(snap_compare, frozen_app: MeshtuiApp, size: tuple[int, int]) -> None:
    assert snap_compare(frozen_app, terminal_size=size, run_before=tried(dict.fromkeys(SEEN, (State.WAITING, ()))))


def test_all_met(snap_compare, frozen_app: MeshtuiApp, size: tuple[int, int]) -> None:
    met = {name: (State.PASS, evidence or ("45/45 passed, 0 failed, 0 not tested",)) for name, (_, evidence) in SEEN.items()}
    assert snap_compare(frozen_app, terminal_size=size, run_before=tried(met))
