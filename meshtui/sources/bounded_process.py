"""Runs another program without the terminal, within limits on its time and its output; its whole group ends with it."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from meshtui.sources.interrupt import StoppedError, stop_requested
from meshtui.sources.limits import PLUGIN_BYTES, PLUGIN_S

_LOOK_EVERY_S = 0.1
"""How often it is looked whether the program has ended, while something that it started keeps its output open."""
_KEPT_BYTES = 1 << 16
"""The end of stderr that is kept."""


class TimeLimitError(Exception):
    """The program took too long; ``said`` is the end of what it wrote to stderr."""

    def __init__(self, said: bytes) -> None:
        super().__init__("it took too long")
        self.said = said


class OutputLimitError(Exception):
    """The program printed too much; ``said`` is the end of what it wrote to stderr."""

    def __init__(self, said: bytes) -> None:
        super().__init__("it printed too much")
        self.said = said


@dataclass(frozen=True, slots=True)
class Ended:
    """A program that has ended: its exit code, what it printed, and the end of what it wrote to stderr."""

    code: int
    printed: bytes
    said: bytes


def run_bounded(words: Sequence[str], environment: Mapping[str, str]) -> Ended:
    """Run a program in a session of its own: it has no controlling terminal, so it can't ask for a password there.

    Raises OSError when it can't be started, TimeLimitError, OutputLimitError, and StoppedError when nobody waits for it any
    more; then it and everything that it started in its group are killed.
    """
    with subprocess.Popen(
        words,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=dict(environment),
        start_new_session=True,
    ) as process:
        try:
            return _watch(process)
        except BaseException:
            _kill_group(process)
            raise


def _watch(process: subprocess.Popen[bytes]) -> Ended:
    """Read both outputs until the program has ended."""
    assert process.stdout is not None  # noqa: S101  (Popen gives what was asked for)
    assert process.stderr is not None  # noqa: S101
    out, err = process.stdout.fileno(), process.stderr.fileno()
    read = {out: bytearray(), err: bytearray()}
    deadline = time.monotonic() + PLUGIN_S
    with selectors.DefaultSelector() as selector, stop_requested() as stop:
        for descriptor in (out, err, *([] if stop is None else [stop])):
            selector.register(descriptor, selectors.EVENT_READ)
        open_ends = {out, err}
        while True:
            ended = process.poll() is not None
            ready = {key.fd for key, _ in selector.select(0 if ended else _LOOK_EVERY_S)}
            if stop in ready:
                raise StoppedError
            for descriptor in ready & open_ends:
                part = os.read(descriptor, 1 << 16)
                read[descriptor] += part
                if not part:
                    open_ends.remove(descriptor)
                    selector.unregister(descriptor)
            del read[err][:-_KEPT_BYTES]
            if len(read[out]) > PLUGIN_BYTES:
                raise OutputLimitError(bytes(read[err]))
            if ended and not ready & {out, err}:  # what it started may keep its output open: that is not waited for
                return Ended(process.returncode, bytes(read[out]), bytes(read[err]))
            if time.monotonic() > deadline:
                raise TimeLimitError(bytes(read[err]))


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    """End the program and what it started, at once: it has had its time."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()
