"""The state that screens read: the current Snapshot, verdicts on it, observations; and the subscription to changes."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import threading
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from meshtui.engine import Engine
from meshtui.engine.explain.causes import content_of
from meshtui.engine.explain.denials import Policy, policies_of
from meshtui.engine.matrix.matrix import Matrix
from meshtui.engine.path.gateway_address import gateway_urls
from meshtui.findings.base import MESH
from meshtui.findings.evidence import Recent
from meshtui.mesh.report import MeshReport
from meshtui.model.carry import carry
from meshtui.model.change import VerdictChange
from meshtui.model.denial import Denial
from meshtui.model.errors import MeshtuiError, SourceEndedError, UsageError
from meshtui.model.finding import Finding
from meshtui.model.flow import Flow
from meshtui.model.ids import ObjectRef
from meshtui.model.observation import Observation
from meshtui.model.snapshot import OUT_OF_REACH, KindState, KindStatus, Snapshot
from meshtui.model.verdict import Verdict
from meshtui.probe.plan import Plan
from meshtui.session.application import Application
from meshtui.session.current import Current
from meshtui.session.denials import Denials
from meshtui.session.ended import why_ended
from meshtui.session.expecting import Expecting
from meshtui.session.happenings import Happenings
from meshtui.session.journal import Deed, Outcome
from meshtui.session.judging import gist, judge
from meshtui.session.looking import Looking
from meshtui.session.mesh import MeshWatch
from meshtui.session.watching import Watching
from meshtui.sources.kubernetes.api import Api
from meshtui.sources.kubernetes.writes import Confirmation, Writes, read_only_reason
from meshtui.sources.ports import Source, SourceLabel

if TYPE_CHECKING:
    from meshtui.remediate.fixing import Done
    from meshtui.settings import Settings

Listener = Callable[[], None]
Judges = Mapping[ObjectRef, tuple[object, ...]]
"""Policies that a verdict depends on, each with its content. A status update doesn't change the content."""


def local_now() -> datetime:
    """The current local time, with this machine's time zone."""
    return datetime.now().astimezone()


