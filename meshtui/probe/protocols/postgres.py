"""PostgreSQL: an SSLRequest, which a server answers with one byte (postgresql.org: message flow, SSL session encryption)."""

from __future__ import annotations

from meshtui.model.flow import Flow
from meshtui.model.verdict import CLOSED, CONNECTED, TIMEOUT, UNKNOWN
from meshtui.probe.protocols.base import LEAST_SILENCE_S, RECV_ERROR, SEND_ERROR, TIMED_OUT, Attempt, Protocol, Sent, over_telnet

_PORTS = {5432, 5433, 6432}
_HINTS = ("postgres", "pg", "sql")
_SSL_REQUEST = r"\000\000\000\010\004\322\026\057"


def _takes(flow: Flow, port: int, hint: str) -> bool:
    return flow.protocol == "TCP" and (hint.startswith(_HINTS) or (not hint and port in _PORTS))


def _attempt(sent: Sent) -> str:
    return over_telnet(sent, f"printf '{_SSL_REQUEST}'; sleep 1")


def _outcome(attempt: Attempt) -> str:
    """The outcome: a server answers an SSLRequest with one byte, S or N (or E, an error, from very old versions)."""
    if attempt.first[:1] in {"S", "N", "E"}:
        return CONNECTED
    if attempt.exit_code == TIMED_OUT:
        return TIMEOUT
    if attempt.exit_code in {SEND_ERROR, RECV_ERROR}:
        return CLOSED
    if attempt.exit_code == 0:
        return CLOSED if attempt.total_s < LEAST_SILENCE_S else TIMEOUT
    return UNKNOWN


PROTOCOL = Protocol("postgres", 50, _takes, _attempt, _outcome)
