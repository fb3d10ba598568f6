"""``meshtui demo``: starts the sandbox, opens the terminal program on it, and ends it afterwards."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from meshtui.cli.closest import did_you_mean
from meshtui.cli.command import command, switch, value
from meshtui.cli.complete import scenarios
from meshtui.cli.terminal import has_terminal
from meshtui.model.errors import ClusterError, UsageError

if TYPE_CHECKING:
    from meshtui.settings import Settings

_HEALTHY = "healthy"
_API_TIMEOUT_S = 30.0
_STOP_TIMEOUT_S = 15.0


@dataclass(frozen=True, slots=True)
class Words:
    """The parsed arguments."""

    scenario: str
    tour: bool


PARAMS = [
    value("--scenario", "NAME", "which bookstore (meshtui sandbox --list)", default=_HEALTHY, shell_complete=scenarios),
    switch("--tour", "a tour of the healthy bookstore: Space goes on"),
]


def _run(words: Words, settings: Settings) -> int:
    from meshtui.sandbox.drills import TOUR, drill, tour
    from meshtui.sandbox.run import check_requirements
    from meshtui.sandbox.scenarios import names

    touring = words.tour or words.scenario == TOUR
    scenario = _HEALTHY if words.scenario == TOUR else words.scenario
    if scenario not in names():
        known = [*names(), TOUR]
        raise UsageError(f"no scenario {scenario!r}{did_you_mean(scenario, known)}", f"known: {', '.join(known)}")
    if touring and scenario != _HEALTHY:
        raise UsageError("the tour leads through the healthy bookstore", "leave --scenario out")
    if not has_terminal():
        raise UsageError("this is not a terminal", "meshtui sandbox runs the same cluster without one")
    check_requirements()
    from meshtui.cli.tui import run_tui

    with sandbox(scenario) as kubeconfig:
        chosen = settings.model_copy(update={"kubeconfig": str(kubeconfig), "context": "", "filenames": ()})
        guided_by = tour() if scenario == _HEALTHY else drill(scenario)
        return run_tui(lambda _: chosen, guided_by, offered=scenario == _HEALTHY and not touring, theme=settings.theme)


@contextlib.contextmanager
def sandbox(scenario: str) -> Iterator[Path]:
    """A sandbox in a folder of its own; yields its kubeconfig. Raises ClusterError."""
    with _folder() as folder, _sandbox(scenario, folder) as kubeconfig:
        yield kubeconfig


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    """A temporary folder, which a later sandbox removes if this process is killed. Raises ClusterError."""
    from meshtui.sandbox.leftovers import RunFolder

    try:
        folder = RunFolder.make(demo=True)
    except OSError as error:
        raise ClusterError(f"the demo can't make its folder: {error.strerror or error}") from None
    try:
        yield folder.path
    finally:
        folder.remove()


@contextlib.contextmanager
def _sandbox(scenario: str, folder: Path) -> Iterator[Path]:
    """The sandbox as a child process; yields its kubeconfig as soon as the API answers. Raises ClusterError.

    The sandbox ends when its standard input is closed, so it also ends if this process is killed.
    """
    errors = folder / "errors"
    kubeconfig = folder / "kubeconfig"
    command = [sys.executable, "-m", "meshtui", "sandbox", "--scenario", scenario, "--dir", str(folder)]
    command += ["--announce-api", "--while-stdin"]
    sys.stderr.write(f"starting the sandbox ({scenario}) …\n")
    with errors.open("w") as stderr:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, stdin=subprocess.PIPE, start_new_session=True)
    try:
        _wait_for_api(process, errors)
        yield kubeconfig
    finally:
        process.terminate()
        try:
            process.wait(_STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe:
                pipe.close()


def _wait_for_api(process: subprocess.Popen[bytes], errors: Path) -> None:
    """Read the sandbox's first line, which it prints when the API answers, before all pods are ready."""
    if process.stdout is None:
        raise ClusterError("the sandbox has no output")
    os.set_blocking(process.stdout.fileno(), False)
    deadline = time.monotonic() + _API_TIMEOUT_S
    while time.monotonic() < deadline:
        text = process.stdout.readline()
        if text and json.loads(text).get("api"):
            return
        if process.poll() is not None:
            reason = errors.read_text(errors="replace").strip().splitlines()
            raise ClusterError(reason[-1].removeprefix("meshtui: ") if reason else "the sandbox ended at once")
        time.sleep(0.02)
    raise ClusterError(f"the sandbox's API did not answer within {_API_TIMEOUT_S:.0f} s")


COMMAND = command(
    "demo",
    "the terminal program on an embedded bookstore cluster",
    PARAMS,
    Words,
    _run,
    refused=("kubeconfig", "context", "impersonate", "impersonate_groups", "filenames"),
    terminal=True,
    exits={3: "something that the sandbox needs is missing, or can't be started"},
)
