"""Looks for findings in a process of its own: on a large cluster that takes seconds, and would hold the event loop."""

from __future__ import annotations

import gc
import os
import signal
import sys
from typing import TYPE_CHECKING

from meshtui.findings import Report, look
from meshtui.model.evidence import Evidence
from meshtui.model.finding import Finding
from meshtui.model.snapshot import Snapshot

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

_PART = 50
"""Findings that are sent at once."""


class Apart:
    """One look, that can be stopped."""

    def __init__(self) -> None:
        self._process: BaseProcess | None = None
        self._stopped = False

    def look(self, snapshot: Snapshot, evidence: Evidence | None = None) -> Report:
        """All findings; worked out in this process where another can't share its memory (only Linux's fork does it well)."""
        if sys.platform != "linux":
            return look(snapshot, evidence)
        from multiprocessing import get_context

        context = get_context("fork")
        receiver, sender = context.Pipe(duplex=False)
        process = self._process = context.Process(target=_send_report, args=(sender, snapshot, evidence), daemon=True)
        process.start()
        sender.close()
        try:
            return _receive(receiver)
        except EOFError:  # it was ended from outside
            return Report(()) if self._stopped else look(snapshot, evidence)
        finally:
            receiver.close()
            process.join()

    def stop(self) -> None:
        """End the process, if it still runs: nobody waits for it."""
        self._stopped = True
        if self._process is not None and self._process.is_alive():
            self._process.kill()


def _receive(receiver: Connection) -> Report:
    """A report part by part: while one is taken up, nobody else has the interpreter. Raises EOFError."""
    findings: list[Finding] = []
    while isinstance(part := receiver.recv(), list):
        findings += part
    return Report(tuple(findings), part)


def _send_report(sender: Connection, snapshot: Snapshot, evidence: Evidence | None) -> None:
    signal.set_wakeup_fd(-1)  # signals to this process are none to the event loop that it has a copy of
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    os.nice(10)
    gc.disable()  # this process ends soon
    report = look(snapshot, evidence)
    for start in range(0, len(report.findings), _PART):
        sender.send(list(report.findings[start : start + _PART]))
    sender.send(report.not_evaluated)
