"""The probe screen before, while asking, and after; and the question itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from textual.pilot import Pilot

from meshtui.app import MeshtuiApp
from meshtui.engine.path.relations import flows_from
from meshtui.model.observation import Observation, ProbePod
from meshtui.model.verdict import Decision
from tests.fakes.frozen import NOW, bookstore
from tests.fakes.observed import store
from tests.snapshot.conftest import app_on, pressing, settle


def observe(app: MeshtuiApp) -> None:
    """What a probe of ecom-service would have seen, one disagreement among it."""
    session = app.session
    workload = next(w for ref, w in session.snapshot.workloads.items() if ref.name == "ecom-service")
    for number, flow in enumerate(flows_from(session.snapshot, workload)):
        predicted = session.verdict(flow)
        outcome = "connected" if predicted.decision is Decision.ALLOW else "timeout"
        if str(flow.destination).endswith("inventory-service"):
            outcome = "closed"
        store(
            session,
            Observation(
                flow,
                outcome,
                predicted,
                connect_ms=1.5,
                total_ms=12.0 + number,
                bytes_received=42,
                pod=ProbePod("ecom", "meshtui-probe-1234abcd-0", "ecom-service"),
                at=NOW - timedelta(seconds=30),
            ),
        )


def test_flows_and_their_predictions(snap_compare, frozen_app: MeshtuiApp, size: tuple[int, int]) -> None:
    assert snap_compare(frozen_app, terminal_size=size, run_before=pressing("2", "j", "p", "space"))


def test_the_question(snap_compare, frozen_app: MeshtuiApp, size: tuple[int, int]) -> None:
    assert snap_compare(frozen_app, terminal_size=size, run_before=pressing("2", "j", "p", "a", "enter"))


@pytest.mark.parametrize("row", [1, 0], ids=["agrees", "disagrees"])
def test_predicted_beside_observed(snap_compare, size: tuple[int, int], row: int) -> None:
    app = app_on(bookstore())

    async def before(pilot: Pilot[Any]) -> None:
        await settle(pilot)
        observe(app)
        await pressing("2", "j", "p", *["j"] * row)(pilot)

    assert snap_compare(app, terminal_size=size, run_before=before)


def test_a_namespace(snap_compare, frozen_app: MeshtuiApp, size: tuple[int, int]) -> None:
    assert snap_compare(frozen_app, terminal_size=size, run_before=pressing("1", "p", "n", "space"))


def test_before_the_change(snap_compare) -> None:
    app = app_on(bookstore())

    async def before(pilot: Pilot[Any]) -> None:
        await settle(pilot)
        observe(app)
        policies = app.session.snapshot.network_policies
        edited = {
            uid: replace(p, meta=replace(p.meta, labels={**p.meta.labels, "changed": "yes"})) for uid, p in policies.items()
        }
        app.session.publish(replace(app.session.snapshot, network_policies=edited))
        await pressing("2", "j", "p")(pilot)

    assert snap_compare(app, terminal_size=(120, 40), run_before=before)
