"""``meshtui verify``: compares expectations with predictions, and with ``--probe`` also with observations."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from meshtui.cli.command import command, switch, value
from meshtui.cli.complete import files

if TYPE_CHECKING:
    from meshtui.engine.expect.expectations import Entry
    from meshtui.engine.expect.verification import Result
    from meshtui.model.observation import Observation
    from meshtui.model.snapshot import Snapshot
    from meshtui.settings import Settings


@dataclass(frozen=True, slots=True)
class Words:
    """The parsed arguments."""

    flows: str | None
    init: bool
    probe: bool
    probe_image: str | None
    unsafe_methods: bool
    yes: bool
    output: str


PARAMS = [
    click.Argument(
        ["flows"],
        metavar="FLOWS.yaml",
        required=False,
        help="the expectations; - is standard input, bookstore the shipped",
        shell_complete=files,
    ),
    switch("--init", "write a first file from what is predicted now (no file: print it)"),
    switch("--probe", "test them against reality too, with short-lived pods"),
    value("--probe-image", "IMAGE", "an image that has sh and curl"),
    switch("--unsafe-methods", "send requests other than GET, HEAD and OPTIONS too"),
    switch("--yes", "don't ask"),
]


def _run(words: Words, settings: Settings) -> int:
    from meshtui.cli.expectations import find, read_expectations
    from meshtui.cli.expectations_report import answer
    from meshtui.cli.formats import write
    from meshtui.cli.reading import noting
    from meshtui.cli.source import one_snapshot
    from meshtui.engine import Engine
    from meshtui.engine.expect.expectations import expand
    from meshtui.engine.expect.verification import exit_code, verify
    from meshtui.model.errors import UsageError

    if words.init:
        if words.probe:
            raise UsageError("--init writes what is predicted: it doesn't go with --probe")
        return _init(words.flows, settings)
    if words.flows is None:
        raise UsageError("no expectations", "name a file, `bookstore` for the shipped one, or --init to write a first one")
    if words.flows == "-" and "-" in settings.filenames:
        raise UsageError("standard input can't be both the expectations and the manifests")
    entries, reading = read_expectations(*find(words.flows)), None
    if words.probe:
        import asyncio

        results = asyncio.run(_probed(words, settings, entries))
    else:
        snapshot = one_snapshot(settings)
        reading = snapshot.reading
        _say_what_is_hidden(snapshot)
        engine = Engine(snapshot)
        results = verify(engine, expand(engine, entries))
    write(noting(answer(results), read=reading), words.output)
    return exit_code(results)


async def _probed(words: Words, settings: Settings, entries: list[Entry]) -> list[Result]:
    """Probe and verify. Raises ReadOnlyError without a confirmation, and the errors of the launcher."""
    from meshtui.cli.ask import confirmed
    from meshtui.cli.plan_report import plan_in_words
    from meshtui.cli.progress import Progress
    from meshtui.cli.source import open_session
    from meshtui.engine.expect.expectations import expand
    from meshtui.engine.expect.verification import verify
    from meshtui.probe.plan import make_plan

    async with open_session(settings) as session:
        _say_what_is_hidden(session.snapshot)
        expected = expand(session.engine, entries)
        any_method = words.unsafe_methods or session.label.sandbox
        plan = make_plan(session.engine, [each.flow for each in expected], settings.probe, any_method=any_method)
        confirmation = confirmed(plan_in_words(plan, session.label.context), session.read_only, yes=words.yes)
        probing = Progress("probing", len(expected))

        def one_more(_: Observation) -> None:
            probing.step()

        observations = await session.probe(plan, confirmation, one_more)
        probing.end()
        return verify(session.engine, expected, {o.flow.id: o for o in observations})


def _say_what_is_hidden(snapshot: Snapshot) -> None:
    """Name the kinds that couldn't be read: predictions may be unknown because of them."""
    from meshtui.cli.notes import note, note_trust_domain
    from meshtui.engine.expect.expectations import HIDDEN

    for kind, state in snapshot.kinds.items():
        if state.status in HIDDEN:
            note(f"{kind}: {state.message or state.status.value}")
    note_trust_domain(snapshot)


def _init(file: str | None, settings: Settings) -> int:
    """Write the file, or print it. An existing file is never overwritten, and ``bookstore`` is refused as a name."""
    from meshtui.cli.expectations import BOOKSTORE
    from meshtui.cli.expectations_init import first_file
    from meshtui.cli.private import private
    from meshtui.cli.source import one_snapshot
    from meshtui.engine import Engine
    from meshtui.model.errors import UsageError

    if file == BOOKSTORE:
        raise UsageError(
            f"{BOOKSTORE!r} is the shipped file: one of that name would never be read", f"write {BOOKSTORE}-flows.yaml"
        )

    namespace = "" if settings.all_namespaces else settings.namespace
    text = first_file(Engine(one_snapshot(settings)), namespace)
    if file in {None, "-"}:
        sys.stdout.write(text)
        return 0
    try:
        with open(str(file), "x", encoding="utf-8", opener=private) as out:
            out.write(text)
    except FileExistsError as error:
        raise UsageError(f"{file} is there already", "name another file") from error
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror or error}") from error
    sys.stderr.write(f"wrote {file}: read it, then meshtui verify {file}\n")
    return 0


COMMAND = command(
    "verify",
    "expectations against what is predicted, and with --probe against reality",
    PARAMS,
    Words,
    _run,
    outputs=("text", "table", "wide", "json", "jsonl", "yaml", "csv", "tap", "junit"),
    exits={
        1: "an expectation doesn't hold",
        2: "bad usage, a file that can't be read, read-only, not confirmed, or an expectation that matches nothing",
        3: "the cluster can't be reached or refuses",
        4: "it is unknown whether some expectation holds",
    },
)
