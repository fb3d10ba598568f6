"""Predict, explain and matrix on a real node, as commands and as screens: the same answers, and they follow the cluster."""

import asyncio
import contextlib
import json

import msgspec
import pytest
from textual.widgets import Input

from meshtui.app import MeshtuiApp
from meshtui.cli.schemas.explain import Explained
from meshtui.cli.schemas.flows import MatrixPair
from meshtui.screens.flow import FlowScreen
from meshtui.screens.main import MainScreen
from meshtui.screens.matrix import MatrixScreen
from meshtui.screens.why import WhyScreen
from meshtui.session import Session
from meshtui.sources.kubernetes.live import LiveSource
from meshtui.ui.reach import MARKS
from meshtui.ui.widgets.document_view import DocumentView
from meshtui.ui.widgets.grid import Grid
from tests.e2e.conftest import path_of
from tests.fakes.screens import table_of

ECOM, INVENTORY = "ecom/deploy/ecom-service", "inventory/svc/inventory-service:8000"
PROMETHEUS, DATABASE = "observability/deploy/prometheus", "inventory/svc/inventory-db:5432"
PATIENCE_S = 40.0
FLOWS = (
    {
        "id": "reserve",
        "from": {"workload": "ecom/Deployment/ecom-service"},
        "to": {"service": "inventory/inventory-service", "port": 8000},
    },
    {
        "id": "scrape",
        "from": {"workload": "observability/Deployment/prometheus"},
        "to": {"service": "inventory/inventory-db", "port": 5432},
    },
    {"id": "gone", "from": {"workload": "ecom/Deployment/nobody"}, "to": {"service": "inventory/inventory-db", "port": 5432}},
)


def test_predict_answers_every_line(node, tmp_path):
    flows = tmp_path / "flows.jsonl"
    flows.write_text("".join(json.dumps(flow) + "\n" for flow in FLOWS))
    done = node.meshtui("predict", "--flows", str(flows))
    answers = {answer["id"]: answer for answer in map(json.loads, done.stdout.splitlines())}
    assert done.returncode == 2, done.stderr  # one line names nobody; the others still get their answer
    assert list(answers) == ["reserve", "scrape", "gone"]
    assert answers["reserve"]["verdict"] == "allow"
    assert (answers["scrape"]["verdict"], answers["scrape"]["layer"]) == ("deny", "ingress_policy")
    assert answers["scrape"]["decided_by"]["kind"] == "NetworkPolicy"
    assert "nobody" in answers["gone"]["error"]


@pytest.mark.parametrize(
    ("source", "destination", "verdict"), [(ECOM, INVENTORY, "allow"), (PROMETHEUS, DATABASE, "deny")], ids=["allow", "deny"]
)
def test_explain_as_text_and_json_agree(node, source, destination, verdict):
    asked = node.meshtui("explain", source, destination, "-o", "json")
    assert asked.returncode == 0, asked.stderr
    answer = json.loads(asked.stdout)
    msgspec.convert(answer, Explained)
    assert answer["verdict"] == verdict
    text = node.meshtui("explain", source, destination)
    assert text.returncode == 0, text.stderr
    assert f"{verdict}: {answer['outcome']}" in text.stdout
    for step in answer["steps"]:
        assert step["reason"] in text.stdout
    if answer["decided_by"]:
        assert answer["decided_by"]["name"] in text.stdout


def test_the_matrix_as_text_and_json_says_what_explain_says(node):
    asked = node.meshtui("matrix", "-o", "json")
    assert asked.returncode == 0, asked.stderr
    rows = json.loads(asked.stdout)
    msgspec.convert(rows, list[MatrixPair])
    pairs = {(row["from"], row["to"]): row for row in rows}
    reserve = pairs["ecom/Deployment/ecom-service", "inventory/Deployment/inventory-service"]
    scrape = pairs["observability/Deployment/prometheus", "inventory/StatefulSet/inventory-db"]
    assert "8000" in reserve["allowed"]
    assert {answer["verdict"] for answer in scrape["answers"]} == {"deny"}
    text = node.meshtui("matrix")
    assert text.returncode == 0, text.stderr
    block = text.stdout.partition("ecom/Deployment/ecom-service\n")[2].partition("\necom/")[0]
    assert "→ inventory/Deployment/inventory-service" in block


