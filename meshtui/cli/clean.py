"""``meshtui clean``: removes what ended runs left in the cluster."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from datetime import UTC, datetime

from meshtui.cli.ask import confirmed
from meshtui.cli.command import Command
from meshtui.probe.cleanup import Leftover, find_leftovers, remove
from meshtui.settings import Settings
from meshtui.sources.live import LiveSource
from meshtui.sources.writes import Writes, read_only_reason


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--dry-run", action="store_true", help="only say what would be removed")
    parser.add_argument("--all", action="store_true", help="also runs that may still be going on")
    parser.add_argument("--yes", action="store_true", help="don't ask")
    parser.add_argument("-o", "--output", choices=["text", "json"], default="text")


async def _clean(args: argparse.Namespace, settings: Settings) -> int:
    source = LiveSource(settings)
    try:
        api = await source.open()
        now = datetime.now(UTC)
        found = [item for item in await find_leftovers(api) if args.all or item.expired(now)]
        removed: list[Leftover] = []
        if found and not args.dry_run:
            question = [f"context {source.label.context}: remove", *(f"  {_name(item)}" for item in found)]
            confirmation = confirmed(question, read_only_reason(settings, source.label.context), yes=args.yes)
            removed = await remove(found, Writes(api, settings), confirmation)
    finally:
        await source.close()
    _print(args, found, removed)
    return 0


def _name(item: Leftover) -> str:
    return f"{item.kind} {item.namespace}/{item.name} (run {item.run})"


def _print(args: argparse.Namespace, found: list[Leftover], removed: list[Leftover]) -> None:
    if args.output == "json":
        rows = [{"kind": i.kind, "namespace": i.namespace, "name": i.name, "run": i.run, "removed": i in removed} for i in found]
        sys.stdout.write(json.dumps({"items": rows, "dry_run": args.dry_run}, indent=2) + "\n")
        return
    if not found:
        sys.stdout.write("nothing to remove\n")
    for item in found:
        verb = "would remove" if args.dry_run else ("removed" if item in removed else "was gone already:")
        sys.stdout.write(f"{verb} {_name(item)}\n")


def _run(args: argparse.Namespace, settings: Settings) -> int:
    return asyncio.run(_clean(args, settings))


COMMAND = Command("clean", "remove what ended probes left in the cluster", _arguments, _run)
