"""Journeys on the screen: the list with what one would do, one that ran well, one that failed, and none at all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from textual.pilot import Pilot
from textual.widgets import OptionList

from meshtui.app import MeshtuiApp
from meshtui.journeys.known import Catalogue, Known
from meshtui.journeys.load import Problem, load
from meshtui.journeys.report import Failure, LookAt, Reading, Report, StepState
from meshtui.journeys.run import ladder
from meshtui.model.ids import ObjectRef
from meshtui.screens.journey import JourneyScreen
from tests.snapshot.conftest import Before, settle

CHECKOUT = load(Path(__file__).parents[2] / "meshtui" / "journeys" / "bookstore" / "checkout.toml")
BROWSE = load(Path(__file__).parents[1] / "fakes" / "browse.toml")
WRONG = Problem("/home/me/.config/meshtui/journeys/pay.toml", 7, "step[1].expect", "there is no such field: did you mean 'json'?")
SOME = Catalogue((Known(BROWSE, "/home/me/.config/meshtui/journeys/browse.toml"), Known(CHECKOUT, "meshtui")), (WRONG,))
GATEWAY = "http://127.0.0.1:30000"
ECOM, STOCK = (f"spiffe://cluster.local/ns/{ns}/sa/{ns}-service" for ns in ("ecom", "inventory"))
GATE = "spiffe://cluster.local/ns/infra/sa/gateway-istio"


def opened(catalogue: Catalogue, report: Report | None = None) -> Before:
    """Open the screen with these journeys; with a run of the second one on it."""

    async def before(pilot: Pilot[Any]) -> None:
        await settle(pilot)
        screen = JourneyScreen(pilot.app.session, lambda: catalogue)  # type: ignore[attr-defined]  # it is a MeshtuiApp
        await pilot.app.push_screen(screen)
        await settle(pilot)
        if report is not None:
            screen.query_one(OptionList).highlighted = 1
            await settle(pilot)
            screen._show(report)
            await settle(pilot)

    return before


def ran(*, ok: bool) -> Report:
    """A checkout: well, or closed at its reserve call."""
    report = Report("checkout", "Buy a book", GATEWAY, "api.service.net", ladder(CHECKOUT))
    for step in report.steps:
        report = report.with_step(
            step.name, state=StepState.OK, method="GET", url=f"{GATEWAY}/{step.name}", status=200, elapsed_ms=4
        )
    line = 'src.workload="ecom-service-1"\tdirection="inbound"'
    call = {"source_identity": ECOM, "destination_identity": STOCK, "mtls": True, "evidence": (line,), "method": "", "url": ""}
    report = report.with_step("reserve", **call, status=None, elapsed_ms=None)
    report = report.with_step("cart", source_identity=GATE, destination_identity=ECOM, mtls=True, note="emptied first")
    if ok:
        return replace(report, finished=True, gauges=(Reading("stock", "stock", 3, 4, 1),))
    report = report.with_step(
        "reserve", state=StepState.FAILED, cause="closed", error="connection closed due to policy rejection"
    )
    report = report.with_step("checkout", state=StepState.FAILED, status=502, cause="http_502")
    report = report.with_step("order", state=StepState.SKIPPED)
    policy = LookAt(ObjectRef("AuthorizationPolicy", "inventory", "inventory-service-policy"), "it decides on this call")
    failures = (
        Failure("reserve", "reserve call", "closed", "a policy closed the reserve call", ("nothing allows it",), (policy,)),
        Failure("checkout", "checkout", "http_502", "checkout: http_502"),
    )
    return replace(report, finished=True, failures=failures, gauges=(Reading("stock", "stock", 3, 3, 1),))


def test_the_list(snap_compare, frozen_app: MeshtuiApp, size: tuple[int, int]) -> None:
    assert snap_compare(frozen_app, terminal_size=size, run_before=opened(SOME))


def test_one_that_went_well(snap_compare, frozen_app: MeshtuiApp, size: tuple[int, int]) -> None:
    assert snap_compare(frozen_app, terminal_size=size, run_before=opened(SOME, ran(ok=True)))


def test_one_that_failed(snap_compare, frozen_app: MeshtuiApp, size: tuple[int, int]) -> None:
    assert snap_compare(frozen_app, terminal_size=size, run_before=opened(SOME, ran(ok=False)))


def test_none(snap_compare, frozen_app: MeshtuiApp, size: tuple[int, int]) -> None:
    assert snap_compare(frozen_app, terminal_size=size, run_before=opened(Catalogue()))
