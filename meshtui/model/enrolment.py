"""Whether ztunnel really carries a pod's traffic, by evidence that is independent of istio-cni's annotation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

SKEW = timedelta(seconds=5)
"""How far the clocks of nodes may be ahead of this machine's. What is dated later has an unknown time: at most now."""


class Capture(StrEnum):
    """What is known of the capture of a pod that should be in the ambient mesh."""

    PROVEN = "proven"
    """Two independent observations say yes, and none says no."""
    UNPROVEN = "unproven"
    """Only its labels and annotation say so."""
    PENDING = "pending"
    """Its traffic is redirected, and no ztunnel carries it yet: it neither sends nor receives."""
    LOST = "lost"
    """An independent observation says no: the mesh believes that it is captured, and its data plane isn't."""


class Seen(StrEnum):
    """One kind of observation of a pod's capture."""

    ANNOTATION_PENDING = "annotation pending"
    ZTUNNEL_UP = "ztunnel has it"
    ZTUNNEL_PENDING = "ztunnel can't start its proxy"
    ZTUNNEL_LACKS = "ztunnel doesn't have it"
    HBONE_LINE = "access line with its identity"
    HBONE_CONNECTION = "open HBONE connection"
    REFUSED_15008 = "15008 refused"
    NO_IDENTITY = "calls without identity"
    CNI_FAILED = "istio-cni failed"
    PROBE = "TLS on 15008 from outside the mesh"
    PROBE_REFUSED = "15008 refused a probe from outside the mesh"


@dataclass(frozen=True, slots=True)
class Evidence:
    """One observation: ``says`` is whether the pod is captured; ``text`` has the words that were seen."""

    seen: Seen
    says: bool
    text: str
    at: datetime | None = None
    node: str = ""


@dataclass(frozen=True, slots=True)
class Enrolment:
    """The capture of one pod, with the evidence for it."""

    capture: Capture
    evidence: tuple[Evidence, ...] = ()

    @property
    def against(self) -> tuple[Evidence, ...]:
        """The observations that say that it isn't captured."""
        return tuple(each for each in self.evidence if not each.says)

    @property
    def outlived_annotation(self) -> bool:
        """Whether the annotation said pending when this was judged; of a proven pod it is stale."""
        return any(each.seen is Seen.ANNOTATION_PENDING for each in self.evidence)


@dataclass(frozen=True, slots=True)
class Proofs:
    """What a probe from outside the mesh showed, by the pod's ``namespace/name``."""

    evidence: Mapping[str, Evidence] = field(default_factory=dict)
    unknown: Mapping[str, str] = field(default_factory=dict)
    """The pods about which it showed nothing, each with the reason."""
