"""The process of one container: it runs in its own process group, and its output is logged with timestamps."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable
from pathlib import Path

from meshtui.sandbox.runtime import Runtime
from meshtui.sandbox.user import as_user

_CHUNK = 65536
_LONGEST_LINE = 16384


class ContainerProcess:
    """A running command. ``line`` is called with each line of stdout and stderr."""

    def __init__(self, process: asyncio.subprocess.Process, line: Callable[[str], None]) -> None:
        self._process = process
        self._line = line
        self._reading = asyncio.create_task(self._read())

    @staticmethod
    async def start(
        command: list[str], env: dict[str, str], folder: Path, line: Callable[[str], None], runtime: Runtime
    ) -> ContainerProcess:
        """Start a command as the pods' user. Raises OSError if it can't be started."""
        process = await asyncio.create_subprocess_exec(
            runtime.python,
            "-I",
            "-S",
            str(runtime.spawner),
            str(os.getpid()),
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=env | runtime.loader_env,
            cwd=folder,
            start_new_session=True,
            **as_user(runtime.user),
        )
        return ContainerProcess(process, line)

    @property
    def pid(self) -> int:
        """The process id, which is also its group's."""
        return self._process.pid

    async def wait(self) -> int:
        """Wait for its end. Returns the exit code, or 128 + the signal's number."""
        code = await self._process.wait()
        self.signal(signal.SIGKILL)  # a container ends with its first process: the rest of the group is killed
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1):
                await self._reading
        self._reading.cancel()
        return code if code >= 0 else 128 - code

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the whole group."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    async def stop(self, grace_s: float) -> None:
        """SIGTERM, then after the grace period SIGKILL; returns when the process is gone."""
        if self._process.returncode is None and grace_s > 0:
            self.signal(signal.SIGTERM)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(grace_s):
                    await self._process.wait()
        self.signal(signal.SIGKILL)
        await self._process.wait()

    async def _read(self) -> None:
        stream = self._process.stdout
        if stream is None:
            return
        rest = b""
        while chunk := await stream.read(_CHUNK):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                self._line(line.decode("utf-8", "replace"))
            if len(rest) > _LONGEST_LINE:
                self._line(rest.decode("utf-8", "replace"))
                rest = b""
        if rest:
            self._line(rest.decode("utf-8", "replace"))
