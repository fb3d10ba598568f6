"""The interface of a probe's protocol: the flows that it is for, the command for one attempt, and the outcome."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol as Interface

from meshtui.model.flow import Flow, HttpRequest

COULDNT_RESOLVE, COULDNT_CONNECT, TIMED_OUT, TLS_ERROR, EMPTY_REPLY, SEND_ERROR, RECV_ERROR = 6, 7, 28, 35, 52, 55, 56
"""Exit codes of curl (curl.se: libcurl-errors)."""
LEAST_SILENCE_S = 0.9
"""The minimum duration of silence that shows an open connection; one that ends earlier was closed by the other side."""
CURL = "curl -sS --noproxy '*'"


class Sent(Interface):
    """Where a flow is sent, and its request."""

    @property
    def address(self) -> str:
        """An IP address or a DNS name."""

    @property
    def port(self) -> int:
        """The port at the address."""

    @property
    def request(self) -> HttpRequest:
        """The request, for HTTP."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt, as printed by the probe's script. Times are seconds."""

    id: str
    number: int
    exit_code: int
    first: str
    """The HTTP status for HTTP, or the server's answer for other protocols."""
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
class Protocol:
    """One protocol.

    ``takes`` returns whether a flow is sent with this protocol, given the port number and the port's name or appProtocol (lower
    case, or empty); protocols are tried in ``order``. ``attempt`` returns a shell command that prints
    ``first|connect|total|bytes|server|upstream|error|exit code``: ``first`` is the HTTP status, or the answer of another
    protocol; times are seconds. The command may use the functions of ``prelude``. ``outcome`` returns the outcome of an attempt
    that could connect. ``cant_tell`` is the reason why a flow can't be probed with this protocol; then ``attempt`` and
    ``outcome`` are None.
    """

    name: str
    order: int
    takes: Callable[[Flow, int, str], bool]
    attempt: Callable[[Sent], str] | None = None
    outcome: Callable[[Attempt], str] | None = None
    prelude: str = ""
    has_status: bool = False
    """Whether ``first`` is an HTTP status."""
    cant_tell: str = ""


def in_url(address: str) -> str:
    """Format an address for a URL: IPv6 in brackets."""
    return f"[{address}]" if ":" in address else address


def over_telnet(sent: Sent, feed: str) -> str:
    """The command for one attempt that sends bytes over a TCP connection and prints the answer.

    curl's telnet ends only at its time limit, so the first attempt has a short limit; after silence the next one has the full
    limit.
    """
    url = shlex.quote(f"telnet://{in_url(sent.address)}:{sent.port}")
    write_out = shlex.quote("|%{time_connect}|%{time_total}|%{size_download}|||%{errormsg}")
    command = f"{CURL} --max-time $limit -w {write_out} {url}"
    return f"{{ {feed}; }} | {{ {command} 2>/dev/null; printf '|%s' \"$?\"; }}"
