"""How long the command line takes to start, beside a Python that does nothing, in turns."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import results

RUNS = 21
MESHTUI = str(Path(sys.executable).parent / "meshtui")
COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "meshtui --version": [MESHTUI, "--version"],
    "meshtui --help": [MESHTUI, "--help"],
    "meshtui completion bash": [MESHTUI, "completion", "bash"],
}


def seconds(command: list[str]) -> float:
    """How long one run takes."""
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def measure(runs: int = RUNS) -> dict[str, float]:
    """Medians in seconds."""
    taken: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(runs + 1):
        for name, command in COMMANDS.items():
            taken[name].append(seconds(command))
    return {name: statistics.median(times[1:]) for name, times in taken.items()}  # the first warms the disk cache


def report(found: dict[str, float]) -> str:
    """This benchmark's part of RESULTS.md."""
    bare = found["python -c pass"]
    rows = "".join(f"| {name} | {taken * 1000:.0f} | {taken / bare:.1f} |\n" for name, taken in found.items())
    return (
        f"## Starting the command line\n\n{results.machine()}. From starting the process to its end: median of {RUNS} runs. "
        f"`--version` is to take at most three times what an empty Python takes.\n\n"
        f"| command | ms | times an empty Python |\n| --- | --- | --- |\n{rows}"
    )


if __name__ == "__main__":
    print(results.write("05-startup", report(measure())))
