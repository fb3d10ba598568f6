"""The main screen, each kind at each size, and the screens that open from it."""

from __future__ import annotations

import pytest

from meshtui.app import MeshtuiApp
from tests.fakes.ztunnel_lines import log_app
from tests.snapshot.conftest import in_the_theme, pressing


@pytest.mark.parametrize("kind", ["1", "2", "3", "4"], ids=["namespaces", "workloads", "authz", "netpol"])
def test_kind(snap_compare, frozen_app: MeshtuiApp, size: tuple[int, int], kind: str) -> None:
    assert snap_compare(frozen_app, terminal_size=size, run_before=pressing(kind, "j"))


@pytest.mark.parametrize(
    "keys",
    [("2", "j", "d"), ("2", "j", "y"), ("question_mark",), ("n",), ("colon", "n", "e", "t"), ("slash", "d", "b")],
    ids=["describe", "yaml", "help", "namespace", "command", "filter"],
)
def test_screen(snap_compare, frozen_app: MeshtuiApp, size: tuple[int, int], keys: tuple[str, ...]) -> None:
    assert snap_compare(frozen_app, terminal_size=size, run_before=pressing(*keys))


def test_one_namespace(snap_compare, frozen_app: MeshtuiApp) -> None:
    assert snap_compare(frozen_app, terminal_size=(120, 40), run_before=pressing("1", "enter"))


def test_newest_change_first(snap_compare, frozen_app: MeshtuiApp) -> None:
    assert snap_compare(frozen_app, terminal_size=(120, 40), run_before=pressing("3", "s"))


def test_ztunnel_log(snap_compare, size: tuple[int, int]) -> None:
    assert snap_compare(log_app(), terminal_size=size, run_before=pressing("2", "j", "l"))


def test_ztunnel_log_at_a_failure(snap_compare) -> None:
    assert snap_compare(log_app(), terminal_size=(120, 40), run_before=pressing("2", "j", "l", "e", "o"))


def test_a_log_in_each_theme(snap_compare, theme: str) -> None:
    assert snap_compare(log_app(), terminal_size=(120, 40), run_before=in_the_theme(theme, pressing("2", "j", "l")))
