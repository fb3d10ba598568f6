"""The types of probes, verified expectations, and what probes leave behind."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from meshtui.cli.schemas.flows import Decider, FlowId, FlowLine, LayerWord, Outcome, Predicted, Read


class ProbePod(Struct):
    """The pod that made the probe."""

    namespace: str
    name: str
    service_account: str


class Observed(Struct):
    """What the probe observed; times are milliseconds."""

    outcome: Outcome
    http_status: int | None
    connect_ms: float | None
    total_ms: float | None
    bytes: int
    evidence: list[str]
    detail: str


class Probed(Struct):
    """Predicted beside observed. ``agrees`` is null if one of them can't tell."""

    flow: FlowLine
    predicted: Predicted
    observed: Observed
    agrees: bool | None
    pod: ProbePod | None


class PlannedPod(Struct):
    """A pod that a probe would start."""

    namespace: str
    service_account: str
    stands_for: str
    labels: dict[str, str]
    flows: list[FlowLine]


class Refusal(Struct):
    """A flow that a probe would leave out."""

    flow: FlowLine
    reason: str


class ProbePlan(Struct, omit_defaults=True):
    """The answer of ``probe --plan``. ``context`` is where the probe would run."""

    context: str
    seconds: float
    pods: list[PlannedPod]
    external: list[FlowLine]
    refused: list[Refusal]
    warnings: list[str]
    read: Read | UnsetType = UNSET


class Verified(Struct):
    """One expectation; ``observed`` is null without a probe.

    ``predicted`` is a verdict if allow or deny is expected or pods differ, else an outcome.
    """

    id: FlowId
    name: str
    expected: Annotated[str, Meta(pattern="^(allow|deny|connected|timeout|refused|closed|http_[0-9]{3}|dns|tls)$")]
    predicted: str
    observed: Outcome | None
    status: Literal["pass", "fail", "unknown"]
    reason: Annotated[str, Meta(description="names the deciding object, and the layer that reality points to")]
    flow: FlowLine
    layer: LayerWord
    decided_by: Decider | None
    agrees: bool | None
    evidence: list[str]


class Verification(Struct, omit_defaults=True):
    """Expectations compared with predictions, and with --probe also with observations."""

    passed: int
    failed: int
    unknown: int
    results: list[Verified]
    read: Read | UnsetType = UNSET


class Leftover(Struct):
    """An object that an ended run left in the cluster."""

    kind: str
    namespace: str
    name: str
    run: str
    removed: bool


class Cleaned(Struct):
    """The objects that ``clean`` found, and whether it was a dry run."""

    items: list[Leftover]
    dry_run: bool
