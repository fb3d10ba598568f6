"""Runs a program without a terminal, with limits on its time and output. Its process group is killed when it ends."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from meshtui.sources.kubernetes.interrupt import StoppedError, stop_requested
from meshtui.sources.kubernetes.limits import PLUGIN_BYTES, PLUGIN_S

_LOOK_EVERY_S = 0.1
"""Interval at which the program's end is checked while one of its children keeps the output open."""
_KEPT_BYTES = 1 << 16
"""How many bytes at the end of stderr are kept."""


class TimeLimitError(Exception):
    """The program exceeded its time limit; ``said`` is the end of its stderr."""

    def __init__(self, said: bytes) -> None:
        super().__init__("it took too long")
        self.said = said


class OutputLimitError(Exception):
    """The program exceeded its output limit; ``said`` is the end of its stderr."""

    def __init__(self, said: bytes) -> None:
        super().__init__("it printed too much")
        self.said = said


@dataclass(frozen=True, slots=True)
class Ended:
    """A program that has ended: its exit code, its output, and the end of its stderr."""

    code: int
    printed: bytes
    said: bytes


def run_bounded(
    words: Sequence[str], environment: Mapping[str, str], *, seconds: float | None = None, most_bytes: int | None = None
) -> Ended:
    """Run a program in a session of its own: without a controlling terminal, it can't ask for a password.

    It may run for ``seconds`` and print ``most_bytes``; without them, the limits of exec plugins apply.

    Raises OSError if it can't be started, TimeLimitError, OutputLimitError, and StoppedError if the caller was cancelled. In
    all cases it and its process group are killed.
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
            return _watch(process, seconds or PLUGIN_S, most_bytes or PLUGIN_BYTES)
        except BaseException:
            _kill_group(process)
            raise


def _watch(process: subprocess.Popen[bytes], seconds: float, most_bytes: int) -> Ended:
    """Read both outputs until the program has ended."""
    assert process.stdout is not None  # noqa: S101  (Popen gives what was asked for)
    assert process.stderr is not None  # noqa: S101
    out, err = process.stdout.fileno(), process.stderr.fileno()
    read = {out: bytearray(), err: bytearray()}
    deadline = time.monotonic() + seconds
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
            if len(read[out]) > most_bytes:
                raise OutputLimitError(bytes(read[err]))
            if ended and not ready & {out, err}:  # a child may keep the output open: it is not waited for
                return Ended(process.returncode, bytes(read[out]), bytes(read[err]))
            if time.monotonic() > deadline:
                raise TimeLimitError(bytes(read[err]))


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill the program and its process group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.kill()
