"""The terminal program on a cluster, watched from inside: ``load_client.py KUBECONFIG STARTED`` (monotonic seconds).

Each line on stdin, "NAME SECONDS", is a time to measure; each answer is one JSON line on stdout.
"""

import asyncio
import json
import os
import re
import resource
import sys
import time
from pathlib import Path

from textual.strip import Strip

from meshtui.app import MeshtuiApp
from meshtui.session import Session
from meshtui.settings import Settings
from meshtui.sources.kubernetes.live import LiveSource
from meshtui.ui.widgets.table import ObjectTable

_TICK_S = 0.005
_SHOWN = re.compile(r"clock .*?\b\d+/(\d+)")


class Seen:
    """What was painted when, how long the loop was held, and how much memory there was."""

    def __init__(self) -> None:
        self.counted: dict[int, float] = {}
        self.held: list[float] = []
        self.first: float | None = None
        drawn = ObjectTable.render_line

        def render_line(table: ObjectTable, y: int) -> Strip:
            strip = drawn(table, y)
            if table.rows and y:
                now = time.monotonic()
                self.first = self.first or now
                found = _SHOWN.search(strip.text)
                if found:
                    self.counted.setdefault(int(found.group(1)), now)
            return strip

        ObjectTable.render_line = render_line

    async def beat(self) -> None:
        """A probe that wants to run every 5 ms."""
        while True:
            began = time.perf_counter()
            await asyncio.sleep(_TICK_S)
            self.held.append((time.perf_counter() - began - _TICK_S) * 1000)


def resident() -> float:
    """MiB of memory now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


def cpu_s() -> float:
    """Seconds of processor time so far."""
    times = os.times()
    return times.user + times.system


def say(answer: dict) -> None:
    """One answer for whoever started this."""
    print(json.dumps(answer), file=sys.__stdout__, flush=True)


async def measure(seen: Seen, name: str, seconds: float) -> None:
    """Let it run, and say how it went."""
    seen.held.clear()
    seen.counted.clear()
    began, used = time.monotonic(), cpu_s()
    memory = []
    while time.monotonic() < began + seconds:
        memory.append(round(resident(), 1))
        await asyncio.sleep(1)
    held = sorted(seen.held)
    say(
        {
            "name": name,
            "held_p99_ms": held[int(len(held) * 0.99)],
            "held_worst_ms": held[-1],
            "rss_mib": memory,
            "cpu": (cpu_s() - used) / (time.monotonic() - began),
            "counted": seen.counted,
        }
    )


async def main(kubeconfig: str, started: float) -> None:
    """Show the workloads until stdin ends."""
    seen = Seen()
    settings = Settings(kubeconfig=kubeconfig, all_namespaces=True)
    app = MeshtuiApp(Session(LiveSource(settings), settings))
    async with app.run_test(size=(160, 50)) as pilot:
        beating = asyncio.create_task(seen.beat())
        while not app.session.settled or not seen.first:
            await pilot.pause(0.02)
        held = sorted(seen.held)
        say(
            {
                "first_s": seen.first - started,
                "all_s": time.monotonic() - started,
                "held_worst_ms": held[-1],
                "rss_mib": resident(),
            }
        )
        await pilot.press("g")  # the cursor stayed on the object that came first, wherever that is now
        while line := await asyncio.to_thread(sys.stdin.readline):
            name, seconds = line.split()
            await measure(seen, name, float(seconds))
        beating.cancel()
        await pilot.press("q")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], float(sys.argv[2])))
