"""The entry point of the command line: runs a command, and turns every error into one line and an exit code."""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Sequence

import click

from meshtui.cli.closest import did_you_mean
from meshtui.cli.command import AS_EXPECTED, BAD_USAGE, INTERRUPTED, UNEXPECTED
from meshtui.cli.group import Meshtui
from meshtui.cli.hangup import let_go
from meshtui.cli.shell import VARIABLE, answer
from meshtui.model.errors import MeshtuiError, UsageError
from meshtui.model.plain import clean

PROGRAM = "meshtui"
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
"""Error numbers of a full disk."""


def _interrupt(number: int, _: object) -> None:
    """Handle SIGTERM and SIGHUP like Ctrl-C: objects that were created in a cluster are removed.

    SIGINT is also handled if it was ignored at the start, as in background jobs of shells.
    """
    if number == signal.SIGHUP:
        let_go()
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.raise_signal(signal.SIGINT)


def run(argv: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code (docs/contracts.md, Exit codes)."""
    words = list(sys.argv[1:] if argv is None else argv)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    ctx: click.Context | None = None
    instruction = os.environ.get(VARIABLE)
    if instruction and argv is None:
        answer(Meshtui(), instruction)
    try:
        ctx = Meshtui().make_context(PROGRAM, list(words))
        with ctx:
            code = int(ctx.command.invoke(ctx))
        sys.stdout.flush()
    except click.exceptions.Exit as end:  # --help, --version
        return end.exit_code
    except click.UsageError as error:
        return _failed(_words_of(error), BAD_USAGE)
    except MeshtuiError as error:
        return _failed(_with_way_out(error, ctx), error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    except BrokenPipeError:  # the reader of the output has closed it, as in `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return AS_EXPECTED
    except Exception as error:  # noqa: BLE001  (the boundary: no traceback reaches a person)
        return _unexpected(error, words)
    return code


def _unexpected(error: Exception, words: Sequence[str]) -> int:
    """Report an unexpected error in one line and return its exit code."""
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    if isinstance(error, MeshtuiError):  # a group with a single failed task
        return _failed(str(error), error.exit_code)
    if isinstance(error, OSError) and error.errno in _FULL:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # discard what can't be written
        return _failed(f"the answer can't be written: {error.strerror}", BAD_USAGE)
    from meshtui.reporting import report_unexpected

    return _failed(report_unexpected(error, words), UNEXPECTED)


def _failed(words: str, code: int) -> int:
    """Print the error in one line, after all other output."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.stderr.write(f"{PROGRAM}: {clean(words)}\n")
    return code


def _with_way_out(error: MeshtuiError, ctx: click.Context | None) -> str:
    """The message with a hint. If a usage error has no hint, it refers to the command's help."""
    if type(error) is not UsageError or error.hint:
        return str(error)
    command = ctx.invoked_subcommand if ctx else None
    return f"{error} (see '{' '.join(filter(None, (PROGRAM, command)))} --help')"


def _words_of(error: click.UsageError) -> str:
    """A message of ours for an error of click, with a hint."""
    if isinstance(error, click.NoSuchOption):
        words = f"no option {error.option_name!r}{did_you_mean(error.option_name, error.possibilities or ())}"
    else:
        words = " ".join(error.format_message().split()).rstrip(".")
    ctx = error.ctx
    return f"{words[:1].lower()}{words[1:]} (see '{ctx.command_path if ctx else PROGRAM} --help')"
