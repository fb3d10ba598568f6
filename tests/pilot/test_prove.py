"""``p`` on a node asks its pods from outside the mesh, after a question; the detail and the MESH column say what that showed."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from meshtui.mesh import enrolment
from meshtui.model.enrolment import Evidence, Proofs, Seen
from meshtui.model.errors import ClusterError
from meshtui.probe import prove as proving
from meshtui.screens.confirm import ConfirmScreen
from meshtui.screens.main import MainScreen
from meshtui.ui.widgets.document_view import DocumentView
from tests.fakes.screens import table_of
from tests.pilot.test_keys import bookstore_app, until

ANSWERS = "answers on port 15008 with TLS and its identity"
REFUSES = "refuses connections from outside the mesh on port 15008"
SILENT = "no answer on port 15008: something on the way drops it"


async def fake_prove(api: Any, writes: Any, settings: Any, asked: Any, confirmation: Any, snapshot: Any) -> Proofs:
    """The first pod answers, the second refuses, the third is silent; nothing is known of the others."""
    writes.permit(confirmation)
    keys = sorted(pod.key for pod in asked.pods.values())
    at = datetime.now(UTC)
    yes = Evidence(Seen.PROBE, True, ANSWERS, at)
    no = Evidence(Seen.PROBE_REFUSED, False, REFUSES, at)
    return Proofs({keys[0]: yes, keys[1]: no}, dict.fromkeys(keys[2:], SILENT))


def detail(screen: MainScreen) -> str:
    return " ".join(screen.query_one("#detail", DocumentView).plain.split())


def mesh_column(screen: MainScreen) -> list[str]:
    table = table_of(screen)
    titles = [column.title for column in table.columns]
    return [row.cells[titles.index("MESH")].text for row in table.rows] if "MESH" in titles else []


async def test_p_on_a_node_asks_its_pods(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proving, "prove", fake_prove)
    monkeypatch.setattr(enrolment, "GRACE", timedelta(0))
    async with bookstore_app() as (api, pilot, screen):
        await pilot.press("6")
        await until(pilot, lambda: screen.session.mesh.looked and not screen.session.mesh.looking)
        node = table_of(screen).uid
        pods = screen.session.mesh.to_prove(node)
        assert len(pods) > 2
        await pilot.press("p")
        await until(pilot, lambda: isinstance(pilot.app.screen, ConfirmScreen))
        question = pilot.app.screen.query_one(DocumentView).plain
        assert f"port 15008 of {len(pods)} pods of {node}" in question
        assert "in ecom as default, outside the mesh" in question
        await pilot.press("y")
        await until(pilot, lambda: ANSWERS in detail(screen))
        assert REFUSES in detail(screen)
        assert f"a probe showed nothing: {SILENT}" in detail(screen)
        await pilot.press("2")
        await until(pilot, lambda: any("lost" in cell for cell in mesh_column(screen)))
        assert not [pod for pod in api.store.list("pods") if pod["metadata"]["name"].startswith("meshtui-probe-")]


async def test_a_no_asks_nobody_and_an_error_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    async def failing(*arguments: Any) -> Proofs:
        asked.append(arguments)
        raise ClusterError("a probe needs: create jobs.batch in ecom")

    monkeypatch.setattr(proving, "prove", failing)
    async with bookstore_app() as (_, pilot, screen):
        await pilot.press("6", "p")
        await until(pilot, lambda: isinstance(pilot.app.screen, ConfirmScreen))
        await pilot.press("n")
        await until(pilot, lambda: pilot.app.screen is screen)
        assert not asked
        await pilot.press("p")
        await until(pilot, lambda: isinstance(pilot.app.screen, ConfirmScreen))
        await pilot.press("y")
        await until(pilot, lambda: any("create jobs.batch" in each.message for each in pilot.app._notifications))
        assert screen.session.mesh.proving == 0


async def test_p_again_while_the_pods_are_asked_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    go_on = asyncio.Event()

    async def slow(*arguments: Any) -> Proofs:
        await go_on.wait()
        return await fake_prove(*arguments)

    monkeypatch.setattr(proving, "prove", slow)
    async with bookstore_app() as (_, pilot, screen):
        await pilot.press("6")
        await until(pilot, lambda: screen.session.mesh.looked and not screen.session.mesh.looking)
        await pilot.press("p")
        await until(pilot, lambda: isinstance(pilot.app.screen, ConfirmScreen))
        await pilot.press("y")
        await until(pilot, lambda: bool(screen.session.mesh.proving))
        await pilot.press("p")
        await until(pilot, lambda: any("asked already" in each.message for each in pilot.app._notifications))
        assert screen.session.mesh.proving
        go_on.set()
        await until(pilot, lambda: ANSWERS in detail(screen))
        (deed,) = screen.session.journal
        assert "on port 15008" in deed.what
        assert not deed.failed


async def test_in_read_only_mode_nothing_is_asked() -> None:
    async with bookstore_app() as (_, pilot, screen):
        screen.session.settings = screen.session.settings.model_copy(update={"read_only": True})
        await pilot.press("6", "p")
        await until(pilot, lambda: any("read-only mode" in each.message for each in pilot.app._notifications))
        assert pilot.app.screen is screen
