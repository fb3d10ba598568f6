"""Watched flows: their verdicts are recomputed on every Snapshot, to detect and explain changes."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from meshtui.engine.explain.causes import causes, differences
from meshtui.model.change import VerdictChange
from meshtui.model.flow import Flow
from meshtui.model.snapshot import Snapshot
from meshtui.model.verdict import Verdict
from meshtui.session.host import SMALL, Host
from meshtui.session.judging import gist, gone, judge, judge_all


class Watching:
    """The session's watched flows, with the current verdict and the last change of each."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._watchers: Counter[Flow] = Counter()
        self._verdicts: dict[Flow, Verdict] = {}
        self._changes: dict[Flow, VerdictChange] = {}
        self._task: asyncio.Task[None] | None = None

    def verdict(self, flow: Flow) -> Verdict | None:
        """The verdict on a flow if it is watched, else None."""
        return self._verdicts.get(flow)

    def watch(self, flows: Iterable[Flow]) -> Callable[[], None]:
        """Keep the verdicts on some flows. Returns a function that stops this."""
        watched = tuple(flows)
        self._watchers.update(watched)
        for flow in watched:
            if flow not in self._verdicts:
                self._verdicts[flow] = judge(self._host.engine, flow)

        def stop() -> None:
            self._watchers.subtract(watched)
            for flow in watched:
                if self._watchers[flow] <= 0:
                    del self._watchers[flow]
                    self._verdicts.pop(flow, None)

        return stop

    def change_of(self, flow: Flow) -> VerdictChange | None:
        """The last change of a watched flow's verdict in this session, or None."""
        return self._changes.get(flow)

    async def stop(self) -> None:
        """Stop the background computation."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def renew(self, old: Snapshot) -> None:
        """Recompute verdicts on the new Snapshot: at once on a small cluster, else in a thread that notifies listeners."""
        if not self._verdicts:
            return
        host = self._host
        if not host.running or len(host.snapshot.pods) <= SMALL:
            flows = list(self._verdicts)
            self._note_changes(old, host.snapshot, {flow: judge(host.engine, flow) for flow in flows})
        elif self._task is None or self._task.done():
            self._task = self._host.in_background(self._judge_in_thread(old), "watched flows")

    async def _judge_in_thread(self, old: Snapshot) -> None:
        while old is not self._host.snapshot and self._verdicts:
            engine, flows = self._host.engine, list(self._verdicts)
            verdicts = await asyncio.to_thread(judge_all, engine, flows)
            self._note_changes(old, engine.snapshot, {flow: v or gone(flow) for flow, v in verdicts.items()})
            old = engine.snapshot
            self._host.tell()

    def _note_changes(self, old: Snapshot, new: Snapshot, verdicts: Mapping[Flow, Verdict]) -> None:
        """Store new verdicts. A different decision, outcome, layer or decider is a change."""
        changed = None
        for flow, after in verdicts.items():
            before = self._verdicts.get(flow)
            if before is None:
                continue
            self._verdicts[flow] = after
            if gist(before) == gist(after):
                continue
            if changed is None:
                changed = differences(old, new)
            because = causes(flow, before, after, changed, new.mesh.root_namespace)
            self._changes[flow] = VerdictChange(flow, before, after, self._host.clock(), because)
