"""Denials of a session: read from the proxies' logs on demand, and compared with verdicts on the current Snapshot."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from meshtui.engine.explain.denials import DeniedCount, JudgedDenial, Times, count_by_object, judge_denial, newest_policy
from meshtui.findings.evidence import Recent, recent
from meshtui.model.denial import BUCKET_S, WINDOW_S, Denial
from meshtui.model.flow import Flow
from meshtui.model.ids import ObjectRef
from meshtui.model.verdict import Verdict
from meshtui.session.host import Host
from meshtui.session.judging import judge_all

if TYPE_CHECKING:
    from meshtui.sources.kubernetes.denials import DenialLog

_MOST_JUDGED = 300
"""The maximum number of groups of denials that are compared; the newest are used."""
_JUDGE_AGAIN_S = 1.0


class Denials:
    """The denials in the logs, each compared with the verdict on its flow."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self.log: DenialLog | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._listeners: list[Callable[[], None]] = []
        self._news = asyncio.Event()
        self._verdicts: dict[Flow, Verdict | None] = {}
        self._changes: dict[Flow, datetime] = {}
        self._since: datetime | None = None
        self._judged: tuple[tuple[object, ...], list[JudgedDenial]] | None = None
        self._recent: tuple[list[JudgedDenial], int, Recent] | None = None

    def follow(self, since_s: int = WINDOW_S) -> None:
        """Start to follow the proxies' logs until the session ends; further calls have no effect."""
        if self.log is None:
            from meshtui.sources.kubernetes.denials import DenialLog
            from meshtui.sources.kubernetes.log_stream import log_reader

            source, clock = self._host.source, self._host.clock
            self.log = DenialLog(log_reader(source), lambda: self._host.snapshot, self._changed, since_s, clock=clock)
            self._since = self._host.clock()
            self._tasks = [
                self._host.in_background(self.log.run(), "denials"),
                self._host.in_background(self._judge_again(), "judged denials"),
            ]

    async def read(self, since_s: int) -> DenialLog:
        """Read the past logs of the proxies once, and compute the verdicts on the denied flows."""
        from meshtui.sources.kubernetes.denials import DenialLog
        from meshtui.sources.kubernetes.log_stream import log_reader

        source, clock = self._host.source, self._host.clock
        log = self.log = DenialLog(log_reader(source), lambda: self._host.snapshot, since_s=since_s, clock=clock)
        await log.read()
        await self.judge()
        return log

    async def stop(self) -> None:
        """Stop following the logs."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    def renew(self) -> None:
        """Handle a new Snapshot: pods with logs and verdicts may differ. Start to follow if sandbox or settings ask for it."""
        if self.log is not None:
            self.log.look()
            self._news.set()
        elif self._host.running and (
            self._host.label.sandbox or (self._host.label.changeable and self._host.settings.denials.follow)
        ):
            self.follow()

    def retry_now(self) -> None:
        """Try to read the logs now instead of waiting."""
        if self.log is not None:
            self.log.retry_now()

    def listen(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call ``listener`` when denials or their comparison change. Returns a function that unsubscribes."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener) if listener in self._listeners else None

    def _changed(self) -> None:
        self._news.set()
        self._tell()

    def _tell(self) -> None:
        for listener in list(self._listeners):
            listener()

    async def _judge_again(self) -> None:
        """Recompute verdicts in a thread when denials or Snapshot have changed, at most once a second."""
        while True:
            await self._news.wait()
            self._news.clear()
            await self.judge()
            await asyncio.sleep(_JUDGE_AGAIN_S)

    async def judge(self) -> None:
        """Compute the verdicts on the flows of the newest denials, on the current Snapshot."""
        newest = self.log.denials[:_MOST_JUDGED] if self.log else ()
        flows = list(dict.fromkeys(denial.flow for denial in newest if denial.flow is not None))
        engine = self._host.engine
        verdicts = await asyncio.to_thread(judge_all, engine, flows)
        before = self._verdicts
        for flow, verdict in verdicts.items():
            old = before.get(flow)
            if old is not None and (verdict is None or old.decision is not verdict.decision):
                self._changes[flow] = self._host.clock()
        self._changes = {flow: at for flow, at in self._changes.items() if flow in verdicts}
        if verdicts != before:
            self._verdicts = verdicts
            self._tell()

    @property
    def judged(self) -> list[JudgedDenial]:
        """The denials in the logs, the newest first, each compared with the verdict on its flow, if that was computed."""
        found, snapshot = self.log.denials if self.log else (), self._host.snapshot
        inputs = (found, snapshot, self._verdicts)
        if self._judged is None or any(old is not new for old, new in zip(self._judged[0], inputs, strict=True)):
            times = Times(newest_policy(snapshot), watched=self._since)
            self._judged = (inputs, [self._judge_denial(denial, times) for denial in found])
        return self._judged[1]

    def _judge_denial(self, denial: Denial, times: Times) -> JudgedDenial:
        flow = denial.flow
        if flow is None:
            return judge_denial(denial, None, self._host.snapshot, times)
        changed = replace(times, verdict=self._changes.get(flow))
        return judge_denial(denial, self._verdicts.get(flow), self._host.snapshot, changed)

    def by_object(self) -> Mapping[ObjectRef, DeniedCount] | None:
        """Recent denials by object, or None when no log is read, and so none are known."""
        if self.log is None or not self.log.readable:
            return None
        return count_by_object(self.judged, self._host.clock() - timedelta(seconds=WINDOW_S))

    def recent(self) -> Recent:
        """Recent denials as evidence of findings; empty when no log is read. The same object while nothing has changed."""
        if self.log is None or not self.log.readable:
            return {}
        judged, now = self.judged, self._host.clock()
        slot = int(now.timestamp()) // BUCKET_S
        if self._recent is None or self._recent[0] is not judged or self._recent[1] != slot:
            self._recent = (judged, slot, recent(judged, now - timedelta(seconds=WINDOW_S)))
        return self._recent[2]
