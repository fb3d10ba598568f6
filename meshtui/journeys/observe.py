"""Read-only evidence of a journey: what the ztunnels and the services logged about it."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Collection, Iterable, Sequence

from meshtui.journeys.hops import Hop
from meshtui.logs.ztunnel import AccessLine
from meshtui.model.errors import ClusterError
from meshtui.model.workload import Pod
from meshtui.sources.kubernetes.api import Api
from meshtui.sources.kubernetes.ztunnels import Ztunnels

_BEFORE_S = 5
"""Lines logged up to this long before the start are excluded, so that old lines don't count as evidence."""
_POLL_S = 0.2
_TAIL = "500"
GIVES_UP_S = 11.5
"""ztunnel's timeout for a connection is 10 s (istio/ztunnel src/proxy.rs); it logs the line then."""


class Observer:
    """Reads the log lines since ``mark``. Only the nodes' clocks matter; without permission there is no evidence."""

    def __init__(self, api: Api, hops: Iterable[Hop], ztunnels_in: Collection[str]) -> None:
        self._api = api
        self._ztunnels = Ztunnels(api, ztunnels_in)
        self._nodes = frozenset(node for hop in hops for node in hop.nodes)
        self._old: frozenset[str] = frozenset()
        self._seen_after_s: dict[str, float] = {}
        self._began = time.monotonic()

    @property
    def problem(self) -> str:
        """The reason why evidence may be missing, or an empty string."""
        return self._ztunnels.problem

    @property
    def readable(self) -> bool:
        """Whether the log of at least one ztunnel can be read; otherwise waiting for a line is useless."""
        return self._ztunnels.readable

    async def mark(self) -> None:
        """Record the lines that are already in the logs."""
        self._began = time.monotonic()
        self._seen_after_s.clear()
        self._old = frozenset(line.raw for line in await self._ztunnels.last(_BEFORE_S, self._nodes))

    async def lines(self, *, begun_before: bool = False) -> list[AccessLine]:
        """The ztunnels' lines since ``mark``, sorted by time; with those of attempts to connect ``begun_before`` it if wanted."""
        lines = await self._ztunnels.last(self._seconds(), self._nodes)
        lines = [line for line in lines if line.raw not in self._old]
        return [line for line in lines if not self._began_before(line) or (begun_before and _is_an_attempt(line))]

    def _began_before(self, line: AccessLine) -> bool:
        """Whether a failed connection began before ``mark``: it belongs to an earlier journey, and timed out only now.

        That is decided when the line is first seen: later it would look as if it had begun since.
        """
        if not line.error or line.duration_ms is None:
            return False
        elapsed_s = self._seen_after_s.setdefault(line.raw, time.monotonic() - self._began)
        return line.duration_ms / 1000 > elapsed_s

    async def lines_of(self, hop: Hop, wait_s: float, known: Collection[str] = ()) -> list[AccessLine]:
        """The lines about one connection except ``known`` ones. Waits for both ends' lines, which are logged when it ends."""
        deadline = time.monotonic() + wait_s
        while True:
            found = [line for line in await self.lines() if hop.matches(line) and line.raw not in known]
            complete = {True, False} <= {line.inbound for line in found} or any(line.timed_out for line in found)
            if complete or not self.readable or time.monotonic() >= deadline:
                return found
            await asyncio.sleep(_POLL_S)

    async def lines_for(self, counts: Sequence[tuple[Hop, int]], wait_s: float) -> list[AccessLine]:
        """The lines since ``mark``; waits, up to a time limit, until there is one for each request on each connection."""
        deadline = time.monotonic() + wait_s
        while True:
            lines = await self.lines()
            complete = all(sum(map(hop.matches, lines)) >= count for hop, count in counts)
            if complete or not self.readable or time.monotonic() >= deadline:
                return lines
            await asyncio.sleep(_POLL_S)

    async def said(self, pods: Sequence[Pod], words: Collection[str]) -> list[str]:
        """The lines of some pods' own logs since ``mark`` that contain one of the words, pod by pod."""
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


def _is_an_attempt(line: AccessLine) -> bool:
    """Whether it ended with an error before it carried a byte, in the time that a ztunnel gives a connection at most."""
    return not line.bytes_sent and not line.bytes_received and (line.duration_ms or 0) / 1000 <= GIVES_UP_S
