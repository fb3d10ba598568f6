"""Follows the logs of all ztunnels, waypoints and gateways, and counts their denials.

Pods are created and deleted, streams are interrupted, nodes become unreachable: each log has its own task, which continues
where it stopped. Lines are processed in slices of a few milliseconds, so that a burst of lines doesn't block the event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from meshtui.logs.captured import captured_of
from meshtui.logs.envoy import Unreadable
from meshtui.logs.rejections import EnvoyReader, ZtunnelReader, read_line
from meshtui.logs.tally import Tally
from meshtui.model.denial import WINDOW_S, Denial, LogState
from meshtui.model.enrolment import SKEW
from meshtui.model.errors import ForbiddenError, MeshtuiError
from meshtui.model.ids import Uid
from meshtui.model.redact import redact
from meshtui.model.snapshot import KindStatus, Snapshot
from meshtui.model.workload import MeshMode, Pod
from meshtui.sources.kubernetes.limits import MESSAGE_CHARS
from meshtui.sources.kubernetes.log_stream import Position, ReadLog, text_of

TAIL = 10_000
"""Maximum number of lines of each log that are read back."""
MOST_STREAMS = 40
"""Maximum number of logs that are followed with a stream. With more, all are polled every ``_POLL_S`` seconds, so that
connections remain for other requests.
"""
_POLL_S = 5.0
_LAST_LINES_S = 5.0
"""For how long the log of a deleted pod is still read, in seconds."""
_SLICE_S = 0.004
_MOST_CAPTURED = 50_000
"""Maximum number of pods of which it is remembered that a log shows them to be captured."""
_TELL_S = 0.25
_WAITS_S = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
_NEVER = datetime(9999, 1, 1, tzinfo=UTC)
_GATEWAY_CLASS = "gateway.istio.io/managed"
_WAYPOINT = "istio.io-mesh-controller"


Reader = ZtunnelReader | EnvoyReader


def role_of(snapshot: Snapshot, pod: Pod) -> str:
    """The proxy that a pod is: ``ztunnel``, ``waypoint``, ``gateway``, or empty. Ended pods count as none."""
    if pod.completed or pod.derived:
        return ""
    if snapshot.is_ztunnel(pod):
        return "ztunnel"
    if snapshot.mesh_mode(pod) is MeshMode.GATEWAY:
        return "waypoint" if pod.labels.get(_GATEWAY_CLASS) == _WAYPOINT else "gateway"
    return ""


class DenialLog:
    """The denials of one cluster. ``changed`` is called after changes, at most four times a second.

    ``clock`` is this machine's: a line of a node whose clock is ahead shows a pod's capture when it is read, and not later.
    """

    def __init__(
        self,
        read: ReadLog,
        snapshot: Callable[[], Snapshot],
        changed: Callable[[], None] = lambda: None,
        since_s: int = WINDOW_S,
        retry_s: tuple[float, ...] = _WAITS_S,
        clock: Callable[[], datetime] | None = None,
    ) -> None:
        self._read = read
        self._snapshot = snapshot
        self._changed = changed
        self._since_s = since_s
        self._retry_s = retry_s
        self._clock = clock
        self._tally = Tally(since_s)
        self._logs: dict[Uid, LogState] = {}
        self._tasks: dict[Uid, asyncio.Task[None]] = {}
        self._news = asyncio.Event()
        self._retry = asyncio.Event()
        self._turn = asyncio.Lock()
        self._limit = asyncio.Semaphore(MOST_STREAMS // 2)
        self._followed_anew = False
        self._told: asyncio.TimerHandle | None = None
        self._untold = False
        self._ending: set[asyncio.Task[None]] = set()
        self._captured: dict[str, datetime] = {}
        self.gone_unreadable = 0
        """How many unreadable lines there were in logs of deleted pods."""

    # ---- what there is to know

    @property
    def denials(self) -> tuple[Denial, ...]:
        """All denials, the newest first."""
        return self._tally.denials

    @property
    def captured(self) -> Mapping[str, datetime]:
        """The last time at which a ztunnel's log shows a pod to be captured, by ``namespace/name``."""
        return self._captured

    @property
    def forgotten(self) -> int:
        """How many groups of denials were dropped because there were too many."""
        return self._tally.forgotten

    @property
    def own(self) -> int:
        """How many lines were about meshtui's own probes. They aren't counted as denials."""
        return self._tally.own

    @property
    def logs(self) -> tuple[LogState, ...]:
        """The state of each log."""
        return tuple(self._logs.values())

    @property
    def unreadable(self) -> int:
        """How many lines couldn't be parsed."""
        return self.gone_unreadable + sum(log.unreadable for log in self._logs.values())

    @property
    def readable(self) -> bool:
        """Whether the log of at least one ztunnel could be read."""
        return any(log.role == "ztunnel" and log.reading for log in self._logs.values())

    @property
    def problems(self) -> tuple[str, ...]:
        """Reasons why denials may be missing, one line each."""
        snapshot = self._snapshot()
        pods = snapshot.kind_state("Pod")
        found: list[str] = []
        if pods.status is KindStatus.FORBIDDEN:
            found.append(f"the ztunnels can't be found: missing verb: list pods ({pods.message})")
        elif pods.status in {KindStatus.EXPIRED, KindStatus.UNREACHABLE, KindStatus.BROKEN}:
            found.append(f"the ztunnels can't be found: {pods.message}")
        elif not snapshot.ztunnels and pods.status is not KindStatus.LOADING:
            scope = f"; only namespace {pods.scope} may be listed: missing verb: list pods" if pods.scope else ""
            found.append(f"no ztunnel pod (label app=ztunnel) is in the mesh's namespaces{scope}")
        by_words: dict[str, list[str]] = {}
        for log in self._logs.values():
            if log.problem:
                namespace = log.pod.partition("/")[0]
                words = f"missing verb: get pods/log in namespace {namespace}" if log.forbidden else log.problem
                by_words.setdefault(words, []).append(log.pod)
            if log.cut:
                by_words.setdefault(f"only the last {TAIL:,} lines were read back: older denials are missing", []).append(log.pod)
        for words, names in by_words.items():
            more = f" and {len(names) - 1} more" if len(names) > 1 else ""
            found.append(f"log of {names[0]}{more}: {words}")
        return tuple(found)

    # ---- following

    async def run(self) -> None:
        """Follow the logs of the pods in the Snapshot, until cancelled."""
        try:
            while True:
                self._reconcile()
                self._news.clear()
                await self._news.wait()
        finally:
            tasks = [*self._tasks.values(), *self._ending]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            if self._told is not None:
                self._told.cancel()

    def look(self) -> None:
        """Start and stop tasks after a new Snapshot: pods may have been created or deleted."""
        self._tally.note_probes(self._snapshot())
        self._news.set()

    def retry_now(self) -> None:
        """Retry now to read logs that couldn't be read."""
        self._retry.set()
        self._retry = asyncio.Event()

    def _wanted(self) -> dict[Uid, tuple[Pod, str]]:
        snapshot = self._snapshot()
        roles = ((pod, role_of(snapshot, pod)) for pod in snapshot.pods.values())
        return {pod.uid: (pod, role) for pod, role in roles if role}

    def _reconcile(self) -> None:
        wanted = self._wanted()
        follow = len(wanted) <= MOST_STREAMS
        since_s = WINDOW_S if self._followed_anew else self._since_s
        for uid, (pod, role) in wanted.items():
            if uid not in self._logs:
                self._logs[uid] = LogState(pod.key, pod.node, role)
                position = Position(since_s, TAIL)
                self._tasks[uid] = asyncio.create_task(self._follow(pod, role, position, follow=follow), name=f"log {pod.key}")
                self._tell()
        for uid in [uid for uid in self._logs if uid not in wanted]:
            self._forget(uid)
        self._followed_anew = self._followed_anew or bool(wanted)

    def _forget(self, uid: Uid) -> None:
        """Handle a deleted pod: its denials are kept, and its last lines are still read."""
        self.gone_unreadable += self._logs.pop(uid).unreadable
        task = self._tasks.pop(uid)
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
        asyncio.get_running_loop().call_later(_LAST_LINES_S, task.cancel)
        self._tell()

    async def _follow(self, pod: Pod, role: str, position: Position, *, follow: bool) -> None:
        """Read the existing lines, then new ones, until the pod is deleted."""
        reader = ZtunnelReader() if role == "ztunnel" else EnvoyReader(role)
        failed, back = 0, False
        while pod.uid in self._logs:
            before = self._logs[pod.uid].lines
            try:
                if not back:
                    await self._read_back(pod, reader, position)
                    back = True
                    continue
                if follow:
                    await self._read_once(pod, reader, position, follow=True)
                else:
                    async with self._limit:
                        await self._read_once(pod, reader, position, follow=False)
                failed = 0
            except Exception as error:  # noqa: BLE001  (the boundary of one log: its followers see that it isn't read, and why)
                failed += 1
                self._set(pod, problem=_why(error), forbidden=isinstance(error, ForbiddenError), reading=False)
            log = self._logs.get(pod.uid)
            if log is not None and log.lines > before:
                failed = min(failed, 1)
            wait_s = self._retry_s[min(failed, len(self._retry_s) - 1)] if failed or follow else _POLL_S
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):  # asyncio.wait_for of Python 3.11 may lose a cancellation
                    await self._retry.wait()

    async def _read_back(self, pod: Pod, reader: Reader, position: Position) -> None:
        async with self._limit:
            await self._read_once(pod, reader, position, follow=False, back=True)
        log = self._logs.get(pod.uid)
        if log is not None and log.lines >= TAIL:
            self._set(pod, cut=True)

    async def read(self) -> None:
        """Read all logs once, without following them. Denials are counted in the order of their times."""
        self._tally.note_probes(self._snapshot())
        wanted = self._wanted()

        async def one(pod: Pod, role: str) -> None:
            reader = ZtunnelReader() if role == "ztunnel" else EnvoyReader(role)
            try:
                await self._read_back(pod, reader, Position(self._since_s, TAIL))
            except Exception as error:  # noqa: BLE001  (as in _follow)
                self._set(pod, problem=_why(error), forbidden=isinstance(error, ForbiddenError))

        for uid, (pod, role) in wanted.items():
            self._logs[uid] = LogState(pod.key, pod.node, role)
        await asyncio.gather(*(one(pod, role) for pod, role in wanted.values()))

    async def _read_once(self, pod: Pod, reader: Reader, position: Position, *, follow: bool, back: bool = False) -> None:
        async for lines in self._read(pod, position, follow):
            self._set(pod, problem="", forbidden=False, reading=True)
            await self._take(pod, reader, position, lines, back=back)

    async def _take(self, pod: Pod, reader: Reader, position: Position, lines: list[bytes], *, back: bool) -> None:
        """Process lines of one log at a time, and yield to the event loop after each time slice."""
        async with self._turn:
            snapshot, counted, bad, sample, found = self._snapshot(), 0, 0, "", False
            until, of_ztunnel = time.perf_counter() + _SLICE_S, isinstance(reader, ZtunnelReader)
            now = self._clock() if self._clock is not None else _NEVER
            for number, raw in enumerate(lines):
                fresh = position.fresh(raw)
                if fresh is None:
                    continue
                counted += 1
                text = text_of(fresh) if fresh else ""
                seen = read_line(reader, text) if text else None
                if isinstance(seen, Unreadable):
                    bad, sample = bad + 1, f"{seen.why}: {seen.raw[:500]}"
                elif seen is not None:
                    self._tally.add(seen, snapshot)
                    found = True
                elif of_ztunnel:
                    self._note_captured(text, now, back=back)
                if number % 16 == 15 and time.perf_counter() >= until:
                    await asyncio.sleep(0)
                    until = time.perf_counter() + _SLICE_S
        log = self._logs.get(pod.uid)
        if log is None:
            self.gone_unreadable += bad
        else:
            read, unreadable = log.lines + counted, log.unreadable + bad
            self._logs[pod.uid] = replace(log, lines=read, unreadable=unreadable, sample=sample or log.sample)
        if found or bad:
            self._tell()

    def _note_captured(self, text: str, now: datetime, *, back: bool) -> None:
        """Remember the pod that a line shows to be captured.

        A line from a clock that is ahead is of now, or, of a log that is read back, of any time: then it shows nothing.
        """
        seen = captured_of(text)
        if seen is None or (back and seen[1] > now + SKEW):
            return
        pod, at = seen[0], now if seen[1] > now + SKEW else seen[1]
        before = self._captured.get(pod)
        if before is None or at > before:
            self._captured[pod] = at
        if len(self._captured) > _MOST_CAPTURED:
            del self._captured[next(iter(self._captured))]

    def _set(self, pod: Pod, **changes: Any) -> None:
        log = self._logs.get(pod.uid)
        if log is None:
            return
        fresh = replace(log, **changes)
        if fresh != log:
            self._logs[pod.uid] = fresh
            self._tell()

    def _tell(self) -> None:
        """Call ``changed``: now, or delayed if it was called a moment ago."""
        if self._told is None:
            self._changed()
            self._told = asyncio.get_running_loop().call_later(_TELL_S, self._tell_rest)
            self._untold = False
        else:
            self._untold = True

    def _tell_rest(self) -> None:
        self._told = None
        if self._untold:
            self._tell()


def _why(error: Exception) -> str:
    """Why a log isn't read, in one line."""
    if isinstance(error, MeshtuiError):
        return str(error)
    return redact(" ".join(f"an error in meshtui: {type(error).__name__}: {error}".split()))[:MESSAGE_CHARS]
