"""Findings of a session: computed on demand, with the evidence that was gathered in addition to the Snapshot."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from operator import ne

from meshtui.findings import Report, Rule, breaking, look
from meshtui.findings.evidence import Recent, with_evidence
from meshtui.mesh.report import MeshReport
from meshtui.model.errors import MeshtuiError
from meshtui.session.application import Application
from meshtui.session.finding_worker import FindingWorker
from meshtui.session.host import SMALL, Host

_LOOK_AGAIN_S = 2.0
_OBSERVE_AGAIN_S = 30.0
_OBSERVE_SOON_S = 3.0


def same_evidence(one: object | None, other: object | None) -> bool:
    """Whether two pieces of evidence say the same, at whatever time."""
    if isinstance(one, MeshReport) and isinstance(other, MeshReport):
        one, other = (replace(each, at=None, nodes=()) for each in (one, other))
    return one == other


class Looking:
    """The findings in the session's current Snapshot."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._report: Report | None = None
        self._last = Report(())
        self._raised: tuple[Report, Recent, Report] | None = None
        self._evidence: dict[str, object] = {}
        self._evidence_of: dict[str, frozenset[str]] = {}
        self._evidence_taken = 0
        """How often evidence has changed."""
        self._worker = FindingWorker()
        self._looking: asyncio.Task[None] | None = None
        self._observing: asyncio.Task[None] | None = None
        self._pods_changed = asyncio.Event()

    @property
    def report(self) -> Report:
        """All findings, the most severe first: of the current Snapshot if the cluster is small, else of the last evaluation.

        Recent denials in the proxies' logs, where they are read, are evidence of some of them. The same object while nothing
        has changed.
        """
        if self._report is None and self._at_once:
            self._report = self._last = look(self._host.snapshot, self._evidence, None, self._rules)
        written = self._last if self._report is None else self._report
        denied = self._host.denied()
        if self._raised is None or self._raised[0] is not written or self._raised[1] != denied:
            self._raised = (written, denied, with_evidence(written, denied, breaking(self._rules)))
        return self._raised[2]

    def follow(self) -> None:
        """Start computing findings in the background where that takes long; listeners are notified of the result.

        Call it on the event loop.
        """
        if self._report is None and not self._at_once and (self._looking is None or self._looking.done()):
            self._looking = self._host.in_background(self._look_in_worker(), "findings")

    def runs(self, name: str) -> bool:
        """Whether an application runs in this cluster."""
        return any(each.name == name and self._pods_of(each) for each in self._host.applications)

    def renew(self) -> None:
        """Handle a new Snapshot: invalidate the report, and drop evidence about pods that no longer exist."""
        self._report = None
        for each in self._host.applications:
            if each.name in self._evidence and self._evidence_of.get(each.name) != self._pods_of(each):
                del self._evidence[each.name]
                self._evidence_taken += 1
                self._pods_changed.set()
        if self._observing is None and self._host.running and any(map(self._may_observe, self._host.applications)):
            self._observing = self._host.in_background(self._observe(), "evidence")

    def take_evidence(self, name: str, evidence: object | None) -> None:
        """Store evidence about an application, which is valid until its pods change. None: nothing was observed."""
        changed = not same_evidence(evidence, self._evidence.get(name))
        if evidence is None:
            self._evidence.pop(name, None)
        else:
            self._evidence[name] = evidence
        application = next((each for each in self._host.applications if each.name == name), None)
        self._evidence_of[name] = frozenset() if application is None else self._pods_of(application)
        if changed:
            self._evidence_taken += 1
            self._report = None
            self._host.tell()

    async def stop(self) -> None:
        """Stop all background work."""
        self._worker.stop()
        running = [task for task in (self._looking, self._observing) if task is not None]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    @property
    def _at_once(self) -> bool:
        return not self._host.running or len(self._host.snapshot.pods) <= SMALL

    @property
    def _rules(self) -> tuple[Rule, ...]:
        return tuple(rule for each in self._host.applications for rule in each.rules)

    async def _look_in_worker(self) -> None:
        """Compute findings in a separate process, again until they are of the current Snapshot and evidence.

        After each computation there is a pause of nine times its length.
        """
        while self._report is None:
            snapshot, began = self._host.snapshot, asyncio.get_running_loop().time()
            evidence = self._evidence_taken
            self._worker = FindingWorker()
            found = await asyncio.to_thread(self._worker.look, snapshot, dict(self._evidence), self._rules)
            news, self._last = await asyncio.to_thread(ne, found, self._last), found
            if snapshot is self._host.snapshot and evidence == self._evidence_taken:
                self._report = found
            if news:
                self._host.tell()
            took_s = asyncio.get_running_loop().time() - began
            await asyncio.sleep(max(_LOOK_AGAIN_S, 9 * took_s))

    def _may_observe(self, application: Application) -> bool:
        """Whether evidence may be gathered without a request by the user: in the sandbox, or if the settings permit it."""
        label = self._host.label
        return label.sandbox or (label.changeable and application.unasked(self._host.settings))

    async def _observe(self) -> None:
        """Gather evidence of the applications, read-only, as soon as each one runs, and then periodically."""
        while True:
            complete = True
            for each in self._host.applications:
                if self._may_observe(each):
                    complete = await self._gathered(each) and complete
            self._pods_changed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_OBSERVE_AGAIN_S if complete else _OBSERVE_SOON_S):
                    await self._pods_changed.wait()

    async def _gathered(self, application: Application) -> bool:
        """Whether all evidence of an application was gathered."""
        if not (self._host.settled and self._pods_of(application)):
            return False
        try:
            evidence = await application.gather(self._host.api(), self._host.settings, self._host.engine)
        except MeshtuiError:
            return False  # The connection was lost: the header shows it
        if evidence is None:
            return False
        self.take_evidence(application.name, evidence)
        return not getattr(evidence, "problems", ())

    def _pods_of(self, application: Application) -> frozenset[str]:
        return application.pods(self._host.snapshot, self._host.settings)
