"""MT401: checkout writes orders without calling inventory."""

from __future__ import annotations

from collections.abc import Iterator

from meshtui.findings.base import Found, NotKnownError, Rule
from meshtui.findings.context import Context
from meshtui.journeys.bookstore.builds import BOOKSTORE, INVENTORY, NO_RESERVE, SHOP, known_fault, roll_out
from meshtui.journeys.bookstore.observed import Evidence
from meshtui.model.finding import Severity


def _look(context: Context) -> Iterator[Found]:
    """The shop's log has orders without calls, or the shop runs a build with this known fault."""
    seen = context.evidence.get(BOOKSTORE)
    if not isinstance(seen, Evidence):
        return
    known = known_fault(seen.image, NO_RESERVE)
    silent = bool(seen.orders) and seen.reserve_calls == 0
    if not known and not seen.orders:
        raise NotKnownError("no order was seen in the shop's log, and its build isn't a known one: meshtui checkout tells")
    if known or silent:
        how = (
            f"{seen.orders} orders in its log, and no reserve call"
            if silent
            else f"{seen.image} is a build that makes no reserve call"
        )
        url = f"; INVENTORY_SERVICE_URL is {seen.inventory_url}" if seen.inventory_url else "; it has no INVENTORY_SERVICE_URL"
        yield Found(
            (SHOP, INVENTORY),
            f"{SHOP} sells books without reserving them: checkout never calls {INVENTORY}",
            f"{how}{url}: the stock never moves, and no policy is at fault",
            flows=1,
            fix=roll_out(context),
            affected=frozenset({INVENTORY}),
        )


RULE = Rule("MT401", "no reserve call", Severity.ERROR, _look, observed=BOOKSTORE)
