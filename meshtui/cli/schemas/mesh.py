"""The types of what ``meshtui mesh`` answers."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

Time = Annotated[str, Meta(description="RFC 3339, UTC")]


class MeshNode(Struct):
    """One node's ztunnel. Numbers are null where they couldn't be had; ``problems`` says why."""

    node: str
    ztunnel: Annotated[str, Meta(description="namespace/name of its pod, or the file of a saved dump; empty: none")]
    version: str
    ready: bool | None
    captured: Annotated[int | None, Meta(description="the pods that it has up")]
    supposed: Annotated[int | None, Meta(description="the pods of the node that should be captured; null for saved dumps")]
    certificates: int | None
    faulty_certificates: int
    unjudged_certificates: Annotated[int, Meta(description="those of which it isn't known whether they are valid")]
    drift: Annotated[int | None, Meta(description="objects of which it has something else; null: not compared")]
    not_compared: Annotated[list[str], Meta(description="workloads, Services, policies; `some ...`: entries can't be read")]
    behind: Annotated[bool | None, Meta(description="whether istiod waits for an acknowledgement; null: istiod wasn't asked")]
    at: Time | None
    problems: list[str]


class CaptureEvidence(Struct):
    """One observation of a pod's capture."""

    captured: bool
    seen: str
    text: str
    at: Time | None


class CapturedPod(Struct):
    """A pod that should be captured."""

    pod: Annotated[str, Meta(description="namespace/name")]
    node: str
    capture: Literal["proven", "unproven", "pending", "lost"]
    evidence: list[CaptureEvidence]


class ProbedPod(Struct):
    """A pod whose port 15008 a probe asked from outside the mesh."""

    pod: Annotated[str, Meta(description="namespace/name")]
    captured: Annotated[bool | None, Meta(description="null: it isn't known, for the reason in `text`")]
    text: str


class MeshStatus(Struct):
    """The answer of ``mesh status``. ``missing`` says what couldn't be asked, and why."""

    at: Time | None
    missing: list[str]
    nodes: list[MeshNode]
    pods: list[CapturedPod]
    drift: int
    faulty_certificates: int
    probed: Annotated[list[ProbedPod] | None, Meta(description="null without --probe")]


class DriftObject(Struct):
    """The API's object."""

    kind: str
    namespace: str
    name: str


class MeshDifference(Struct):
    """One difference: ``found`` on the node, ``expected`` by the API, the other ztunnels, a status, or istiod (``by``)."""

    between: Literal["ztunnels", "api", "status", "istiod", "versions"]
    node: str
    name: str
    object_: DriftObject | None = field(name="object")
    field_: Annotated[str, Meta(description="the path in the ztunnel's entry; empty: the whole object")] = field(name="field")
    expected: str
    by: str
    found: str
    dangerous: Annotated[bool, Meta(description="whether connections are decided otherwise than the API says")]
    consequence: str


class NotCompared(Struct):
    """A node of whose ztunnel not everything was compared."""

    node: str
    what: Annotated[list[str], Meta(description="workloads, Services, policies; `some ...` where entries couldn't be read")]


class MeshDrift(Struct):
    """The answer of ``mesh drift``."""

    at: Time | None
    missing: list[str]
    compared: Annotated[list[str], Meta(description="the nodes whose ztunnel was compared")]
    not_compared: list[NotCompared]
    differences: list[MeshDifference]


class FaultyCertificate(Struct):
    """One faulty certificate of an identity on a node."""

    node: str
    identity: str
    fault: Literal[
        "missing",
        "unavailable",
        "stuck renewal",
        "expired",
        "expired intermediate",
        "expired root",
        "not yet valid",
        "never valid",
        "unknown root",
        "foreign trust domain",
    ]
    expires: Time | None
    text: str


class MeshCertificates(Struct):
    """The answer of ``mesh certificates``; ``read`` is how many certificates were looked at.

    ``unjudged`` is of how many of them it isn't known whether they are valid: without a root, or with dates that can't be read.
    """

    at: Time | None
    missing: list[str]
    certificates: list[FaultyCertificate]
    read: int
    unjudged: int
    undecided: Annotated[list[str], Meta(description="what certificates differ in without a majority, in words")]
