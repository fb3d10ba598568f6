"""YAML at each size: what is emphasized, and the marks of findings at the lines that they name; in every own theme."""

from __future__ import annotations

from typing import Any

import pytest
from textual.pilot import Pilot

from meshtui.app import MeshtuiApp
from meshtui.model.finding import Finding, Severity
from meshtui.screens.yaml import YamlScreen
from tests.snapshot.conftest import pressing, settle
from tests.snapshot.test_findings import FINDINGS, NETPOL, app_on

MARKED = (
    *FINDINGS,
    Finding("MT309", "peer matches nothing", Severity.WARNING, (NETPOL,), "nobody", field="spec.ingress[0].from"),
    Finding("MT310", "named port", Severity.INFO, (NETPOL,), "no such port", field="spec.ingress[0].from[0]"),
)


def shown(app: MeshtuiApp, *keys: str, theme: str = "meshtui-dark"):
    async def before(pilot: Pilot[Any]) -> None:
        await settle(pilot)
        app.theme = theme
        app.push_screen(YamlScreen(app.session, NETPOL))
        await pressing(*keys)(pilot)

    return before


def test_yaml(snap_compare, size: tuple[int, int]) -> None:
    app = app_on(*MARKED)
    assert snap_compare(app, terminal_size=size, run_before=shown(app, "down"))


@pytest.mark.parametrize("theme", ["meshtui-light", "meshtui-mono"])
def test_yaml_in_other_themes_while_it_is_searched(snap_compare, theme: str) -> None:
    app = app_on(*MARKED)
    keys = ("slash", *"app", "enter")
    assert snap_compare(app, terminal_size=(80, 24), run_before=shown(app, *keys, theme=theme))
