"""How long pictures take to lay out, beside a bare Textual table of as many rows being filled and drawn, in turns."""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import results
from textual.app import App, ComposeResult
from textual.geometry import Region
from textual.widgets import DataTable

from meshtui.ui.pictures.map import draw_map
from tests.fakes.maps import crowded_map

RUNS = 21
WIDTH, HEIGHT, NEIGHBOURS = 200, 50, 500
OPENED = frozenset(f"team-{number}" for number in range(12))


class Bare(App[None]):
    """A Textual program with an empty table."""

    def compose(self) -> ComposeResult:
        """Only the table."""
        yield DataTable()


def median_ms(work: Callable[[], object]) -> float:
    """The median of some runs, in milliseconds, after one that warms the caches."""
    taken = []
    for _ in range(RUNS + 1):
        started = time.perf_counter()
        work()
        taken.append((time.perf_counter() - started) * 1000)
    return statistics.median(taken[1:])


async def table_ms() -> float:
    """Fill Textual's table with a row for each neighbour, and draw what is seen of it."""
    async with Bare().run_test(size=(WIDTH, HEIGHT)) as pilot:
        table = pilot.app.query_one(DataTable)

        def fill() -> None:
            table.clear(columns=True)
            table.add_columns("NAMESPACE", "NAME", "PORT", "VERDICT", "POLICY")
            for number in range(NEIGHBOURS):
                table.add_row(f"team-{number % 12}", f"service-{number}", ":8080", "✓ allow", "service-policy")
            table.render_lines(Region(0, 0, WIDTH, HEIGHT))

        return median_ms(fill)


def measure() -> dict[str, float]:
    """Medians in milliseconds."""
    data = crowded_map(NEIGHBOURS)
    return {
        "a bare table": asyncio.run(table_ms()),
        "map, grouped": median_ms(lambda: draw_map(data, WIDTH, HEIGHT)),
        "map, all groups open": median_ms(lambda: draw_map(data, WIDTH, HEIGHT, OPENED)),
    }


def report(found: dict[str, float]) -> str:
    """This benchmark's part of RESULTS.md."""
    bare = found["a bare table"]
    rows = "".join(f"| {name} | {taken:.1f} | {taken / bare:.2f} |\n" for name, taken in found.items())
    return (
        f"## Pictures\n\n{results.machine()}. Laying out {NEIGHBOURS} neighbours in {WIDTH} × {HEIGHT} cells, beside filling and "
        f"drawing Textual's own table with as many rows: median of {RUNS} runs. A map of {NEIGHBOURS} neighbours is to take at "
        f"most 50 ms.\n\n| what | ms | times a bare table |\n| --- | --- | --- |\n{rows}"
    )


if __name__ == "__main__":
    print(results.write("45-pictures", report(measure())))
