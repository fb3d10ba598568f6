"""What both ends' ztunnels logged about a probe: evidence, matched by the probe pod's address and time."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

from meshtui.model.errors import ClusterError
from meshtui.model.workload import Pod
from meshtui.sources.api import Api
from meshtui.sources.decode import KINDS, decode_list
from meshtui.sources.ztunnel_log import AccessLine, parse_access_line

_SETTLE_S = 0.4
"""A connection's line is written when it ends."""


class Evidence:
    """Reads the ztunnels' logs of one cluster; where they can't be read there is no evidence, and nothing fails."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._ztunnels: list[Pod] | None = None

    async def about(self, pod: Pod, since: datetime) -> list[AccessLine]:
        """The access log lines since a moment in which a pod's address is the source, by time."""
        if not pod.ips:
            return []
        await asyncio.sleep(_SETTLE_S)
        logs = await asyncio.gather(*(self._read(ztunnel, since) for ztunnel in await self._pods()))
        lines = [line for log in logs for line in log if _host(line.fields.get("src.addr", "")) in pod.ips]
        return sorted(lines, key=lambda line: line.time)

    async def _pods(self) -> list[Pod]:
        if self._ztunnels is None:
            try:
                raw = await self._api.get("/api/v1/pods", {"labelSelector": "app=ztunnel"})
                self._ztunnels = decode_list(KINDS["Pod"], raw)
            except ClusterError:
                self._ztunnels = []
        return self._ztunnels

    async def _read(self, ztunnel: Pod, since: datetime) -> list[AccessLine]:
        path = f"/api/v1/namespaces/{ztunnel.namespace}/pods/{ztunnel.name}/log"
        at = (since - timedelta(seconds=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
        try:
            text = (await self._api.get(path, {"sinceTime": at, "tailLines": "2000"})).decode(errors="replace")
        except ClusterError:
            return []
        return [line for row in text.splitlines() if (line := parse_access_line(row)) is not None]


def _host(address: str) -> str:
    return address.rpartition(":")[0].strip("[]")
