"""The reason for an expectation's result: what decides the prediction, and what a probe observed instead."""

from __future__ import annotations

from meshtui.engine.expect.verification import ALLOW, DENY, Result, Status, by_observation
from meshtui.engine.explain.wording import in_words
from meshtui.logs.ztunnel import parse_access_line
from meshtui.model.flow import EndpointKind
from meshtui.model.observation import Observation
from meshtui.model.reason import Code
from meshtui.model.verdict import NOT_SETTLED, REFUSED, UNKNOWN, Decision, Verdict


def why(result: Result) -> str:
    """Why an expectation has its status: the deciding object, and the observation if it differs from the prediction."""
    each, verdict = result.expectation, result.verdict
    if verdict.reason is not None and verdict.reason.code is Code.NOT_FOUND:
        said = in_words(verdict.reason)
        return f"{said}; {result.not_listed}" if result.not_listed else said
    if result.observation is not None:
        return _observed_because(each.expected, verdict, result.observation)
    because = _decided(verdict)
    if result.status is Status.UNKNOWN and verdict.decision is Decision.ALLOW:
        return f"whether it is {each.expected} only --probe can tell; {because}"
    return because


def _decided(verdict: Verdict) -> str:
    """The prediction and the object that decides it."""
    by, said = verdict.decided_by, in_words(verdict.reason)
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


def _observed_because(expected: str, verdict: Verdict, observation: Observation) -> str:
    because, outcome, status = _decided(verdict), observation.outcome, by_observation(expected, observation)
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
    if status is Status.FAIL and expected not in {ALLOW, DENY}:
        return f"observed {outcome}{detail}; predicted: {because}"
    return because


def _denied_otherwise(verdict: Verdict, observation: Observation) -> bool:
    """Whether the flow is denied as predicted, but by another layer: each layer's denial has its own outcome."""
    both = verdict.decision is Decision.DENY and observation.reached is False
    return both and verdict.outcome not in {UNKNOWN, observation.outcome}


def _points_to(observation: Observation, verdict: Verdict) -> str:
    """The layer that an outcome indicates when it differs from the prediction (probing: what each denial looks like)."""
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
    errors = [line.error for raw in observation.evidence if (line := parse_access_line(raw)) is not None and line.error]
    return f'; a ztunnel logged "{errors[-1]}"' if errors else ""
