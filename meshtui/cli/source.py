"""The source that the flags ask for, and one Snapshot of it for commands that don't stay.

What only a cluster needs (httpx, kubernetes) is imported where a cluster is asked: reading manifests starts without it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from meshtui.model.errors import ClusterError, SessionExpiredError
from meshtui.model.snapshot import KindStatus, Snapshot

if TYPE_CHECKING:
    from meshtui.session import Session
    from meshtui.settings import Settings
    from meshtui.sources.ports import Source


def source_for(settings: Settings) -> Source:
    """Manifests where ``-f`` names some, else the cluster."""
    from meshtui.sources.manifests import load_manifests
    from meshtui.sources.recording import ManifestSource

    if settings.filenames:
        return ManifestSource(load_manifests(settings.filenames), settings.filenames)
    from meshtui.sources.live import LiveSource

    return LiveSource(settings)


def one_snapshot(settings: Settings) -> Snapshot:
    """One Snapshot of the cluster or of the manifests. Raises ManifestError, ConfigError, ClusterError."""
    if settings.filenames:
        from meshtui.sources.manifests import load_manifests

        return load_manifests(settings.filenames)

    import asyncio

    from meshtui.sources.live import LiveSource

    async def read() -> Snapshot:
        source = LiveSource(settings)
        try:
            return checked(await source.snapshot())
        finally:
            await source.close()

    return asyncio.run(read())


def checked(snapshot: Snapshot) -> Snapshot:
    """A Snapshot in which at least pods could be read. Raises ClusterError with the cluster's own words."""
    pods = snapshot.kind_state("Pod")
    if pods.status is KindStatus.EXPIRED:
        raise SessionExpiredError(pods.message, "log in again")
    if pods.status in {KindStatus.UNREACHABLE, KindStatus.FORBIDDEN, KindStatus.BROKEN}:
        raise ClusterError(pods.message)
    return snapshot


@asynccontextmanager
async def open_session(settings: Settings) -> AsyncIterator[Session]:
    """A session on one Snapshot of a live cluster, for commands that do something there."""
    from meshtui.session import Session
    from meshtui.sources.live import LiveSource

    source = source_for(settings)
    session = Session(source, settings)
    if isinstance(source, LiveSource):
        try:
            session.publish(checked(await source.snapshot()))
            yield session
        finally:
            await source.close()
    else:
        await source.run(session.publish)
        yield session
