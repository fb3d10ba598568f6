"""The YAML of the objects that fixes change, from which patches are made."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from meshtui.model.errors import MeshtuiError
from meshtui.model.finding import Finding
from meshtui.model.ids import ObjectRef

if TYPE_CHECKING:
    from meshtui.settings import Settings

_AT_ONCE = 8


def changed_objects(findings: Iterable[Finding]) -> list[ObjectRef]:
    """The objects that are there already, and that some fix changes."""
    changes = (change for finding in findings if finding.fix for change in finding.fix.edits)
    return list(dict.fromkeys(change.ref for change in changes if change.create is None))


def from_files(paths: Sequence[str], findings: Iterable[Finding], *, render: bool = False) -> dict[ObjectRef, str]:
    """The YAML from manifests; none from standard input, which can be read only once."""
    wanted = set(changed_objects(findings))
    if not wanted or "-" in paths:
        return {}
    import msgspec

    from meshtui.kinds import ref_of
    from meshtui.sources.edits import to_yaml
    from meshtui.sources.manifests import documents_of

    found = {}
    for document in documents_of(paths, render=render):
        ref = ref_of(document)
        if ref in wanted:
            found[ref] = to_yaml(msgspec.to_builtins(document))
    return found


def from_cluster(settings: Settings, findings: Iterable[Finding]) -> dict[ObjectRef, str]:
    """The YAML from the cluster; objects that can't be read are left out."""
    wanted = changed_objects(findings)
    return asyncio.run(_fetch(settings, wanted)) if wanted else {}


async def _fetch(settings: Settings, wanted: Sequence[ObjectRef]) -> dict[ObjectRef, str]:
    from meshtui.sources.kubernetes.live import LiveSource

    source, free = LiveSource(settings), asyncio.Semaphore(_AT_ONCE)

    async def one(ref: ObjectRef) -> str:
        async with free:
            try:
                return await source.manifest(ref)
            except MeshtuiError:
                return ""

    try:
        texts = await asyncio.gather(*map(one, wanted))
    finally:
        await source.close()
    return dict(zip(wanted, texts, strict=True))
