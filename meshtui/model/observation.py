"""The result of a probe for one flow."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from meshtui.model.flow import Flow
from meshtui.model.verdict import CONNECTED, DNS, NOT_SETTLED, REFUSED, UNKNOWN, Decision, Verdict

_PROXY_STATUSES = {401, 403, 404, 502, 503, 504}


@dataclass(frozen=True, slots=True)
class ProbePod:
    """The pod that sent the probe."""

    namespace: str
    name: str
    service_account: str


@dataclass(frozen=True, slots=True)
class Observation:
    """One flow as a probe observed it.

    ``outcome`` is a word of docs/contracts.md, Words; times are milliseconds, None where they weren't measured; ``from_proxy``
    says that an HTTP status came from a proxy on the way, not from the application.
    """

    flow: Flow
    outcome: str
    predicted: Verdict
    http_status: int | None = None
    connect_ms: float | None = None
    total_ms: float | None = None
    bytes_received: int = 0
    evidence: tuple[str, ...] = ()
    pod: ProbePod | None = None
    detail: str = ""
    from_proxy: bool = False
    at: datetime | None = None

    @property
    def reached(self) -> bool | None:
        """Whether the destination was reached; None when the outcome can't tell."""
        if self.outcome in {REFUSED, DNS, NOT_SETTLED, UNKNOWN}:
            return None
        if self.outcome == CONNECTED:
            return True
        if self.outcome.startswith("http_"):
            return not (self.from_proxy and self.http_status in _PROXY_STATUSES)
        return False

    @property
    def agrees(self) -> bool | None:
        """Whether the observation agrees with the prediction; None when one of them can't tell."""
        if self.predicted.decision in {Decision.MIXED, Decision.UNKNOWN} or self.reached is None:
            return None
        return self.reached == (self.predicted.decision is Decision.ALLOW)
