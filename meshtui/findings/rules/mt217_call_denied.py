"""MT217: the mesh denies a call that a workload is configured to make, or that a gateway's route makes."""

from __future__ import annotations

from collections.abc import Iterator

from meshtui.engine.explain.wording import in_words
from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.model.constants import POD_NETWORK_LAYERS
from meshtui.model.finding import Severity
from meshtui.model.ids import ObjectRef


def _look(context: Context) -> Iterator[Found]:
    """Calls that NetworkPolicies deny are reported by other rules (MT303, MT304)."""
    told: set[tuple[ObjectRef, str]] = set()
    for call, verdict in context.denied_calls:
        caller = call.caller(context.snapshot)
        if verdict.layer in POD_NETWORK_LAYERS or (caller, call.goes_to) in told:
            continue
        told.add((caller, call.goes_to))
        by = verdict.decided_by
        refs = (by.ref, caller) if by is not None else (caller,)
        yield Found(
            refs,
            f"{call.said_by} ({call.words}) has {caller} call {call.goes_to}, and that is denied",
            in_words(verdict.reason),
            None,
            1,
            affected=frozenset({caller} if by is not None else ()),
        )


RULE = Rule("MT217", "call denied", Severity.ERROR, _look, ("AuthorizationPolicy", "Service"), partial=True, breaks=True)
