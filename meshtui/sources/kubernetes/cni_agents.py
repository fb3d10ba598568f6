"""The logs of istio-cni's agents: what they say of pods that they couldn't capture again."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable

from meshtui.logs.cni_agent import AgentLine, read_agent_line
from meshtui.model.errors import ClusterError
from meshtui.model.workload import Pod
from meshtui.model.ztunnels import of_daemon_set
from meshtui.sources.kubernetes.api import Api, segment

_LABEL = ("k8s-app", "istio-cni-node")
_OWN = "istio-cni"
"""The namespace of istio-cni alone, where an operator (Sail) installs it apart."""
_TAIL = "5000"
_AT_ONCE = 6


async def agent_lines(api: Api, pods: Iterable[Pod], namespaces: Collection[str]) -> tuple[list[AgentLine], tuple[str, ...]]:
    """The lines about pods in the agents' logs, the last 5,000 lines of each; and why some of them couldn't be read.

    ``pods`` are those of a Snapshot, of which the agents are picked: pods of DaemonSets in the mesh's ``namespaces``
    (``Snapshot.ztunnel_namespaces``), or in istio-cni's own. Anybody else's pod may have their label.
    """
    labelled = (pod for pod in pods if pod.labels.get(_LABEL[0]) == _LABEL[1] and not pod.completed and not pod.derived)
    agents = [pod for pod in labelled if pod.namespace in {*namespaces, _OWN} and of_daemon_set(pod)]
    turn = asyncio.Semaphore(_AT_ONCE)
    problems: dict[str, None] = {}

    async def read(pod: Pod) -> list[AgentLine]:
        path = f"/api/v1/namespaces/{segment(pod.namespace)}/pods/{segment(pod.name)}/log"
        try:
            async with turn:
                text = (await api.get(path, {"tailLines": _TAIL, "container": "install-cni"})).decode(errors="replace")
        except ClusterError as error:
            problems[f"log of {pod.key}: {error}"] = None
            return []
        return [line for row in text.splitlines() if (line := read_agent_line(row)) is not None]

    found = await asyncio.gather(*map(read, agents))
    return [line for lines in found for line in lines], tuple(problems)
