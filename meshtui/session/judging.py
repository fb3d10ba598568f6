"""Verdicts on many flows, as a thread works them out."""

from __future__ import annotations

from collections.abc import Iterable

from meshtui.engine import Engine
from meshtui.model.errors import UsageError
from meshtui.model.flow import Flow
from meshtui.model.verdict import Decision, Layer, Verdict


def judge_all(engine: Engine, flows: Iterable[Flow]) -> dict[Flow, Verdict | None]:
    """Each flow's verdict; None for one whose ends can't be found."""
    return {flow: _judged(engine, flow) for flow in flows}


def _judged(engine: Engine, flow: Flow) -> Verdict | None:
    try:
        return engine.summarize(flow)
    except UsageError:
        return None


def judge(engine: Engine, flow: Flow) -> Verdict:
    """The verdict on a flow; what can't be found in the Snapshot is unknown, with the reason."""
    try:
        return engine.summarize(flow)
    except UsageError as error:
        return Verdict(Decision.UNKNOWN, "unknown", Layer.NONE, notes=(str(error),))


def gone(flow: Flow) -> Verdict:
    """The verdict on a flow whose ends were there and aren't any more."""
    return Verdict(Decision.UNKNOWN, "unknown", Layer.NONE, notes=(f"{flow.source} or {flow.destination} isn't there any more",))


def gist(verdict: Verdict) -> tuple[object, ...]:
    """What makes a verdict another one: decision, outcome, layer, decider."""
    return verdict.decision, verdict.outcome, verdict.layer, verdict.decided_by
