"""``meshtui sandbox``: the embedded cluster alone, until Ctrl-C."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from meshtui.cli.command import Command
from meshtui.settings import Settings


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--scenario", default="healthy", metavar="NAME", help="which bookstore (default: healthy)")
    parser.add_argument("--dir", metavar="D", type=Path, help="where kubeconfig and logs go (default: a temporary folder)")
    parser.add_argument("--port", type=int, default=0, help="the API server's port (default: a free one)")
    parser.add_argument("--announce-api", action="store_true", help="print a line when the API answers, before all is ready")
    parser.add_argument("--while-stdin", action="store_true", help="end when standard input does: with whoever started it")
    parser.add_argument("--list", action="store_true", help="list the scenarios")


def _run(args: argparse.Namespace, _settings: Settings) -> int:
    from meshtui.sandbox.run import serve
    from meshtui.sandbox.scenarios import names, title

    if args.list:
        for name in names():
            sys.stdout.write(f"{name:<20} {title(name)}\n")
        return 0

    def announce(answer: dict[str, Any]) -> None:
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()

    def on_api(kubeconfig: Path) -> None:
        announce({"api": True, "kubeconfig": str(kubeconfig), "scenario": args.scenario})

    on_api_or_none = on_api if args.announce_api else None
    lifeline = sys.stdin.fileno() if args.while_stdin else None
    asyncio.run(serve(args.scenario, args.dir, announce, port=args.port, on_api=on_api_or_none, lifeline=lifeline))
    return 0


COMMAND = Command("sandbox", "the embedded cluster alone, until Ctrl-C", _arguments, _run, needs_cluster=False)
