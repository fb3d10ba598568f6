"""A Snapshot that doesn't change, as a source."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import msgspec
import yaml

from meshtui.model.errors import ClusterError
from meshtui.model.ids import ObjectRef
from meshtui.model.snapshot import Snapshot
from meshtui.sources.manifests import documents_of
from meshtui.sources.ports import Publish, SourceLabel


class ManifestSource:
    """Manifests that were read once."""

    def __init__(self, snapshot: Snapshot, paths: Sequence[str]) -> None:
        self._snapshot = snapshot
        self._paths = tuple(paths)

    @property
    def label(self) -> SourceLabel:
        """The paths."""
        return SourceLabel(context=", ".join(self._paths))

    @property
    def api(self) -> None:
        """There is no API server."""

    async def close(self) -> None:
        """Nothing is open."""

    def retry_now(self) -> None:
        """Nothing waits."""

    async def run(self, publish: Publish) -> None:
        """Publish once."""
        publish(self._snapshot)
        await asyncio.sleep(0)

    async def manifest(self, ref: ObjectRef) -> str:
        """The object as it stands in the manifests. Raises ClusterError when it was only derived from one."""
        for document in await asyncio.to_thread(documents_of, self._paths):
            metadata = document.get("metadata") or {}
            namespace = metadata.get("namespace") or "default"
            if (document.get("kind"), metadata.get("name")) == (ref.kind, ref.name) and ref.namespace in {"", namespace}:
                return yaml.safe_dump(msgspec.to_builtins(document), sort_keys=False, allow_unicode=True, width=100)
        raise ClusterError(f"{ref} isn't in the manifests")

    async def pod_logs(self, namespace: str, pod: str, *, tail: int, follow: bool = False) -> AsyncIterator[str]:
        """Manifests have no logs: raises ClusterError."""
        raise ClusterError("manifests have no logs")
        yield ""
