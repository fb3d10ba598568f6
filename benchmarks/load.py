"""10,000 pods on a real API server (the sandbox's), and a storm of changes: is the screen in time, and is the loop free?

``load.py`` storms for a minute at 500 changes a second; ``load.py --soak`` ten minutes at 50.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import inputs
import results

HERE = Path(__file__).resolve().parent


class Child:
    """A process that answers lines with JSON lines."""

    def __init__(self, *words: str) -> None:
        command = [sys.executable, *words]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def tell(self, line: str) -> None:
        """Send a line."""
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def hear(self) -> dict:
        """The next answer."""
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit(f"{self.process.args} ended: {self.process.wait()}")
        return json.loads(line)

    def end(self) -> None:
        """Let it end."""
        self.process.stdin.close()
        self.process.wait(timeout=30)


def measure(pods: int, rate: float, seconds: float) -> dict:
    """Start both, wait until all is there, storm, and then be still."""
    with tempfile.TemporaryDirectory() as folder:
        server = Child(str(HERE / "load_server.py"), str(inputs.cluster("ambient", pods)), folder)
        kubeconfig = server.hear()["kubeconfig"]
        client = Child(str(HERE / "load_client.py"), kubeconfig, str(time.monotonic()))
        found = {"start": client.hear()}
        client.tell("settle 5")
        found["settle"] = client.hear()
        server.tell(f"{rate} {seconds}")
        client.tell(f"storm {seconds + 2}")
        found["server"], found["storm"] = server.hear(), client.hear()
        client.tell("after 5")
        found["after"] = client.hear()
        client.end()
        server.end()
    return found


def delays(found: dict) -> list[float]:
    """Milliseconds from each count on the server to its being drawn; one that was overtaken counts until the next was drawn."""
    drawn = sorted((int(count), at) for count, at in found["storm"]["counted"].items())
    late = []
    for count, at in found["server"]["counted"].items():
        shown = next((when for number, when in drawn if number >= int(count)), None)
        if shown is None:
            raise SystemExit(f"count {count} never came to the screen")
        late.append((shown - at) * 1000)
    return late


def row(name: str, value: str, wanted: str) -> str:
    """One line of the table."""
    return f"| {name} | {value} | {wanted} |\n"


def report(title: str, pods: int, found: dict, rate: float, seconds: float) -> str:
    """A part of RESULTS.md."""
    late, storm, memory = delays(found), found["storm"], found["storm"]["rss_mib"]
    tenth = max(1, len(memory) // 10)
    first, last = statistics.median(memory[:tenth]), statistics.median(memory[-tenth:])
    return (
        f"## {title}\n\n{results.machine()}. {pods:,} pods on the sandbox's API server (a process of its own), "
        f"{found['server']['events'] / seconds:.0f} changes a second for {seconds:.0f} s (asked for: {rate:.0f}).\n\n"
        "| | measured | wanted |\n| --- | --- | --- |\n"
        + row("first data on the screen, from the start of the process", f"{found['start']['first_s']:.1f} s", "≤ 3 s")
        + row("all data", f"{found['start']['all_s']:.1f} s", "≤ 10 s")
        + row(f"a change on the screen, median of {len(late)}", f"{statistics.median(late):.0f} ms", "≤ 250 ms")
        + row("a change on the screen, worst", f"{max(late):.0f} ms", "≤ 1,000 ms")
        + row("the event loop held, p99", f"{storm['held_p99_ms']:.0f} ms", "≤ 50 ms")
        + row("the event loop held, worst", f"{storm['held_worst_ms']:.0f} ms", "≤ 150 ms")
        + row("memory at most", f"{max(memory):.0f} MiB", "≤ 400 MiB")
        + row("memory, first and last tenth of the time", f"{first:.0f}, {last:.0f} MiB", "flat")
        + row(
            "processor before, during, after",
            " ".join(f"{found[k]['cpu']:.0%}" for k in ("settle", "storm", "after")),
            "idle after",
        )
    )


def main() -> None:
    """Measure, and write a part of RESULTS.md."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--soak", action="store_true", help="ten minutes at 50 changes a second")
    parser.add_argument("--pods", type=int, default=10_000)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--dry", action="store_true", help="print the part instead of keeping it")
    args = parser.parse_args()
    rate, seconds = (50, args.seconds or 600) if args.soak else (500, args.seconds or 60)
    found = measure(args.pods, rate, seconds)
    title = "A soak" if args.soak else "A storm of changes"
    text = report(title, args.pods, found, rate, seconds)
    if args.dry:
        print(text)
        return
    print(results.write("50-soak" if args.soak else "40-storm", text))


if __name__ == "__main__":
    main()
