"""The command line: finds the commands, parses, runs one, turns errors into one line and an exit code."""

from __future__ import annotations

import argparse
import importlib
import os
import pkgutil
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

import meshtui.cli
from meshtui.cli.command import Command, add_cluster_flags, settings_from
from meshtui.model.errors import MeshtuiError

INTERRUPTED = 130


def commands() -> list[Command]:
    """Every module of this folder with a ``COMMAND`` is one."""
    names = sorted(info.name for info in pkgutil.iter_modules(meshtui.cli.__path__))
    modules = [importlib.import_module(f"meshtui.cli.{name}") for name in names if name != "main"]
    return [module.COMMAND for module in modules if hasattr(module, "COMMAND")]


def _version() -> str:
    try:
        return version("kubectl-meshtui")
    except PackageNotFoundError:
        return "unknown (not installed)"


def _parser(known: Sequence[Command]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="meshtui",
        description="Who can talk to whom in an Istio ambient mesh, which policy decides it, and whether reality agrees. "
        "Without a command: the terminal program on the current context.",
    )
    parser.add_argument("--version", action="version", version=f"meshtui {_version()}")
    add_cluster_flags(parser)
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for command in known:
        sub = subparsers.add_parser(command.name, help=command.help, description=command.help[0].upper() + command.help[1:] + ".")
        command.arguments(sub)
        if command.needs_cluster:
            add_cluster_flags(sub)
    return parser


def run(argv: Sequence[str] | None = None) -> int:
    """Run one command line; the exit code (contracts, Exit codes)."""
    words = list(sys.argv[1:] if argv is None else argv)
    known = commands()
    args = _parser(known).parse_args(words)
    try:
        settings = settings_from(args)
        if args.command is None:
            from meshtui.cli.tui import run_tui

            return run_tui(settings)
        command = next(c for c in known if c.name == args.command)
        code = command.run(args, settings)
        sys.stdout.flush()
    except MeshtuiError as error:
        sys.stderr.write(f"meshtui: {error}\n")
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # the reader of our output went away: that is its right
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code
