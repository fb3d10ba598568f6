"""The commands: one per module of ``commands``."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

import meshtui.cli.commands
from meshtui.cli.command import Command


@cache
def names() -> tuple[str, ...]:
    """The names of all commands, sorted, without importing them."""
    return tuple(sorted(info.name.replace("_", "-") for info in pkgutil.iter_modules(meshtui.cli.commands.__path__)))


def command_named(name: str) -> Command | None:
    """Import and return one command, or None."""
    if name not in names():
        return None
    module = importlib.import_module(f"meshtui.cli.commands.{name.replace('-', '_')}")
    found: Command = module.COMMAND
    return found


def commands() -> list[Command]:
    """Import and return all commands."""
    return [found for name in names() if (found := command_named(name))]
