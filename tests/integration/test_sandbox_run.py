"""The whole sandbox as a program: it says when it is ready, and leaves nothing behind, however it ends."""

import asyncio
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from meshtui.sandbox import images, leftovers
from meshtui.sandbox.ports import Image
from meshtui.sandbox.run import SandboxError, running_sandbox, serve

pytestmark = pytest.mark.sandbox

PROGRAM = """
import asyncio, json, sys
from pathlib import Path
from meshtui.sandbox.run import serve
asyncio.run(serve("healthy", Path(sys.argv[1]), lambda said: print(json.dumps(said), flush=True)))
"""


def processes_naming(folder):
    """Living processes whose command line or environment names a folder."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            text = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
        except OSError:
            continue
        if os.fsencode(folder) in text and leftovers.started_at(int(entry.name)):
            found.append(int(entry.name))
    return found


async def until(condition, deadline_s=30.0):
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end, "not in time"
        await asyncio.sleep(0.05)


@asynccontextmanager
async def program(tmp_path):
    temporary = Path("/tmp") / f"mtt-{os.getpid()}-{time.monotonic_ns() % 100000}"
    temporary.mkdir()
    temporary.chmod(0o755)  # whatever the umask: root's sandbox runs as another user
    environment = os.environ | {"TMPDIR": str(temporary)}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, str(tmp_path), stdout=asyncio.subprocess.PIPE, env=environment
    )
    try:
        said = json.loads(await asyncio.wait_for(process.stdout.readline(), 100))
        yield process, said, temporary
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("tempfile.tempdir", str(temporary))
            leftovers.sweep()
        assert list(temporary.glob("mt-*")) == []
        for left in temporary.iterdir():
            left.unlink()
        temporary.rmdir()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
async def test_it_announces_itself_and_ends_cleanly(tmp_path):
    async with program(tmp_path) as (process, said, temporary):
        assert said["ready"] is True
        assert said["scenario"] == "healthy"
        assert said["kubeconfig"] == str(tmp_path / "kubeconfig")
        assert said["gateway"].startswith("http://127.0.0.1:")
        (run_dir,) = temporary.glob("mt-*")
        assert run_dir.stat().st_mode & 0o700 == 0o700
        assert len(processes_naming(run_dir)) > 5
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 30) == 0
        assert not run_dir.exists()
        await until(lambda: processes_naming(run_dir) == [])


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
async def test_what_a_killed_one_leaves_is_swept_by_the_next(tmp_path, monkeypatch):
    async with program(tmp_path) as (process, _, temporary):
        (run_dir,) = temporary.glob("mt-*")
        process.kill()
        await process.wait()
        monkeypatch.setattr("tempfile.tempdir", str(temporary))
        assert leftovers.sweep() == [run_dir]
        assert not run_dir.exists()
        await until(lambda: processes_naming(run_dir) == [])


async def test_a_port_in_use_is_one_clear_line():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SandboxError, match="Address already in use") as caught:
            async with running_sandbox("healthy", port=port):
                pass
        assert "choose another port" in str(caught.value)


async def test_a_lifeline_that_never_breaks_is_one_clear_line():
    null = os.open(os.devnull, os.O_RDONLY)
    try:
        with pytest.raises(SandboxError, match="neither a pipe nor a terminal"):
            await serve("healthy", None, lambda _: None, lifeline=null)
    finally:
        os.close(null)


def limited(*, files=None, size=None, temporary=None):
    """What a child does to itself first."""

    def apply():
        if files:
            resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
        if size:
            resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return {"preexec_fn": apply, "env": os.environ | ({"TMPDIR": str(temporary)} if temporary else {})}


def run_sandbox(*arguments, **how):
    """``meshtui sandbox`` that can't start: its exit code and what it says."""
    command = [sys.executable, "-m", "meshtui", "sandbox", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120, stdin=subprocess.DEVNULL, **how)
    return done.returncode, done.stderr.strip().splitlines()


