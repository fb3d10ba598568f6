"""The whole sandbox as a program: it says when it is ready, and leaves nothing behind, however it ends."""

import asyncio
import json
import os
import signal
import socket
import sys
import time
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from meshtui.sandbox import leftovers
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


async def test_an_unknown_scenario_names_the_known_ones():
    with pytest.raises(SandboxError, match=r"choose from: .*healthy"):
        async with running_sandbox("nonsense"):
            pass


async def test_a_folder_that_cannot_be_written_is_one_clear_line(monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", "/nowhere/at/all")
    with pytest.raises(SandboxError, match="can't make its folder"):
        async with running_sandbox("healthy"):
            pass
