"""MT217: a call that a workload is configured to make, or a gateway's route, is denied by the mesh."""

from __future__ import annotations

from collections.abc import Iterator

from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.model.finding import Severity
from meshtui.model.ids import ObjectRef
from meshtui.model.verdict import Layer

_NETWORK = {Layer.EGRESS_POLICY, Layer.INGRESS_POLICY}


def _look(context: Context) -> Iterator[Found]:
    """What NetworkPolicies deny has rules of its own (MT303, MT304)."""
    told: set[tuple[ObjectRef, str]] = set()
    for call, verdict in context.denied_calls:
        caller = context.snapshot.owner_of(call.source)
        if verdict.layer in _NETWORK or (caller, call.goes_to) in told:
            continue
        told.add((caller, call.goes_to))
        by = verdict.decided_by
        refs = (by.ref, caller) if by is not None else (caller,)
        yield Found(
            refs,
            f"{call.said_by} ({call.words}) has {caller} call {call.goes_to}, and that is denied",
            verdict.reason,
            None,
            1,
            affected=frozenset({caller} if by is not None else ()),
        )


RULE = Rule("MT217", "call denied", Severity.ERROR, _look, ("AuthorizationPolicy", "Service"), partial=True)
