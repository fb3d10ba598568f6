"""From what curl saw to an outcome. Pure, and table-tested."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from meshtui.model.verdict import CLOSED, CONNECTED, DNS, NOT_SETTLED, REFUSED, TIMEOUT, TLS, UNKNOWN, http_outcome

COULDNT_RESOLVE, COULDNT_CONNECT, TIMED_OUT, TLS_ERROR, EMPTY_REPLY, SEND_ERROR, RECV_ERROR = 6, 7, 28, 35, 52, 55, 56
_TLS_ERRORS = {TLS_ERROR, 51, 58, 59, 60, 77, 80, 82, 83, 90, 91}
_PROTOCOL_ERRORS = {1, 8, 16, 92}
_LEAST_SILENCE_S = 0.9
"""A connection that stays open and silent this long is open; one that ends before was closed by somebody."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt, as the probe's script printed it. Times are seconds."""

    id: str
    number: int
    exit_code: int
    first: str
    """The HTTP status for HTTP; what the server answered for other protocols."""
    connect_s: float = 0.0
    total_s: float = 0.0
    bytes_received: int = 0
    server: str = ""
    upstream: str = ""
    error: str = ""

    @property
    def status(self) -> int | None:
        """The HTTP status, or None."""
        return int(self.first) if self.first.isdecimal() and len(self.first) == 3 and self.first != "000" else None


@dataclass(frozen=True, slots=True)
class Classified:
    """An outcome, how sure it is (two attempts agreed), and the attempt that says so."""

    outcome: str
    settled: bool
    attempt: Attempt | None = None
    detail: str = ""


def parse_attempt(line: str) -> Attempt | None:
    """One line of the probe's output; None for anything else (the last line, or a stranger's)."""
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
    except (ValueError, TypeError, OverflowError):  # fields of another shape: a stranger's line
        return None


def is_last_line(line: str) -> bool:
    """Whether the probe says that it has done everything."""
    return line.strip() == '{"done":true}'


def outcome_of(attempt: Attempt, protocol: str) -> str:
    """What one attempt saw, in the contracts' words."""
    code = attempt.exit_code
    if code == COULDNT_RESOLVE:
        return DNS
    if code == COULDNT_CONNECT:
        return TIMEOUT if "timed out" in attempt.error.lower() else REFUSED
    if code in _TLS_ERRORS:
        return TLS
    if protocol in {"http", "http2"}:
        return _http(attempt)
    if protocol == "dns":
        return _dns(attempt)
    if protocol == "postgres":
        return _postgres(attempt)
    return _tcp(attempt)


def _http(attempt: Attempt) -> str:
    if attempt.status is not None and attempt.exit_code in {0, TIMED_OUT, RECV_ERROR, 18}:
        return http_outcome(attempt.status)
    if attempt.exit_code == TIMED_OUT:
        return TIMEOUT
    if attempt.exit_code in {EMPTY_REPLY, SEND_ERROR, RECV_ERROR}:
        return CLOSED
    if attempt.exit_code in _PROTOCOL_ERRORS and attempt.bytes_received:
        return CONNECTED
    return CONNECTED if attempt.exit_code in _PROTOCOL_ERRORS else UNKNOWN


def _postgres(attempt: Attempt) -> str:
    """The server answers an SSLRequest with one byte: S or N (or E, an error, from very old ones)."""
    if attempt.first[:1] in {"S", "N", "E"}:
        return CONNECTED
    if attempt.exit_code == TIMED_OUT:
        return TIMEOUT
    if attempt.exit_code in {SEND_ERROR, RECV_ERROR}:
        return CLOSED
    if attempt.exit_code == 0:
        return CLOSED if attempt.total_s < _LEAST_SILENCE_S else TIMEOUT
    return UNKNOWN


def _dns(attempt: Attempt) -> str:
    """Any answer to a question is an answer; silence is loss, for a DNS server always answers."""
    if attempt.first:
        return CONNECTED
    return TIMEOUT if attempt.exit_code == TIMED_OUT else UNKNOWN


def _tcp(attempt: Attempt) -> str:
    """Any other protocol: bytes or silence mean an open connection; an early end is a denial."""
    if attempt.bytes_received or attempt.first:
        return CONNECTED
    if attempt.exit_code == TIMED_OUT:
        return CONNECTED if attempt.connect_s > 0 else TIMEOUT
    if attempt.exit_code in {SEND_ERROR, RECV_ERROR}:
        return CLOSED
    if attempt.exit_code == 0:
        return CONNECTED if attempt.total_s >= _LEAST_SILENCE_S else CLOSED
    return UNKNOWN


def classify(attempts: Sequence[Attempt], protocol: str) -> Classified:
    """One outcome for all attempts of a flow: that of the last two when they agree, else "not settled"."""
    if not attempts:
        return Classified(NOT_SETTLED, settled=False, detail="the probe ended before it tried this flow")
    outcomes = [outcome_of(attempt, protocol) for attempt in attempts]
    last = attempts[-1]
    if len(outcomes) >= 2 and outcomes[-1] == outcomes[-2]:
        detail = last.error if outcomes[-1] != CONNECTED and last.status is None else ""
        return Classified(outcomes[-1], settled=True, attempt=last, detail=detail)
    seen = ", ".join(outcomes)
    return Classified(NOT_SETTLED, settled=False, attempt=last, detail=f"attempts disagree: {seen}")
