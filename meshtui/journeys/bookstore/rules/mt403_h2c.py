"""MT403: a client that upgrades to h2c against a server of HTTP/1.1."""

from __future__ import annotations

from collections.abc import Iterator

from meshtui.findings.base import Found, NotKnownError, Rule
from meshtui.findings.context import Context
from meshtui.journeys.bookstore.builds import BOOKSTORE, H2C, INVENTORY, SHOP, known_fault, roll_out
from meshtui.journeys.bookstore.observed import Evidence
from meshtui.model.finding import Severity


def _look(context: Context) -> Iterator[Found]:
    """uvicorn logs unreadable requests and the shop 400, or the shop runs a build with this known fault."""
    seen = context.evidence.get(BOOKSTORE)
    if not isinstance(seen, Evidence):
        return
    known = known_fault(seen.image, H2C)
    if not known and seen.http_400 is None:
        raise NotKnownError("the shop's log can't be read")
    if not known and not seen.http_400:
        if not seen.reserve_calls:
            raise NotKnownError(
                "no reserve call was seen in the shop's log, and its build isn't a known one: meshtui checkout tells"
            )
        return
    complaints = f", and inventory's server logs {seen.invalid_requests} invalid requests" if seen.invalid_requests else ""
    how = (
        f"{seen.http_400} reserve calls were answered 400{complaints}" if seen.http_400 else f"{seen.image} is a build that does"
    )
    yield Found(
        (SHOP, INVENTORY),
        f"{SHOP} upgrades to HTTP/2 in the clear (h2c), and {INVENTORY} reads HTTP/1.1 only",
        f"{how}: the connection is allowed, and the request is refused with 400 Invalid HTTP request received",
        flows=1,
        fix=roll_out(context),
        affected=frozenset({INVENTORY}),
    )


RULE = Rule("MT403", "h2c upgrade", Severity.ERROR, _look, observed=BOOKSTORE)
