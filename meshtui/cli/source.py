"""The source that the flags choose, and one Snapshot of it for commands.

Imports for clusters only (httpx, kubernetes) are made when a cluster is used, so that reading manifests starts faster.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from meshtui.cli.closest import did_you_mean
from meshtui.cli.progress import progress
from meshtui.cli.reading import record
from meshtui.model.errors import ClusterError, ManifestError, SessionExpiredError, UsageError
from meshtui.model.plain import clean
from meshtui.model.snapshot import KindStatus, Snapshot

if TYPE_CHECKING:
    from meshtui.model.cni import Cni
    from meshtui.model.reading import Reading
    from meshtui.session import Session
    from meshtui.settings import Settings
    from meshtui.sources.kubernetes.live import LiveSource
    from meshtui.sources.ports import Source


_NAMED = 3
"""Maximum number of probe pods, or of skipped files, that are named."""


def source_for(settings: Settings) -> Source:
    """Manifests if ``-f`` was given, else the cluster. Raises ManifestError."""
    if settings.filenames:
        from meshtui.sources.manifest_source import ManifestSource

        return ManifestSource(manifests(settings.filenames, settings), settings.filenames, render=settings.render)
    from meshtui.sources.kubernetes.live import LiveSource

    return LiveSource(settings)


def manifests(paths: Sequence[str], settings: Settings) -> Snapshot:
    """The objects of files and folders, as the CNI that they show, or that the settings name, reads them.

    Raises ManifestError if one can't be read, or if there are no objects: a check of nothing never passes.
    """
    from meshtui.cni import of_snapshot

    snapshot = loaded(paths, settings)
    return read_by(of_snapshot(snapshot, settings.cni), snapshot, paths, settings)


def read_by(cni: Cni, snapshot: Snapshot, paths: Sequence[str], settings: Settings) -> Snapshot:
    """Loaded objects as a CNI reads them; with it is known which policies aren't evaluated."""
    from meshtui.cni import pod_cidrs
    from meshtui.engine.policy.own import own_policies
    from meshtui.sources.manifests import with_unjudged

    snapshot = replace(snapshot, cni=cni, pod_cidrs=pod_cidrs(settings.pod_cidrs))
    judged = own.judged if (own := own_policies(snapshot)) is not None else frozenset()
    unjudged = [policy for uid, policy in snapshot.foreign.items() if policy.own is not None and uid not in judged]
    if snapshot.reading is not None and unjudged:
        snapshot = replace(snapshot, reading=with_unjudged(snapshot.reading, unjudged))
    return record(snapshot, paths)


def loaded(paths: Sequence[str], settings: Settings) -> Snapshot:
    """The objects of files and folders. Raises ManifestError, as ``manifests`` does."""
    from meshtui.kinds import KINDS
    from meshtui.sources.manifest_files import SUFFIXES
    from meshtui.sources.manifest_packages import KUSTOMIZATIONS
    from meshtui.sources.manifests import load_manifests

    for path in map(Path, paths):
        if path.is_dir() and not any(file.suffix in SUFFIXES or file.name in KUSTOMIZATIONS for file in path.rglob("*")):
            raise ManifestError(f"{path} holds no manifest", f"a folder is read for {', '.join(sorted(SUFFIXES))}")
    snapshot = load_manifests(paths, render=settings.render)
    if any(getattr(snapshot, kind.field) for kind in KINDS.values()):
        return snapshot
    if snapshot.reading and snapshot.reading.skipped:
        raise _nothing_left(paths, snapshot.reading, may_render=not settings.render)
    if not snapshot.problems:
        raise ManifestError(f"{', '.join(paths)}: no object that meshtui reads", _hint(paths))
    return snapshot


def _hint(paths: Sequence[str]) -> str:
    """What to give instead of files in which there is no object."""
    from meshtui.sources.manifest_packages import CHART, KUSTOMIZATIONS

    if any(Path(path).name in {*KUSTOMIZATIONS, CHART} for path in paths):
        return "give its folder, and --render to run kubectl kustomize or helm template"
    return "pods, workloads, Services, policies, routes"


def _nothing_left(paths: Sequence[str], reading: Reading, *, may_render: bool) -> ManifestError:
    """The error where everything was skipped, with the first reasons. ``may_render``: ``--render`` isn't given yet."""
    more = f"; and {len(reading.skipped) - _NAMED} more" if len(reading.skipped) > _NAMED else ""
    reasons = "; ".join(map(str, reading.skipped[:_NAMED])) + more
    renders = may_render and any(each.command for each in reading.skipped)
    hint = "--render runs kubectl kustomize and helm template" if renders else "correct it, or give other files"
    return ManifestError(f"{', '.join(paths)}: nothing to judge; skipped: {reasons}", hint)


def one_snapshot(settings: Settings, *, mesh: bool = False) -> Snapshot:
    """One Snapshot of the cluster or of the manifests. ``mesh``: with what the ztunnels say of the capture of pods.

    Raises ManifestError, ConfigError, ClusterError, UsageError.
    """
    if settings.filenames:
        if mesh:
            raise UsageError("manifests have no ztunnels to ask", "leave out --mesh, or -f")
        return in_scope(manifests(settings.filenames, settings), settings)

    import asyncio

    from meshtui.sources.kubernetes.live import LiveSource

    async def read() -> Snapshot:
        source = LiveSource(settings)
        try:
            snapshot = in_scope(checked(await listed(source)), settings)
            if mesh:
                from meshtui.cli.mesh_live import with_captures

                snapshot = await with_captures(source, snapshot)
            return snapshot
        finally:
            await source.close()

    return asyncio.run(read())


async def listed(source: LiveSource) -> Snapshot:
    """List a cluster's objects, with progress on standard error."""
    async with progress("reading the cluster", count=source.progress):
        return await source.snapshot()


def checked(snapshot: Snapshot) -> Snapshot:
    """A Snapshot in which at least pods could be read. Raises ClusterError with the server's message."""
    if snapshot.own_probes:  # they are excluded everywhere, so a pod that imitates a probe has to be reported
        names = ", ".join(sorted(clean(pod.key) for pod in snapshot.own_probes.values())[:_NAMED])
        sys.stderr.write(f"meshtui: warning: {len(snapshot.own_probes)} pod(s) of meshtui's own probes are left out: {names}\n")
    pods = snapshot.kind_state("Pod")
    if pods.status is KindStatus.EXPIRED:
        raise SessionExpiredError(pods.message, "log in again")
    if pods.status in {KindStatus.UNREACHABLE, KindStatus.FORBIDDEN, KindStatus.BROKEN}:
        raise ClusterError(pods.message)
    return snapshot


def in_scope(snapshot: Snapshot, settings: Settings) -> Snapshot:
    """The same Snapshot. Raises UsageError if the namespace of ``-n`` doesn't exist.

    If namespaces couldn't be listed, a namespace without readable pods isn't known to be missing.
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
    """A session on one Snapshot of a live cluster, for commands that change something there."""
    from meshtui.session import Session
    from meshtui.sources.kubernetes.live import LiveSource

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
