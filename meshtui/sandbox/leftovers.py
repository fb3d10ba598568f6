"""What a killed sandbox left behind: found by its run folder, proven to be ours, and removed.

A run folder records who owns it and every process that was started for it, each with its start time: a process id that
has meanwhile gone to somebody else never matches. Processes that were not recorded in time are recognised by a variable
of their environment that names the folder.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

_PREFIX = "mt-"
_DEMO_PREFIX = "meshtui-demo-"
_OWNER = "owner.json"
_CHILDREN = "children"
_MARK = b"MESHTUI_POD_ROOT="


@dataclass(frozen=True, slots=True)
class Identity:
    """A process that can't be taken for a later one of the same id."""

    pid: int
    started: str

    def is_alive(self) -> bool:
        """Whether this very process still runs."""
        return started_at(self.pid) == self.started


def started_at(pid: int) -> str:
    """When a process started, as text that is only good for comparing; "" when there is none (or only a zombie)."""
    if sys.platform.startswith("linux"):
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            return "" if fields[0] in ("Z", "X") else fields[19]
        return ""
    found = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return found.stdout.strip()


class RunFolder:
    """A running sandbox's folder: short, closed to others (0700), and registered until ``remove``."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @staticmethod
    def make(*, demo: bool = False) -> RunFolder:
        """Make one under the temporary folder, for a sandbox or for the demo that starts one. Raises OSError."""
        path = Path(tempfile.mkdtemp(prefix=_DEMO_PREFIX if demo else _PREFIX, dir=_parent()))
        owner = {"pid": os.getpid(), "started": started_at(os.getpid())}
        (path / _OWNER).write_text(json.dumps(owner))
        return RunFolder(path)

    def record(self, pid: int) -> None:
        """Remember a process that was started for this sandbox."""
        started = started_at(pid)
        if started:
            # On a full disk the process goes unrecorded, and is known by its environment instead.
            with contextlib.suppress(OSError), (self.path / _CHILDREN).open("a") as file:
                file.write(f"{pid} {started}\n")

    def remove(self) -> None:
        """Delete the folder with everything in it."""
        shutil.rmtree(self.path, ignore_errors=True)


def _parent() -> Path:
    """Where run folders stand: the temporary folder, or /tmp when that is too deep for a Unix socket's path."""
    usual = Path(tempfile.gettempdir())
    return usual if len(str(usual)) < 60 else Path("/tmp")  # noqa: S108 - mkdtemp makes the folder inside safely


def sweep() -> list[Path]:
    """End what dead sandboxes of this user left running, and delete their folders; returns those folders."""
    removed = []
    for path in sorted([*_parent().glob(f"{_PREFIX}*"), *_parent().glob(f"{_DEMO_PREFIX}*")]):
        owner = _owner(path)
        if owner is not None and not owner.is_alive():
            _end_processes(path)
            shutil.rmtree(path, ignore_errors=True)
            removed.append(path)
    return removed


def _owner(path: Path) -> Identity | None:
    """Who runs a folder; None for a folder that isn't certainly a sandbox's, and this user's."""
    try:
        if path.is_symlink() or path.stat().st_uid != os.getuid():
            return None
        data = json.loads((path / _OWNER).read_text())
        return Identity(int(data["pid"]), str(data["started"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _end_processes(path: Path) -> None:
    for identity in [*_recorded(path), *_marked(path)]:
        if not identity.is_alive():
            continue
        with contextlib.suppress(ProcessLookupError, PermissionError):
            if os.getpgid(identity.pid) == identity.pid:
                os.killpg(identity.pid, signal.SIGKILL)
            else:
                os.kill(identity.pid, signal.SIGKILL)


def _recorded(path: Path) -> list[Identity]:
    found = []
    with contextlib.suppress(OSError):
        for line in (path / _CHILDREN).read_text().splitlines():
            pid, _, started = line.partition(" ")
            if pid.isdigit():
                found.append(Identity(int(pid), started))
    return found


def _marked(path: Path) -> list[Identity]:
    """Processes whose environment says that they belong to a pod in this folder (where /proc tells)."""
    mark = _MARK + os.fsencode(path) + b"/"
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if any(variable.startswith(mark) for variable in (entry / "environ").read_bytes().split(b"\0")):
                pid = int(entry.name)
                found.append(Identity(pid, started_at(pid)))
    return found
