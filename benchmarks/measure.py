"""Runs a command and says how long it took and how much memory it had at most."""

import os
import statistics
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Run:
    """Wall time in seconds, peak memory in MiB, and whether it came to an end."""

    seconds: float
    mebibytes: float
    finished: bool = True


@dataclass(frozen=True)
class Runs:
    """Several runs of the same command."""

    every: tuple[Run, ...]

    @property
    def best(self) -> float:
        """The shortest: what the tool needs, without what else the machine did."""
        return min(run.seconds for run in self.every)

    @property
    def median(self) -> float:
        """The one in the middle."""
        return statistics.median(run.seconds for run in self.every)

    @property
    def peak(self) -> float:
        """The most memory of all, in MiB."""
        return max(run.mebibytes for run in self.every)

    @property
    def finished(self) -> bool:
        """Whether all came to an end."""
        return all(run.finished for run in self.every)


def run(command: list[str], out: Path, limit_s: float = 600, fine: frozenset[int] = frozenset({0})) -> Run:
    """Run once, with standard output to a file; ended when over its limit. ``fine`` are the exit codes of success."""
    with out.open("wb") as stdout, out.with_suffix(".err").open("wb") as stderr:
        started = time.perf_counter()
        process = subprocess.Popen(command, stdout=stdout, stderr=stderr)
        while True:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            elapsed = time.perf_counter() - started
            if pid:
                process.returncode = os.waitstatus_to_exitcode(status)
                break
            if elapsed > limit_s:
                process.kill()
                _, _, usage = os.wait4(process.pid, 0)
                process.returncode = -9
                return Run(elapsed, usage.ru_maxrss / 1024, finished=False)
            time.sleep(0.002 if elapsed < 2 else 0.02)
    if process.returncode not in fine:
        said = out.with_suffix(".err").read_text()[-400:]
        raise RuntimeError(f"{' '.join(command)}: exit code {process.returncode}: {said}")
    return Run(elapsed, usage.ru_maxrss / 1024)


def runs(command: list[str], out: Path, repeat: int, limit_s: float = 600) -> Runs:
    """Run several times; once is enough for a command that is over its limit."""
    done: list[Run] = []
    for _ in range(repeat):
        done.append(run(command, out, limit_s))
        if not done[-1].finished:
            break
    return Runs(tuple(done))
