"""The database image: a real PostgreSQL on a Unix socket, without persistent data.

The data is in the pod's folder and created at each start, since these StatefulSets have no volume. One role can log in, with
the password in the pod's Secret. It is no superuser, so a client can't run programs or read files.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from meshtui.sandbox.bookstore import pgdata
from meshtui.sandbox.ports import PodPaths

PORT = 5432
_START_AT_MOST_S = 30.0
_OPTIONS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
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
    """The files of one server; only its user can enter ``folder``."""

    binaries: Path
    folder: Path
    link: Path

    @property
    def data(self) -> Path:
        """The data folder."""
        return self.folder / "data"

    @property
    def socket(self) -> Path:
        """The socket, with PostgreSQL's name for it; ``link`` is the path that the sandbox uses."""
        return self.folder / f".s.PGSQL.{PORT}"


def clear(place: Place) -> None:
    """Stop the server of an earlier start in the same pod, and remove its data."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        pid = int((place.data / "postmaster.pid").read_text().split()[0])
        # The pid may have been reused: the process is our server only if it uses this data folder.
        if Path(f"/proc/{pid}/cwd").resolve() == place.data.resolve():
            os.kill(pid, signal.SIGQUIT)
            _wait_gone(pid)
    place.link.unlink(missing_ok=True)
    place.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    shutil.rmtree(place.data, ignore_errors=True)
    place.socket.unlink(missing_ok=True)


def _wait_gone(pid: int) -> None:
    deadline = time.monotonic() + 5
    with contextlib.suppress(ProcessLookupError):
        while time.monotonic() < deadline:
            os.kill(pid, 0)
            time.sleep(0.02)


def start(place: Place) -> int:
    """Fork and start the server, and return its pid. It ends when this process ends, for whatever reason (on Linux)."""
    command = [str(place.binaries / "postgres"), "-D", str(place.data)]
    parent = os.getpid()
    die_with_parent = _bond_with_parent()  # computed before the fork: the child should do as little as possible
    pid = os.fork()
    if pid:
        return pid
    try:
        os.umask(0o077)
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
    """A function for the child that makes the kernel end it with its parent (on Linux only)."""
    if sys.platform != "linux":
        return lambda: None
    import ctypes

    prctl = ctypes.CDLL(None, use_errno=True).prctl
    pr_set_pdeathsig = 1
    return lambda: prctl(pr_set_pdeathsig, int(signal.SIGQUIT), 0, 0, 0)


def create_database(place: Place, name: str, password: str) -> bool:
    """Wait for the server and make the database with its owner, the only role that can log in. Returns False on failure.

    Until then, the superuser can log in through the socket in the server's private folder; the pod's port isn't open yet.
    """
    role, secret = _quoted(name, '"'), _quoted(password, "'")
    # initdb's own database is renamed, which is much faster than copying one. Its comment describes what it was for.
    sql = (
        "set password_encryption = 'scram-sha-256';\n"
        f"create role {role} login nosuperuser nocreatedb nocreaterole noreplication password {secret};\n"
        f"alter database postgres rename to {role};\n"
        f"alter database {role} owner to {role};\n"
        f"comment on database {role} is null;\n"
        "alter role postgres nologin;\n"
    )
    if not _until(place, lambda: _psql(place, "postgres", "template1", sql)):
        return False
    write_access(place, f"local {role} {role} scram-sha-256\n")
    reload_settings(place)
    return _until(place, lambda: _psql(place, name, name, "select 1;", password))


def _quoted(text: str, mark: str) -> str:
    return mark + text.replace(mark, mark * 2) + mark


def write_access(place: Place, rules: str) -> None:
    """Write pg_hba.conf: only the owner may log in."""
    (place.data / "pg_hba.conf").write_text(f"{rules}local all all reject\nhost all all all reject\n", "utf-8")


def write_settings(place: Place) -> None:
    """Replace initdb's settings by those for a server of the sandbox."""
    options = {**_OPTIONS, "port": str(PORT), "unix_socket_directories": str(place.folder)}
    text = "".join(f"{name} = '{value}'\n" for name, value in options.items())
    (place.data / "postgresql.conf").write_text(text, "utf-8")


