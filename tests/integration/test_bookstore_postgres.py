"""The database image by itself: a real PostgreSQL that starts from a template, and never outlives its wrapper."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest

from meshtui.sandbox.bookstore.pgdata import ensure_template, installed_binaries
from meshtui.sandbox.images import images_for
from meshtui.sandbox.runtime import Runtime
from meshtui.sandbox.user import as_user, give_folder, open_folder

pytestmark = [pytest.mark.sandbox, pytest.mark.xdist_group("postgres")]  # one process: they share a template and a server

PASSWORD = 'it\'s a "secret" \\ one'


def eventually(condition: Callable[[], bool], within_s: float = 30.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "not within the deadline"
        time.sleep(0.02)


class DatabasePod:
    """One pod of the image, with a template folder of its own."""

    def __init__(self, root: Path, machine: Runtime) -> None:
        self.root, self.cache, self.machine = root / "pod", root / "cache", machine
        self.template: Path | None = None
        self.process: subprocess.Popen[bytes] | None = None
        if machine.user is not None:
            os.chown(root, -1, machine.user.gid)
            root.chmod(0o710)
        open_folder(self.root, machine.user)
        for name in ("s", "pg", "home"):
            give_folder(self.root / name, machine.user)

    def start(self, **extra: str) -> None:
        self.run(**extra)
        link = self.root / "s" / "5432"
        eventually(lambda: link.exists() or self.ended())
        assert link.exists(), self.log()

    def run(self, **extra: str) -> None:
        image = images_for(self.machine)("bookstore/postgres:18")
        assert image is not None
        assert image.command is not None
        env = {"PATH": os.environ["PATH"], **image.env, "POSTGRES_DB": "shop", "POSTGRES_PASSWORD": PASSWORD}
        env |= {"MESHTUI_POD_ROOT": str(self.root), "HOME": str(self.root / "home")}
        if self.template:
            env["MESHTUI_TEMPLATE"] = str(self.template)
        user = as_user(self.machine.user)
        with (self.root / "log").open("ab") as log:
            self.process = subprocess.Popen(image.command, env=env | extra, stdout=log, stderr=log, cwd="/", **user)

    def make_template(self) -> Path:
        binaries = self.machine.postgres or installed_binaries()
        self.template = ensure_template(binaries, self.root.parent, self.machine.user, self.cache)
        return self.template

    def log(self) -> str:
        return (self.root / "log").read_text()

    def ended(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def server(self) -> int:
        return int((self.root / "pg" / "data" / "postmaster.pid").read_text().split()[0])

    def connect(
        self, user: str = "shop", dbname: str = "shop", password: str = PASSWORD
    ) -> psycopg.Connection[tuple[object, ...]]:
        return psycopg.connect(host=str(self.root / "pg"), user=user, dbname=dbname, password=password, autocommit=True)

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
def pod(machine: Runtime) -> Iterator[DatabasePod]:
    with tempfile.TemporaryDirectory(prefix="bkp") as folder:
        it = DatabasePod(Path(folder), machine)
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


@pytest.fixture(scope="module")
def kept_template(machine: Runtime) -> Iterator[Path]:
    """A cache with a whole template, which its tests copy."""
    with tempfile.TemporaryDirectory(prefix="bkp") as folder:
        it = DatabasePod(Path(folder), machine)
        it.make_template()
        yield it.cache


@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "no checksum", "same size"])
def test_a_broken_template_is_made_anew(pod: DatabasePod, kept_template: Path, damage: str) -> None:
    shutil.copytree(kept_template, pod.cache)
    (kept,) = pod.cache.glob("*.tar")
    whole = kept.read_bytes()
    if damage == "missing":
        kept.unlink()
    elif damage == "no checksum":
        kept.with_suffix(".sha256").unlink()
    else:
        kept.write_bytes({"empty": b"", "cut": whole[:-512], "same size": bytes(len(whole))}[damage])
    made = pod.make_template().read_bytes()
    assert len(made) > 10_000_000
    assert made != whole, "each has an identifier of its own"
    assert kept.read_bytes() == made == pod.make_template().read_bytes()
    pod.start()
    assert "the template can't be used" not in pod.log()
    with pod.connect() as connection:
        assert connection.execute("select 1").fetchone() == (1,)


def test_one_template_a_version_is_kept_and_unused_ones_go(pod: DatabasePod, kept_template: Path, tmp_path: Path) -> None:
    shutil.copytree(kept_template, pod.cache)
    (kept,) = pod.cache.glob("*.tar")
    old, recent = pod.cache / "postgres-18-0.1-1.tar", pod.cache / "postgres-18-0.2-1.tar"
    for other in (old, recent):
        other.write_bytes(b"")
        other.with_suffix(".sha256").write_text("")
    os.utime(old, (0, 0))
    installed = installed_binaries()
    again = tmp_path / "again" / installed.name
    again.mkdir(parents=True)
    (again / "initdb").write_bytes((installed / "initdb").read_bytes())  # the same version, installed at another time
    assert ensure_template(again, tmp_path, pod.machine.user, pod.cache).stat().st_size > 10_000_000
    assert set(pod.cache.glob("*.tar")) == {kept, old, recent}
    kept.unlink()
    pod.make_template()
    assert set(pod.cache.iterdir()) == {part for tar in (kept, recent) for part in (tar, tar.with_suffix(".sha256"))}


def test_a_template_that_cant_be_unpacked_costs_time_only(pod: DatabasePod) -> None:
    pod.template = pod.root.parent / "template.tar"
    pod.template.write_bytes(b"nonsense" * 1000)
    pod.template.chmod(0o644)
    pod.start()
    assert "the template can't be used" in pod.log()
    with pod.connect() as connection:
        assert connection.execute("select 1").fetchone() == (1,)


def test_a_cache_that_cant_be_written_costs_the_template_only(pod: DatabasePod) -> None:
    pod.cache.write_text("")
    assert pod.make_template().is_file()


@pytest.mark.parametrize("user", ["shop", "postgres", "nobody", "ecom"])
@pytest.mark.parametrize("database", ["shop", "postgres", "template1"])
@pytest.mark.parametrize("password", ["", "wrong", "shop", "postgres"])
def test_without_the_password_nobody_gets_in(database_pod: DatabasePod, user: str, database: str, password: str) -> None:
    with pytest.raises(psycopg.OperationalError):
        database_pod.connect(user, database, password)


@pytest.mark.parametrize(("user", "database"), [("postgres", "shop"), ("postgres", "postgres"), ("shop", "postgres")])
def test_with_the_password_only_the_service_gets_into_its_own_database(
    database_pod: DatabasePod, user: str, database: str
) -> None:
    with pytest.raises(psycopg.OperationalError):
        database_pod.connect(user, database)


@pytest.mark.parametrize(
    "sql",
    [
        "copy (select 1) to program 'id'",
        "create temp table t (x text); copy t from program 'id'",
        "create temp table t (x text); copy t from '/etc/passwd'",
        "select pg_read_file('/etc/passwd')",
        "select lo_import('/etc/passwd')",
        "create role other superuser",
        "alter role shop superuser",
        "set role postgres",
        "alter system set shared_preload_libraries = 'x'",
        "create extension plperlu",
        "create function f() returns int as '/lib/x86_64-linux-gnu/libc.so.6', 'getpid' language c",
        "load '/tmp/x.so'",
    ],
)
def test_the_service_itself_cant_run_programs_or_read_files(database_pod: DatabasePod, sql: str) -> None:
    with database_pod.connect() as connection, pytest.raises(psycopg.Error) as refused:
        connection.execute(sql)
    assert refused.value.sqlstate in {"42501", "0A000"}, refused.value


@pytest.fixture(scope="module")
def database_pod(machine: Runtime) -> Iterator[DatabasePod]:
    """One that its tests leave as it is."""
    with tempfile.TemporaryDirectory(prefix="bkp") as folder:
        it = DatabasePod(Path(folder), machine)
        it.make_template()
        it.start()
        yield it
        it.end()


def test_it_doesnt_start_without_a_password_and_says_so(pod: DatabasePod) -> None:
    pod.run(POSTGRES_PASSWORD="")
    eventually(pod.ended)
    assert "POSTGRES_PASSWORD is not set" in pod.log()


@pytest.mark.skipif(os.geteuid() != 0, reason="NOT TESTED: only root can be a user without a name")
def test_a_user_without_an_entry_in_the_password_database_gets_one_too(pod: DatabasePod) -> None:
    assert pod.machine.user is not None
    with pytest.raises(KeyError):
        pwd.getpwuid(pod.machine.user.uid)
    pod.start()
    with pod.connect() as connection:
        assert connection.execute("select 1").fetchone() == (1,)
