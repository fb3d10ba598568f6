"""Made-up clusters, each generated once. BENCH_GENERATOR names another generator that takes the words of cluster.py."""

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
WORK = HERE / ".work"
GENERATOR = os.environ.get("BENCH_GENERATOR") or str(HERE / "cluster.py")


def cluster(name: str, pods: int, *more: str) -> Path:
    """One input, generated once for each generator."""
    folder = WORK / "in" / f"{Path(GENERATOR).stem}-{name}-{pods}"
    if not (folder / "pods.json").exists():
        size = ["--pods", pods, "--policies", max(4, pods // 10), "--namespaces", max(4, pods // 50), "--seed", 1]
        subprocess.run([sys.executable, "-B", GENERATOR, str(folder), *map(str, size), *more], check=True)
    return folder
