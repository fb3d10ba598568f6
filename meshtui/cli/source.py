"""The source that the flags ask for, and one Snapshot of it for commands that don't stay.

What only a cluster needs (httpx, kubernetes) is imported where a cluster is asked: reading manifests starts without it.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from meshtui.cli.closest import did_you_mean
from meshtui.cli.progress import progress
from meshtui.model.errors import ClusterError, ManifestError, SessionExpiredError, UsageError
from meshtui.model.plain import clean
from meshtui.model.snapshot import KindStatus, Snapshot

if TYPE_CHECKING:
    from meshtui.session import Session
    from meshtui.settings import Settings
    from meshtui.sources.live import LiveSource
    from meshtui.sources.ports import Source


_NAMED = 3
"""Probe pods that are named."""


def source_for(settings: Settings) -> Source:
    """Manifests where ``-f`` names some, else the cluster. Raises ManifestError."""
    if settings.filenames:
        from meshtui.sources.recording import ManifestSource

        return ManifestSource(manifests(settings.filenames), settings.filenames)
    from meshtui.sources.live import LiveSource

    return LiveSource(settings)


def manifests(paths: Sequence[str]) -> Snapshot:
    """What files and folders hold. Raises ManifestError for one that can't be read, and for input that holds nothing.

    Nothing to judge is a mistake in the words, never an answer without findings.
    """
    from meshtui.sources.decode import KINDS
    from meshtui.sources.manifests import SUFFIXES, load_manifests

    for path in map(Path, paths):
        if path.is_dir() and not any(file.suffix in SUFFIXES for file in path.rglob("*")):
            raise ManifestError(f"{path} holds no manifest", f"a folder is read for {', '.join(sorted(SUFFIXES))}")
    snapshot = load_manifests(paths)
    if not snapshot.problems and not any(getattr(snapshot, kind.field) for kind in KINDS.values()):
        raise ManifestError(f"{', '.join(paths)}: no object that meshtui reads", "pods, workloads, Services, policies, routes")
    return snapshot


def one_snapshot(settings: Settings) -> Snapshot:
    """One Snapshot of the cluster or of the manifests. Raises ManifestError, ConfigError, ClusterError, UsageError."""
    if settings.filenames:
        return in_scope(manifests(settings.filenames), settings)

    import asyncio

    from meshtui.sources.live import LiveSource

    async def read() -> Snapshot:
        source = LiveSource(settings)
        try:
            return in_scope(checked(await listed(source)), settings)
        finally:
            await source.close()

    return asyncio.run(read())


async def listed(source: LiveSource) -> Snapshot:
    """A cluster's objects, with a word on standard error where that takes long."""
    async with progress("reading the cluster", count=source.progress):
        return await source.snapshot()


def checked(snapshot: Snapshot) -> Snapshot:
    """A Snapshot in which at least pods could be read. Raises ClusterError with the cluster's own words."""
    if snapshot.own_probes:  # they count nowhere: somebody who imitates one must not vanish
        names = ", ".join(sorted(clean(pod.key) for pod in snapshot.own_probes.values())[:_NAMED])
        sys.stderr.write(f"meshtui: warning: {len(snapshot.own_probes)} pod(s) of meshtui's own probes are left out: {names}\n")
    pods = snapshot.kind_state("Pod")
    if pods.status is KindStatus.EXPIRED:
        raise SessionExpiredError(pods.message, "log in again")
    if pods.status in {KindStatus.UNREACHABLE, KindStatus.FORBIDDEN, KindStatus.BROKEN}:
        raise ClusterError(pods.message)
    return snapshot


def in_scope(snapshot: Snapshot, settings: Settings) -> Snapshot:
    """The same Snapshot. Raises UsageError when ``-n`` names a namespace that isn't in it: nothing would be looked at.

    Where namespaces couldn't be listed, a namespace that holds no pod that could be read isn't known to be missing.
    """
    wanted = "" if settings.all_namespaces else settings.namespace
    if not wanted or wanted in snapshot.namespace_by_name or wanted in snapshot.pods_by_namespace:
        return snapshot
    if snapshot.live and snapshot.kind_state("Namespace").status is not KindStatus.SYNCED:
        return snapshot
    where = "the cluster" if snapshot.live else ", ".join(settings.filenames)
    close = did_you_mean(wanted, snapshot.namespace_by_name)
    raise UsageError(f"no namespace {wanted!r} in {where}{close}", "-n takes the name of a namespace")


@asynccontextmanager
async def open_session(settings: Settings) -> AsyncIterator[Session]:
    """A session on one Snapshot of a live cluster, for commands that do something there."""
    from meshtui.session import Session
    from meshtui.sources.live import LiveSource

    source = source_for(settings)
    session = Session(source, settings)
    if isinstance(source, LiveSource):
        try:
            session.publish(in_scope(checked(await listed(source)), settings))
            yield session
        finally:
            await source.close()
    else:
        await source.run(session.publish)
        in_scope(session.snapshot, settings)
        yield session
