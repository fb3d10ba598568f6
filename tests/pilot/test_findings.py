"""The findings' pane and the fix screen by their keys, on a real API server: what is shown, asked, refused, undone."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest
from textual.pilot import Pilot

from meshtui.app import MeshtuiApp
from meshtui.model.errors import ClusterError, MeshtuiError
from meshtui.model.observation import Observation
from meshtui.probe.plan import Plan
from meshtui.remediate import fixing
from meshtui.sandbox.apiserver.server import ApiServer, running_api
from meshtui.screens.confirm import ConfirmScreen
from meshtui.screens.describe import DescribeScreen
from meshtui.screens.fix import FixScreen
from meshtui.screens.flow import FlowScreen
from meshtui.session import Session
from meshtui.settings import load_settings
from meshtui.sources.kubernetes.live import LiveSource
from meshtui.sources.kubernetes.writes import Confirmation
from meshtui.ui.widgets.document_view import DocumentView
from meshtui.ui.widgets.table import ObjectTable
from tests.fakes.screens import table_of
from tests.fakes.snapshots import ambient, pod, policy
from tests.pilot.test_keys import until

CLOSED = """
podSelector: {matchLabels: {app: db}}
policyTypes: [Ingress]
ingress: [{from: [{podSelector: {}}], ports: [{protocol: TCP, port: 5432}]}]
"""
CAPTURED = {"annotations": {"ambient.istio.io/redirection": "enabled"}}


def _captured(key: str, ip: str, port: int) -> dict[str, Any]:
    made = pod(key, ip, [port], account=key.partition("/")[2])
    made["metadata"] |= CAPTURED
    return made


def objects() -> list[dict[str, Any]]:
    """An HBONE port that a policy leaves closed (MT301)."""
    return [
        ambient("shop"),
        _captured("shop/api", "10.0.0.1", 8080),
        _captured("shop/db", "10.0.0.2", 5432),
        policy("shop/db", CLOSED),
    ]


@contextlib.asynccontextmanager
async def shop(**flags: Any) -> AsyncIterator[tuple[ApiServer, Pilot[Any], Session]]:
    """The program on the shop, once it is read and something is found."""
    async with running_api(objects()) as api:
        system = api.store.get("namespaces", None, "kube-system")
        api.store.update("namespaces", {**system, "metadata": {**system["metadata"], "labels": {}}})  # as if it were no sandbox
        settings = load_settings({"kubeconfig": str(api.kubeconfig), **flags})
        session = Session(LiveSource(settings), settings)
        app = MeshtuiApp(session)
        async with app.run_test(size=(120, 40)) as pilot:
            await until(pilot, lambda: session.settled and any(f.rule == "MT301" for f in session.findings))
            yield api, pilot, session


def rows(pilot: Pilot[Any]) -> list[list[str]]:
    there = bool(pilot.app.screen.query(ObjectTable))
    return [[cell.text for cell in row.cells] for row in table_of(pilot.app.screen).rows] if there else []


def text(pilot: Pilot[Any]) -> str:
    views = pilot.app.screen.query(DocumentView)
    return views.first().plain if views else ""


async def select(pilot: Pilot[Any], rule: str) -> None:
    """Go to the findings, and to one rule's."""
    await pilot.press("5")
    await until(pilot, lambda: any(rule in row for row in rows(pilot)))
    place = next(i for i, row in enumerate(rows(pilot)) if rule in row)
    await pilot.press("g", *["j"] * place)
    await until(pilot, lambda: table_of(pilot.app.screen).cursor == place)


async def open_fix(pilot: Pilot[Any]) -> None:
    await select(pilot, "MT301")
    await pilot.press("f")
    await until(pilot, lambda: isinstance(pilot.app.screen, FixScreen) and "It would open" in text(pilot))


async def apply_it(pilot: Pilot[Any]) -> None:
    """Apply the fix on the screen, and say yes."""
    await pilot.press("a")
    await until(pilot, lambda: isinstance(pilot.app.screen, ConfirmScreen))
    await pilot.press("y")


async def test_findings_are_a_tab_a_word_and_a_mark_on_every_row():
    async with shop() as (_, pilot, session):
        await pilot.press("colon", *"findings", "enter")
        await until(pilot, lambda: any("MT301" in row for row in rows(pilot)))
        row = next(row for row in rows(pilot) if "MT301" in row)
        assert (row[0], row[-1]) == ("✗", "f")
        await pilot.press("4")
        await until(pilot, lambda: [row[0] for row in rows(pilot)] == ["✗"])
        await pilot.press("1")
        await until(pilot, lambda: any("shop" in row and "✗ HBONE closed" in row for row in rows(pilot)))
        assert "✗ 1" in str(pilot.app.screen.query_one("#status").visual)
        assert session.findings


async def test_a_rule_that_could_not_look_is_not_silent():
    """The shop's rules only where there is a shop; a kind that may not be listed, everywhere."""
    async with shop(checkout={"client": "ecom/pod/ecom-service"}) as (api, pilot, session):
        await pilot.press("5")
        await until(pilot, lambda: bool(rows(pilot)))
        assert not any(row[0] == "?" for row in rows(pilot))
        api.add(_captured("ecom/ecom-service", "10.0.0.3", 8080))
        await until(pilot, lambda: ["?", "MT401"] in [row[:2] for row in rows(pilot)])
        await pilot.press("G")
        detail = pilot.app.screen.query_one("#detail", DocumentView)
        await until(pilot, lambda: "needs observation of a running bookstore" in detail.plain)
        await until(pilot, lambda: "c buys a book" in detail.plain)
        assert not any(finding.rule == "MT401" for finding in session.findings)


