"""The types of an explained verdict and of what would change it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

from meshtui.cli.schemas.changes import ShiftLine
from meshtui.cli.schemas.flows import LayerWord, ObjectName, PortNumber, Predicted, Read, StepLine, Word


class HopLine(Struct):
    """A connection of a flow. ``port`` is what the policies of the step see; null if the step answers a request itself."""

    source: str = field(name="from")
    to: str
    port: PortNumber | None
    protocol: Literal["TCP", "UDP", "SCTP"]


class ProposalLine(Struct):
    """What one blocking step needs: a new object (``manifest``), a JSON Patch (``patch``) of ``object``, or neither.

    Without either, no change of a policy is safe to propose, and ``code`` and ``text`` say what to do instead. ``placeholders``
    are words in the manifest or patch that have to be filled in.
    """

    layer: LayerWord
    hop: HopLine
    objects: list[ObjectName]
    code: str
    text: str
    object: ObjectName | None
    manifest: dict[str, Any] | None
    patch: list[dict[str, Any]] | None
    placeholders: list[str]


class FlowsListed(Struct):
    """Other flows that a change would open or close. ``count`` counts all of them, ``flows`` lists the first 100."""

    count: int
    flows: list[ShiftLine]


class ProposalEffect(Struct):
    """What all manifests and patches together would do, by a what-if. ``verdict`` is that on the flow after them."""

    verdict: Word
    enough: bool
    opens: FlowsListed
    closes: FlowsListed
    not_covered: list[str]


class Explained(Predicted, kw_only=True):
    """A verdict with every step in order, and advice."""

    steps: list[StepLine]
    assumptions: list[str]
    client_sees: str
    changes: Annotated[list[str], Meta(description="what each blocking step needs, in order, in words")]
    proposals: list[ProposalLine]
    effect: ProposalEffect | None
    log_lines: list[str]
    commands: list[str]
    read: Read | UnsetType = UNSET