def reload_settings(place: Place) -> None:
    """Make the server read its configuration again."""
    os.kill(int((place.data / "postmaster.pid").read_text().split()[0]), signal.SIGHUP)


def _psql(place: Place, user: str, database: str, sql: str, password: str = "") -> str:
    """Run SQL from standard input (all users can read a command line). Returns the error, or an empty string."""
    command = [str(place.binaries / "psql"), "-h", str(place.folder), "-p", str(PORT), "-U", user, "-d", database]
    command += ["-X", "-q", "-w", "-v", "ON_ERROR_STOP=1", "-f", "-"]
    environment = {"PATH": os.defpath, "PGCONNECT_TIMEOUT": "5", "PGPASSWORD": password}
    done = subprocess.run(command, input=sql, capture_output=True, text=True, check=False, env=environment)
    return "" if done.returncode == 0 else done.stderr.strip() or f"psql ended with status {done.returncode}"


def _until(place: Place, attempt: Callable[[], str]) -> bool:
    """Retry until it succeeds. Returns False if the server ends or the time is over."""
    deadline, said = time.monotonic() + _START_AT_MOST_S, ""
    while time.monotonic() < deadline:
        problem = attempt() if place.socket.exists() else "starting up"
        if not problem:
            return True
        if problem != said and not any(words in problem for words in ("starting up", "could not connect", "rejects")):
            print(problem, flush=True)
            said = problem
        if os.waitpid(-1, os.WNOHANG)[0]:
            return False
        time.sleep(0.02)
    return False


def fill(place: Place, template: Path | None) -> None:
    """Create the data folder, from the template if there is one. Raises NoDatabaseError or OSError."""
    place.data.mkdir(mode=0o700)
    if template is not None and template.is_file():
        try:
            pgdata.unpack(template, place.data)
        except (OSError, tarfile.TarError) as error:
            print(f"the template can't be used: {error}", flush=True)
            shutil.rmtree(place.data)
            place.data.mkdir(mode=0o700)
        else:
            return
    with tempfile.TemporaryDirectory(dir=place.folder) as work:
        pgdata.initialise(place.binaries, place.data, None, Path(work))


def run(root: Path, name: str, password: str, template: Path | None) -> int:
    """Run the container: create the data, start the server, publish its socket, forward signals. Returns the exit code."""
    place = Place(pgdata.installed_binaries(), root / "pg", PodPaths(root).socket(PORT))
    clear(place)
    fill(place, template)
    write_settings(place)
    write_access(place, "local template1 postgres trust\n")
    pid = start(place)
    _hand_on_signals(pid)
    if not create_database(place, name, password):
        return 1
    place.link.parent.mkdir(mode=0o700, exist_ok=True)
    place.link.symlink_to(Path("..", "pg", place.socket.name))
    _, status = os.waitpid(pid, 0)
    place.link.unlink(missing_ok=True)
    return os.waitstatus_to_exitcode(status)


def _hand_on_signals(pid: int) -> None:
    """Forward SIGTERM as SIGINT: on SIGTERM, PostgreSQL would wait for its clients to disconnect."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGINT)

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, stop)


def main() -> int:
    """Run the container: database ``POSTGRES_DB`` in the pod of ``MESHTUI_POD_ROOT``."""
    env = os.environ
    password = env.get("POSTGRES_PASSWORD", "")
    if os.geteuid() == 0:
        print("PostgreSQL doesn't run as root", flush=True)
    elif not password:
        print("POSTGRES_PASSWORD is not set", flush=True)
    else:
        template = Path(env["MESHTUI_TEMPLATE"]) if "MESHTUI_TEMPLATE" in env else None
        try:
            return run(Path(env["MESHTUI_POD_ROOT"]), env.get("POSTGRES_DB", "app"), password, template)
        except (pgdata.NoDatabaseError, OSError) as error:
            print(f"can't start PostgreSQL: {error}", flush=True)
    return 1


if __name__ == "__main__":
    sys.exit(main())
