"""The mesh's own state in a session: looks at the ztunnels, on demand or at intervals, each confirmed by the one before."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from meshtui.mesh.compare import APART, compare, confirmed, is_calm
from meshtui.mesh.observed import observed_in_logs, with_agents
from meshtui.mesh.report import MeshReport
from meshtui.model.enrolment import Enrolment
from meshtui.model.errors import MeshtuiError
from meshtui.model.ids import Uid
from meshtui.session.host import Host

_SANDBOX_S = 15.0
_LONGEST = timedelta(minutes=2)
"""A look that is older confirms nothing: what differs then and now may be another difference of the same object."""
_UNSETTLED_S = 0.5


class MeshWatch:
    """Looks at the ztunnels of a live cluster. ``report`` is what the last looks show; without one it is empty."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._raw: MeshReport | None = None
        self._task: asyncio.Task[None] | None = None
        self._ask = asyncio.Event()
        self.report = MeshReport()
        self.enrolments: Mapping[Uid, Enrolment] = {}
        """What is known of the capture of pods; empty before the first look."""
        self.looking = False
        """Whether a look is under way."""
        self.problem = ""
        """Why the last look failed as a whole, or empty."""

    @property
    def looked(self) -> bool:
        """Whether there is a report."""
        return self.report.at is not None

    def renew(self) -> None:
        """Start to look if the sandbox or the settings ask for it."""
        label = self._host.label
        if self._host.running and (label.sandbox or (label.changeable and self._host.settings.mesh.follow)):
            self._start()

    def ask(self) -> None:
        """Look now, and from now on at intervals. Manifests have no ztunnels."""
        if self._host.running and self._host.label.changeable:
            self._ask.set()
            self._start()

    async def stop(self) -> None:
        """Stop looking."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    def _start(self) -> None:
        if self._task is None:
            self._task = self._host.in_background(self._run(), "mesh")

    async def _run(self) -> None:
        while True:
            if not self._host.settled:
                await asyncio.sleep(_UNSETTLED_S)
                continue
            self._ask.clear()
            again = await self._look()
            wait_s = _SANDBOX_S if self._host.label.sandbox else self._host.settings.mesh.interval_s
            if again:
                wait_s = min(wait_s, APART.total_seconds())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._ask.wait()

    async def _look(self) -> bool:
        """One look. Returns whether another one is needed soon, to confirm what this one shows."""
        from meshtui.sources.kubernetes.cni_agents import agent_lines
        from meshtui.sources.kubernetes.mesh_look import look_at_mesh

        self.looking = True
        self._host.tell()
        try:
            pods = self._host.snapshot.pods.values()
            look = await look_at_mesh(self._host.api(), pods)
            agents, _ = await agent_lines(self._host.api(), pods)
        except MeshtuiError as error:
            self.problem = str(error)
            return False
        finally:
            self.looking = False
            self._host.tell()
        self.problem = ""
        snapshot = self._host.snapshot
        captured, denials = self._host.capture_log()
        observed = with_agents(observed_in_logs(captured, denials, snapshot), agents, snapshot)
        raw = await asyncio.to_thread(compare, snapshot, look, observed, self._host.clock())
        before, self._raw = self._raw, raw
        if is_calm(raw):
            self._use(raw)
            return False
        age = raw.at - before.at if before is not None and before.at is not None and raw.at is not None else timedelta(0)
        if before is not None and age < APART * 0.9:
            self._raw = before  # who asks again and again must not keep every look from being confirmed
        if before is None or not APART * 0.9 <= age <= _LONGEST:
            return True
        self._use(confirmed(before, raw))
        return False

    def _use(self, report: MeshReport) -> None:
        if _states(report.enrolments) == _states(self.enrolments):
            report = replace(report, enrolments=self.enrolments)
        else:
            self.enrolments = report.enrolments
        self.report = report
        self._host.seen_of_mesh(report)


def _states(enrolments: Mapping[Uid, Enrolment]) -> dict[Uid, object]:
    """What a change of is shown: states and kinds of evidence, without times."""
    return {uid: (each.capture, tuple((one.seen, one.says) for one in each.evidence)) for uid, each in enrolments.items()}
