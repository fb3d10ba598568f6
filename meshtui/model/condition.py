"""Conditions: what controllers report about an object in its status."""

from __future__ import annotations

from dataclasses import dataclass

_WORSE_IF_TRUE = frozenset({"Conflicted", "Detached", "OverlappingTLSConfig", "PartiallyInvalid", "istio.io/WaypointMissing"})
"""Types that report a problem by the status True (Gateway API, istiod); all others report one by False."""

_IN_PART = "PartiallyInvalid"
_ACCEPTED = frozenset({"WaypointAccepted", "ZtunnelAccepted"})
"""Types that istiod sets to True with that reason where a policy is accepted in part (pilot/pkg/model/service.go)."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition of a status. ``of`` is the part of the object that it is about, such as ``listener http``, or empty.

    ``observed`` is the generation of the object that the controller had seen, None if it doesn't say.
    """

    type: str
    status: str
    reason: str = ""
    message: str = ""
    observed: int | None = None
    of: str = ""

    @property
    def is_negative(self) -> bool:
        """Whether it reports a problem; one that is Unknown doesn't yet."""
        if self.reason == _IN_PART and self.type in _ACCEPTED:
            return True
        return self.status == ("True" if self.type in _WORSE_IF_TRUE else "False")
