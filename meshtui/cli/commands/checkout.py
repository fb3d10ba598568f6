"""``meshtui checkout``: buys one book, and prints every step with its evidence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from meshtui.cli.command import command, switch, value

if TYPE_CHECKING:
    from meshtui.settings import Settings


@dataclass(frozen=True, slots=True)
class Words:
    """The parsed arguments."""

    book: str | None
    quantity: int | None
    gateway: str | None
    yes: bool
    output: str


PARAMS = [
    value("--book", "UUID", "which book, by inventory's id"),
    value("--quantity", "N", "how many of it", type=int),
    value("--gateway", "URL", "where the bookstore answers, instead of asking the cluster"),
    switch("--yes", "don't ask"),
]


async def _checkout(words: Words, settings: Settings) -> int:
    import sys

    from meshtui.cli.ask import confirmed
    from meshtui.cli.bought import showing, with_flags
    from meshtui.cli.checkout_report import answer
    from meshtui.cli.formats import write
    from meshtui.cli.source import open_session
    from meshtui.journeys.bookstore.buy import Buyer
    from meshtui.journeys.bookstore.shop import find_gateway
    from meshtui.model.errors import ReadOnlyError
    from meshtui.model.plain import clean
    from meshtui.model.redact import redact

    settings = with_flags(settings, book=words.book, quantity=words.quantity, gateway=words.gateway)
    async with open_session(settings) as session:
        if session.read_only:
            raise ReadOnlyError(f"nothing is bought: {session.read_only}")
        gateway = await find_gateway(settings, session.engine)
        said = redact(gateway)
        checkout = settings.checkout
        sys.stderr.write(clean(f"gateway {said}, host {checkout.host}, context {session.label.context}") + "\n")
        lines = [
            f"this buys {checkout.quantity} of book {checkout.book} there, as {checkout.username}: a real order.",
            "What is in that user's cart is thrown away first.",
        ]
        confirmation = confirmed(lines, session.read_only, yes=words.yes or session.label.sandbox)
        trace = await Buyer(gateway, settings, session.engine, session.api(), showing).run(confirmation)
    write(answer(trace), words.output)
    return 0 if trace.ok else 1


def _run(words: Words, settings: Settings) -> int:
    import asyncio

    return asyncio.run(_checkout(words, settings))


COMMAND = command(
    "checkout",
    "buy one book, and see each step, the reserve call and the stock",
    PARAMS,
    Words,
    _run,
    refused=("filenames",),
    outputs=("text", "table", "wide", "json", "jsonl", "yaml", "csv"),
    exits={
        1: "the checkout failed",
        2: "bad usage, read-only, or not confirmed",
        3: "the cluster or the gateway can't be reached or refuses",
    },
)
