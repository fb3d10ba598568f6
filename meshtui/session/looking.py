"""Findings of a session: looked for when somebody asks, with the evidence that was gathered beside the Snapshot."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from operator import ne

from meshtui.engine.path.references import parse_reference
from meshtui.engine.path.relations import workload_of
from meshtui.findings import Report, look
from meshtui.model.errors import MeshtuiError, UsageError
from meshtui.model.evidence import Evidence
from meshtui.session.apart import Apart
from meshtui.session.host import SMALL, Host

_LOOK_AGAIN_S = 2.0
_OBSERVE_AGAIN_S = 30.0
_OBSERVE_SOON_S = 3.0


class Looking:
    """What is wrong in the session's current Snapshot."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._report: Report | None = None
        self._last = Report(())
        self._evidence: Evidence | None = None
        self._evidence_of: frozenset[str] = frozenset()
        self._apart = Apart()
        self._thread = threading.get_ident()
        self._looking: asyncio.Task[None] | None = None
        self._observing: asyncio.Task[None] | None = None
        self._shop_changed = asyncio.Event()

    @property
    def report(self) -> Report:
        """All findings, the worst first; on a large cluster those found last, until the current ones are known."""
        if self._report is None:
            if not self._host.running or len(self._host.snapshot.pods) <= SMALL:
                self._report = self._last = look(self._host.snapshot, self._evidence)
            elif threading.get_ident() == self._thread and (self._looking is None or self._looking.done()):
                self._looking = self._host.in_background(self._look_apart(), "findings")
        return self._last if self._report is None else self._report

    @property
    def has_shop(self) -> bool:
        """Whether the bookstore's shop runs in this cluster."""
        return bool(self._shop())

    def renew(self) -> None:
        """There is a new Snapshot: findings may be others, and evidence about pods that are gone is none."""
        self._report = None
        if self._evidence is not None and self._evidence_of != self._shop():
            self._evidence = None
            self._shop_changed.set()
        if self._observing is None and self._host.running and self._may_observe():
            self._observing = self._host.in_background(self._observe(), "evidence")

    def take_evidence(self, evidence: Evidence | None) -> None:
        """Take what was seen of the bookstore: findings about it hold until its shop runs in other pods."""
        changed = evidence != self._evidence
        self._evidence, self._evidence_of = evidence, self._shop()
        if changed:
            self._report = None
            self._host.tell()

    async def stop(self) -> None:
        """End what still looks."""
        self._apart.stop()
        running = [task for task in (self._looking, self._observing) if task is not None]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    async def _look_apart(self) -> None:
        """Look for findings in a process apart, until they are of the current Snapshot; a tenth of the time at most."""
        while self._report is None:
            snapshot, began = self._host.snapshot, asyncio.get_running_loop().time()
            self._apart = Apart()
            found = await asyncio.to_thread(self._apart.look, snapshot, self._evidence)
            news, self._last = await asyncio.to_thread(ne, found, self._last), found
            if snapshot is self._host.snapshot:
                self._report = found
            if news:
                self._host.tell()
            took_s = asyncio.get_running_loop().time() - began
            await asyncio.sleep(max(_LOOK_AGAIN_S, 9 * took_s))

    def _may_observe(self) -> bool:
        """Whether a customer's GETs may be sent unasked: in the sandbox, and where the settings name the gateway."""
        return self._host.label.sandbox or (self._host.label.changeable and bool(self._host.settings.checkout.gateway))

    async def _observe(self) -> None:
        """Gather evidence of the bookstore, read-only, as soon as its shop runs and then again and again."""
        from meshtui.checkout.evidence import gather

        while True:
            complete = False
            if self._host.settled and self._shop():
                try:
                    evidence = await gather(self._host.api(), self._host.settings, self._host.engine)
                except MeshtuiError:
                    evidence = None  # gone with the connection: the header says so
                if evidence is not None:
                    self.take_evidence(evidence)
                    complete = not evidence.problems
            self._shop_changed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_OBSERVE_AGAIN_S if complete else _OBSERVE_SOON_S):
                    await self._shop_changed.wait()

    def _shop(self) -> frozenset[str]:
        """The UIDs of the pods that call inventory."""
        try:
            end, _ = parse_reference(self._host.settings.checkout.client)
            return frozenset(pod.meta.uid for pod in workload_of(self._host.snapshot, end).pods if not pod.completed)
        except UsageError:
            return frozenset()
