"""How long the event loop is held while a person moves through a 10,000-pod snapshot: a probe that wants to run every 5 ms."""

from __future__ import annotations

import asyncio
import sys
import time
from collections import defaultdict

import inputs
import results

from meshtui.app import MeshtuiApp
from meshtui.screens.matrix import MatrixScreen
from meshtui.session import Session
from meshtui.settings import Settings
from meshtui.sources.manifest_source import ManifestSource
from meshtui.sources.manifests import load_manifests

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

    async with app.run_test(size=(120, 40)) as pilot:
        beating = asyncio.create_task(probe())
        await pilot.pause(3)
        doing = "workloads: moving"
        for key in (*["j"] * 40, *["pagedown"] * 10):
            await pilot.press(key)
        await pilot.pause(2)
        doing = "all panes: changing the pane"
        for key in "134526" * 3:
            await pilot.press(key)
            await pilot.pause(0.2)
        doing = "all panes: sorting and filtering"
        await pilot.press("2", "N", "N", "N", "slash", *"web-1", "escape")
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


def report(found: dict[str, tuple[float, float, int]]) -> str:
    """This benchmark's part of RESULTS.md."""
    rows = "".join(f"| {name} | {p99:.0f} | {worst:.0f} | {beats} |\n" for name, (p99, worst, beats) in found.items())
    return (
        f"## The event loop, 10,000 pods\n\n{results.machine()}. Beats every {_TICK_S * 1000:.0f} ms "
        f"while keys are pressed; what they come too late, in milliseconds.\n\n"
        f"| | p99 | worst | beats |\n| --- | --- | --- | --- |\n{rows}"
    )


def main() -> None:
    """Measure on a folder of manifests, or on a made-up cluster."""
    folder = sys.argv[1] if len(sys.argv) > 1 else str(inputs.cluster("ambient", 10_000))
    print(results.write("30-event-loop", report(asyncio.run(measure(folder)))))


if __name__ == "__main__":
    main()
