"""The trace of one checkout: its steps in order, the stock before and after, and whether everything succeeded. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from meshtui.journeys.bookstore.data import checkout_journey
from meshtui.journeys.report import Further, LookAt, StepReport, StepState, all_over, with_step
from meshtui.journeys.run import ladder

__all__ = [
    "BOOKS",
    "CART",
    "CHECKOUT",
    "ORDER",
    "RESERVE",
    "STOCK_AFTER",
    "STOCK_BEFORE",
    "TITLES",
    "TOKEN",
    "Explanation",
    "LookAt",
    "StepReport",
    "StepState",
    "Stock",
    "Trace",
    "finish",
]

STOCK_BEFORE, TOKEN, BOOKS, CART, CHECKOUT = "stock_before", "token", "books", "cart", "checkout"
RESERVE, ORDER, STOCK_AFTER = "reserve", "order", "stock_after"

TITLES = {step.name: step.title for step in ladder(checkout_journey())}
"""The steps in order, with their titles."""


@dataclass(frozen=True, slots=True)
class Stock:
    """The number of copies of a book, and how many of them are reserved."""

    book_id: str
    quantity: int
    reserved: int


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a checkout failed: ``code`` for scripts, the other fields for people."""

    code: str
    summary: str
    why: tuple[str, ...] = ()
    look_at: tuple[LookAt, ...] = ()


@dataclass(frozen=True, slots=True)
class Trace:
    """The state of one checkout."""

    gateway: str
    host: str
    book: str
    quantity: int
    steps: tuple[StepReport, ...] = field(default_factory=lambda: ladder(checkout_journey()))
    bought: str = ""
    """The id that was put into the cart: ``book``, or the shop's first book if the shop has other ids."""
    book_title: str = ""
    before: Stock | None = None
    after: Stock | None = None
    order_id: str = ""
    event_id: str = ""
    finished: bool = False
    explanation: Explanation | None = None
    further: tuple[Further, ...] = ()
    notes: tuple[str, ...] = ()

    def step(self, name: str) -> StepReport:
        """The step with a name."""
        return next(step for step in self.steps if step.name == name)

    def with_step(self, name: str, **changes: Any) -> Trace:
        """The trace with one step changed."""
        return replace(self, steps=with_step(self.steps, name, **changes))

    @property
    def moved(self) -> int | None:
        """The change of ``reserved``; None when the stock isn't known before or after."""
        return None if self.before is None or self.after is None else self.after.reserved - self.before.reserved

    @property
    def failed_step(self) -> StepReport | None:
        """The first step that failed."""
        return next((step for step in self.steps if step.state is StepState.FAILED), None)

    @property
    def ok(self) -> bool:
        """Whether the order exists, the reserve call was made, and the reserved stock increased by the quantity bought."""
        reserved = self.step(RESERVE).state is StepState.OK
        return self.finished and bool(self.order_id) and reserved and self.moved == self.quantity and self.failed_step is None


def finish(trace: Trace) -> Trace:
    """The finished trace: steps that never began are marked as skipped."""
    return replace(trace, steps=all_over(trace.steps), finished=True)
