"""How long from the command to the first paint, beside a Textual program that only says a word, in turns."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import results

from tests.fakes.terminal import Terminal

BARE = """
from textual.app import App, ComposeResult
from textual.widgets import Static
class Bare(App[None]):
    BINDINGS = [("q", "quit", "Quit")]
    def compose(self) -> ComposeResult:
        yield Static("Namespaces")
Bare().run()
"""
RUNS = 7


def seconds_to_paint(command: list[str], folder: Path, kubeconfig: str) -> float:
    """Seconds until the word that both programs draw is on the terminal."""
    started = time.perf_counter()
    with Terminal(command, cwd=folder, home=folder, env={"KUBECONFIG": kubeconfig}) as terminal:
        terminal.wait_for("Namespaces")
        taken = time.perf_counter() - started
        terminal.send("q")
        terminal.wait()
    return taken


def measure(runs: int = RUNS) -> dict[str, float]:
    """Medians in seconds, and their ratio."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "bare.py").write_text(BARE)
        words = [sys.executable, "-m", "meshtui", "sandbox", "--dir", str(folder / "sandbox")]
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as sandbox:
            try:
                assert sandbox.stdout
                sandbox.stdout.readline()
                kubeconfig = str(folder / "sandbox" / "kubeconfig")
                mine, bare = [], []
                for _ in range(runs + 1):
                    mine.append(seconds_to_paint([sys.executable, "-m", "meshtui"], folder, kubeconfig))
                    bare.append(seconds_to_paint([sys.executable, str(folder / "bare.py")], folder, kubeconfig))
            finally:
                sandbox.terminate()
    ours, theirs = statistics.median(mine[1:]), statistics.median(bare[1:])  # the first warms the disk cache
    return {"meshtui_s": ours, "bare_textual_s": theirs, "ratio": ours / theirs}


def report(found: dict[str, float]) -> str:
    """This benchmark's part of RESULTS.md."""
    return (
        f"## The first paint\n\n{results.machine()}. From starting the process to the first pane drawn in a "
        f"terminal, on the sandbox: median of {RUNS} runs.\n\n"
        f"| meshtui s | a bare Textual program s | times |\n| --- | --- | --- |\n"
        f"| {found['meshtui_s']:.2f} | {found['bare_textual_s']:.2f} | {found['ratio']:.1f} |\n"
    )


if __name__ == "__main__":
    print(results.write("10-first-paint", report(measure())))
