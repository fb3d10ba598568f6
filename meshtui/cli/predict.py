"""``meshtui predict``: a verdict for each flow of a file."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from meshtui.cli.command import Command
from meshtui.cli.flowfile import flow_from_json, verdict_to_json
from meshtui.cli.source import one_snapshot
from meshtui.engine import Engine
from meshtui.model.errors import UsageError

if TYPE_CHECKING:
    from meshtui.settings import Settings


def _arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--flows", required=True, metavar="FILE", help="flows, one JSON object a line; - is standard input")


def _lines(path: str) -> Iterator[str]:
    if path == "-":
        yield from sys.stdin
        return
    try:
        with Path(path).open(encoding="utf-8") as file:
            yield from file
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: {getattr(error, 'strerror', None) or error}") from error


def _run(args: argparse.Namespace, settings: Settings) -> int:
    engine = Engine(one_snapshot(settings))
    bad = False
    for number, text in enumerate(_lines(args.flows), 1):
        if not text.strip():
            continue
        flow_id: object = None
        try:
            line = json.loads(text)
            flow_id = line.get("id") if isinstance(line, dict) else None
            flow = flow_from_json(line)
            answer = verdict_to_json(engine.judge(flow), flow.id)
        except json.JSONDecodeError as error:
            answer = {"id": None, "error": f"line {number} is not JSON: {error.msg}"}
            bad = True
        except UsageError as error:
            answer = {"id": flow_id, "error": str(error)}
            bad = True
        sys.stdout.write(json.dumps(answer, ensure_ascii=False) + "\n")
    return 2 if bad else 0


COMMAND = Command("predict", "the verdict on each flow of a file, as JSON lines", _arguments, _run)
