"""The mesh's own state in a session: looks at the ztunnels, on demand or at intervals, each confirmed by the one before."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from meshtui.mesh.compare import APART, compare, confirmed, is_calm
from meshtui.mesh.enrolment import renewed
from meshtui.mesh.observed import observed_in_logs, with_agents
from meshtui.mesh.report import MeshReport
from meshtui.model.enrolment import Enrolment, Evidence, Proofs
from meshtui.model.errors import MeshtuiError
from meshtui.model.ids import Uid
from meshtui.model.snapshot import Snapshot
from meshtui.model.workload import Pod
from meshtui.session.host import Host

if TYPE_CHECKING:
    from meshtui.probe.capture import CapturePlan
    from meshtui.sources.kubernetes.writes import Confirmation

_SANDBOX_S = 15.0
_LONGEST = timedelta(minutes=2)
"""A look that is older confirms nothing: what differs then and now may be another difference of the same object."""
_UNSETTLED_S = 0.5
_HOLDS = timedelta(minutes=10)
"""For how long the result of a probe counts."""
_MOST_PROOFS = 10_000
"""The most pods whose results are kept; the oldest are forgotten first."""


class MeshWatch:
    """Looks at the ztunnels of a live cluster. ``report`` is what the last looks show; without one it is empty."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._raw: MeshReport | None = None
        self._task: asyncio.Task[None] | None = None
        self._ask = asyncio.Event()
        self._ztunnels = frozenset[Uid]()
        self.report = MeshReport()
        self.enrolments: Mapping[Uid, Enrolment] = {}
        """What is known of the capture of pods; empty before the first look."""
        self._proofs: dict[Uid, Evidence] = {}
        self.unproven: Mapping[Uid, str] = {}
        """The pods about which their last probe showed nothing, each with the reason."""
        self.proving = 0
        """How many pods a probe is asking."""
        self.looking = False
        """Whether a look is under way."""
        self.problem = ""
        """Why the last look failed as a whole, or empty."""

    @property
    def looked(self) -> bool:
        """Whether there is a report."""
        return self.report.at is not None

    def renew(self) -> None:
        """Start to look if the sandbox or the settings ask for it; look soon after ztunnels were replaced, which repairs much."""
        label = self._host.label
        ztunnels = _ready_ztunnels(self._host.snapshot)
        if ztunnels and ztunnels != self._ztunnels:  # in a rollout one after the other isn't ready: its end counts
            if self._ztunnels and self._task is not None:
                self._ask.set()
            self._ztunnels = ztunnels
        if self._host.running and (label.sandbox or (label.changeable and self._host.settings.mesh.follow)):
            self._start()

    def ask(self) -> None:
        """Look now, and from now on at intervals. Manifests have no ztunnels."""
        if self._host.running and self._host.label.changeable:
            self._ask.set()
            self._start()

    def to_prove(self, node: str) -> list[Pod]:
        """The pods of a node that should be captured and aren't proven to be."""
        from meshtui.probe.capture import to_prove

        return to_prove(self._host.snapshot, self.enrolments, (node,))

    async def prove(self, asked: CapturePlan, confirmation: Confirmation) -> Proofs:
        """Ask the pods of a plan from outside the mesh, and use what that shows. Raises the launcher's errors."""
        from meshtui.probe.prove import prove

        async def after() -> Snapshot:
            return self._host.snapshot

        self.proving += len(asked.pods)
        self._host.tell()
        try:
            api, writes = self._host.api(), self._host.writes()
            count = len(asked.pods)
            with self._host.doing(f"asked {count} pod{'s' if count != 1 else ''} on port 15008") as outcome:
                outcome.stopped = "stopped; the probe pods were removed"
                proofs = await prove(api, writes, self._host.settings, asked, confirmation, after)
                outcome.says = f"{len(proofs.evidence)} answered or refused, {len(proofs.unknown)} showed nothing"
        finally:
            self.proving -= len(asked.pods)
            self._host.tell()
        self._take(asked, proofs)
        self.ask()
        return proofs

    def _take(self, asked: CapturePlan, proofs: Proofs) -> None:
        """Keep what a probe showed, by the pods' UIDs, and use it at once."""
        for pod in asked.pods.values():
            self._proofs.pop(pod.uid, None)
            if pod.key in proofs.evidence:
                self._proofs[pod.uid] = proofs.evidence[pod.key]
        for uid in list(self._proofs)[: max(0, len(self._proofs) - _MOST_PROOFS)]:
            del self._proofs[uid]
        snapshot, uids = self._host.snapshot, {pod.uid for pod in asked.pods.values()}
        new = {snapshot.pod_by_key[key].uid: why for key, why in proofs.unknown.items() if key in snapshot.pod_by_key}
        old = {uid: why for uid, why in self.unproven.items() if uid in snapshot.pods and uid not in uids}
        self.unproven = {**old, **new}
        if self._raw is not None:
            self._raw = self._renewed(self._raw)
        if self.looked:
            self._use(self._renewed(self.report))

    def _renewed(self, report: MeshReport) -> MeshReport:
        snapshot, now = self._host.snapshot, self._host.clock()
        return replace(report, enrolments=renewed(report.enrolments, snapshot, self._proven(snapshot), now))

    def _proven(self, snapshot: Snapshot) -> dict[str, Evidence]:
        """What probes have shown of pods that still exist, by the pod's ``namespace/name``; what is old is forgotten."""
        since = self._host.clock() - _HOLDS
        self._proofs = {
            uid: each for uid, each in self._proofs.items() if uid in snapshot.pods and each.at is not None and each.at >= since
        }
        return {snapshot.pods[uid].key: each for uid, each in self._proofs.items()}

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
            pods, namespaces = self._host.snapshot.pods.values(), self._host.snapshot.ztunnel_namespaces
            look = await look_at_mesh(self._host.api(), pods, namespaces=namespaces)
            agents, _ = await agent_lines(self._host.api(), pods, namespaces)
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
        for key, proof in self._proven(snapshot).items():
            observed[key] = [*observed.get(key, ()), proof]
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


def _ready_ztunnels(snapshot: Snapshot) -> frozenset[Uid]:
    """The ztunnels, if all of them are ready; else none."""
    pods = snapshot.ztunnels
    return frozenset(pod.uid for pod in pods) if all(pod.ready and not pod.deleting for pod in pods) else frozenset()


def _states(enrolments: Mapping[Uid, Enrolment]) -> dict[Uid, object]:
    """What counts as a change that is worth showing: states and kinds of evidence, without times."""
    return {uid: (each.capture, tuple((one.seen, one.says) for one in each.evidence)) for uid, each in enrolments.items()}