@pytest.fixture
def temporary():
    with tempfile.TemporaryDirectory(prefix="mtt", dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def test_too_few_files_are_one_line(temporary):
    code, lines = run_sandbox(**limited(files=64, temporary=temporary))
    assert code == 3
    assert len(lines) == 1
    assert "only 64 files may be open at once (ulimit -n)" in lines[0]
    assert list(temporary.iterdir()) == []


def test_a_taken_port_is_one_line(temporary):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, lines = run_sandbox("--port", str(port), **limited(temporary=temporary))
    assert code == 3
    assert len(lines) == 1
    assert "Address already in use" in lines[0]
    assert str(port) in lines[0]
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("kilobytes", [16, 256, 8192])
@pytest.mark.skipif(os.geteuid() != 0, reason="NOT TESTED: only root can mount a small disk")
def test_a_full_disk_is_one_line(temporary, kilobytes):
    disk = temporary / "disk"
    disk.mkdir()
    options = f"size={kilobytes}k,mode=1777"
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", disk], check=False)
    if mounted.returncode != 0:
        pytest.skip("NOT TESTED: mounting isn't allowed here")
    try:
        code, lines = run_sandbox(**limited(temporary=disk))
        assert code == 3
        assert len(lines) == 1
        assert "No space left on device" in lines[0]
        assert list(disk.iterdir()) == []
    finally:
        subprocess.run(["umount", disk], check=True)


def test_files_that_may_not_grow_are_one_line(temporary):
    code, lines = run_sandbox(**limited(size=100_000, temporary=temporary))
    assert code == 3
    assert len(lines) == 1
    assert "File too large" in lines[0]
    assert list(temporary.iterdir()) == []


def test_no_curl_is_one_line(temporary):
    how = limited(temporary=temporary)
    code, lines = run_sandbox(**how | {"env": how["env"] | {"PATH": "/nowhere"}})
    assert (code, len(lines)) == (3, 1)
    assert "curl" in lines[0]


@pytest.mark.skipif(os.geteuid() != 0, reason="NOT TESTED: only root can lose capabilities")
@pytest.mark.parametrize("lost", ["setuid", "setgid", "chown"])
def test_root_that_may_not_become_another_user_is_one_line(temporary, lost):
    """A container with fewer capabilities than usual: PostgreSQL refuses to run as root, so nothing does."""
    command = ["setpriv", f"--bounding-set=-{lost}", f"--inh-caps=-{lost}", sys.executable, "-m", "meshtui", "sandbox"]
    environment = os.environ | {"TMPDIR": str(temporary)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, env=environment)
    assert done.returncode == 3
    (line,) = done.stderr.strip().splitlines()
    assert "Operation not permitted" in line
    assert "CHOWN, SETUID and SETGID" in line
    assert list(temporary.iterdir()) == []


async def test_what_doesnt_start_is_named_with_its_last_words(tmp_path, capsys, monkeypatch):
    """An endless CrashLoopBackOff in silence helps nobody."""
    broken = Image(("sh", "-c", "echo loading; echo it is broken; exit 3"), {})

    original = images.images_for

    def images_for(runtime, **env):
        healthy = original(runtime, **env)
        return lambda name: broken if "ui-service" in name else healthy(name)

    monkeypatch.setattr("meshtui.sandbox.images.images_for", images_for)
    running = asyncio.create_task(serve("healthy", tmp_path, lambda _: None))
    heard = ""
    async with asyncio.timeout(60):
        while "doesn't start" not in (heard := heard + capsys.readouterr().err):
            assert not running.done()
            await asyncio.sleep(0.1)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    (line,) = [line for line in heard.splitlines() if "doesn't start" in line]
    assert line.startswith("meshtui: ecom/ui-service-")
    assert line.endswith("doesn't start: it is broken")


async def test_an_unknown_scenario_names_the_known_ones():
    with pytest.raises(SandboxError, match=r"choose from: .*healthy"):
        async with running_sandbox("nonsense"):
            pass


async def test_a_folder_that_cannot_be_written_is_one_clear_line(monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", "/nowhere/at/all")
    with pytest.raises(SandboxError, match="can't make its folder"):
        async with running_sandbox("healthy"):
            pass
