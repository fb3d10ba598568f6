"""What the screens read: the current Snapshot, verdicts on it, and observations; and who wants to hear of changes."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from operator import ne
from typing import TYPE_CHECKING

from meshtui.engine import Engine
from meshtui.engine.causes import causes, differences
from meshtui.engine.denials import DeniedCount, JudgedDenial, Times, count_by_object, judge_denial, newest_policy, policies_of
from meshtui.engine.gateways import gateway_urls
from meshtui.engine.matrix import Matrix
from meshtui.engine.references import parse_reference
from meshtui.engine.relations import workload_of
from meshtui.findings import evaluate
from meshtui.model.carry import carry
from meshtui.model.change import VerdictChange
from meshtui.model.denial import WINDOW_S, Denial
from meshtui.model.errors import MeshtuiError, UsageError
from meshtui.model.evidence import Evidence
from meshtui.model.finding import Finding
from meshtui.model.flow import Flow
from meshtui.model.ids import ObjectRef
from meshtui.model.observation import Observation
from meshtui.model.snapshot import KindState, KindStatus, Snapshot
from meshtui.model.verdict import Decision, Layer, Verdict
from meshtui.probe.plan import Plan
from meshtui.sources.api import Api
from meshtui.sources.ports import Source, SourceLabel
from meshtui.sources.writes import Confirmation, Writes, read_only_reason

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

    from meshtui.settings import Settings
    from meshtui.sources.denials import DenialLog

Listener = Callable[[], None]
_MOST_JUDGED = 300
"""Groups of denials that are judged: the newest ones."""
_JUDGE_AGAIN_S = 1.0
_SMALL = 1000
"""Pods up to which everything is worked out at once; beyond, what takes long is done in a thread, and told when it is there."""
_LOOK_AGAIN_S = 2.0


def local_now() -> datetime:
    """The time of day, in this machine's time zone."""
    return datetime.now().astimezone()


class Apart:
    """Looks for findings in a process of its own: on a large cluster that takes seconds, and would hold the event loop."""

    def __init__(self) -> None:
        self._process: BaseProcess | None = None
        self._stopped = False

    def evaluate(self, snapshot: Snapshot, evidence: Evidence | None = None) -> tuple[Finding, ...]:
        """All findings; worked out in this process where another can't share its memory (only Linux's fork does it well)."""
        if sys.platform != "linux":
            return evaluate(snapshot, evidence)
        from multiprocessing import get_context

        context = get_context("fork")
        receiver, sender = context.Pipe(duplex=False)
        process = self._process = context.Process(target=_send_findings, args=(sender, snapshot, evidence), daemon=True)
        process.start()
        sender.close()
        try:
            found: tuple[Finding, ...] = receiver.recv()
        except EOFError:  # it was ended from outside
            return () if self._stopped else evaluate(snapshot, evidence)
        else:
            return found
        finally:
            receiver.close()
            process.join()

    def stop(self) -> None:
        """End the process, if it still runs: nobody waits for it."""
        self._stopped = True
        if self._process is not None and self._process.is_alive():
            self._process.kill()


def _send_findings(sender: Connection, snapshot: Snapshot, evidence: Evidence | None) -> None:
    signal.set_wakeup_fd(-1)  # signals to this process are none to the event loop that it has a copy of
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    os.nice(10)
    gc.disable()  # this process ends soon
    sender.send(evaluate(snapshot, evidence))


