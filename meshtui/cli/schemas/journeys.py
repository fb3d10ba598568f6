"""The types of journeys, the checkout, and the acceptance criteria."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct


class CheckoutStep(Struct):
    """One step of a checkout. ``mtls`` is null if its connection wasn't seen; bodies contain no secrets."""

    name: str
    state: Literal["waiting", "running", "ok", "failed", "skipped"]
    method: str | None
    url: str | None
    status: int | None
    elapsed_ms: float | None
    headers: dict[str, str]
    request: Any
    response: Any
    answered_by: str | None
    source: str | None
    destination: str | None
    source_identity: str | None
    destination_identity: str | None
    mtls: bool | None
    evidence: list[str]
    log: list[str]
    cause: str | None
    error: str | None
    note: str | None


class BookStock(Struct):
    """The stock of one book according to inventory."""

    book_id: str
    quantity: int
    reserved: int


class StockBeforeAfter(Struct):
    """The stock before and after a checkout; null if it couldn't be read."""

    before: BookStock | None
    after: BookStock | None


class LookAt(Struct):
    """An object to look at, and the command that shows it."""

    kind: str
    namespace: str
    name: str
    why: str
    command: str


class Explanation(Struct):
    """Why a checkout failed."""

    code: str
    summary: str
    why: list[str]
    look_at: list[LookAt]


class FurtherCall(Struct):
    """Connections that a service opened during a run beyond the journey's own calls, as the ztunnels logged them.

    ``failed`` of the ``connections`` were denied, or ended with an error before they carried a byte; ``mtls`` is null if the
    lines don't tell, or differ. ``cause`` is a class of denials (``denials -o json``).
    """

    source: str
    destination: str
    state: Literal["ok", "failed"]
    connections: int
    failed: int
    source_identity: str | None
    destination_identity: str | None
    mtls: bool | None
    outcome: Literal["closed", "timeout", "refused", "failed"] | None
    cause: str | None
    error: str | None
    evidence: list[str]
    look_at: list[LookAt]


class CheckedOut(Struct):
    """One checkout, traced. ``change`` is the change of the reserved stock."""

    ok: bool
    steps: list[CheckoutStep]
    stock: StockBeforeAfter
    order_id: str | None
    event_id: str | None
    change: int | None
    gateway: str
    host: str
    book: str
    bought: str | None
    quantity: int
    explanation: Explanation | None
    further: list[FurtherCall]
    notes: list[str]


class JourneyStep(CheckoutStep, kw_only=True):
    """One step of a journey: a request, a call that it should cause, or the reading of a gauge."""

    title: str
    kind: Literal["step", "call", "gauge"]


class GaugeLine(Struct):
    """A gauge: its values, null where they aren't known; ``wanted`` is the change that is right."""

    name: str
    title: str
    before: float | None
    after: float | None
    change: float | None
    wanted: float | None
    ok: bool


class FailureLine(Struct):
    """Something that isn't as it should be. ``means`` is the journey's own word, or what is usually said."""

    name: str
    title: str
    outcome: Annotated[str, Meta(description="http_NNN, timeout, closed, dns, answer, variable, no_call, identity, change …")]
    means: str
    why: list[str]
    look_at: list[LookAt]


class JourneyRun(Struct):
    """One run of a journey. ``ok`` is about all that could be seen; ``notes`` say what couldn't."""

    ok: bool
    journey: str
    title: str
    gateway: str
    host: str | None
    steps: list[JourneyStep]
    gauges: list[GaugeLine]
    failures: list[FailureLine]
    further: list[FurtherCall]
    notes: list[str]


class JourneyLine(Struct):
    """One journey. ``origin`` is its file, or ``meshtui`` for one that comes with it."""

    name: str
    title: str
    about: str
    changes: bool
    origin: str
    steps: list[str]
    calls: list[str]
    gauges: list[str]
    variables: list[str]


class FileProblem(Struct):
    """Something that is wrong in a file; ``field`` as step[1].expect.status, null where it is about the file as a whole."""

    file: str
    line: int
    field: str | None
    problem: str
    hint: str | None


class JourneyChecked(Struct):
    """What is wrong with a journey's file."""

    file: str
    ok: bool
    problems: list[FileProblem]


class CriterionLine(Struct):
    """One acceptance criterion; ``evidence`` says what was tried and observed, or why it was skipped."""

    id: str
    title: str
    status: Literal["pass", "fail", "skip"]
    evidence: list[str]


class Accepted(Struct):
    """The bookstore's acceptance criteria, each exercised."""

    criteria: list[CriterionLine]
