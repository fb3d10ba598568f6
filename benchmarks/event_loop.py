"""How long the event loop is held while a person moves through a 10,000-pod snapshot: a probe that wants to run every 5 ms."""

from __future__ import annotations

import asyncio
import sys
import time
from collections import defaultdict

from meshtui.app import MeshtuiApp
from meshtui.screens.matrix import MatrixScreen
from meshtui.session import Session
from meshtui.settings import Settings
from meshtui.sources.manifests import load_manifests
from meshtui.sources.recording import ManifestSource

_TICK_S = 0.005


async def measure(folder: str) -> dict[str, tuple[float, float, int]]:
    """(99th percentile, worst, beats) in milliseconds beyond the tick, for each thing done."""
    snapshot = load_manifests([folder])
    app = MeshtuiApp(Session(ManifestSource(snapshot, (folder,)), Settings()))
    held: dict[str, list[float]] = defaultdict(list)
    doing = "first paint"

    async def probe() -> None:
        while True:
            began = time.perf_counter()
            await asyncio.sleep(_TICK_S)
            held[doing].append((time.perf_counter() - began - _TICK_S) * 1000)

    async with app.run_test(size=(160, 50)) as pilot:
        beating = asyncio.create_task(probe())
        await pilot.pause(3)
        doing = "workloads: moving"
        for key in (*["j"] * 40, *["pagedown"] * 10):
            await pilot.press(key)
        await pilot.pause(2)
        doing = "matrix: opening"
        app.session.namespace = ""
        app.push_screen(MatrixScreen(app.session))
        await pilot.pause(8)
        doing = "matrix: scrolling"
        for key in (*["down", "right"] * 30, *["pagedown"] * 8):
            await pilot.press(key)
        beating.cancel()
    return {name: _figures(values) for name, values in held.items()}


def _figures(values: list[float]) -> tuple[float, float, int]:
    ordered = sorted(values)
    return ordered[int(len(ordered) * 0.99)], ordered[-1], len(ordered)


if __name__ == "__main__":
    for name, (p99, worst, beats) in asyncio.run(measure(sys.argv[1])).items():
        print(f"{name:<20} p99 {p99:6.1f} ms  worst {worst:6.1f} ms  ({beats} beats)")
