"""From results to a verdict, and from the verdicts on many pairs to one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from meshtui.engine.decision.layer_result import LayerResult
from meshtui.engine.endpoints import Endpoint, Target
from meshtui.model.verdict import CONNECTED, UNKNOWN, Decision, Layer, PairVerdict, StepResult, Verdict


def conclude(results: Sequence[LayerResult]) -> Verdict:
    """The first block decides; without one, doubt makes it unknown; else the last object that allows is named."""
    steps = tuple(o.step for o in results)
    assumptions = tuple(dict.fromkeys(a for o in results for a in o.assumptions))
    blocking = next((o for o in results if o.result is StepResult.BLOCK), None)
    if blocking is not None:
        decision, outcome, layer = Decision.DENY, blocking.outcome, blocking.step.layer
        return Verdict(decision, outcome, layer, blocking.decider, steps, assumptions)
    doubtful = next((o for o in results if o.result is StepResult.UNKNOWN), None)
    if doubtful is not None:
        return Verdict(Decision.UNKNOWN, UNKNOWN, doubtful.step.layer, doubtful.decider, steps, assumptions)
    allowing = next((o for o in reversed(results) if o.decider is not None and o.result is StepResult.PASS), None)
    if allowing is not None:
        return Verdict(Decision.ALLOW, CONNECTED, allowing.step.layer, allowing.decider, steps, assumptions)
    selected = any(decider.ref.kind != "PeerAuthentication" for step in steps for decider in step.objects)
    notes = () if selected else ("allowed, nothing selects this pod: no policy selects either end",)
    return Verdict(Decision.ALLOW, CONNECTED, Layer.NONE, None, steps, assumptions, notes)


def together(pairs: list[tuple[Endpoint, Target, Verdict]]) -> Verdict:
    """One verdict for many pairs: theirs when all agree, else mixed, with each pair's own; by name, not in pod order."""
    pairs = sorted(pairs, key=lambda pair: (pair[0].name, pair[1].endpoint.name, pair[1].port))
    verdicts = [verdict for _, _, verdict in pairs]
    first = verdicts[0]
    decisions = {verdict.decision for verdict in verdicts}
    if decisions == {first.decision}:
        deciders = {verdict.decided_by for verdict in verdicts}
        return first if len(deciders) == 1 else _least(verdicts)
    if Decision.UNKNOWN in decisions:
        return next(verdict for verdict in verdicts if verdict.decision is Decision.UNKNOWN)
    blocked = next(verdict for verdict in verdicts if verdict.decision is Decision.DENY)
    shown = tuple(PairVerdict(source.name, target.endpoint.name, verdict) for source, target, verdict in pairs)
    assumptions = tuple(dict.fromkeys(a for verdict in verdicts for a in verdict.assumptions))
    return Verdict(Decision.MIXED, UNKNOWN, blocked.layer, blocked.decided_by, blocked.steps, assumptions, pairs=shown)


def _least(verdicts: Iterable[Verdict]) -> Verdict:
    """Of verdicts that agree but name different objects, the first by name: the answer doesn't depend on pod order."""
    return min(verdicts, key=lambda v: (v.decided_by is None, str(v.decided_by and v.decided_by.ref), str(v.decided_by)))
