"""``meshtui predict``: a verdict for each flow of a file."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from meshtui.cli.command import asks_mesh, command, value
from meshtui.cli.complete import files

if TYPE_CHECKING:
    from meshtui.engine import Engine
    from meshtui.settings import Settings

_INPUT = """
The file has one flow a line, each a JSON object:

  {"id": "1", "from": {"workload": "ecom/Deployment/ecom-service"},
   "to": {"service": "inventory/inventory-service", "port": 8000}}

(on one line). An end names exactly one of pod (NS/NAME), workload (NS/Kind/NAME), service (NS/NAME; only "to"),
ip, host (only "to"), and "external": true (only "from"). Beside them may stand protocol (TCP, UDP, SCTP),
http (method, path, host, headers) and jwt (iss, sub, aud, claims). `meshtui schema flow` is its JSON Schema.
"""


@dataclass(frozen=True, slots=True)
class Words:
    """The parsed arguments."""

    flows: str
    mesh: bool
    output: str


PARAMS = [
    value("--flows", "FILE", "flows, one JSON object a line; - is standard input", required=True, shell_complete=files),
    asks_mesh(),
]


def _lines(path: str) -> Iterator[str]:
    from meshtui.model.errors import UsageError

    if path == "-":
        yield from sys.stdin
        return
    try:
        with Path(path).open(encoding="utf-8") as file:
            yield from file
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: {getattr(error, 'strerror', None) or error}") from error


def _answers(path: str, engine: Engine) -> Iterator[dict[str, Any]]:
    """The answer for each line of the file: a verdict, or an error."""
    from meshtui.cli.flowfile import flow_from_json, verdict_to_json
    from meshtui.model.errors import UsageError

    for number, text in enumerate(_lines(path), 1):
        if not text.strip():
            continue
        flow_id: object = None
        try:
            line = json.loads(text)
            flow_id = line.get("id") if isinstance(line, dict) else None
            flow = flow_from_json(line)
            yield verdict_to_json(engine.judge(flow), flow.id)
        except json.JSONDecodeError as error:
            yield {"id": None, "error": f"line {number} is not JSON: {error.msg}"}
        except RecursionError:
            yield {"id": None, "error": f"line {number} is nested too deeply"}
        except UsageError as error:
            yield {"id": flow_id, "error": str(error)}


def _run(words: Words, settings: Settings) -> int:
    from meshtui.cli.answer import Answer, Column, key, object_name
    from meshtui.cli.formats import write
    from meshtui.cli.jsontext import json_text
    from meshtui.cli.source import one_snapshot
    from meshtui.engine import Engine
    from meshtui.model.errors import UsageError

    if words.flows == "-" and "-" in settings.filenames:
        raise UsageError("standard input can't be both the flows and the manifests")
    engine = Engine(one_snapshot(settings, mesh=words.mesh))
    found: list[dict[str, Any]] = []
    for answer in _answers(words.flows, engine):
        found.append(answer)
        if words.output == "jsonl":  # line by line, so that a reader doesn't have to wait for the end
            sys.stdout.write(f"{json_text(answer)}\n")
    if not found:
        raise UsageError(f"{words.flows} holds no flow", "one JSON object a line: see 'meshtui predict --help'")
    if words.output != "jsonl":
        columns = (
            Column("ID", key("id")),
            Column("VERDICT", lambda line: line.get("verdict", "error")),
            Column("OUTCOME", key("outcome")),
            Column("LAYER", key("layer"), wide=True),
            Column("DECIDED BY", lambda line: object_name(line.get("decided_by"))),
            Column("REASON", lambda line: line.get("error") or line.get("reason", ""), wide=True),
        )
        write(Answer(found, found, columns), words.output)
    return 2 if any("error" in answer for answer in found) else 0


COMMAND = command(
    "predict",
    "the verdict on each flow of a file",
    PARAMS,
    Words,
    _run,
    outputs=("jsonl", "table", "wide", "json", "yaml", "csv"),
    exits={
        0: "whatever the verdicts are",
        2: "bad usage, no flow, or a line that isn't a flow (the other lines are still answered)",
        3: "the cluster can't be reached or refuses",
    },
    more=_INPUT,
)
