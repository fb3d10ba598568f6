"""YAML with the findings at the lines that they name: marks, links, search, copying and saving."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from textual.pilot import Pilot

from meshtui.app import MeshtuiApp
from meshtui.cli.source import source_for
from meshtui.model.ids import ObjectRef
from meshtui.sandbox import scenarios
from meshtui.screens.describe import DescribeScreen
from meshtui.screens.yaml import YamlScreen
from meshtui.session import Session
from meshtui.settings import Settings
from meshtui.ui.widgets.document_view import DocumentView
from tests.fakes.frozen import NOW
from tests.fakes.snapshots import policy
from tests.pilot.test_keys import until

REPEATED = "kubectl.kubernetes.io/last-applied-configuration"
REF = ObjectRef("AuthorizationPolicy", "ecom", "typo")
SPEC: dict[str, Any] = {
    "selector": {"matchLabels": {"app": "ecom-service"}},
    "action": "ALLOW",
    "rules": [
        {"from": [{"source": {"namespaces": ["ecom"]}}]},
        {"from": [{"source": {"namespaces": ["nowhere"]}}]},
    ],
}


@asynccontextmanager
async def opened(folder: Path, size: tuple[int, int] = (120, 40)) -> AsyncIterator[tuple[Pilot[Any], DocumentView]]:
    """The YAML of a policy whose second rule names a namespace that isn't there."""
    wrong = policy("ecom/typo", SPEC, "AuthorizationPolicy")
    wrong["metadata"]["annotations"] = {REPEATED: '{"kind":"AuthorizationPolicy"}\n'}
    (folder / "all.yaml").write_text(yaml.safe_dump_all([*scenarios.load("healthy"), wrong]))
    settings = Settings(filenames=(str(folder),))
    app = MeshtuiApp(Session(source_for(settings), settings, clock=lambda: NOW))
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: bool(app.session.findings))
        app.push_screen(YamlScreen(app.session, REF))
        await until(pilot, lambda: any("kind: Auth" in view.plain for view in app.screen.query(DocumentView)))
        yield pilot, text_of(pilot)


def text_of(pilot: Pilot[Any]) -> DocumentView:
    return pilot.app.screen.query_one(DocumentView)


def rows(view: DocumentView) -> list[str]:
    return [view.render_line(y).text.rstrip() for y in range(view.size.height)]


def marked(view: DocumentView) -> list[str]:
    return [row for row in rows(view) if "MT218" in row]


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 50)])
async def test_the_line_that_a_finding_names_has_its_mark_and_its_rule(tmp_path: Path, size: tuple[int, int]) -> None:
    async with opened(tmp_path, size) as (_, view):
        assert len(marked(view)) == 1
        assert marked(view)[0].startswith("!   - from:  ! MT218 ")
        assert "  kind: AuthorizationPolicy" in rows(view)
        assert "MT218" not in view.plain


async def test_enter_on_the_rule_says_what_is_wrong_and_elsewhere_unfolds(tmp_path: Path) -> None:
    async with opened(tmp_path) as (pilot, view):
        await pilot.press("enter")
        await until(pilot, lambda: '{"kind":"AuthorizationPolicy"}' in view.plain)
        assert len(marked(view)) == 1
        await pilot.press("enter")
        await until(pilot, lambda: " B, o unfolds" in view.plain)
        await pilot.press("down", "enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, DescribeScreen))
        await until(pilot, lambda: any(text.plain.startswith("MT218 ") for text in pilot.app.screen.query(DocumentView)))
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, YamlScreen))


async def test_a_mark_goes_with_its_finding(tmp_path: Path) -> None:
    async with opened(tmp_path) as (pilot, view):
        session = pilot.app.session  # type: ignore[attr-defined]
        mended = {uid: each for uid, each in session.snapshot.authorization_policies.items() if each.meta.ref != REF}
        session.publish(replace(session.snapshot, authorization_policies=mended))
        await until(pilot, lambda: not marked(view))
        assert "kind: AuthorizationPolicy" in rows(view)


async def test_a_search_finds_what_stands_in_the_yaml_and_in_the_marks(tmp_path: Path) -> None:
    async with opened(tmp_path, (80, 24)) as (pilot, view):
        await pilot.press("slash", *"namespaces", "enter")
        assert view.found == (1, 2)
        await pilot.press("n", "n")
        assert view.found == (1, 2)
        await pilot.press("slash", *(["backspace"] * 10), *"mt218", "enter")
        assert view.found == (1, 1)
        await pilot.press("escape")
        assert view.found == (0, 0)


async def test_what_is_copied_and_saved_is_the_whole_yaml_without_marks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    async with opened(tmp_path) as (pilot, view):
        await pilot.press("c")
        await pilot.pause()
        copied = yaml.safe_load(pilot.app.clipboard)
        assert copied["spec"] == SPEC
        assert copied["metadata"]["annotations"][REPEATED].startswith("{")
        await pilot.press("ctrl+s")
        found = list((tmp_path / "state" / "meshtui" / "saved").glob("AuthorizationPolicy-typo-*.yaml"))
        assert [yaml.safe_load(path.read_text()) for path in found] == [copied]
        number = next(y for y, row in enumerate(rows(view)) if "MT218" in row)
        await pilot.mouse_down(DocumentView, offset=(1, number))
        await pilot.hover(DocumentView, offset=(30, number))
        await pilot.mouse_up(DocumentView, offset=(30, number))
        selected = pilot.app.screen.get_selected_text()
        assert selected is not None
        assert "- from:" in selected
        assert "MT" not in selected
