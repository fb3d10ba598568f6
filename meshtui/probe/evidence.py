"""What both ends' ztunnels logged about a probe: evidence, matched by the probe pod's address and time."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

from meshtui.model.workload import Pod
from meshtui.sources.api import Api
from meshtui.sources.ztunnel_log import AccessLine
from meshtui.sources.ztunnels import Ztunnels

_SETTLE_S = 0.4
"""A connection's line is written when it ends."""


class Evidence:
    """Reads the ztunnels' logs of one cluster; where they can't be read there is no evidence, and nothing fails."""

    def __init__(self, api: Api) -> None:
        self._ztunnels = Ztunnels(api)

    async def about(self, pod: Pod, since: datetime) -> list[AccessLine]:
        """The access log lines since a moment in which a pod's address is the source, by time."""
        if not pod.ips:
            return []
        await asyncio.sleep(_SETTLE_S)
        lines = await self._ztunnels.since(since - timedelta(seconds=1))
        return [line for line in lines if _host(line.fields.get("src.addr", "")) in pod.ips]


def _host(address: str) -> str:
    return address.rpartition(":")[0].strip("[]")
