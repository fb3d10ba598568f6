"""What has just happened to the cluster's policies, and which verdicts turned with it, for the strip of the main screen."""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from meshtui.engine import Engine
from meshtui.engine.explain.causes import policy_changes
from meshtui.engine.path.relations import flows_from, flows_to, pods_of_authorization_policy, pods_of_network_policy
from meshtui.model.change import Cause
from meshtui.model.flow import Flow
from meshtui.model.ids import ObjectRef
from meshtui.model.snapshot import Snapshot
from meshtui.model.verdict import Decision
from meshtui.session.host import Host
from meshtui.session.judging import judge_all

_KEPT = 100
"""So many changes are remembered."""
_MOST_WORKLOADS = 8
_MOST_FLOWS = 120
"""The maximum number of workloads, and of flows, for which it is computed how one change turns their verdicts."""


@dataclass(slots=True)
class Happening:
    """One change of a policy. ``turned`` counts the flows by their new decision; None while that isn't known."""

    at: datetime
    cause: Cause
    turned: Counter[Decision] | None = None
    flow: Flow | None = None
    """One of the flows that turned."""


class Happenings:
    """The changes of policies since the session began, the newest first."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self.items: deque[Happening] = deque(maxlen=_KEPT)
        self._tasks: set[asyncio.Task[None]] = set()
        self._settled = False
        self._one_by_one = asyncio.Lock()

    def renew(self, old: Snapshot) -> None:
        """Compare the new Snapshot with the one before. What is read for the first time isn't a change."""
        before, self._settled = self._settled, self._host.settled
        if not (before and self._settled):
            return
        new = self._host.snapshot
        found = [Happening(self._host.clock(), cause) for cause in policy_changes(old, new)]
        self.items.extendleft(reversed(found))
        if found and self._host.running:
            task = self._host.in_background(self._turn(old, found), "turned verdicts")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """Stop computing."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _turn(self, old: Snapshot, found: Iterable[Happening]) -> None:
        """Compute it for those that are still remembered, one after the other: a cluster may change faster than that."""
        before, after = Engine(old), self._host.engine
        async with self._one_by_one:
            for each in found:
                if not any(each is kept for kept in self.items):
                    continue
                turned = await asyncio.to_thread(turned_by, before, after, each.cause.ref)
                each.turned = Counter(decision for _, decision in turned)
                each.flow = turned[0][0] if turned else None
                self._host.tell()


def turned_by(before: Engine, after: Engine, policy: ObjectRef) -> list[tuple[Flow, Decision]]:
    """The flows of the workloads that a policy selects, before or after its change, whose decision differs; and the new one.

    At most ``_MOST_FLOWS`` flows are compared.
    """
    owners = sorted({*_selected(before.snapshot, policy), *_selected(after.snapshot, policy)})[:_MOST_WORKLOADS]
    flows: dict[Flow, None] = {}
    for ref in owners:
        workload = after.snapshot.workloads.get(ref)
        if workload is not None:
            flows.update(dict.fromkeys([*flows_to(after.snapshot, workload), *flows_from(after.snapshot, workload)]))
    asked = list(flows)[:_MOST_FLOWS]
    was, now = judge_all(before, asked), judge_all(after, asked)
    turned = []
    for flow in asked:
        first, last = was.get(flow), now.get(flow)
        if first is not None and last is not None and first.decision is not last.decision:
            turned.append((flow, last.decision))
    return turned


def _selected(snapshot: Snapshot, ref: ObjectRef) -> set[ObjectRef]:
    pods = [
        *(pod for p in snapshot.network_policies.values() if p.meta.ref == ref for pod in pods_of_network_policy(snapshot, p)),
        *(
            pod
            for p in snapshot.authorization_policies.values()
            if p.meta.ref == ref
            for pod in pods_of_authorization_policy(snapshot, p)
        ),
    ]
    return {snapshot.owner_of(pod) for pod in pods}
