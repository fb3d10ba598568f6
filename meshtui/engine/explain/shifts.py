"""Shifts as text: ports, and the deciding objects before and after."""

from __future__ import annotations

from meshtui.engine.decision.ruling import Decided
from meshtui.engine.explain.ports import Answer, ranges_in_words
from meshtui.engine.whatif.shifts import Ports, Shift
from meshtui.model.verdict import Decision

SIGNS = {Decision.ALLOW: "✓", Decision.DENY: "✗", Decision.MIXED: "±", Decision.UNKNOWN: "?"}


def ports_in_words(ports: Ports) -> str:
    """``TCP 8080,9000-9099; UDP all``, ``all`` for all ports, ``its port`` for a port that is given by name."""
    return ranges_in_words({protocol: list(ranges) for protocol, ranges in ports}) or "its port"


def side_in_words(decided: Decided | None) -> str:
    """``✗ egress_policy NetworkPolicy ecom/ecom-netpol``, or ``not there``."""
    if decided is None:
        return "not there"
    return f"{SIGNS[decided.decision]} {Answer(decided.decision, decided.ruling, '').by}"


def asked_in_words(shift: Shift) -> str:
    """The ports of a shift, and its request if it has one."""
    http = shift.flow.http if shift.flow else None
    request = f" {http.method} {http.path}{f' at {http.host}' if http.host else ''}" if http else ""
    return f"{ports_in_words(shift.ports)}{request}"


def shift_in_words(shift: Shift) -> str:
    """One line: source, destination, ports, and the deciding objects before and after."""
    some = " (some of their pods)" if shift.some else ""
    ends = f"{shift.source} → {shift.destination}"
    return f"{ends}  {asked_in_words(shift)}{some}  {side_in_words(shift.before)} → {side_in_words(shift.after)}"
