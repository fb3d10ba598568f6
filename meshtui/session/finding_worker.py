"""Computes findings in a separate process: on a large cluster this takes seconds and would block the event loop."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING

from meshtui.findings import Report, Rule, look
from meshtui.model.finding import Finding
from meshtui.model.snapshot import Snapshot

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

_PART = 50
"""The number of findings sent at once."""
_IDLE_S = 10.0
"""How long a process may send nothing and use no processor time before it counts as stuck."""


class FindingWorker:
    """One evaluation of all rules, which can be stopped."""

    def __init__(self) -> None:
        self._process: BaseProcess | None = None
        self._stopped = False

    def look(self, snapshot: Snapshot, evidence: Mapping[str, object] | None = None, more: Sequence[Rule] = ()) -> Report:
        """All findings; computed in this process unless the platform is Linux, the only one with a reliable fork.

        A process that was forked while another thread held a lock may wait for it for ever: it is killed, and the findings are
        computed here.
        """
        if sys.platform != "linux":
            return look(snapshot, evidence, None, more)
        from multiprocessing import get_context

        context = get_context("fork")
        receiver, sender = context.Pipe(duplex=False)
        process = self._process = context.Process(target=_send_report, args=(sender, snapshot, evidence, more), daemon=True)
        process.start()
        sender.close()
        try:
            return _receive(receiver, process)
        except EOFError:  # The process was killed
            return Report(()) if self._stopped else look(snapshot, evidence, None, more)
        finally:
            receiver.close()
            process.join()

    def stop(self) -> None:
        """Kill the process if it is still running; its result isn't needed."""
        self._stopped = True
        if self._process is not None and self._process.is_alive():
            self._process.kill()


def _receive(receiver: Connection, process: BaseProcess) -> Report:
    """Receive a report in parts, because unpickling holds the interpreter lock. Raises EOFError, also if the process is stuck."""
    findings: list[Finding] = []
    used = -1
    while True:
        while not receiver.poll(_IDLE_S):
            if used == (used := _ticks(process)):
                process.kill()
                raise EOFError
        part = receiver.recv()
        if not isinstance(part, list):
            return Report(tuple(findings), part)
        findings += part


def _ticks(process: BaseProcess) -> int:
    """The processor time of a process, in clock ticks. Source: proc_pid_stat(5)."""
    with suppress(OSError, ValueError, IndexError):  # it may have ended just now
        user, system = Path(f"/proc/{process.pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()[11:13]
        return int(user) + int(system)
    return 0


def _send_report(sender: Connection, snapshot: Snapshot, evidence: Mapping[str, object] | None, more: Sequence[Rule]) -> None:
    signal.set_wakeup_fd(-1)  # The process has a copy of the parent's event loop, which must not receive this process's signals
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    os.nice(10)
    gc.disable()  # This process ends soon
    _renew_locks()
    report = look(snapshot, evidence, None, more)
    for start in range(0, len(report.findings), _PART):
        sender.send(list(report.findings[start : start + _PART]))
    sender.send(report.not_evaluated)


def _renew_locks() -> None:
    """Replace the locks of cached properties: one that another thread of the parent held at the fork would never be free.

    Up to Python 3.11 each ``cached_property`` has one lock for all objects of its class.
    """
    if sys.version_info >= (3, 12):
        return
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] != "meshtui":
            continue
        for each in [value for value in vars(module).values() if isinstance(value, type)]:
            for attribute in vars(each).values():
                if isinstance(attribute, cached_property):
                    vars(attribute)["lock"] = RLock()
