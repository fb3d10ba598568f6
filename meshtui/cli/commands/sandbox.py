"""``meshtui sandbox``: the embedded cluster alone, until Ctrl-C."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from meshtui.cli.command import command, switch, value
from meshtui.cli.complete import scenarios

if TYPE_CHECKING:
    from meshtui.settings import Settings


@dataclass(frozen=True, slots=True)
class Words:
    """The parsed arguments."""

    scenario: str
    dir: Path | None
    port: int
    announce_api: bool
    while_stdin: bool
    list: bool
    output: str


PARAMS = [
    value("--scenario", "NAME", "which bookstore (default: healthy)", default="healthy", shell_complete=scenarios),
    value("--dir", "D", "where kubeconfig and logs go (default: a temporary folder)", type=click.Path(path_type=Path)),
    value("--port", "PORT", "the API server's port (default: a free one)", type=click.IntRange(0, 65535), default=0),
    switch("--announce-api", "print a line when the API answers, before all is ready"),
    switch("--while-stdin", "end when standard input does: with whoever started it"),
    switch("--list", "list the scenarios"),
]


def _run(words: Words, _settings: Settings) -> int:
    import asyncio

    from meshtui.cli.closest import did_you_mean
    from meshtui.model.errors import UsageError
    from meshtui.sandbox.run import serve
    from meshtui.sandbox.scenarios import names

    if words.list:
        return _list(words.output)
    if words.scenario not in names():
        close = did_you_mean(words.scenario, names())
        raise UsageError(f"there is no scenario {words.scenario!r}{close}", f"choose from: {', '.join(names())}")
    if words.output != "text":
        raise UsageError("-o goes with --list only", "the running sandbox says where it is in one line of JSON")

    def announce(answer: dict[str, Any]) -> None:
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()

    def on_api(kubeconfig: Path) -> None:
        announce({"api": True, "kubeconfig": str(kubeconfig), "scenario": words.scenario})

    on_api_or_none = on_api if words.announce_api else None
    lifeline = sys.stdin.fileno() if words.while_stdin else None
    asyncio.run(serve(words.scenario, words.dir, announce, port=words.port, on_api=on_api_or_none, lifeline=lifeline))
    return 0


def _list(output: str) -> int:
    from meshtui.cli.answer import Answer, Column, key
    from meshtui.cli.formats import write
    from meshtui.sandbox.scenarios import names, title

    rows = [{"name": name, "title": title(name)} for name in names()]
    listing = "".join(f"{row['name']:<20} {row['title']}\n" for row in rows)
    columns = (Column("NAME", key("name")), Column("TITLE", key("title")))
    write(Answer(rows, rows, columns, lambda row: [row["name"]], {"text": lambda: listing}), output)
    return 0


COMMAND = command(
    "sandbox",
    "the embedded cluster alone, until Ctrl-C",
    PARAMS,
    Words,
    _run,
    outputs=("text", "table", "json", "jsonl", "yaml", "name"),
    exits={3: "something that it needs is missing, or can't be started"},
)
