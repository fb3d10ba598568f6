"""MT402: the shop sells books that inventory doesn't know."""

from __future__ import annotations

from collections.abc import Iterator

from meshtui.findings.base import Found, NotKnownError, Rule
from meshtui.findings.context import Context
from meshtui.journeys.bookstore.builds import BOOKSTORE, INVENTORY, OLD_IDS, SHOP, known_fault, roll_out
from meshtui.journeys.bookstore.observed import Evidence
from meshtui.model.finding import Severity


def _look(context: Context) -> Iterator[Found]:
    """Compare the books of both; if one doesn't answer, use the known faults of the shop's build."""
    seen = context.evidence.get(BOOKSTORE)
    if not isinstance(seen, Evidence):
        return
    if seen.shop_books is None or seen.stock_books is None:
        if not known_fault(seen.image, OLD_IDS):
            raise NotKnownError(f"the ids of the books can't be read: {'; '.join(seen.problems) or 'no answer'}")
        how = f"{seen.image} is a build without inventory's ids (changeset 005)"
    else:
        unknown = [book for book in seen.shop_books if book not in set(seen.stock_books)]
        if not unknown:
            return
        how = f"{len(unknown)} of {len(seen.shop_books)} books, {unknown[0]} among them, are unknown to inventory"
    yield Found(
        (SHOP, INVENTORY),
        f"{SHOP} sells books by ids that {INVENTORY} doesn't know",
        f"{how}: a checkout of them answers 404 at inventory, and the network is fine",
        flows=1,
        fix=roll_out(context),
        affected=frozenset({INVENTORY}),
    )


RULE = Rule("MT402", "unknown book ids", Severity.ERROR, _look, observed=BOOKSTORE)
