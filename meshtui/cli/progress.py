"""Progress on standard error: a line that is rewritten on a terminal, and nothing in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

_SILENT_S = 1.0
"""Nothing is shown for the first second."""
_RENEWED_S = 0.25
Count = Callable[[], tuple[int, int]]
_CLEAR = "\r\x1b[K"


def shown() -> bool:
    """Whether standard error is a terminal."""
    return sys.stderr.isatty()


class Progress:
    """The progress of a known number of steps, with an estimate of the remaining time. Nothing is written in the first second."""

    def __init__(self, what: str, total: int) -> None:
        self._what = what
        self._total = total
        self._done = 0
        self._started = time.monotonic()
        self._written = self._started + _SILENT_S - _RENEWED_S
        self._any = False

    def step(self) -> None:
        """Count one step."""
        self._done += 1
        now = time.monotonic()
        if now - self._written < _RENEWED_S or not shown():
            return
        self._written, self._any = now, True
        _write(f"{_CLEAR}… {self.words(now - self._started)}")

    def words(self, elapsed_s: float) -> str:
        """The progress and the remaining time as text."""
        left_s = elapsed_s / max(self._done, 1) * max(self._total - self._done, 0)
        return f"{self._what}: {self._done} of {self._total}, about {_span(left_s)} left"

    def end(self) -> None:
        """Erase the line."""
        if self._any:
            self._any = False
            _write(_CLEAR)


@asynccontextmanager
async def progress(what: str, seconds: float | None = None, count: Count | None = None) -> AsyncIterator[None]:
    """Show the elapsed and the remaining time of an operation while the block runs.

    ``seconds`` is its maximum duration, if known; ``count`` returns how much is done, and how much remains.
    """
    import asyncio

    task = asyncio.create_task(_tell(what, seconds, count)) if shown() else None
    try:
        yield
    finally:
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def _tell(what: str, seconds: float | None, count: Count | None) -> None:
    import asyncio

    started = time.monotonic()
    await asyncio.sleep(_SILENT_S)
    try:
        while True:
            elapsed_s = time.monotonic() - started
            done, remain = count() if count is not None else (0, 0)
            if remain:
                left_s = elapsed_s / max(done, 1) * remain
                _write(f"{_CLEAR}… {what}: {done:,} of {done + remain:,} objects, about {_span(left_s)} left")
            else:
                most = f" of at most {_span(seconds)}" if seconds is not None else ""
                _write(f"{_CLEAR}… {what}: {_span(elapsed_s)}{most}")
            await asyncio.sleep(_RENEWED_S)
    finally:
        _write(_CLEAR)


def _span(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def _write(text: str) -> None:
    from meshtui.cli.guarded import bare

    stream = bare(sys.stderr)
    stream.write(text)
    stream.flush()
