"""Verdicts from layer results, and one verdict from the verdicts of many pairs."""

from __future__ import annotations

from collections.abc import Sequence

from meshtui.engine.decision.layer_result import LayerResult
from meshtui.engine.decision.ruling import NOBODY, Decided, Ruling, agreed, depends_on_request, port_decision_of
from meshtui.engine.endpoints import Endpoint, Target
from meshtui.model.reason import Code, because
from meshtui.model.verdict import UNKNOWN, Decision, PairVerdict, StepResult, Verdict


def conclude(results: Sequence[LayerResult]) -> Verdict:
    """The verdict that follows from the layers' results (``decision.ruling``)."""
    decided = port_decision_of(results).decided
    ruling, steps = decided.ruling, tuple(o.step for o in results)
    assumptions = tuple(dict.fromkeys(a for o in results for a in o.assumptions))
    selected = any(decider.ref.kind != "PeerAuthentication" for step in steps for decider in step.objects)
    notes = (because(Code.NOTHING_SELECTS),) if ruling is NOBODY and not selected else ()
    return Verdict(decided.decision, ruling.outcome, ruling.layer, ruling.decider, steps, assumptions, notes)


def decided_of(verdict: Verdict) -> Decided:
    """The decision and ruling of a verdict, without its steps."""
    return Decided(verdict.decision, Ruling(verdict.layer, verdict.decided_by, verdict.outcome, on_request=_on_request(verdict)))


def _on_request(verdict: Verdict) -> bool:
    """Whether a verdict is unknown only because no request is given."""
    if verdict.decision is not Decision.UNKNOWN:
        return False
    doubts = [step.reason for step in verdict.steps if step.result is StepResult.UNKNOWN]
    return bool(doubts) and all(map(depends_on_request, doubts))


def together(pairs: list[tuple[Endpoint, Target, Verdict]]) -> Verdict:
    """One verdict for many pairs: the common one when all agree, else mixed, with the verdict of each pair, sorted by name."""
    pairs = sorted(pairs, key=lambda pair: (pair[0].name, pair[1].endpoint.name, pair[1].port))
    verdicts = [verdict for _, _, verdict in pairs]
    decision, first = agreed(verdicts, decided_of)
    if decision is not Decision.MIXED:
        return first
    shown = tuple(PairVerdict(source.name, target.endpoint.name, verdict) for source, target, verdict in pairs)
    assumptions = tuple(dict.fromkeys(a for verdict in verdicts for a in verdict.assumptions))
    return Verdict(Decision.MIXED, UNKNOWN, first.layer, first.decided_by, first.steps, assumptions, pairs=shown)
