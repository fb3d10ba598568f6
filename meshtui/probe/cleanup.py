"""Finds and removes objects that ended (or killed) runs left in a cluster.

A Job belongs to a run if its name and both labels say so; a pod, if such a Job owns it as well. Anybody can set the labels on a
pod, so labels alone don't count.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from meshtui.kinds import KINDS, Kind
from meshtui.model.meta import Meta
from meshtui.model.own_probe import MANAGED_BY, RUN, is_own_job, is_own_pod
from meshtui.model.workload import Controller, Pod
from meshtui.probe.podspec import EXPIRES
from meshtui.sources.kubernetes.api import Api, segment
from meshtui.sources.kubernetes.listing import read_list
from meshtui.sources.kubernetes.writes import Confirmation, Writes

_SELECTOR = f"{MANAGED_BY}=meshtui,{RUN}"


@dataclass(frozen=True, slots=True)
class Leftover:
    """One object of a run."""

    kind: str
    namespace: str
    name: str
    uid: str
    run: str
    expires: datetime | None
    path: str

    def expired(self, now: datetime) -> bool:
        """Whether its run must have ended. An object without an expiry time counts as not expired."""
        return self.expires is not None and self.expires <= now


async def find_leftovers(api: Api) -> list[Leftover]:
    """The Jobs of all runs, in all namespaces, and the pods that they own. Raises ClusterError."""
    jobs: list[Controller] = [job for job in await _labelled(api, KINDS["Job"]) if is_own_job(job.meta)]
    uids = {job.meta.uid for job in jobs}
    pods: list[Pod] = [pod for pod in await _labelled(api, KINDS["Pod"]) if is_own_pod(pod.meta, pod.owners)]
    owned = [pod for pod in pods if any(owner.kind == "Job" and owner.uid in uids for owner in pod.owners)]
    return [_leftover(KINDS["Job"], job.meta) for job in jobs] + [_leftover(KINDS["Pod"], pod.meta) for pod in owned]


async def _labelled(api: Api, kind: Kind) -> list[Any]:
    return await read_list(api, kind, {"labelSelector": _SELECTOR})


def _leftover(kind: Kind, meta: Meta) -> Leftover:
    path = f"{kind.path_in(kind.versions[0], segment(meta.namespace))}/{segment(meta.name)}"
    expires = _moment(meta.annotations.get(EXPIRES))
    return Leftover(kind.name, meta.namespace, meta.name, meta.uid, meta.labels[RUN], expires, path)


async def remove(leftovers: list[Leftover], writes: Writes, confirmation: Confirmation) -> list[Leftover]:
    """Delete some objects, and return those that still existed. Raises ClusterError and ReadOnlyError."""
    return [item for item in leftovers if await writes.delete(item.path, item.uid, confirmation, grace_s=0)]


def _moment(text: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
