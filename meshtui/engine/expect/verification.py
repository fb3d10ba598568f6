"""Comparison of expectations with predictions, and with the observations of probes. Pure.

Source of the rules: docs/contracts.md, Words (the meaning of *reached*), and docs/contracts.md, The expectations file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from meshtui.engine.engine import Engine
from meshtui.engine.expect.expectations import WORKLOAD_KINDS, Expected, cant_be_listed
from meshtui.engine.path.resolution import kind_named
from meshtui.model.errors import UsageError
from meshtui.model.flow import EndpointKind, Flow, FlowEndpoint
from meshtui.model.ids import ObjectRef
from meshtui.model.observation import Observation
from meshtui.model.reason import Code, because
from meshtui.model.snapshot import Snapshot
from meshtui.model.verdict import (
    CLOSED,
    CONNECTED,
    DNS,
    NOT_SETTLED,
    REFUSED,
    TIMEOUT,
    TLS,
    UNKNOWN,
    Decision,
    Layer,
    Verdict,
)

ALLOW, DENY = Decision.ALLOW.value, Decision.DENY.value
OUTCOMES = frozenset({CONNECTED, TIMEOUT, REFUSED, CLOSED, DNS, TLS})
"""Outcomes that may be expected, in addition to ``http_NNN``."""


class Status(Enum):
    """The result of one expectation."""

    PASS = "pass"
    FAIL = "fail"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Result:
    """One expectation with its prediction, its observation (None: not probed), and its status.

    ``not_listed`` names the kinds that can't be listed, when this may be why an end of the flow wasn't found.
    """

    expectation: Expected
    verdict: Verdict
    status: Status
    observation: Observation | None = None
    not_listed: str = ""

    @property
    def predicted(self) -> str:
        """The prediction in the terms of the expectation: a decision if allow or deny is expected, else an outcome."""
        about_policy = self.expectation.expected in {ALLOW, DENY} or self.verdict.decision is Decision.MIXED
        return self.verdict.decision.value if about_policy else self.verdict.outcome

    @property
    def observed(self) -> str | None:
        """The observed outcome, or None without an observation."""
        return self.observation.outcome if self.observation else None


def is_expectable(word: str) -> bool:
    """Whether an expectations file may contain this word."""
    return word in {ALLOW, DENY} | OUTCOMES or re.fullmatch(r"http_[1-5]\d\d", word) is not None


def verify(engine: Engine, expected: Sequence[Expected], seen: Mapping[str, Observation] | None = None) -> list[Result]:
    """The results of all expectations, in order; ``seen`` are Observations by flow id, None when nothing was probed."""
    return [_verify(engine, each, seen) for each in expected]


def exit_code(results: Sequence[Result]) -> int:
    """1 when an expectation failed, else 4 when one is unknown, else 0 (docs/contracts.md, Exit codes)."""
    statuses = {result.status for result in results}
    return 1 if Status.FAIL in statuses else 4 if Status.UNKNOWN in statuses else 0


def _verify(engine: Engine, each: Expected, seen: Mapping[str, Observation] | None) -> Result:
    try:
        verdict = engine.summarize(each.flow)
    except UsageError as error:
        return _not_there(engine.snapshot, each, error)
    predicted = by_prediction(each.expected, verdict)
    if seen is None:
        return Result(each, verdict, predicted)
    observation = seen.get(each.flow.id) or Observation(each.flow, UNKNOWN, verdict, detail="it was not probed")
    observed = by_observation(each.expected, observation)
    # An observation settles a status that can't be predicted, but a prediction never replaces an observation.
    failed = Status.FAIL in {predicted, observed} or observation.agrees is False
    status = Status.FAIL if failed else observed
    return Result(each, verdict, status, observation)


def by_prediction(expected: str, verdict: Verdict) -> Status:
    """The status of an expectation according to a prediction; a mixed verdict meets no expectation."""
    decision = verdict.decision
    if decision is Decision.MIXED:
        return Status.FAIL
    if decision is Decision.UNKNOWN:
        return Status.UNKNOWN
    if expected in {ALLOW, DENY}:
        return _is(decision.value == expected)
    if decision is Decision.ALLOW:
        # The application's answer, and whether a process listens, aren't determined by policy.
        told = expected in {CONNECTED, TIMEOUT, CLOSED}
        return _is(expected == CONNECTED) if told else Status.UNKNOWN
    if verdict.outcome == UNKNOWN:
        return Status.FAIL if expected == CONNECTED else Status.UNKNOWN
    return _is(verdict.outcome == expected)


def by_observation(expected: str, observation: Observation) -> Status:
    """The status of an expectation according to a probe: allow and deny are compared with *reached*, others directly."""
    if observation.outcome in {UNKNOWN, NOT_SETTLED}:
        return Status.UNKNOWN
    if expected not in {ALLOW, DENY}:
        return _is(observation.outcome == expected)
    if observation.reached is None:
        # No process listens, or the name doesn't resolve: not reached, but not necessarily denied by a policy.
        return Status.FAIL if expected == ALLOW else Status.UNKNOWN
    return _is(observation.reached == (expected == ALLOW))


def _is(met: bool) -> Status:
    return Status.PASS if met else Status.FAIL


def _not_there(snapshot: Snapshot, each: Expected, error: UsageError) -> Result:
    """The result of a flow whose end isn't found: failed, or unknown if its kind can't be listed or it has no running pods."""
    unlisted = cant_be_listed(snapshot, _kinds_of(each.flow))
    idle = any(_is_idle(snapshot, end) for end in (each.flow.source, each.flow.destination))
    verdict = Verdict(Decision.UNKNOWN, UNKNOWN, Layer.NONE, notes=(because(Code.NOT_FOUND, error=str(error)),))
    return Result(each, verdict, Status.UNKNOWN if unlisted or idle else Status.FAIL, not_listed=unlisted)


def _kinds_of(flow: Flow) -> list[str]:
    kinds = {EndpointKind.SERVICE: ("Service",), EndpointKind.POD: ("Pod",), EndpointKind.WORKLOAD: WORKLOAD_KINDS}
    return list(dict.fromkeys(kind for end in (flow.source, flow.destination) for kind in kinds.get(end.kind, ())))


def _is_idle(snapshot: Snapshot, end: FlowEndpoint) -> bool:
    if end.kind is not EndpointKind.WORKLOAD:
        return False
    workload = snapshot.workloads.get(ObjectRef(kind_named(end.owner_kind) or end.owner_kind, end.namespace, end.name))
    return workload is not None and all(pod.completed for pod in workload.pods)
