"""Envoy never outlives the sandbox, however that ends."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

ONE_DATA_PLANE = """
import asyncio, sys
from pathlib import Path
from meshtui.sandbox.apiserver.store import Store
from meshtui.sandbox.dataplane import DataPlane
from meshtui.sandbox.ports import PodPaths

class Logs:
    def append(self, pod_uid, line): ...

async def main():
    run_dir = Path(sys.argv[1])
    plane = DataPlane(Store(), Logs(), run_dir, lambda uid: PodPaths(run_dir / "p" / uid))
    await plane.start()
    print(plane.envoy_pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


def gone(pid):
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_envoy_dies_with_a_sandbox_that_is_killed():
    run_dir = Path(tempfile.mkdtemp(prefix="mt"))
    sandbox = subprocess.Popen([sys.executable, "-c", ONE_DATA_PLANE, str(run_dir)], stdout=subprocess.PIPE, text=True)
    try:
        pid = int(sandbox.stdout.readline())
        assert psutil.Process(pid).name() == "envoy"
        os.kill(sandbox.pid, signal.SIGKILL)
        deadline = time.monotonic() + 8
        while not gone(pid):
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        sandbox.kill()
        sandbox.wait()
        sandbox.stdout.close()
        shutil.rmtree(run_dir)


async def test_stop_leaves_no_process(cluster):
    pid = cluster.plane.envoy_pid
    await cluster.plane.stop()
    assert gone(pid)
