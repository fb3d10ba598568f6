"""The class of commands: parameters, output formats, exit codes, and the function that runs."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypedDict, TypeVar, Unpack

import click

from meshtui.cli import flags
from meshtui.cli.closest import did_you_mean
from meshtui.cli.given import settings_from
from meshtui.cli.guarded import guarded
from meshtui.cli.reading import exit_code, recorded, say, say_skipped
from meshtui.model.errors import MeshtuiError, UsageError

if TYPE_CHECKING:
    from meshtui.settings import Settings

T = TypeVar("T")

AS_EXPECTED, SAYS_NO, BAD_USAGE, UNREACHABLE, NOT_KNOWN, INTERRUPTED, UNEXPECTED = 0, 1, 2, 3, 4, 130, 70
"""The exit codes (docs/contracts.md, Exit codes)."""


class About(TypedDict, total=False):
    """Optional properties of a command.

    ``outputs`` are its output formats, the default first. ``exits`` describes its exit codes; every command has 0, 2, 130 and
    70. ``refused`` names shared flags that don't apply to it: they are errors, not ignored. ``more`` is printed at the end of
    its help. ``terminal``: it opens the terminal program, whose flags it takes.
    """

    outputs: Sequence[str]
    exits: Mapping[int, str]
    refused: Sequence[str]
    more: str
    terminal: bool


class Command(click.Command):
    """One command: ``body`` is called with the parsed parameters and the settings, and returns the exit code."""

    def __init__(
        self,
        name: str,
        summary: str,
        params: Sequence[click.Parameter],
        parsed: Callable[..., Any],
        body: Callable[[Any, Settings], int],
        **about: Unpack[About],
    ) -> None:
        words = summary[0].upper() + summary[1:] + "."
        super().__init__(name, params=[*params, *flags.options()], help=words, short_help=summary)
        self.own = tuple(params)
        self.parsed = parsed
        self.body = body
        self.outputs = tuple(about.get("outputs", ()))
        self.exits = dict(about.get("exits", {}))
        refused = frozenset(about.get("refused", ()))
        self.refused = refused | flags.OF_FILES if "filenames" in refused else refused
        self.refused |= frozenset() if about.get("terminal") else flags.OF_THE_PROGRAM
        self.more = about.get("more", "")

    def invoke(self, ctx: click.Context) -> int:
        """Run the command and return its exit code. Raises MeshtuiError."""
        places = [ctx.params, *([ctx.parent.params] if ctx.parent else [])]
        given = flags.merged(places)
        for flag in flags.FLAGS:
            if flag.name in given and flag.name in self.refused:
                raise UsageError(f"{flag.long} isn't a flag of {self.name}", "leave it out")
        words = {param.name: ctx.params[param.name] for param in self.own if param.name}
        output = self._output(given)
        if self.outputs:
            words["output"] = output
        settings = settings_from(given, probe_image=words.get("probe_image"))
        with guarded(data=bool(self.outputs) and self._is_data(output)):
            return self._run(words, settings)

    def _run(self, words: Mapping[str, Any], settings: Settings) -> int:
        """Run the body, and say what it has read of files."""
        with recorded() as read:
            try:
                code = self.body(self.parsed(**words), settings)
            except MeshtuiError:
                say_skipped(read, verbose=settings.verbose)
                raise
            say(read, verbose=settings.verbose)
            return exit_code(code, read, settings)

    def _output(self, given: Mapping[str, Any]) -> str:
        output: str | None = given.get("output")
        if output is None:
            return self.outputs[0] if self.outputs else ""
        if not self.outputs:
            raise UsageError(f"{self.name} has only one output format", "leave -o out")
        if output not in self.outputs:
            close = did_you_mean(output, self.outputs)
            raise UsageError(f"{self.name} can't print {output!r}{close}", f"-o takes {', '.join(self.outputs)}")
        return output

    @staticmethod
    def _is_data(output: str) -> bool:
        from meshtui.cli.formats import formats

        return formats()[output].data

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The command's own options first, then the shared ones."""
        rows = [record for param in self.own if isinstance(param, click.Option) and (record := param.get_help_record(ctx))]
        if rows:
            with formatter.section("Options"):
                formatter.write_dl(rows)
        shared_options(formatter, ctx, self.outputs, self.refused & flags.OF_THE_PROGRAM)
        if self.exits:
            with formatter.section("Exit codes"):
                formatter.write_dl([(str(code), words) for code, words in sorted({**COMMON_EXITS, **self.exits}.items())])

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002  (click's)
        """The additional text of the help, with its line breaks."""
        if self.more:
            formatter.write_paragraph()
            formatter.write("".join(f"{line}\n" if line else "\n" for line in self.more.strip("\n").split("\n")))


COMMON_EXITS: Mapping[int, str] = {AS_EXPECTED: "as expected", BAD_USAGE: "bad usage or bad input"}
"""Exit codes of every command, in addition to 130 (interrupted) and 70 (a fault in meshtui itself)."""


def shared_options(
    formatter: click.HelpFormatter, ctx: click.Context, outputs: Sequence[str], left_out: Collection[str] = ()
) -> None:
    """Write the help on the shared flags, without those that are ``left_out``."""
    shown = [flag for flag in flags.FLAGS if flag.name not in left_out]
    rows = [record for flag in shown if (record := flag.option().get_help_record(ctx))]
    with formatter.section("Where the cluster comes from (before or after the command)"):
        formatter.write_dl(rows)
    with formatter.section("The answer"):
        if outputs:
            words = f"{outputs[0]} (default)" + "".join(f", {name}" for name in outputs[1:])
            formatter.write_dl([("-o, --output FORMAT", words)])
        formatter.write_dl([("-h, --help", "show this and exit")])


def command(
    name: str,
    summary: str,
    params: Sequence[click.Parameter],
    parsed: Callable[..., T],
    body: Callable[[T, Settings], int],
    **about: Unpack[About],
) -> Command:
    """A command. ``parsed`` makes the object that its body gets: a dataclass with a field for each parameter."""
    return Command(name, summary, params, parsed, body, **about)


def switch(word: str, words: str) -> click.Option:
    """An option without a value."""
    return click.Option([word], is_flag=True, help=words)


def asks_mesh() -> click.Option:
    """The option of commands that ask the ztunnels first."""
    words = "ask the ztunnels of a live cluster first: verdicts about pods that fell out of the mesh are unknown"
    return switch("--mesh", words)


def value(word: str, metavar: str, words: str, **more: Any) -> click.Option:
    """An option with a value; ``more`` are arguments for click."""
    return click.Option([word], metavar=metavar, help=words, **more)


def choice(word: str, known: Sequence[str], default: str, words: str) -> click.Option:
    """An option whose value is one of some words."""
    return click.Option([word], type=Choice(list(known)), default=default, help=f"{words} (default: {default})")


class Choice(click.Choice[str]):
    """A choice of words; the error suggests the closest one."""

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:  # noqa: ARG002  (click's)
        """The error message for an unknown word."""
        known = [str(choice) for choice in self.choices]
        return f"{value!r} isn't one of {', '.join(known)}{did_you_mean(str(value), known)}"
