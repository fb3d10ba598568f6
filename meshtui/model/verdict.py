"""A verdict: the decision, the deciding object, every step in order, and the assumptions."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from meshtui.model.ids import ObjectRef
from meshtui.model.reason import Reason
from meshtui.model.workload import Pod


class Decision(Enum):
    """What policy decides about a flow."""

    ALLOW = "allow"
    DENY = "deny"
    MIXED = "mixed"
    UNKNOWN = "unknown"


class Layer(Enum):
    """The layer that decides a flow."""

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
    """The result of one step."""

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
    """The object and rule that decide; ``rule`` is ``ingress[0]``, ``rules[0]``, ``spec.mtls`` … or None."""

    ref: ObjectRef
    rule: str | None = None


@dataclass(frozen=True, slots=True)
class Hop:
    """One connection of a flow as the policies of a step see it, as from a client to a waypoint, or from a gateway to a backend.

    ``source`` and ``destination`` are ``namespace/name`` of a pod, an address, or ``external``. ``port`` is the destination's
    port that these policies compare: 15008 for NetworkPolicies in front of a tunnel, the Service's port at a waypoint, else the
    pod's own. ``service`` is the Service that a waypoint sees; the pods are None for addresses.
    """

    source: str
    destination: str
    port: int
    protocol: str = "TCP"
    service: ObjectRef | None = None
    source_pod: Pod | None = field(default=None, compare=False, repr=False)
    destination_pod: Pod | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Step:
    """One step: a layer, where it is enforced, its result with the reason, and the objects that it considered.

    ``hop`` is the connection that a blocking step blocks; None for other results, and where no connection is made.
    """

    layer: Layer
    where: str
    result: StepResult
    reason: Reason
    objects: tuple[Decider, ...] = ()
    hop: Hop | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class PairVerdict:
    """One pod pair's part of a mixed verdict; each end is ``namespace/name``."""

    source: str
    destination: str
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer to one flow.

    ``outcome`` is what a client would see (docs/contracts.md, Words); ``decided_by`` is None when nothing selects the flow;
    ``pairs`` is filled for a workload or Service whose pods differ.
    """

    decision: Decision
    outcome: str
    layer: Layer
    decided_by: Decider | None = None
    steps: tuple[Step, ...] = ()
    assumptions: tuple[Reason, ...] = ()
    notes: tuple[Reason, ...] = ()
    pairs: tuple[PairVerdict, ...] = ()

    @property
    def reason(self) -> Reason | None:
        """The deciding step's reason, else the first note, if there is one."""
        wanted = {Decision.DENY: StepResult.BLOCK, Decision.UNKNOWN: StepResult.UNKNOWN}.get(self.decision)
        for step in self.steps:
            if step.result is wanted or (wanted is None and step.layer is self.layer and step.objects):
                return step.reason
        return self.notes[0] if self.notes else None
