"""Threads that can be stopped when their caller is cancelled, while they run a plugin or read from a pipe.

A thread can't be cancelled, and the program doesn't end before its threads. Code that may block for long in a thread therefore
also waits for a ``Stop``.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import selectors
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import TypeVar

from meshtui.sources.kubernetes.limits import FILE_BYTES, FILE_S, size

T = TypeVar("T")


class StoppedError(Exception):
    """The caller was cancelled; users never see this error."""


class Stop:
    """A request to stop, on which a thread can wait together with file descriptors."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wanted = False
        self._wakers: list[int] = []

    def set(self) -> None:
        """Wake all current and future waiters."""
        with self._lock:
            self._wanted = True
            for waker in self._wakers:
                os.write(waker, b"x")

    @contextlib.contextmanager
    def opened(self) -> Iterator[int]:
        """A file descriptor that becomes readable when this is set."""
        reader, waker = os.pipe()
        with self._lock:
            self._wakers.append(waker)
            if self._wanted:
                os.write(waker, b"x")
        try:
            yield reader
        finally:
            with self._lock:
                self._wakers.remove(waker)
            os.close(reader)
            os.close(waker)


_current: ContextVar[Stop | None] = ContextVar("meshtui_stop", default=None)


@contextlib.contextmanager
def stop_requested() -> Iterator[int | None]:
    """A file descriptor that becomes readable when the caller of this thread is cancelled; None outside of ``in_thread``."""
    stop = _current.get()
    if stop is None:
        yield None
        return
    with stop.opened() as descriptor:
        yield descriptor


async def in_thread(function: Callable[[], T]) -> T:
    """Run ``function`` in a thread and return its result. If the caller is cancelled, the thread is told to stop."""
    stop = Stop()

    def run() -> T:
        _current.set(stop)  # to_thread copies the context
        return function()

    task = asyncio.ensure_future(asyncio.to_thread(run))
    # Retrieve the exception, in case nobody awaits the result.
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        stop.set()
        raise


def read_file(path: str, *, limit: int = FILE_BYTES, wait_s: float = FILE_S) -> bytes:
    """The whole content of a small file; a pipe (``<(...)``) is read until its writer closes it, within ``wait_s`` seconds.

    Raises OSError with the reason (too large, no writer, a directory), and StoppedError if the caller was cancelled.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    try:
        state = os.fstat(descriptor)
        if stat.S_ISDIR(state.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        if stat.S_ISREG(state.st_mode):
            with open(descriptor, "rb", closefd=False) as file:
                data = file.read(limit + 1)
        else:
            data = _read_pipe(descriptor, path, limit, wait_s)
    finally:
        os.close(descriptor)
    if len(data) > limit:
        raise OSError(0, f"it is larger than {size(limit)}", path)
    return data


def _read_pipe(descriptor: int, path: str, limit: int, wait_s: float) -> bytes:
    """Read until the end of a pipe or device, or one byte beyond the limit."""
    data, deadline = bytearray(), time.monotonic() + wait_s
    with selectors.DefaultSelector() as selector, stop_requested() as stop:
        try:
            selector.register(descriptor, selectors.EVENT_READ)
        except PermissionError:  # files that epoll doesn't support, like /dev/null, are always ready
            return os.read(descriptor, limit + 1)
        if stop is not None:
            selector.register(stop, selectors.EVENT_READ)
        while len(data) <= limit:
            ready = {key.fd for key, _ in selector.select(max(0.0, deadline - time.monotonic()))}
            if stop in ready:
                raise StoppedError
            if descriptor not in ready:
                raise OSError(0, f"a pipe whose writer didn't finish within {wait_s:.0f} s", path)
            try:
                part = os.read(descriptor, 1 << 16)
            except BlockingIOError:
                continue
            if not part:
                break
            data += part
    return bytes(data)
