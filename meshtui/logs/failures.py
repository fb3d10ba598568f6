"""Why a connection failed, as far as one line of ztunnel's access log shows it: unknown where a line may have several causes.

The errors are those of istio/ztunnel src/proxy.rs, src/state.rs and src/identity.rs.
"""

from __future__ import annotations

import re
from enum import Enum

from meshtui.logs.ztunnel import POLICY_CHANGED, REJECTED, UNAUTHORIZED, AccessLine
from meshtui.model.constants import HBONE_PORT


class Failure(Enum):
    """A class of causes. The value is its name in output."""

    POLICY = "policy"
    """Policy closed the connection, at its start or after a change."""
    HBONE_CLOSED = "hbone_closed"
    """Nobody listens on HBONE's port of the destination: it isn't captured, or the ztunnel of its node is away."""
    PROXY_CLOSED = "proxy_closed"
    """Nobody listens on HBONE's port of the waypoint, or of the other network's gateway, that stands before the destination."""
    HBONE_SILENT = "hbone_silent"
    """Packets to HBONE's port of the destination get no answer: a network policy, a firewall, or a dead node."""
    REFUSED = "refused"
    """The port that was called without a tunnel refuses: nobody listens there, or the CNI refuses what a policy denies."""
    NOT_LISTENING = "not_listening"
    """The destination was reached, and nobody listens on the application's port."""
    CERTIFICATE = "certificate"
    """An end has no certificate, or one that the other end doesn't accept."""
    STATE = "state"
    """The ztunnel knows nothing of a pod of its own node: what istiod sent it is behind, or differs from the pod."""
    DRAINING = "draining"
    """The pod or its ztunnel is ending, and closes what is open."""
    UNKNOWN = "unknown"


WORDS = {
    Failure.POLICY: "",
    Failure.HBONE_CLOSED: f"{HBONE_PORT} is refused: not captured, its ztunnel is away, or a NetworkPolicy",
    Failure.PROXY_CLOSED: f"{HBONE_PORT} of the waypoint or gateway before it is refused: it isn't ready, or a NetworkPolicy",
    Failure.HBONE_SILENT: f"no answer on {HBONE_PORT}: a NetworkPolicy, a firewall, or a dead node",
    Failure.REFUSED: "nobody listens on the application's port, or a NetworkPolicy",
    Failure.NOT_LISTENING: "nobody listens on the application's port",
    Failure.CERTIFICATE: "a certificate is missing, or isn't accepted",
    Failure.STATE: "ztunnel doesn't know the pod: istiod's state is behind, or differs",
    Failure.DRAINING: "the pod or its ztunnel is ending",
    Failure.UNKNOWN: "",
}
"""What a class means, for people; empty where the error itself says all that is known."""

_BEGINNINGS = (
    (REJECTED, Failure.POLICY),
    (POLICY_CHANGED, Failure.POLICY),
    ("connection closed due to connection drain", Failure.DRAINING),
    ("connection closed: peer certificate revoked", Failure.CERTIFICATE),
    ("failed to fetch information about local workload", Failure.STATE),
    ("identity error: ", Failure.CERTIFICATE),
    ("signing error: ", Failure.CERTIFICATE),
    ("io error: invalid peer certificate: ", Failure.CERTIFICATE),
)
_ALERT = re.compile(
    r"(?:fatal alert: |AlertReceived\(|InvalidCertificate\()"
    r"(?:(?:\w*Certificate\w*|UnknownCA|AccessDenied)\b|Revoked|Expired|UnknownIssuer|BadSignature|NotValidYet|Other)"
)
"""TLS alerts, and errors of rustls, about a certificate."""
_REFUSED = "Connection refused"


def failure_of(line: AccessLine) -> Failure | None:
    """The class of a line's error; None if the connection didn't fail."""
    error = line.error
    if not error:
        return None
    for beginning, failure in _BEGINNINGS:
        if error.startswith(beginning):
            return failure
    if line.hbone_timed_out:
        return Failure.HBONE_SILENT
    if _ALERT.search(error):
        return Failure.CERTIFICATE
    if error.startswith(UNAUTHORIZED) and _ends_at_the_pod(line):
        return Failure.POLICY  # a waypoint or another network's gateway has further reasons for it
    if _REFUSED in error:
        return _refused(line)
    return Failure.UNKNOWN


def _refused(line: AccessLine) -> Failure:
    """Inbound, the pod refuses its own ztunnel; outbound, the port that the source's ztunnel calls, or the CNI before it."""
    if line.inbound is None:
        return Failure.UNKNOWN
    if line.inbound:
        return Failure.NOT_LISTENING
    if not _to_tunnel(line):
        return Failure.REFUSED
    return Failure.HBONE_CLOSED if _ends_at_the_pod(line) or not line.through_hbone else Failure.PROXY_CLOSED


def _to_tunnel(line: AccessLine) -> bool:
    return line.fields.get("dst.addr", "").endswith(f":{HBONE_PORT}")


def _ends_at_the_pod(line: AccessLine) -> bool:
    """Whether the tunnel ends at the address that is called, and not at a waypoint or a gateway before it."""
    return bool(line.inner) and line.inner == line.destination.address
