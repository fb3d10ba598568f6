"""Why? with the flow's path at each size: let through, denied, unknown, mixed, observed, and observed before a change."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from textual.pilot import Pilot

from meshtui.engine.path.references import parse_flow
from meshtui.model.ids import Uid
from meshtui.model.observation import Observation
from meshtui.model.snapshot import Snapshot
from meshtui.screens.why import WhyScreen
from tests.fakes.frozen import NOW, bookstore
from tests.fakes.observed import store
from tests.snapshot.conftest import app_on, settle

SERVICE = ("ecom/deploy/ecom-service", "inventory/svc/inventory-service:8000")
DATABASE = ("ecom/deploy/ecom-service", "inventory/svc/inventory-db:5432")
FLOWS = {
    "allow": SERVICE,
    "deny": DATABASE,
    "unknown": ("external", "ecom/svc/ecom-service:8080"),
    "mixed": SERVICE,
    "observed": SERVICE,
    "old": SERVICE,
}


def rolling_out(snapshot: Snapshot) -> Snapshot:
    """The bookstore with one more pod of ecom-service, that runs as another ServiceAccount."""
    pod = next(p for p in snapshot.pods.values() if p.name.startswith("ecom-service"))
    meta = replace(pod.meta, name="ecom-service-old-0", uid=Uid("old"))
    other = replace(pod, meta=meta, ips=("10.9.9.9",), service_account="default")
    return replace(snapshot, pods={**snapshot.pods, other.uid: other})


@pytest.mark.parametrize("state", FLOWS)
def test_why(snap_compare, size: tuple[int, int], state: str) -> None:
    app = app_on(rolling_out(bookstore()) if state == "mixed" else bookstore())

    async def before(pilot: Pilot[Any]) -> None:
        await settle(pilot)
        session, flow = app.session, parse_flow(*FLOWS[state])
        if state in {"observed", "old"}:
            store(session, Observation(flow, "closed", session.verdict(flow), at=NOW - timedelta(seconds=12)))
        if state == "old":
            policies = session.snapshot.network_policies
            edited = {uid: replace(p, meta=replace(p.meta, labels={"changed": "yes"})) for uid, p in policies.items()}
            session.publish(replace(session.snapshot, network_policies=edited))
        app.push_screen(WhyScreen(session, flow))
        await settle(pilot)

    assert snap_compare(app, terminal_size=size, run_before=before)
