"""``meshtui help``: the help of a command, with its exit codes."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from meshtui.cli.command import command
from meshtui.cli.complete import command_names

if TYPE_CHECKING:
    from meshtui.settings import Settings


@dataclass(frozen=True, slots=True)
class Words:
    """The parsed arguments."""

    name: str | None


PARAMS = [click.Argument(["name"], metavar="COMMAND", required=False, help="which command", shell_complete=command_names)]


def _run(words: Words, _settings: Settings) -> int:
    from meshtui.cli.closest import did_you_mean
    from meshtui.cli.group import Meshtui
    from meshtui.cli.registry import command_named, names
    from meshtui.model.errors import UsageError

    group = Meshtui()
    ctx = group.make_context("meshtui", [])
    if words.name is None:
        sys.stdout.write(f"{group.get_help(ctx)}\n")
        return 0
    found = command_named(words.name)
    if found is None:
        raise UsageError(f"no command {words.name!r}{did_you_mean(words.name, names())}", "see 'meshtui help'")
    with click.Context(found, parent=ctx, info_name=words.name) as within:
        sys.stdout.write(f"{found.get_help(within)}\n")
    return 0


COMMAND = command("help", "a command, its flags and its exit codes", PARAMS, Words, _run)
