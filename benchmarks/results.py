"""RESULTS.md, put together from parts: each benchmark writes its own, and leaves the others' as they are."""

import os
import platform
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).resolve().parent
PARTS = HERE / "results"
HEAD = """# How fast meshtui is

Written by `make bench`, part by part (`benchmarks/results/`); change nothing here by hand.

"""


def machine() -> str:
    """What it ran on."""
    known = Path("/proc/cpuinfo")
    lines = known.read_text().splitlines() if known.exists() else []
    model = next((line.partition(":")[2].strip() for line in lines if "model name" in line), platform.machine())
    return (
        f"{os.cpu_count()} cores ({model}), {platform.system()} {platform.release()}, Python {platform.python_version()}, "
        f"meshtui {version('kubectl-meshtui')}"
    )


def write(part: str, text: str) -> Path:
    """Keep one part, and put RESULTS.md together from all that there are, by name."""
    PARTS.mkdir(exist_ok=True)
    (PARTS / f"{part}.md").write_text(text.rstrip("\n") + "\n")
    results = HERE / "RESULTS.md"
    results.write_text(HEAD + "\n".join(path.read_text() for path in sorted(PARTS.glob("*.md"))))
    return results
