"""Findings and a fix at each size: the worst first, the ignored last; the patch, what it opens; and when nothing is wrong."""

from __future__ import annotations

from typing import Any

import pytest
from textual.pilot import Pilot

from meshtui.app import MeshtuiApp
from meshtui.findings import NotEvaluated, Report
from meshtui.model.finding import Edit, Finding, Fix, Operation, Severity
from meshtui.model.ids import ObjectRef
from meshtui.screens.fix import FixScreen
from meshtui.session import Session
from meshtui.session.looking import Looking
from meshtui.settings import Settings
from tests.fakes.frozen import LABEL, NOW, FrozenSource, bookstore
from tests.snapshot.conftest import in_the_theme, settle

NETPOL = ObjectRef("NetworkPolicy", "inventory", "inventory-netpol")
DATABASE = ObjectRef("StatefulSet", "inventory", "inventory-db")
OPEN_IT = {"from": [{"podSelector": {}}], "ports": [{"protocol": "TCP", "port": 15008}]}
FIX = Fix("open HBONE (15008) beside 8000", (Edit(NETPOL, (Operation("replace", ("spec", "ingress", 0), OPEN_IT),)),))
LONG = "NetworkPolicy inventory/inventory-netpol opens ports for ingress, but not HBONE (15008)"
FINDINGS = (
    Finding("MT301", "HBONE closed", Severity.ERROR, (NETPOL, DATABASE), LONG, "those it means to allow time out", FIX, 12),
    Finding("MT208", "open database", Severity.WARNING, (DATABASE,), "it serves PostgreSQL (5432) to every pod", flows=3),
    Finding("MT900", "just so", Severity.INFO, (ObjectRef("Deployment", "ecom", "ui-service"),), "something to know"),
    Finding(
        "MT208",
        "open database",
        Severity.ERROR,
        (ObjectRef("StatefulSet", "ecom", "ecom-db"),),
        "it serves PostgreSQL (5432) to every pod",
        ignored="only until the move in May",
    ),
)


class Said(Looking):
    """Says that these were found, whatever the rules say by now."""

    def __init__(self, host: Session, said: Report) -> None:
        super().__init__(host)
        self._said = said

    @property
    def report(self) -> Report:
        return self._said

    def runs(self, name: str) -> bool:
        return True


def app_on(*findings: Finding, silent: tuple[NotEvaluated, ...] = ()) -> MeshtuiApp:
    """The program on the bookstore, where this was found."""
    session = Session(FrozenSource(bookstore(), LABEL), Settings(), clock=lambda: NOW)
    session.looking = Said(session, Report(findings, silent))
    return MeshtuiApp(session)


@pytest.fixture
def app() -> MeshtuiApp:
    """The bookstore, with these findings."""
    return app_on(*FINDINGS)


def pressing(*keys: str):
    async def press(pilot: Pilot[Any]) -> None:
        await settle(pilot)
        for key in keys:
            await pilot.press(key)
            await settle(pilot)

    return press


async def fix(pilot: Pilot[Any]) -> None:
    """Open the first finding's fix, once it is worked out."""
    await pressing("5", "f")(pilot)
    for _ in range(100):
        screen = pilot.app.screen
        if isinstance(screen, FixScreen) and screen._proposal is not None:
            break
        await pilot.pause(0.05)
    await settle(pilot)


def test_findings(snap_compare, app, size: tuple[int, int]) -> None:
    assert snap_compare(app, terminal_size=size, run_before=pressing("5"))


def test_an_ignored_one(snap_compare, app) -> None:
    assert snap_compare(app, terminal_size=(120, 40), run_before=pressing("5", "G"))


def test_a_fix(snap_compare, app, size: tuple[int, int]) -> None:
    assert snap_compare(app, terminal_size=size, run_before=fix)


@pytest.mark.parametrize("key", ["1", "2", "3", "4"], ids=["namespaces", "workloads", "authz", "netpol"])
def test_the_worst_finding_marks_each_row(snap_compare, app, key: str) -> None:
    assert snap_compare(app, terminal_size=(80, 24), run_before=pressing(key))


def test_nothing_is_wrong(snap_compare) -> None:
    assert snap_compare(app_on(), terminal_size=(120, 40), run_before=pressing("5"))


def test_rules_that_could_not_look_come_last(snap_compare) -> None:
    silent = (
        NotEvaluated("MT309", "peer that matches nobody", "Pod objects can't be seen (forbidden)"),
        NotEvaluated("MT401", "no reserve call", "needs observation of a running bookstore", observed="bookstore"),
    )
    assert snap_compare(app_on(*FINDINGS[:1], silent=silent), terminal_size=(120, 40), run_before=pressing("5", "G"))


def test_a_fix_in_each_theme(snap_compare, app, theme: str) -> None:
    assert snap_compare(app, terminal_size=(120, 40), run_before=in_the_theme(theme, fix))
