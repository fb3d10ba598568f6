"""What a source of Snapshots promises to the session."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Protocol

from meshtui.model.ids import ObjectRef
from meshtui.model.snapshot import Snapshot
from meshtui.sources.api import Api

Publish = Callable[[Snapshot], None]
"""Takes each new Snapshot; called on the event loop."""


@dataclass(frozen=True, slots=True)
class SourceLabel:
    """What the header says about where the data comes from."""

    context: str = ""
    cluster: str = ""
    user: str = ""
    server: str = ""
    sandbox: bool = False
    changeable: bool = False
    """Whether there is a cluster behind it that could be changed at all."""


class Source(Protocol):
    """Turns a cluster, a folder or a recording into Snapshots."""

    @property
    def label(self) -> SourceLabel:
        """Where the data comes from."""
        ...

    @property
    def api(self) -> Api | None:
        """The API server behind it, once it is connected."""
        ...

    async def close(self) -> None:
        """Close what is open."""
        ...

    def retry_now(self) -> None:
        """Try everything that waits again, now."""
        ...

    async def run(self, publish: Publish) -> None:
        """Publish Snapshots until cancelled (or, for what doesn't change, once).

        Raises ConfigError when the source can't be set up at all; faults on the way stand in the Snapshot's kinds.
        """
        ...

    async def manifest(self, ref: ObjectRef) -> str:
        """One object as YAML, without what the server keeps for itself. Raises ClusterError."""
        ...

    def pod_logs(self, namespace: str, pod: str, *, tail: int, follow: bool = False) -> AsyncIterator[str]:
        """Lines of a pod's log. Raises ClusterError."""
        ...
