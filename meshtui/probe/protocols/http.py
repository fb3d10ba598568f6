"""HTTP/1.1, with curl."""

from __future__ import annotations

import shlex

from meshtui.model.flow import Flow
from meshtui.model.verdict import CLOSED, CONNECTED, TIMEOUT, UNKNOWN, http_outcome
from meshtui.probe.protocols.base import CURL, EMPTY_REPLY, RECV_ERROR, SEND_ERROR, TIMED_OUT, Attempt, Protocol, Sent, in_url

_PORTS = {80, 3000, 8000, 8080, 8081, 9090, 15020, 15021}
_HINTS = ("http", "grpc-web", "kubernetes.io/ws", "web")
_PROTOCOL_ERRORS = {1, 8, 16, 92}
_PARTIAL_FILE = 18
_WRITE_OUT = (
    "%{http_code}|%{time_connect}|%{time_total}|%{size_download}"
    "|%header{server}|%header{x-envoy-upstream-service-time}|%{errormsg}"
)


def curl(sent: Sent, command: str) -> str:
    """The command for one request with curl; ``command`` is curl with an HTTP version."""
    request = sent.request
    words = [
        command,
        "-o /dev/null",
        f"-X {shlex.quote(request.method)}" if request.method != "HEAD" else "-I",
        f"-H {shlex.quote('Host: ' + request.host)}" if request.host else "",
        "-H 'User-Agent: meshtui-probe'",
        *(f"-H {shlex.quote(f'{name}: {value}')}" for name, value in request.headers),
        f"-w {shlex.quote(_WRITE_OUT)}",
        shlex.quote(f"http://{in_url(sent.address)}:{sent.port}{request.path}"),
        "2>/dev/null",
    ]
    return " ".join(word for word in words if word)


def _takes(flow: Flow, port: int, hint: str) -> bool:
    if flow.protocol != "TCP":
        return False
    return flow.http is not None or hint.startswith(_HINTS) or (not hint and port in _PORTS)


def _attempt(sent: Sent) -> str:
    return curl(sent, f"{CURL} --max-time $LIMIT --http1.1") + '; printf "|%s" "$?"'


def outcome(attempt: Attempt) -> str:
    """The status, or how the connection ended without one. Bytes that aren't HTTP show that a server was reached."""
    if attempt.status is not None and attempt.exit_code in {0, TIMED_OUT, RECV_ERROR, _PARTIAL_FILE}:
        return http_outcome(attempt.status)
    if attempt.exit_code == TIMED_OUT:
        return TIMEOUT
    if attempt.exit_code in {EMPTY_REPLY, SEND_ERROR, RECV_ERROR}:
        return CLOSED
    return CONNECTED if attempt.exit_code in _PROTOCOL_ERRORS else UNKNOWN


PROTOCOL = Protocol("http", 40, _takes, _attempt, outcome, has_status=True)
