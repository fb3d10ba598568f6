"""The types of a compared change."""

from __future__ import annotations

from typing import Literal

from msgspec import UNSET, Struct, UnsetType, field

from meshtui.cli.schemas.flows import Decider, Destination, Http, LayerWord, Outcome, Read, Source, Word


class ChangedObject(Struct):
    """An object that the change creates, edits or deletes."""

    kind: str
    namespace: str
    name: str
    what: Literal["created", "edited", "deleted"]


class ShiftSide(Struct):
    """The verdict on one side of a change."""

    verdict: Word
    outcome: Outcome
    layer: LayerWord
    decided_by: Decider | None


class ShiftLine(Struct, omit_defaults=True):
    """A changed verdict of flows between two workloads on some ports.

    A side is null if one of the workloads doesn't exist there. ``some``: the change applies to some of their pods only.
    ``not_allowed`` is present for opened flows: the ports that no entry of --allow covers, null if all are covered.
    """

    source: Source = field(name="from")
    to: Destination
    ports: str
    before: ShiftSide | None
    after: ShiftSide | None
    some: bool
    text: str
    http: Http | UnsetType = UNSET
    not_allowed: str | UnsetType | None = UNSET


class Diffed(Struct, omit_defaults=True):
    """The effects of a change. ``unsure``: no longer known after it; ``settled``: known only after it.

    ``covered`` is everything that was compared. ``not_covered`` wasn't compared. ``read`` is about -f, ``read_new`` about NEW.
    """

    objects: list[ChangedObject]
    opened: list[ShiftLine]
    closed: list[ShiftLine]
    unsure: list[ShiftLine]
    settled: list[ShiftLine]
    covered: list[str]
    not_covered: list[str]
    read: Read | UnsetType = UNSET
    read_new: Read | UnsetType = UNSET
