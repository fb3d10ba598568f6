"""Finds and removes what ended (or killed) runs left in a cluster. Nothing is touched that lacks both labels."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from meshtui.model.meta import Meta
from meshtui.model.own_probe import MANAGED_BY, RUN
from meshtui.probe.podspec import EXPIRES
from meshtui.sources.api import Api, segment
from meshtui.sources.decode import KINDS, decode_list
from meshtui.sources.writes import Confirmation, Writes

_SELECTOR = f"{MANAGED_BY}=meshtui,{RUN}"
_KINDS = ("Job", "Pod")


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
        """Whether its run must have ended; an object that doesn't say when counts as not expired."""
        return self.expires is not None and self.expires <= now


async def find_leftovers(api: Api) -> list[Leftover]:
    """Everything with both labels, in all namespaces. Raises ClusterError."""
    found = []
    for kind in (KINDS[name] for name in _KINDS):
        for obj in decode_list(kind, await api.get(kind.path, {"labelSelector": _SELECTOR})):
            meta: Meta = obj.meta
            run = meta.labels.get(RUN, "")
            if meta.labels.get(MANAGED_BY) != "meshtui" or not run:
                continue  # the server selects by both labels; we look again before anything is deleted
            path = f"{kind.path_in(kind.versions[0], segment(meta.namespace))}/{segment(meta.name)}"
            expires = _moment(meta.annotations.get(EXPIRES))
            found.append(Leftover(kind.name, meta.namespace, meta.name, meta.uid, run, expires, path))
    return found


async def remove(leftovers: list[Leftover], writes: Writes, confirmation: Confirmation) -> list[Leftover]:
    """Delete these objects; those that were still there. Raises ClusterError and ReadOnlyError."""
    return [item for item in leftovers if await writes.delete(item.path, item.uid, confirmation, grace_s=0)]


def _moment(text: str | None) -> datetime | None:
    try:
        return datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
