"""Removes what killed sandboxes left behind: processes and run folders.

A running sandbox holds a lock in its folder. The folder has a record of every process that was started for it, with its start
time, so that a reused process id doesn't match. Processes that were not recorded in time are identified by an environment
variable with the folder's path.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from meshtui.sandbox.user import User

_PREFIX = "mt-"
_DEMO_PREFIX = "meshtui-demo-"
_LOCK = "lock"
_CHILDREN = "children"
_MARK = b"MESHTUI_POD_ROOT="


@dataclass(frozen=True, slots=True)
class Identity:
    """A process id with its start time, which identifies the process even if the id is reused."""

    pid: int
    started: str

    def is_alive(self) -> bool:
        """Whether this process is still running."""
        return started_at(self.pid) == self.started


def started_at(pid: int) -> str:
    """When a process started, as text that is only good for comparison; "" if there is none (or only a zombie)."""
    if sys.platform.startswith("linux"):
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            return "" if fields[0] in ("Z", "X") else fields[19]
        return ""
    found = subprocess.run(["ps", "-o", "lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return found.stdout.strip()


class RunFolder:
    """A running sandbox's folder: its path is short, its mode 0700, and it exists until ``remove``.

    The sandbox counts as running while this process holds the lock in it, in any PID namespace; the kernel releases the lock
    when the process ends.
    """

    def __init__(self, path: Path, lock: int) -> None:
        self.path = path
        self._lock = lock

    @staticmethod
    def make(*, demo: bool = False) -> RunFolder:
        """Create a folder in the temporary folder, for a sandbox or for the demo that starts one. Raises OSError."""
        parent = _parent()
        _demand_safe(parent)
        path = Path(tempfile.mkdtemp(prefix=_DEMO_PREFIX if demo else _PREFIX, dir=parent))
        try:
            # It is locked before it gets its final name, so that a sweep never finds it unlocked.
            lock = os.open(path / f".{_LOCK}", os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            (path / f".{_LOCK}").rename(path / _LOCK)
        except OSError:
            shutil.rmtree(path, ignore_errors=True)
            raise
        return RunFolder(path, lock)

    def record(self, pid: int) -> None:
        """Record a process that was started for this sandbox."""
        started = started_at(pid)
        if started:
            # On a full disk the process isn't recorded, but identified by its environment.
            with contextlib.suppress(OSError), (self.path / _CHILDREN).open("a") as file:
                file.write(f"{pid} {started}\n")

    def let_in(self, user: User) -> None:
        """Let a user enter the folder; they can't list its content. Raises OSError."""
        folder = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            os.fchown(folder, -1, user.gid)
            os.fchmod(folder, 0o710)
        finally:
            os.close(folder)

    def remove(self) -> None:
        """Delete the folder with everything in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1


def _parent() -> Path:
    """The parent of run folders: the temporary folder.

    Or /tmp, if that path is too long for a Unix socket, or if it is root's own, since root's sandbox runs as another user.
    """
    usual = Path(tempfile.gettempdir())
    suits = len(str(usual)) < 60 and (os.geteuid() != 0 or _is_open(usual))
    return usual if suits else Path("/tmp")  # noqa: S108 - mkdtemp makes the folder inside safely


def _is_open(folder: Path) -> bool:
    """Whether every user may enter a folder. A missing folder counts as open."""
    with contextlib.suppress(OSError):
        return all(each.stat().st_mode & 0o001 for each in (folder.resolve(), *folder.resolve().parents))
    return True


def _demand_safe(parent: Path) -> None:
    """Raise PermissionError for a folder in which another user could replace our folder."""
    for folder in (parent.resolve(), *parent.resolve().parents):
        status = folder.stat()
        shared = status.st_mode & 0o022 and not status.st_mode & stat.S_ISVTX
        if shared or status.st_uid not in {0, os.geteuid()}:
            raise PermissionError(errno.EACCES, "another user can rename what is in this folder", str(folder))


def sweep() -> list[Path]:
    """Kill the processes of this user's dead sandboxes, delete their folders, and return the folders."""
    removed = []
    for path in sorted([*_parent().glob(f"{_PREFIX}*"), *_parent().glob(f"{_DEMO_PREFIX}*")]):
        lock = _abandoned(path)
        if lock is None:
            continue
        try:
            _end_processes(path)
            shutil.rmtree(path, ignore_errors=True)
            removed.append(path)
        finally:
            os.close(lock)
    return removed


def _abandoned(path: Path) -> int | None:
    """The lock of a dead sandbox's folder, which is now ours; None if it is running, or isn't certainly a sandbox's and ours."""
    try:
        status = path.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
            return None
        lock = os.open(path / _LOCK, os.O_RDWR | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        return None
    return lock


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
    """Processes whose environment has the path of a pod in this folder (if /proc is available)."""
    mark = _MARK + os.fsencode(path) + b"/"
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if any(variable.startswith(mark) for variable in (entry / "environ").read_bytes().split(b"\0")):
                pid = int(entry.name)
                found.append(Identity(pid, started_at(pid)))
    return found
