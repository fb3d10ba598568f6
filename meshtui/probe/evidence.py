"""Reads the ztunnels' log lines about a probe, by the probe pod's address and the time."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from datetime import datetime, timedelta

from meshtui.logs.ztunnel import AccessLine
from meshtui.model.workload import Pod
from meshtui.sources.kubernetes.api import Api
from meshtui.sources.kubernetes.ztunnels import Ztunnels

_SETTLE_S = 0.4
"""How long to wait for a connection's line, in seconds: it is logged when the connection ends."""


class Evidence:
    """Reads the ztunnels' logs of one cluster. Logs that can't be read are ignored: there is no evidence then."""

    def __init__(self, api: Api, namespaces: Collection[str]) -> None:
        self._ztunnels = Ztunnels(api, namespaces)

    async def about(self, pod: Pod, since: datetime) -> list[AccessLine]:
        """The access log lines since a moment whose source is a pod's address, sorted by time."""
        if not pod.ips:
            return []
        await asyncio.sleep(_SETTLE_S)
        lines = await self._ztunnels.since(since - timedelta(seconds=1))
        return [line for line in lines if line.source.address in pod.ips]
