"""A denial: traffic that was denied according to a proxy's log."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from meshtui.model.flow import Flow, FlowEndpoint, HttpRequest
from meshtui.model.verdict import Decider

WINDOW_S = 900
"""The denials in a table's column are those of the last so many seconds."""
BUCKET_S = 10
"""Recent denials are counted in time slots of so many seconds."""


class DenialKind(Enum):
    """What happened, according to the log line.

    ``TIMED_OUT`` is uncertain: ztunnel itself says "maybe a NetworkPolicy". ``HBONE_CLOSED`` and ``FAILED`` are no denials by
    policy at all.
    """

    REJECTED = "rejected"
    """The destination's proxy closed the connection: policy rejection."""
    POLICY_CHANGE = "policy_change"
    """An open connection was closed, because policy no longer allows it."""
    REFUSED = "refused"
    """The source's ztunnel got 401 from the destination's ztunnel, whose own log line isn't available."""
    TIMED_OUT = "timed_out"
    """The source's ztunnel got no answer on port 15008."""
    HBONE_CLOSED = "hbone_closed"
    """Nobody listens on port 15008 of the destination, which the mesh believes to be captured."""
    FAILED = "failed"
    """It failed for another reason than policy: a certificate, a ztunnel that doesn't know the pod, nobody listens, an end."""
    FORBIDDEN = "http_403"
    """A waypoint or gateway answered 403 itself."""

    @property
    def certain(self) -> bool:
        """Whether the line proves that a policy denied the connection."""
        return self not in {DenialKind.TIMED_OUT, DenialKind.HBONE_CLOSED, DenialKind.FAILED}


@dataclass(frozen=True, slots=True)
class Peer:
    """One end of a connection in a log line: an address, and the pod if the proxy knew it."""

    ip: str = ""
    namespace: str = ""
    pod: str = ""


@dataclass(frozen=True, slots=True)
class Rejection:
    """One log line about a denial.

    ``port`` is the application's, None where the line doesn't have it; ``named`` is the policy that the line names;
    ``identity`` is the source's SPIFFE id, empty for plaintext; ``inbound`` says whether the destination's side wrote the line.
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
    """Namespace and name of the called Service, if a waypoint's line names one. ``port`` is then the Service's port."""
    http: HttpRequest | None = None
    named: Decider | None = None
    failure: str = ""
    """The class of a failure (``meshtui.logs.failures``), where the kind alone doesn't say it."""
    reached: str = ""
    """The address to which the connection went: the destination's, or that of a waypoint before it."""
    raw: str = ""


@dataclass(frozen=True, slots=True)
class Denial:
    """Equal denials of one flow, counted.

    ``source`` and ``destination`` are None where the log doesn't identify them. ``recent`` has the counts of the last
    ``WINDOW_S`` seconds, as pairs of a time (seconds since the epoch, a multiple of ``BUCKET_S``) and a number.
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
    """The pods of the last denial, each as ``namespace/name``."""
    addresses: tuple[str, str] = ("", "")
    """The addresses of the last denial's ends: a waypoint's before the destination, or of a pod of the same name elsewhere."""
    raw: str = ""
    """The log line of the last denial."""
    failure: str = ""
    """The class of a failure (``meshtui.logs.failures``), where the kind alone doesn't say it."""

    @property
    def flow(self) -> Flow | None:
        """The denied flow, or None if an end or the port isn't known."""
        if self.source is None or self.destination is None or self.port is None:
            return None
        return Flow(self.source, self.destination, self.port, http=self.http)

    def since(self, moment: datetime) -> int:
        """The number of denials since a moment, to ``BUCKET_S`` seconds, and at most for the last ``WINDOW_S`` seconds."""
        start = moment.timestamp() - BUCKET_S
        return sum(number for at, number in self.recent if at > start)


@dataclass(frozen=True, slots=True)
class LogState:
    """How one proxy's log is read. ``problem`` says why it isn't read, or what may be missing; ``unreadable`` counts lines."""

    pod: str
    node: str
    role: str
    lines: int = 0
    unreadable: int = 0
    problem: str = ""
    forbidden: bool = False
    reading: bool = False
    cut: bool = False
    """Whether the log was too long to be read back to the requested time."""
    sample: str = ""
    """The last line that couldn't be parsed."""
