"""The matrix at each size: namespaces, the workloads of a pair, and all workloads."""

from __future__ import annotations

from meshtui.app import MeshtuiApp
from tests.snapshot.conftest import pressing


def test_namespaces(snap_compare, frozen_app: MeshtuiApp, size: tuple[int, int]) -> None:
    assert snap_compare(frozen_app, terminal_size=size, run_before=pressing("m", "l", "l", "l"))


def test_workloads(snap_compare, frozen_app: MeshtuiApp, size: tuple[int, int]) -> None:
    assert snap_compare(frozen_app, terminal_size=size, run_before=pressing("m", "l", "l", "l", "enter", "j"))


def test_all_workloads(snap_compare, frozen_app: MeshtuiApp, size: tuple[int, int]) -> None:
    assert snap_compare(frozen_app, terminal_size=size, run_before=pressing("m", "w", "l", "l", "l"))
