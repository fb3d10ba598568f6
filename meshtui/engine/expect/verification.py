"""Expectations against predictions, and against what probes saw. Pure.

Source of the rules: contracts, Words (what is *reached*), and the expectations file.
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
"""Outcomes that may be expected, beside ``http_NNN``."""
_ERROR = re.compile(r'"?\berror"?[=:]\s*"((?:[^"\\]|\\.)*)"')


class Status(Enum):
    """How one expectation ended."""

    PASS = "pass"
    FAIL = "fail"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Result:
    """One expectation, what was predicted and observed (None: not probed), and how it ended. ``reason`` names what decides."""

    expectation: Expected
    verdict: Verdict
    status: Status
    reason: str
    observation: Observation | None = None

    @property
    def predicted(self) -> str:
        """The prediction in the expectation's own words: a verdict beside allow and deny, else an outcome."""
        about_policy = self.expectation.expected in {ALLOW, DENY} or self.verdict.decision is Decision.MIXED
        return self.verdict.decision.value if about_policy else self.verdict.outcome

    @property
    def observed(self) -> str | None:
        """The outcome that a probe saw, or None without one."""
        return self.observation.outcome if self.observation else None


def is_expectable(word: str) -> bool:
    """Whether a file may expect this."""
    return word in {ALLOW, DENY} | OUTCOMES or re.fullmatch(r"http_[1-5]\d\d", word) is not None


def verify(engine: Engine, expected: Sequence[Expected], seen: Mapping[str, Observation] | None = None) -> list[Result]:
    """Every expectation's result, in order; ``seen`` are Observations by flow id, None when nothing was probed."""
    return [_verify(engine, each, seen) for each in expected]


def exit_code(results: Sequence[Result]) -> int:
    """1 when one failed, else 4 when one is unknown, else 0 (contracts, Exit codes)."""
    statuses = {result.status for result in results}
    return 1 if Status.FAIL in statuses else 4 if Status.UNKNOWN in statuses else 0


def _verify(engine: Engine, each: Expected, seen: Mapping[str, Observation] | None) -> Result:
    try:
        verdict = engine.summarize(each.flow)
    except UsageError as error:
        return _not_there(engine.snapshot, each, error)
    predicted = by_prediction(each.expected, verdict)
    if seen is None:
        return Result(each, verdict, predicted, _predicted_because(each, verdict, predicted))
    observation = seen.get(each.flow.id) or Observation(each.flow, UNKNOWN, verdict, detail="it was not probed")
    observed = by_observation(each.expected, observation)
    # What a probe saw settles a status that can't be predicted, but no prediction stands in for a probe.
    failed = Status.FAIL in {predicted, observed} or observation.agrees is False
    status = Status.FAIL if failed else observed
    return Result(each, verdict, status, _observed_because(each, verdict, observation, observed), observation)


def by_prediction(expected: str, verdict: Verdict) -> Status:
    """What a prediction says about an expectation; pods that differ meet none."""
    decision = verdict.decision
    if decision is Decision.MIXED:
        return Status.FAIL
    if decision is Decision.UNKNOWN:
        return Status.UNKNOWN
    if expected in {ALLOW, DENY}:
        return _is(decision.value == expected)
    if decision is Decision.ALLOW:
        # What an application answers, or whether anybody listens, isn't policy.
        told = expected in {CONNECTED, TIMEOUT, CLOSED}
        return _is(expected == CONNECTED) if told else Status.UNKNOWN
    if verdict.outcome == UNKNOWN:
        return Status.FAIL if expected == CONNECTED else Status.UNKNOWN
    return _is(verdict.outcome == expected)


def by_observation(expected: str, observation: Observation) -> Status:
    """What a probe says about an expectation: allow and deny test whether it was reached, an outcome is compared as it is."""
    if observation.outcome in {UNKNOWN, NOT_SETTLED}:
        return Status.UNKNOWN
    if expected not in {ALLOW, DENY}:
        return _is(observation.outcome == expected)
    if observation.reached is None:
        # Nobody listens, or the name isn't known: certainly not reached, but no policy is seen to deny it.
        return Status.FAIL if expected == ALLOW else Status.UNKNOWN
    return _is(observation.reached == (expected == ALLOW))


def _is(met: bool) -> Status:
    return Status.PASS if met else Status.FAIL


