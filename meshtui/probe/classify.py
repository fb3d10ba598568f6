"""Derives an outcome from the output of curl. Pure, and tested with a table."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from meshtui.model.verdict import CONNECTED, DNS, NOT_SETTLED, REFUSED, TIMEOUT, TLS, UNKNOWN
from meshtui.probe.protocols import PROTOCOLS, Attempt
from meshtui.probe.protocols.base import COULDNT_CONNECT, COULDNT_RESOLVE, TLS_ERROR

_TLS_ERRORS = {TLS_ERROR, 51, 58, 59, 60, 77, 80, 82, 83, 90, 91}


@dataclass(frozen=True, slots=True)
class Classified:
    """An outcome, whether two attempts agreed on it, and the attempt that shows it."""

    outcome: str
    settled: bool
    attempt: Attempt | None = None
    detail: str = ""


def parse_attempt(line: str) -> Attempt | None:
    """Parse one line of the probe's output; None for any other line (the last one, or output that isn't the script's)."""
    try:
        entry = json.loads(line)
    except json.JSONDecodeError:
        return None
    if not isinstance(entry, dict) or not {"id", "attempt", "exit", "result"} <= entry.keys():
        return None
    parts = str(entry["result"]).split("|")
    if len(parts) < 8:
        return None
    first, connect, total, size, server, upstream = parts[:6]
    try:
        return Attempt(
            id=str(entry["id"]),
            number=int(entry["attempt"]),
            exit_code=int(entry["exit"]),
            first=first,
            connect_s=float(connect or 0),
            total_s=float(total or 0),
            bytes_received=int(float(size or 0)),
            server=server,
            upstream=upstream,
            error="|".join(parts[6:-1]).strip(),
        )
    except (ValueError, TypeError, OverflowError):  # fields of other types: not a line of the script
        return None


def is_last_line(line: str) -> bool:
    """Whether a line is the one with which the probe's script ends."""
    return line.strip() == '{"done":true}'


def outcome_of(attempt: Attempt, protocol: str) -> str:
    """The outcome of one attempt (docs/contracts.md, Words)."""
    code = attempt.exit_code
    if code == COULDNT_RESOLVE:
        return DNS
    if code == COULDNT_CONNECT:
        return TIMEOUT if "timed out" in attempt.error.lower() else REFUSED
    if code in _TLS_ERRORS:
        return TLS
    outcome = PROTOCOLS[protocol].outcome
    return UNKNOWN if outcome is None else outcome(attempt)


def classify(attempts: Sequence[Attempt], protocol: str) -> Classified:
    """One outcome for all attempts of a flow: that of the last two if they agree, else "not settled"."""
    if not attempts:
        return Classified(NOT_SETTLED, settled=False, detail="the probe ended before it tried this flow")
    outcomes = [outcome_of(attempt, protocol) for attempt in attempts]
    last = attempts[-1]
    if len(outcomes) >= 2 and outcomes[-1] == outcomes[-2]:
        detail = last.error if outcomes[-1] != CONNECTED and last.status is None else ""
        return Classified(outcomes[-1], settled=True, attempt=last, detail=detail)
    seen = ", ".join(outcomes)
    return Classified(NOT_SETTLED, settled=False, attempt=last, detail=f"attempts disagree: {seen}")
