"""What a comparison of the mesh's parts has found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from meshtui.model.enrolment import Enrolment, Proofs
from meshtui.model.ids import ObjectRef, Uid


class Between(StrEnum):
    """The two parts that differ."""

    ZTUNNELS = "ztunnels"
    """One ztunnel and the majority of the others."""
    API = "api"
    """The API's objects, converted as istiod does, and a ztunnel."""
    STATUS = "status"
    """An object's status and its spec, or what a ztunnel has."""
    ISTIOD = "istiod"
    """istiod and a ztunnel: an update that was refused, or isn't acknowledged."""
    VERSIONS = "versions"
    """Versions of the mesh's parts."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference: ``expected`` is what ``by`` says, ``found`` what the node's ztunnel has.

    ``name`` is the object as people write it (``AuthorizationPolicy shop/allow-web``), ``ref`` the API's object where there is
    one, ``field`` the path in it; empty for the whole object. ``node`` is empty where no single node is concerned.
    """

    between: Between
    node: str
    name: str
    field: str
    expected: str
    found: str
    by: str
    ref: ObjectRef | None = None
    dangerous: bool = False
    """Whether traffic is decided otherwise than the API says: a missing policy, a stale address, a skipped waypoint."""
    consequence: str = ""

    @property
    def key(self) -> tuple[str, ...]:
        """What makes two looks' differences the same one."""
        return self.between.value, self.node, self.name, self.field


class CertificateFault(StrEnum):
    """What is wrong with an identity's certificate on a node."""

    MISSING = "missing"
    UNAVAILABLE = "unavailable"
    STUCK = "stuck renewal"
    EXPIRED = "expired"
    EXPIRED_INTERMEDIATE = "expired intermediate"
    EXPIRED_ROOT = "expired root"
    NOT_YET_VALID = "not yet valid"
    NEVER_VALID = "never valid"
    UNKNOWN_ROOT = "unknown root"
    FOREIGN_DOMAIN = "foreign trust domain"


@dataclass(frozen=True, slots=True)
class CertificateProblem:
    """One faulty certificate. ``expires`` is the leaf's, where there is one, or that of the part of the chain at fault."""

    fault: CertificateFault
    node: str
    identity: str
    text: str
    expires: datetime | None = None


@dataclass(frozen=True, slots=True)
class NodeState:
    """One row of the mesh pane. Numbers are None where they couldn't be had."""

    node: str
    ztunnel: str
    version: str
    ready: bool | None
    captured: int | None
    """The pods that the ztunnel has up."""
    supposed: int | None
    """The pods of the node that should be captured."""
    certificates: int | None
    faulty: int
    """Certificates with a problem."""
    drift: int | None
    behind: bool | None
    """Whether istiod waits for an acknowledgement; None if istiod couldn't be asked."""
    at: datetime | None
    problems: tuple[str, ...] = ()
    unjudged: int = 0
    """Certificates of which it isn't known whether they are valid: dates that can't be read, or no root."""
    not_compared: tuple[str, ...] = ()
    """The lists of its dump that weren't compared, in words; ``some ...`` where entries couldn't be read."""


@dataclass(frozen=True, slots=True)
class MeshReport:
    """Everything that was found. ``missing`` says what couldn't be compared, and why."""

    at: datetime | None = None
    nodes: tuple[NodeState, ...] = ()
    differences: tuple[Difference, ...] = ()
    certificates: tuple[CertificateProblem, ...] = ()
    enrolments: Mapping[Uid, Enrolment] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    undecided: tuple[str, ...] = ()
    """What certificates differ in without a majority: it isn't known which of them are the mesh's."""
    probed: Proofs | None = None
    """What a probe from outside the mesh showed; None if none was made."""
