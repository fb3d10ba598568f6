"""The mesh pane: nodes with a lost pod, a stuck renewal, an old policy; before a look; and what other screens say then."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from textual.pilot import Pilot

from meshtui.app import MeshtuiApp
from meshtui.mesh.compare import compare
from meshtui.mesh.report import MeshReport
from meshtui.model.enrolment import Evidence, Seen
from meshtui.session.mesh import MeshWatch
from meshtui.ztunnel.look import Readiness, Sent, Synced
from tests.fakes.dumps import plain_tables
from tests.fakes.frozen import NOW, bookstore
from tests.fakes.ztunnels import certificate, dump, look_of
from tests.snapshot.conftest import Before, app_on, pressing, settle

LOST, BEHIND = "inventory-db-0", "inventory-service-policy"


def report() -> MeshReport:
    """What a look at the bookstore's two nodes shows: on one a lost pod and a stuck renewal, on the other an old policy."""
    from dataclasses import replace

    snapshot = bookstore()
    tables = {table.value: list(entries.values()) for table, entries in plain_tables(snapshot).items()}
    ztunnels = {pod.node: pod for pod in snapshot.pods.values() if pod.labels.get("app") == "ztunnel"}
    captured = [p for p in snapshot.pods.values() if "ambient.istio.io/redirection" in p.meta.annotations and not p.completed]
    lost = next(pod for pod in captured if pod.name == LOST)
    dumps = []
    for node in sorted(ztunnels):
        pods = [(str(p.uid), p.namespace, p.name, p.service_account) for p in captured if p.node == node and p is not lost]
        held = []
        for _, namespace, _, account in pods:
            stuck = node == lost.node and namespace == "ecom"
            left = timedelta(hours=9 if stuck else 20)
            identity = f"spiffe://cluster.local/ns/{namespace}/sa/{account}"
            held.append(certificate(identity, begins=NOW + left - timedelta(days=1), ends=NOW + left))
        policies = tables["policies"]
        if node != lost.node:
            policies = [{**each, "rules": []} if each["name"] == BEHIND else each for each in policies]
        dumps.append(dump(node, pods=pods, version="1.27.1", certificates=held, **{**tables, "policies": policies}))
    found = look_of(*dumps, at=NOW)
    nodes = [replace(each, pod=ztunnels[each.node].key, readiness=Readiness(ready=True)) for each in found.nodes]
    synced = [
        Synced(
            f"{ztunnels[each.node].name}.istio-system",
            resources=(
                Sent("type.googleapis.com/istio.security.Authorization", "2", "1" if each.node != lost.node else "2", NOW),
            ),
        )
        for each in nodes
    ]
    lines = {pod.key: [Evidence(Seen.HBONE_LINE, True, "carried over HBONE with its identity", NOW)] for pod in captured[:3]}
    observed = {key: several for key, several in lines.items() if key != lost.key}
    missing = ("missing verb: get pods/proxy in namespace istio-system: metrics of the ztunnels",)
    look = replace(found, nodes=tuple(nodes), synced=tuple(synced), missing=missing)
    return compare(snapshot, look, observed, NOW)


@pytest.fixture
def nobody_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    """The frozen bookstore has no API server that could be asked."""
    monkeypatch.setattr(MeshWatch, "ask", lambda _: None)


def after(*keys: str) -> Before:
    """Press keys after the report has come."""

    async def press(pilot: Pilot[Any]) -> None:
        await settle(pilot)
        app = pilot.app
        assert isinstance(app, MeshtuiApp)
        app.session.mesh._use(report())
        await settle(pilot)
        await pressing(*keys)(pilot)

    return press


@pytest.mark.usefixtures("nobody_asks")
def test_nodes(snap_compare, frozen_app: MeshtuiApp, size: tuple[int, int]) -> None:
    assert snap_compare(frozen_app, terminal_size=size, run_before=after("6"))


@pytest.mark.usefixtures("nobody_asks")
def test_the_other_node(snap_compare, frozen_app: MeshtuiApp) -> None:
    assert snap_compare(frozen_app, terminal_size=(120, 40), run_before=after("6", "j"))


@pytest.mark.usefixtures("nobody_asks")
def test_before_a_look(snap_compare, frozen_app: MeshtuiApp) -> None:
    assert snap_compare(frozen_app, terminal_size=(120, 40), run_before=pressing("6"))


@pytest.mark.usefixtures("nobody_asks")
def test_workloads_and_their_capture(snap_compare, frozen_app: MeshtuiApp, size: tuple[int, int]) -> None:
    assert snap_compare(frozen_app, terminal_size=size, run_before=after("2"))


@pytest.mark.usefixtures("nobody_asks")
def test_findings(snap_compare, frozen_app: MeshtuiApp) -> None:
    assert snap_compare(frozen_app, terminal_size=(120, 40), run_before=after("5"))


@pytest.mark.usefixtures("nobody_asks")
def test_nothing(snap_compare) -> None:
    from dataclasses import replace

    empty = replace(bookstore(), pods={}, nodes={})
    assert snap_compare(app_on(empty), terminal_size=(120, 40), run_before=pressing("6"))
