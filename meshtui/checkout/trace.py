"""The trace of one checkout: its steps in order, the stock before and after, and whether all of it is well. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from meshtui.model.ids import ObjectRef

STOCK_BEFORE, TOKEN, BOOKS, CART, CHECKOUT = "stock_before", "token", "books", "cart", "checkout"
RESERVE, ORDER, STOCK_AFTER = "reserve", "order", "stock_after"

TITLES = {
    STOCK_BEFORE: "stock before",
    TOKEN: "token",
    BOOKS: "what the shop sells",
    CART: "cart",
    CHECKOUT: "checkout",
    RESERVE: "reserve call",
    ORDER: "order and its event",
    STOCK_AFTER: "stock after",
}
"""The steps, in the order in which they happen, and their titles."""


class StepState(Enum):
    """How far a step is."""

    WAITING = "waiting"
    RUNNING = "running"
    OK = "ok"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class TraceStep:
    """One step. ``mtls`` None means that nothing was seen of its connection; ``cause`` is a contracts outcome word.

    ``request`` and ``response`` are bodies without secrets; ``answered_by`` is ``gateway`` or ``application``; ``requests``
    counts what was sent for it.
    """

    name: str
    state: StepState = StepState.WAITING
    method: str = ""
    url: str = ""
    status: int | None = None
    elapsed_ms: float | None = None
    headers: tuple[tuple[str, str], ...] = ()
    request: Any = None
    response: Any = None
    answered_by: str = ""
    source: str = ""
    destination: str = ""
    source_identity: str = ""
    destination_identity: str = ""
    mtls: bool | None = None
    evidence: tuple[str, ...] = ()
    log_lines: tuple[str, ...] = ()
    cause: str = ""
    error: str = ""
    note: str = ""
    requests: int = 0

    @property
    def title(self) -> str:
        """In words."""
        return TITLES.get(self.name, self.name)


@dataclass(frozen=True, slots=True)
class Stock:
    """How many of a book there are, and how many of them are reserved."""

    book_id: str
    quantity: int
    reserved: int


@dataclass(frozen=True, slots=True)
class LookAt:
    """An object to look at, and why."""

    ref: ObjectRef
    why: str

    @property
    def command(self) -> str:
        """The kubectl line that shows it."""
        scope = f"-n {self.ref.namespace} " if self.ref.namespace else ""
        return f"kubectl {scope}get {self.ref.kind.lower()} {self.ref.name} -o yaml"


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a checkout failed: ``code`` for scripts, the rest for people."""

    code: str
    summary: str
    why: tuple[str, ...] = ()
    look_at: tuple[LookAt, ...] = ()


@dataclass(frozen=True, slots=True)
class Trace:
    """One checkout so far."""

    gateway: str
    host: str
    book: str
    quantity: int
    steps: tuple[TraceStep, ...] = field(default_factory=lambda: tuple(TraceStep(name) for name in TITLES))
    bought: str = ""
    """The id that went into the cart: ``book``, or the shop's first where the shop sells other ids."""
    book_title: str = ""
    before: Stock | None = None
    after: Stock | None = None
    order_id: str = ""
    event_id: str = ""
    finished: bool = False
    explanation: Explanation | None = None
    notes: tuple[str, ...] = ()

    def step(self, name: str) -> TraceStep:
        """A step by name."""
        return next(step for step in self.steps if step.name == name)

    def with_step(self, name: str, **changes: Any) -> Trace:
        """The trace with one step changed."""
        return replace(self, steps=tuple(replace(s, **changes) if s.name == name else s for s in self.steps))

    @property
    def moved(self) -> int | None:
        """By how much ``reserved`` changed; None when the stock isn't known on both sides."""
        return None if self.before is None or self.after is None else self.after.reserved - self.before.reserved

    @property
    def failed_step(self) -> TraceStep | None:
        """The first step that failed."""
        return next((step for step in self.steps if step.state is StepState.FAILED), None)

    @property
    def ok(self) -> bool:
        """Whether the order exists, the reserve call was made, and the stock moved by exactly what was bought."""
        reserved = self.step(RESERVE).state is StepState.OK
        return self.finished and bool(self.order_id) and reserved and self.moved == self.quantity and self.failed_step is None


def finish(trace: Trace) -> Trace:
    """A trace to which nothing is added any more: what never began was skipped."""
    unfinished = {StepState.WAITING, StepState.RUNNING}
    steps = tuple(replace(s, state=StepState.SKIPPED) if s.state in unfinished else s for s in trace.steps)
    return replace(trace, steps=steps, finished=True)
