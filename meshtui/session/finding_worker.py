"""Computes findings in a separate process: on a large cluster this takes seconds and would block the event loop."""

from __future__ import annotations

import gc
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from meshtui.findings import Report, Rule, look
from meshtui.model.finding import Finding
from meshtui.model.snapshot import Snapshot

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

_PART = 50
"""The number of findings sent at once."""


class FindingWorker:
    """One evaluation of all rules, which can be stopped."""

    def __init__(self) -> None:
        self._process: BaseProcess | None = None
        self._stopped = False

    def look(self, snapshot: Snapshot, evidence: Mapping[str, object] | None = None, more: Sequence[Rule] = ()) -> Report:
        """All findings; computed in this process unless the platform is Linux, the only one with a reliable fork."""
        if sys.platform != "linux":
            return look(snapshot, evidence, None, more)
        from multiprocessing import get_context

        context = get_context("fork")
        receiver, sender = context.Pipe(duplex=False)
        process = self._process = context.Process(target=_send_report, args=(sender, snapshot, evidence, more), daemon=True)
        process.start()
        sender.close()
        try:
            return _receive(receiver)
        except EOFError:  # The process was killed from outside
            return Report(()) if self._stopped else look(snapshot, evidence, None, more)
        finally:
            receiver.close()
            process.join()

    def stop(self) -> None:
        """Kill the process if it is still running; its result isn't needed."""
        self._stopped = True
        if self._process is not None and self._process.is_alive():
            self._process.kill()


def _receive(receiver: Connection) -> Report:
    """Receive a report in parts, because unpickling holds the interpreter lock. Raises EOFError."""
    findings: list[Finding] = []
    while isinstance(part := receiver.recv(), list):
        findings += part
    return Report(tuple(findings), part)


def _send_report(sender: Connection, snapshot: Snapshot, evidence: Mapping[str, object] | None, more: Sequence[Rule]) -> None:
    signal.set_wakeup_fd(-1)  # The process has a copy of the parent's event loop, which must not receive this process's signals
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    os.nice(10)
    gc.disable()  # This process ends soon
    report = look(snapshot, evidence, None, more)
    for start in range(0, len(report.findings), _PART):
        sender.send(list(report.findings[start : start + _PART]))
    sender.send(report.not_evaluated)
