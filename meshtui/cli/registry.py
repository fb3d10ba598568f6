"""The commands that there are: the files of a folder."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

import meshtui.cli.commands
from meshtui.cli.command import Command


@cache
def names() -> tuple[str, ...]:
    """The names of all commands, sorted; none is imported for it."""
    return tuple(sorted(info.name.replace("_", "-") for info in pkgutil.iter_modules(meshtui.cli.commands.__path__)))


def command_named(name: str) -> Command | None:
    """One command, imported now, or None."""
    if name not in names():
        return None
    module = importlib.import_module(f"meshtui.cli.commands.{name.replace('-', '_')}")
    found: Command = module.COMMAND
    return found


def commands() -> list[Command]:
    """All commands."""
    return [found for name in names() if (found := command_named(name))]
