"""A denial: traffic that a proxy's log says was turned away."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from meshtui.model.flow import Flow, FlowEndpoint, HttpRequest
from meshtui.model.verdict import Decider

WINDOW_S = 600
"""How far back the denials of a table's column count, in seconds."""
BUCKET_S = 10
"""Recent denials are counted by so many seconds."""


class DenialKind(Enum):
    """What the log line says happened. Only ``TIMED_OUT`` isn't certain: ztunnel itself says "maybe a NetworkPolicy"."""

    REJECTED = "rejected"
    """The destination's proxy closed the connection: policy rejection."""
    POLICY_CHANGE = "policy_change"
    """An open connection was closed, because policy no longer allows it."""
    REFUSED = "refused"
    """The source's ztunnel got 401 from the other end, whose own line hasn't been seen."""
    TIMED_OUT = "timed_out"
    """The source's ztunnel got no answer on port 15008."""
    FORBIDDEN = "http_403"
    """A waypoint or gateway answered 403 itself."""

    @property
    def certain(self) -> bool:
        """Whether the line leaves no doubt that policy decided."""
        return self is not DenialKind.TIMED_OUT


@dataclass(frozen=True, slots=True)
class Peer:
    """One end of a connection as a log line names it: an address, and where the proxy knew it, the pod."""

    ip: str = ""
    namespace: str = ""
    pod: str = ""


@dataclass(frozen=True, slots=True)
class Rejection:
    """One log line that tells of a denial.

    ``port`` is the application's, None where the line doesn't say; ``named`` is the policy that the line itself names;
    ``identity`` the source's SPIFFE id, empty for plaintext; ``inbound`` says whether the destination's side wrote it.
    """

    at: datetime
    kind: DenialKind
    source: Peer
    destination: Peer
    port: int | None
    reason: str
    inbound: bool
    proxy: str
    identity: str = ""
    service: tuple[str, str] | None = None
    """Namespace and name of the Service that was called, where a waypoint's line names one; then ``port`` is its port."""
    http: HttpRequest | None = None
    named: Decider | None = None
    raw: str = ""


@dataclass(frozen=True, slots=True)
class Denial:
    """Equal denials of one flow, counted.

    ``source`` and ``destination`` are None where the log doesn't say who it was. ``recent`` holds the counts of the last
    ``WINDOW_S`` seconds as pairs of a time (seconds since the epoch, a multiple of ``BUCKET_S``) and a number.
    """

    source: FlowEndpoint | None
    destination: FlowEndpoint | None
    port: int | None
    identity: str
    kind: DenialKind
    reason: str
    proxy: str
    named: Decider | None
    http: HttpRequest | None
    count: int
    first: datetime
    last: datetime
    recent: tuple[tuple[int, int], ...] = ()
    pods: tuple[str, str] = ("", "")
    """The pods of the last one, ``namespace/name`` each."""
    raw: str = ""
    """The last line."""

    @property
    def flow(self) -> Flow | None:
        """The question whose answer it is, or None when an end or the port isn't known."""
        if self.source is None or self.destination is None or self.port is None:
            return None
        return Flow(self.source, self.destination, self.port, http=self.http)

    def since(self, moment: datetime) -> int:
        """How many there were since a moment, to ``BUCKET_S`` seconds, and no further back than ``WINDOW_S``."""
        start = moment.timestamp() - BUCKET_S
        return sum(number for at, number in self.recent if at > start)


@dataclass(frozen=True, slots=True)
class LogState:
    """How one proxy's log is read. ``problem`` says why it isn't, or why something is missing; ``unreadable`` counts lines."""

    pod: str
    node: str
    role: str
    lines: int = 0
    unreadable: int = 0
    problem: str = ""
    forbidden: bool = False
    reading: bool = False
    cut: bool = False
    """Whether it was too long to be read back as far as was asked for."""
    sample: str = ""
    """The last line that couldn't be read."""
