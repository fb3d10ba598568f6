"""Verdicts on many flows, for use in a thread."""

from __future__ import annotations

from collections.abc import Iterable

from meshtui.engine import Engine
from meshtui.model.errors import UsageError
from meshtui.model.flow import Flow
from meshtui.model.reason import Code, because
from meshtui.model.verdict import Decision, Layer, Verdict


def judge_all(engine: Engine, flows: Iterable[Flow]) -> dict[Flow, Verdict | None]:
    """The verdict on each flow; None if an end can't be found."""
    return {flow: _judged(engine, flow) for flow in flows}


def _judged(engine: Engine, flow: Flow) -> Verdict | None:
    try:
        return engine.summarize(flow)
    except UsageError:
        return None


def judge(engine: Engine, flow: Flow) -> Verdict:
    """The verdict on a flow. If an end isn't found in the Snapshot, the verdict is unknown with this reason."""
    try:
        return engine.summarize(flow)
    except UsageError as error:
        return Verdict(Decision.UNKNOWN, "unknown", Layer.NONE, notes=(because(Code.NOT_FOUND, error=str(error)),))


def gone(flow: Flow) -> Verdict:
    """The verdict on a flow whose ends existed before and no longer do."""
    return Verdict(
        Decision.UNKNOWN,
        "unknown",
        Layer.NONE,
        notes=(because(Code.END_GONE, source=str(flow.source), destination=str(flow.destination)),),
    )


def gist(verdict: Verdict) -> tuple[object, ...]:
    """The parts of a verdict whose change is reported: decision, outcome, layer, decider."""
    return verdict.decision, verdict.outcome, verdict.layer, verdict.decided_by
