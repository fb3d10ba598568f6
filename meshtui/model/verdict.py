"""A verdict: never a bool. What decides, everything that was considered, in order, and what was assumed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from meshtui.model.ids import ObjectRef


class Decision(Enum):
    """What policy says about a flow."""

    ALLOW = "allow"
    DENY = "deny"
    MIXED = "mixed"
    UNKNOWN = "unknown"


class Layer(Enum):
    """Where a flow is decided."""

    NONE = "none"
    EGRESS_POLICY = "egress_policy"
    INGRESS_POLICY = "ingress_policy"
    ADMIN_POLICY = "admin_policy"
    BASELINE_POLICY = "baseline_policy"
    ZTUNNEL = "ztunnel"
    WAYPOINT = "waypoint"
    SIDECAR = "sidecar"
    GATEWAY = "gateway"


class StepResult(Enum):
    """What one step of the ladder says."""

    PASS = "pass"
    BLOCK = "block"
    SKIP = "skip"
    UNKNOWN = "unknown"


CONNECTED, TIMEOUT, REFUSED, CLOSED = "connected", "timeout", "refused", "closed"
DNS, TLS, NOT_SETTLED, UNKNOWN = "dns", "tls", "not_settled", "unknown"


def http_outcome(status: int) -> str:
    """The outcome word for an HTTP status: ``http_403``."""
    return f"http_{status}"


@dataclass(frozen=True, slots=True)
class Decider:
    """The object and rule that decides; ``rule`` is ``ingress[0]``, ``rules[0]``, ``spec.mtls`` … or None."""

    ref: ObjectRef
    rule: str | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One rung of the ladder: a layer, where it is enforced, what it says and why, and what it looked at."""

    layer: Layer
    where: str
    result: StepResult
    reason: str
    objects: tuple[Decider, ...] = ()


@dataclass(frozen=True, slots=True)
class PairVerdict:
    """One pod pair's part of a mixed verdict; each end is ``namespace/name``."""

    source: str
    destination: str
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to one flow.

    ``outcome`` is what a client would see (contracts, Words); ``decided_by`` is None when nothing selects the flow;
    ``pairs`` is filled for a workload or Service whose pods differ.
    """

    decision: Decision
    outcome: str
    layer: Layer
    decided_by: Decider | None = None
    steps: tuple[Step, ...] = ()
    assumptions: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    pairs: tuple[PairVerdict, ...] = ()

    @property
    def reason(self) -> str:
        """The deciding step's reason, else the first note."""
        wanted = {Decision.DENY: StepResult.BLOCK, Decision.UNKNOWN: StepResult.UNKNOWN}.get(self.decision)
        for step in self.steps:
            if step.result is wanted or (wanted is None and step.layer is self.layer and step.objects):
                return step.reason
        return self.notes[0] if self.notes else ""
