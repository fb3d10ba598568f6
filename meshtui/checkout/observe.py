"""Read-only evidence of a checkout: what the ztunnels and the services themselves logged about it."""

from __future__ import annotations

import asyncio
import math
import re
import time
from collections.abc import Collection, Iterable, Sequence

from meshtui.checkout.hops import Hop
from meshtui.model.errors import ClusterError
from meshtui.model.workload import Pod
from meshtui.sources.api import Api
from meshtui.sources.ztunnel_log import AccessLine
from meshtui.sources.ztunnels import Ztunnels

_BEFORE_S = 5
"""What was logged shortly before the start is remembered, so that nothing old is taken for evidence."""
_POLL_S = 0.2
_TAIL = "500"


class Observer:
    """What was logged since ``mark``. Only the nodes' clocks count; without permission there is no evidence."""

    def __init__(self, api: Api, hops: Iterable[Hop]) -> None:
        self._api = api
        self._ztunnels = Ztunnels(api)
        self._nodes = frozenset(node for hop in hops for node in hop.nodes)
        self._old: frozenset[str] = frozenset()
        self._began = time.monotonic()

    @property
    def problem(self) -> str:
        """Why there may be less evidence than there should be, or empty."""
        return self._ztunnels.problem

    @property
    def readable(self) -> bool:
        """Whether there is any ztunnel whose log could be read: only then it is worth to wait for a line."""
        return self._ztunnels.readable

    async def mark(self) -> None:
        """Remember what is in the logs already."""
        self._began = time.monotonic()
        self._old = frozenset(line.raw for line in await self._ztunnels.last(_BEFORE_S, self._nodes))

    async def lines(self) -> list[AccessLine]:
        """The ztunnels' lines since ``mark``, by time."""
        lines = await self._ztunnels.last(self._seconds(), self._nodes)
        return [line for line in lines if line.raw not in self._old and not self._began_before(line)]

    def _began_before(self, line: AccessLine) -> bool:
        """Whether a failed connection is older than ``mark``: an earlier purchase's, which timed out only now."""
        duration = re.fullmatch(r"(\d+)ms", line.fields.get("duration", ""))
        elapsed_s = time.monotonic() - self._began
        return bool(line.error) and duration is not None and int(duration[1]) / 1000 > elapsed_s

    async def lines_of(self, hop: Hop, wait_s: float) -> list[AccessLine]:
        """The lines about one connection; they are written when it ends, so both ends' are waited for, for a while."""
        deadline = time.monotonic() + wait_s
        while True:
            found = [line for line in await self.lines() if hop.matches(line)]
            ends = {line.fields.get("direction") for line in found}
            complete = {"inbound", "outbound"} <= ends or any("timed out" in line.error for line in found)
            if complete or not self.readable or time.monotonic() >= deadline:
                return found
            await asyncio.sleep(_POLL_S)

    async def lines_for(self, counts: Sequence[tuple[Hop, int]], wait_s: float) -> list[AccessLine]:
        """The lines since ``mark``; waits a while until there are as many for each connection as were made."""
        deadline = time.monotonic() + wait_s
        while True:
            lines = await self.lines()
            complete = all(sum(map(hop.matches, lines)) >= count for hop, count in counts)
            if complete or not self.readable or time.monotonic() >= deadline:
                return lines
            await asyncio.sleep(_POLL_S)

    async def said(self, pods: Sequence[Pod], words: Collection[str]) -> list[str]:
        """The lines of some pods' own logs since ``mark`` that hold one of these words, a pod after the other."""
        words = [word for word in words if word]
        if not words:
            return []
        logs = await asyncio.gather(*(self._log(pod) for pod in pods))
        return [line for log in logs for line in log if any(word in line for word in words)]

    async def _log(self, pod: Pod) -> list[str]:
        path = f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}/log"
        try:
            text = await self._api.get(path, {"sinceSeconds": str(self._seconds()), "tailLines": _TAIL})
        except ClusterError:
            return []
        return text.decode(errors="replace").splitlines()

    def _seconds(self) -> int:
        return math.ceil(time.monotonic() - self._began) + 2