def _not_there(snapshot: Snapshot, each: Expected, error: UsageError) -> Result:
    """A flow whose end isn't there fails; unless its kind can't be listed, or it is only scaled to nothing."""
    unlisted = cant_be_listed(snapshot, _kinds_of(each.flow))
    idle = any(_is_idle(snapshot, end) for end in (each.flow.source, each.flow.destination))
    verdict = Verdict(Decision.UNKNOWN, UNKNOWN, Layer.NONE, notes=(str(error),))
    reason = f"{error}; {unlisted}" if unlisted else str(error)
    return Result(each, verdict, Status.UNKNOWN if unlisted or idle else Status.FAIL, reason)


def _kinds_of(flow: Flow) -> list[str]:
    kinds = {EndpointKind.SERVICE: ("Service",), EndpointKind.POD: ("Pod",), EndpointKind.WORKLOAD: WORKLOAD_KINDS}
    return list(dict.fromkeys(kind for end in (flow.source, flow.destination) for kind in kinds.get(end.kind, ())))


def _is_idle(snapshot: Snapshot, end: FlowEndpoint) -> bool:
    if end.kind is not EndpointKind.WORKLOAD:
        return False
    workload = snapshot.workloads.get(ObjectRef(kind_named(end.owner_kind) or end.owner_kind, end.namespace, end.name))
    return workload is not None and all(pod.completed for pod in workload.pods)


# ---- the reason


def _predicted_because(each: Expected, verdict: Verdict, status: Status) -> str:
    because = _decided(verdict)
    if status is Status.UNKNOWN and verdict.decision is Decision.ALLOW:
        return f"whether it is {each.expected} only --probe can tell; {because}"
    return because


def _decided(verdict: Verdict) -> str:
    """What the prediction is and which object decides it."""
    by, said = verdict.decided_by, verdict.reason
    who = f"{by.ref}{' ' + by.rule if by.rule else ''}" if by else ""
    match verdict.decision:
        case Decision.ALLOW:
            return f"allowed by {who}" if who else "allowed: no policy selects it"
        case Decision.DENY:
            return f"denied by {who or 'no object'} ({verdict.layer.value}){': ' + said if said else ''}"
        case Decision.MIXED:
            by_decision = {pair.verdict.decision: f"{pair.source} → {pair.destination}" for pair in reversed(verdict.pairs)}
            denied, allowed = by_decision.get(Decision.DENY, "one"), by_decision.get(Decision.ALLOW, "another")
            return f"its pods differ: {denied} is denied by {who or 'no object'}, {allowed} is allowed"
        case Decision.UNKNOWN:
            return f"can't be predicted: {said or 'no reason is known'}"


def _observed_because(each: Expected, verdict: Verdict, observation: Observation, status: Status) -> str:
    because, outcome = _decided(verdict), observation.outcome
    detail = f" ({observation.detail})" if observation.detail else ""
    if outcome == UNKNOWN:
        return f"not probed: {observation.detail or 'no answer'}; predicted: {because}"
    if outcome == NOT_SETTLED:
        return f"not settled{detail}; predicted: {because}"
    if outcome == REFUSED and status is not Status.PASS:
        return f"nobody listens there (refused); predicted: {because}"
    if observation.agrees is False or _denied_otherwise(verdict, observation):
        said = _ztunnel_says(observation)
        return f"observed {outcome}{detail}, which points to {_points_to(observation, verdict)}; predicted: {because}{said}"
    if status is Status.FAIL and each.expected not in {ALLOW, DENY}:
        return f"observed {outcome}{detail}; predicted: {because}"
    return because


def _denied_otherwise(verdict: Verdict, observation: Observation) -> bool:
    """Whether it is denied, as predicted, but by something else: each layer's denial looks different."""
    both = verdict.decision is Decision.DENY and observation.reached is False
    return both and verdict.outcome not in {UNKNOWN, observation.outcome}


def _points_to(observation: Observation, verdict: Verdict) -> str:
    """The layer that an outcome speaks of, where it isn't what was predicted (probing: what each denial looks like)."""
    if observation.reached:
        return f"{verdict.layer.value} not being enforced there"
    match observation.outcome:
        case "timeout":
            return "egress_policy or ingress_policy: a packet was dropped, by a policy that isn't seen here"
        case "closed":
            return "ztunnel: it accepted, then closed"
        case "tls":
            return "a proxy that speaks TLS"
    if observation.from_proxy:
        outside = observation.flow.source.kind is EndpointKind.EXTERNAL
        return "gateway, which answered by itself" if outside else "waypoint or sidecar, which answered by itself"
    return "nothing that is known"


def _ztunnel_says(observation: Observation) -> str:
    errors = [found[1] for line in observation.evidence if (found := _ERROR.search(line))]
    return f'; a ztunnel logged "{errors[-1]}"' if errors else ""
