"""A source that publishes one Snapshot and stays silent, and a clock that stands still: what screens are compared on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import yaml

from meshtui.kinds import KINDS, decode_json
from meshtui.model.cni import REFERENCE_CNI
from meshtui.model.errors import NotFoundError
from meshtui.model.ids import ObjectRef
from meshtui.model.snapshot import KindState, KindStatus, MeshConfig, Snapshot
from meshtui.sources.ports import Publish, SourceLabel

GOLDEN = Path(__file__).parent.parent / "golden"
NOW = datetime(2026, 11, 24, 13, 50, 0, tzinfo=UTC)
"""A few minutes after the recording was made."""
LABEL = SourceLabel("prod-eu", "prod-eu", "operator", "https://127.0.0.1:6443", changeable=True)


@cache
def recorded_objects(scenario: str = "healthy") -> Mapping[str, list[dict[str, Any]]]:
    """What the sandbox's API server listed, by kind."""
    text = (GOLDEN / f"bookstore-{scenario}.json").read_text()
    parsed: dict[str, list[dict[str, Any]]] = json.loads(text)
    return parsed


@cache
def bookstore(scenario: str = "healthy") -> Snapshot:
    """The recorded bookstore as a live Snapshot in which every kind is synced."""
    fields: dict[str, dict[Any, Any]] = {kind.field: {} for kind in KINDS.values()}
    for name, objects in recorded_objects(scenario).items():
        for obj in objects:
            decoded = decode_json(KINDS[name], msgspec.json.encode(obj))
            fields[KINDS[name].field][decoded.meta.uid] = decoded
    kinds = {name: KindState(KindStatus.SYNCED) for name in KINDS}
    return Snapshot(**fields, mesh=MeshConfig(found=True), kinds=kinds, live=True, taken_at=NOW, cni=REFERENCE_CNI)


def with_kind(snapshot: Snapshot, kind: str, state: KindState, *, empty: bool = False) -> Snapshot:
    """The same Snapshot with one kind in another state, and its objects gone if asked for."""
    changed = replace(snapshot, kinds={**snapshot.kinds, kind: state})
    return replace(changed, **{KINDS[kind].field: {}}) if empty else changed


class FrozenSource:
    """Publishes Snapshots that it is given; ``logs`` are lines by ``namespace/pod``."""

    def __init__(
        self, snapshot: Snapshot | None, label: SourceLabel = LABEL, logs: Mapping[str, list[str]] | None = None
    ) -> None:
        self._snapshot = snapshot
        self._logs = logs or {}
        self.label = label
        self.api = None

    async def run(self, publish: Publish) -> None:
        """Publish once, then wait until cancelled."""
        if self._snapshot is not None:
            publish(self._snapshot)
        await asyncio.Event().wait()

    async def close(self) -> None:
        """Nothing is open."""

    def retry_now(self) -> None:
        """Nothing waits."""

    async def manifest(self, ref: ObjectRef) -> str:
        """The recorded object as YAML."""
        for obj in recorded_objects().get(ref.kind, ()):
            metadata = obj["metadata"]
            if (metadata.get("namespace", ""), metadata["name"]) == (ref.namespace, ref.name):
                shown = {**obj, "metadata": {k: v for k, v in metadata.items() if k != "managedFields"}}
                return yaml.safe_dump(shown, sort_keys=False)
        raise NotFoundError(f"{ref} is gone")

    async def pod_logs(self, namespace: str, pod: str, *, tail: int, follow: bool = False) -> AsyncIterator[str]:
        """The lines that were given for a pod."""
        for entry in self._logs.get(f"{namespace}/{pod}", [])[-tail:]:
            yield entry
        if follow:
            await asyncio.Event().wait()