class Session:
    """The state of one run of the program on one source. Methods run on the event loop unless documented otherwise.

    ``clock`` is the only place that reads the current time. ``applications`` are passed in by the code that composes the program;
    their rules are evaluated with the others.
    """

    def __init__(
        self,
        source: Source,
        settings: Settings,
        clock: Callable[[], datetime] = local_now,
        applications: Sequence[Application] = (),
    ) -> None:
        self.source = source
        self.settings = settings
        self.clock = clock
        self.applications = tuple(applications)
        self._current = Current(Snapshot())
        self.error: MeshtuiError | None = None
        self.stopped: dict[str, MeshtuiError] = {}
        """Background tasks that have failed, by name, with their errors. What screens show of them isn't updated any more."""
        self.namespace = "" if settings.all_namespaces else settings.namespace
        self._listeners: list[Listener] = []
        self._task: asyncio.Task[None] | None = None
        self._observations: dict[Flow, Observation] = {}
        self._judged_by: dict[Flow, Judges] = {}
        self._policies: tuple[Snapshot, dict[ObjectRef, Policy]] | None = None
        self._matrix: Matrix | None = None
        self._matrix_version = 0
        self._matrix_lock = threading.Lock()
        self._watching = Watching(self)
        self.looking = Looking(self)
        self.denials = Denials(self)
        self.mesh = MeshWatch(self)
        self.happenings = Happenings(self)
        self.expecting = Expecting()
        self.journal: list[Deed] = []
        """What was done to the cluster, in order."""
        self.fixes: list[Done] = []
        """The fixes that were applied and not undone, in order of application."""

    # ---- life

    def start(self) -> None:
        """Start to follow the source."""
        self._task = asyncio.create_task(self._run(), name="source")

    async def stop(self) -> None:
        """Stop following the source and close its connections."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        for part in (self.happenings, self.mesh, self.looking, self.denials, self._watching):
            await part.stop()

    @property
    def running(self) -> bool:
        """Whether the source is being followed."""
        return self._task is not None

    async def _run(self) -> None:
        """Follow the source. If it ends, ``error`` is set to the reason, whatever it is: no source ends silently."""
        try:
            await self.source.run(self.publish)
        except Exception as error:  # noqa: BLE001  (the boundary of the source: the screens say that it has ended)
            self.error = why_ended(error)
        else:
            if not self.label.changeable:
                return  # Manifests are read once
            self.error = SourceEndedError("it ended without a reason")
        self.tell()

    def in_background(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        """Run a background task. If it fails, the error is stored in ``stopped`` and listeners are notified."""
        task = asyncio.create_task(work, name=name)

        def ended(done: asyncio.Task[None]) -> None:
            error = None if done.cancelled() else done.exception()
            if error is not None:
                self.stopped[name] = why_ended(error)
                self.tell()

        task.add_done_callback(ended)
        return task

    def publish(self, snapshot: Snapshot) -> None:
        """Set a new Snapshot, and recompute the verdicts on watched flows."""
        old = self.snapshot
        if snapshot.live:
            if snapshot.enrolments is not self.mesh.enrolments:
                snapshot = replace(snapshot, enrolments=self.mesh.enrolments)
            snapshot = carry(old, snapshot)
        self._current = Current(snapshot)
        self.looking.renew()
        self._watching.renew(old)
        self.denials.renew()
        self.mesh.renew()
        self.happenings.renew(old)
        self.tell()

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call ``listener`` after every change. Returns a function that unsubscribes."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener) if listener in self._listeners else None

    def tell(self) -> None:
        """Notify all listeners of a change."""
        for listener in list(self._listeners):
            listener()

    def retry_now(self) -> None:
        """Try to reach the cluster now instead of waiting; a source that has ended is restarted."""
        if self.error is not None and self._task is not None and self._task.done():
            self.error = None
            self.start()
            self.tell()
        self.source.retry_now()
        self.denials.retry_now()

    # ---- the header

    @property
    def label(self) -> SourceLabel:
        """The label of the source of the data."""
        return self.source.label

    @property
    def read_only(self) -> str:
        """The reason why nothing may be changed, or an empty string."""
        if not self.label.changeable:
            return "manifests can't be probed"
        return read_only_reason(self.settings, self.label.context)

    @property
    def cannot_apply(self) -> str:
        """The reason why no fix can be applied, or an empty string."""
        if not self.label.changeable:
            return "manifests aren't changed: the patch is for you to take"
        if self.read_only or self.label.sandbox or self.settings.write:
            return self.read_only
        return "applying needs --write"

    @property
    def has_data(self) -> bool:
        """Whether any data has been read."""
        return bool(self.snapshot.kinds or self.snapshot.pods or self.snapshot.namespaces)

    @property
    def loading(self) -> bool:
        """Whether nothing has been read yet, without an error."""
        return not self.has_data and self.error is None

    @property
    def settled(self) -> bool:
        """Whether no kind is still being read for the first time."""
        return not self.loading and all(s.status is not KindStatus.LOADING for s in self.snapshot.kinds.values())

    def health(self) -> KindState:
        """The worst state shared by most kinds: unreachable, expired or stale; else the state of pods (synced if forbidden).

        ``since`` is when the last one of the kinds that are out of reach was heard of.
        """
        states = list(self.snapshot.kinds.values())
        if self.loading:
            return KindState(KindStatus.LOADING)
        for status in (KindStatus.EXPIRED, KindStatus.UNREACHABLE, KindStatus.STALE):
            bad = [state for state in states if state.status is status]
            if len(bad) * 2 > len(states):
                since = max((state.since for state in states if state.status in OUT_OF_REACH and state.since), default=None)
                return replace(min(bad, key=lambda state: state.retry_at or self.clock()), since=since)
        core = self.snapshot.kind_state("Pod")
        return core if core.status is not KindStatus.FORBIDDEN else KindState(KindStatus.SYNCED)

    def changes(self) -> Mapping[str, float]:
        """The time of each object's last change, as seconds since the epoch, by UID."""
        s = self.snapshot
        kinds = (s.namespaces, s.controllers, s.pods, s.authorization_policies, s.network_policies)
        found = ((obj.meta.uid, obj.meta.changed or obj.meta.created) for kind in kinds for obj in kind.values())
        return {uid: at.timestamp() for uid, at in found if at is not None}

    # ---- findings, verdicts and observations

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The findings in the current Snapshot, the most severe first; on a large cluster possibly of an earlier Snapshot."""
        return self.looking.report.findings

    def denied(self) -> Recent:
        """Recent denials, as evidence of findings; empty when no log is read."""
        return self.denials.recent()

    def seen_of_mesh(self, report: MeshReport) -> None:
        """Use a new report about the mesh's own parts: in findings, and verdicts on pods that aren't captured are unknown."""
        self.looking.take_evidence(MESH, report)
        if self.snapshot.live and self.snapshot.enrolments is not self.mesh.enrolments:
            self.publish(self.snapshot)
        else:
            self.tell()

    def capture_log(self) -> tuple[Mapping[str, datetime], Sequence[Denial]]:
        """What the ztunnels' logs show of pods' capture: when each was carried last, and denials; empty if none is read."""
        log = self.denials.log
        return (log.captured, log.denials) if log is not None else ({}, ())

    @property
    def snapshot(self) -> Snapshot:
        """The current Snapshot."""
        return self._current.snapshot

    @property
    def engine(self) -> Engine:
        """The engine on the current Snapshot (``engine.snapshot``)."""
        return self._current.engine

    def verdict(self, flow: Flow) -> Verdict:
        """The verdict on a flow. If an end isn't found in the Snapshot, the verdict is unknown with this reason."""
        return self._watching.verdict(flow) or judge(self.engine, flow)

    def watch(self, flows: Iterable[Flow]) -> Callable[[], None]:
        """Keep the verdicts on some flows, to detect and explain changes. Returns a function that stops this."""
        return self._watching.watch(flows)

    def change_of(self, flow: Flow) -> VerdictChange | None:
        """The last change of a watched flow's verdict in this session, or None."""
        return self._watching.change_of(flow)

    @contextlib.contextmanager
    def all_pairs(self) -> Iterator[tuple[Matrix, int]]:
        """The matrix of the current Snapshot, and a version number that increases with every change of the matrix.

        It may take seconds: call it in a thread. Only one thread at a time holds the matrix.
        """
        with self._matrix_lock:
            matrix, snapshot = self._matrix, self.snapshot
            self._matrix = None  # If an update is interrupted, the matrix is rebuilt
            if matrix is None:
                matrix = Matrix(snapshot)
                gc.freeze()  # The matrix is large and long-lived: a full garbage collection of it would block the event loop
                self._matrix_version += 1
            elif matrix.snapshot is not snapshot:
                self._matrix_version += bool(matrix.update(snapshot))
            self._matrix = matrix
            yield matrix, self._matrix_version

    @property
    def observations(self) -> Mapping[Flow, Observation]:
        """The observations of this session, by flow."""
        return self._observations

    def _observe(self, observation: Observation, judges: Judges) -> None:
        self._observations[observation.flow] = observation
        self._judged_by[observation.flow] = judges
        self.tell()

    def outdated(self, flow: Flow) -> bool:
        """Whether the verdict on a flow, or a policy that it depends on, has changed since the flow was probed."""
        observation = self._observations.get(flow)
        if observation is None:
            return False
        verdict = self.verdict(flow)
        return gist(observation.predicted) != gist(verdict) or self._judged_by.get(flow) != self._judges(verdict)

    def _judges(self, verdict: Verdict) -> Judges:
        """The policies in a verdict's steps, with the content of each."""
        if self._policies is None or self._policies[0] is not self.snapshot:
            self._policies = (self.snapshot, {p.meta.ref: p for p in policies_of(self.snapshot)})
        refs = {decider.ref for step in verdict.steps for decider in step.objects}
        return {ref: content_of(self._policies[1][ref]) for ref in refs if ref in self._policies[1]}

    async def probe(
        self,
        plan: Plan,
        confirmation: Confirmation,
        progress: Callable[[Observation], None] = lambda _: None,
        answered: Callable[[Flow], None] = lambda _: None,
    ) -> list[Observation]:
        """Run a plan. Each Observation is stored, and listeners are notified, as it arrives. Raises the launcher's errors.

        ``answered`` hears of each flow as soon as it is answered, before its pod has ended.
        """
        from meshtui.probe.launch import Launcher

        judges = {flow: self._judges(self.verdict(flow)) for flow in plan.asked}

        def seen(observation: Observation) -> None:
            progress(observation)
            self._observe(observation, judges[observation.flow])

        writes = self.writes()
        api = self.api()
        checkout = self.settings.checkout
        urls = [checkout.gateway] if checkout.gateway else []
        urls += gateway_urls(self.snapshot, checkout.gateway_namespace, checkout.gateway_name)
        with self.doing(f"probed {plan.flows} flow{'s' if plan.flows != 1 else ''}") as outcome:
            outcome.stopped = "stopped; its pods were removed"
            found = await Launcher(api, writes, self.settings, seen, answered).run(plan, confirmation, urls)
            outcome.says = _agreement(found)
        return found

    @contextlib.contextmanager
    def doing(self, what: str) -> Iterator[Outcome]:
        """Write into the journal what this block does to the cluster, with its outcome, its error, or that it was stopped."""
        outcome = Outcome()
        try:
            yield outcome
        except MeshtuiError as error:
            self.note(what, str(error), failed=True)
            raise
        except asyncio.CancelledError:
            self.note(what, outcome.stopped, failed=True)
            raise
        self.note(what, outcome.says, failed=outcome.failed)

    def note(self, what: str, outcome: str, undo: str = "", *, failed: bool = False) -> None:
        """Write into the journal what was done to the cluster."""
        self.journal.append(Deed(self.clock(), what, outcome, undo, failed))

    def api(self) -> Api:
        """The client of the API server. Raises UsageError when there is no cluster."""
        if self.source.api is None:
            raise UsageError("these are manifests, not a cluster: they can't be probed")
        return self.source.api

    def writes(self) -> Writes:
        """The gate for changes. Raises UsageError when there is no cluster to change."""
        return Writes(self.api(), self.settings, sandbox=self.label.sandbox)


def _agreement(found: Sequence[Observation]) -> str:
    """How many Observations agree with their verdicts."""
    counted = Counter(seen.agrees for seen in found)
    words = [f"{counted[True]} as predicted"]
    words += [f"{counted[False]} NOT as predicted"] if counted[False] else []
    words += [f"{counted[None]} can't tell"] if counted[None] else []
    return ", ".join(words)