class Session:
    """One run of the program on one source. Everything here happens on the event loop.

    ``clock`` is the only place that asks for the time of day.
    """

    def __init__(self, source: Source, settings: Settings, clock: Callable[[], datetime] = local_now) -> None:
        self.source = source
        self.settings = settings
        self.clock = clock
        self.snapshot = Snapshot()
        self.error: MeshtuiError | None = None
        self.namespace = "" if settings.all_namespaces else settings.namespace
        self._engine: Engine | None = None
        self._findings: tuple[Finding, ...] | None = None
        self._last_findings: tuple[Finding, ...] = ()
        self._evidence: Evidence | None = None
        self._evidence_of: frozenset[str] = frozenset()
        self._finding_task: asyncio.Task[None] | None = None
        self._apart = Apart()
        self._thread = threading.get_ident()
        self._watch_task: asyncio.Task[None] | None = None
        self._listeners: list[Listener] = []
        self._task: asyncio.Task[None] | None = None
        self._observations: dict[Flow, Observation] = {}
        self._judged_by: dict[Flow, frozenset[tuple[ObjectRef, str]]] = {}
        self._policies: tuple[Snapshot, dict[ObjectRef, str]] | None = None
        self._watchers: Counter[Flow] = Counter()
        self._watched: dict[Flow, Verdict] = {}
        self._changes: dict[Flow, VerdictChange] = {}
        self._matrix: Matrix | None = None
        self._matrix_version = 0
        self._matrix_lock = threading.Lock()
        self.denial_log: DenialLog | None = None
        self._denial_tasks: list[asyncio.Task[None]] = []
        self._denial_listeners: list[Listener] = []
        self._denial_news = asyncio.Event()
        self._denial_verdicts: dict[Flow, Verdict | None] = {}
        self._denial_changes: dict[Flow, datetime] = {}
        self._denials_since: datetime | None = None
        self._denials: tuple[tuple[object, ...], list[JudgedDenial]] | None = None

    # ---- life

    def start(self) -> None:
        """Start to follow the source."""
        self._thread = threading.get_ident()
        self._task = asyncio.create_task(self._run(), name="source")

    async def stop(self) -> None:
        """Stop following the source and close its connections."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        self._apart.stop()
        running = [*self._denial_tasks, *(task for task in (self._finding_task, self._watch_task) if task is not None)]
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        self._denial_tasks = []

    async def _run(self) -> None:
        try:
            await self.source.run(self.publish)
        except MeshtuiError as error:
            self.error = error
            self._tell()
        except ExceptionGroup as group:
            errors = [e for e in group.exceptions if isinstance(e, MeshtuiError)]
            if not errors:
                raise
            self.error = errors[0]
            self._tell()

    def publish(self, snapshot: Snapshot) -> None:
        """Take a new Snapshot, and judge the flows that somebody watches anew."""
        old, self.snapshot = self.snapshot, snapshot
        if snapshot.live:
            carry(old, snapshot)
        self._engine, self._findings = None, None
        if self._evidence is not None and self._evidence_of != self._shop():
            self._evidence = None  # it is about pods that are gone
        self._judge_watched(old)
        self._look_at_logs()
        self._tell()

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Call ``listener`` after every change; the answer stops that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener) if listener in self._listeners else None

    def _tell(self) -> None:
        for listener in list(self._listeners):
            listener()

    def retry_now(self) -> None:
        """Try to reach the cluster now instead of waiting."""
        self.source.retry_now()
        if self.denial_log is not None:
            self.denial_log.retry_now()

    # ---- what the header says

    @property
    def label(self) -> SourceLabel:
        """Where the data comes from."""
        return self.source.label

    @property
    def read_only(self) -> str:
        """Why nothing may be changed, or empty."""
        if not self.label.changeable:
            return "manifests can't be probed"
        return read_only_reason(self.settings, self.label.context)

    @property
    def cannot_apply(self) -> str:
        """Why no fix can be applied here, or empty."""
        if not self.label.changeable:
            return "manifests aren't changed: the patch is for you to take"
        if self.read_only or self.label.sandbox or self.settings.write:
            return self.read_only
        return "applying needs --write"

    @property
    def loading(self) -> bool:
        """Whether nothing is known yet."""
        return not self.snapshot.kinds and not self.snapshot.pods and not self.snapshot.namespaces and self.error is None

    @property
    def settled(self) -> bool:
        """Whether no kind is still being read for the first time."""
        return not self.loading and all(s.status is not KindStatus.LOADING for s in self.snapshot.kinds.values())

    def health(self) -> KindState:
        """The worst state that most kinds are in: unreachable, expired or stale; else synced or loading."""
        states = list(self.snapshot.kinds.values())
        if self.loading:
            return KindState(KindStatus.LOADING)
        for status in (KindStatus.EXPIRED, KindStatus.UNREACHABLE, KindStatus.STALE):
            bad = [state for state in states if state.status is status]
            if len(bad) * 2 > len(states):
                return min(bad, key=lambda state: state.retry_at or self.clock())
        core = self.snapshot.kind_state("Pod")
        return core if core.status is not KindStatus.FORBIDDEN else KindState(KindStatus.SYNCED)

    def changes(self) -> Mapping[str, float]:
        """When each object was last changed, as seconds since the epoch, by UID."""
        s = self.snapshot
        kinds = (s.namespaces, s.controllers, s.pods, s.authorization_policies, s.network_policies)
        found = ((obj.meta.uid, obj.meta.changed or obj.meta.created) for kind in kinds for obj in kind.values())
        return {uid: at.timestamp() for uid, at in found if at is not None}

    # ---- findings, verdicts and observations

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What is wrong in the current Snapshot, the worst first; on a large cluster what was found last, until that is known."""
        if self._findings is None:
            if self._task is None or len(self.snapshot.pods) <= _SMALL:
                self._findings = self._last_findings = evaluate(self.snapshot, self._evidence)
            elif threading.get_ident() == self._thread and (self._finding_task is None or self._finding_task.done()):
                self._finding_task = asyncio.create_task(self._look_for_findings(), name="findings")
        return self._last_findings if self._findings is None else self._findings

    async def _look_for_findings(self) -> None:
        """Look for findings in a process apart, until they are of the current Snapshot; a tenth of the time at most."""
        while self._findings is None:
            snapshot, began = self.snapshot, asyncio.get_running_loop().time()
            self._apart = Apart()
            found = await asyncio.to_thread(self._apart.evaluate, snapshot, self._evidence)
            news, self._last_findings = await asyncio.to_thread(ne, found, self._last_findings), found
            if snapshot is self.snapshot:
                self._findings = found
            if news:
                self._tell()
            took_s = asyncio.get_running_loop().time() - began
            await asyncio.sleep(max(_LOOK_AGAIN_S, 9 * took_s))

    def take_evidence(self, evidence: Evidence | None) -> None:
        """Take what was seen of the bookstore: findings about it hold until its shop runs in other pods."""
        self._evidence, self._evidence_of, self._findings = evidence, self._shop(), None
        self._tell()

    def _shop(self) -> frozenset[str]:
        """The UIDs of the pods that call inventory."""
        try:
            end, _ = parse_reference(self.settings.checkout.client)
            return frozenset(pod.meta.uid for pod in workload_of(self.snapshot, end).pods if not pod.completed)
        except UsageError:
            return frozenset()

    @property
    def engine(self) -> Engine:
        """The engine on the current Snapshot."""
        if self._engine is None:
            self._engine = Engine(self.snapshot)
        return self._engine

    def verdict(self, flow: Flow) -> Verdict:
        """The verdict on a flow; what can't be found in the Snapshot is unknown, with the reason."""
        return self._watched.get(flow) or self._judge(flow)

    def _judge(self, flow: Flow) -> Verdict:
        try:
            return self.engine.summarize(flow)
        except UsageError as error:
            return Verdict(Decision.UNKNOWN, "unknown", Layer.NONE, notes=(str(error),))

    def watch(self, flows: Iterable[Flow]) -> Callable[[], None]:
        """Remember what is said of some flows, so that a change is noticed and explained; the answer stops that."""
        watched = tuple(flows)
        self._watchers.update(watched)
        for flow in watched:
            if flow not in self._watched:
                self._watched[flow] = self._judge(flow)

        def stop() -> None:
            self._watchers.subtract(watched)
            for flow in watched:
                if self._watchers[flow] <= 0:
                    del self._watchers[flow]
                    self._watched.pop(flow, None)

        return stop

    def change_of(self, flow: Flow) -> VerdictChange | None:
        """The last change of a watched flow's verdict in this session."""
        return self._changes.get(flow)

    def _judge_watched(self, old: Snapshot) -> None:
        """Judge watched flows on the new Snapshot: at once where that is quick, else in a thread, and tell when it is done."""
        if not self._watched:
            return
        if self._task is None or len(self.snapshot.pods) <= _SMALL:
            flows = list(self._watched)
            self._note_changes(old, self.snapshot, {flow: self._judge(flow) for flow in flows})
        elif self._watch_task is None or self._watch_task.done():
            self._watch_task = asyncio.create_task(self._judge_in_thread(old), name="watched flows")

    async def _judge_in_thread(self, old: Snapshot) -> None:
        while old is not self.snapshot and self._watched:
            engine, flows = self.engine, list(self._watched)
            verdicts = await asyncio.to_thread(_judge_all, engine, flows)
            self._note_changes(old, engine.snapshot, {flow: v or _unknown(flow) for flow, v in verdicts.items()})
            old = engine.snapshot
            self._tell()

    def _note_changes(self, old: Snapshot, new: Snapshot, verdicts: Mapping[Flow, Verdict]) -> None:
        """Take new verdicts; one with another decision, outcome or decider is a change."""
        changed = None
        for flow, after in verdicts.items():
            before = self._watched.get(flow)
            if before is None:
                continue
            self._watched[flow] = after
            if _summary(before) == _summary(after):
                continue
            if changed is None:
                changed = differences(old, new)
            because = causes(flow, before, after, changed, new.mesh.root_namespace)
            self._changes[flow] = VerdictChange(flow, before, after, self.clock(), because)

    @contextlib.contextmanager
    def all_pairs(self) -> Iterator[tuple[Matrix, int]]:
        """All pairs on the current Snapshot, and a number that grows with every change of them.

        It may take seconds: call it in a thread. Only one thread at a time has it.
        """
        with self._matrix_lock:
            matrix, snapshot = self._matrix, self.snapshot
            self._matrix = None  # what is interrupted while it changes is built anew
            if matrix is None:
                matrix = Matrix(snapshot)
                gc.freeze()  # it stays, and is large: the collector would hold the event loop for it at every full turn
                self._matrix_version += 1
            elif matrix.snapshot is not snapshot:
                touched = matrix.update(snapshot)
                self._matrix_version += bool(touched.everything or touched.rows or touched.columns or touched.moved)
            self._matrix = matrix
            yield matrix, self._matrix_version

    @property
    def observations(self) -> Mapping[Flow, Observation]:
        """What probes saw in this session, by flow."""
        return self._observations

    def observe(self, observation: Observation) -> None:
        """Keep what a probe saw, and which policies there were."""
        self._observations[observation.flow] = observation
        self._judged_by[observation.flow] = self._judges(self.verdict(observation.flow))
        self._tell()

    def outdated(self, flow: Flow) -> bool:
        """Whether a policy that judges a flow, or the verdict itself, is another than when it was probed."""
        observation = self._observations.get(flow)
        if observation is None:
            return False
        verdict = self.verdict(flow)
        return _summary(observation.predicted) != _summary(verdict) or self._judged_by.get(flow) != self._judges(verdict)

    def _judges(self, verdict: Verdict) -> frozenset[tuple[ObjectRef, str]]:
        """The policies in a verdict's ladder, each as it was last written."""
        if self._policies is None or self._policies[0] is not self.snapshot:
            self._policies = (self.snapshot, {p.meta.ref: p.meta.resource_version for p in policies_of(self.snapshot)})
        refs = {decider.ref for step in verdict.steps for decider in step.objects}
        return frozenset((ref, self._policies[1][ref]) for ref in refs if ref in self._policies[1])

    async def probe(
        self, plan: Plan, confirmation: Confirmation, progress: Callable[[Observation], None] = lambda _: None
    ) -> list[Observation]:
        """Run a plan; each Observation is kept, and told, as soon as it is there. Raises what the launcher raises."""
        from meshtui.probe.launch import Launcher

        def seen(observation: Observation) -> None:
            progress(observation)
            self.observe(observation)

        writes = self.writes()
        api = self.api()
        checkout = self.settings.checkout
        urls = [checkout.gateway] if checkout.gateway else []
        urls += gateway_urls(self.snapshot, checkout.gateway_namespace, checkout.gateway_name)
        return await Launcher(api, writes, self.settings, seen).run(plan, confirmation, urls)

    # ---- denials

    def follow_denials(self, since_s: int = WINDOW_S) -> None:
        """Start to follow the proxies' logs, until the session ends; once is enough."""
        if self.denial_log is None:
            from meshtui.sources.denials import DenialLog
            from meshtui.sources.log_stream import log_reader

            self.denial_log = DenialLog(log_reader(self.source), lambda: self.snapshot, self._denials_changed, since_s)
            self._denials_since = self.clock()
            self._denial_tasks = [
                asyncio.create_task(self.denial_log.run(), name="denials"),
                asyncio.create_task(self._judge_denials(), name="judge denials"),
            ]

    async def read_denials(self, since_s: int) -> DenialLog:
        """Read the proxies' logs back once, and judge what they say was denied."""
        from meshtui.sources.denials import DenialLog
        from meshtui.sources.log_stream import log_reader

        log = self.denial_log = DenialLog(log_reader(self.source), lambda: self.snapshot, since_s=since_s)
        await log.read()
        await self.judge_denials()
        return log

    def _look_at_logs(self) -> None:
        """A new Snapshot: the logs' pods and the verdicts may be others. In the sandbox, logs are followed from the start."""
        if self.denial_log is not None:
            self.denial_log.look()
            self._denial_news.set()
        elif self._task is not None and (self.label.sandbox or (self.label.changeable and self.settings.denials.follow)):
            self.follow_denials()

    def listen_denials(self, listener: Listener) -> Callable[[], None]:
        """Call ``listener`` when denials, or what is said of them, changed; the answer stops that."""
        self._denial_listeners.append(listener)
        return lambda: self._denial_listeners.remove(listener) if listener in self._denial_listeners else None

    def _denials_changed(self) -> None:
        self._denial_news.set()
        self._tell_of_denials()

    def _tell_of_denials(self) -> None:
        for listener in list(self._denial_listeners):
            listener()

    async def _judge_denials(self) -> None:
        """Judge the denials' flows, in a thread, whenever denials or Snapshot changed, at most once a second."""
        while True:
            await self._denial_news.wait()
            self._denial_news.clear()
            await self.judge_denials()
            await asyncio.sleep(_JUDGE_AGAIN_S)

    async def judge_denials(self) -> None:
        """Judge the flows of the newest denials on the current Snapshot."""
        newest = self.denial_log.denials[:_MOST_JUDGED] if self.denial_log else ()
        flows = list(dict.fromkeys(denial.flow for denial in newest if denial.flow is not None))
        engine = self.engine
        verdicts = await asyncio.to_thread(_judge_all, engine, flows)
        before = self._denial_verdicts
        for flow, verdict in verdicts.items():
            old = before.get(flow)
            if old is not None and (verdict is None or old.decision is not verdict.decision):
                self._denial_changes[flow] = self.clock()
        self._denial_changes = {flow: at for flow, at in self._denial_changes.items() if flow in verdicts}
        if verdicts != before:
            self._denial_verdicts = verdicts
            self._tell_of_denials()

    @property
    def denials(self) -> list[JudgedDenial]:
        """What the logs say was denied, the newest first, each with what policy says of it as far as it was judged."""
        found = self.denial_log.denials if self.denial_log else ()
        inputs = (found, self.snapshot, self._denial_verdicts)
        if self._denials is None or any(old is not new for old, new in zip(self._denials[0], inputs, strict=True)):
            times = Times(newest_policy(self.snapshot), watched=self._denials_since)
            judged = [self._judge_denial(denial, times) for denial in found]
            self._denials = (inputs, judged)
        return self._denials[1]

    def _judge_denial(self, denial: Denial, times: Times) -> JudgedDenial:
        flow = denial.flow
        if flow is None:
            return judge_denial(denial, None, self.snapshot, times)
        changed = replace(times, verdict=self._denial_changes.get(flow))
        return judge_denial(denial, self._denial_verdicts.get(flow), self.snapshot, changed)

    def denied(self) -> Mapping[ObjectRef, DeniedCount] | None:
        """Recent denials by object, or None where no log is read (then nothing is known of them)."""
        if self.denial_log is None or not self.denial_log.readable:
            return None
        return count_by_object(self.denials, self.clock() - timedelta(seconds=WINDOW_S))

    def api(self) -> Api:
        """The API server. Raises UsageError when there is no cluster."""
        if self.source.api is None:
            raise UsageError("there is no cluster behind this: manifests can't be probed")
        return self.source.api

    def writes(self) -> Writes:
        """The gate for changes. Raises UsageError when there is no cluster to change."""
        return Writes(self.api(), self.settings, sandbox=self.label.sandbox)


def _unknown(flow: Flow) -> Verdict:
    return Verdict(Decision.UNKNOWN, "unknown", Layer.NONE, notes=(f"{flow.source} or {flow.destination} isn't there any more",))


def _judge_all(engine: Engine, flows: Iterable[Flow]) -> dict[Flow, Verdict | None]:
    return {flow: _judged(engine, flow) for flow in flows}


def _judged(engine: Engine, flow: Flow) -> Verdict | None:
    try:
        return engine.summarize(flow)
    except UsageError:
        return None


def _summary(verdict: Verdict) -> tuple[object, ...]:
    return verdict.decision, verdict.outcome, verdict.layer, verdict.decided_by
