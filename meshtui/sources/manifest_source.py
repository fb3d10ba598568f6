"""Manifests as a source, whose Snapshot never changes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from functools import partial

import msgspec

from meshtui.kinds import ref_of
from meshtui.model.errors import ClusterError
from meshtui.model.ids import ObjectRef
from meshtui.model.snapshot import Snapshot
from meshtui.sources.manifest_yaml import yaml_text
from meshtui.sources.manifests import documents_of
from meshtui.sources.ports import Publish, SourceLabel


class ManifestSource:
    """Manifests that are read once."""

    def __init__(self, snapshot: Snapshot, paths: Sequence[str], *, render: bool = False) -> None:
        self._snapshot = snapshot
        self._documents = partial(documents_of, paths, render=render)
        self._paths = tuple(paths)

    @property
    def label(self) -> SourceLabel:
        """The paths of the files, for the header."""
        return SourceLabel(context=", ".join(self._paths))

    @property
    def api(self) -> None:
        """None: there is no API server."""

    async def close(self) -> None:
        """Does nothing: nothing is open."""

    def retry_now(self) -> None:
        """Does nothing: nothing is retried."""

    async def run(self, publish: Publish) -> None:
        """Publish the Snapshot once."""
        publish(self._snapshot)
        await asyncio.sleep(0)

    async def manifest(self, ref: ObjectRef) -> str:
        """The object from the manifests, as YAML. Raises ClusterError for a pod that was derived from a template."""
        for document in await asyncio.to_thread(self._documents):
            if ref_of(document) == ref:
                return yaml_text(msgspec.to_builtins(document))
        raise ClusterError(f"{ref} isn't in the manifests")

    async def pod_logs(self, namespace: str, pod: str, *, tail: int, follow: bool = False) -> AsyncIterator[str]:
        """Manifests have no logs: raises ClusterError."""
        raise ClusterError("manifests have no logs")
        yield ""
