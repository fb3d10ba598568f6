"""The header of the terminal program says what of the manifests its verdicts rest on, and what was skipped."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from meshtui.app import MeshtuiApp
from meshtui.cli.source import source_for
from meshtui.sandbox import scenarios
from meshtui.session import Session
from meshtui.settings import Settings
from meshtui.ui.widgets.document_view import DocumentView
from tests.fakes.frozen import NOW
from tests.fakes.snapshots import pod, policy
from tests.pilot.test_keys import until
from tests.pilot.test_opening import rows_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The bookstore in a folder."""
    (tmp_path / "all.yaml").write_text(yaml.safe_dump_all(scenarios.load("healthy")))
    return tmp_path


async def header(folder: Path, size: tuple[int, int]) -> list[str]:
    """The first three lines of the screen, after the Snapshot is there."""
    settings = Settings(filenames=(str(folder),))
    app = MeshtuiApp(Session(source_for(settings), settings, clock=lambda: NOW))
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: "read 67 objects" in "".join(rows_of(pilot, 0, 2)))
        return rows_of(pilot, 0, 3)


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 50)])
async def test_what_was_skipped_is_in_the_header_and_the_rest_is_shown(folder: Path, size: tuple[int, int]) -> None:
    route = {"apiVersion": "networking.istio.io/v1", "kind": "DestinationRule", "metadata": {"name": "v", "namespace": "ecom"}}
    (folder / "route.yaml").write_text(yaml.safe_dump(route))
    (folder / "broken.yaml").write_text("a: [1,\n")
    lines = await header(folder, size)
    assert lines[0].startswith(" meshtui · ")
    assert lines[1] == " read 67 objects in 2 files; not read: DestinationRule ×1"
    assert lines[2].startswith(" skipped: 1 file (")


async def test_where_all_is_read_the_header_is_one_line(folder: Path) -> None:
    lines = await header(folder, (160, 40))
    assert "read 67 objects in 1 file" in lines[0]
    assert not any("skipped" in line or "not read" in line for line in lines)
    assert "1 Namespaces" in lines[1]


async def test_what_files_lack_no_api_server_was_asked_for(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(pod("mon/grafana")))
    settings = Settings(filenames=(str(tmp_path),))
    app = MeshtuiApp(Session(source_for(settings), settings, clock=lambda: NOW))
    async with app.run_test(size=(200, 50)) as pilot:
        await until(pilot, lambda: "the files that were read have none" in "".join(rows_of(pilot, 0, 50)))
        assert "API server was asked" not in "".join(rows_of(pilot, 0, 50))
        await pilot.press("D")
        await until(pilot, lambda: "these are manifests: denials are in the logs" in "".join(rows_of(pilot, 0, 50)))


async def test_a_policy_whose_pods_a_controller_makes_says_so(tmp_path: Path) -> None:
    selector = {"matchLabels": {"app.kubernetes.io/name": "prometheus"}}
    prometheus = {"apiVersion": "monitoring.coreos.com/v1", "kind": "Prometheus", "metadata": {"name": "k8s", "namespace": "mon"}}
    policies = [policy("mon/p", {"podSelector": selector}), policy("mon/a", {"selector": selector}, "AuthorizationPolicy")]
    (tmp_path / "a.yaml").write_text(yaml.safe_dump_all([pod("mon/grafana"), prometheus, *policies]))
    settings = Settings(filenames=(str(tmp_path),))
    app = MeshtuiApp(Session(source_for(settings), settings, clock=lambda: NOW))
    async with app.run_test(size=(200, 50)) as pilot:

        def says(title: str) -> bool:
            detail = app.screen.query_one("#detail", DocumentView).plain
            titled = any(title in row for row in rows_of(pilot, 0, 50))
            return titled and "may be made by a controller, from Prometheus" in " ".join(detail.split())

        for key, title in (("4", "4 NetworkPolicies"), ("3", "3 AuthorizationPolicies")):
            await pilot.press(key)
            await until(pilot, lambda title=title: says(title))
