"""The database image by itself: a real PostgreSQL that starts from a template, and never outlives its wrapper."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from meshtui.sandbox.bookstore.pgdata import fresh, ordinary_user
from meshtui.sandbox.bookstore.postgres import installed_binaries
from meshtui.sandbox.images import lookup

pytestmark = [pytest.mark.sandbox]


def eventually(condition: Callable[[], bool], within_s: float = 30.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "not within the deadline"
        time.sleep(0.02)


class DatabasePod:
    """One pod of the image, with a template folder of its own."""

    def __init__(self, root: Path) -> None:
        self.root, self.cache = root / "pod", root / "cache"
        self.root.mkdir()
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        image = lookup("bookstore/postgres:18")
        assert image is not None
        assert image.command is not None
        env = {**os.environ, **image.env, "MESHTUI_CACHE": str(self.cache), "POSTGRES_DB": "shop"}
        env |= {"MESHTUI_POD_ROOT": str(self.root), "HOME": str(self.root), "TMPDIR": str(self.root)}
        with (self.root / "log").open("ab") as log:
            self.process = subprocess.Popen(image.command, env=env, stdout=log, stderr=log)
        link = self.root / "s" / "5432"
        eventually(lambda: link.exists() or self.ended())
        assert link.exists(), (self.root / "log").read_text()

    def ended(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def server(self) -> int:
        return int((self.root / "pg" / "data" / "postmaster.pid").read_text().split()[0])

    def connect(self) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(host=str(self.root / "pg"), user="shop", dbname="shop", autocommit=True)

    def end(self, number: int = signal.SIGTERM) -> int:
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(20)


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture
def pod() -> Iterator[DatabasePod]:
    with tempfile.TemporaryDirectory(prefix="bkp") as folder:
        it = DatabasePod(Path(folder))
        yield it
        if it.process is not None and not it.ended():
            it.end(signal.SIGKILL)


def test_a_restarted_database_is_empty(pod: DatabasePod) -> None:
    pod.start()
    with pod.connect() as connection:
        connection.execute("create table t (n int)")
    assert pod.end() == 0
    pod.start()
    with pod.connect() as connection:
        row = connection.execute("select count(*) from pg_tables where tablename = 't'").fetchone()
    assert row == (0,)


def test_sigterm_ends_it_although_a_client_is_connected(pod: DatabasePod) -> None:
    pod.start()
    server = pod.server()
    with pod.connect() as connection:
        assert pod.end() == 0
        with pytest.raises(psycopg.OperationalError):
            connection.execute("select 1")
    assert not is_running(server)
    assert not (pod.root / "s" / "5432").is_symlink()


def test_a_killed_wrapper_takes_the_server_along_and_the_next_start_works(pod: DatabasePod) -> None:
    pod.start()
    server = pod.server()
    pod.end(signal.SIGKILL)
    eventually(lambda: not is_running(server))
    pod.start()
    with pod.connect() as connection:
        assert connection.execute("select 1").fetchone() == (1,)


@pytest.mark.parametrize("damage", ["missing", "empty", "unreadable-manifest", "same-size"])
def test_a_broken_template_is_made_anew(pod: DatabasePod, damage: str) -> None:
    pod.start()
    pod.end()
    (template,) = pod.cache.iterdir()
    control = template / "data" / "global" / "pg_control"
    if damage == "missing":
        control.unlink()
    elif damage == "empty":
        control.write_bytes(b"")
    elif damage == "same-size":
        control.write_bytes(bytes(control.stat().st_size))
    else:
        (template / "template.json").write_text("{")
    pod.start()
    with pod.connect() as connection:
        assert connection.execute("select 1").fetchone() == (1,)


def test_a_cache_that_cant_be_written_costs_the_template_only(tmp_path: Path) -> None:
    occupied = tmp_path / "file"
    occupied.write_text("")
    with tempfile.TemporaryDirectory(prefix="bkp") as folder:
        Path(folder).chmod(0o755)
        target = Path(folder, "data")
        target.mkdir(mode=0o700)
        fresh(installed_binaries(), target, ordinary_user(), occupied / "cache")
        assert (target / "PG_VERSION").read_text().strip() == "18"
