"""A fix on the running bookstore, by keys: shown, applied, observed, undone, without a restart of anything."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from typing import Any, NamedTuple

import pytest
from textual.pilot import Pilot

from meshtui.app import MeshtuiApp
from meshtui.engine.path.references import parse_flow
from meshtui.model.flow import Flow
from meshtui.model.ids import ObjectRef
from meshtui.model.verdict import Decision
from meshtui.sandbox.run import Sandbox
from meshtui.screens.confirm import ConfirmScreen
from meshtui.screens.fix import FixScreen
from meshtui.session import Session
from meshtui.settings import load_settings
from meshtui.sources.kubernetes.live import LiveSource
from meshtui.ui.widgets.document_view import DocumentView
from tests.fakes.bookstore import IN_ITS_LOOP, on_each
from tests.fakes.screens import table_of
from tests.pilot.test_keys import until

pytestmark = pytest.mark.sandbox

RESERVE = parse_flow("ecom/deploy/ecom-service", "inventory/svc/inventory-service:8000")
SCRAPE = parse_flow("observability/deploy/prometheus", "inventory/svc/inventory-db:5432")
FROM_GATEWAY = parse_flow("infra/deploy/gateway", "ecom/svc/ecom-service:8080")
ALLOW, DENY = Decision.ALLOW, Decision.DENY


class Gap(NamedTuple):
    """A gap of a scenario: its rule's finding, one flow that its fix turns round, and what that flow is at first."""

    scenario: str
    rule: str
    about: ObjectRef
    flow: Flow
    before: Decision = DENY
    seen_from: str = ""
    """Where a probe sees it from, where that isn't the flow's own source: nobody stands in for a gateway."""


GAPS = [
    Gap("wrong-identity", "MT101", ObjectRef("Deployment", "ecom", "ecom-service"), RESERVE),
    Gap("missing-egress", "MT303", ObjectRef("NetworkPolicy", "ecom", "ecom-netpol"), RESERVE),
    Gap("hbone-blocked", "MT301", ObjectRef("NetworkPolicy", "ecom", "ecom-netpol"), RESERVE),
    Gap("l7-at-ztunnel", "MT201", ObjectRef("AuthorizationPolicy", "inventory", "inventory-service-policy"), RESERVE),
    Gap(
        "gateway-namespace",
        "MT214",
        ObjectRef("AuthorizationPolicy", "ecom", "ecom-service-policy"),
        FROM_GATEWAY,
        seen_from="external",
    ),
    Gap("open-databases", "MT208", ObjectRef("StatefulSet", "inventory", "inventory-db"), SCRAPE, ALLOW),
]


@contextlib.asynccontextmanager
async def opened(sandbox: Sandbox) -> AsyncIterator[Pilot[Any]]:
    """The program on a sandbox, once everything was read."""
    settings = load_settings({"kubeconfig": str(sandbox.kubeconfig)})
    app = MeshtuiApp(Session(LiveSource(settings), settings))
    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: app.session.settled and bool(app.session.snapshot.pods) and app.session.label.sandbox)
        yield pilot


def text(pilot: Pilot[Any]) -> str:
    views = pilot.app.screen.query(DocumentView)
    return views.first().plain if views else ""


async def select(pilot: Pilot[Any], rule: str, about: ObjectRef) -> None:
    """Put the cursor on a rule's finding about an object, by keys."""
    await pilot.press("5")

    def place() -> int:
        rows = [[cell.text for cell in row.cells] for row in table_of(pilot.app.screen).rows]
        found = (i for i, row in enumerate(rows) if rule in row and any(about.name in text for text in row))
        return next(found, -1)

    await until(pilot, lambda: place() >= 0)
    await pilot.press("g", *["j"] * place())
    await until(pilot, lambda: table_of(pilot.app.screen).cursor == place())


@IN_ITS_LOOP
@pytest.mark.restores_bookstore
@on_each([(gap.scenario, gap) for gap in GAPS], "gap")
async def test_a_fix_does_what_it_promised_and_undo_takes_it_back(bookstore: Sandbox, gap: Gap) -> None:
    after = ALLOW if gap.before is DENY else DENY
    async with opened(bookstore) as pilot:
        session: Session = pilot.app.session  # type: ignore[attr-defined]
        assert session.verdict(gap.flow).decision is gap.before
        await select(pilot, gap.rule, gap.about)
        await pilot.press("f")
        await until(pilot, lambda: isinstance(pilot.app.screen, FixScreen) and "Nothing else changes among" in text(pilot))
        shown = text(pilot)
        assert "✓ the API server would take it" in shown
        assert ("It would open" if after is ALLOW else "It would close") in shown
        proposal = pilot.app.screen._proposal  # type: ignore[attr-defined]
        assert proposal.promised[gap.flow] is after
        await pilot.press("a")
        await until(pilot, lambda: isinstance(pilot.app.screen, ConfirmScreen))
        assert all(str(step.ref) in text(pilot) for step in proposal.steps)
        assert "context meshtui-sandbox" in text(pilot)
        await pilot.press("y")
        await until(pilot, lambda: bool(session.fixes) and "✓ applied: " in text(pilot), deadline_s=90)
        shown = text(pilot)
        assert "≠" not in shown
        source = gap.seen_from or str(gap.flow.source)
        words = f"{source} → {gap.flow.destination}:{gap.flow.port}  predicted {after.value}, observed"
        assert f"= agrees  {words}" in shown, shown
        assert session.verdict(gap.flow).decision is after
        seen = [o for o in session.fixes[-1].observations if (str(o.flow.source), o.flow.port) == (source, gap.flow.port)]
        assert {o.agrees for o in seen} == {True}
        main = pilot.app.screen_stack[1]
        await pilot.press("escape")
        await until(pilot, lambda: pilot.app.screen is main)
        await until(pilot, lambda: not any(f.rule == gap.rule and gap.about in f.objects for f in session.findings))
        await pilot.press("u")
        await until(pilot, lambda: isinstance(pilot.app.screen, ConfirmScreen))
        assert all(str(step.ref) in text(pilot) for step in proposal.steps)
        await pilot.press("y")
        await until(pilot, lambda: "✓ undone" in text(pilot), deadline_s=90)
        await until(pilot, lambda: session.verdict(gap.flow).decision is gap.before)
        await until(pilot, lambda: any(f.rule == gap.rule and gap.about in f.objects for f in session.findings))
        assert session.fixes == []
