"""A fix on the running bookstore, by keys: shown, applied, observed, undone, without a restart of anything."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from textual.pilot import Pilot

from meshtui.app import MeshtuiApp
from meshtui.engine.references import parse_flow
from meshtui.model.finding import Change, Finding, Fix, Operation, Severity
from meshtui.model.ids import ObjectRef
from meshtui.model.verdict import Decision
from meshtui.sandbox.run import Sandbox, running_sandbox
from meshtui.screens.confirm import ConfirmScreen
from meshtui.screens.fix import FixScreen
from meshtui.session import Session
from meshtui.settings import load_settings
from meshtui.sources.live import LiveSource
from meshtui.widgets.fixing import done_in
from meshtui.widgets.pane_view import DocumentView
from tests.pilot.test_keys import until

pytestmark = pytest.mark.sandbox

RESERVE = parse_flow("ecom/deploy/ecom-service", "inventory/svc/inventory-service:8000")
ECOM = ObjectRef("Deployment", "ecom", "ecom-service")
NETPOL = ObjectRef("NetworkPolicy", "ecom", "ecom-netpol")
TO_INVENTORY = {
    "to": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "inventory"}}}],
    "ports": [{"protocol": "TCP", "port": 8000}, {"protocol": "TCP", "port": 15008}],
}
IDENTITY = Fix(
    "run as ServiceAccount ecom-service",
    (Change(ECOM, (Operation("add", ("spec", "template", "spec", "serviceAccountName"), "ecom-service"),)),),
)
EGRESS = Fix("let it reach inventory", (Change(NETPOL, (Operation("add", ("spec", "egress", "-"), TO_INVENTORY),)),))


@contextlib.asynccontextmanager
async def opened(scenario: str) -> AsyncIterator[tuple[Sandbox, Pilot[Any]]]:
    """The program on a sandbox in which everything runs and was read."""
    async with running_sandbox(scenario) as sandbox:
        assert await sandbox.wait_ready() == []
        settings = load_settings({"kubeconfig": str(sandbox.kubeconfig)})
        app = MeshtuiApp(Session(LiveSource(settings), settings))
        async with app.run_test(size=(120, 40)) as pilot:
            await until(pilot, lambda: app.session.settled and bool(app.session.snapshot.pods) and app.session.label.sandbox)
            yield sandbox, pilot


def text(pilot: Pilot[Any]) -> str:
    views = pilot.app.screen.query(DocumentView)
    return views.first().plain if views else ""


@pytest.mark.parametrize(
    ("scenario", "fix", "about"),
    [("wrong-identity", IDENTITY, ECOM), ("missing-egress", EGRESS, NETPOL)],
)
async def test_a_fix_opens_what_it_promised_and_undo_closes_it_again(scenario: str, fix: Fix, about: ObjectRef) -> None:
    async with opened(scenario) as (_, pilot):
        session: Session = pilot.app.session  # type: ignore[attr-defined]
        assert session.verdict(RESERVE).decision is Decision.DENY
        finding = Finding("MT999", "hand-made", Severity.ERROR, (about,), "the shop can't reserve stock", fix=fix)
        pilot.app.push_screen(FixScreen(session, finding))
        await until(pilot, lambda: "It would open" in text(pilot))
        shown = text(pilot)
        assert "✓ the API server would take it" in shown
        assert "+ ecom/Deployment/ecom-service → inventory/Deployment/inventory-service" in shown
        assert "Nothing else changes among" in shown
        await pilot.press("a")
        await until(pilot, lambda: isinstance(pilot.app.screen, ConfirmScreen))
        assert str(about) in text(pilot)
        assert "context meshtui-sandbox" in text(pilot)
        await pilot.press("y")
        await until(pilot, lambda: "✓ applied: " in text(pilot) or "✗" in text(pilot).splitlines()[3], deadline_s=90)
        shown = text(pilot)
        assert "≠" not in shown
        assert "= agrees  ecom/deployment/ecom-service → inventory/svc/inventory-service:8000  predicted allow, observed" in shown
        assert session.verdict(RESERVE).decision is Decision.ALLOW
        assert all(seen.agrees for seen in done_in(session)[-1].observations)
        await pilot.press("u")
        await until(pilot, lambda: isinstance(pilot.app.screen, ConfirmScreen))
        assert str(about) in text(pilot)
        await pilot.press("y")
        await until(pilot, lambda: "✓ undone" in text(pilot))
        await until(pilot, lambda: session.verdict(RESERVE).decision is Decision.DENY)
        assert done_in(session) == []
