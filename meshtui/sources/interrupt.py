"""Threads that end when nobody waits for them any more: one that runs a plugin, or reads from a pipe, is told to stop.

A thread can't be cancelled, and the program doesn't end before its threads do. So whatever may wait for long in a thread
waits for a ``Stop`` too.
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

from meshtui.sources.limits import FILE_BYTES, FILE_S, size

T = TypeVar("T")


class StoppedError(Exception):
    """Nobody waits for this any more; never seen by a person."""


class Stop:
    """A wish to end, on which a thread can wait together with other files."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wanted = False
        self._wakers: list[int] = []

    def set(self) -> None:
        """Wake whoever waits, now and later."""
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
    """A file descriptor that becomes readable when nobody waits for this thread; None outside of ``in_thread``."""
    stop = _current.get()
    if stop is None:
        yield None
        return
    with stop.opened() as descriptor:
        yield descriptor


async def in_thread(function: Callable[[], T]) -> T:
    """What ``function`` gives, worked out in a thread; when the caller is cancelled, what it waits for is stopped."""
    stop = Stop()

    def run() -> T:
        _current.set(stop)  # to_thread runs it in a context of its own
        return function()

    task = asyncio.ensure_future(asyncio.to_thread(run))
    task.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody may be left to look at it
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        stop.set()
        raise


def read_file(path: str, *, limit: int = FILE_BYTES, wait_s: float = FILE_S) -> bytes:
    """A small file whole; a pipe (``<(...)``) until its writer closes it, which may take ``wait_s``.

    Raises OSError with the reason: too large, nobody writes, a directory; StoppedError when nobody waits any more.
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
    """Everything until the end of a pipe or device (one byte over the limit is enough)."""
    data, deadline = bytearray(), time.monotonic() + wait_s
    with selectors.DefaultSelector() as selector, stop_requested() as stop:
        try:
            selector.register(descriptor, selectors.EVENT_READ)
        except PermissionError:  # what epoll can't wait for is always ready: /dev/null
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
