"""The interface between a source of Snapshots and the session."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Protocol

from meshtui.model.ids import ObjectRef
from meshtui.model.snapshot import Snapshot
from meshtui.sources.kubernetes.api import Api

Publish = Callable[[Snapshot], None]
"""Called on the event loop with each new Snapshot."""


@dataclass(frozen=True, slots=True)
class SourceLabel:
    """What the header shows about the source."""

    context: str = ""
    cluster: str = ""
    user: str = ""
    server: str = ""
    sandbox: bool = False
    changeable: bool = False
    """Whether the source has a cluster that could be changed."""


class Source(Protocol):
    """Turns a cluster or a folder into Snapshots."""

    @property
    def label(self) -> SourceLabel:
        """Context, user and cluster, for the header."""
        ...

    @property
    def api(self) -> Api | None:
        """The client of its API server, once it is connected."""
        ...

    async def close(self) -> None:
        """Close all connections."""
        ...

    def retry_now(self) -> None:
        """Cut all waits for a retry short."""
        ...

    async def run(self, publish: Publish) -> None:
        """Publish Snapshots until cancelled, or once if the source doesn't change.

        Raises ConfigError if the source can't be set up. Later errors are reported in the kinds of the Snapshot.
        """
        ...

    async def manifest(self, ref: ObjectRef) -> str:
        """One object as YAML, without fields that the server sets. Raises ClusterError."""
        ...

    def pod_logs(self, namespace: str, pod: str, *, tail: int, follow: bool = False) -> AsyncIterator[str]:
        """Lines of a pod's log. Raises ClusterError."""
        ...
