"""``meshtui journey``: business transactions as data: which there are, what one comes to, and whether a file is one."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from meshtui.cli.command import Choice, command, switch, value
from meshtui.cli.complete import journey_names

if TYPE_CHECKING:
    from meshtui.journeys.known import Known
    from meshtui.journeys.model import Scalar
    from meshtui.journeys.report import Report
    from meshtui.settings import Settings


@dataclass(frozen=True, slots=True)
class Words:
    """The words of the command."""

    what: str
    name: str | None
    set: tuple[str, ...]
    gateway: str | None
    yes: bool
    output: str


PARAMS = [
    click.Argument(["what"], type=Choice(["list", "run", "check"]), metavar="list|run|check"),
    click.Argument(
        ["name"],
        metavar="[NAME|FILE]",
        required=False,
        shell_complete=journey_names,
    ),
    value("--set", "NAME=VALUE", "a variable's value instead of the file's, as often as needed", multiple=True),
    value("--gateway", "URL", "where the application answers, instead of asking the cluster"),
    switch("--yes", "don't ask"),
]


def _run(words: Words, settings: Settings) -> int:
    import asyncio

    from meshtui.model.errors import UsageError

    if words.what != "run":
        for flag, given in (("--set", words.set), ("--gateway", words.gateway), ("--yes", words.yes)):
            if given:
                raise UsageError(f"{flag} isn't a flag of {words.what}", "leave it out")
    if words.what != "list" and words.output == "name":
        raise UsageError("only list has names", "another -o")
    if words.what == "list":
        if words.name:
            raise UsageError(f"list takes no name, and {words.name!r} is one", "leave it out")
        return _list(settings, words.output)
    if not words.name:
        what = "the name of a journey, or a file" if words.what == "run" else "a file"
        raise UsageError(f"{words.what} wants {what}", "meshtui journey list has the names")
    return _check(words.name, words.output) if words.what == "check" else asyncio.run(_journey(words, settings))


def _list(settings: Settings, output: str) -> int:
    from meshtui.cli.formats import write
    from meshtui.cli.journey_report import listing
    from meshtui.journeys.known import catalogue
    from meshtui.model.plain import clean

    found = catalogue(settings)
    write(listing(found), output)
    for problem in found.problems:
        sys.stderr.write(f"meshtui: {clean(str(problem))}{clean(f' ({problem.hint})') if problem.hint else ''}\n")
    return 2 if found.problems else 0


def _check(file: str, output: str) -> int:
    from pathlib import Path

    from meshtui.cli.formats import write
    from meshtui.cli.journey_report import checked
    from meshtui.journeys.load import content, parsed
    from meshtui.journeys.model import Journey

    found = parsed(file, content(Path(file)))
    problems = [] if isinstance(found, Journey) else found
    write(checked(file, problems), output)
    return 2 if problems else 0


def _found(name: str, settings: Settings) -> Known:
    """The journey that a word names: a file where it looks like one. Raises UsageError, ConfigError."""
    from pathlib import Path

    from meshtui.cli.closest import did_you_mean
    from meshtui.journeys.known import catalogue, of_file
    from meshtui.model.errors import UsageError

    if "/" in name or name.endswith(".toml"):
        return of_file(Path(name))
    known = catalogue(settings)
    problem = known.why_not(name)
    if problem is not None:
        raise problem.error
    found = known.named(name)
    if found is None:
        names = [each.journey.name for each in known.journeys]
        raise UsageError(f"no journey {name!r}{did_you_mean(name, names)}", f"there are {', '.join(names) or 'none'}")
    return found


def _given(words: tuple[str, ...]) -> dict[str, Scalar]:
    """The variables of --set; a number stays one. Raises UsageError."""
    from meshtui.model.errors import UsageError

    found: dict[str, Scalar] = {}
    for word in words:
        name, mark, text = word.partition("=")
        if not mark or not name:
            raise UsageError(f"--set {word!r} isn't NAME=VALUE")
        found[name] = int(text) if text.isascii() and text.isdecimal() and str(int(text)) == text else text
    return found


async def _journey(words: Words, settings: Settings) -> int:
    from meshtui.cli.ask import confirmed
    from meshtui.cli.formats import write
    from meshtui.cli.journey_report import answer
    from meshtui.cli.source import open_session
    from meshtui.journeys.gateway import answering_gateway
    from meshtui.journeys.run import Runner, entrance_of, refusal, requests_in_words, values_of
    from meshtui.model.errors import ReadOnlyError
    from meshtui.model.plain import clean
    from meshtui.model.redact import redact

    known = _found(words.name or "", settings)
    journey = known.journey
    values: Mapping[str, Scalar] = values_of(journey, {**known.given, **_given(words.set)})
    entrance, url = entrance_of(journey, values)
    async with open_session(settings) as session:
        refused = refusal(journey, session.read_only)
        if refused:
            raise ReadOnlyError(f"nothing is sent: {refused}")
        named_by = "the settings" if known.given else "its file as gateway.url"
        gateway = await answering_gateway(settings, session.engine, entrance, words.gateway or url, named_by)
        where = f"gateway {redact(gateway)}, host {entrance.host or 'of the address'}, context {session.label.context}"
        sys.stderr.write(clean(where) + "\n")
        confirmation = None
        if journey.changing:
            lines = [f"{journey.title}: this changes something there. {journey.about}".rstrip()]
            lines += [f"  {request}" for request in requests_in_words(journey, values)]
            confirmation = confirmed(lines, session.read_only, yes=words.yes or session.label.sandbox)
        api = session.api()
        report = await Runner(journey, values, gateway, settings, session.engine, api, _showing).run(confirmation)
    write(answer(report), words.output)
    return 0 if report.ok else 1


def _showing(report: Report) -> None:
    """What is being waited for, on a terminal's last line."""
    from meshtui.journeys.report import StepState
    from meshtui.model.plain import clean

    if sys.stderr.isatty():
        step = next((step for step in report.steps if step.state is StepState.RUNNING), None)
        sys.stderr.write(f"\r\x1b[K… {clean(step.title)}" if step and not report.finished else "\r\x1b[K")
        sys.stderr.flush()


COMMAND = command(
    "journey",
    "business transactions as data: list them, run one step by step, check a file",
    PARAMS,
    Words,
    _run,
    refused=("filenames",),
    outputs=("text", "table", "wide", "json", "jsonl", "yaml", "csv", "name"),
    exits={
        1: "the journey failed",
        2: "bad usage, a file that is wrong, read-only, or not confirmed",
        3: "the cluster or the gateway can't be reached or refuses",
    },
)