@contextlib.asynccontextmanager
async def program(node, size=(160, 45)):
    """The program on the node, once its first pane is filled."""
    app = MeshtuiApp(Session(LiveSource(node.settings), node.settings))
    async with app.run_test(size=size) as pilot:
        kinds = ("Pod", "Service", "NetworkPolicy", "AuthorizationPolicy", "PeerAuthentication", "Deployment", "ReplicaSet")
        await until(pilot, lambda: all(app.session.snapshot.kind_state(k).status.value == "synced" for k in kinds))
        await until(pilot, lambda: isinstance(app.screen, MainScreen) and bool(table_of(app.screen).rows))
        yield pilot


async def until(pilot, holds):
    """Wait until something holds; fails with the text that is shown."""
    end = asyncio.get_running_loop().time() + PATIENCE_S
    while not holds():
        assert asyncio.get_running_loop().time() < end, said(pilot)
        await pilot.pause(0.05)


def said(pilot):
    views = pilot.app.screen.query(DocumentView)
    return "\n".join(view.plain for view in views) if views else ""


def stand_on(pilot, namespace, name):
    """Put the cursor on a workload."""
    workloads = pilot.app.session.snapshot.workloads
    uid = next(w.uid for ref, w in workloads.items() if (ref.namespace, ref.name) == (namespace, name))
    assert table_of(pilot.app.screen).select(uid)


async def type_into(pilot, field, text):
    pilot.app.screen.query_one(field, Input).value = text
    await pilot.pause()


@contextlib.asynccontextmanager
async def without_egress(node):
    """Nothing may leave ecom while this lasts."""
    source = LiveSource(node.settings)
    api = await source.open()
    path = path_of(
        {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"namespace": "ecom", "name": "ecom-netpol"}}
    )
    before = await api.get_object(path)

    async def egress(rules):
        await api.request("PATCH", path, json={"spec": {"egress": rules}}, content_type="application/merge-patch+json")

    try:
        await egress([])
        yield
    finally:
        await egress(before["spec"]["egress"])
        await source.close()


async def test_why_of_the_workload_under_the_cursor_follows_an_edited_policy(node):
    async with program(node) as pilot:
        stand_on(pilot, "ecom", "ecom-service")
        await pilot.press("w")
        await until(pilot, lambda: isinstance(pilot.app.screen, FlowScreen) and bool(pilot.app.screen.query("#to")))
        assert pilot.app.screen.query_one("#from", Input).value == "ecom/deployment/ecom-service"
        await type_into(pilot, "#to", INVENTORY)
        await until(pilot, lambda: "✓ allow" in said(pilot))
        async with without_egress(node):
            await until(pilot, lambda: "✗ deny: timeout" in said(pilot))
            await until(pilot, lambda: "because NetworkPolicy ecom/ecom-netpol was edited" in said(pilot))
        await until(pilot, lambda: "✓ allow" in said(pilot))


async def test_flow_takes_any_two_ends(node):
    async with program(node) as pilot:
        await pilot.press("f")
        await until(pilot, lambda: isinstance(pilot.app.screen, FlowScreen) and bool(pilot.app.screen.query("#to")))
        await type_into(pilot, "#from", PROMETHEUS)
        await type_into(pilot, "#to", DATABASE)
        await until(pilot, lambda: "✗ deny" in said(pilot) and "NetworkPolicy" in said(pilot))
        await type_into(pilot, "#from", "ecom/deploy/nobody")
        await until(pilot, lambda: "Not in this cluster" in said(pilot))


def mark(pilot, source, destination):
    """The matrix's mark for a pair, or None while it isn't there."""
    grid = pilot.app.screen.query_one(Grid)
    rows, columns = [label.text for label in grid.rows], [label.text for label in grid.columns]
    if source not in rows or destination not in columns or not grid.display:
        return None
    return MARKS[grid._codes[rows.index(source)][columns.index(destination)]][1]


async def test_the_matrix_goes_into_a_pair_and_to_why(node):
    async with program(node) as pilot:
        await pilot.press("m")
        await until(pilot, lambda: isinstance(pilot.app.screen, MatrixScreen) and mark(pilot, "ecom", "inventory") is not None)
        grid = pilot.app.screen.query_one(Grid)
        places = [label.text for label in grid.rows].index("ecom"), [label.text for label in grid.columns].index("inventory")
        grid.select(places)
        await pilot.press("enter")
        await until(pilot, lambda: mark(pilot, "ecom-service", "inventory-service") is not None)
        grid = pilot.app.screen.query_one(Grid)
        grid.select(
            ([r.text for r in grid.rows].index("ecom-service"), [c.text for c in grid.columns].index("inventory-service"))
        )
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, WhyScreen) and "✓ allow" in said(pilot))
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, MatrixScreen))
