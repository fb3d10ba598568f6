"""Record the bookstore of a scenario as the sandbox's API server lists it: ``python -m tests.golden.record healthy``."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from meshtui.kinds import KINDS
from meshtui.sandbox.run import running_sandbox
from meshtui.settings import load_settings
from meshtui.sources.kubernetes.api import NotServedError
from meshtui.sources.kubernetes.live import LiveSource

GOLDEN = Path(__file__).parent


def _trimmed(obj: dict[str, Any]) -> dict[str, Any]:
    metadata = obj["metadata"]
    metadata.pop("resourceVersion", None)
    (metadata.get("annotations") or {}).pop("kubectl.kubernetes.io/last-applied-configuration", None)
    for entry in metadata.get("managedFields") or ():
        entry.pop("fieldsV1", None)
    return obj


async def record(scenario: str) -> dict[str, list[dict[str, Any]]]:
    """All objects by kind."""
    found: dict[str, list[dict[str, Any]]] = {}
    async with running_sandbox(scenario) as sandbox:
        assert await sandbox.wait_ready() == []
        source = LiveSource(load_settings({"kubeconfig": str(sandbox.kubeconfig)}))
        api = await source.open()
        for kind in KINDS.values():
            try:
                listed = json.loads(await api.get(kind.path))
            except NotServedError:
                continue
            found[kind.name] = [_trimmed(item) for item in listed["items"]]
        await source.close()
    return found


if __name__ == "__main__":
    name = sys.argv[1]
    recorded = asyncio.run(record(name))
    (GOLDEN / f"bookstore-{name}.json").write_text(json.dumps(recorded, indent=1, sort_keys=True) + "\n")
