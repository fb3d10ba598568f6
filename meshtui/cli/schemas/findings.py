"""The types of findings and denials."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

from meshtui.cli.schemas.changes import ShiftLine
from meshtui.cli.schemas.flows import Decider, Destination, Http, ObjectName, Predicted, Read, Source


class FixLine(Struct):
    """A change that resolves a finding. ``patch`` is a unified diff; empty if an object couldn't be read."""

    summary: str
    patch: str


class PlaceLine(Struct):
    """Where a finding is in a file; of a cluster's object, who changed it last and when (managedFields). Null if not known."""

    file: str | None
    line: int | None
    field: str | None
    changed_by: str | None
    changed_at: str | None


SeverityWord = Literal["error", "warning", "info"]
RuleId = Annotated[str, Meta(pattern="^MT[0-9]{3}$")]


class FindingLine(Struct):
    """One finding. ``flows`` counts the flows that it breaks or opens: pairs of workloads and a port."""

    rule: RuleId
    name: str
    severity: SeverityWord
    objects: list[ObjectName]
    message: str
    why: str
    flows: int
    fix: FixLine | None
    place: PlaceLine


class IgnoredLine(Struct):
    """A finding that an annotation meshtui.dev/ignore silences, with the reason in the annotation."""

    rule: RuleId
    name: str
    severity: SeverityWord
    objects: list[ObjectName]
    message: str
    reason: str


class NotEvaluatedLine(Struct):
    """A rule that couldn't be evaluated, and why."""

    rule: RuleId
    name: str
    reason: str


class Check(Struct, omit_defaults=True):
    """Findings, the most severe first. ``in_baseline`` counts findings that --baseline leaves out."""

    findings: list[FindingLine]
    ignored: list[IgnoredLine]
    not_evaluated: list[NotEvaluatedLine]
    errors: int
    warnings: int
    infos: int
    in_baseline: int
    read: Read | UnsetType = UNSET


class ExplainedFindingLine(FindingLine):
    """A finding with what its fix opens and closes; null without a fix, or where that can't be told.

    ``ignored`` is the reason in the annotation meshtui.dev/ignore, or null.
    """

    ignored: str | None
    opens: list[ShiftLine] | None
    closes: list[ShiftLine] | None


class ExplainedFindings(Struct, omit_defaults=True):
    """The findings of one rule. ``not_evaluated`` is why the rule couldn't look, or null."""

    rule: RuleId
    name: str
    severity: SeverityWord
    findings: list[ExplainedFindingLine]
    not_evaluated: str | None
    read: Read | UnsetType = UNSET


class DenialLine(Struct):
    """Equal denials of one flow, counted. ``time`` is that of the last one.

    With --follow a group is printed again when it changes. ``decided_by`` is the policy that the log names (``evidence`` is
    ``log``), else the predicted one, if the prediction agrees (``predicted``), else null. ``from`` and ``to`` are null if the
    log doesn't identify them.
    """

    time: str
    first: str
    source: Source | None = field(name="from")
    to: Destination | None
    source_identity: Annotated[str | None, Meta(description="a SPIFFE id; null: plaintext, or the log doesn't name it")]
    kind: Literal["rejected", "policy_change", "refused", "timed_out", "hbone_closed", "failed", "http_403"]
    cause: Literal[
        "policy",
        "no_identity",
        "not_captured",
        "proxy_closed",
        "network_policy",
        "no_answer",
        "certificate",
        "state",
        "not_listening",
        "draining",
        "unknown",
    ]
    reason: str
    count: int
    decided_by: Decider | None
    evidence: Literal["log", "predicted"] | None
    predicted: Predicted | None
    agreement: Literal["agrees", "disagrees", "changed", "unknown"]
    note: str
    logged_by: Literal["ztunnel", "waypoint", "gateway"]
    http: Http | None
    source_pod: str
    destination_pod: str
