"""The access logs of a cluster's ztunnels. Logs that can't be read give no lines, and no error."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from datetime import datetime

from meshtui.kinds import KINDS
from meshtui.logs.ztunnel import AccessLine, parse_access_line
from meshtui.model.errors import ClusterError
from meshtui.model.workload import Pod
from meshtui.model.ztunnels import is_ztunnel
from meshtui.sources.kubernetes.api import Api, segment
from meshtui.sources.kubernetes.listing import read_list

_TAIL = "2000"


class Ztunnels:
    """Reads the ztunnels' logs, in the mesh's namespaces. ``problem`` says why some of them couldn't be read, or is empty."""

    def __init__(self, api: Api, namespaces: Collection[str]) -> None:
        self._api = api
        self._namespaces = namespaces
        self._pods: list[Pod] | None = None
        self._asked: set[str] = set()
        self._refused: set[str] = set()
        self.problem = ""

    @property
    def readable(self) -> bool:
        """Whether the log of any ztunnel that was asked could be read the last time."""
        return bool(self._asked - self._refused)

    async def since(self, at: datetime, nodes: Collection[str] = ()) -> list[AccessLine]:
        """The lines about connections that ended since a moment of this machine's clock, sorted by time; no nodes: of all."""
        return await self._lines({"sinceTime": at.strftime("%Y-%m-%dT%H:%M:%SZ")}, nodes)

    async def last(self, seconds: int, nodes: Collection[str] = ()) -> list[AccessLine]:
        """The lines about connections that ended in the last seconds by the nodes' clocks, sorted by time; no nodes: of all."""
        return await self._lines({"sinceSeconds": str(max(1, seconds))}, nodes)

    async def _lines(self, params: Mapping[str, str], nodes: Collection[str]) -> list[AccessLine]:
        wanted = [pod for pod in await self._known() if not nodes or pod.node in nodes]
        logs = await asyncio.gather(*(self._read(pod, params) for pod in wanted))
        return sorted((line for log in logs for line in log), key=lambda line: line.time)

    async def _known(self) -> list[Pod]:
        if self._pods is None:
            try:
                found = await read_list(self._api, KINDS["Pod"], {"labelSelector": "app=ztunnel"})
                self._pods = [pod for pod in found if is_ztunnel(pod, self._namespaces)]
            except ClusterError as error:
                self.problem = str(error)
                self._pods = []
        return self._pods

    async def _read(self, ztunnel: Pod, params: Mapping[str, str]) -> list[AccessLine]:
        self._asked.add(ztunnel.key)
        path = f"/api/v1/namespaces/{segment(ztunnel.namespace)}/pods/{segment(ztunnel.name)}/log"
        try:
            text = (await self._api.get(path, {**params, "tailLines": _TAIL})).decode(errors="replace")
        except ClusterError as error:
            self.problem = str(error)
            self._refused.add(ztunnel.key)
            return []
        self._refused.discard(ztunnel.key)
        lines = (parse_access_line(row) for row in text.splitlines())
        return [line for line in lines if line is not None and not line.opened]
