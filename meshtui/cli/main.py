"""The command line: finds the commands, parses, runs one, turns errors into one line and an exit code."""

from __future__ import annotations

import argparse
import importlib
import os
import pkgutil
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

import meshtui.cli
from meshtui.cli.command import Command, add_cluster_flags, settings_from
from meshtui.cli.guarded import clean_lines, guarded
from meshtui.model.errors import MeshtuiError

INTERRUPTED = 130


def commands(wanted: str = "") -> list[Command]:
    """Every module of this folder with a ``COMMAND`` is one, named like it. Only the wanted one is imported, if it is there."""
    names = sorted(info.name for info in pkgutil.iter_modules(meshtui.cli.__path__) if info.name != "main")
    modules = [importlib.import_module(f"meshtui.cli.{name}") for name in ([wanted] if wanted in names else names)]
    found = [module.COMMAND for module in modules if hasattr(module, "COMMAND")]
    return found or commands()


class _Peek(argparse.ArgumentParser):
    """Finds the command among the words without judging them."""

    def error(self, message: str) -> NoReturn:
        """Leave complaints to the real parser."""
        raise ValueError(message)


def _needed(words: Sequence[str]) -> list[Command]:
    """The commands that the parser must know: the one that is named, none for the terminal program, else all."""
    peek = _Peek(add_help=False)
    add_cluster_flags(peek)
    peek.add_argument("command", nargs="?")
    try:
        seen, unknown = peek.parse_known_args(words)
    except ValueError:
        return commands()
    return commands(seen.command or "") if seen.command or unknown else []


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("kubectl-meshtui")
    except PackageNotFoundError:
        return "unknown (not installed)"


class _Version(argparse.Action):
    """Looks the version up only when it is asked for."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        """Print it and exit."""
        sys.stdout.write(f"meshtui {_version()}\n")
        parser.exit()


def _parser(known: Sequence[Command]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="meshtui",
        description="Who can talk to whom in an Istio ambient mesh, which policy decides it, and whether reality agrees. "
        "Without a command: the terminal program on the current context.",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and exit")
    add_cluster_flags(parser)
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for command in known:
        sub = subparsers.add_parser(command.name, help=command.help, description=command.help[0].upper() + command.help[1:] + ".")
        command.arguments(sub)
        if command.needs_cluster:
            add_cluster_flags(sub)
    return parser


def _interrupt(*_: object) -> None:
    """End as Ctrl-C does: what was made in a cluster is removed.

    Shells start background jobs with Ctrl-C ignored; whoever asks the program to end means it all the same.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.raise_signal(signal.SIGINT)


def run(argv: Sequence[str] | None = None) -> int:
    """Run one command line; the exit code (contracts, Exit codes)."""
    words = list(sys.argv[1:] if argv is None else argv)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    known = _needed(words)
    args = _parser(known).parse_args(words)
    try:
        settings = settings_from(args)
        if args.command is None:
            from meshtui.cli.tui import run_tui

            return run_tui(settings)
        command = next(c for c in known if c.name == args.command)
        if command.needs_cluster:
            with guarded(data=getattr(args, "output", "text") != "text"):
                code = command.run(args, settings)
        else:
            code = command.run(args, settings)
        sys.stdout.flush()
    except MeshtuiError as error:
        sys.stderr.write(clean_lines(f"meshtui: {error}\n"))
        return error.exit_code
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # the reader of our output went away: that is its right
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code
