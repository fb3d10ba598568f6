"""The result of a journey: its steps in order, its gauges, and its failures with their meaning. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from math import isclose
from typing import Any

from meshtui.journeys.hops import Hop
from meshtui.model.ids import ObjectRef

_CLOSE = 1e-9
"""Numbers that differ by less are equal: in floating point 0.1 + 0.2 isn't 0.3."""


class StepState(Enum):
    """The state of a step."""

    WAITING = "waiting"
    RUNNING = "running"
    OK = "ok"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class StepReport:
    """One step: a request, a call that it should cause, the reading of a gauge, or a further call of a service.

    ``kind`` is ``step``, ``call``, ``gauge`` or ``further``. ``mtls`` is None when its connection wasn't observed; ``cause``
    is an outcome. ``request`` and ``response`` are bodies without secrets; ``answered_by`` is ``gateway`` or ``application``;
    ``requests`` is the number of requests that were sent for it, for a further call that of its connections.
    """

    name: str
    title: str = ""
    kind: str = "step"
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


@dataclass(frozen=True, slots=True)
class Reading:
    """A gauge: its values, None when not known, and the expected change."""

    name: str
    title: str
    before: float | None = None
    after: float | None = None
    wanted: float | None = None

    @property
    def change(self) -> float | None:
        """The change of the gauge; None when not known."""
        return None if self.before is None or self.after is None else self.after - self.before

    @property
    def right(self) -> bool:
        """Whether the change is the expected one."""
        return self.change is not None and self.wanted is not None and isclose(self.change, self.wanted, abs_tol=_CLOSE)


@dataclass(frozen=True, slots=True)
class LookAt:
    """An object to look at, with the reason."""

    ref: ObjectRef
    why: str

    @property
    def command(self) -> str:
        """The kubectl command that shows the object."""
        scope = f"-n {self.ref.namespace} " if self.ref.namespace else ""
        return f"kubectl {scope}get {self.ref.kind.lower()} {self.ref.name} -o yaml"


@dataclass(frozen=True, slots=True)
class Failure:
    """One failure: ``outcome`` for scripts, the other fields for people. ``says`` is the journey's own text if it has one.

    ``behind`` is what decides on further calls that may be the reason.
    """

    name: str
    title: str
    outcome: str
    says: str
    why: tuple[str, ...] = ()
    look_at: tuple[LookAt, ...] = ()
    behind: tuple[LookAt, ...] = ()


@dataclass(frozen=True, slots=True)
class Further:
    """What the ztunnels logged about a connection that a service of the run opened, beyond the journey's own calls.

    ``step`` tells how it ended. ``connections`` is their number while the run went on, ``failed`` that of those that were denied,
    or ended with an error before they carried a byte. ``look_at`` is what decides on these, by the log or by a prediction that
    agrees with it; ``reason`` is the class of their cause (the values of ``meshtui.engine.explain.denials.Cause``).
    """

    step: StepReport
    hop: Hop
    connections: int
    failed: int = 0
    why: tuple[str, ...] = ()
    look_at: tuple[LookAt, ...] = ()
    reason: str = ""

    @property
    def explained(self) -> bool:
        """Whether it is known why it failed; a later line may tell, where it isn't."""
        return bool(self.look_at) or self.reason not in {"", "unknown"}


@dataclass(frozen=True, slots=True)
class Report:
    """The state of one run of a journey."""

    journey: str
    title: str
    gateway: str
    host: str
    steps: tuple[StepReport, ...]
    gauges: tuple[Reading, ...] = ()
    finished: bool = False
    failures: tuple[Failure, ...] = ()
    further: tuple[Further, ...] = ()
    notes: tuple[str, ...] = ()

    def step(self, name: str) -> StepReport:
        """The step with a name."""
        return next(step for step in self.steps if step.name == name)

    def with_step(self, name: str, **changes: Any) -> Report:
        """The report with one step changed."""
        return replace(self, steps=with_step(self.steps, name, **changes))

    @property
    def ok(self) -> bool:
        """Whether everything that was observed is as expected."""
        failed = any(step.state is StepState.FAILED for step in self.steps)
        return self.finished and not failed and all(gauge.right for gauge in self.gauges)


def with_step(steps: tuple[StepReport, ...], name: str, **changes: Any) -> tuple[StepReport, ...]:
    """The steps with one of them changed."""
    return tuple(replace(step, **changes) if step.name == name else step for step in steps)


def all_over(steps: tuple[StepReport, ...]) -> tuple[StepReport, ...]:
    """The finished steps: those that never began are marked as skipped."""
    unfinished = {StepState.WAITING, StepState.RUNNING}
    return tuple(replace(step, state=StepState.SKIPPED) if step.state in unfinished else step for step in steps)
