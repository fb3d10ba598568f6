"""``meshtui acceptance``: the bookstore's criteria, each really exercised, with evidence."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from meshtui.cli.command import command, switch, value
from meshtui.cli.complete import files

if TYPE_CHECKING:
    from meshtui.engine.expect.expectations import Expected
    from meshtui.journeys.bookstore.criteria import Criterion
    from meshtui.model.observation import Observation
    from meshtui.probe.plan import Plan
    from meshtui.session import Session
    from meshtui.settings import Settings


@dataclass(frozen=True, slots=True)
class Words:
    """The parsed arguments."""

    book: str | None
    quantity: int | None
    gateway: str | None
    expectations: str | None
    probe_image: str | None
    unsafe_methods: bool
    yes: bool
    output: str


PARAMS = [
    value("--book", "UUID", "which book, by inventory's id"),
    value("--quantity", "N", "how many of it", type=int),
    value("--gateway", "URL", "where the bookstore answers, instead of asking the cluster"),
    value("--expectations", "FILE", "instead of the shipped ones (bookstore)", shell_complete=files),
    value("--probe-image", "IMAGE", "an image that has sh and curl"),
    switch("--unsafe-methods", "probe with methods other than GET, HEAD and OPTIONS too"),
    switch("--yes", "don't ask"),
]


async def _acceptance(words: Words, settings: Settings) -> int:
    from meshtui.cli.acceptance_report import answer
    from meshtui.cli.ask import confirmed
    from meshtui.cli.bought import with_flags
    from meshtui.cli.expectations import find, read_expectations
    from meshtui.cli.formats import write
    from meshtui.cli.source import open_session
    from meshtui.engine.expect.expectations import expand
    from meshtui.journeys.bookstore.acceptance import Acceptance, look_for_gateway
    from meshtui.journeys.bookstore.criteria import exit_code
    from meshtui.model.errors import ReadOnlyError
    from meshtui.model.plain import clean
    from meshtui.probe.plan import make_plan

    settings = with_flags(settings, book=words.book, quantity=words.quantity, gateway=words.gateway)
    entries = read_expectations(*find(words.expectations or settings.checkout.expectations))
    async with open_session(settings) as session:
        if session.read_only:
            raise ReadOnlyError(f"nothing is tried: {session.read_only}")
        engine, checkout = session.engine, settings.checkout
        gateway = await look_for_gateway(settings, engine)
        sys.stderr.write(clean(f"gateway {gateway}, host {checkout.host}, context {session.label.context}") + "\n")

        def plan_for(expected: Sequence[Expected]) -> Plan:
            any_method = words.unsafe_methods or session.label.sandbox
            return make_plan(engine, [each.flow for each in expected], settings.probe, any_method=any_method)

        lines = [
            f"this buys {checkout.quantity} of book {checkout.book} there, as {checkout.username}: a real order.",
            "What is in that user's cart is thrown away first. It also asks to reserve, and to check out, without a token.",
            *_probes(session, plan_for, lambda: expand(engine, entries)),
        ]
        confirmation = confirmed(lines, session.read_only, yes=words.yes or session.label.sandbox)

        async def probe(expected: Sequence[Expected]) -> Mapping[str, Observation]:
            seen = await session.probe(plan_for(expected), confirmation)
            return {observation.flow.id: observation for observation in seen}

        acceptance = Acceptance(gateway, settings, engine, session.api(), entries, probe, _progress)
        criteria = await acceptance.run(confirmation)
    write(answer(criteria), words.output)
    return exit_code(criteria)


def _probes(
    session: Session, plan_for: Callable[[Sequence[Expected]], Plan], expected: Callable[[], list[Expected]]
) -> list[str]:
    """What would be probed, for the confirmation; nothing if the expectations don't match the cluster."""
    from meshtui.cli.plan_report import plan_in_words
    from meshtui.model.errors import MeshtuiError

    try:
        return plan_in_words(plan_for(expected()), session.label.context)
    except MeshtuiError as error:
        return [f"nothing is probed: {error}"]


def _progress(criteria: Sequence[Criterion]) -> None:
    """Show the running criterion in the last line of a terminal."""
    from meshtui.journeys.bookstore.criteria import State

    if sys.stderr.isatty():
        running = next((each for each in criteria if each.state is State.RUNNING), None)
        sys.stderr.write(f"\r\x1b[K… {running.title}" if running else "\r\x1b[K")
        sys.stderr.flush()


def _run(words: Words, settings: Settings) -> int:
    import asyncio

    return asyncio.run(_acceptance(words, settings))


COMMAND = command(
    "acceptance",
    "the bookstore's acceptance criteria, each tested against the application, with evidence",
    PARAMS,
    Words,
    _run,
    refused=("filenames",),
    outputs=("text", "table", "wide", "json", "jsonl", "yaml", "csv", "junit"),
    exits={
        1: "a criterion fails",
        2: "bad usage, read-only, or not confirmed",
        3: "the cluster can't be reached or refuses",
        4: "a criterion couldn't be tried",
    },
)
