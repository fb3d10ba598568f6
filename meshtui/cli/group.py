"""The command line as a whole: shared flags, then a command, or none for the terminal program."""

from __future__ import annotations

from typing import Any

import click

from meshtui.cli import flags
from meshtui.cli.closest import did_you_mean
from meshtui.cli.command import shared_options
from meshtui.cli.given import settings_from
from meshtui.cli.registry import command_named, names
from meshtui.model.errors import UsageError

_WHAT = (
    "Who can talk to whom in an Istio ambient mesh, which policy decides it, and whether reality agrees.\n\n"
    "Without a command: the terminal program on the current context."
)
CONTEXT: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 110, "auto_envvar_prefix": None}


class Meshtui(click.Group):
    """Discovers its commands, and imports only the requested one."""

    def __init__(self) -> None:
        version = click.Option(
            ["--version"], is_flag=True, expose_value=False, is_eager=True, callback=_version, help="show the version"
        )
        super().__init__(
            "meshtui",
            params=[*flags.options(), version],
            help=_WHAT,
            invoke_without_command=True,
            no_args_is_help=False,
            context_settings=CONTEXT,
            subcommand_metavar="[COMMAND] [WORDS]...",
        )

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  (the signature is click's)
        """The names of all commands."""
        return list(names())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002  (the signature is click's)
        """One command, or None."""
        return command_named(cmd_name)

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the next argument names. Raises UsageError with a suggestion."""
        if not ctx.resilient_parsing and args[0] not in names():
            raise UsageError(f"no command {args[0]!r}{did_you_mean(args[0], names())}", "see 'meshtui --help'")
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> int:
        """Run the command, or the terminal program, and return the exit code."""
        if ctx._protected_args:  # noqa: SLF001  (click tells nobody else whether a command follows)
            return int(super().invoke(ctx))
        given = flags.merged([ctx.params])
        if "output" in given:
            raise UsageError("the terminal program has no -o", "name a command: see 'meshtui --help'")
        from meshtui.cli.tui import run_tui

        from_stdin = "-" in given.get("filenames", ())
        return run_tui(lambda warn: settings_from(given, warn=warn), stdin_first=from_stdin, theme=given.get("theme", ""))

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands first, then the shared flags."""
        self.format_commands(ctx, formatter)
        shared_options(formatter, ctx, ())
        with formatter.section("More"):
            formatter.write_dl(
                [("--version", "show the version"), ("meshtui help COMMAND", "a command, its flags and its exit codes")]
            )


def _version(ctx: click.Context, _param: click.Parameter, wanted: bool) -> None:
    if wanted and not ctx.resilient_parsing:
        from meshtui import __version__

        click.echo(f"meshtui {__version__}")
        ctx.exit()
