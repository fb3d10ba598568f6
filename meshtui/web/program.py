"""The terminal program behind one page: a process of its own, which ends with the page."""

from __future__ import annotations

import asyncio
import os
import signal
from asyncio.subprocess import PIPE, Process
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from textual_serve.app_service import AppService
from textual_serve.download_manager import DownloadManager

WIDTHS, HEIGHTS = range(10, 501), range(4, 301)
"""The sizes of a terminal, in cells, that a page may ask for."""
QUIT_S, TERM_S = 5.0, 5.0
"""How long a program may take to quit when it is asked to, then when it is told to, in seconds; then it is killed."""


class Program(AppService):
    """Runs a command without a shell, in a process group of its own."""

    def __init__(
        self,
        argv: Sequence[str],
        *,
        write_bytes: Callable[[bytes], Awaitable[None]],
        write_str: Callable[[str], Awaitable[None]],
        close: Callable[[], Awaitable[None]],
    ) -> None:
        super().__init__("", write_bytes=write_bytes, write_str=write_str, close=close, download_manager=DownloadManager())
        self._argv = tuple(argv)

    async def _open_app_process(self, width: int = 80, height: int = 24) -> Process:
        """Start the command."""
        self._process = process = await asyncio.create_subprocess_exec(
            *self._argv,
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            env=self._build_environment(width, height),
            start_new_session=True,
        )
        if process.stdin is None:
            raise OSError("the program has no input")
        self._stdin = process.stdin
        return process

    async def open(self, width: int, height: int) -> None:
        """Start the program for a terminal of a size. Raises OSError."""
        await self.start(clamped(width, WIDTHS), clamped(height, HEIGHTS))

    async def resize(self, width: int, height: int) -> None:
        """Tell the program the new size of the terminal."""
        await self.set_terminal_size(clamped(width, WIDTHS), clamped(height, HEIGHTS))

    async def stop(self) -> None:
        """Ask the program to quit, then tell it to, then kill it. It is gone afterwards, with what it has started."""
        process = self._process
        if process is None:
            return
        with suppress(TimeoutError, OSError):
            async with asyncio.timeout(QUIT_S):
                await super().stop()
                await process.wait()
        for number in (signal.SIGTERM, signal.SIGKILL):
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, number if process.returncode is None else signal.SIGKILL)
            with suppress(TimeoutError):
                async with asyncio.timeout(TERM_S):
                    await process.wait()
                    break
        process._transport.close()  # type: ignore[attr-defined]  # noqa: SLF001  (its pipes, which a child may have kept open)


def clamped(size: int, sizes: range) -> int:
    """A size within what is allowed."""
    return min(max(size, sizes.start), sizes.stop - 1)
