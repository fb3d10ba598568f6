"""Any other protocol over TCP: a connection is opened, and nothing is sent."""

from __future__ import annotations

from meshtui.model.flow import Flow
from meshtui.model.verdict import CLOSED, CONNECTED, TIMEOUT, UNKNOWN
from meshtui.probe.protocols.base import LEAST_SILENCE_S, RECV_ERROR, SEND_ERROR, TIMED_OUT, Attempt, Protocol, Sent, over_telnet


def _takes(_flow: Flow, _port: int, _hint: str) -> bool:
    return True


def _attempt(sent: Sent) -> str:
    return over_telnet(sent, "sleep 2")


def _outcome(attempt: Attempt) -> str:
    """The outcome: bytes or silence mean an open connection; an early end is a denial."""
    if attempt.bytes_received or attempt.first:
        return CONNECTED
    if attempt.exit_code == TIMED_OUT:
        return CONNECTED if attempt.connect_s > 0 else TIMEOUT
    if attempt.exit_code in {SEND_ERROR, RECV_ERROR}:
        return CLOSED
    if attempt.exit_code == 0:
        return CONNECTED if attempt.total_s >= LEAST_SILENCE_S else CLOSED
    return UNKNOWN


PROTOCOL = Protocol("tcp", 90, _takes, _attempt, _outcome)