async def test_enter_says_everything_about_a_finding():
    async with shop() as (_, pilot, _session):
        await select(pilot, "MT301")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, DescribeScreen) and "Why it matters" in text(pilot))
        assert "NetworkPolicy shop/db" in text(pilot)


async def test_f_shows_the_patch_and_what_it_opens():
    async with shop() as (api, pilot, _):
        before = api.store.get("networkpolicies", "shop", "db")
        await open_fix(pilot)
        shown = text(pilot)
        assert "✓ the API server would take it" in shown
        assert "+++ NetworkPolicy shop/db" in shown
        assert "15008" in shown
        assert "+ shop/Pod/api → shop/Pod/db" in shown
        assert "Nothing else changes among\n  every pair of 2 pods" in shown
        assert api.store.get("networkpolicies", "shop", "db") == before


async def test_f_elsewhere_still_types_a_flow():
    async with shop() as (_, pilot, _session):
        await pilot.press("2", "f")
        await until(pilot, lambda: isinstance(pilot.app.screen, FlowScreen))


@pytest.mark.parametrize(
    ("flags", "reason"), [({}, "applying needs --write"), ({"write": True, "read_only": True}, "read-only mode")]
)
async def test_without_leave_a_does_nothing(flags, reason):
    async with shop(**flags) as (api, pilot, _):
        before = api.store.get("networkpolicies", "shop", "db")
        await open_fix(pilot)
        await until(pilot, lambda: reason in str(pilot.app.screen.query_one("#message").visual))
        await pilot.press("a")
        await pilot.pause()
        assert isinstance(pilot.app.screen, FixScreen)
        assert api.store.get("networkpolicies", "shop", "db") == before


async def test_no_means_no():
    async with shop(write=True) as (api, pilot, _):
        before = api.store.get("networkpolicies", "shop", "db")
        await open_fix(pilot)
        await pilot.press("a")
        await until(pilot, lambda: isinstance(pilot.app.screen, ConfirmScreen))
        assert "NetworkPolicy shop/db" in text(pilot)
        assert "context meshtui-sandbox" in text(pilot)
        assert "probed" in text(pilot)
        await pilot.press("n")
        await until(pilot, lambda: isinstance(pilot.app.screen, FixScreen))
        assert api.store.get("networkpolicies", "shop", "db") == before


async def test_somebody_who_was_quicker_wins_and_it_is_said():
    async with shop(write=True) as (api, pilot, _):
        await open_fix(pilot)
        old = api.store.get("networkpolicies", "shop", "db")
        api.store.update("networkpolicies", {**old, "metadata": {**old["metadata"], "labels": {"mine": "1"}}}, "somebody")
        await apply_it(pilot)
        await until(pilot, lambda: "was changed in between: nothing is written" in text(pilot))
        assert api.store.get("networkpolicies", "shop", "db")["metadata"]["labels"] == {"mine": "1"}
        assert "15008" not in str(api.store.get("networkpolicies", "shop", "db")["spec"])


async def test_ctrl_c_stops_the_probes_after_a_fix_and_the_program_goes_on():
    async with shop(write=True) as (_, pilot, session):
        await open_fix(pilot)
        await apply_it(pilot)
        await until(pilot, lambda: "probing" in text(pilot))
        await pilot.press("ctrl+c")
        await until(pilot, lambda: "stopped: applied, but not probed" in text(pilot))
        assert isinstance(pilot.app.screen, FixScreen)
        assert [deed.outcome for deed in session.journal] == ["applied", "stopped; its pods were removed"]
        await pilot.press("u")
        await until(pilot, lambda: isinstance(pilot.app.screen, ConfirmScreen))


async def test_ctrl_c_between_the_objects_of_a_fix_leaves_none_out(monkeypatch: pytest.MonkeyPatch):
    begun, go_on = asyncio.Event(), asyncio.Event()
    apply = fixing.apply

    async def slow(*arguments: Any) -> Any:
        begun.set()
        await go_on.wait()
        return await apply(*arguments)

    monkeypatch.setattr(fixing, "apply", slow)
    async with shop(write=True) as (api, pilot, session):
        await open_fix(pilot)
        await apply_it(pilot)
        await until(pilot, begun.is_set)
        await pilot.press("ctrl+c", "ctrl+c", "escape")
        assert isinstance(pilot.app.screen, FixScreen)
        assert not session.journal
        go_on.set()
        await until(pilot, lambda: "stopped: applied, but not probed" in text(pilot))
        assert "15008" in str(api.store.get("networkpolicies", "shop", "db")["spec"])
        assert [deed.outcome for deed in session.journal] == ["applied"]


async def test_a_probe_that_fails_after_a_fix_is_said_until_the_next_one(monkeypatch: pytest.MonkeyPatch):
    async with shop(write=True) as (_, pilot, session):
        answers: list[MeshtuiError | None] = [ClusterError("503: etcd is busy"), None]

        async def probe(plan: Plan, confirmation: Confirmation) -> list[Observation]:
            answer = answers.pop(0)
            if answer is not None:
                raise answer
            return []

        monkeypatch.setattr(session, "probe", probe)
        await open_fix(pilot)
        await apply_it(pilot)
        await until(pilot, lambda: "applied, not probed: 503: etcd is busy" in text(pilot))
        await pilot.press("r")
        await until(pilot, lambda: "✓ applied" in text(pilot))
        assert "503" not in text(pilot)


async def test_a_server_that_refuses_is_quoted_before_anything_is_asked():
    async with shop(write=True) as (api, pilot, _):
        api.faults.set(forbidden=["update networkpolicies", "patch networkpolicies"])
        await open_fix(pilot)
        assert "? not tried" in text(pilot)
