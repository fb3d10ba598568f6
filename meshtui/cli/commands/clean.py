"""``meshtui clean``: removes objects that ended runs left in the cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from meshtui.cli.command import command, switch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from meshtui.cli.answer import Answer
    from meshtui.probe.cleanup import Leftover
    from meshtui.settings import Settings


@dataclass(frozen=True, slots=True)
class Words:
    """The parsed arguments."""

    dry_run: bool
    all: bool
    yes: bool
    output: str


PARAMS = [
    switch("--dry-run", "only say what would be removed"),
    switch("--all", "also runs that may still be going on"),
    switch("--yes", "don't ask"),
]


async def _clean(words: Words, settings: Settings) -> int:
    from datetime import UTC, datetime

    from meshtui.cli.ask import confirmed
    from meshtui.cli.formats import write
    from meshtui.probe.cleanup import find_leftovers, remove
    from meshtui.sources.kubernetes.live import LiveSource
    from meshtui.sources.kubernetes.writes import Writes, read_only_reason

    source = LiveSource(settings)
    try:
        api = await source.open()
        namespace = "" if settings.all_namespaces else settings.namespace
        if namespace:
            await _must_exist(source, namespace)
        now = datetime.now(UTC)
        found = [
            item for item in await find_leftovers(api) if (words.all or item.expired(now)) and namespace in {"", item.namespace}
        ]
        removed: list[Leftover] = []
        if found and not words.dry_run:
            question = [f"context {source.label.context}: remove", *(f"  {_name(item)}" for item in found)]
            confirmation = confirmed(question, read_only_reason(settings, source.label.context), yes=words.yes)
            removed = await remove(found, Writes(api, settings), confirmation)
    finally:
        await source.close()
    write(answer(found, removed, dry_run=words.dry_run), words.output)
    return 0


async def _must_exist(source: Any, namespace: str) -> None:
    """Raise UsageError if the namespace doesn't exist."""
    from meshtui.model.errors import NotFoundError, UsageError
    from meshtui.sources.kubernetes.api import segment

    try:
        await source.api.get(f"/api/v1/namespaces/{segment(namespace)}")
    except NotFoundError as error:
        raise UsageError(f"no namespace {namespace!r} in the cluster", "-n takes the name of a namespace") from error


def _name(item: Leftover) -> str:
    return f"{item.kind} {item.namespace}/{item.name} (run {item.run})"


def answer(found: Sequence[Leftover], removed: Sequence[Leftover], *, dry_run: bool) -> Answer:
    """The found objects as an Answer, with those that were removed."""
    from meshtui.cli.answer import Answer, Column, key
    from meshtui.model.plain import clean

    rows = [{"kind": i.kind, "namespace": i.namespace, "name": i.name, "run": i.run, "removed": i in removed} for i in found]

    def fate(item: Leftover) -> str:
        verb = "would remove" if dry_run else ("removed" if item in removed else "was gone already:")
        return f"{clean(f'{verb} {_name(item)}')}\n"

    columns = (
        Column("KIND", key("kind")),
        Column("NAMESPACE", key("namespace")),
        Column("NAME", key("name")),
        Column("RUN", key("run"), wide=True),
        Column("REMOVED", lambda row: "yes" if row["removed"] else "no"),
    )
    return Answer(
        {"items": rows, "dry_run": dry_run},
        rows,
        columns,
        lambda row: [f"{row['namespace']}/{row['kind'].lower()}/{row['name']}"],
        {"text": lambda: "".join(map(fate, found)) or "nothing to remove\n"},
    )


def _run(words: Words, settings: Settings) -> int:
    import asyncio

    from meshtui.model.errors import UsageError

    if settings.filenames:
        raise UsageError("there is nothing to remove in manifests", "leave out -f, and name a cluster")
    return asyncio.run(_clean(words, settings))


COMMAND = command(
    "clean",
    "remove what ended probes left in the cluster",
    PARAMS,
    Words,
    _run,
    refused=("filenames",),
    outputs=("text", "table", "wide", "json", "jsonl", "yaml", "csv", "name"),
    exits={2: "bad usage, read-only, or not confirmed", 3: "the cluster can't be reached or refuses"},
)
